from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_temseg.engine.particles.rings import without_holes
from napari_temseg.engine.particles.splitting import split
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Prediction

PLAIN = SplitConfig(certainty=0.0)


def said_of(mask: np.ndarray, depth: np.ndarray, valid: np.ndarray | None = None) -> Prediction:
    probability = np.stack([~mask, mask]).astype(np.float16)
    names = {1: "background", 2: "particle"}
    classes = np.where(mask, 2, 1).astype(np.uint8)
    return Prediction(
        probability, (1, 2), names, classes, Micrograph(mask.astype(float), valid=valid), {"distance": depth.astype(np.float16)}
    )


@pytest.fixture
def ring_and_garland():
    """A particle found as a ring, six discs that touch round a gap, and the mask of either hole; depth 1 in the middle of a disc."""
    y, x = np.mgrid[:140, :260]
    away = np.hypot(y - 70, x - 60)
    ring = (away < 40) & (away > 22)
    depth = np.where(ring, 0.5, 0.0)
    garland = np.zeros_like(ring)
    for turn in np.linspace(0, 2 * np.pi, 6, endpoint=False):
        disc = 1 - np.hypot(y - 70 - 36 * np.sin(turn), x - 190 - 36 * np.cos(turn)) / 19
        garland |= disc > 0
        depth = np.maximum(depth, disc)
    return said_of(ring | garland, depth), away <= 22, (np.hypot(y - 70, x - 190) < 15)


def test_a_particle_found_as_a_ring_is_filled_and_the_gap_between_particles_is_not(ring_and_garland):
    found, hole, gap = ring_and_garland
    filled = without_holes(found, PLAIN)
    assert (filled[hole] == 2).all()
    assert (filled[gap] == 1).all()
    assert (filled[found.classes == 2] == 2).all()
    assert np.array_equal(filled > 1, split(found, PLAIN).labels > 0)  # as it is when it is used
    assert (found.classes[hole] == 1).all()  # the answer itself is as it was


def test_a_hole_that_was_drawn_or_is_to_stay_is_left(ring_and_garland):
    found, hole, _ = ring_and_garland
    strokes = np.zeros(found.classes.shape, np.uint8)
    strokes[70, 55:65] = 1
    assert np.array_equal(without_holes(found, PLAIN, strokes), found.classes)
    assert np.array_equal(without_holes(found, replace(PLAIN, fill_holes=False)), found.classes)
    strokes[:] = 0
    strokes[70, 20:30] = 2  # on the ring itself
    assert (without_holes(found, PLAIN, strokes)[hole] == 2).all()


def test_what_is_left_out_within_a_ring_is_no_hole(ring_and_garland):
    found, hole, _ = ring_and_garland
    valid = np.ones(hole.shape, bool)
    valid[68:72, 58:62] = False
    left_out = said_of(found.classes == 2, found.auxiliary["distance"], valid)
    assert np.array_equal(without_holes(left_out, PLAIN), found.classes)
