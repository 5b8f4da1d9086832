"""What the brush of Redraw leaves of a particle, once it is put down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

SMALL, LARGE = 1, 2


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Step 4 over a particle of which little was found, and one that was found whole."""
    labels = np.zeros((100, 100), np.int32)
    labels[28:33, 28:33] = SMALL
    labels[60:90, 60:90] = LARGE
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    made.go(3)
    qtbot.waitUntil(made.panel(3).split.isEnabled)
    return made


def redraw(bench: Any, number: int, qtbot: Any) -> Any:
    bench.session.select([number])
    qtbot.waitUntil(bench.panel(3).redraw.isEnabled)
    qtbot.mouseClick(bench.panel(3).redraw, Qt.MouseButton.LeftButton)
    layer = bench.session.current.particles_layer
    layer.brush_size = 3
    return layer


def trace(bench: Any, layer: Any, number: int, radius: float) -> None:
    """Round (30, 30) in two strokes of the brush."""
    turn = np.linspace(0, 2 * np.pi, 120)
    for part in (turn[:60], turn[59:]):
        for angle in part:
            layer.paint((round(30 + radius * np.sin(angle)), round(30 + radius * np.cos(angle))), number)
        bench.session.settle(bench.session.current)


@pytest.mark.parametrize(("radius", "end"), [(6, "the button"), (15, "napari's own tool"), (15, "another particle")])
def test_a_traced_outline_is_the_particle_in_one_step(bench: Any, qtbot: Any, radius: float, end: str) -> None:
    session, panel = bench.session, bench.panel(3)
    item = session.current
    before = item.particles.labels.copy()
    layer = redraw(bench, SMALL, qtbot)
    trace(bench, layer, SMALL, radius)
    if end == "the button":
        qtbot.mouseClick(panel.redraw, Qt.MouseButton.LeftButton)
    elif end == "napari's own tool":
        layer.mode = "pan_zoom"
    else:
        session.select([LARGE])
    yy, xx = np.ogrid[:100, :100]
    assert (item.particles.labels[(yy - 30) ** 2 + (xx - 30) ** 2 <= radius**2] == SMALL).all()
    assert set(item.particles.table.index) == {SMALL, LARGE}
    assert item.measurement.table.set_index("particle").loc[SMALL, "area_px2"] == (item.particles.labels == SMALL).sum()
    panel.undo_keys.undo()
    assert np.array_equal(item.particles.labels, before)
    assert set(item.particles.table.index) == {SMALL, LARGE}
    panel.undo_keys.redo()
    assert item.particles.labels[30, 30 + radius - 3] == SMALL


def test_a_hole_that_was_rubbed_out_stays_one(bench: Any, qtbot: Any) -> None:
    item = bench.session.current
    layer = redraw(bench, LARGE, qtbot)
    layer.mode = "erase"
    layer.paint((75, 75), 0)
    bench.session.settle(item)
    qtbot.mouseClick(bench.panel(3).redraw, Qt.MouseButton.LeftButton)
    assert item.particles.labels[75, 75] == 0


def test_a_particle_that_had_a_hole_keeps_it(bench: Any, qtbot: Any) -> None:
    item = bench.session.current
    layer = redraw(bench, LARGE, qtbot)
    layer.mode = "erase"
    layer.paint((75, 75), 0)
    bench.session.settle(item)
    qtbot.mouseClick(bench.panel(3).redraw, Qt.MouseButton.LeftButton)
    layer = redraw(bench, LARGE, qtbot)
    layer.paint((58, 75), LARGE)
    qtbot.mouseClick(bench.panel(3).redraw, Qt.MouseButton.LeftButton)
    assert item.particles.labels[75, 75] == 0
    assert item.particles.labels[58, 75] == LARGE
