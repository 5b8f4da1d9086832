"""How our widgets look: colours of napari's theme, the highlighted button, small helpers that every panel uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from napari_temseg.widgets.jobs.runner import guarded


def theme_colours(viewer: Any) -> dict[str, str]:
    """Colours of the viewer's theme as "#rrggbb": background, foreground, primary, secondary, highlight, text, current, error …"""
    theme = get_theme(viewer.theme)
    names = ("background", "foreground", "primary", "secondary", "highlight", "text", "current", "canvas", "error", "warning")
    colours = {name: getattr(theme, name).as_hex() for name in names}
    # napari's yellow cannot be read on a light ground.
    return colours if _dark(colours["background"]) else colours | {"warning": "#8A4B00"}


def sheet(viewer: Any) -> str:
    """Style sheet of the dock."""
    colour = theme_colours(viewer)
    # Disabled buttons and choices have a line round them: it would cut off what hangs below the line of the text, and move what is below.
    return f"""
    QPushButton[primary="true"] {{ background-color: {colour["current"]}; color: {colour["text"]}; }}
    QPushButton[primary="true"]:hover {{ border: 1px solid {colour["text"]}; }}
    QPushButton[primary="true"]:disabled {{ background-color: {colour["foreground"]}; color: {colour["secondary"]}; }}
    QPushButton:disabled {{ padding: 3px; }}
    QComboBox:disabled {{ padding: 2px 9px 2px 7px; }}
    QPushButton[step="true"] {{ padding: 5px 2px; }}
    QPushButton[step="true"]:checked {{ background-color: {colour["current"]}; color: {colour["text"]}; }}
    QPushButton[swatch="true"] {{ text-align: left; padding-left: 6px; }}
    QPushButton[swatch="true"]:checked {{ background-color: {colour["current"]}; color: {colour["text"]}; }}
    QAbstractSpinBox {{ min-width: 44px; }}
    QStackedWidget, QStackedWidget > QScrollArea {{ padding: 0px; }}
    QLineEdit {{ placeholder-text-color: {faded(colour["text"], colour["foreground"])}; }}
    QLabel[role="hint"] {{ color: {colour["text"]}; }}
    QLabel[role="warning"] {{ color: {colour["warning"]}; }}
    QLabel[role="heading"] {{ font-weight: bold; }}
    """


def faded(text: str, ground: str) -> str:
    """A colour nearer to the text's than to the ground's: what nobody typed, or does not count, is told from the rest and can be read."""
    pairs = ((int(each[start : start + 2], 16) for each in (text, ground)) for start in (1, 3, 5))
    return "#" + "".join(f"{(2 * first + second) // 3:02x}" for first, second in pairs)


def _dark(colour: str) -> bool:
    return sum(int(colour[start : start + 2], 16) for start in (1, 3, 5)) < 384


def button(text: str, tip: str, action: Callable[[], Any], *, primary: bool = False) -> QPushButton:
    """A push button; a user's mistake in `action` becomes a notification."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda *_: guarded(action))
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    made.setAutoDefault(False)  # or Enter in a field of a dialog would press whichever button comes first
    if primary:
        highlight(made)
    return made


def lead(chosen: QPushButton, *others: QPushButton) -> None:
    """Of the buttons of a dialog highlight one, which Enter presses."""
    for each in others:
        highlight(each, False)
        each.setDefault(False)
    highlight(chosen)
    chosen.setDefault(True)


def highlight(made: QPushButton, on: bool = True) -> None:
    """Make a button the next sensible one, or an ordinary one."""
    if made.property("primary") != on:
        made.setProperty("primary", on)
        made.style().unpolish(made)
        made.style().polish(made)


def clear_layout(layout: QLayout) -> None:
    """Take all widgets out of a layout and delete them."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()  # at once: the new ones come before it is gone
            widget.deleteLater()


def row(widgets: Sequence[QWidget], stretch: Sequence[int] = ()) -> QWidget:
    """Widgets side by side, without margins."""
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, stretch[index] if index < len(stretch) else 0)
    return box


class FoldingRow(QWidget):
    """Widgets side by side while there is room for all, else one below another; the first takes what room is left, the others are whole."""

    def __init__(self, parts: Sequence[QWidget]) -> None:
        super().__init__()
        self._parts, self._folded = parts, False
        self._places = QGridLayout(self)
        self._places.setContentsMargins(0, 0, 0, 0)
        self._places.setSpacing(4)
        self._places.setColumnStretch(0, 1)
        for part in parts[1:]:
            part.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self._place()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Fold, or unfold."""
        super().resizeEvent(event)
        self._fold()

    def event(self, event: Any) -> bool:
        """A part asks for other room."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fold()
        return bool(super().event(event))

    def _fold(self) -> None:
        first, *others = self._parts
        needed = first.minimumSizeHint().width() + sum(part.sizeHint().width() + self._places.spacing() for part in others)
        if self._folded != (needed > self.width()):
            self._folded = not self._folded
            self._place()

    def _place(self) -> None:
        for number, part in enumerate(self._parts):
            self._places.addWidget(part, *((number, 0) if self._folded else (0, number)))


