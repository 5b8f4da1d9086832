"""napari's layer controls make room while nothing is painted, and obey whoever shows or hides them."""

from __future__ import annotations

from typing import Any

import pytest

from napari_temseg.widgets.particles.distribution_dock import open_distribution


@pytest.fixture
def controls(viewer: Any, grid: Any) -> Any:
    return viewer.window._qt_viewer.dockLayerControls


def test_they_are_there_while_something_is_painted(viewer: Any, controls: Any, open_bench: Any, picture: Any, adopt: Any) -> None:
    bench = open_bench(viewer)
    assert controls.isHidden()
    bench.go(2)
    assert not controls.isHidden()
    bench.go(3)
    assert controls.isHidden()
    adopt(bench.session, bench.session.current, picture.instances)
    layer = bench.session.current.particles_layer
    viewer.layers.selection.active = layer
    layer.mode = "paint"
    assert not controls.isHidden()
    layer.mode = "pan_zoom"
    assert controls.isHidden()
    bench.session.close()
    assert not controls.isHidden()


def test_what_they_take_of_the_dock_below_goes_back(
    viewer: Any, controls: Any, open_bench: Any, picture: Any, adopt: Any, qtbot: Any
) -> None:
    viewer.window.resize(1200, 700)
    viewer.window.show()
    bench = open_bench(viewer)
    adopt(bench.session, bench.session.current, picture.instances)
    dock = open_distribution(bench.session).parentWidget()
    qtbot.waitUntil(lambda: dock.height() > 190)
    high = dock.height()
    bench.go(2)
    qtbot.waitUntil(lambda: not controls.isHidden() and dock.height() < high)
    bench.go(3)
    qtbot.waitUntil(lambda: dock.height() >= high - 2)


def test_whoever_shows_or_hides_them_is_obeyed(viewer: Any, controls: Any, open_bench: Any) -> None:
    bench = open_bench(viewer)
    controls.show()
    bench.go(2)
    bench.go(1)
    assert not controls.isHidden()


def test_the_window_closes_while_they_are_folded(viewer: Any, controls: Any, open_bench: Any) -> None:
    bench = open_bench(viewer)
    assert controls.isHidden()
    viewer.window._qt_window.close(quit_app=True)  # as Ctrl+Q does; a traceback in it fails the test
    assert bench.session.closed
    assert not hasattr(viewer.window, "_qt_window")
