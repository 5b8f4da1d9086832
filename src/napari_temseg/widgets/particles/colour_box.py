"""Choose what the colours of particles mean, and see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor, QGradient, QLinearGradient, QPainter
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_temseg.engine.measure.descriptors import readable
from napari_temseg.widgets.canvas.overlays import gradient
from napari_temseg.widgets.kit.style import hint, row
from napari_temseg.widgets.particles.colouring import CLASS, COLOURED_BY, CYCLE, Colouring, Legend
from napari_temseg.widgets.particles.table import number_text
from napari_temseg.widgets.session.session import Session

STOPS = np.linspace(0, 1, 17)


class ColourBox(QWidget):
    """A choice of columns, and the legend of the one chosen; `other` stands in the place of the choice while that is asked for."""

    def __init__(self, session: Session, other: QWidget) -> None:
        super().__init__()
        self.colouring = session.part(Colouring)
        self.choice = QComboBox()
        self.choice.addItem("number", CYCLE)
        self.choice.addItem("class", CLASS)
        for name in COLOURED_BY:
            self.choice.addItem(readable(name), name)
        self.choice.setAccessibleName("colour by")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(8)
        self.choice.setToolTip(
            "What the colours of the outlines tell; by number they only tell neighbours apart, or two populations. "
            "Excluded particles are grey, selected ones white, in any case."
        )
        self.low, self.high, self.bar, self.classes = QLabel(), QLabel(), Bar(), hint()
        self.scale = row([self.low, self.bar, self.high], (0, 1, 0))
        self.head = QStackedWidget()
        self.head.addWidget(row([QLabel("colour by"), self.choice], (0, 1)))
        self.head.addWidget(other)
        self.head.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.head, self.scale, self.classes):
            layout.addWidget(widget)
        self.choice.activated.connect(self._chosen)
        self.colouring.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the legend of today."""
        legend = self.colouring.legend or Legend()
        scaled = self.colouring.legend is not None and not legend.classes
        self.scale.setVisible(scaled)
        self.classes.setVisible(bool(legend.classes))
        if scaled:
            self.low.setText(number_text(legend.low))
            self.high.setText(f"{number_text(legend.high)} {legend.unit}".strip())
        self.classes.setTextFormat(Qt.TextFormat.RichText)
        self.classes.setText("&nbsp;&nbsp; ".join(f"<span style='color:{colour}'>■</span>&nbsp;{name}" for name, colour in legend.classes))

    def show_other(self, on: bool) -> None:
        """Show the other widget in place of the choice, or the choice again; nothing below moves."""
        self.head.setCurrentIndex(int(on))

    def _chosen(self, index: int) -> None:
        self.colouring.set_by(str(self.choice.itemData(index)))


class Bar(QWidget):
    """The scale of colours from low to high."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(10)
        self.setMinimumWidth(30)
        self._scale = QLinearGradient(0, 0, 1, 0)
        self._scale.setCoordinateMode(QGradient.CoordinateMode.ObjectMode)
        for place, colour in zip(STOPS, gradient(STOPS), strict=True):
            self._scale.setColorAt(float(place), QColor.fromRgbF(*map(float, colour)))

    def paintEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Fill it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QBrush(self._scale))
        painter.end()
