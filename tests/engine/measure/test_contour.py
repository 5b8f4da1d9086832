"""Contours between pixels against shapes that are known, and where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from covered_shapes import coverage, measured, places
from scipy.ndimage import gaussian_filter

from napari_temseg import Micrograph, Prediction, measure, split


@pytest.mark.parametrize(("size", "error"), [(10, 0.03), (20, 0.015), (40, 0.01)])
def test_a_disc_is_round_on_the_map_of_its_coverage(size: float, error: float) -> None:
    table = pd.concat([measured(coverage(size, size, angle, place)) for angle, place in places()])
    assert (table.estimator == "contour").all()
    for name, true in (("feret_max_px", size), ("feret_min_px", size), ("perimeter_px", np.pi * size), ("aspect_ratio", 1.0)):
        assert table[name].mean() == pytest.approx(true, rel=error), name
        assert table[name].std() < 0.01 * true, name


def test_the_perimeter_of_squares_and_rods_does_not_hang_on_their_angle() -> None:
    for length, width in ((20, 20), (40, 40), (40, 10), (80, 20)):
        table = pd.concat([measured(coverage(length, width, angle, place, round_=False)) for angle, place in places()])
        assert table.perimeter_px.std() < 0.01 * table.perimeter_px.mean()


def test_a_rod_is_narrower_on_its_contour_than_on_its_mask() -> None:
    maps = [coverage(40, 10, angle, place, round_=False) for angle, place in places()]
    contour, mask = pd.concat(map(measured, maps)), pd.concat([measured((each >= 0.5).astype(float)) for each in maps])
    assert (mask.estimator == "mask").all()
    assert abs(contour.feret_min_px - 10).mean() < abs(mask.feret_min_px - 10).mean()


def test_what_touches_another_or_the_frame_or_is_noisy_is_measured_on_its_mask() -> None:
    disc = gaussian_filter(coverage(24, 24, 0.0, (0.2, 0.3)), 1.0)
    middle = len(disc) // 2
    assert measured(disc).estimator.tolist() == ["contour"]
    assert measured(disc[:, middle:]).estimator.tolist() == ["mask"]
    noise = np.random.default_rng(1).normal(0, 0.15, disc.shape)
    assert set(measured(np.clip(disc + noise, 0, 1)).estimator) == {"mask"}
    prediction = np.stack([1 - disc, disc]).astype(np.float16)
    image = Micrograph(np.zeros(disc.shape, np.uint8))
    whole = split(Prediction(prediction, (1, 2), {1: "background", 2: "particle"}, (disc >= 0.5).astype(np.uint8) + 1, image))
    assert measure(whole).table.estimator.tolist() == ["contour"]
    whole.labels[whole.labels > 0] = np.where(np.nonzero(whole.labels)[1] < middle, 1, 0)  # somebody cut it
    assert measure(whole).table.estimator.tolist() == ["mask"]
