"""Step 4 in a real viewer: corrections, exclusions, review, undo, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from in_the_window import mouse, told
from napari.layers import Image, Labels
from napari.utils.action_manager import action_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLineEdit
from scipy import ndimage

from napari_temseg.engine.measure.measurement import measure, with_flags
from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import Particles
from napari_temseg.pipeline.find import measured
from napari_temseg.widgets.canvas.overlays import SELECTED
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.particles.tools.pointer import Tool
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.regions import Regions
from napari_temseg.widgets.session.results.doubtful import Doubtful
from napari_temseg.widgets.session.results.state import ResultState, commit

COLUMNS = ["ecd_nm", "feret_max_nm", "area_nm2", "circularity", "solidity", "frame", "cut"]


def disc(labels: Any, y: int, x: int, radius: int, number: int) -> None:
    yy, xx = np.ogrid[: labels.shape[-2], : labels.shape[-1]]
    labels[(yy - y) ** 2 + (xx - x) ** 2 <= radius**2] = number


@pytest.fixture
def bench(viewer: Any, open_bench: Any, qtbot: Any) -> Any:
    """A picture with six particles: 1 and 2 touch, 3 at the frame, 4, 5, 6 free."""
    labels = np.zeros((120, 160), np.int32)
    for number, (y, x, radius) in enumerate([(30, 30, 12), (30, 55, 13), (118, 80, 9), (80, 30, 10), (80, 120, 14), (30, 120, 8)], 1):
        disc(labels, y, x, radius, number)
    made = opened(viewer, open_bench, labels, "grid")
    qtbot.waitUntil(made.panel(3).result.export.isEnabled)
    return made


def opened(viewer: Any, open_bench: Any, labels: Any, name: str, axes: str = "YX") -> Any:
    """The dock on a picture whose particles are `labels`, as a search would leave them."""
    scale = (*(1.0,) * (labels.ndim - 2), 0.5, 0.5)
    units = (*("pixel",) * (labels.ndim - 2), "nm", "nm")
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name=name, scale=scale, units=units)
    made = open_bench(viewer)
    session = made.session
    item = session.current
    item.axes = axes
    found = particles_of(labels, item.micrograph())
    commit(session, item, ResultState(None, found, named(measured(found), item)), "finding particles")
    made.go(3)
    return made


def particles_of(labels: Any, micrograph: Any) -> Any:
    bare = measure(labels).table.set_index("particle")
    return Particles(labels, bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2), micrograph)


def agrees(item: Any) -> None:
    """Layer, labels, tables and features are one thing."""
    assert item.particles_layer.data is item.particles.labels
    fresh = measured(item.particles).table
    table = item.measurement.table
    assert table["particle"].tolist() == fresh["particle"].tolist()
    pd.testing.assert_frame_equal(table[COLUMNS], fresh[COLUMNS], check_exact=False, rtol=1e-9)
    assert item.particles_layer.features["index"].tolist() == table["particle"].tolist()
    assert set(np.unique(item.particles.labels)) - {0} == set(table["particle"])


def stroke(layer: Any, places: list[tuple[int, ...]], number: int, size: int = 3) -> None:
    """What dragging napari's brush over these pixels does."""
    layer.brush_size = size
    with layer.block_history():
        for place in places:
            layer.paint(place, number)


