"""Outlines stay whole at every magnification: where several px of a picture share one of the screen, they are as wide as that takes."""

from __future__ import annotations

import math
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer
from qtpy.QtCore import QTimer

from napari_temseg.widgets.canvas.layers import CONTOUR, role
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.canvas.roles import Role

ZOOMED = 200  # ms after the last zoom
JUMP = 2  # × as wide as they are: outlines that have to be that wide do not wait
MAGNIFIED = 3.0  # px of the screen: from there on an outline of one px of the picture is seen, and one of two would hide small particles
WIDEST = 6  # px: particles of a few px on the screen would be filled


class OutlineWidth(QTimer):
    """Follows the zoom of one viewer until `let_go`; a width that somebody chose is left as it is."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self.viewer = viewer
        self._given: WeakKeyDictionary[Layer, int] = WeakKeyDictionary()
        self.setSingleShot(True)
        self.setInterval(ZOOMED)
        self.timeout.connect(self._fit)
        self._emitters = [viewer.scene.camera.events.zoom, viewer.layers.events.inserted]
        for emitter in self._emitters:
            emitter.connect(self._changed)

    def let_go(self) -> None:
        """Follow it no more."""
        self.stop()
        for emitter in self._emitters:
            emitter.disconnect(self._changed)

    def _changed(self, event: Any = None) -> None:
        if any(layer.visible and self._width(layer) >= JUMP * layer.contour for layer in self._own()):
            self.stop()
            self._fit()  # another picture or a new layer: until a busy window gets round to it outlines would be hair-thin and dotted
        else:
            self.start()

    def _own(self) -> list[Labels]:
        """Layers of particles whose width nobody chose."""
        found = (layer for layer in self.viewer.layers if isinstance(layer, Labels) and role(layer) == Role.PARTICLES)
        return [layer for layer in found if layer.contour == self._given.get(layer, CONTOUR)]

    def _width(self, layer: Labels) -> int:
        return outline_width(float(layer.scale[-1]) * float(self.viewer.scene.camera.zoom))

    def _fit(self) -> None:
        for layer in self._own():
            width = self._width(layer)
            if width != layer.contour:
                layer.contour = width
            self._given[layer] = width


def outline_width(on_screen: float) -> int:
    """Width (px of the picture) of an outline where one of its px takes that many on the screen: one where that is wide enough."""
    if on_screen >= MAGNIFIED:
        return 1
    return min(max(CONTOUR, math.ceil(1.2 / max(on_screen, 1e-6))), WIDEST)


def inner_borders(page: npt.NDArray[np.integer[Any]], thick: int) -> npt.NDArray[np.bool_]:
    """Where another value of a plane (Y, X) of labels or classes is within `thick` px."""
    border = np.zeros(page.shape, bool)
    for step in range(1, thick + 1):
        across, along = page[step:] != page[:-step], page[:, step:] != page[:, :-step]
        border[step:] |= across
        border[:-step] |= across
        border[:, step:] |= along
        border[:, :-step] |= along
    return border
