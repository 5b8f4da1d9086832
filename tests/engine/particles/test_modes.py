"""Whether diameters are of two sizes, drawn anew each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_temseg.engine.particles.modes import two_modes


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
