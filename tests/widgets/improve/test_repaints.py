"""What is drawn while somebody paints and a model trains: each drawing of anything draws the whole window where no GPU does."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_temseg.widgets.canvas.main_window import window_part
from napari_temseg.widgets.improve.curves import CurvePlots


class Paints(QObject):
    """Counts how often a widget is drawn."""

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Count."""
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_the_list_of_layers_waits_while_strokes_are_painted(viewer: Any, open_bench: Any, qtbot: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    bench.panel(2).labelling.new.click()
    layer, rows = bench.session.current.annotation, window_part(viewer, "layers")
    before = layer.thumbnail.copy()
    layer.brush_size = 40
    layer.paint((60, 60), 2)
    assert not rows.updatesEnabled()
    assert not np.array_equal(layer.thumbnail, before)
    qtbot.waitUntil(rows.updatesEnabled, timeout=10_000)
    layer.paint((90, 90), 2)
    bench.session.close()
    assert rows.updatesEnabled()


def test_new_points_of_the_curves_are_not_drawn_over_and_over(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    plots = CurvePlots(open_bench(viewer).session)
    qtbot.addWidget(plots)
    points = [{"step": float(step), "train_loss": 1 / (1 + step), "train_iou": 0.5 + step / 200} for step in range(80)]
    plots.show_points(points[:4])
    with qtbot.waitExposed(plots):
        plots.show()
    for _ in range(5):
        QApplication.processEvents()
    paints = [Paints(plot.viewport()) for plot in plots.plots]
    plots.show_points(points)
    for _ in range(5):
        QApplication.processEvents()
    assert max(each.count for each in paints) <= 2  # the axes learn of their new range in the first
