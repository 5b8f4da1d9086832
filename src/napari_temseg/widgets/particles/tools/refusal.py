"""What could not be done with particles, and why: told once, where the tool's instruction stands, until the next action."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")


class Refusal(QObject):
    """The sentence of the newest action that was refused, "" after one that was not; `seen` says whether it can be read where it stands."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sentence = ""
        self.seen: Callable[[], bool] = lambda: False
        for signal in (session.current_changed, session.selection_changed, session.tools_down):
            signal.connect(self.forget)

    def tried(self, action: Callable[[], Any]) -> Callable[[], Any]:
        """The action, whose `TemsegError` is kept; it goes on to whoever called only where the sentence is out of sight."""

        def attempt() -> Any:
            self.forget()
            try:
                return action()
            except TemsegError as error:
                self.keep(error)
                if not self.seen():
                    raise
                logger.info("refused: %s", error)
                return None

        return attempt

    def keep(self, error: TemsegError) -> None:
        """This is why nothing was done."""
        self.sentence = str(error)
        self.changed.emit()

    def told_of(self, item: Item) -> str:
        """The sentence without the name of its picture, which stands above the panel."""
        bare = self.sentence.removeprefix(f"{item.name}: ")
        return f"{bare[:1].upper()}{bare[1:]}"

    def forget(self, *_: Any) -> None:
        """Something else is done now."""
        if self.sentence:
            self.sentence = ""
            self.changed.emit()
