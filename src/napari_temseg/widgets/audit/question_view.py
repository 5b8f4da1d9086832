"""The part of a picture that an audit asks about: clicks are measured on it, outlines are drawn once they may be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_temseg.pipeline.audit.gallery import QuestionCrop

OUTLINED, CROSSED, MEASURED = QColor("#E69F00"), QColor("#D55E00"), QColor("#56B4E9")  # of Okabe and Ito
_ARM = 4.0  # px of the cross on a particle
_END = 2.0  # px of the cross on a single click
_LEAST = 320  # screen px of a side


class QuestionView(QWidget):
    """Shows a crop as large as fits. `clicked` gives places (y, x) in px of the picture, `pressed` the letter of a key."""

    clicked = Signal(float, float)
    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.crop: QuestionCrop | None = None
        self.outlined = False
        self.clicks: Sequence[tuple[float, float]] = ()
        self._image = QImage()
        self.setMinimumSize(_LEAST, _LEAST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("part of the picture that is asked about")

    def show_crop(self, crop: QuestionCrop | None) -> None:
        """Another question, or none."""
        self.crop, self.outlined, self.clicks = crop, False, ()
        if crop is not None:
            grey = np.ascontiguousarray(crop.grey)
            height, width = grey.shape
            # Copied, as the image would look at memory of the array that may be gone.
            self._image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
        self.update()

    def mark(self, clicks: Sequence[tuple[float, float]], *, outlined: bool) -> None:
        """What was clicked (y, x in px of the picture), and whether outlines may be seen."""
        self.clicks, self.outlined = tuple(clicks), outlined
        self.update()

    @property
    def factor(self) -> float:
        """Screen px of a px of the picture."""
        if self.crop is None:
            return 1.0
        height, width = self.crop.grey.shape
        return float(min(self.width() / width, self.height() / height))

    def at(self, y: float, x: float) -> QPointF:
        """Where a place of the picture (y, x in px) lies on this widget."""
        top, left = (0, 0) if self.crop is None else (self.crop.top, self.crop.left)
        return QPointF((x - left + 0.5) * self.factor, (y - top + 0.5) * self.factor)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """A click on the crop."""
        if self.crop is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.position()
        y, x = place.y() / self.factor - 0.5, place.x() / self.factor - 0.5
        height, width = self.crop.grey.shape
        if y <= height - 0.5 and x <= width - 0.5:
            self.clicked.emit(y + self.crop.top, x + self.crop.left)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """A letter; all else is the window's."""
        letter = event.text().upper()
        if len(letter) == 1 and letter.isalpha():
            self.pressed.emit(letter)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Crop, cross, outlines and what was measured."""
        if self.crop is None:
            return
        with QPainter(self) as painter:
            height, width = self.crop.grey.shape
            painter.drawImage(QRectF(0, 0, width * self.factor, height * self.factor), self._image)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if self.outlined or not self.crop.centre:
                painter.setPen(QPen(OUTLINED, 2))
                for outline in self.crop.outlines:
                    painter.drawPolyline(QPolygonF([self.at(y + self.crop.top, x + self.crop.left) for y, x in outline.tolist()]))
            if self.crop.centre and not self.outlined:
                self._cross(painter, CROSSED, self.crop.centre[0] + self.crop.top, self.crop.centre[1] + self.crop.left, _ARM)
            painter.setPen(QPen(MEASURED, 2))
            for a, b in zip(self.clicks[::2], self.clicks[1::2], strict=False):
                painter.drawLine(self.at(*a), self.at(*b))
            if len(self.clicks) % 2:
                self._cross(painter, MEASURED, *self.clicks[-1], _END)

    def _cross(self, painter: QPainter, colour: QColor, y: float, x: float, arm: float) -> None:
        painter.setPen(QPen(colour, 2))
        painter.drawLine(self.at(y, x - arm), self.at(y, x + arm))
        painter.drawLine(self.at(y - arm, x), self.at(y + arm, x))
