"""Draw new: a drag draws the outline, clicks are its corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import mouse
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import mouse_double_click_callbacks
from qtpy.QtCore import Qt

from napari_temseg.widgets.canvas.roles import Role

CORNERS = [(50.0, 50.0), (50.0, 70.0), (75.0, 70.0), (75.0, 50.0)]


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Step 4 over one particle, *Draw new* in hand."""
    labels = np.zeros((100, 100), np.int32)
    labels[5:20, 5:20] = 1
    noise = np.random.default_rng(0).normal(0, 5, labels.shape)
    viewer.add_image((np.where(labels > 0, 50, 200) + noise).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    made.go(3)
    viewer.window._qt_window.show()
    qtbot.waitUntil(made.panel(3).new.isEnabled)
    qtbot.mouseClick(made.panel(3).new, Qt.MouseButton.LeftButton)
    return made


def click_round(viewer: Any, layer: Any, idle: Any) -> None:
    """Every corner with a slip of the hand, and a double click at the end."""
    for y, x in CORNERS:
        mouse(viewer, [(y, x), (y, x + 1)], layer=layer)
    end = read_only_mouse_event(type="mouse_double_click", pos=np.array(CORNERS[-1]) * 4, position=CORNERS[-1], button=1)
    mouse_double_click_callbacks(layer, end)
    idle()


def test_a_drag_draws_a_particle_round_what_it_encloses(bench: Any, viewer: Any, idle: Any, qtbot: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    item, layer = session.current, session.current.particles_layer
    turn = np.linspace(0, 2 * np.pi, 60)
    for x in (40, 75):  # the second is another particle, with the tool still in hand
        mouse(viewer, [(50 + 12 * np.sin(angle), x + 12 * np.cos(angle)) for angle in turn], layer=layer)
        idle()
        drawn = int(item.particles.labels[50, x])
        assert session.selected == {drawn}
        assert int((item.particles.labels == drawn).sum()) == pytest.approx(np.pi * 12**2, rel=0.05)
        assert layer.mode == "polygon"
        assert Role.LINE not in item.made
    assert len(item.particles) == 3
    for place in CORNERS[:3]:
        mouse(viewer, [place], layer=layer)
    assert len(layer._overlays["polygon"].points) == 4  # a dot of the drags would be one more
    qtbot.mouseClick(panel.new, Qt.MouseButton.LeftButton)
    assert viewer.scene.camera.mouse_pan
    for n in (2, 1):
        panel.undo_keys.undo()
        assert len(item.particles) == n


def test_clicks_of_a_hand_that_slips_are_corners(bench: Any, viewer: Any, idle: Any) -> None:
    session = bench.session
    item = session.current
    click_round(viewer, item.particles_layer, idle)
    session.settle(item)
    assert len(item.particles) == 2
    assert (item.particles.labels[52:74, 52:69] == 2).all()


def test_a_drag_over_what_is_taken_is_refused(bench: Any, viewer: Any, idle: Any) -> None:
    mouse(viewer, [(8, 8), (8, 16), (16, 16), (16, 8)], layer=bench.session.current.particles_layer)
    idle()
    assert "no free pixel" in bench.panel(3).note.toolTip() + bench.panel(3).note.text()
    assert len(bench.session.current.particles) == 1
    assert not bench.session.current.particles_layer._overlays["polygon"].points
