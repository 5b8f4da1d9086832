"""The largest circle inside a particle, against shapes that are known."""

from __future__ import annotations

import numpy as np
import pytest
from covered_shapes import coverage, measured, places

from napari_temseg import measure


@pytest.mark.parametrize(("length", "width", "error"), [(20, 20, 0.015), (40, 40, 0.01), (40, 24, 0.015), (80, 20, 0.02)])
def test_the_circle_in_a_contour_is_as_wide_as_the_shape(length: float, width: float, error: float) -> None:
    for round_ in (True, False):
        found = [measured(coverage(length, width, angle, place, round_=round_)).inscribed_diameter_px[0] for angle, place in places()]
        assert np.mean(found) == pytest.approx(width, rel=error)


def test_the_circle_in_a_mask_is_that_of_the_shape_but_for_its_steps() -> None:
    for size, error in ((20, 0.04), (80, 0.015)):
        labels = [(coverage(size, size, angle, place) >= 0.5).astype(np.int32) for angle, place in places()]
        assert np.mean([measure(each).table.inscribed_diameter_px[0] for each in labels]) == pytest.approx(size, rel=error)


def test_an_l_holds_the_circle_of_its_corner_and_a_neighbour_takes_room() -> None:
    labels = np.zeros((90, 150), np.int32)
    labels[5:85, 5:45] = labels[45:85, 5:85] = 1
    corner = 40 * 2 * (2 - np.sqrt(2))  # the circle that touches the two outer sides and the inner corner
    assert measure(labels).table.inscribed_diameter_px[0] == pytest.approx(corner, rel=0.02)
    labels[:, 90:] = 2
    labels[:, 120:] = 3
    assert measure(labels).table.inscribed_diameter_px[1:].tolist() == pytest.approx([30, 30], rel=0.02)


def test_it_follows_pixels_that_are_not_square_and_stays_within_the_other_lengths() -> None:
    labels = np.zeros((80, 60), np.int32)
    y, x = np.mgrid[:80, :60]
    labels[np.hypot((y - 40) / 2, x - 30) <= 15] = 1  # round where rows are half as far apart as columns
    assert measure(labels, pixel_size=(1.0, 2.0)).table.inscribed_diameter_nm[0] == pytest.approx(60, rel=0.04)
    lines = np.zeros((9, 30), np.int32)
    lines[1, 2:20], lines[4, 4], lines[6:8, 2:20] = 1, 2, 3
    table = measure(lines).table
    assert (table.inscribed_diameter_px > 0).all()
    assert (table.inscribed_diameter_px <= table.feret_min_px + 1e-9).all()
