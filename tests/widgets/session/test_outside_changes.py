"""What is changed in napari itself is followed, and never taken in silence for a new pixel size or the same picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import told
from napari.layers._layer_actions import _duplicate_layer
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QPushButton

from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.images.question_bar import QuestionBar
from napari_temseg.widgets.particles.distribution_dock import DistributionOpener
from napari_temseg.widgets.session.mixed_units import MixedUnits
from napari_temseg.widgets.session.regions import Regions


@pytest.fixture
def found(viewer: Any, open_bench: Any, adopt: Any) -> Any:
    """A calibrated picture with two particles."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20], labels[30:40, 50:60] = 1, 2
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    return made


def press(bench: Any, text: str) -> None:
    bar = bench.findChild(QuestionBar)
    next(each for each in bar.findChildren(QPushButton) if each.text() == text).click()


def diameter(item: Any) -> float:
    return float(item.measurement.table["ecd_nm"].iloc[0])


def test_a_changed_scale_is_asked_about_and_taken(found: Any, idle: Any) -> None:
    item = found.session.current
    before = diameter(item)
    item.layer.scale = (1.0, 1.0)
    idle()
    assert diameter(item) == before
    np.testing.assert_allclose(item.particles_layer.scale, (1, 1))  # it stays on its picture
    bar = found.findChild(QuestionBar)
    assert "1 nm a pixel" in bar.text.text()
    press(found, "Yes, use it")
    assert item.calibration.pixel_size == (1.0, 1.0)
    assert diameter(item) == pytest.approx(2 * before)
    idle()
    assert bar.question is None


def test_a_changed_scale_is_put_back(found: Any, idle: Any) -> None:
    item = found.session.current
    item.layer.scale = (0.7, 0.7)
    item.layer.units = ("um", "um")
    idle()
    assert "700 nm a pixel" in found.findChild(QuestionBar).text.text()
    press(found, "No, put it back")
    idle()
    for layer in (item.layer, item.particles_layer):
        np.testing.assert_allclose(layer.scale, (0.5, 0.5))
        assert str(layer.units[-1]) == "nanometer"
    assert found.findChild(QuestionBar).question is None


def test_our_own_calibration_is_not_asked_about(found: Any, idle: Any) -> None:
    from napari_temseg.engine.types.micrograph import Calibration

    item = found.session.current
    found.session.set_calibration([item], Calibration((2.0, 2.0), "typed", factor=1.01))
    idle()
    assert found.findChild(QuestionBar).question is None


def test_a_moved_picture_takes_what_lies_on_it_along(found: Any, idle: Any) -> None:
    item = found.session.current
    item.layer.translate = (100, 50)
    idle()
    np.testing.assert_allclose(item.particles_layer.translate, (100, 50))


def test_replaced_pixels_have_no_particles_until_somebody_says_so(found: Any, idle: Any) -> None:
    item = found.session.current
    item.layer.data = item.layer.data[::-1].copy()
    idle()
    assert item.particles is None
    assert item.particles_layer is None
    press(found, "Put them back")
    assert len(item.particles) == 2
    assert item.particles_layer is not None


def test_pixels_of_another_shape_leave_nothing_behind(found: Any, viewer: Any, idle: Any) -> None:
    item = found.session.current
    item.layer.data = np.zeros((30, 40), np.uint8)
    idle()
    assert item.particles is None
    assert not item.history.undoable
    assert [layer.name for layer in viewer.layers] == ["grid"]
    assert item.frame == (30, 40)


def test_strokes_of_the_picture_before_are_not_taken_for_this_one(found: Any, idle: Any, wait_chores: Any) -> None:
    found.go(2)
    found.panel(2).labelling.new.click()
    item = found.session.current
    item.annotation.data[10:14, 10:20] = 2
    item.layer.data = np.zeros((30, 40), np.uint8)
    wait_chores(found.session)
    assert item.annotation is None


def test_a_removed_picture_takes_what_was_found_along(found: Any, viewer: Any, idle: Any) -> None:
    viewer.layers.remove("grid")
    idle()
    assert [layer.name for layer in viewer.layers] == []


def test_a_removed_picture_takes_strokes_and_areas_along_and_the_next_is_shown(
    found: Any, viewer: Any, idle: Any, wait_chores: Any, qtbot: Any
) -> None:
    session = found.session
    data = session.current.layer.data.copy()
    viewer.add_image(np.zeros((400, 500), np.uint8), name="next")
    session.set_current(session.items[0])
    session.reveal()
    found.go(2)
    found.panel(2).labelling.new.click()
    session.current.annotation.paint((12, 12), 2)
    session.part(Regions).leave_out(session.current, [(0, 0, 5, 5)])
    truth = viewer.add_labels(np.zeros(data.shape, int), name="by hand")
    session.adopt(session.current, Role.TRUTH, truth)
    said: list[str] = []
    session.said.connect(said.append)
    viewer.layers.remove("grid")
    idle()
    assert [layer.name for layer in viewer.layers] == ["next", "by hand"]
    assert session.current.name == "next"
    assert session.current.layer.visible
    assert layers.fits(viewer, session.current.layer, viewer.canvas.size)
    assert "What was made of it is kept" in said[-1]
    wait_chores(session)
    viewer.add_image(data, name="grid")  # and they are offered with the same picture
    session.set_current(session.items[-1])
    qtbot.waitUntil(lambda: session.part(Autosaver).earlier_work(session.current) is not None)


