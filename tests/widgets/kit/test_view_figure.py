"""The view for print: its scale bar says the length that it has, and hides neither what is burnt in nor particles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from napari_temseg.widgets.kit.view_figure import view_figure

IMAGE = np.zeros((300, 400), np.uint8)


def parts(figure: Any) -> tuple[Any, Any, str]:
    """The ground and the bar, each (left, top, right, bottom) in px, and the text."""
    axes = figure.axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    ground, bar = ((box.get_x(), box.get_y(), box.get_x() + box.get_width(), box.get_y() + box.get_height()) for box in boxes)
    return ground, bar, axes.texts[0].get_text()


def under(mask: Any, box: Any) -> int:
    left, top, right, bottom = (round(each) for each in box)
    assert left >= 0
    assert top >= 0
    assert right <= mask.shape[1]
    assert bottom <= mask.shape[0]
    return int(mask[top:bottom, left:right].sum())


@pytest.mark.parametrize("edge", ["bottom", "top"])
def test_it_stands_beside_a_data_bar(edge: str) -> None:
    out = np.zeros(IMAGE.shape, bool)
    out[slice(270, None) if edge == "bottom" else slice(0, 40)] = True
    ground, bar, text = parts(view_figure(IMAGE, None, (0, 255), (2.0, 2.0), (), out))
    assert under(out, ground) == 0
    assert text == "100 nm"
    assert bar[2] - bar[0] == pytest.approx(50)


def test_it_goes_to_the_corner_where_no_particle_lies() -> None:
    labels = np.zeros(IMAGE.shape, int)
    labels[200:, 200:], labels[200:, :150] = 1, 2
    ground, _, _ = parts(view_figure(IMAGE, labels, (0, 255), (1.0, 1.0)))
    assert under(labels > 0, ground) == 0


def test_it_hides_no_letter() -> None:
    image = np.full(IMAGE.shape, 180, np.uint8)
    letters = np.zeros(IMAGE.shape, bool)
    for column in (340, 350, 360):
        letters[265:290, column : column + 4] = True
    image[letters] = 0
    ground, _, _ = parts(view_figure(image, None, (0, 255), (1.0, 1.0)))
    assert under(letters, ground) == 0
    assert ground[1] > 150  # the other lower corner


@pytest.mark.parametrize("shape", [(60, 900), (900, 60), (5, 5)])
def test_it_fits_wide_and_high_and_tiny_views(shape: tuple[int, int]) -> None:
    ground, bar, _ = parts(view_figure(np.zeros(shape), None, (0, 1), (0.2, 0.2), (), np.ones(shape, bool)))
    assert ground[0] <= bar[0] <= bar[2] <= ground[2]
    assert ground[1] <= bar[1] <= bar[3] <= ground[3]
