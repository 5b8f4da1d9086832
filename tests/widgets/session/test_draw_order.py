"""A layer that napari draws with other numbers than before stays above the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_temseg.widgets.canvas import layers, overlays

MANY = 300  # colours: of 255 and more napari makes another texture


def test_outlines_are_seen_whatever_they_are_drawn_with(viewer: Any, grid: Any, open_bench: Any, adopt: Any) -> None:
    """As after a second search of a picture with hundreds of particles, whose colours are kept."""
    viewer.add_image(np.zeros(grid.data.shape, np.uint8), scale=grid.scale, units=grid.units)
    session = open_bench(viewer).session
    labels = np.zeros(grid.data.shape, np.int32)
    spots = np.argwhere(np.ones(tuple(n // 6 for n in labels.shape)))[:MANY] * 6
    for number, (y, x) in enumerate(spots, 1):
        labels[y + 1 : y + 5, x + 1 : x + 5] = number
    adopt(session, session.current, labels)
    layer = session.current.particles_layer

    def coloured() -> float:
        shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        return float(np.mean(np.ptp(shown, axis=-1) > 50))

    viewer.show()
    viewer.window._qt_window.resize(1000, 800)
    QApplication.processEvents()
    seen = coloured()
    assert seen > 0.01
    numbers = range(1, len(spots) + 1)
    changes: list[Callable[[], None]] = [
        lambda: layers.cycle_colours(layer, list(numbers)),
        lambda: layers.cycle_colours(layer),
        lambda: overlays.colour_by(layer, numbers, overlays.gradient(np.linspace(0, 1, len(spots)))),
        lambda: setattr(layer, "data", labels.astype(np.uint16)),
    ]
    for number, change in enumerate(changes):
        change()
        assert coloured() == pytest.approx(seen, rel=0.5), number
