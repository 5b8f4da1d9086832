"""napari's slider of planes is there for stacks that are seen, not for single pictures beside one."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.widgets.canvas.micrograph_layer import add_micrograph


def test_a_single_picture_has_no_slider_while_a_stack_is_open(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    slider = viewer.window._qt_viewer.dims
    viewer.add_image(np.zeros((20, 30)), name="single")
    viewer.add_image(np.zeros((4, 20, 30)), name="stack")
    bench = open_bench(viewer)
    session = bench.session
    single, stack = session.items
    session.set_current(single)
    session.reveal()
    qtbot.waitUntil(slider.isHidden)
    session.set_current(stack)
    session.reveal()
    qtbot.waitUntil(lambda: not slider.isHidden())
    stack.layer.visible = False  # by napari's own eye: nothing is seen
    single.layer.visible = False
    qtbot.waitUntil(lambda: not slider.isHidden())
    single.layer.visible = True
    qtbot.waitUntil(slider.isHidden)
    single.layer.data = np.zeros((3, 20, 30))
    qtbot.waitUntil(lambda: not slider.isHidden())
    stack.layer.visible, single.layer.data = False, np.zeros((20, 30))
    qtbot.waitUntil(slider.isHidden)
    session.close()
    assert not slider.isHidden()  # as napari has it


def test_the_slider_of_a_stack_that_was_opened_says_that_it_is_of_planes(viewer: Any) -> None:
    add_micrograph(viewer, Micrograph(np.zeros((20, 30))))
    add_micrograph(viewer, Micrograph(np.zeros((4, 20, 30)), "TYX"))
    assert viewer.dims.axis_labels[0] == "plane"
