"""Size and eraser of the brush on particles: in the dock, so that the picture stays where it is while one begins to trace."""

from __future__ import annotations

from typing import Any

from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.canvas.brush_size import BrushSize
from napari_temseg.widgets.kit.style import button


class BrushRow(BrushSize):
    """A slider for the size, and a button that turns the brush into the eraser and back."""

    def __init__(self) -> None:
        super().__init__()
        self.erase = button("Erase", "Take away from the particle what was too much (E); again for the brush (P).", self._turn)
        self.erase.setCheckable(True)
        self.places.addWidget(self.erase, 1)

    def refresh(self, event: Any = None) -> None:
        """Show the brush as it is."""
        super().refresh()
        if self._layer is not None:
            self.erase.setChecked(brush.painted_number(self._layer) == 0)

    def _turn(self) -> None:
        if self._layer is not None and brush.painted_number(self._layer) is not None:
            self._layer.mode = "paint" if self._layer.mode == "erase" else "erase"
        self.refresh()
