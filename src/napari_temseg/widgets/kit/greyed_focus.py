"""Where the keyboard is in the dock: not left in a field that nobody chose, and in a field only what is typed is the field's own.

When the button that was pressed turns grey or vanishes, Qt takes the keyboard to whatever comes next, which may be a field for a number or
a choice: the keys that are told of then, such as U, would be typed into it. So it goes to the picture. A field takes Ctrl+Z even where
nothing was typed in it since its number was taken over: there it takes back what the number did.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class GreyedFocus(QObject):
    """Watches buttons and fields within a widget until `let_go`; None as the picture: nothing is done."""

    def __init__(self, box: QWidget, picture: QWidget | None) -> None:
        super().__init__(box)
        self._box, self._picture = box, picture
        app = QApplication.instance()
        self._app = app if picture is not None and isinstance(app, QApplication) else None
        if self._app is not None:
            self._app.focusChanged.connect(self._moved)

    def let_go(self) -> None:
        """Leave the keyboard to Qt again."""
        if self._app is not None:
            self._app.focusChanged.disconnect(self._moved)
        self._app = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """A field with the keyboard is asked whether a key is its own, or hears one."""
        line = _line_of(watched)
        if line is not None and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride and not line.isModified() and _undoes(event, isinstance(watched, QLineEdit)):
                event.ignore()
                return True
            if event.type() == QEvent.Type.KeyPress and event.key() in _ENTER:
                QTimer.singleShot(0, line, lambda: line.setModified(False))  # taken over by then
        return False

    def _moved(self, old: QWidget | None, new: QWidget | None) -> None:
        if _line_of(old) is not None and old is not None:
            old.removeEventFilter(self)
        if new is None or self._picture is None or not self._box.isAncestorOf(new):
            return
        greyed = isinstance(old, QAbstractButton) and not (old.isEnabled() and old.isVisible()) and self._box.isAncestorOf(old)
        if greyed and isinstance(new, QAbstractSpinBox | QComboBox | QLineEdit):
            self._picture.setFocus()
        elif _line_of(new) is not None:
            new.installEventFilter(self)


def _line_of(field: Any) -> QLineEdit | None:
    """The line of text of a field; None of anything else."""
    if isinstance(field, QAbstractSpinBox):
        return field.lineEdit()
    return field if isinstance(field, QLineEdit) else None


def _undoes(event: QKeyEvent, text: bool) -> bool:
    """Whether a key takes back or does again: Ctrl+Z, Ctrl+Shift+Z, and where no letters are typed U and Shift+U."""
    control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
    return (event.key() == Qt.Key.Key_Z and control) or (event.key() == Qt.Key.Key_U and not control and not text)
