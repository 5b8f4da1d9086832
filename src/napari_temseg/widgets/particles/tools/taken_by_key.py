"""Which tool a key took in hand: told while it is in hand, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from napari_temseg.widgets.session.session import Session


class TakenByKey(QObject):
    """Says it, as the key may have been typed for a dialog that did not open; `follow` takes the sentence back with the tool."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._tool: Any = None  # its button
        self._sentence = ""
        session.said.connect(self._other)

    def tell(self, key: str, tool: QPushButton) -> None:
        """A key was pressed that takes the tool of this button in hand, or puts it down."""
        if tool.isChecked():
            self._tool, self._sentence = tool, f"The key {key} took “{tool.text()}” in hand; Esc puts it down."
            self.session.say(self._sentence)

    def follow(self) -> None:
        """The tool may have been put down."""
        if self._tool is not None and not self._tool.isChecked():
            self._tool = None
            self.session.say("")

    def _other(self, sentence: str) -> None:
        if sentence != self._sentence:
            self._tool = None
