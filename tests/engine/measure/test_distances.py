"""Exact distances by whole numbers are those of SciPy, of thin and thick shapes, where nothing is outside in a column, and on lines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_temseg.engine.measure.shape.distances import distances, squared_distances


@pytest.mark.parametrize("shape", [(40, 50), (300, 200), (1, 30), (30, 1), (2, 2)])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_they_are_those_of_scipy_to_the_last_bit(shape: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(0).random(shape) < share
    mask[0, 0] = False
    expected = ndimage.distance_transform_edt(mask)
    assert np.array_equal(squared_distances(mask), np.rint(expected**2))
    assert np.array_equal(distances(mask), expected.astype(np.float32))


@pytest.mark.parametrize("hole", [(0, 0), (150, 100), (5, 299)])
def test_deep_shapes_go_another_way(hole: tuple[int, int]) -> None:
    mask = np.ones((400, 300), bool)
    mask[hole] = False
    assert np.array_equal(distances(mask), ndimage.distance_transform_edt(mask).astype(np.float32))
    mask[:, ::100] = False
    assert np.array_equal(distances(mask), ndimage.distance_transform_edt(mask).astype(np.float32))


def test_an_empty_plane_has_none() -> None:
    assert not squared_distances(np.zeros((20, 20), bool)).any()
