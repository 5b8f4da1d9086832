"""The line that says which picture is in hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.widgets.canvas.micrograph_layer import notes_of
from napari_temseg.widgets.images.current_image import CurrentImage


def test_a_narrow_dock_tells_the_pixel_size_and_a_wide_one_its_origin(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((20, 20)), name="a_rather_long_name_of_a_micrograph_2026-11-20_0017")
    bench = open_bench(viewer)
    session, hand = bench.session, bench.findChild(CurrentImage)
    session.set_calibration(session.items, Calibration((0.67612, 0.67612), "scale bar"))
    size = hand.calibration
    for width, text in ((110, "0.6761 nm/px"), (400, "0.6761 nm/px · scale bar")):
        size.resize(width, 26)
        hand.refresh()  # a hidden window is told of its size later
        assert size.text() == text
        assert "0.6761 nm/px · scale bar" in size.toolTip()


def test_a_layer_in_reciprocal_units_is_a_diffraction_pattern(viewer: Any, open_bench: Any) -> None:
    layer = viewer.add_image(np.zeros((20, 20)), scale=(0.1, 0.1), units=("1/nm", "1/nm"))
    item = open_bench(viewer).session.item_of(layer)
    assert item.calibration.pixel_size is None
    assert any("diffraction pattern" in note for note in notes_of(layer))


def test_keys_of_step_four_hold_where_a_picture_was_chosen_by_keyboard(viewer: Any, open_bench: Any, qtbot: Any, adopt: Any) -> None:
    for name in ("alloy", "grid", "wet"):
        viewer.add_image(np.zeros((20, 20)), name=name)
    bench = open_bench(viewer)
    session, choice = bench.session, bench.findChild(CurrentImage).choice
    for item in session.items:
        adopt(session, item, np.pad(np.ones((6, 6), np.int32), 7))
    bench.go(3)
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    choice.setFocus()
    choice.setCurrentIndex(0)
    qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert session.current.name == "grid"
    qtbot.keyClick(choice, Qt.Key.Key_A)
    assert session.current.name == "grid"  # not the one that begins with an A
    assert bench.panel(3).add.isChecked()
