"""Strokes against what a search found: which are contradicted, and what they tell of sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_temseg import Micrograph, PredictConfig, TemsegError, TrainConfig, iter_train, predict, split
from napari_temseg.engine.interactive.stroked import Contradicted, beyond_band, contradicted, iter_stroked_size
from napari_temseg.engine.types.progress import returned
from napari_temseg.engine.types.results import Particles, Prediction
from napari_temseg.pipeline.find_stroked import at_its_size, iter_size_left_out

LARGE = ((110, 120), (380, 390))  # centres (px) of two discs of 110 px among thirty of 16


@pytest.fixture(scope="module")
def picture() -> Micrograph:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :512]
    image = np.full((512, 512), 60.0)
    centres = [(b, a) for a in range(40, 500, 60) for b in range(40, 500, 60) if min(np.hypot(b - c, a - d) for c, d in LARGE) > 80]
    for (b, a), radius in [*((each, 8) for each in centres[:40]), *((each, 55) for each in LARGE)]:
        image += 90 * np.clip(radius - np.hypot(y - b, x - a), 0, 1)
    return Micrograph(np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def found(particles: Any, picture: Micrograph) -> tuple[Prediction, Particles]:
    said = predict(particles, picture, PredictConfig(typical_size=16.0, exact_size=True))
    return said, split(said)


def strokes_on(*places: tuple[int, int], background: tuple[int, int] | None = None) -> np.ndarray:
    strokes = np.zeros((512, 512), np.uint8)
    for number, (y, x) in [*((2, each) for each in places), *([(1, background)] if background else [])]:
        strokes[y - 2 : y + 3, x - 6 : x + 7] = number
    return strokes


def test_strokes_that_particles_contradict_are_counted() -> None:
    strokes, labels = np.zeros((2, 40, 40), np.uint8), np.zeros((2, 40, 40), np.int32)
    strokes[0, 5, 5:15], strokes[0, 20, 5:15], strokes[1, 20, 5:15] = 2, 3, 2
    strokes[1, 5, 5:15], strokes[1, 30, 5:15] = 1, 1
    labels[0, 3:8, 5:11] = 1  # most of the first stroke
    labels[1, 30, 5:11], labels[1, 5:12, 5:9] = 2, 3  # along the rim of the second
    strokes[1, 16, 5:15], labels[1, 15:18, 11:14] = 1, 4  # a small one, right through
    told = contradicted(strokes, labels)
    assert replace(told, places=()) == Contradicted(particles=3, missed=2, unsure=0, background=3, covered=2)
    assert [(place.plane, place.y) for place in told.places] == [(0, 20), (1, 20), (1, 16), (1, 30)]
    for place in told.places:
        assert strokes[place.plane, place.y, place.x]
        assert not strokes[place.plane, place.y - 3, place.x]
        assert place.x - place.reach < 5
        assert place.x + place.reach > 14
    classes = np.ones((2, 40, 40), np.uint8)
    classes[1, 18:23] = 2
    said = Prediction.of_classes(classes, Micrograph(np.zeros((2, 40, 40)), "NYX"))
    assert contradicted(strokes, labels, said).unsure == 1
    assert not contradicted(np.zeros_like(strokes), labels).any
    strokes[1, 30, 9:11] = 0  # the eraser leaves two pieces of one stroke
    assert contradicted(strokes, labels).background == 3


def test_of_labels_that_are_regions_particles_are_counted_and_no_background_is_one_stroke() -> None:
    labels = np.full((60, 60), 1, np.uint8)
    found = np.zeros((60, 60), np.int32)
    for number, (y, x) in enumerate(((5, 5), (5, 25), (25, 5), (25, 25)), 1):
        labels[y : y + 10, x : x + 10] = 2
        if number < 4:
            found[y : y + 8, x : x + 9] = number
    found[44:52, 44:52], labels[58, 58] = 9, 2  # on background; and a speck that is no particle
    told = contradicted(labels, found)
    assert replace(told, places=()) == Contradicted(particles=4, missed=1, unsure=0, background=4, covered=1, regions=True)
    assert [labels[place.y, place.x] for place in told.places] == [2, 1]
    assert found[told.places[1].y, told.places[1].x] == 9
    assert not contradicted(np.where(labels == 1, 0, labels)[:20, :20], found[:20, :20]).any


def test_strokes_tell_of_the_size_that_was_not_looked_for(particles: Any, found: tuple[Prediction, Particles]) -> None:
    said, there = found
    assert not any(there.labels[place] for place in LARGE)
    size = iter_stroked_size(particles, said, strokes_on(*LARGE), there.labels).drain()
    assert size == pytest.approx(110, rel=0.25)
    y, x = np.indices(there.labels.shape)
    outlined = there.labels.copy()  # as Live outlines them
    for number, (b, a) in enumerate(LARGE):
        outlined[np.hypot(y - b, x - a) < 55] = outlined.max() + 1 + number
    assert iter_stroked_size(particles, said, strokes_on(*LARGE), outlined).drain() == pytest.approx(110, rel=0.05)
    numbers = np.unique(there.labels)[1:12]
    centres = [tuple(int(each) for each in np.argwhere(there.labels == number).mean(axis=0)) for number in numbers]
    few = iter_stroked_size(particles, said, strokes_on(LARGE[0], *centres), outlined).drain()
    assert few is None  # one of a dozen, which may lie on what was welded
    small = np.argwhere(there.labels > 0)[40]
    assert iter_stroked_size(particles, said, strokes_on((int(small[0]), int(small[1]))), there.labels).drain() is None
    assert iter_stroked_size(particles, said, strokes_on((256, 20)), there.labels).drain() is None  # nothing is there at any size
    assert iter_stroked_size(particles, replace(said, size=0.0), strokes_on(*LARGE), there.labels).drain() is None


def test_a_picture_is_searched_again_at_its_size_and_what_was_stroked_beside_is_told(
    particles: Any, picture: Micrograph, found: tuple[Prediction, Particles]
) -> None:
    said, there = found
    assert at_its_size(PredictConfig(), said).typical_size == pytest.approx(said.size)
    told = PredictConfig(typical_size=110.0, exact_size=True)
    assert at_its_size(told, said) == told  # what somebody said since is meant
    assert at_its_size(told, None) == told
    strokes = strokes_on(*LARGE, background=(256, 20))
    assert iter_size_left_out(particles, said, strokes, there).drain() == pytest.approx(110, rel=0.25)
    assert iter_size_left_out(particles, said, strokes_on(background=(256, 20)), there).drain() == 0


def test_strokes_on_particles_beyond_what_is_looked_for_teach_nothing(
    particles: Any, picture: Micrograph, found: tuple[Prediction, Particles]
) -> None:
    said, there = found
    small = np.argwhere(there.labels > 0)[40]
    strokes = strokes_on(*LARGE, (int(small[0]), int(small[1])), background=(256, 20))
    kept = returned(beyond_band(particles, said, strokes))
    assert kept.sum() == 5 * 13 * len(LARGE)
    assert all(kept[place] for place in LARGE)
    many = strokes_on(*((y + by, x) for y, x in LARGE for by in range(-36, 37, 12)))  # more than are looked under
    assert (returned(beyond_band(particles, said, many)) == (many > 0)).all()
    config = TrainConfig(max_steps=2, max_seconds=1e4, crop=64, batch=1, typical_size=16.0, validation=0)
    trained = iter_train([picture], [strokes], base=particles, config=config, searched=[said]).drain()
    assert any(note.startswith("2 strokes on particles far larger or smaller") for note in trained.history[-1]["notes"])
    with pytest.raises(TemsegError, match="all particles that were stroked are far larger"):
        iter_train([picture], [strokes_on(*LARGE, background=(256, 20))], base=particles, config=config, searched=[said]).drain()
