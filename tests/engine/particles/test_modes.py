"""Whether diameters are of two sizes, drawn anew each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg.engine.particles.modes import modes_of, two_modes, vouched


@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.integers(40, 200), st.floats(2.2, 8), st.floats(0.1, 1000))
def test_two_sizes_apart_are_told_with_their_medians(seed: int, n_small: int, n_large: int, ratio: float, unit: float) -> None:
    rng = np.random.default_rng(seed)
    small, large = (unit * size * np.exp(0.08 * rng.standard_normal(n)) for size, n in ((1.0, n_small), (ratio, n_large)))
    found = two_modes(rng.permutation(np.concatenate([small, large])))
    if n_small < 0.12 * (n_small + n_large):
        return
    assert found is not None
    assert (found.n_small, found.n_large) == (n_small, n_large)
    assert (found.small, found.large) == (pytest.approx(np.median(small), rel=0.05), pytest.approx(np.median(large), rel=0.05))


def test_one_size_however_wide_is_hardly_ever_taken_for_two() -> None:
    rng = np.random.default_rng(5)
    taken = [
        two_modes(np.exp(sd * rng.standard_normal(n))) is not None for sd in (0.1, 0.2, 0.4, 0.7) for n in (30, 80) for _ in range(100)
    ]
    assert np.mean(taken) < 0.01


@pytest.mark.parametrize("diameters", [[], [3.0], [5.0] * 60, [1.0] * 4 + [9.0] * 60, [np.nan, 0.0, *([2.0] * 40)]])
def test_nothing_is_told_of_few_or_equal_ones(diameters: list[float]) -> None:
    assert two_modes(np.array(diameters)) is None


def squares_of_two_sizes() -> temseg.Measurement:
    """Forty squares of 10 px, numbered first, and twenty of 40 px."""
    labels, number = np.zeros((420, 520), np.int32), 0
    for side, rows, columns in ((10, range(10, 90, 20), range(10, 210, 20)), (40, range(110, 400, 50), range(10, 240, 60))):
        for y in rows:
            for x in columns:
                number += 1
                labels[y : y + side, x : x + side] = number
    return temseg.measure(labels)


def test_one_d50_of_two_populations_is_not_usable() -> None:
    found = squares_of_two_sizes()
    pooled = temseg.size_distribution([found])
    assert not pooled.usability.usable
    assert any("two populations are pooled, 40 of about 11.28 px and 24 of about 45.14 px" in why for why in pooled.usability.why)
    small = replace(found, table=found.table[found.table["particle"] <= 40])
    assert temseg.size_distribution([small]).usability.usable


def test_specks_that_the_model_doubts_and_what_was_drawn_by_hand_make_no_second_size() -> None:
    found = squares_of_two_sizes()
    assert modes_of(found) is not None
    doubted = replace(found, table=found.table.assign(confidence=np.where(found.table["particle"] <= 40, 0.3, 0.9)))
    assert modes_of(doubted) is None
    assert modes_of(found, {0: 40}) is None  # the large ones were drawn by hand
    assert len(vouched(found.table, {0: 40})) == 40
    assert modes_of(found, {1: 40}) is not None  # on another plane


def test_what_the_frame_cuts_off_makes_no_second_size() -> None:
    labels, number = np.zeros((506, 506), np.int32), 0
    for y in range(-34, 480, 60):  # of those of the first row and column a narrow strip is seen
        for x in range(-34, 480, 60):
            number += 1
            labels[max(y, 0) : y + 40, max(x, 0) : x + 40] = number
    found = temseg.measure(labels)
    assert two_modes(found.table["ecd_px"].to_numpy()) is not None
    assert modes_of(found) is None
