"""Step 2 in a real viewer, with the shipped model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from in_the_window import told
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

import napari_temseg as temseg
from napari_temseg.engine.particles.weighing import BAND_CERTAINTY
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.widgets.images.question_bar import QuestionBar
from napari_temseg.widgets.session.change import Change


def test_one_click_finds_particles_and_puts_them_in_place(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, picture: Any) -> None:
    scale, units = (0.5, 0.5), ("nm", "nm")
    viewer.add_image(picture.micrograph.data, name="grid", scale=scale, translate=(10, 20), units=units)
    bench = open_bench(viewer)
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    item = bench.session.current
    truth = int(picture.instances.max())
    assert 0.5 * truth <= len(item.particles) <= 1.5 * truth
    for role, box in bench.panel(1).shown.items():
        if role != "particles":
            assert role not in item.made  # made when it is wanted
            box.click()
        layer = item.made[role]
        assert layer.visible
        assert layer in viewer.layers
        assert layer.name == f"grid {role}"
        np.testing.assert_allclose(layer.scale, scale)
        np.testing.assert_allclose(layer.translate, (10, 20))
        assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
    rows = viewer.window._qt_viewer.layers  # those that only serve are not listed

    def listed() -> list[str]:
        return [rows.model().index(number, 0).data() for number in range(rows.model().rowCount()) if not rows.isRowHidden(number)]

    assert listed() == ["grid particles", "grid"]  # at once: what is below must not move down and up again
    features = item.made["particles"].features
    assert list(features["index"]) == list(item.measurement.table["particle"])
    assert "ecd_nm" in features


def test_a_stack_waits_for_the_meaning_of_its_planes(viewer: Any, open_bench: Any, wait_jobs: Any, stack: Any) -> None:
    viewer.add_image(stack, name="series")
    bench = open_bench(viewer)
    panel, session = bench.panel(1), bench.session
    assert not panel.one.isEnabled()
    session.set_axes(session.current, "ZYX")
    assert panel.one.isEnabled()
    viewer.dims.set_point(0, 2)
    panel.one.click()
    wait_jobs(session)
    item = session.current
    assert item.particles.labels.shape == stack.shape
    ids = [set(np.unique(plane)) - {0} for plane in item.particles.labels]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]


def test_split_controls_act_at_once_and_can_be_undone(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    panel, session = bench.panel(1), bench.session
    panel.one.click()
    wait_jobs(session)
    item = session.current
    before = item.particles.labels.copy()
    said: list[str] = []
    session.said.connect(said.append)
    panel.split.fields["min_diameter"].value = 60.0
    assert panel.note.text() == "Splitting again …", "at once, where the result is told"
    panel._resplit()
    assert said[-1] == "grid: splitting again …", "it may take seconds"
    panel.refresh()
    assert panel.note.text() == "Splitting again …"
    wait_jobs(session)
    assert panel.note.text().startswith("0 particles")
    assert len(item.particles) == 0
    assert not said[-1].endswith("…")
    assert not item.made["particles"].data.any()
    item.history.undo()
    np.testing.assert_array_equal(item.made["particles"].data, before)
    assert len(item.measurement) == len(item.particles)


def test_cancel_leaves_what_was_there(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    rng = np.random.default_rng(0)
    viewer.add_image(rng.normal(size=(1024, 1024)).astype(np.float32), name="large")
    bench = open_bench(viewer)
    session = bench.session
    bench.panel(1).one.click()
    assert session.jobs.running
    session.jobs.cancel()
    wait_jobs(session)
    assert session.current.particles is None
    assert [layer.name for layer in viewer.layers] == ["large"]
    assert bench.panel(1).one.isEnabled()


def test_split_controls_show_what_was_applied_to_each_of_three_images(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    for name in "abc":
        viewer.add_image(picture.micrograph.data, name=name)
    bench = open_bench(viewer)
    panel, session = bench.panel(1), bench.session
    a, b, c = session.items
    certainty = panel.split.fields["certainty"]
    for item in (a, b):
        viewer.layers.selection.active = item.layer
        panel.one.click()
        wait_jobs(session)
    assert (certainty.value, certainty.native.placeholderText()) == ("", f"automatic: {BAND_CERTAINTY:g}")
    viewer.layers.selection.active = a.layer
    certainty.value = "0"
    panel.split.fields["strength"].value = 0.7
    viewer.layers.selection.active = b.layer  # before the change had its 120 ms
    wait_jobs(session)
    assert a.particles.settings["certainty"] == 0
    assert a.particles.settings["strength"] == 0.7
    for item in (b, c):
        viewer.layers.selection.active = item.layer
        assert certainty.value == ""
        assert panel.split.fields["strength"].value == 0.5
    panel.one.click()
    wait_jobs(session)
    assert c.particles.settings["certainty"] == b.particles.settings["certainty"] == BAND_CERTAINTY
    viewer.layers.selection.active = a.layer
    assert float(certainty.value) == 0
    assert panel.split.fields["strength"].value == 0.7
    panel.one.click()  # what is seen is what is used
    wait_jobs(session)
    assert a.particles.settings["certainty"] == 0
    assert float(certainty.value) == 0
    viewer.layers.selection.active = b.layer
    a.history.undo()
    assert certainty.value == ""


def test_an_image_says_which_model_searched_it_when_another_is_in_use(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, panel, table = bench.session, bench.panel(1), bench.panel(0).table
    panel.one.click()
    wait_jobs(session)
    assert "found by" not in panel.note.text()
    session.add_model("better", temseg.load("particles"))
    assert "found by “particles”, not by the model in use" in panel.note.text()
    row = table.images.index(0, 0)
    assert "by “particles”" in row.data(int(Qt.ItemDataRole.UserRole) + 1)
    assert "not the model in use now" in row.data(Qt.ItemDataRole.ToolTipRole)
    session.use_model("particles")
    assert "found by" not in panel.note.text()
    assert "by “particles”" not in row.data(int(Qt.ItemDataRole.UserRole) + 1)


def test_what_comes_back_was_split_with_the_automatic_certainty(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(1)
    panel.one.click()
    wait_jobs(session)
    item = session.current
    assert item.particles.settings["certainty"] == BAND_CERTAINTY
    item.prediction = None  # as after a restart: what the model said is not kept
    session.item_changed.emit(item, Change.PARTICLES)
    assert panel.split.value().certainty is None
    item.particles.settings["certainty"] = 0.3
    session.item_changed.emit(item, Change.PARTICLES)
    assert panel.split.value().certainty == 0.3


def test_a_stack_that_nobody_has_explained_is_shown_with_its_question_before_all_are_searched(
    viewer: Any, open_bench: Any, stack: Any, qtbot: Any
) -> None:
    from napari_temseg.widgets.images.planes import AxesQuestion

    viewer.add_image(stack, name="stack")
    viewer.add_image(stack[0], name="plain")
    bench = open_bench(viewer)
    session, asks = bench.session, bench.findChild(AxesQuestion)
    viewer.layers.selection.active = viewer.layers["plain"]
    session.reveal()
    assert asks.isHidden()
    qtbot.mouseClick(bench.panel(1).all, Qt.MouseButton.LeftButton)
    assert not session.jobs.running
    assert session.current.name == "stack"
    assert viewer.layers["stack"].visible
    assert not asks.isHidden()
    assert not told("say first")  # a notification would only repeat the question


def test_what_is_said_of_one_picture_is_not_used_for_the_next_unless_that_is_asked_for(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any
) -> None:
    for name in "ab":
        viewer.add_image(picture.micrograph.data, name=name)
    bench = open_bench(viewer)
    panel, session = bench.panel(1), bench.session
    a, b = session.items
    size, strength = panel.dial.field, panel.split.fields["strength"]
    viewer.layers.selection.active = a.layer
    qtbot.keyClicks(size, "56")
    strength.value = 0.7
    viewer.layers.selection.active = b.layer
    assert (size.text(), strength.value) == ("", 0.5)
    panel.all.click()
    wait_jobs(session)
    assert a.prediction.working_scale != b.prediction.working_scale
    assert (a.particles.settings["strength"], b.particles.settings["strength"]) == (0.7, 0.5)
    viewer.layers.selection.active = a.layer
    assert size.text() == "56 px"
    strength.value = 0.9
    wait_jobs(session)
    assert (a.particles.settings["strength"], b.particles.settings["strength"]) == (0.9, 0.5)
    said: list[str] = []
    session.said.connect(said.append)
    panel.everywhere.click()
    assert any("are those of all images now. What was found is split so; the size holds" in sentence for sentence in said)
    wait_jobs(session)
    assert b.particles.settings["strength"] == 0.9
    assert session.settings.get("split")["strength"] == 0.9  # of the next start
    viewer.layers.selection.active = b.layer
    assert (size.text(), strength.value) == ("56 px", 0.9)
    panel.one.click()
    wait_jobs(session)
    assert a.prediction.working_scale == b.prediction.working_scale


def test_a_new_search_keeps_what_was_corrected_and_asks_about_what_does_not_match(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any
) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    panel, session, corrector = bench.panel(1), bench.session, bench.panel(3).corrector
    panel.one.click()
    wait_jobs(session)
    item = session.current
    table = item.measurement.table.sort_values("area_px2", ascending=False)
    split, deleted, excluded = (int(table["particle"].iloc[index]) for index in (0, 1, 2))
    places = {n: table.loc[table["particle"] == n, ["centroid_y_px", "centroid_x_px"]].to_numpy()[0] for n in (split, deleted, excluded)}
    y, x = places[split]
    corrector.cut(np.array([[y - 60, x + 0.3], [y + 60, x + 0.3]]))
    session.select([deleted])
    corrector.delete()
    session.select([excluded])
    corrector.exclude("damaged")
    halves = {int(item.particles.labels[int(y), int(x) + dx]) for dx in (-4, 4)}
    assert len(halves) == 2
    qtbot.keyClicks(panel.dial.field, "40")  # another scale: outlines move a little
    panel.one.click()
    wait_jobs(session)
    labels, rows = item.particles.labels, item.measurement.table.set_index("particle")
    assert len({int(labels[int(y), int(x) + dx]) for dx in (-4, 4)} - {0}) == 2
    assert labels[tuple(places[deleted].astype(int))] == 0
    assert rows.loc[labels[tuple(places[excluded].astype(int))], "excluded"] == "damaged"
    assert item.corrections > 0
    bar = bench.findChild(QuestionBar)
    assert bar.isHidden()
    item.prediction.probability[..., 0, :, :] = 0  # all is one particle now
    item.prediction.probability[..., 1, :, :] = 1
    panel.split.fields["strength"].value = 0.0
    wait_jobs(session)
    bench.go(1)
    assert not bar.isHidden()
    assert "does not match what was found now, and is kept as you left it" in bar.text.text() or "are kept as you left" in bar.text.text()
    labels = item.particles.labels
    assert len({int(labels[int(y), int(x) + dx]) for dx in (-4, 4)} - {0}) == 2  # until somebody says otherwise
    button(bar, "Take the new").click()
    assert len(item.particles) == 1
    assert bar.isHidden()
    assert item.history.undo() == "taking what was found"
    assert not bar.isHidden()
    button(bar, "Keep mine").click()
    labels = item.particles.labels
    assert len({int(labels[int(y), int(x) + dx]) for dx in (-4, 4)} - {0}) == 2
    assert bar.isHidden()


def button(bar: Any, text: str) -> Any:
    """The newest: those of an earlier question may be on their way out."""
    return [each for each in bar.findChildren(QPushButton) if each.text() == text][-1]


def test_how_unsure_particles_are_seen_is_said(viewer: Any, grid: Any, open_bench: Any, picture: Any, adopt: Any) -> None:
    bench = open_bench(viewer)
    item = bench.session.current
    adopt(bench.session, item, picture.instances)
    item.particles = replace(item.particles, uncertain=5)
    bench.panel(1).refresh()
    assert "5 more are unsure and left out (Certainty 0" in bench.panel(1).note.text()


def test_use_for_all_says_what_changed_and_one_undo_takes_all_of_it_back(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any
) -> None:
    for name in "abc":
        viewer.add_image(picture.micrograph.data, name=name)
    bench = open_bench(viewer)
    panel, session, corrector = bench.panel(1), bench.session, bench.panel(3).corrector
    panel.all.click()
    wait_jobs(session)
    a, b, c = session.items
    viewer.layers.selection.active = b.layer
    rows = b.measurement.table.sort_values("area_px2", ascending=False)
    largest, second, third = rows["particle"].astype(int).tolist()[:3]
    for number in (largest, second):
        session.select([number])
        corrector.exclude("damaged")
    session.select([third])
    corrector.delete()
    assert b.corrections == 3
    before, count, steps = b.particles.labels.copy(), b.count, b.history.names
    viewer.layers.selection.active = a.layer
    panel.split.fields["min_diameter"].value = 24.0
    panel._resplit()
    wait_jobs(session)
    assert a.particles.settings["min_diameter"] == 24
    own, told = a.particles.labels.copy(), list[str]()
    session.said.connect(told.append)
    panel.everywhere.click()
    wait_jobs(session)
    fewer = b.count
    assert fewer < count
    assert f"2 images were split with these settings too, 2 changed: b ({count} → {fewer} particles), c (" in told[-1]
    assert "Ctrl+Z or U takes all of them back at once" in told[-1]
    assert (b.measurement.table["excluded"] == "damaged").sum() == 2
    assert b.corrections == 3  # none was lost on the way
    assert a.corrections == 0
    corrector.undo()
    assert told[-1].startswith("Undone: splitting 2 images.")
    np.testing.assert_array_equal(b.particles.labels, before)
    np.testing.assert_array_equal(a.particles.labels, own)
    assert (b.count, b.history.names) == (count, steps)
    corrector.redo()
    assert b.count == fewer
    viewer.layers.selection.active = c.layer
    corrector.undo()
    viewer.layers.selection.active = a.layer
    corrector.undo()  # what was taken back by itself is no matter of this
    assert b.count == count
    assert c.particles.settings["min_diameter"] == b.particles.settings["min_diameter"]


def test_step_2_fits_into_1280_by_800_while_a_job_runs_and_kept_work_is_offered(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, idle: Any, picture: Any, on_small_screen: Any
) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    on_small_screen(bench)
    bench.go(1)
    area, session = bench.panels.currentWidget(), bench.session

    def steps(control: Any) -> Any:
        while not control.finishing:
            time.sleep(0.01)
            yield Progress("find", 0.1, "looking for particles", control.elapsed)

    session.jobs.start("Finding particles", lambda: Job(steps), lambda _: None, can_finish=True)
    bench.restore_bar.offer("Work of 27 Nov 16:36 is kept: 3 particles, 3 corrections, reviewed, 1 region, sample batch 8, strokes.")
    idle()
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden() and area.verticalScrollBar().maximum() == 0)
    assert area.widget().heightForWidth(area.maximumViewportSize().width()) <= area.maximumViewportSize().height()
    assert area.verticalScrollBar().maximum() == 0
    verdict = bench.panel(1).verdict
    verdict.setText("Not usable as it is: the model doubts 41 % of the particles: where so many are at the limit of what it sees.")
    assert verdict.is_folded()
    assert "of the particles" in QLabel.text(verdict)
    session.jobs.finish()
    wait_jobs(session)


def test_the_smallest_particle_is_told_in_nm_too_where_that_is_known(bench: Any) -> None:
    panel, session = bench.panel(1), bench.session
    field = panel.split.fields["min_diameter"]
    session.set_calibration([session.current], Calibration((0.5, 0.5), "typed"))
    field.value = 6.0
    assert field.native.text() == "6.00 = 3 nm"
    session.set_calibration([session.current], Calibration())
    assert field.native.text() == "6.00"
    assert panel.split.value().min_diameter == 6.0
