"""What a click of *Add* says where its outline stops at a limit, or finds no edge to follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import mouse
from scipy import ndimage

HIGH = 300  # px


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Small squares that were found; a ball that was missed, one at the edge of the picture, and much that shows nothing."""
    yy, xx = np.ogrid[:HIGH, :500]
    labels = np.zeros((HIGH, 500), np.int32)
    for number, x in enumerate((300, 320, 340), 1):
        labels[20:26, x : x + 6] = number
    missed = ((yy - 60) ** 2 + (xx - 60) ** 2 <= 8**2) | ((yy - 150) ** 2 + xx**2 <= 10**2)
    grey = ndimage.gaussian_filter(np.where((labels > 0) | missed, 180.0, 90.0), 1) + np.random.default_rng(0).normal(0, 3, labels.shape)
    grey[60:, 350:] = 90 + np.random.default_rng(1).normal(0, 3, (HIGH - 60, 150))
    viewer.add_image(grey.astype(np.float32), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    made.go(3)
    qtbot.waitUntil(made.panel(3).add.isEnabled)
    made.panel(3).add.click()
    return made


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((60, 60), "grid: added 1 particle. Ctrl+Z or U takes it back."),
        ((150, 3), "grid: added 1 particle. Its outline ends at the edge of the picture. Ctrl+Z or U takes it back."),
        ((150, 425), "No clear edge was found round it: look at the outline"),
    ],
    ids=["an edge all round", "the edge of the picture", "no edge"],
)
def test_a_click_says_where_its_outline_stops(bench: Any, viewer: Any, place: tuple[int, int], words: str) -> None:
    said = list[str]()
    bench.session.said.connect(said.append)
    mouse(viewer, [place])
    assert len(bench.session.current.particles) == 4
    assert words in said[-1]


@pytest.mark.parametrize(
    ("radius", "words"),
    [
        (58.5, "ends at the largest size looked for: if the particle is larger, undo and drag across it"),
        (30, "It is 9 times as wide as is usual here: if something smaller was meant, undo and drag across it."),
    ],
)
def test_a_click_says_what_is_odd_about_the_size_of_its_outline(bench: Any, viewer: Any, radius: float, words: str) -> None:
    said = list[str]()
    bench.session.said.connect(said.append)
    yy, xx = np.ogrid[:HIGH, :500]
    bench.session.current.layer.data[((yy - 150) ** 2 + (xx - 150) ** 2) <= radius**2] = 180
    mouse(viewer, [(150, 150)])
    assert words in said[-1]


def test_a_drag_over_nothing_advises_no_further_drag(bench: Any, viewer: Any) -> None:
    said = list[str]()
    bench.session.said.connect(said.append)
    mouse(viewer, [(150, 415), (150, 425), (150, 435)])
    assert "No clear edge was found near what you dragged" in said[-1]
