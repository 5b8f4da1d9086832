"""What may be higher than its place, with room for a scroll bar that is drawn only while it is."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QFrame, QLayout, QScrollArea, QScrollBar, QWidget

TURNED_BY_THE_WHEEL = (QAbstractSpinBox, QComboBox, QAbstractSlider)
BAR_WIDTH = 12  # px


class _WheelScrolls(QObject):
    """Keeps the wheel from what it passes over: who scrolls means no number under the pointer."""

    def eventFilter(self, watched: QObject | None, event: Any) -> bool:  # noqa: N802  Qt's name
        if event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()  # so the parent has it next, and the area at last
        return True


class QuietBar(QScrollBar):
    """A scroll bar that is not seen while there is nothing to scroll."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent, False)  # the ground shows where nothing is drawn

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide whatever the style says: others leave as much room beside what scrolls."""
        return QSize(BAR_WIDTH, super().sizeHint().height())

    def paintEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Nothing, or the bar."""
        if self.maximum() > self.minimum():
            super().paintEvent(event)


class Scrolling(QScrollArea):
    """A widget in a place as wide as itself, with a bar where it is higher. The wheel scrolls it, whatever it passes over.

    The bar always has its room. One that comes and goes narrows all that is in the place, and where that makes the content lower, as text
    that is shortened to fit does, Qt shows and hides it for ever, or until the stack is full.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBar(QuietBar(self))
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self._wheel = _WheelScrolls(self)
        if (layout := content.layout()) is not None:  # else what comes to it squeezes all rows until the area has had its turn
            layout.setSizeConstraint(QLayout.SizeConstraint.SetMinimumSize)
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
