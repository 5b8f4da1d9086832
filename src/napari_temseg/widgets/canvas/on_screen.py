"""Which picture a person looks at: one whose eye is open, and which no other picture lies over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal

COVERS = 0.5  # share of a picture that another has to lie over to hide it
_SOLID = ("opaque", "translucent", "translucent_no_depth")


def seen(viewer: Any, layer: Layer, pictures: Iterable[Layer]) -> bool:
    """Whether a picture is on the screen: visible, and none of the others, opaque, is drawn over it."""
    if not layer.visible or layer.opacity <= 0:
        return False
    if _grid(viewer).enabled:
        return True
    place = {id(each): index for index, each in enumerate(viewer.layers)}
    above = [each for each in pictures if each is not layer and place.get(id(each), -1) > place.get(id(layer), len(place))]
    return not any(_solid(each) and _over(each, layer) >= COVERS for each in above)


def _grid(viewer: Any) -> Any:
    """napari's arrangement of layers side by side; the viewer's attribute is what it was called before napari 0.9."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def _solid(layer: Layer) -> bool:
    return bool(layer.visible and layer.opacity > 0.9 and str(layer.blending) in _SOLID)


def _over(one: Layer, other: Layer) -> float:
    """Share of `other` that lies under `one`."""
    (top, bottom), (low, high) = one.extent.world[:, -2:], other.extent.world[:, -2:]
    common = np.maximum(np.minimum(bottom, high) - np.maximum(top, low), 0)
    return float(np.prod(common) / max(float(np.prod(high - low)), 1e-12))


class SeenPictures(QObject):
    """The pictures of one viewer: which are on the screen; `changed` soon after the eye of one was opened or closed."""

    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._pictures: list[Layer] = []
        self._timer = QTimer(self)  # several eyes may follow each other at once, as when one picture is shown alone
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.changed)

    def sees(self, layer: Layer) -> bool:
        """Whether a picture is seen."""
        return seen(self.viewer, layer, self._pictures)

    def first(self, items: Sequence[Any], active: Any) -> Any:
        """Of pictures with a `layer` the one to begin with: the active one if it is seen, or one that is, so that eyes stay as they are."""
        if active is not None and self.sees(active.layer):
            return active
        return next((each for each in reversed(items) if self.sees(each.layer)), active or (items[-1] if items else None))

    def watch(self, layer: Layer) -> None:
        """There is another picture."""
        self._pictures.append(layer)
        layer.events.visible.connect(self._soon)

    def forget(self, layer: Layer) -> None:
        """A picture is gone."""
        layer.events.visible.disconnect(self._soon)
        self._pictures = [each for each in self._pictures if each is not layer]

    def let_go(self) -> None:
        """Leave the viewer alone."""
        self._timer.stop()
        for layer in list(self._pictures):
            self.forget(layer)

    def _soon(self, event: Any = None) -> None:
        self._timer.start()
