"""From a click to particles on the screen: runs the search, shows planes as they come, and puts results where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import OF_ONE_PICTURE, PredictConfig, SplitConfig, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.engine.types.wording import several, some_of
from napari_temseg.pipeline.find import Found, PlaneFound, iter_find
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.find.searched import Asked, Searched
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import FOUND_STEP
from napari_temseg.widgets.session.regions import Regions
from napari_temseg.widgets.session.results.carried import commit_found
from napari_temseg.widgets.session.results.splitter import Splitter
from napari_temseg.widgets.session.results.state import Beside
from napari_temseg.widgets.session.results.uncommitted_planes import UncommittedPlanes
from napari_temseg.widgets.session.settings import remembered

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Finder(QObject):
    """Runs searches for a session. What is said of one picture, such as the size that is meant, holds for that picture alone."""

    settings_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.splitter = session, session.part(Splitter)
        self._usual = _general(remembered(PredictConfig, session.settings.get("predict")))
        self._searched: list[Item] = []
        self._pixels: list[int] = []  # which of its pixels each of them had
        self._models: list[str] = []  # names of those that search each of them
        self._asked: list[Asked] = []  # what each of them is searched with
        self._meant: tuple[Item, PredictConfig | None, PredictConfig | None] | None = None  # said by a search: before, and as it is asked
        self._said: WeakKeyDictionary[Item, PredictConfig | None] = WeakKeyDictionary()  # of a picture, when its result was searched
        self._known, self._spared = Searched(), ""
        self._shown: dict[int, UncommittedPlanes] = {}
        self._carried: list[str] = []  # what became of corrections by hand
        self._bars: list[str] = []  # names of pictures that lost what is burnt in
        self._saying = False
        session.jobs.progressed.connect(self._show)
        session.item_changed.connect(self._item_changed)
        session.items_changed.connect(self._stop_if_gone)
        self.splitter.begun.connect(self._remember)

    # -- settings

    @property
    def predict(self) -> PredictConfig:
        """The settings in force for the picture in hand, those that the user sees."""
        return self.config_of(self.session.current)

    def config_of(self, item: Item | None) -> PredictConfig:
        """The settings that a picture is searched with."""
        own = item.search if item is not None else None
        return self._usual if own is None else replace(self._usual, **{name: getattr(own, name) for name in OF_ONE_PICTURE})

    def asked_of(self, item: Item) -> PredictConfig | None:
        """The settings that the result of a picture was asked with; None where nobody knows."""
        return self._known.asked(item)

    def edit(self, config: PredictConfig, item: Item | None) -> None:
        """Put settings in force that the user chose with this picture in hand; how the machine works is for all pictures."""
        self._usual = replace(config, **{name: getattr(self._usual, name) for name in OF_ONE_PICTURE})
        if item is not None:
            self._say_of(item, config)

    def use_for_all(self) -> None:
        """What is in force for the picture in hand is for all; those that were searched are split so, but not searched again."""
        self._usual, item = self.predict, self.session.current
        scale = item.calibration.nanometres if item is not None else 0.0
        usual = self._usual
        if scale and usual.typical_size:  # the same particles are another number of px in a picture of another magnification
            sizes = [size * scale for size in (usual.typical_size, usual.other_size) if size]
            self._usual = replace(usual, **size_fields([(None, size) for size in sizes]), exact_size=usual.exact_size and len(sizes) == 1)
        for each in self.session.items:
            self._say_of(each, None)
        self.splitter.use_for_all()
        self.splitter.remember()
        self._remember()
        self.settings_changed.emit()
        others = [each for each in self.session.items if each is not item and each.prediction is not None]
        kept = " What was found is split so; the size holds from the next search of an image on." if others else ""
        self.session.say(f"Size and splitting are those of all images now.{kept}")

    def say_of(self, item: Item, config: PredictConfig | None) -> None:
        """Say something of a picture in the user's place, who sees it in step 2."""
        self._say_of(item, config)
        if item is self.session.current:
            self.settings_changed.emit()

    def _say_of(self, item: Item, config: PredictConfig | None) -> None:
        """What is said of a picture: kept with its work."""
        if item.search != config:
            item.search, self._saying = config, True
            self.session.item_changed.emit(item, Change.SEARCH)
            self._saying = False

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.SEARCH and item is self.session.current and not self._saying:  # it came back with kept work
            self.settings_changed.emit()
        if what == Change.PREDICTION and item not in self._said:
            self._said[item] = item.search

    def _remember(self) -> None:
        self.session.settings.set("predict", _general(self._usual).to_dict())

    # -- a search

    def searches(self, item: Item) -> bool:
        """Whether a picture is being searched, or waits for its turn in a search."""
        return item in self._searched

    def find_rest(self, items: Sequence[Item]) -> None:
        """Find particles on those micrographs whose result is not the one that would come; one that is alone is searched anyway."""
        rest = [item for item in items if not self._known.knows(item, self._question(item))]
        spared = len(items) - len(rest) if len(items) > 1 else 0
        if spared and not rest:
            self.session.say("All these images were searched with this model and these settings; Find particles searches one again.")
            return
        self.find(rest if spared else items)
        were = "was" if spared == 1 else "were"
        self._spared = (
            f"{several(spared, 'image')} {were} searched with this model and these settings before, and left as is." if spared else ""
        )

    def _question(self, item: Item) -> Asked:
        return Asked(self.session.segmenter(self.session.model_of(item)), self._checked(item), self._split_of(item), item.search)

    def find_meant(self, item: Item, config: PredictConfig, *, as_one: bool | None = None) -> None:
        """Say what is meant in a picture, in the user's place, and search it; where that comes to nothing, nothing was said.

        `as_one` is how particles of two sizes are to be measured; None: as before.
        """
        self.session.jobs.check_free()
        before = item.search
        self.say_of(item, config)
        self._meant = item, before, config
        by = iter_find if as_one is None else partial(_iter_find_as, as_one)
        try:
            self.find([item], by=by)
        except TemsegError:
            self._unsay()
            raise

    def _unsay(self) -> None:
        """A search that was to find what is meant came to nothing."""
        (item, before, config), self._meant = self._meant or (None, None, None), None
        if item is not None and item in self.session.items and item.search == config:
            self.say_of(item, before)

    def find(self, items: Sequence[Item], *, title: str = "", by: Callable[..., Any] = iter_find, so_far: Progress | None = None) -> None:
        """Find particles on micrographs, as one job; `TemsegError` when one of them cannot be searched.

        `by` is what finds, called as `iter_find` is; `so_far` as for `Jobs.start`.
        """
        if not items:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        session = self.session
        images = [item.micrograph() for item in items]
        first = [session.shown_plane(item) for item in items]
        asked = [self._question(item) for item in items]
        model, predict, split = [each.model for each in asked], [each.predict for each in asked], [each.split for each in asked]
        usual = f"Finding particles: {items[0].name}" if len(items) == 1 else f"Finding particles in {len(items)} images"
        parted = [_parted(item) for item in items]
        bars = [session.part(Regions).untouched(item) for item in items]
        make = partial(by, model, images, predict, split, first, parted, bars)
        session.jobs.start(title or usual, make, self._done, can_finish=len(items) > 1, failed=self._give_up, so_far=so_far)
        self._searched, self._models, self._carried, self._bars = list(items), [session.model_of(item) for item in items], [], []
        self._pixels, self._asked, self._spared = [item.pixels for item in items], asked, ""
        self.splitter.remember()
        self._remember()

    def _checked(self, item: Item) -> PredictConfig:
        config = self.config_of(item)
        try:
            config.sizes_in(item.calibration.nanometres)
        except TemsegError as error:
            raise TemsegError(f"{item.name}: {error}") from error
        return config

    def _split_of(self, item: Item) -> SplitConfig:
        return self.splitter.config if item is self.session.current else self.splitter.config_of(item)

    def _awaits(self, index: int) -> Item | None:
        """The picture of this number, if it is still open and has the pixels that are searched."""
        item = self._searched[index] if index < len(self._searched) else None
        return item if item in self.session.items and item is not None and item.pixels == self._pixels[index] else None

    def _show(self, steps: list[Progress]) -> None:
        for step in steps:
            ready = step.preview
            if isinstance(ready, PlaneFound) and (item := self._awaits(ready.image)) is not None:
                self._shown.setdefault(ready.image, UncommittedPlanes(self.session, item)).plane(ready)
            elif isinstance(ready, Found) and self._searched:
                self._shown.pop(ready.image, None)
                if (item := self._awaits(ready.image)) is not None:
                    self._meant = None
                    self.session.model_names[ready.prediction.model_hash] = self._models[ready.image]
                    if told := commit_found(self.session, item, ready, FOUND_STEP, self._beside(item, ready)):
                        self._carried.append(f"{item.name}: {told}")
                    self._known.note(item, self._asked[ready.image])

    def _beside(self, item: Item, found: Found) -> Beside | None:
        """What comes and goes with a result: areas that were left out, and what was said of the picture."""
        left_out, said = self._left_out(item, found), self._said_before(item, self._asked[found.image].said)
        if left_out is None or said is None:
            return left_out or said
        return Beside(lambda: (left_out.undo(), said.undo()), lambda: (left_out.redo(), said.redo()))

    def _said_before(self, item: Item, said: PredictConfig | None) -> Beside | None:
        """What was said of a picture when its result was searched that is replaced now; None where there is none."""
        before, known = self._said.get(item), item in self._said and item.particles is not None
        self._said[item] = after = said

        def say(config: PredictConfig | None) -> None:
            self._said[item] = config
            self.say_of(item, config)

        def undo() -> None:
            nonlocal after
            after = item.search  # what was said since comes back with it
            say(before)

        return Beside(undo, lambda: say(after)) if known else None

    def _left_out(self, item: Item, found: Found) -> Beside | None:
        """What the search left out becomes regions of the picture; None where nothing was."""
        if not found.left_out:
            return None
        regions = self.session.part(Regions)
        regions.leave_out(item, found.left_out)
        self._bars.append(item.name)
        return Beside(partial(regions.take_back, item, found.left_out), partial(regions.leave_out, item, found.left_out))

    def _stop_if_gone(self) -> None:
        """Nobody waits for a search of pictures that were closed."""
        if self._searched and not any(item in self.session.items for item in self._searched):
            self.session.jobs.cancel()

    def _done(self, found: list[Found]) -> None:
        if not found:  # nothing was to be searched
            self._searched = []
            return
        there = [item for index in range(len(found)) if (item := self._awaits(index)) is not None]
        replaced = [item.name for item in self._searched if item in self.session.items and item not in there]
        self._searched = []
        if not there:
            if replaced:
                self.session.say(f"{', '.join(replaced)}: the pixels were replaced during the search; find particles again.")
            return
        self.session.say(
            " ".join(filter(None, (self._sentence(there), self._spared, _barred(self._bars), _strange(there), *self._carried)))
        )

    def _sentence(self, items: list[Item]) -> str:
        """What was found, where the step that shows it is not the one in view, or where it is more than that shows."""
        if len(items) == 1 and not self.session.annotating:
            return ""
        parts = [item.particles for item in items if item.particles is not None]
        total, unsure = sum(map(len, parts)), sum(part.uncertain for part in parts)
        where = items[0].name if len(items) == 1 else f"{len(items)} images"
        text = f"{total} particle{'s' if total != 1 else ''} found in {where}"
        return f"{text}; {unsure} unsure region{'s' if unsure != 1 else ''} left out." if unsure else f"{text}."

    def _give_up(self) -> None:
        """Cancelled or failed: what was shown for a picture half done goes back to what it was."""
        for showing in self._shown.values():
            showing.revert()
        self._shown.clear()
        self._unsay()
        gone = not any(item in self.session.items for item in self._searched)
        several, self._searched = len(self._searched) > 1, []
        if gone:
            self.session.say("The search was stopped, as its image was closed.")
        elif self.session.jobs.cancelled:
            self.session.say("Cancelled; what was finished before is kept." if several else "Cancelled; nothing was changed.")


