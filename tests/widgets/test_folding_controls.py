"""napari's layer controls make room while nothing is painted, and obey whoever shows or hides them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.particles.distribution_dock import open_distribution


@pytest.fixture
def controls(viewer: Any, grid: Any) -> Any:
    return viewer.window._qt_viewer.dockLayerControls


def test_they_are_there_while_a_layer_of_ones_own_is_painted(viewer: Any, controls: Any, open_bench: Any, picture: Any) -> None:
    bench = open_bench(viewer)
    assert controls.isHidden()
    layer = viewer.add_labels(picture.instances, name="my own")
    layer.mode = "paint"
    assert not controls.isHidden()
    layer.mode = "pan_zoom"
    assert controls.isHidden()
    bench.session.close()
    assert not controls.isHidden()


def test_the_picture_stays_where_it_is_when_a_particle_is_traced(
    viewer: Any, controls: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any, idle: Any
) -> None:
    viewer.window.resize(1200, 700)
    viewer.window.show()
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(3)
    adopt(session, session.current, picture.instances)
    bench.go(3)
    session.select([1])
    qtbot.waitUntil(panel.redraw.isEnabled)
    canvas = viewer.window._qt_viewer.canvas.native
    below = open_distribution(session).parentWidget()
    qtbot.waitUntil(lambda: below.isVisible() and below.height() == below.sizeHint().height())
    idle()  # figures of the particles came, and the histogram was drawn
    layers.fit(viewer, session.current.layer)  # as it is soon after that dock came
    place, camera = canvas.mapToGlobal(canvas.rect().topLeft()), (viewer.scene.camera.center, viewer.scene.camera.zoom)
    size, result = canvas.size(), panel.result.mapTo(bench, panel.result.rect().topLeft())
    for made, told in ((panel.redraw, "that was traced."), (panel.new, "Esc ends.")):
        made.click()
        qtbot.waitUntil(lambda told=told: panel.note.text().endswith(told))
        assert controls.isHidden()
        assert (canvas.mapToGlobal(canvas.rect().topLeft()), canvas.size()) == (place, size)
        assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == camera
        assert panel.result.mapTo(bench, panel.result.rect().topLeft()) == result
        assert panel.brush.isVisibleTo(panel) == (made is panel.redraw)  # its size and eraser are there all the same
        made.click()
        qtbot.waitUntil(lambda made=made: not made.isChecked())


def test_size_and_eraser_of_the_brush_are_in_the_dock(
    viewer: Any, controls: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any
) -> None:
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(3)
    adopt(session, session.current, picture.instances)
    session.select([1])
    qtbot.waitUntil(panel.redraw.isEnabled)
    panel.redraw.click()
    qtbot.waitUntil(panel.redraw.isChecked)
    layer = session.current.particles_layer
    panel.brush.size_slider.setValue(17)
    assert layer.brush_size == 17
    layer.brush_size = 9  # as napari's key does
    assert panel.brush.size_slider.value() == 9
    assert panel.brush.told.text() == "9 px"
    panel.brush.erase.click()
    assert layer.mode == "erase"
    qtbot.waitUntil(lambda: panel.brush.erase.isChecked() and panel.redraw.isChecked())
    panel.brush.erase.click()
    assert layer.mode == "paint"


def test_what_they_take_of_the_dock_below_goes_back(
    viewer: Any, controls: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any, idle: Any
) -> None:
    viewer.window.resize(1200, 700)
    viewer.window.show()
    bench = open_bench(viewer)
    adopt(bench.session, bench.session.current, picture.instances)
    dock = open_distribution(bench.session).parentWidget()
    qtbot.waitUntil(lambda: dock.isVisible() and dock.height() == dock.sizeHint().height())
    idle()
    high = dock.height()
    layer = viewer.add_labels(picture.instances, name="my own")
    layer.mode = "paint"
    qtbot.waitUntil(lambda: not controls.isHidden() and dock.height() < high)
    layer.mode = "pan_zoom"
    qtbot.waitUntil(lambda: dock.height() >= high)


def test_whoever_shows_or_hides_them_is_obeyed(viewer: Any, controls: Any, open_bench: Any) -> None:
    open_bench(viewer)
    controls.show()
    layer = viewer.add_labels(np.zeros((20, 20), int), name="my own")
    for mode in ("paint", "pan_zoom"):
        layer.mode = mode
        assert not controls.isHidden()


def test_the_window_closes_while_they_are_folded(viewer: Any, controls: Any, open_bench: Any) -> None:
    bench = open_bench(viewer)
    assert controls.isHidden()
    viewer.window._qt_window.close(quit_app=True)  # as Ctrl+Q does; a traceback in it fails the test
    assert bench.session.closed
    assert not hasattr(viewer.window, "_qt_window")


def test_no_control_of_a_new_layer_is_a_window_for_a_moment(viewer: Any, qapp: Any) -> None:
    from napari_temseg.widgets.canvas import overlays

    class Watcher(QObject):
        windows: ClassVar[list[str]] = []

        def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
            own = event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow()
            if own and not watched.testAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen):
                self.windows.append(type(watched).__name__)
            return False

    picture, watcher = viewer.add_image(np.zeros((20, 20))), Watcher()
    qapp.installEventFilter(watcher)
    line = overlays.add_line(viewer, picture, "line")
    qapp.removeEventFilter(watcher)
    assert not watcher.windows
    viewer.layers.selection.active = line
    controls = viewer.window._qt_viewer.controls
    assert not any(widget.testAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen) for widget in controls.findChildren(QWidget))
