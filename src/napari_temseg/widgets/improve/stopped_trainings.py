"""Offers to go on with a training that a crash, a kill or closing the window stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.autosave.trainings import KeptTraining, alive, look_up
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.offer import OfferBar
from napari_temseg.widgets.kit.style import button
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
        self._found: list[KeptTraining] = []
        self._open: dict[str, Item] = {}  # by the key of the picture
        self._running: KeptTraining | None = None
        self._told: set[Path] = set()
        session.items_changed.connect(self._ask)
        session.closing.connect(self._close)
        self._ask()

    @property
    def newest(self) -> KeptTraining | None:
        """The newest that was stopped."""
        return self._found[0] if self._found else None

    def missing(self, found: KeptTraining) -> list[str]:
        """Names of its pictures that are not open."""
        return [name for key, name in found.pictures if self._open.get(key) not in self.session.items]

    def micrographs(self, found: KeptTraining) -> list[Micrograph]:
        """The pixels of its pictures; `TemsegError` when one is not open."""
        if missing := self.missing(found):
            raise TemsegError(f"{found.plan.title}: open {', '.join(missing)} too, then it can go on.")
        if alive(found.path):
            raise TemsegError(f"{found.plan.title} goes on in another window; stop it there first.")
        shown = [item.layer for item in self.items(found)]
        # What the planes of a stack are is kept with the labels.
        return [
            Micrograph(data := micrograph_layer.pixels(layer), "NYX"[-data.ndim :], source=micrograph_layer.source_of(layer))
            for layer in shown
        ]

    def items(self, found: KeptTraining) -> list[Item]:
        """Its pictures, when all of them are open."""
        return [self._open[key] for key, _ in found.pictures]

    def started(self, store: KeptTraining) -> None:
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
            self.session.jobs.later(self._found.pop(0).remove)
            self.changed.emit()

    def _close(self) -> None:
        if self._running is not None:
            self._running.let_go()

    def _ask(self) -> None:
        pictures = {item: self.autosaver.picture(item) for item in self.session.items}
        self.session.jobs.later(partial(look_up, pictures), self._looked_up)

    def _looked_up(self, answer: tuple[list[KeptTraining], dict[str, Item]]) -> None:
        self._found, self._open = answer
        if self._found and self._found[0].path not in self._told and not self.session.jobs.running:
            self.session.say(f"{self._found[0].plan.title} was stopped; in step 3, Improve, it can go on.")
        self._told |= {found.path for found in self._found}
        self.changed.emit()


class ContinueBar(OfferBar):
    """Offers to go on while step 3 is shown."""

    def __init__(self, session: Session, go_on: Callable[[KeptTraining], None], parent: QWidget | None = None) -> None:
        """`go_on` takes up a training."""
        self.session, self.stopped, self._go_on = session, session.part(StoppedTrainings), go_on
        self.go_on = button("Go on", "Take the training up where it was, on the labels it had then, for the time that was left.", self._do)
        self.discard = button("Discard", "Delete for good what this training has learnt.", self.stopped.discard)
        super().__init__(parent, self.go_on, self.discard)
        for signal in (self.stopped.changed, session.jobs.changed, session.improving):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        found = self.stopped.newest if self.session.annotating else None
        missing = self.stopped.missing(found) if found is not None else []
        if not self.offer(_sentence(found, missing)):
            return
        allow(self.go_on, "Open the images first that it learnt from." if missing else "", self.session.jobs.wait)

    def _do(self) -> None:
        if self.stopped.newest is not None:
            self._go_on(self.stopped.newest)


def _sentence(found: KeptTraining | None, missing: list[str]) -> str:
    if found is None:
        return ""
    others = f" To go on, open {', '.join(missing)} too." if missing else ""
    reached = f"at {clock(found.spent)} of {clock(found.plan.config.max_seconds)}, step {found.steps}"
    return f"{found.plan.title} stopped {day_and_time(found.time)}, {reached}.{others}"
