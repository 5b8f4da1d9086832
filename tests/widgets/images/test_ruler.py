"""The ruler in a real viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import mouse
from qtpy.QtGui import QGuiApplication


def test_a_dragged_line_tells_its_length_in_nm_and_its_profile(viewer: Any, open_bench: Any, idle: Any) -> None:
    image = np.zeros((64, 96), np.float32)
    image[:, 40:60] = 9
    viewer.add_image(image, name="step", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    panel, session = bench.panel(0), bench.session
    said: list[str] = []
    session.said.connect(said.append)
    panel.measure.click()
    mouse(viewer, [(16, 15), (16, 30), (16, 35)])  # nm: 40 px across the band
    ruler = panel.ruler
    assert ruler.profile.length == pytest.approx(20.0)
    assert said[-1] == "Length: 20 nm (40.0 px)."
    assert (ruler.profile.values[12:28] == 9).all()
    assert (ruler.profile.values[:8] == 0).all()
    assert "length" in session.current.made
    assert "20 nm" in ruler.window.text.text()
    ruler.window.copy.click()
    first, *rows = QGuiApplication.clipboard().text().splitlines()
    QGuiApplication.clipboard().clear()
    assert first == "distance (nm)\tgrey value"
    assert np.array([row.split("\t") for row in rows], float) == pytest.approx(
        np.column_stack([ruler.profile.distance, ruler.profile.values])
    )
    mouse(viewer, [(16, 15), (16, 60)])  # over the edge of the picture
    assert ruler.profile.length == pytest.approx(45.0)
    bench.go(1)  # the mouse is free again
    idle()
    assert not ruler.held
    assert ruler.window is None
    assert "length" not in session.current.made
    assert viewer.scene.camera.mouse_pan
