"""Splitting again what the model said of a micrograph, with the settings in force."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.find import Found, PlaneFound, iter_resplit
from napari_temseg.widgets.session.history import SPLIT_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import ResultState, commit
from napari_temseg.widgets.session.results.uncommitted_planes import UncommittedPlanes
from napari_temseg.widgets.session.settings import remembered

if TYPE_CHECKING:
    from napari_temseg.engine.types.progress import Progress
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Splitter(QObject):
    """`config` holds the split settings in force, those that the user sees; panels replace them. `begun` tells that a split began.

    What is changed while an image with particles is in hand is for that image; `_usual` is for those that were not searched yet.
    """

    begun = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.config = self._usual = remembered(SplitConfig, session.settings.get("split"))

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
            failed=showing.revert,
        )
        self.remember()
        self.begun.emit()

    def edit(self, config: SplitConfig, item: Item | None) -> None:
        """Put split settings in force that the user chose with this image in hand."""
        self.config = config
        if item is None or item.particles is None:
            self._usual = config

    def follow(self, item: Item | None) -> SplitConfig:
        """Put in force, and return, the settings that the particles of an image were split with, or the usual ones."""
        found = item.particles if item is not None else None
        settings = found.settings if found is not None else {}
        try:
            made = SplitConfig.from_dict(settings) if settings else self._usual
        except TemsegError:  # split by something else
            made = self._usual
        if self.config != made:  # a number that was typed stays one, though it be the automatic one
            self.config = replace(made, certainty=None) if settings and _automatic(made.certainty, item) else made
        return self.config

    def make_usual(self) -> None:
        """What is in force is for images that were not searched yet, too."""
        self._usual = self.config

    def remember(self) -> None:
        """Have the usual settings in force at the next start."""
        self.session.settings.set("split", self._usual.to_dict())

    def _resplit_seen(self, item: Item, prediction: Prediction, showing: UncommittedPlanes, step: Progress) -> None:
        if isinstance(step.preview, PlaneFound) and item in self.session.items and item.prediction is prediction:
            showing.plane(step.preview)

    def _resplit_done(self, item: Item, prediction: Prediction, found: Found) -> None:
        if item in self.session.items and item.prediction is prediction:
            # A slider that is dragged makes many states; only the newest is worth an undo of its own.
            replaces = item.history.undoable == SPLIT_STEP
            commit(self.session, item, ResultState(prediction, found.particles, named(found.measurement, item)), SPLIT_STEP, merge=replaces)


def _automatic(certainty: float | None, item: Item | None) -> bool:
    """Whether an image was split with the certainty that is taken when none is set; where what a model said is not kept, it is assumed."""
    from napari_temseg.engine.particles.splitting import CERTAINTY

    told = automatic_certainty(item)
    return certainty in (0.0, CERTAINTY) if told is None else certainty == told


def automatic_certainty(item: Item | None) -> float | None:
    """The least certainty that is taken for an image when none is set; None while it is not known."""
    if item is None or item.prediction is None:
        return None
    from napari_temseg.engine.particles.splitting import default_certainty

    return default_certainty(item.prediction)
