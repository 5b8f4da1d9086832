"""What may be higher than its place, with a scroll bar only while it is."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QScrollBar, QWidget

TURNED_BY_THE_WHEEL = (QAbstractSpinBox, QComboBox, QAbstractSlider)


class _WheelScrolls(QObject):
    """Keeps the wheel from what it passes over: who scrolls means no number under the pointer."""

    def eventFilter(self, watched: QObject | None, event: Any) -> bool:  # noqa: N802  Qt's name
        if event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()  # so the parent has it next, and the area at last
        return True


class Scrolling(QScrollArea):
    """A widget in a place as wide as itself, with a bar where it is higher. The wheel scrolls it, whatever it passes over."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._wheel = _WheelScrolls(self)
        self.setWidget(content)
        self._free_the_wheel(content)

    def event(self, event: Any) -> bool:
        """The content asks for other room: something may have come to it."""
        if event.type() == QEvent.Type.LayoutRequest and (content := self.widget()) is not None:
            self._free_the_wheel(content)
        return bool(super().event(event))

    def _free_the_wheel(self, content: QWidget) -> None:
        """Also over what came since."""
        for kind in TURNED_BY_THE_WHEEL:
            for each in content.findChildren(kind):
                if not isinstance(each, QScrollBar):
                    each.installEventFilter(self._wheel)  # twice is once
