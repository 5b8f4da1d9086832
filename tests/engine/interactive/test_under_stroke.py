"""Strokes on particles of another size than was looked for: the answer outlines them as a search for their size does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_temseg import Micrograph, PredictConfig, split
from napari_temseg.engine.interactive.linear_head import Ground, answer, iter_ground

LARGE, SMALL = 90.0, 14.0  # px
MIDDLE = (160, 150)
SHAPE = (320, 320)


@pytest.fixture(scope="module")
def ground(particles: Any) -> Ground:
    """One large sphere, in dark field, among small discs, looked at for these."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.full(SHAPE, 60.0)
    centres = [(b, a) for a in range(30, 310, 46) for b in range(30, 310, 46) if np.hypot(b - MIDDLE[0], a - MIDDLE[1]) > 70]
    for b, a in centres:
        image += 90 * np.clip(SMALL / 2 - np.hypot(y - b, x - a) + 0.5, 0, 1)
    image += 140 * np.sqrt(np.clip(1 - ((y - MIDDLE[0]) ** 2 + (x - MIDDLE[1]) ** 2) / (LARGE / 2) ** 2, 0, 1))
    picture = Micrograph(np.clip(image + np.random.default_rng(0).normal(0, 6, SHAPE), 0, 255).astype(np.uint8))
    return iter_ground(particles, picture, PredictConfig(typical_size=SMALL, exact_size=True)).drain()


def stroke(y: int, x: int, half: int, number: int = 2) -> np.ndarray:
    strokes = np.zeros(SHAPE, np.uint8)
    strokes[y - 2 : y + 3, x - half : x + half + 1] = number
    return strokes


def width_at(classes: np.ndarray, place: tuple[int, int]) -> float:
    pieces, _ = ndimage.label(classes >= 2)
    return float(np.sqrt(4 / np.pi * (pieces == pieces[place]).sum())) if pieces[place] else 0.0


def test_a_stroked_particle_beyond_the_band_is_outlined_whole(ground: Ground) -> None:
    strokes = stroke(*MIDDLE, 20)
    assert width_at(ground.prediction.classes, MIDDLE) < LARGE / 2
    found = answer(ground, strokes)
    assert width_at(found.classes, MIDDLE) == pytest.approx(LARGE, rel=0.05)
    assert width_at(answer(replace(ground, under=None), strokes).classes, MIDDLE) != pytest.approx(LARGE, rel=0.05)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = np.hypot(y - MIDDLE[0], x - MIDDLE[1]) > LARGE / 2 + 5
    assert np.mean(found.classes[away] != ground.prediction.classes[away]) < 0.002  # the others stay as they are
    labels = split(found).labels
    assert float(np.sqrt(4 / np.pi * (labels == labels[MIDDLE]).sum())) == pytest.approx(LARGE, rel=0.05)  # one piece
    other = answer(ground, stroke(*MIDDLE, 20, number=3))
    assert other.classes[MIDDLE] == 3


def test_strokes_on_what_was_looked_for_or_on_nothing_tell_of_no_other_size(ground: Ground) -> None:
    assert ground.under is not None
    pieces, _ = ndimage.label(ground.prediction.classes >= 2)
    small = np.argwhere(pieces == pieces.max()).mean(axis=0).astype(int)
    for y, x in (small, (53, 53)):
        assert ground.under.found(ground.prediction, stroke(int(y), int(x), 4)) == []
    (large,) = ground.under.found(ground.prediction, stroke(*MIDDLE, 20))
    assert large.size == pytest.approx(LARGE, rel=0.25)


def test_who_tells_the_scales_is_shown_nothing_else(particles: Any, ground: Ground) -> None:
    told = iter_ground(particles, ground.prediction.micrograph, PredictConfig(scales=ground.prediction.working_scale)).drain()
    assert told.under is None
