from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.model.flattening import STRONGEST, flatten
from napari_temseg.engine.types.errors import TemsegError

D = 22.0


def disc(size: float, sign: float, noise: float = 0.1, side: int = 320) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tilted noisy plane with one disc of `size` × 22 px, its inside, and a ring round it."""
    y, x = np.mgrid[:side, :side] - side / 2
    distance, radius = np.hypot(y, x), size * D / 2
    image = 0.3 * y / side + noise * np.random.default_rng(0).standard_normal(y.shape) + sign * (distance < radius)
    return image.astype(np.float32), distance < 0.6 * radius, (distance > radius + 2) & (distance < radius + 8)


@pytest.mark.parametrize("size", [0.4, 1.0, 1.8, 2.5, 3.0])
def test_contrast_of_all_sizes_in_the_band_is_kept(size: float) -> None:
    kept = []
    for sign in (1.0, -1.0):
        image, inside, ring = disc(size, sign)
        flat = flatten(image, D)
        kept.append(sign * float(flat[inside].mean() - flat[ring].mean()))
    reference, inside, ring = disc(1.0, 1.0)
    typical = flatten(reference, D)
    assert min(kept) > 0.45 * float(typical[inside].mean() - typical[ring].mean())
    assert min(kept) > 1.5


def test_what_is_much_larger_is_levelled() -> None:
    image, inside, _ = disc(12.0, 1.0, side=640)
    flat = flatten(image, D)
    assert abs(float(flat[inside].mean())) < 0.25


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(3, 80), st.sampled_from([(64, 64), (5, 90), (1, 1), (33, 2)]))
def test_polarity_is_symmetric_and_gain_and_offset_do_not_matter(seed: int, size: float, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)
    flat = flatten(image, size)
    assert flat.dtype == np.float32
    assert flat.shape == shape
    assert np.isfinite(flat).all()
    assert np.abs(flat).max() <= STRONGEST
    np.testing.assert_allclose(flatten(-image, size), -flat, atol=1e-4)
    np.testing.assert_allclose(flatten(3 * image + 500, size), flat, atol=2e-2)


def test_level_masked_and_unfinished_planes_give_numbers() -> None:
    assert not flatten(np.full((40, 50), 7, np.uint8), 10).any()
    assert not flatten(np.full((40, 50), np.nan, np.float32), 10).any()
    image = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    valid = np.ones(image.shape, bool)
    valid[40:] = False
    spoilt = np.where(valid, image, np.nan)
    np.testing.assert_array_equal(flatten(spoilt, 10), flatten(image, 10, valid))
    assert not flatten(image, 10, valid)[40:].any()
    assert not flatten(image, 10, np.zeros(image.shape, bool)).any()


def test_what_is_masked_does_not_reach_beyond() -> None:
    image = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    valid = np.ones(image.shape, bool)
    valid[40:] = False
    bright = np.where(valid, image, 1e6).astype(np.float32)
    np.testing.assert_allclose(flatten(bright, 10, valid), flatten(image, 10, valid), atol=1e-3)


@pytest.mark.parametrize("size", [0.0, -3.0, float("inf"), float("nan")])
def test_no_length_is_refused(size: float) -> None:
    with pytest.raises(TemsegError, match="positive"):
        flatten(np.zeros((8, 8)), size)


def test_the_number_of_threads_changes_nothing() -> None:
    plane = np.random.default_rng(0).normal(0, 1, (700, 700)).astype(np.float32)
    one, before = flatten(plane, 22.0), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(flatten(plane, 22.0), one)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
