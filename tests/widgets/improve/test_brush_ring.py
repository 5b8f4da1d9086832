"""What the brush looks like on the screen: a thin ring, at any zoom, and nothing that stays behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint
from qtpy.QtGui import QImage
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


def test_the_brush_is_a_ring_at_any_zoom_and_leaves_nothing(viewer: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    viewer.add_image(np.full((512, 512), 180, np.uint8), name="grid", contrast_limits=(0, 255))
    bench = open_bench(viewer)
    bench.go(2)
    bench.panel(2).labelling.new.click()
    viewer.window.show()
    layer, canvas, camera = bench.session.current.annotation, window_part(viewer, "canvas").native, viewer.scene.camera
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
