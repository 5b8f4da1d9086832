"""Where the keyboard goes when the button that was pressed turns grey or vanishes: to the picture, whose keys are meant then.

Qt takes it to whatever comes next, which may be a field for a number or a choice: the keys that are told of then, such as U, would be typed
into it.
"""

from __future__ import annotations

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget


class GreyedFocus(QObject):
    """Watches the buttons within a widget until `let_go`; None as the picture: nothing is done."""

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

    def _moved(self, old: QWidget | None, new: QWidget | None) -> None:
        if not isinstance(old, QAbstractButton) or (old.isEnabled() and old.isVisible()) or self._picture is None:
            return
        if isinstance(new, QAbstractSpinBox | QComboBox | QLineEdit) and self._box.isAncestorOf(old) and self._box.isAncestorOf(new):
            self._picture.setFocus()
