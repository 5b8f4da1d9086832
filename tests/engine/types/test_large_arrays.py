"""Large arrays in files nobody sees, and counting without a copy."""

from __future__ import annotations

import mmap
from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.types import large_arrays
from napari_temseg.engine.types.large_arrays import areas, copied, zeros
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.populations import LARGE, SMALL, of_population
from napari_temseg.engine.types.results import Prediction


def in_a_file(array: np.ndarray) -> bool:
    base: object = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap.mmap)


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 1000)


def test_counting_in_parts_counts_as_numpy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(0, 50, (3, 20, 30)).astype(np.int32)
    monkeypatch.setattr(large_arrays, "_TOGETHER", 7)
    np.testing.assert_array_equal(areas(labels), np.bincount(labels.ravel()))
    np.testing.assert_array_equal(areas(labels, minlength=80), np.bincount(labels.ravel(), minlength=80))
    np.testing.assert_array_equal(areas(labels[:, ::2]), np.bincount(labels[:, ::2].ravel()))
    assert areas(np.zeros((0, 5), np.int32)).tolist() == []


def test_what_is_large_lies_in_a_file_and_is_the_same(everything_is_large: None) -> None:
    made = zeros((30, 40), np.int32)
    assert in_a_file(made)
    assert not in_a_file(zeros((3, 4), np.int32))
    assert not made.any()
    made[3, 4] = 7
    copy = copied(made)
    made[3, 4] = 8
    assert in_a_file(copy)
    assert copy[3, 4] == 7
    assert copy.sum() == 7


def test_particles_of_a_large_stack_lie_in_files(everything_is_large: None) -> None:
    classes = np.ones((3, 40, 50), np.uint8)
    classes[:, 5:15, 5:15] = classes[1:, 20:30, 20:30] = 2
    particles = temseg.split(Prediction.of_classes(classes, Micrograph(np.zeros(classes.shape, np.uint8), "ZYX")))
    assert in_a_file(particles.labels)
    assert np.unique(particles.labels).tolist() == [0, 1, 2, 3, 4, 5]
    small = replace(particles, table=particles.table.assign(population=[SMALL, LARGE, SMALL, LARGE, SMALL]))
    for name, numbers in ((SMALL, [0, 1, 3, 5]), (LARGE, [0, 2, 4])):
        of_one = of_population(small, name).labels
        assert in_a_file(of_one)
        assert np.unique(of_one[1:] if name == LARGE else of_one).tolist() == numbers
