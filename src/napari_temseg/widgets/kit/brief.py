"""A text of which the beginning is always seen, and the rest on request: no sentence ends in the middle at the edge of a small window."""

from __future__ import annotations

import html
from typing import Any

from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QLabel

from napari_temseg.widgets.kit.style import Words, set_role, unbroken

FREE_SIDES = 10  # px: what text that can be selected leaves free at both sides together
MORE_LINK, LESS_LINK = " … <a href='more' style='color: {colour}'>more</a>", " <a href='less' style='color: {colour}'>less</a>"


class Brief(Words):
    """Shows `lines` lines of its text, ended by “… more”, which shows all of it; the tooltip tells all of it too."""

    def __init__(self, lines: int, role: str) -> None:
        super().__init__()
        self._most, self._open = lines, False
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self.setMinimumWidth(10)
        self.linkActivated.connect(self._turn)
        set_role(self, role)

    def setText(self, text: str) -> None:  # noqa: N802  Qt's name
        """Show another text, folded; the same one stays as it is."""
        if text != self._text:
            self._text, self._open = text, False
            self.setToolTip(text)
            self._show()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Other words are the last that there is room for."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._show()

    def changeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """In another theme the link has another colour, in another font there is other room."""
        super().changeEvent(event)
        if event.type() in (event.Type.FontChange, event.Type.StyleChange):
            self._show()

    def keep_to(self, lines: int) -> None:
        """Show that many lines from now on."""
        if lines != self._most:
            self._most = lines
            self._show()

    def is_folded(self) -> bool:
        """Whether some of the text is not shown."""
        return not self._open and not self._fits(self._text)

    def _turn(self, link: str) -> None:
        self._open = link == "more"
        self._show()

    def _show(self) -> None:
        shown, end = self._text, LESS_LINK if self._open else ""
        if self.is_folded():
            words = self._text.split(" ")
            low, high = 1, len(words)
            while low < high - 1:  # the most words that leave room for what follows them
                middle = (low + high) // 2
                low, high = (middle, high) if self._fits(" ".join(words[:middle]) + " … more") else (low, middle)
            shown, end = " ".join(words[:low]), MORE_LINK
        body = html.escape(unbroken(shown)).replace("\n", "<br>")
        QLabel.setText(self, body + end.format(colour=self.palette().color(self.foregroundRole()).name()))

    def _fits(self, text: str) -> bool:
        room, wrapped = QRect(0, 0, max(self.width() - 2 * self.margin() - FREE_SIDES, 10), 10**6), Qt.TextFlag.TextWordWrap
        high, line = (self.fontMetrics().boundingRect(room, wrapped, each).height() for each in (text, "X"))
        return high <= self._most * line
