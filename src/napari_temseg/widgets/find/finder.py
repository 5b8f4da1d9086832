"""From a click to particles on the screen: runs the search, shows planes as they come, and puts results where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Progress
from napari_temseg.pipeline.find import Found, PlaneFound, iter_find
from napari_temseg.widgets.session.history import FOUND_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.splitter import Splitter
from napari_temseg.widgets.session.results.state import ResultState, commit
from napari_temseg.widgets.session.results.uncommitted_planes import UncommittedPlanes
from napari_temseg.widgets.session.results.wording import scale_sentence
from napari_temseg.widgets.session.settings import remembered

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Finder(QObject):
    """Runs searches for a session. `predict` holds the settings in force, those that the user sees; panels replace them."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.splitter = session, session.part(Splitter)
        self.predict = remembered(PredictConfig, session.settings.get("predict"))
        self._searched: list[Item] = []
        self._model = ""  # name of the model that searches
        self._shown: dict[int, UncommittedPlanes] = {}
        session.jobs.progressed.connect(self._show)
        self.splitter.begun.connect(self._remember)

    def find(self, items: Sequence[Item]) -> None:
        """Find particles on micrographs, as one job; `TemsegError` when one of them cannot be searched."""
        if not items:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        session = self.session
        images = [item.micrograph() for item in items]
        first = [session.shown_plane(item) for item in items]
        model, predict, split = session.segmenter(), self.predict, self.splitter.config
        if len(items) > 1:  # what all were searched with is what is usual from now on
            self.splitter.make_usual()
        title = f"Finding particles: {items[0].name}" if len(items) == 1 else f"Finding particles in {len(items)} images"
        session.jobs.start(
            title, lambda: iter_find(model, images, predict, split, first), self._done, can_finish=len(items) > 1, failed=self._give_up
        )
        self._searched, self._model = list(items), session.model
        self.splitter.remember()
        self._remember()

    def _remember(self) -> None:
        self.session.settings.set("predict", self.predict.to_dict())

    def _show(self, steps: list[Progress]) -> None:
        for step in steps:
            ready = step.preview
            if isinstance(ready, PlaneFound) and self._searched:
                item = self._searched[ready.image]
                if item in self.session.items:
                    self._shown.setdefault(ready.image, UncommittedPlanes(self.session, item)).plane(ready)
            elif isinstance(ready, Found) and self._searched:
                self._shown.pop(ready.image, None)
                self._commit(self._searched[ready.image], ready)

    def _commit(self, item: Item, found: Found) -> None:
        if item in self.session.items:
            self.session.model_names[found.prediction.model_hash] = self._model
            commit(self.session, item, ResultState(found.prediction, found.particles, named(found.measurement, item)), FOUND_STEP)

    def _done(self, found: list[Found]) -> None:
        names = [item.name for item in self._searched[: len(found)]]
        total, unsure = sum(len(each.particles) for each in found), sum(each.particles.uncertain for each in found)
        where = names[0] if len(names) == 1 else f"{len(names)} images"
        text = f"{total} particle{'s' if total != 1 else ''} found in {where}"
        if unsure:
            text += f"; {unsure} unsure region{'s' if unsure != 1 else ''} left out (Find ▸ Certainty)"
        scale = scale_sentence(found[0].prediction) if len(found) == 1 else ""
        strange = [item for item in self._searched[: len(found)] if item.unlike]
        warning = strange[0].unlike if len(strange) == 1 else ""
        if len(strange) > 1:
            some = f"{', '.join(item.name for item in strange[:3])}{f' and {len(strange) - 3} more' if len(strange) > 3 else ''}"
            warning = f"{some} are unlike the micrographs the model was trained on: check their particles."
        self.session.say(" ".join(filter(None, (f"{text}.", warning, scale))))
        self._searched = []

    def _give_up(self) -> None:
        """Cancelled or failed: what was shown for a picture half done goes back to what it was."""
        for showing in self._shown.values():
            showing.revert()
        self._shown.clear()
        self._searched = []
        self.session.say("Cancelled; what was finished before is kept.")
