"""Particles like those that were deleted in a part of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_temseg.engine.particles.lookalikes import CorrectedPlane, like_the_deleted
from napari_temseg.engine.types.errors import TemsegError

LEFT, WHOLE = np.s_[0:120, 0:90], np.s_[0:120, 0:240]


@pytest.fixture(scope="module")
def plane() -> CorrectedPlane:
    """32 discs of one size, the even ones half as bright; all are found, the even ones at the left are deleted."""
    rng, found = np.random.default_rng(0), np.zeros((120, 240), np.int32)
    yy, xx = np.ogrid[:120, :240]
    for number, (y, x) in enumerate(((y, x) for x in range(15, 240, 30) for y in (15, 45, 75, 105)), 1):
        found[(yy - y) ** 2 + (xx - x) ** 2 <= rng.integers(30, 90)] = number
    bright = np.where(found == 0, 50.0, np.where(found % 2, 150.0, 100.0))
    image = (ndimage.gaussian_filter(bright, 1) + rng.normal(0, 12, bright.shape)).astype(np.float32)
    labels = found.copy()
    labels[LEFT] = np.where(labels[LEFT] % 2, labels[LEFT], 0)
    return CorrectedPlane(image, labels, found, np.where(found > 0, 0.9, 0.1).astype(np.float32))


def test_the_like_of_what_was_deleted_is_found_and_nothing_else(plane: CorrectedPlane) -> None:
    alike = like_the_deleted(plane, [LEFT])
    assert set(alike) == set(range(14, 33, 2))
    assert set(like_the_deleted(plane, [LEFT, np.s_[0:120, 90:180]])) <= set(range(26, 33, 2)), "what lies in a part is judged already"


def test_what_was_left_out_as_no_particle_is_an_example_too(plane: CorrectedPlane) -> None:
    whole = CorrectedPlane(plane.image, plane.found, plane.found, plane.foreground)
    assert set(like_the_deleted(whole, [LEFT], wrong=range(2, 13, 2))) == set(range(14, 33, 2))


def changed(plane: CorrectedPlane, **what: Any) -> CorrectedPlane:
    return CorrectedPlane(**{**plane.__dict__, **what})


def test_too_few_examples_are_said_in_a_sentence(plane: CorrectedPlane) -> None:
    with pytest.raises(TemsegError, match="Nothing was deleted"):
        like_the_deleted(changed(plane, labels=plane.found), [WHOLE])
    few = np.where(plane.labels <= 3, plane.labels, 0)  # 1 and 3 are left
    with pytest.raises(TemsegError, match="Only 2 particles would be left"):
        like_the_deleted(changed(plane, labels=few), [WHOLE])


def test_without_a_model_and_with_missing_pixels(plane: CorrectedPlane) -> None:
    image = plane.image.copy()
    image[0, 0] = np.nan
    assert set(like_the_deleted(changed(plane, image=image, foreground=None), [LEFT])) == set(range(14, 33, 2))


def test_where_all_of_a_part_was_deleted_the_rest_of_the_picture_is_what_it_is_told_from(plane: CorrectedPlane) -> None:
    labels, part = plane.found.copy(), np.s_[30:60, 0:240]  # the second of each column: all even
    labels[part] = 0
    alike = like_the_deleted(changed(plane, labels=labels), [part])
    assert set(alike) == set(range(4, 33, 4))


def test_a_deleted_particle_that_lay_on_a_large_one_is_an_example_too(plane: CorrectedPlane) -> None:
    """Of two populations, the large one gets its pixels back: they are not background."""
    last = int(plane.found.max()) + 1
    found = np.where(plane.found == 0, last, plane.found)
    labels = np.where((plane.labels == 0) & (plane.found > 0), last, found)
    there = changed(plane, labels=labels, found=found)
    with pytest.raises(TemsegError, match="Nothing was deleted"):
        like_the_deleted(there, [LEFT])
    assert set(like_the_deleted(changed(there, carriers=[last]), [LEFT])) == set(range(14, 33, 2))
