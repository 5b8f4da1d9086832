"""What the brush looks like on the screen: a thin ring, at any zoom, and nothing that stays behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_temseg.widgets.canvas.main_window import window_part


def seen(canvas: Any) -> Any:
    """The canvas as it is on the screen: grey values (Y, X)."""
    corner = canvas.mapToGlobal(QPoint(0, 0))
    shot = QApplication.primaryScreen().grabWindow(0, corner.x(), corner.y(), canvas.width(), canvas.height())
    picture = shot.toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
    return rows[:, : picture.width()].astype(int)


def annotated(viewer: Any, open_bench: Any) -> tuple[Any, Any, Any]:
    """A new annotation in step 3 of a window that is shown: its layer, the canvas and the camera."""
    bench = open_bench(viewer)
    bench.go(2)
    bench.panel(2).labelling.new.click()
    viewer.window.show()
    return bench.session.current.annotation, window_part(viewer, "canvas").native, viewer.scene.camera


def test_the_brush_is_a_ring_at_any_zoom_and_leaves_nothing(viewer: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    viewer.add_image(np.full((512, 512), 180, np.uint8), name="grid", contrast_limits=(0, 255))
    layer, canvas, camera = annotated(viewer, open_bench)
    idle()
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    for zoom, brush in ((0.5, 80), (1, 25), (2.3, 6), (8, 25), (30, 1)):
        layer.mode = "pan_zoom"
        camera.center, camera.zoom, layer.brush_size = (256, 256), zoom, brush
        idle()
        qtbot.waitUntil(lambda: bool((seen(canvas) > 100).mean() > 0.05), timeout=10_000)
        before = seen(canvas)

        def changed(before: Any = before) -> Any:
            return np.abs(seen(canvas) - before) > 20

        layer.mode = "paint"
        viewer.mouse_over_canvas = True
        for place in (middle - QPoint(30, 10), middle):
            QTest.mouseMove(canvas, place)
        qtbot.waitUntil(lambda changed=changed: bool(changed().any()), timeout=10_000)
        viewer.canvas.events.background_color()  # as at another theme: napari then draws a ground behind the ring
        idle()
        rows, columns = np.nonzero(changed())
        away = np.hypot(rows - middle.y(), columns - middle.x()) - brush * zoom / 2
        assert np.abs(away).max() <= 5, "inside of it, and round it, the picture is as it was"
        assert np.ptp(rows) >= brush * zoom / 2
        layer.mode = "pan_zoom"
        qtbot.waitUntil(lambda changed=changed: not changed().any(), timeout=10_000)


def test_a_fast_stroke_on_a_busy_window_is_painted_whole(viewer: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    viewer.add_image(np.full((512, 512), 180, np.uint8), name="grid")
    layer, canvas, camera = annotated(viewer, open_bench)
    idle()
    camera.center, camera.zoom, layer.brush_size = (256, 256), 1, 5
    idle()
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)

    def tell(kind: Any, x: int, y: int, when: int, held: bool) -> None:
        place = QPointF(middle + QPoint(x, y))
        pressed = Qt.MouseButton.LeftButton if held else Qt.MouseButton.NoButton
        button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, place, canvas.mapToGlobal(place), button, pressed, Qt.KeyboardModifier.NoModifier)
        event.setTimestamp(when)
        QApplication.sendEvent(canvas, event)

    # The hand took a quarter of a second for it, round a corner, and the window, which was busy, hears of all of it at once.
    tell(QEvent.Type.MouseMove, -60, -60, 0, False)
    tell(QEvent.Type.MouseButtonPress, -60, -60, 1000, True)
    way = [(-60 + 10 * step, -60) for step in range(1, 13)] + [(60, -60 + 10 * step) for step in range(1, 13)]
    for number, (x, y) in enumerate(way):
        tell(QEvent.Type.MouseMove, x, y, 1010 + 10 * number, True)
    tell(QEvent.Type.MouseMove, 60, 63, 1245, True)
    tell(QEvent.Type.MouseButtonRelease, 60, 63, 1250, False)
    idle()
    rows, columns = np.nonzero(layer.data)
    assert np.ptp(rows) > 120
    assert np.ptp(columns) > 115
    corner = np.hypot(rows - rows.min(), columns - columns.max())
    assert corner.min() < 8
    before = layer.data.copy()
    tell(QEvent.Type.MouseMove, 0, 0, 1300, False)  # with the button up, nothing is painted
    idle()
    np.testing.assert_array_equal(layer.data, before)


def test_the_wheel_held_down_moves_the_picture_and_paints_nothing(viewer: Any, open_bench: Any, idle: Any) -> None:
    viewer.add_image(np.full((512, 512), 180, np.uint8), name="grid", contrast_limits=(0, 255))
    layer, canvas, _ = annotated(viewer, open_bench)
    idle()
    foreign = viewer.add_labels(np.zeros((512, 512), np.uint8))
    camera, middle = viewer.camera, QPoint(canvas.width() // 2, canvas.height() // 2)
    for painted, moves in ((layer, True), (foreign, False)):
        viewer.layers.selection.active = painted
        painted.mode, painted.selected_label = "paint", 1
        camera.center, camera.zoom = (0, 256, 256), 2
        drag(canvas, Qt.MouseButton.MiddleButton, middle, middle + QPoint(30, -20))
        assert camera.center == ((0, 266, 241) if moves else (0, 256, 256))
        assert painted.data.any() != moves, "napari's own way with layers that are not ours"
    viewer.layers.selection.active = layer
    drag(canvas, Qt.MouseButton.LeftButton, middle, middle + QPoint(30, -20))
    assert layer.data.any()


def drag(canvas: Any, held: Qt.MouseButton, start: QPoint, end: QPoint) -> None:
    """As a hand does it."""
    kinds = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
    for kind, place in zip(kinds, (start, end, end), strict=True):
        told = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else held
        buttons = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else held
        where = QPointF(place), QPointF(canvas.mapToGlobal(place))
        QApplication.sendEvent(canvas, QMouseEvent(kind, *where, told, buttons, Qt.KeyboardModifier.NoModifier))
