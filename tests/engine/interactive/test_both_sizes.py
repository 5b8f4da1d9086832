"""Strokes where particles of two sizes are meant: either is corrected, and neither is lost for the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg import Micrograph, PredictConfig
from napari_temseg.engine.interactive.linear_head import Ground, answer, iter_ground

LARGE, SMALL, SHAPE = 70.0, 9.0, (360, 360)
LARGES = [(y, x) for y in (60, 180, 300) for x in (60, 180, 300)]
SMALLS = [(y, x) for y in (120, 240) for x in range(20, 350, 24)]


@pytest.fixture(scope="module")
def searched(particles: Any) -> tuple[Ground, Any]:
    """Dark discs of two sizes, found for both, and the ground of the answer to strokes."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.full(SHAPE, 170.0)
    for centres, width in ((LARGES, LARGE), (SMALLS, SMALL)):
        for b, a in centres:
            image -= 80 * np.clip(width / 2 - np.hypot(y - b, x - a) + 0.5, 0, 1)
    picture = Micrograph(np.clip(image + np.random.default_rng(0).normal(0, 5, SHAPE), 0, 255).astype(np.uint8))
    config = PredictConfig(typical_size=SMALL, other_size=LARGE, exact_size=True)
    found = temseg.predict(particles, picture, config)
    return iter_ground(particles, picture, config, found).drain(), found


def stroke(strokes: np.ndarray, place: tuple[int, int], half: int, number: int) -> None:
    strokes[place[0] - 1 : place[0] + 2, place[1] - half : place[1] + half + 1] = number


def counts(prediction: Any) -> dict[str, int]:
    return {name: int(n) for name, n in temseg.split(prediction).table["population"].value_counts().items()}


def test_strokes_on_particles_of_either_size_and_between_them_lose_none(searched: tuple[Ground, Any]) -> None:
    ground, found = searched
    before = counts(found)
    assert before["large"] == len(LARGES)
    assert before["small"] >= 0.9 * len(SMALLS)
    strokes = np.zeros(SHAPE, np.uint8)
    assert counts(answer(ground, strokes)) == before
    for place in (LARGES[0], LARGES[4]):
        stroke(strokes, place, 18, 2)
    for place in (SMALLS[3], SMALLS[9]):
        stroke(strokes, place, 2, 2)
    for place in ((20, 120), (340, 240), (100, 240)):
        stroke(strokes, place, 8, 1)
    assert counts(answer(ground, strokes)) == pytest.approx(before, abs=1)


def test_a_large_one_that_is_stroked_as_background_goes_alone(searched: tuple[Ground, Any]) -> None:
    ground, found = searched
    strokes = np.zeros(SHAPE, np.uint8)
    stroke(strokes, LARGES[4], 25, 1)
    after = answer(ground, strokes)
    assert after.other is not None
    assert after.other.classes[LARGES[4]] == 1
    assert counts(after)["small"] == pytest.approx(counts(found)["small"], abs=1)


def test_two_sizes_that_nobody_searched_for_yet_are_both_looked_at(searched: tuple[Ground, Any], particles: Any) -> None:
    _, found = searched
    config = PredictConfig(typical_size=SMALL, other_size=LARGE)
    after = answer(iter_ground(particles, found.micrograph, config).drain(), np.zeros(SHAPE, np.uint8))
    assert counts(after) == pytest.approx(counts(found), abs=2)
