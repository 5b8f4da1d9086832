"""Words that fit."""

from __future__ import annotations

from typing import Any

from napari_temseg.widgets.kit.style import hint


def test_a_long_name_may_be_broken_and_a_path_is_left_as_it_is(qtbot: Any) -> None:
    from qtpy.QtWidgets import QLabel

    label = hint("Session_2024-05-03_grid_07_square_12.dm4: merging 2 particles.")
    qtbot.addWidget(label)
    assert "\u200b" in QLabel.text(label)
    assert "\u200b" not in label.text()
    label.setText("Written: /home/somebody/a_very_long_folder_name_indeed/report.html.")
    assert QLabel.text(label) == label.text()