def test_merge_undo_redo(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    before = item.particles.labels.copy()
    session.select([1, 2])
    qtbot.waitUntil(panel.merge.isEnabled)
    panel.merge.click()
    agrees(item)
    assert len(item.particles) == 5
    assert session.selected == {1}
    qtbot.waitUntil(lambda: "merging 2 particles" in panel.undo.toolTip())
    panel.undo.click()
    np.testing.assert_array_equal(item.particles_layer.data, before)
    agrees(item)
    qtbot.waitUntil(panel.redo.isEnabled)
    panel.redo.click()
    assert len(item.particles) == 5
    agrees(item)


def test_what_cannot_be_merged_is_said_in_a_sentence(bench: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("napari_temseg.widgets.jobs.runner.show_error", told.append)
    panel, session = bench.panel(3), bench.session
    session.select([1, 5])
    qtbot.waitUntil(panel.merge.isEnabled)
    panel.merge.click()
    assert "do not touch" in told[0]
    qtbot.waitUntil(lambda: "do not touch" in panel.note.text())  # when the notification is gone
    session.select([1])
    qtbot.waitUntil(lambda: "do not touch" not in panel.note.text())
    assert len(session.current.particles) == 6
    assert not len(session.current.history)


def test_clicks_in_the_picture_select(bench: Any, viewer: Any, qtbot: Any) -> None:
    session = bench.session
    mouse(viewer, [(40, 60)])  # nm: particle 5
    assert session.selected == {5}
    mouse(viewer, [(15, 60)], ("Shift",))
    assert session.selected == {5, 6}
    mouse(viewer, [(40, 15), (30, 30)])  # a drag moves the picture, and selects nothing
    assert session.selected == {5, 6}
    mouse(viewer, [(55, 5)])
    assert session.selected == frozenset()


def test_a_line_splits_a_particle(bench: Any, viewer: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    area = int((item.particles.labels == 5).sum())
    panel.split.click()
    assert panel.split.isChecked()
    mouse(viewer, [(40, 48), (40, 60), (40, 75)])
    assert len(item.particles) == 7
    assert session.selected == {5, 7}
    assert int(np.isin(item.particles.labels, [5, 7]).sum()) == area
    assert "line" not in item.made
    agrees(item)
    assert panel.split.isChecked(), "the next line splits too"
    mouse(viewer, [(15, 52), (15, 60), (15, 67)])
    assert len(item.particles) == 8
    mouse(viewer, [(2, 2), (2, 6), (3, 9)])  # crosses nothing
    assert panel.split.isChecked()
    qtbot.waitUntil(lambda: panel.note.text().startswith("The line meets no particle"))
    mouse(viewer, [(2, 2)])
    qtbot.waitUntil(lambda: panel.note.text().startswith("There is no particle"))
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    panel.pointer.take(Tool.SELECT)  # where the window has no focus
    assert not panel.split.isChecked()
    assert viewer.scene.camera.mouse_pan
    mouse(viewer, [(15, 15)])  # a click selects again
    assert session.selected == {1}


def test_a_click_on_two_centres_parts_a_particle(bench: Any, viewer: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1, 2])
    panel.corrector.merge()
    qtbot.waitUntil(panel.split.isEnabled)
    panel.split.click()
    mouse(viewer, [(15, 15)])
    assert len(item.particles) == 5
    mouse(viewer, [(15, 28)])
    assert len(item.particles) == 6
    agrees(item)
    assert item.particles.labels[30, 30] != item.particles.labels[30, 56]
    mouse(viewer, [(15, 15)])
    mouse(viewer, [(40, 60)])  # in another particle
    assert len(item.particles) == 6
    assert panel.split.isChecked()
    panel.corrector.undo()
    assert len(item.particles) == 5


def test_the_first_of_two_centres_lies_in_a_particle_and_is_forgotten_when_that_becomes_another(
    bench: Any, viewer: Any, qtbot: Any
) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1, 2])
    panel.corrector.merge()
    qtbot.waitUntil(panel.split.isEnabled)
    panel.split.click()
    mouse(viewer, [(0, 0)])  # on the background
    qtbot.waitUntil(lambda: panel.note.text().startswith("There is no particle"))
    mouse(viewer, [(15, 15)])
    qtbot.waitUntil(lambda: panel.note.text().startswith("Now click the other centre"))
    panel.corrector.undo()
    qtbot.waitUntil(lambda: panel.note.text().startswith("Draw lines"))
    panel.corrector.redo()
    mouse(viewer, [(15, 28)])  # the first one again
    assert len(item.particles) == 5
    mouse(viewer, [(0, 0)])
    qtbot.waitUntil(lambda: panel.note.text().startswith("A centre lies on the background"))
    assert len(item.particles) == 5


def test_split_these_cuts_each_selected_particle_where_it_is_narrow(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1, 2])
    panel.corrector.merge()
    session.select([1, 5])
    qtbot.waitUntil(panel.these.isEnabled)
    panel.these.click()
    assert len(item.particles) == 6
    assert item.particles.labels[30, 30] != item.particles.labels[30, 56]
    agrees(item)
    panel.corrector.undo()
    assert len(item.particles) == 5


