"""Splitting again what the model said of a micrograph, with the settings in force."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.find import Found, PlaneFound, iter_resplit, iter_resplit_all
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.held_tool import Instruction
from napari_temseg.widgets.session.history import SPLIT_STEP
from napari_temseg.widgets.session.results.carried import commit_found
from napari_temseg.widgets.session.results.together import Renewed, one_step, same_outlines, sentence
from napari_temseg.widgets.session.results.uncommitted_planes import UncommittedPlanes
from napari_temseg.widgets.session.settings import remembered

if TYPE_CHECKING:
    from napari_temseg.engine.types.progress import Progress
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Splitter(QObject):
    """`config` holds the split settings in force, those that the user sees; panels replace them. `begun` tells that a split began,
    `given_up` that one came to nothing.

    What is changed while an image is in hand is for that image; `_usual` is for those of which nothing was said.
    """

    begun = Signal()
    given_up = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.config = self._usual = remembered(SplitConfig, session.settings.get("split"))
        self._own: WeakKeyDictionary[Item, SplitConfig] = WeakKeyDictionary()  # as the user last set them
        self._overruled: WeakSet[Item] = WeakSet()  # what they were split with does not hold for their next search
        self._splitting: Item | None = None
        session.item_changed.connect(self._item_changed)

    def splits(self, item: Item | None) -> bool:
        """Whether an image is being split again."""
        return item is not None and item is self._splitting and self.session.jobs.looking

    def resplit(self, item: Item) -> None:
        """Split again with the settings in force: the shown plane at once, the others behind it; an earlier request is dropped."""
        prediction, config = item.prediction, self.config
        if prediction is None:
            return
        first = self.session.shown_plane(item)
        showing = UncommittedPlanes(self.session, item)
        self.session.jobs.look(
            lambda: iter_resplit(prediction, config, first),
            partial(self._resplit_done, item, prediction),
            seen=partial(self._resplit_seen, item, prediction, showing),
            failed=partial(self._resplit_failed, showing),
        )
        self._splitting = item
        self.session.part(Instruction).tell(f"{item.name}: splitting again …")  # a sign of life: it may take seconds
        self.remember()
        self.begun.emit()

    def edit(self, config: SplitConfig, item: Item | None) -> None:
        """Put split settings in force that the user chose with this image in hand."""
        self.config = config
        if item is None:
            self._usual = config
        else:
            self._own[item] = config

    def follow(self, item: Item | None) -> SplitConfig:
        """Put in force, and return, the settings that the particles of an image were split with, or will be."""
        made = self._made(item)
        if self.config != made:  # a number that was typed stays one, though it be the automatic one
            self.config = self.config_of(item)
        return self.config

    def config_of(self, item: Item | None) -> SplitConfig:
        """The settings that the particles of an image were split with, or will be."""
        made = self._made(item)
        searched = item is not None and item not in self._overruled and item.particles is not None and bool(item.particles.settings)
        return replace(made, certainty=None) if searched and _automatic(made.certainty, item) else made

    def _made(self, item: Item | None) -> SplitConfig:
        if item is None:
            return self._usual
        found, own = item.particles if item not in self._overruled else None, self._own.get(item, self._usual)
        try:
            return SplitConfig.from_dict(found.settings) if found is not None and found.settings else own
        except TemsegError:  # split by something else
            return own

    def use_for_all(self) -> None:
        """What is in force is for all images: those that were searched are split so now, as a job, the others when they are searched."""
        self._usual, current = self.config, self.session.current
        self._own.clear()
        self._overruled = WeakSet(item for item in self.session.items if item.particles is not None and item is not current)
        again = [(each, each.prediction) for each in self.session.items if each in self._overruled and each.prediction is not None]
        if again:
            predictions, config = [prediction for _, prediction in again], self.config
            title = f"Splitting {len(again)} image{'s' if len(again) > 1 else ''}"
            self.session.jobs.start(title, lambda: iter_resplit_all(predictions, config), partial(self._all_done, again))

    def _all_done(self, again: list[tuple[Item, Prediction]], found: list[Found]) -> None:
        renewed = []
        for (item, prediction), each in zip(again, found, strict=True):
            if item in self.session.items and item.prediction is prediction:
                renewed.append(self._renewed(item, replace(each, prediction=prediction)))
        current = self.session.current
        at_once = any(each.changed for each in renewed) and current is not None and current.measurement is not None
        if at_once and current is not None:
            one_step(self.session, current, renewed)
        self.session.say(sentence(renewed, at_once=at_once) if renewed else "")

    def _renewed(self, item: Item, found: Found) -> Renewed:
        self.session.settle(item)
        before, count = item.found_particles().labels, item.count
        told = commit_found(self.session, item, found, SPLIT_STEP, merge=False)
        changed = not same_outlines(before, item.found_particles().labels) or item.count != count
        return Renewed(item, item.history.newest, count, changed, told)

    def remember(self) -> None:
        """Have the usual settings in force at the next start."""
        self.session.settings.set("split", self._usual.to_dict())

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PARTICLES:
            self._overruled.discard(item)

    def _resplit_seen(self, item: Item, prediction: Prediction, showing: UncommittedPlanes, step: Progress) -> None:
        if isinstance(step.preview, PlaneFound) and item in self.session.items and item.prediction is prediction:
            showing.plane(step.preview)

    def _resplit_failed(self, showing: UncommittedPlanes) -> None:
        self._splitting = None
        self.session.part(Instruction).over()
        showing.revert()
        self.given_up.emit()

    def _resplit_done(self, item: Item, prediction: Prediction, found: Found) -> None:
        self._splitting = None
        self.session.part(Instruction).over()
        if item not in self.session.items or item.prediction is not prediction:
            return
        if told := commit_found(self.session, item, replace(found, prediction=prediction), SPLIT_STEP):
            self.session.say(f"{item.name}: {told}")


def _automatic(certainty: float | None, item: Item | None) -> bool:
    """Whether an image was split with the certainty that is taken when none is set; where what a model said is not kept, it is assumed."""
    from napari_temseg.engine.particles.weighing import BAND_CERTAINTY, CERTAINTY

    told = automatic_certainty(item)
    return certainty in (0.0, CERTAINTY, BAND_CERTAINTY) if told is None else certainty == told


def automatic_certainty(item: Item | None) -> float | None:
    """The least certainty that is taken for an image when none is set; None while it is not known."""
    if item is None or item.prediction is None:
        return None
    from napari_temseg.engine.particles.weighing import default_certainty

    return default_certainty(item.prediction)
