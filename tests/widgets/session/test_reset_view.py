"""Home shows what is visible; scripts get what napari documents."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt


def zoomed_to(viewer: Any, extent: float) -> bool:
    """Whether so many nanometres fill the canvas."""
    return 0.8 * min(viewer.canvas.size) <= viewer.scene.camera.zoom * extent <= max(viewer.canvas.size)


def two_sizes(viewer: Any) -> None:
    viewer.add_image(np.zeros((50, 50)), name="in nm", scale=(0.01, 0.01), units=("nm", "nm"))
    viewer.add_image(np.zeros((2000, 2000)), name="large", scale=(1, 1), units=("nm", "nm"), visible=False)


def test_home_shows_what_is_visible(viewer: Any, open_bench: Any, press: Any) -> None:
    two_sizes(viewer)
    open_bench(viewer)
    button = viewer.window._qt_viewer.viewerButtons.resetViewButton
    button.click()
    assert zoomed_to(viewer, 0.5)
    viewer.layers["large"].visible = True
    button.click()
    assert zoomed_to(viewer, 2000)
    viewer.layers["large"].visible = False
    canvas = viewer.window._qt_viewer.canvas.native
    press(canvas, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert zoomed_to(viewer, 0.5)


def test_what_scripts_ask_of_the_view_stays_napari_s(viewer: Any, make_napari_viewer: Any, open_bench: Any) -> None:
    for each in (viewer, make_napari_viewer()):
        two_sizes(each)
        session = open_bench(each).session
        each.reset_view()
        assert zoomed_to(each, 2000), "all layers, as napari documents"
        each.reset_view(layers=[each.layers["in nm"]], margin=0.05)
        assert zoomed_to(each, 0.5)
        near = each.scene.camera.zoom
        each.reset_view(layers=[each.layers["in nm"]], margin=0.5)
        assert each.scene.camera.zoom < 0.6 * near
        assert len(each.keymap) > 0
    session.close()
    assert not each.keymap
    each.window._qt_viewer.viewerButtons.resetViewButton.click()
    assert zoomed_to(each, 2000)
    viewer.window._qt_viewer.viewerButtons.resetViewButton.click()
    assert zoomed_to(viewer, 0.5), "the other viewer goes on"
