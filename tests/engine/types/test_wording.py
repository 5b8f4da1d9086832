"""Numbers in words, and bins that stay while particles are corrected."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.engine.types.wording import at_plane, four, more_words, moved_words, rounded, signed, some_of


@pytest.mark.parametrize(
    ("value", "text"),
    [(2052.0, "2052"), (2151.4, "2151"), (999.96, "1000"), (35.2, "35.20"), (0.5, "0.5000"), (54321.0, "54321"), (0, "0.000")],
)
def test_four_digits_without_exponent_or_stray_dot(value, text):
    assert four(value) == text


@pytest.mark.parametrize(
    ("n", "most", "text"), [(0, 3, ""), (1, 3, "a"), (3, 3, "a, b, c"), (4, 3, "a, b, c and 1 more"), (26, 2, "a, b and 24 more")]
)
def test_a_long_list_of_names_is_cut_and_says_by_how_many(n, most, text):
    assert some_of("abcdefghijklmnopqrstuvwxyz"[:n], most) == text


def test_a_single_plane_is_not_counted():
    assert (at_plane(0, 1), at_plane(2, 12)) == ("", "plane 3 of 12")


def test_bins_depend_on_the_values_alone_or_are_counted_by_hand():
    sizes = np.random.default_rng(0).normal(50, 8, 200)
    edges = bins(sizes)
    assert np.array_equal(edges, bins(np.random.default_rng(1).permutation(sizes)))
    assert (edges[0], edges[-1]) == (sizes.min(), sizes.max())
    assert len(bins(sizes, 7)) == 8
    assert len(bins(np.full(5, 3.0), 7)) == 2


def test_a_value_has_as_many_digits_as_its_half_width_allows() -> None:
    assert rounded(188.37, 6.2) == "188.4"
    assert rounded(188.37, 62) == "188"
    assert rounded(1883.7, 620) == "1880"
    assert rounded(0.5, 0.0123) == "0.500"
    assert rounded(188.374218, 1e-9) == "188.37"
    assert rounded(188.37, None) == "188.4"


def test_one_more_is_told_in_the_singular() -> None:
    assert more_words(1, "images") == "1 more image"
    assert more_words(12, "grids") == "12 more grids"
    assert more_words(0, "particles") == "0 more particles"


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert [signed(value, 1) for value in (1.23, -0.78, 0.04, -0.04, 0.0)] == ["+1.2", "−0.8", "0.0", "0.0", "0.0"]
    assert signed(-0.4, 0) == "0"


def test_an_interval_that_is_moved_says_by_how_much() -> None:
    interval = {"d50": [95.0, 115.0], "holds": ["segmentation"]}
    moved = {"intervals": {"these particles": interval}, "segmentation": {"bias": np.log(1.05)}}
    assert moved_words(moved) == "the model finds particles about 5.0 % too small: the interval allows for it"
    assert moved_words(moved | {"segmentation": {"bias": 0.001}}) == ""
    assert moved_words(moved | {"corrected": {"d50": 100.0}}) == ""
    assert moved_words(moved | {"intervals": {"these particles": interval | {"holds": ["calibration"]}}, "segmentation": None}) == ""
    assert moved_words({}) == ""
