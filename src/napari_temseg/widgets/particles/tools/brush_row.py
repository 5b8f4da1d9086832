"""Size and eraser of the brush on particles: in the dock, so that the picture stays where it is while one begins to trace."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.kit.style import button

WIDEST_BRUSH = 100  # px across; napari's own slider ends at 40


class BrushRow(QWidget):
    """A slider for the size, in px of the picture, and a button that turns the brush into the eraser and back."""

    def __init__(self) -> None:
        super().__init__()
        self._layer: Any = None
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(1, WIDEST_BRUSH)
        self.size_slider.setAccessibleName("brush size")
        self.size_slider.setToolTip("Width of brush and eraser in px of the picture; the keys [ and ] change it too.")
        self.size_slider.setMinimumWidth(40)
        self.told = QLabel()
        self.told.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 px") + 8)
        self.told.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.erase = button("Erase", "Take away from the particle what was too much (E); again for the brush (P).", self._turn)
        self.erase.setCheckable(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget, stretch in ((QLabel("brush"), 0), (self.size_slider, 2), (self.told, 0), (self.erase, 1)):
            layout.addWidget(widget, stretch)
        self.size_slider.valueChanged.connect(self._sized)

    def follow(self, layer: Any) -> None:
        """Act on the brush of another labels layer, or of none."""
        if self._layer is not layer:
            if self._layer is not None:
                self._layer.events.brush_size.disconnect(self.refresh)
            self._layer = layer
            if layer is not None:
                layer.events.brush_size.connect(self.refresh)
        self.refresh()

    def refresh(self, event: Any = None) -> None:
        """Show the brush as it is."""
        if self._layer is None:
            return
        size = round(self._layer.brush_size)
        self.size_slider.blockSignals(True)
        self.size_slider.setValue(size)
        self.size_slider.blockSignals(False)
        self.told.setText(f"{size} px")
        self.erase.setChecked(brush.painted_number(self._layer) == 0)

    def _sized(self, size: int) -> None:
        if self._layer is not None:
            self._layer.brush_size = size

    def _turn(self) -> None:
        if self._layer is not None and brush.painted_number(self._layer) is not None:
            self._layer.mode = "paint" if self._layer.mode == "erase" else "erase"
        self.refresh()
