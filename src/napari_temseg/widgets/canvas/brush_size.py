"""The size of a brush, in the dock: napari's own controls, which would move the picture as one begins to paint, are not needed for it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

WIDEST_BRUSH = 100  # px across; napari's own slider ends at 40


class BrushSize(QWidget):
    """A slider for the size of the brush of a labels layer, in px of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self._layer: Any = None
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(1, WIDEST_BRUSH)
        self.size_slider.setAccessibleName("brush size")
        self.size_slider.setToolTip(
            "Width of brush and eraser in px of the picture; the keys [ and ] change it too.\n"
            "Other tools of napari: Window ▸ Layer Controls."
        )
        self.size_slider.setMinimumWidth(40)
        self.told = QLabel()
        self.told.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 px") + 8)
        self.told.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.places = QHBoxLayout(self)
        self.places.setContentsMargins(0, 0, 0, 0)
        self.places.setSpacing(4)
        for widget, stretch in ((QLabel("brush"), 0), (self.size_slider, 2), (self.told, 0)):
            self.places.addWidget(widget, stretch)
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

    def _sized(self, size: int) -> None:
        if self._layer is not None:
            self._layer.brush_size = size