def test_a_layer_thrown_away_in_napari_brings_no_pop_up_of_units(found: Any, viewer: Any, idle: Any) -> None:
    viewer.add_image(np.zeros((40, 50), np.uint8), name="in px")
    viewer.add_image(np.zeros((40, 50), np.uint8), name="in px too")
    viewer.screenshot(canvas_only=True, flash=False)
    notification_manager.records.clear()
    for name in ("grid particles", "in px"):
        viewer.layers.selection = {viewer.layers[name]}
        viewer.layers.remove_selected()
        idle()
        viewer.screenshot(canvas_only=True, flash=False)
    assert layers.mixed_units(viewer)
    assert not told("Inconsistent")


def test_a_copy_made_in_napari_bears_no_outlines_of_the_picture(found: Any, viewer: Any, idle: Any) -> None:
    item = found.session.current
    viewer.layers.selection = {item.layer}
    _duplicate_layer(viewer.layers)
    idle()
    copy = viewer.layers["grid copy"]
    viewer.layers.selection.active = copy
    assert found.session.current.layer is copy
    assert not item.particles_layer.visible


def test_a_layer_stays_over_its_picture_and_bears_its_name(found: Any, viewer: Any, idle: Any) -> None:
    item = found.session.current
    said: list[str] = []
    found.session.said.connect(said.append)
    item.layer.name = "gold 7"
    assert item.particles_layer.name == "gold 7 particles"
    viewer.layers.move(viewer.layers.index(item.particles_layer), 0)
    idle()
    assert viewer.layers.index(item.particles_layer) > viewer.layers.index(item.layer)
    assert said[-1].startswith("gold 7 particles: laid over the picture again")
    item.particles_layer.name = "mine"
    item.layer.name = "gold 8"
    assert item.particles_layer.name == "mine"
    said.clear()
    viewer.add_image(np.zeros((9, 9)), name="another")
    viewer.layers.move(viewer.layers.index(viewer.layers["another"]), 0)
    idle()
    assert not said


@pytest.mark.parametrize("looked_at", ["the whole", "a detail"])
def test_the_dock_that_opens_shows_what_was_looked_at(
    viewer: Any, grid: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any, idle: Any, looked_at: str
) -> None:
    window, session = viewer.window._qt_window, open_bench(viewer).session
    window.resize(1300, 850)
    window.show()
    item, opener = session.current, session.part(DistributionOpener)
    layers.fit(viewer, item.layer)
    if looked_at == "a detail":
        viewer.scene.camera.zoom *= 4
    zoom, height = viewer.scene.camera.zoom, viewer.canvas.size[0]
    adopt(session, item, picture.instances)
    qtbot.waitUntil(lambda: opener.dock is not None and viewer.canvas.size[0] < height)
    idle()
    assert layers.fits(viewer, item.layer, viewer.canvas.size) == (looked_at == "the whole")
    assert (viewer.scene.camera.zoom == pytest.approx(zoom)) == (looked_at == "a detail")


def test_the_dock_below_moves_the_picture_once(
    viewer: Any, grid: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any, idle: Any
) -> None:
    session, canvas = open_bench(viewer).session, viewer.window._qt_viewer.canvas.native
    viewer.window.resize(1200, 700)
    viewer.window.show()
    idle()
    before, heights = canvas.height(), []
    viewer.canvas.events.size.connect(lambda event: heights.append(canvas.height()))
    adopt(session, session.current, picture.instances)
    opener = session.part(DistributionOpener)
    qtbot.waitUntil(lambda: canvas.height() < before and len(opener.widget.pool.distribution.values) > 0)
    idle()
    assert set(heights) == {canvas.height()}


def test_a_layer_in_px_of_somebody_else_brings_no_pop_up_but_a_sentence(found: Any, viewer: Any) -> None:
    viewer.screenshot(canvas_only=True, flash=False)
    notification_manager.records.clear()
    mixed = found.session.part(MixedUnits)
    layers.scale_bar(viewer).visible = True
    assert mixed.sentence() == ""
    viewer.add_shapes(name="my lines")
    viewer.screenshot(canvas_only=True, flash=False)
    assert "“my lines” is in px" in mixed.sentence()
    viewer.layers["my lines"].units = ("nm", "nm")
    viewer.screenshot(canvas_only=True, flash=False)
    assert mixed.sentence() == ""
    viewer.layers["my lines"].units = ("pixel", "pixel")
    viewer.screenshot(canvas_only=True, flash=False)
    assert not told("Inconsistent")


def test_the_list_follows_the_order_of_napari(found: Any, viewer: Any) -> None:
    viewer.add_image(np.zeros((8, 8)), name="late")
    viewer.layers.move(viewer.layers.index("late"), 0)
    assert [item.name for item in found.session.items] == ["late", "grid"]


def test_the_picture_fits_the_window_when_that_grows(found: Any, viewer: Any, qtbot: Any, idle: Any) -> None:
    window, item = viewer.window._qt_window, found.session.current
    window.resize(900, 600)
    window.show()
    found.session.reveal()
    idle()
    layers.fit(viewer, item.layer)
    before = viewer.scene.camera.zoom
    window.resize(1300, 850)
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom > 1.1 * before)
    assert layers.fits(viewer, item.layer, viewer.canvas.size)
    viewer.scene.camera.zoom *= 3  # somebody looks at a detail: that stays
    zoom = viewer.scene.camera.zoom
    window.resize(900, 600)
    qtbot.waitUntil(lambda: viewer.canvas.size[1] < 700)
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
