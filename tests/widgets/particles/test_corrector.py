"""What is selected and said after a correction, and after Undo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from in_the_window import mouse
from qtpy.QtCore import QPoint, Qt
from scipy import ndimage

from napari_temseg.engine.measure.measurement import measure
from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import Origin
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.overlays import PARTNER, SELECTED, SELECTED_FILL
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.marks import centre
from napari_temseg.widgets.session.results.doubtful import Doubtful
from napari_temseg.widgets.session.results.state import ResultState, commit


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Step 4 over a bent dumb-bell (1) with two neighbours in its box: one that touches it (2), and one free (3)."""
    labels = np.zeros((100, 120), np.int32)
    yy, xx = np.ogrid[:100, :120]
    for y, x in ((30, 30), (52, 52)):
        labels[(yy - y) ** 2 + (xx - x) ** 2 <= 17**2] = 1
    labels[14:22, 54:66] = 3
    labels[60:69, 20:35][labels[60:69, 20:35] == 0] = 2
    labels[80:95, 90:110] = 4
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    made.go(3)
    qtbot.waitUntil(made.panel(3).split.isEnabled)
    return made


def reviewed(item: Any) -> set[int]:
    table = item.measurement.table
    return set(table.loc[table["reviewed"], "particle"])


@pytest.mark.parametrize("path", [[(30, 30), (52, 52)], [(60, 20), (20, 62)]], ids=["two clicks", "a line"])
def test_a_split_selects_its_pieces_alone_and_undo_brings_the_selection_back(bench: Any, viewer: Any, path: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    item = session.current
    session.select([3, 4])
    panel.split.click()
    if path[0] == (30, 30):
        mouse(viewer, [path[0]])
        mouse(viewer, [path[1]])
    else:
        mouse(viewer, [path[0], (40, 41), path[1]])
    pieces = {int(item.particles.labels[30, 30]), int(item.particles.labels[52, 52])}
    assert len(pieces) == 2
    assert session.selected == pieces
    assert reviewed(item) == pieces
    panel.corrector.undo()
    assert session.selected == {3, 4}
    assert not reviewed(item)
    panel.corrector.redo()
    assert session.selected == pieces


def test_undo_selects_what_a_deletion_took_away(bench: Any) -> None:
    session, corrector = bench.session, bench.session.part(Corrector)
    session.select([2, 3])
    corrector.delete()
    assert not session.selected
    session.select([4])
    corrector.undo()
    assert session.selected == {2, 3}


@pytest.mark.parametrize("what", ["deleting", "excluding", "reviewing"])
def test_what_is_undone_out_of_view_comes_into_view_and_in_view_moves_nothing(bench: Any, viewer: Any, what: str) -> None:
    session, corrector = bench.session, bench.session.part(Corrector)
    layer, camera = session.current.layer, viewer.scene.camera
    session.select([4])
    if what == "reviewing":
        corrector.mark_reviewed(session.current, [4])
    else:
        corrector.delete() if what == "deleting" else corrector.exclude("other")
    camera.zoom, camera.center = 40.0, (0.0, 30.0, 30.0)
    corrector.undo()
    rows, columns = layers.window_in_view(viewer, layer)
    assert rows.start <= 87 <= rows.stop
    assert columns.start <= 99 <= columns.stop
    camera.center = (0.0, 84.0, 96.0)  # seen, off the middle
    corrector.redo()
    assert camera.center[1:] == pytest.approx((84.0, 96.0))


def test_what_lies_beneath_a_deleted_particle_is_neither_looked_at_nor_counted_again(bench: Any) -> None:
    session, corrector = bench.session, bench.panel(3).corrector
    item = session.current
    labels = item.particles.labels.copy()
    labels[25:35, 25:35] = 5  # lies on 1
    table = item.particles.table.reindex([1, 2, 3, 4, 1]).set_axis([1, 2, 3, 4, 5]).rename_axis("particle")
    table["population"] = ["large"] * 4 + ["small"]
    particles = replace(item.particles, labels=labels, table=table)
    commit(session, item, ResultState(None, particles, measure(particles)), "finding particles")
    session.select([1])
    corrector.exclude("damaged")
    session.select([5])
    corrector.delete()
    assert (item.particles.labels[25:35, 25:35] == 1).all()
    assert not reviewed(item)
    assert item.measurement.table.set_index("particle")["excluded"][1] == "damaged"
    corrector.undo()
    corrector.redo()
    assert not reviewed(item)
    assert item.measurement.table.set_index("particle")["excluded"][1] == "damaged"


def test_a_new_result_lets_go_of_what_its_numbers_do_not_mean_any_more(bench: Any) -> None:
    session, item = bench.session, bench.session.current
    session.select([1, 3, 4])
    labels = item.particles.labels.copy()
    labels[item.particles.labels == 3], labels[item.particles.labels == 4] = 4, 3
    particles = replace(item.particles, labels=labels)
    commit(session, item, replace(ResultState.of(item), particles=particles, measurement=measure(particles)), "splitting again")
    assert session.selected == {1}
    session.part(Corrector).undo()
    assert session.selected == {1}


def test_what_was_done_is_said_as_done(bench: Any) -> None:
    session, corrector = bench.session, bench.session.part(Corrector)
    said: list[str] = []
    session.said.connect(said.append)
    session.select([2, 3])
    corrector.delete()
    assert said[-1] == "grid: deleted 2 particles. Ctrl+Z or U takes it back."
    corrector.undo()
    assert said[-1] == "Undone: deleting 2 particles. Ctrl+Shift+Z or Shift+U does it again."


def test_a_key_that_takes_a_tool_in_hand_says_so(bench: Any, viewer: Any, qtbot: Any) -> None:
    said: list[str] = []
    bench.session.said.connect(said.append)
    window = viewer.window._qt_window
    window.show()
    qtbot.keyClick(bench.panel(3), Qt.Key.Key_A)
    qtbot.waitUntil(bench.panel(3).add.isChecked)
    assert said[-1] == "The key A took “Add” in hand; Esc puts it down."
    qtbot.keyClick(bench.panel(3), Qt.Key.Key_A)
    qtbot.waitUntil(lambda: said[-1] == "", timeout=20_000)
    bench.session.select([1])
    qtbot.keyClick(bench.panel(3), Qt.Key.Key_W)
    assert said[-1] == "The key W took “Redraw” in hand; Esc puts it down."


def test_the_keys_of_undo_and_redo_over_the_picture(bench: Any, viewer: Any, idle: Any) -> None:
    session, item = bench.session, bench.session.current
    session.select([2, 3])
    session.part(Corrector).delete()
    idle()
    viewer.layers.selection.active = item.particles_layer
    for key, n in (("Control-Z", 4), ("Control-Shift-Z", 2)):
        viewer.window._qt_viewer._key_map_handler.press_key(key)
        viewer.window._qt_viewer._key_map_handler.release_key(key)
        assert len(item.particles) == n
    item.particles_layer.paint((90, 60), 9)
    session.settle(item)
    assert len(item.particles) == 3
    for key, n in (("Control-Z", 2), ("Control-Shift-Z", 3)):
        viewer.window._qt_viewer._key_map_handler.press_key(key)
        session.settle(item)
        assert len(item.particles) == n


def test_no_figure_moves_a_button_or_is_scrolled_away(bench: Any, idle: Any, on_small_screen: Any) -> None:
    result = bench.panel(3).result
    bench.go(3)
    on_small_screen(bench)
    idle()
    before = result.report.mapTo(bench, QPoint(0, 0))
    for label in (result.counts, result.sizes, result.cautions):
        label.setText("a long sentence on what is left open of it\n" * 6)
        label.setVisible(True)
    idle()
    assert result.report.mapTo(bench, QPoint(0, 0)) == before
    result.refresh()  # as many lines of each as there is room for beside one another
    result.cautions.setText("a long sentence on what is left open of it\n" * 6)
    result.cautions.setVisible(True)
    idle()
    assert bench.panels.widget(3).verticalScrollBar().maximum() == 0
    for label in (result.counts, result.sizes):
        label.setText("a long sentence on what is left open of it\n" * 6)
    bench.restore_bar.offer("Work of 27 Nov 16:36 is kept: 3 particles, 3 corrections, reviewed, 1 region, sample batch 8, strokes.")
    idle()
    assert bench.panels.widget(3).verticalScrollBar().maximum() == 0, "a question takes lines of what is said, not of its end"
    assert result.report.mapTo(bench, QPoint(0, 0)) == before
    lines = result.sizes.height()
    bench.restore_bar.offer("")
    idle()
    assert result.sizes.height() > lines


def test_what_looks_like_one_with_the_selected_one_is_marked_too(bench: Any, qtbot: Any, monkeypatch: Any) -> None:
    session = bench.session
    item, doubtful = session.current, session.part(Doubtful)
    monkeypatch.setattr(doubtful, "of", lambda _: Doubts({}, {(1, 2): 0.4}))
    session.select([1])
    qtbot.waitUntil(lambda: Role.MARKS in item.made and bool((item.made[Role.MARKS].data == PARTNER).any()))
    marks, labels = item.made[Role.MARKS].data, item.particles.labels
    edges = ndimage.binary_dilation(np.isin(labels, (1, 2)))
    assert not np.isin(marks[edges], (SELECTED, PARTNER)).any(), "their edges are to be judged"
    for number, mark in ((1, SELECTED), (2, PARTNER)):
        near = ndimage.distance_transform_edt(labels != number)[marks == mark]
        assert near.min() < 4
        assert near.max() < 8
    session.select([1, 4])
    qtbot.waitUntil(lambda: not (item.made[Role.MARKS].data == PARTNER).any())


def test_the_fill_of_a_selected_particle_hides_no_crease(bench: Any, qtbot: Any) -> None:
    session = bench.session
    item = session.current
    session.select([1])
    qtbot.waitUntil(lambda: Role.MARKS in item.made)
    layer = item.made[Role.MARKS]
    fill = layer.colormap.map(np.asarray([SELECTED_FILL / layer.contrast_limits[1]]))[0]
    assert fill[3] < 0.1


def test_why_split_more_is_grey_without_a_search_is_said(bench: Any, qtbot: Any, monkeypatch: Any) -> None:
    doubtful, panel = bench.session.part(Doubtful), bench.panel(1)
    monkeypatch.setattr(doubtful, "of", lambda _: Doubts({1: 0.7}, {}))
    panel.refresh()
    assert not panel.raises.isEnabled()
    assert "work after a new search" in panel.doubt.text()


def test_undo_from_wherever_the_keyboard_is(bench: Any, viewer: Any, qtbot: Any, press: Any) -> None:
    session, item = bench.session, bench.session.current
    said: list[str] = []
    session.said.connect(said.append)
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.layers.selection.active = item.layer
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for place in (canvas, bench.panel(3), window):
        session.select([2, 3])
        session.part(Corrector).delete()
        assert len(item.particles) == 2
        press(place, Qt.Key.Key_Z, control)
        assert len(item.particles) == 4
        press(place, Qt.Key.Key_Z, control | shift)
        assert len(item.particles) == 2
        press(place, Qt.Key.Key_Z, control)
    session.set_calibration([item], Calibration((2.0, 2.0), "typed"))
    session.select([2])
    press(canvas, Qt.Key.Key_Z, control)
    assert "the pixel size, which is taken back in Calibrate…" in said[-1]
    item.history.clear()
    press(canvas, Qt.Key.Key_Z, control)
    assert said[-1] == "grid: there is nothing to undo."


def test_what_a_person_has_looked_at_is_no_suspect(bench: Any, monkeypatch: Any) -> None:
    session, doubtful, panel = bench.session, bench.session.part(Doubtful), bench.panel(1)
    item = session.current
    doubtful._known[item] = Doubts({1: 0.7, 3: 0.8}, {(1, 2): 0.4, (3, 4): 0.4}, {1: 9.0, 3: 5.0})
    panel._show_doubts()
    assert panel.doubt.text().startswith("1 of 4 looks like two or more, 1 more may be; 2 pairs")
    session.part(Corrector).mark_reviewed(item, [1])
    assert doubtful.of(item) == Doubts({3: 0.8}, {(3, 4): 0.4}, {3: 5.0})
    session.select([4])
    session.part(Corrector).exclude("out of focus")
    assert doubtful.of(item) == Doubts({3: 0.8}, {}, {3: 5.0})
    session.part(Corrector).undo()
    assert panel.doubt.text().startswith("1 of 4 may be two or more; 1 pair of pieces looks")
    session.part(Corrector).mark_reviewed(item, [3])
    told = "No other particle looks like two, and no other pieces like one; {} that do were reviewed or excluded."
    assert panel.doubt.text() == told.format(4)
    doubtful._known[item] = Doubts()
    panel._show_doubts()
    assert panel.doubt.text() == "No particle looks like two, and no pieces like one."


def test_what_was_put_back_claims_no_other_numbers_of_suspects(bench: Any, monkeypatch: Any) -> None:
    doubtful, panel, item = bench.session.part(Doubtful), bench.panel(1), bench.session.current
    monkeypatch.setattr(doubtful, "of", lambda _: Doubts({1: 0.7}, {}))
    item.particles = replace(item.particles, origin=Origin("hash", "model", (1.0,)))
    panel.refresh()
    assert panel.doubt.text() == "What looks like two or like one, and Split more and less, work after a new search."
    assert "without what the model saw" in panel.doubt.toolTip()
    assert not panel.through.isEnabled()


def test_next_shows_a_particle_large_enough_to_be_judged_and_keeps_a_zoom_that_does(bench: Any, viewer: Any) -> None:
    camera, table = viewer.scene.camera, bench.session.current.measurement.table.set_index("particle")
    side = min(viewer.canvas.size)
    number = 1
    box = table.loc[number, ["bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px"]].to_numpy(float)
    extent = max(box[2:] - box[:2])
    camera.zoom = 0.05 * side / extent
    centre(bench.session, bench.session.current, number, judged=True)
    assert 0.2 <= camera.zoom * extent / side <= 0.33
    camera.zoom = kept = 0.15 * side / extent
    centre(bench.session, bench.session.current, number, judged=True)
    assert camera.zoom == pytest.approx(kept)
