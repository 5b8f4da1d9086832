"""Offers to go on with a training that a crash, a kill or closing the window stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave import training_store
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.kit.style import button, highlight, hint, row
from napari_temseg.widgets.particles.sentences import clock

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class StoppedTrainings(QObject):
    """Stopped trainings on the pictures that are open. `changed` tells that there are others."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.autosaver = session, session.part(Autosaver)
        self._found: list[training_store.StoppedTraining] = []
        self._open: dict[str, Item] = {}  # by the key of the picture
        self._running: training_store.TrainingStore | None = None
        self._told: set[Path] = set()
        session.items_changed.connect(self._ask)
        session.closing.connect(self._close)
        self._ask()

    @property
    def newest(self) -> training_store.StoppedTraining | None:
        """The newest that was stopped."""
        return self._found[0] if self._found else None

    def missing(self, found: training_store.StoppedTraining) -> list[str]:
        """Names of its pictures that are not open."""
        return [name for key, name in found.pictures if self._open.get(key) not in self.session.items]

    def micrographs(self, found: training_store.StoppedTraining) -> list[Micrograph]:
        """The pixels of its pictures; `TemsegError` when one is not open."""
        if missing := self.missing(found):
            raise TemsegError(f"{found.plan.title}: open {', '.join(missing)} too, then it can go on.")
        shown = [item.layer for item in self.items(found)]
        # What the planes of a stack are is kept with the labels.
        return [
            Micrograph(data := micrograph_layer.pixels(layer), "NYX"[-data.ndim :], source=micrograph_layer.source_of(layer))
            for layer in shown
        ]

    def items(self, found: training_store.StoppedTraining) -> list[Item]:
        """Its pictures, when all of them are open."""
        return [self._open[key] for key, _ in found.pictures]

    def started(self, store: training_store.TrainingStore) -> None:
        """A training runs: it is not offered meanwhile."""
        store.hold()
        self._running = store
        self._found = [found for found in self._found if found.path != store.path]
        self.changed.emit()

    def ended(self, *, keep: bool) -> None:
        """The training is over: what is on disk of it goes, or is offered."""
        store, self._running = self._running, None
        if store is not None:
            self.session.jobs.later(store.let_go if keep else store.remove)
            self._ask()

    def discard(self) -> None:
        """Delete the one that is offered; what was stopped before it is offered next."""
        if self._found:
            self.session.jobs.later(partial(training_store.remove, self._found.pop(0).path))
            self.changed.emit()

    def _close(self) -> None:
        if self._running is not None:
            self._running.let_go()

    def _ask(self) -> None:
        pictures = {item: self.autosaver.picture(item) for item in self.session.items}
        self.session.jobs.later(partial(training_store.look_up, pictures), self._looked_up)

    def _looked_up(self, answer: tuple[list[training_store.StoppedTraining], dict[str, Item]]) -> None:
        self._found, self._open = answer
        if self._found and self._found[0].path not in self._told and not self.session.jobs.running:
            self.session.say(f"{self._found[0].plan.title} was stopped; in step 3, Improve, it can go on.")
        self._told |= {found.path for found in self._found}
        self.changed.emit()


class ContinueBar(QWidget):
    """One line that offers to go on; hidden when there is nothing."""

    def __init__(self, session: Session, go_on: Callable[[training_store.StoppedTraining], None], parent: QWidget) -> None:
        """`go_on` takes up a training."""
        super().__init__(parent)
        self.session, self.stopped, self._go_on = session, session.part(StoppedTrainings), go_on
        self.text = hint(role="heading")
        self.go_on = button("Go on", "Take the training up where it was, on the labels it had then, for the time that was left.", self._do)
        self.discard = button("Discard", "Delete for good what this training has learnt.", self.stopped.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(row([self.go_on, self.discard], (1, 1)))
        for signal in (self.stopped.changed, session.jobs.changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        found = self.stopped.newest
        self.setVisible(found is not None)
        if found is None:
            return
        budget = found.plan.config.max_seconds
        missing = self.stopped.missing(found)
        others = f" To go on, open {', '.join(missing)} too." if missing else ""
        self.text.setText(
            f"{found.plan.title} stopped {day_and_time(found.time)}, "
            f"at {clock(found.spent)} of {clock(budget)}, step {found.steps}.{others}"
        )
        self.go_on.setEnabled(not missing and not self.session.jobs.running)
        highlight(self.go_on)

    def _do(self) -> None:
        if self.stopped.newest is not None:
            self._go_on(self.stopped.newest)
