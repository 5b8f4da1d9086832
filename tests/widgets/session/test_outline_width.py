"""Outlines are whole at every magnification."""

from __future__ import annotations

from typing import Any

import pytest

from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.canvas.outline_width import OutlineWidth, outline_width


@pytest.mark.parametrize(("on_screen", "width"), [(4.0, 1), (2.0, 2), (1.0, 2), (0.5, 3), (0.25, 5), (0.01, 6)])
def test_an_outline_takes_at_least_a_pixel_of_the_screen(on_screen: float, width: int) -> None:
    assert outline_width(on_screen) == width


def test_it_follows_the_zoom_but_not_over_what_somebody_chose(
    viewer: Any, grid: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any
) -> None:
    bench = open_bench(viewer)
    adopt(bench.session, bench.session.current, picture.instances)
    layer = bench.session.current.particles_layer

    def drawn(zoom: float, width: int) -> bool:
        viewer.scene.camera.zoom = zoom / layer.scale[-1]
        return not window_of(viewer).findChild(OutlineWidth).isActive() and layer.contour == width

    qtbot.waitUntil(lambda: drawn(0.4, 3), timeout=20_000)
    qtbot.waitUntil(lambda: drawn(4, 1), timeout=20_000)
    layer.contour = 4
    qtbot.waitUntil(lambda: drawn(0.4, 4), timeout=20_000)


def test_outlines_that_would_be_dotted_are_widened_at_once(viewer: Any, grid: Any, open_bench: Any, picture: Any, adopt: Any) -> None:
    """As after going to a larger picture, when the window is busy for seconds, and when a layer is made."""
    bench = open_bench(viewer)
    viewer.scene.camera.zoom = 0.25 / grid.scale[-1]
    adopt(bench.session, bench.session.current, picture.instances)
    layer = bench.session.current.particles_layer
    assert layer.contour == 5
    viewer.scene.camera.zoom = 1 / grid.scale[-1]
    window_of(viewer).findChild(OutlineWidth).timeout.emit()
    assert layer.contour == 2
    viewer.scene.camera.zoom = 0.25 / grid.scale[-1]
    assert layer.contour == 5
