from __future__ import annotations

import math

import numpy as np
import pytest

from napari_temseg.engine.interactive.dragged_size import polarity_across, told_polarity, told_size


def rod(value: float, ground: float = 100.0) -> np.ndarray:
    """A rod 12 px wide and 90 px long on noise."""
    image = np.full((120, 120), ground) + np.random.default_rng(0).normal(0, 5, (120, 120))
    image[54:66, 15:105] += value
    return image


@pytest.mark.parametrize(("value", "polarity"), [(60.0, "bright"), (-60.0, "dark"), (0.0, "auto")])
def test_across_a_rod_its_width_is_compared_with_what_lies_beside_it(value: float, polarity: str) -> None:
    assert polarity_across(rod(value), (54.0, 60.0), (66.0, 60.0)) == polarity
    assert polarity_across(rod(value).astype(np.uint8), (66.0, 60.0), (54.0, 60.0)) == polarity


def test_at_the_edge_of_the_picture_and_where_nothing_is_known() -> None:
    assert polarity_across(rod(60.0)[52:], (2.0, 60.0), (14.0, 60.0)) == "bright"
    assert polarity_across(np.full((40, 40), np.nan), (10.0, 10.0), (20.0, 10.0)) == "auto"
    assert polarity_across(np.zeros((40, 40)), (10.0, 10.0), (10.0, 10.2)) == "auto"


def test_several_drags_are_one_size_whose_band_holds_them_all_where_it_can() -> None:
    assert told_size([20.0]) == 20.0
    assert told_size([10.0, 40.0]) == pytest.approx(20.0)
    assert told_size([30.0, 10.0, 12.0]) == 12.0
    assert told_size([10.0, 12.0, 60.0]) == pytest.approx(20.0)  # 12 would leave the large one out
    assert told_size([10.0, 12.0, 160.0]) == pytest.approx(math.sqrt(1600))
    assert told_polarity(["auto", "bright"]) == "bright"
    assert told_polarity(["dark", "bright"]) == "both"
    assert told_polarity(["auto"]) == "auto"
