"""A layer that napari draws with other numbers than before stays above the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_temseg.widgets.canvas import layers, overlays

MANY = 300  # colours: of 255 and more napari makes another texture


@pytest.mark.parametrize("change", ["cycle", "gradient", "fewer", "data"])
def test_outlines_are_seen_whatever_they_are_drawn_with(change: str, viewer: Any, grid: Any, open_bench: Any, adopt: Any) -> None:
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
    if change in ("cycle", "fewer"):
        layers.cycle_colours(layer, list(range(1, len(spots) + 1)))
    if change == "gradient":
        overlays.colour_by(layer, range(1, len(spots) + 1), overlays.gradient(np.linspace(0, 1, len(spots))))
    if change == "fewer":
        layers.cycle_colours(layer)
    if change == "data":
        layer.data = labels.astype(np.uint16)
    assert coloured() == pytest.approx(seen, rel=0.5)
