"""Layers stay above one another as the list of layers says, also where one of them is drawn with other numbers than before.

napari (0.9.2, `VispyScalarFieldBaseLayer._on_display_change`) makes a new node where the pixels of a layer need another kind of texture,
as labels do from 255 colours on and again below, or an image with other types of numbers. The new one is drawn first of all: with
several layers below it lies under the picture, and what it shows is not seen until the eye of some layer is closed or opened.
"""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_temseg.widgets.canvas.main_window import bare, put_in_order, window_of


class DrawOrder(QObject):
    """Has a viewer draw its layers in their order until `let_go`."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self.viewer = bare(viewer)
        self._emitters = [(self.viewer.layers.events.inserted, self._inserted), (self.viewer.layers.events.removed, self._removed)]
        for emitter, slot in self._emitters:
            emitter.connect(slot)
        for layer in self.viewer.layers:
            self._follow(layer)

    def let_go(self) -> None:
        """Leave it to napari."""
        for emitter, slot in self._emitters:
            emitter.disconnect(slot)
        for layer in self.viewer.layers:
            layer.events.set_data.disconnect(self._drawn)

    def _follow(self, layer: Layer) -> None:
        layer.events.set_data.connect(self._drawn, position="last")  # after napari's own slot, which makes the node

    def _inserted(self, event: Any) -> None:
        self._follow(event.value)

    def _removed(self, event: Any) -> None:
        event.value.events.set_data.disconnect(self._drawn)

    def _drawn(self, event: Any) -> None:
        put_in_order(self.viewer, event.source)