def _iter_find_as(as_one: bool, model: Any, images: Any, predict: Any, split: Sequence[SplitConfig], *others: Any) -> Job[list[Found]]:
    """As `iter_find`, particles of two sizes measured as one distribution or as two."""
    return iter_find(model, images, predict, [replace(config, as_one=as_one) for config in split], *others)


def _parted(item: Item) -> npt.NDArray[np.bool_] | None:
    """Where background was painted on a picture, None where nowhere: particles on either side of such a stroke are two."""
    drawn = None if item.annotation is None else layers.values(item.annotation) == BACKGROUND
    return drawn if drawn is not None and drawn.any() else None


def _general(config: PredictConfig) -> PredictConfig:
    """Without what is said of one picture."""
    fresh = PredictConfig()
    return replace(config, **{name: getattr(fresh, name) for name in OF_ONE_PICTURE})


def _barred(names: Sequence[str]) -> str:
    """Which pictures lost what is burnt in, and how they get it back."""
    if not names:
        return ""
    what = "data bar, scale bar or letters in a corner"
    return f"{some_of(names)}: {what} left out (Ctrl+Z or U takes that back with the search, and Find then looks there too)."


def _strange(items: list[Item]) -> str:
    """Which of many pictures are unlike those that the model was trained on; of one, the panel tells it."""
    strange = [item.name for item in items if item.unlike]
    if not strange or len(items) == 1:
        return ""
    return f"{some_of(strange)}: unlike the micrographs the model was trained on, so check the particles."