class Words(QLabel):
    """A label that may break a long file name, which has no blanks, and no number from its unit; `text` is what it was given."""

    def __init__(self, text: str = "") -> None:
        self._lines, self._text = 0, ""
        super().__init__()
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802  Qt's name
        """Show a text."""
        self._text = text
        super().setText(breakable(text))

    def text(self) -> str:
        """What is shown."""
        return self._text

    def keep_room(self, lines: int) -> None:
        """Be as high as that many lines at the least, from the top: what is below does not move when a text comes or goes."""
        self._lines = lines
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._fit_lines()

    def changeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The window's font comes later than the label."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_lines()

    def _fit_lines(self) -> None:
        if self._lines:
            line = self.fontMetrics().lineSpacing()  # text that can be selected lies within a margin of its own
            self.setMinimumHeight(self._lines * (line + 1) + 3 * line // 4)


def unbroken(text: str) -> str:
    """A text whose numbers stay with their units: a line does not end between them."""
    return re.sub(r"(?<=\d) (?=(?:%|nm|µm|px)(?!\w))", "\u00a0", text)


def breakable(text: str) -> str:
    """A text that may break a long name and no number from its unit."""
    return re.sub(r"\S{24,}", _broken_name, unbroken(text))


def _broken_name(word: re.Match[str]) -> str:
    """A word that may be broken after its signs; a path may be broken anyway, and is to be copied as it is, like HTML."""
    whole = word.group(0)
    return whole if set(whole) & set("/\\<>&") else re.sub(r"(?<=[_.-])", "\u200b", whole)


def hint(text: str = "", role: str = "hint", lines: int = 0) -> Words:
    """A line of text that wraps and never widens the dock; roles: hint, warning, heading. `lines`: room that is kept for it."""
    label = Words(text)
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(10)
    if lines:
        label.keep_room(lines)
    return label


class Still(QWidget):
    """A label in a place of its own: another text draws the label alone, unless it is higher or lower now.

    In a layout each new text has the whole window laid out and drawn anew, twice; where no GPU draws it, that costs.
    """

    def __init__(self, label: QLabel) -> None:
        super().__init__()
        self.label = label
        label.setParent(self)
        label.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
        """Its font may change what it needs."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()
        return False

    def event(self, event: Any) -> bool:
        """The label asks for room."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return bool(super().event(event))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The label wraps otherwise."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        width = max(self.width(), 1)
        height = max(self.label.heightForWidth(width), self.label.minimumHeight())
        if self.minimumHeight() != height or self.maximumHeight() != height:
            self.setFixedHeight(height)
        self.label.setGeometry(0, 0, width, height)


def set_role(label: QLabel, role: str) -> None:
    """Let a label be a hint, a warning or a heading from now on."""
    if label.property("role") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)


class NameBox(QComboBox):
    """A choice whose long names lose their middle instead of being cut off; the list tells them whole."""

    def brief(self, name: str) -> str:
        """What a name for which there is no room becomes first."""
        return name

    def paintEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Draw the box with as much of the name as there is room for."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style, box = self.style(), QStyle.ComplexControl.CC_ComboBox
        room = style.subControlRect(box, option, QStyle.SubControl.SC_ComboBoxEditField, self).width()
        text, letters = self.currentText(), self.fontMetrics()
        text = text if letters.horizontalAdvance(text) <= room - 4 else self.brief(text)
        option.currentText = letters.elidedText(text, Qt.TextElideMode.ElideMiddle, room - 4)
        painter = QStylePainter(self)
        painter.drawComplexControl(box, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class ElidedButton(QPushButton):
    """A button whose text may be longer than there is room."""

    def __init__(self, text: str, action: Any) -> None:
        super().__init__(text)
        self._text, self._short = text, ""
        self.clicked.connect(lambda *_: guarded(action))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(60)

    def set_text(self, text: str, short: str = "") -> None:
        """Say something else; `short` is what is said where there is no room for all of it."""
        self._text, self._short = text, short
        self.setAccessibleName(text)
        self._elide()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """As much of the text as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room, metrics = max(self.width() - 10, 30), self.fontMetrics()
        text = self._short if self._short and metrics.horizontalAdvance(self._text) > room else self._text
        self.setText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, room))


class ElidedBox(QCheckBox):
    """A box to tick whose name may be longer than there is room: its middle goes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._whole = text
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """As much of the name as there is room for."""
        super().resizeEvent(event)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        room = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, self).width()
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, max(room, 20)))


def separator() -> QFrame:
    """A thin line between two groups."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFixedHeight(1)
    return line


def later(action: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """`partial`, for signals that hand over arguments nobody wants."""
    bound = partial(action, *arguments)
    return lambda *_: bound()
