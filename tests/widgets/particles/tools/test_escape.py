"""Esc ends whatever is in hand, and is napari's own while nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_temseg.widgets.particles.tools.pointer import Tool
from napari_temseg.widgets.session.regions import Regions


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Step 4 over two particles, in a window that has the keyboard."""
    labels = np.zeros((80, 80), np.int32)
    labels[10:30, 10:30] = 1
    labels[40:60, 40:70] = 2
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    made.go(3)
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.waitUntil(made.panel(3).split.isEnabled)
    return made


def escape(bench: Any, qtbot: Any) -> None:
    qtbot.keyClick(bench.session.viewer.window._qt_window, Qt.Key.Key_Escape)


@pytest.mark.parametrize(("name", "mode"), [("redraw", "paint"), ("new", "polygon")])
def test_it_ends_brush_and_polygon(bench: Any, qtbot: Any, idle: Any, name: str, mode: str) -> None:
    session, made = bench.session, getattr(bench.panel(3), name)
    session.select([1])
    qtbot.waitUntil(made.isEnabled)
    qtbot.mouseClick(made, Qt.MouseButton.LeftButton)
    layer = session.current.particles_layer
    assert layer.mode == mode
    idle()
    escape(bench, qtbot)
    assert layer.mode == "pan_zoom"
    qtbot.waitUntil(lambda: not made.isChecked())


def test_what_was_painted_before_it_is_one_step_and_what_comes_after_another(bench: Any, qtbot: Any, idle: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    session.select([1])
    qtbot.waitUntil(panel.redraw.isEnabled)
    qtbot.mouseClick(panel.redraw, Qt.MouseButton.LeftButton)
    item, areas = session.current, []
    for column in (31, 33):
        item.particles_layer.paint((20, column), 1)
        session.settle(item)
    item.particles_layer.paint((20, 35), 1)
    escape(bench, qtbot)  # before the last stroke was taken in by itself
    areas.append(int((item.particles.labels == 1).sum()))
    qtbot.mouseClick(panel.redraw, Qt.MouseButton.LeftButton)
    item.particles_layer.paint((8, 20), 1)
    session.settle(item)
    escape(bench, qtbot)
    assert int((item.particles.labels == 1).sum()) > areas[0]
    panel.corrector.undo()
    assert int((item.particles.labels == 1).sum()) == areas[0]
    panel.corrector.undo()
    assert int((item.particles.labels == 1).sum()) == 400


@pytest.mark.parametrize("tool", [tool for tool in Tool if tool is not Tool.SELECT])
def test_it_ends_a_tool_of_ours(bench: Any, qtbot: Any, tool: Tool) -> None:
    panel = bench.panel(3)
    made = panel._tools[tool]
    qtbot.mouseClick(made, Qt.MouseButton.LeftButton)
    assert panel.pointer.tool is tool
    escape(bench, qtbot)
    assert panel.pointer.tool is Tool.SELECT
    assert not made.isChecked()


@pytest.mark.parametrize("mode", ["paint", "erase", "fill", "polygon"])
def test_a_brush_of_napari_puts_a_tool_of_ours_down(bench: Any, qtbot: Any, mode: str) -> None:
    panel, layer = bench.panel(3), bench.session.current.particles_layer
    qtbot.mouseClick(panel.split, Qt.MouseButton.LeftButton)
    layer.mode = mode  # by a key or a button of napari
    assert panel.pointer.tool is Tool.SELECT
    assert not panel.split.isChecked()
    qtbot.mouseClick(panel.add, Qt.MouseButton.LeftButton)
    assert panel.pointer.tool is Tool.ADD
    assert layer.mode == "pan_zoom"


def test_it_ends_a_brush_of_step_3_and_a_region(bench: Any, qtbot: Any) -> None:
    session = bench.session
    bench.go(2)
    qtbot.mouseClick(bench.panel(2).labelling.new, Qt.MouseButton.LeftButton)
    assert session.current.annotation.mode == "paint"
    escape(bench, qtbot)
    assert session.current.annotation.mode == "pan_zoom"
    bench.go(0)
    qtbot.mouseClick(bench.panel(0).region, Qt.MouseButton.LeftButton)
    assert session.current.left_out.mode == "add_polygon"
    escape(bench, qtbot)
    assert session.current.left_out.mode == "pan_zoom"


def test_it_stays_naparis_on_layers_of_others(bench: Any, viewer: Any, qtbot: Any) -> None:
    theirs = viewer.add_labels(np.zeros((80, 80), int), name="theirs")
    theirs.mode = "paint"
    escape(bench, qtbot)
    assert theirs.mode == "paint"


def test_typed_letters_and_a_backspace_leave_drawn_regions(bench: Any, qtbot: Any) -> None:
    session = bench.session
    session.part(Regions).leave_out(session.current, [(0, 0, 9, 9)])
    layer = session.current.left_out
    session.viewer.layers.selection.active = layer
    for letters in ("abc", "sa"):
        qtbot.keyClicks(session.viewer.window._qt_viewer.canvas.native, letters)
        qtbot.keyClick(session.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Backspace)
        assert len(layer.data) == 1
    session.part(Regions).take_back(session.current, [(0, 0, 9, 9)])


def test_a_refusal_is_told_once_where_it_is_seen(bench: Any, qtbot: Any) -> None:
    from in_the_window import told

    panel = bench.panel(3)
    bench.session.select([1, 2])
    qtbot.waitUntil(panel.these.isEnabled)
    qtbot.mouseClick(panel.these, Qt.MouseButton.LeftButton)  # two squares have no waist
    qtbot.waitUntil(lambda: panel.note.text().startswith("Nothing in the selected particles"))
    assert panel.note.property("role") == "warning"
    assert not told("Nothing in the selected")
    bench.session.select([1])
    qtbot.waitUntil(lambda: panel.note.property("role") == "hint")
    bench.go(1)  # step 4 is out of sight: a key that does nothing has to say why elsewhere
    bench.session.select([])
    qtbot.keyClick(bench.session.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_J)
    assert told("to merge")
