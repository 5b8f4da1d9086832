"""A text of which the beginning is always seen, and the rest on request: no sentence ends in the middle at the edge of a small window."""

from __future__ import annotations

import html
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_temseg.widgets.kit.style import Words, breakable, set_role

MORE_LINK, LESS_LINK = " … <a href='more' style='color: {colour}'>more</a>", " <a href='less' style='color: {colour}'>less</a>"

LINE_HEIGHT, SMALL_WINDOW = 24, 800  # px of a higher window for another line of a text


def spare_lines(widget: QWidget) -> int:
    """How many lines more than on a screen of 1280 × 800 there is room for in the window of a widget."""
    return max(widget.window().height() - SMALL_WINDOW, 0) // LINE_HEIGHT


class Brief(Words):
    """Shows `lines` lines of its text, ended by “… more”, which shows all of it; the tooltip tells all of it too.

    `link` is where “more” stands instead: a label at a place of its own, hidden where all is seen.
    """

    def __init__(self, lines: int, role: str, link: QLabel | None = None) -> None:
        super().__init__()
        self._most, self._open, self._folded = lines, False, False
        self._link = link
        self._more, self._less = (" …", "") if link is not None else (MORE_LINK, LESS_LINK)
        if link is not None:
            link.linkActivated.connect(self._turn)
        self._room = 0  # px that so many lines need
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
        return self._folded

    def heightForWidth(self, width: int) -> int:  # noqa: N802  Qt's name
        """Never more than its lines unless all is to be seen, as the text is shortened to fit; a wider place never takes more height."""
        if self._folded:
            return self._room
        needed = super().heightForWidth(width)
        return needed if self._open or needed < 0 else min(needed, self._room)

    def _turn(self, link: str) -> None:
        self._open = link == "more"
        self._show()

    def _show(self) -> None:
        """Qt itself says what fits: shown, the same words take the same lines."""
        self._say("<br>".join("X" * self._most))
        self._room = QLabel.heightForWidth(self, self.width())
        whole = _body(self._text)
        self._folded = not self._open and not self._fits(whole)
        if self._folded:
            words = self._text.split(" ")
            low, high = 1, len(words)
            while low < high - 1:  # the most words that leave room for what follows them
                middle = (low + high) // 2
                low, high = (middle, high) if self._fits(_body(" ".join(words[:middle])) + self._more) else (low, middle)
            self._say(_body(" ".join(words[:low])) + self._more)
        else:
            self._say(whole + self._less * self._open)
        if self._link is not None:
            link = MORE_LINK.removeprefix(" … ") if self._folded else LESS_LINK.strip() if self._open else ""
            self._link.setText(link.format(colour=self.palette().color(self.foregroundRole()).name()))

    def _fits(self, body: str) -> bool:
        self._say(body)
        return QLabel.heightForWidth(self, self.width()) <= self._room

    def _say(self, body: str) -> None:
        QLabel.setText(self, body.format(colour=self.palette().color(self.foregroundRole()).name()))


def _body(text: str) -> str:
    """As rich text."""
    return html.escape(breakable(text)).replace("\n", "<br>").replace("{", "{{").replace("}", "}}")