def test_a_click_adds_a_particle_that_was_missed_and_so_does_a_drag_across_it(bench: Any, viewer: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    truth = item.particles.labels == 5
    session.select([5])
    panel.corrector.delete()
    qtbot.waitUntil(panel.add.isEnabled)
    panel.add.click()
    mouse(viewer, [(41, 59)])  # a little off its middle
    (number,) = session.selected
    made = item.particles.labels == number
    assert (made & truth).sum() / (made | truth).sum() > 0.85
    agrees(item)
    mouse(viewer, [(41, 59)])  # it is one already
    assert len(item.particles) == 6
    panel.corrector.undo()
    assert len(item.particles) == 5
    mouse(viewer, [(40, 53), (40, 62), (40, 67)])  # nm: from edge to edge
    (number,) = session.selected
    made = item.particles.labels == number
    assert (made & truth).sum() / (made | truth).sum() > 0.85
    panel.corrector.undo()
    mouse(viewer, [(15, 24), (15, 31)])  # its middle lies in a particle
    qtbot.waitUntil(lambda: panel.note.text().startswith("That is particle"))
    mouse(viewer, [(15, 58), (15, 62), (15, 76)])  # it begins in another one
    assert session.selected == {item.particles.labels[30, 134]} != {0}
    assert item.history.undoable == "adding 1 particle"


def test_what_was_deleted_in_a_part_is_deleted_elsewhere(viewer: Any, open_bench: Any, qtbot: Any, wait_jobs: Any) -> None:
    labels = np.zeros((120, 240), np.int32)
    for number, (y, x) in enumerate(((y, x) for x in range(15, 240, 30) for y in (15, 45, 75, 105)), 1):
        disc(labels, y, x, 9 if number % 2 else 4, number)
    bench = opened(viewer, open_bench, labels, "grid")
    panel, session = bench.panel(3), bench.session
    item = session.current
    small = set(range(2, 33, 2))
    qtbot.waitUntil(panel.likewise.isEnabled)
    panel.likewise.click()
    mouse(viewer, [(1, 1), (20, 20), (58, 58)])  # nm: the left half
    assert told("nothing was deleted")
    qtbot.waitUntil(lambda: panel.note.text().startswith("Nothing was deleted here"))
    session.select(small & set(range(1, 17)))
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    said: list[str] = []
    session.said.connect(said.append)
    mouse(viewer, [(1, 90), (20, 100), (58, 118)])  # the other half, where all is as it was found
    wait_jobs(session)
    assert said[-1] == "grid: nothing was selected."
    qtbot.waitUntil(lambda: panel.note.text().startswith("Nothing was deleted in that part"))  # whole, where the tool tells what to do
    assert not told("Nothing was deleted in that part")
    mouse(viewer, [(1, 1), (20, 20), (58, 58)])
    wait_jobs(session)
    assert session.selected == small & set(range(17, 33))
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert set(item.particles.table.index) == set(range(1, 33, 2))
    agrees(item)
    panel.undo.click()
    assert len(item.particles) == 24, "one step"


def test_lasso_and_box_select_many_which_are_deleted_at_once(bench: Any, viewer: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    qtbot.waitUntil(panel.box.isEnabled)
    panel.box.click()
    mouse(viewer, [(2, 2), (10, 20), (25, 40)])
    assert session.selected == {1, 2}
    panel.lasso.click()
    assert not panel.box.isChecked()
    mouse(viewer, [(30, 5), (30, 75), (50, 75), (50, 5)], ("Shift",))
    assert session.selected == {1, 2, 4, 5}
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert len(item.particles) == 2
    panel.corrector.undo()
    assert len(item.particles) == 6


def test_next_offers_first_what_looks_like_two(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1, 2])
    panel.corrector.merge()
    session.select([])
    item.measurement = with_flags(item.measurement, {}, (), [1])
    session.item_changed.emit(item, Change.PARTICLES)
    qtbot.waitUntil(lambda: panel.doubtful.of(item) is not None)
    assert set(panel.doubtful.of(item).two) == {1}
    panel.next.click()
    assert session.selected == {1}
    qtbot.waitUntil(lambda: "may be two or more" in panel.note.text())
    panel.these.click()
    qtbot.waitUntil(lambda: panel.doubtful.of(item) is not None)
    assert not panel.doubtful.of(item).two


def test_delete_and_exclude_and_count_again(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([6])
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert 6 not in item.particles_layer.data
    session.select([4, 5])
    panel.reasons.actions()[0].trigger()
    reasons = dict(zip(item.measurement.table["particle"], item.measurement.table["excluded"], strict=True))
    assert reasons == {1: "", 2: "", 3: "", 4: "overlapping", 5: "overlapping"}
    qtbot.waitUntil(lambda: "2 excluded" in panel.result.counts.text())
    qtbot.waitUntil(lambda: panel.pool.distribution.summary.get("n_left_out", {}).get("excluded: overlapping") == 2)
    qtbot.waitUntil(lambda: item.made["marks"].visible and item.made["marks"].data.any())
    session.select([1])
    qtbot.waitUntil(lambda: panel.exclude.isEnabled() and not panel.include.isEnabled())  # it counts
    session.select([1, 4])
    qtbot.waitUntil(panel.include.isEnabled)
    panel.include.click()
    assert (item.measurement.table["excluded"] != "").sum() == 1
    qtbot.waitUntil(lambda: not panel.include.isEnabled())
    assert item.corrections == 3
    for _ in range(3):
        panel.corrector.undo()
    assert len(item.particles) == 6
    assert not (item.measurement.table["excluded"] != "").any()
    agrees(item)


def test_strokes_of_napari_are_noticed_and_its_undo_too(bench: Any, qtbot: Any) -> None:
    item = bench.session.current
    layer = item.particles_layer
    before = layer.data.copy()
    stroke(layer, [(y, 120) for y in range(60, 100)], 0)  # the eraser cuts particle 5 in two
    qtbot.waitUntil(lambda: len(item.history) == 1)
    assert item.history.undoable == "painting"
    assert len(item.particles) == 7
    agrees(item)
    layer.undo()
    qtbot.waitUntil(lambda: len(item.history) == 0)
    np.testing.assert_array_equal(layer.data, before)
    agrees(item)
    item.history.redo()
    assert len(item.particles) == 7
    agrees(item)


def test_a_redraw_is_one_step_and_leaves_no_splinters(bench: Any, qtbot: Any, wait_jobs: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item, layer, said = session.current, session.current.particles_layer, []
    session.said.connect(said.append)
    before = item.particles.labels.copy()
    session.select([5])
    qtbot.waitUntil(panel.redraw.isEnabled)
    panel.redraw.click()
    stroke(layer, [(80, 134), (80, 139), (80, 144)], 5, 9)
    session.settle(item)
    layer.mode = "erase"
    stroke(layer, [(y, 146) for y in range(70, 92)], 0, 3)  # leaves a sliver at the far side
    session.settle(item)
    stroke(layer, [(60, 100)], 5, 1)
    session.settle(item)
    assert len(item.particles) == 6
    assert any("under the smallest size" in sentence for sentence in said)
    assert item.history.names == ["painting"]
    agrees(item)
    layer.mode = "paint"
    panel.redraw.click()  # done
    panel.corrector.undo()
    np.testing.assert_array_equal(item.particles.labels, before)
    agrees(item)
    panel.corrector.redo()
    assert item.history.names == ["painting"]
    agrees(item)


@pytest.mark.parametrize("tool", ["add", "split", "lasso"])
def test_a_brush_that_is_taken_puts_the_mouse_tool_down(bench: Any, viewer: Any, qtbot: Any, tool: str) -> None:
    panel, session = bench.panel(3), bench.session
    layer = session.current.particles_layer
    for begin, mode in ((panel.redraw, "paint"), (panel.new, "polygon")):
        session.select([5])
        qtbot.waitUntil(begin.isEnabled)
        getattr(panel, tool).click()
        assert panel.pointer.tool is not Tool.SELECT
        begin.click()
        assert panel.pointer.tool is Tool.SELECT, "a stroke would add or split too"
        assert str(layer.mode) == mode
        begin.click()
        assert str(layer.mode) == "pan_zoom"


def test_nothing_is_added_where_nobody_shall_look(bench: Any, viewer: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.part(Regions).leave_out(item, [(60, 60, 120, 160)])
    panel.pointer.take(Tool.ADD)
    mouse(viewer, [(35, 45)])  # nm
    assert "left out" in panel.refusal.sentence
    assert "adding 1 particle" not in item.history.names


def test_what_is_added_is_one_piece_though_particles_lie_in_it(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    panel.corrector.add(np.array([[8.0, 50], [8, 62], [58, 62], [58, 50]]))  # 2 lies across it
    (number,) = session.selected
    assert ndimage.label(item.particles.labels == number)[1] == 1
    agrees(item)


def test_a_selected_particle_is_seen_however_small_it_is_on_the_screen(bench: Any, viewer: Any, qtbot: Any) -> None:
    session = bench.session
    session.select([6])
    own = session.current.particles.labels == 6

    def white() -> Any:
        made = session.current.made
        return made[Role.MARKS].data == SELECTED if Role.MARKS in made else np.zeros_like(own)

    viewer.scene.camera.zoom = 0.5  # 4 px of the picture are one of the screen, the particle is 4 wide
    qtbot.waitUntil(lambda: bool((white() & ~own).any()))
    wide = np.ptp(np.flatnonzero(white().any(axis=0)))
    assert wide >= 7 * 4
    viewer.scene.camera.zoom = 8.0
    qtbot.waitUntil(lambda: np.ptp(np.flatnonzero(white().any(axis=0))) < wide)
    assert not (white() & ndimage.binary_dilation(own)).any(), "its edge can be judged"


def test_the_status_line_speaks_of_what_was_done_last(bench: Any) -> None:
    panel, session = bench.panel(3), bench.session
    said: list[str] = []
    session.said.connect(said.append)
    session.select([4])
    panel.corrector.exclude("damaged")
    assert said[-1] == "grid: excluded 1 particle (damaged). Ctrl+Z or U takes it back."
    panel.reviewed.click()
    assert said[-1].startswith("grid: marked all as reviewed")


def test_a_stroke_is_taken_in_before_the_next_correction(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    stroke(item.particles_layer, [(60, 60)], 9, 8)
    session.select([1, 2])
    panel.corrector.merge()
    assert item.history.names == ["painting", "merging 2 particles"]
    agrees(item)


def test_new_particle_takes_a_number_of_its_own(bench: Any, qtbot: Any) -> None:
    panel, item = bench.panel(3), bench.session.current
    panel.new.click()
    layer = item.particles_layer
    assert str(layer.mode) == "polygon"
    assert layer.selected_label == 7
    layer.paint_polygon([(55, 60), (55, 75), (70, 75), (70, 60)], 7)
    qtbot.waitUntil(lambda: 7 in item.particles.table.index)
    agrees(item)
    panel.new.click()
    assert str(layer.mode) == "pan_zoom"


def test_review_goes_through_all_particles(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    seen = []
    for _ in range(6):
        panel.next.click()
        seen += list(session.selected)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    panel.next.click()
    assert item.measurement.table["reviewed"].all()
    assert item.reviewed
    assert item.status == "reviewed"
    qtbot.waitUntil(lambda: panel.progress.text() == "6 of 6 reviewed")


def test_next_marks_only_what_was_looked_at(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    table = lambda: session.current.measurement.table.set_index("particle")["reviewed"]  # noqa: E731
    session.select([1, 2, 3, 4])  # as a drag over the histogram does
    panel.next.click()
    assert not table().any()
    (led,) = session.selected
    session.select([led, *({4, 5, 6} - {led})])
    panel.next.click()
    assert table()[table()].index.tolist() == [led]
    session.select([next(n for n in (4, 5, 6) if n != led)])
    panel.next.click()
    assert table().sum() == 2


def test_next_says_once_what_it_marks_and_shift_n_goes_back(bench: Any, qtbot: Any, press: Any) -> None:
    panel, session, said = bench.panel(3), bench.session, list[str]()
    session.said.connect(said.append)
    item = session.current

    def reviewed() -> set[int]:
        table = item.measurement.table
        return set(table.loc[table["reviewed"], "particle"])

    way = []
    for _ in range(3):
        panel.next.click()
        way += session.selected
    assert said == [f"{item.name}: particle {way[0]} counts as reviewed, as each that Next leaves does; Shift+N goes back to it."]
    assert reviewed() == set(way[:2])
    for n in (1, 0):
        press(panel, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
        assert session.selected == {way[n]}
        assert reviewed() == set(way[:n])
    press(panel, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert said[-1] == f"{item.name}: Next (N) has left no particle to go back to."
    panel.next.click()
    assert session.selected == {way[1]}


def test_merge_knows_the_partner_of_a_piece(bench: Any, qtbot: Any, wait_chores: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    wait_chores(session)  # what is in doubt of these squares is known, and nothing comes after what is put in its place
    session.part(Doubtful)._known[item] = Doubts({3: 0.8}, {(1, 2): 0.4, (3, 4): 0.4})
    session.select([4])
    qtbot.waitUntil(panel.merge.isEnabled)
    session.select([3])  # which is said to look like two
    qtbot.waitUntil(lambda: not panel.merge.isEnabled())
    session.select([2])
    qtbot.waitUntil(panel.merge.isEnabled)
    assert panel.note.text() == "Particle 2 selected. It and 1 look like one: Merge (J) makes them one; else leave them."
    panel.merge.click()
    assert item.history.undoable == "merging 2 particles"
    assert session.selected == {1}
    agrees(item)


def test_a_review_is_a_step_and_no_correction_and_takes_no_way_back(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current

    def reviewed() -> set[int]:
        table = item.measurement.table
        return set(table.loc[table["reviewed"], "particle"])

    session.select([1, 2])
    panel.corrector.merge()
    panel.corrector.undo()
    session.select([4])
    qtbot.keyClick(panel, Qt.Key.Key_N)  # as a letter that was typed for something else
    assert reviewed() == {4}
    assert item.corrections == 0
    panel.corrector.redo()
    assert len(item.particles) == 5  # what was undone before can still be done again
    assert reviewed() == {1, 4}
    panel.corrector.undo()
    assert reviewed() == {4}
    panel.corrector.undo()
    assert reviewed() == set()


def test_undo_after_another_calibration_keeps_that(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1, 2])
    panel.corrector.merge()
    session.set_calibration([item], Calibration((2.0, 2.0), "typed"))
    panel.corrector.undo()
    assert len(item.particles) == 6
    assert item.measurement.calibration.pixel_size == (2.0, 2.0)
    agrees(item)


def test_labels_stay_unique_over_a_stack(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    labels = np.zeros((3, 80, 80), np.int32)
    for plane in range(3):
        disc(labels[plane], 40, 40, 10, plane + 1)
    made = opened(viewer, open_bench, labels, "series", "NYX")
    item = made.session.current
    viewer.dims.set_point(0, 2)
    item.particles_layer.n_edit_dimensions = 3
    assert item.particles_layer.n_edit_dimensions == 2
    stroke(item.particles_layer, [(2, 10, 10)], 1, 7)  # the number of the particle on the first plane
    qtbot.waitUntil(lambda: len(item.particles) == 4)
    assert item.particles.table["plane"].to_dict() == {1: 0, 2: 1, 3: 2, 4: 2}
    agrees(item)


def test_keys_work_over_the_picture_and_are_given_back(bench: Any, viewer: Any, qtbot: Any) -> None:
    session = bench.session
    session.select([1, 2])
    binding = {str(key): action for key, action in viewer.keymap.items()}
    binding["J"](viewer)
    assert len(session.current.particles) == 5
    session.close()
    assert "J" not in {str(key) for key in viewer.keymap}
    assert bench.panel(3).pointer._pressed not in viewer.mouse_drag_callbacks


def test_no_key_of_ours_is_one_that_napari_has_on_such_layers(bench: Any, viewer: Any) -> None:
    ours = {str(key) for key in viewer.keymap}
    assert {"J", "D", "R", "Delete"} <= ours
    theirs = {
        str(key)
        for name, keys in action_manager._shortcuts.items()
        if name in action_manager._actions and action_manager._actions[name].keymapprovider in (Labels, Image)
        for key in keys
    }
    assert {"B", "L"} <= theirs
    assert not ours & theirs


def test_a_polygon_that_is_not_closed_leaves_no_corners(bench: Any, qtbot: Any) -> None:
    panel, layer = bench.panel(3), bench.session.current.particles_layer
    qtbot.waitUntil(panel.new.isEnabled)
    panel.new.click()
    overlay = layer._overlays["polygon"]
    overlay.points = [(10.0, 10.0), (10.0, 20.0)]
    panel.new.click()
    assert str(layer.mode) == "pan_zoom"
    assert not overlay.points


def test_the_brush_goes_where_another_particle_is_selected(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    layer = session.current.particles_layer
    session.select([5])
    qtbot.waitUntil(panel.redraw.isEnabled)
    panel.redraw.click()
    assert str(layer.mode) == "paint"
    session.select([])  # as when all of it was erased
    assert str(layer.mode) == "paint"
    session.select([6])
    assert str(layer.mode) == "pan_zoom", "it would paint on 5 while 6 is marked"


def test_the_particles_layer_may_go_at_any_time(bench: Any, viewer: Any, qtbot: Any, idle: Any) -> None:
    panel, session = bench.panel(3), bench.session
    item = session.current
    session.select([1])
    stroke(item.particles_layer, [(60, 60)], 9)
    viewer.layers.remove(item.particles_layer)
    idle()
    assert item.measurement is None
    assert not panel.delete.isEnabled()
    assert "find them first" in panel.note.text()
    viewer.layers.remove(item.layer)
    idle()
    assert session.current is None


def test_the_split_sliders_leave_corrections_as_they_are(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    made = open_bench(viewer)
    find, session = made.panel(1), made.session
    find.one.click()
    wait_jobs(session)
    item = session.current
    first = int(item.measurement.table["particle"].iloc[0])
    session.select([first])
    made.panel(3).corrector.delete()
    corrected, there = item.particles.labels.copy(), item.prediction.classes > 1
    for strength in (0.9, 0.0):  # as while the slider is dragged
        find.split.fields["strength"].value = strength
        wait_jobs(session)
        assert not item.particles.labels[there & (corrected == 0)].any()
    assert item.corrections == 1
    made.panel(3).corrector.undo()
    np.testing.assert_array_equal(item.particles.labels, corrected)
    assert first not in item.measurement.table["particle"].tolist()


def test_export_and_report(bench: Any, qtbot: Any, wait_jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, session = bench.panel(3), bench.session
    session.select([4])
    panel.corrector.exclude("damaged")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "out.csv"), ""))
    panel.result.export.click()
    qtbot.waitUntil((tmp_path / "out.csv").exists)
    written = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert written["excluded"].tolist() == ["", "", "", "damaged", "", ""]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "out.tif"), ""))
    panel.result.tiff.click()
    qtbot.waitUntil((tmp_path / "out.tif").exists)
    monkeypatch.setattr(export, "ask_folder", lambda *_: str(tmp_path / "report"))
    panel.result.report.click()
    wait_jobs(session)
    names = sorted(path.name for path in (tmp_path / "report").glob("[!.]*"))
    assert names == ["figures", "grid_particles.tif", "particles.csv", "report.html", "summary.json"]
    assert panel.result.page.isEnabled()
    session.viewer.add_image(np.zeros((64, 64), np.uint8), name="other")
    session.viewer.layers.selection.active = session.viewer.layers["other"]
    qtbot.waitUntil(lambda: not panel.result.page.isEnabled())  # it has no report
    session.viewer.layers.selection.active = session.viewer.layers["grid"]
    qtbot.waitUntil(panel.result.page.isEnabled)
    assert "1 correction by hand" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_new_folder_may_be_typed(bench: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = bench.session
    session.settings.set("folder", str(tmp_path))
    assert export.folder_of(session) == str(tmp_path)

    def typed(dialog: QFileDialog) -> int:
        assert dialog.directory().absolutePath() == str(tmp_path)
        dialog.findChild(QLineEdit).setText("of/today")
        dialog.accept()
        return dialog.result()

    monkeypatch.setattr(export.FolderDialog, "exec", typed)
    assert export.ask_folder(session, bench.panel(3), "Report") == str(tmp_path / "of" / "today")
    assert (tmp_path / "of" / "today").is_dir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("napari_temseg.widgets.canvas.micrograph_layer.path_of", lambda _: str(tmp_path / "here" / "grid.tif"))
    assert export.folder_of(session) == str(tmp_path / "here")


def test_a_file_that_cannot_be_written_is_said(bench: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("napari_temseg.widgets.jobs.runner.show_error", told.append)
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "file" / "out.csv"), ""))
    bench.panel(3).result.export.click()
    qtbot.waitUntil(lambda: len(told) == 1)
    assert "cannot be written" in told[0]


def test_colours_follow_a_column_and_new_particles(bench: Any, qtbot: Any) -> None:
    panel, session = bench.panel(3), bench.session
    box = panel.colours
    box.choice.setCurrentIndex(box.choice.findData("ecd"))
    box.choice.activated.emit(box.choice.currentIndex())
    layer = session.current.particles_layer
    small, large = layer.get_color(6), layer.get_color(5)
    assert not np.allclose(small, large)
    assert "nm" in box.high.text()
    stroke(layer, [(60, 60)], 9, 8)
    qtbot.waitUntil(lambda: 9 in layer.colormap.color_dict)
    box.choice.setCurrentIndex(0)
    box.choice.activated.emit(0)
    assert "Cyclic" in type(layer.colormap).__name__


def test_other_pixels_given_to_the_layer_are_taken_over(bench: Any, qtbot: Any) -> None:
    item = bench.session.current
    labels = item.particles.labels
    other = labels.copy()
    other[other == 6] = 0
    item.particles_layer.data = other
    qtbot.waitUntil(lambda: len(item.particles) == 5)
    assert item.particles.labels is labels
    agrees(item)
    bench.panel(3).corrector.undo()
    assert len(item.particles) == 6
    agrees(item)


def test_a_second_dock_takes_over(bench: Any, viewer: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    session = bench.session
    viewer.window.remove_dock_widget(bench)
    bench.deleteLater()
    idle()
    again = open_bench(viewer)
    assert again.session is session
    session.select([1, 2])
    {str(key): action for key, action in viewer.keymap.items()}["J"](viewer)
    assert len(session.current.particles) == 5
    {str(key): action for key, action in viewer.keymap.items()}["N"](viewer)
    assert sum(callback.__qualname__ == "Pointer._pressed" for callback in viewer.mouse_drag_callbacks) == 1


def test_a_file_name_gets_the_ending_of_its_kind_and_is_asked_about_where_it_is_there(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = [], [str(tmp_path / "sizes 0.5"), str(tmp_path / "there"), str(tmp_path / "there.csv"), str(tmp_path / "kept.xlsx")]
    (tmp_path / "there.csv").touch()

    def answer(_parent: Any, _title: str, start: str, _kinds: str) -> tuple[str, str]:
        asked.append(start)
        return answers.pop(0), "Table (*.csv *.xlsx)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    named = [export.ask_file(bench.session, bench, "Export", "particles.csv", "Table (*.csv *.xlsx)") for _ in range(3)]
    assert [Path(path).name for path in named] == ["sizes 0.5.csv", "there.csv", "kept.xlsx"]
    assert [Path(path).name for path in asked] == ["particles.csv", "particles.csv", "there.csv", "particles.csv"]


def test_a_particle_that_was_there_before_keeps_its_colour(bench: Any, qtbot: Any, adopt: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    item, layer = session.current, session.current.particles_layer
    panel.colours.colouring.refresh()
    labels = item.particles.labels
    numbers = np.unique(labels[labels > 0])
    before = {number: layer.get_color(int(number)) for number in numbers}
    renumbered = np.where(labels > 0, labels.max() + 3 - labels, 0).astype(np.int32)
    adopt(session, item, renumbered)
    assert layer is item.particles_layer
    for number in numbers:
        now = int(renumbered[labels == number][0])
        assert np.allclose(layer.get_color(now), before[number]), "at once, by where it lies"
    adopt(session, item, labels)
    for number in numbers:
        assert np.allclose(layer.get_color(int(number)), before[number])
