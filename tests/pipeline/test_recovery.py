"""Particles of known size put into a picture: the limit, and what a model that sees only large ones tells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.engine.measure.recovery.limit import RecoveredSize, detection_limit
from napari_temseg.engine.particles.recovery import WINDOW, is_cheap, iter_recovery


def sizes(*recalls, first=4.0):
    return [RecoveredSize(first * 1.5**index, 20, round(20 * recall), 0.0) for index, recall in enumerate(recalls)]


def test_the_limit_is_where_nine_of_ten_are_found():
    assert detection_limit(sizes(1, 1, 1)) == 4.0
    assert 6.0 < detection_limit(sizes(0, 0.5, 1, 1)) < 9.0
    assert detection_limit(sizes(0, 0.5, 0.7)) == math.inf
    assert detection_limit([]) is None
    assert detection_limit(sizes(0, 1, 0.85, 1)) == pytest.approx(detection_limit(sizes(0, 0.925, 0.925, 1)), rel=0.02)


def picture():
    pixels = np.random.default_rng(0).integers(28, 34, (300, 300)).astype(float)
    for index, (y, x) in enumerate(((40, 40), (40, 120), (120, 60), (130, 150))):
        pixels[disk((y, x), 12 + index)] = 200
    return temseg.Micrograph(pixels.clip(0, 255).astype(np.uint8))


def test_what_is_put_in_is_found_again(bright):
    particles = temseg.split(temseg.predict(bright, picture()))
    assert len(particles) == 4
    recovered = iter_recovery(bright, particles).drain()
    assert len(recovered) > 4
    largest = max(recovered)
    assert largest.recall > 0.9
    assert abs(largest.bias) < 0.1
    told = replace(temseg.measure(particles), recovered=recovered)
    found = temseg.size_distribution(told)
    assert found.limit == pytest.approx(detection_limit(recovered), rel=1e-4)
    assert found.summary()["detection"]["sizes"][0]["planted"] == min(recovered).planted


def test_fits_begin_at_the_limit_and_the_share_below_it_is_told():
    rng = np.random.default_rng(2)
    labels = np.zeros((900, 900), int)
    for index, (y, x) in enumerate((y, x) for y in range(30, 880, 40) for x in range(30, 880, 40)):
        labels[disk((y, x), rng.uniform(4, 14))] = index + 1
    recovered = (RecoveredSize(10.0, 20, 0, None), RecoveredSize(14.0, 20, 20, 0.0))
    sizes = temseg.size_distribution(replace(temseg.measure(labels), recovered=recovered))
    assert 10 < sizes.limit < 14
    detection = sizes.summary()["detection"]
    assert detection["share_below"] == pytest.approx(np.mean(sizes.values < sizes.limit), abs=0.03)
    assert "nine of ten" in sizes.summary()["caution"]
    assert b"not all are found below" in sizes.to_svg() or b"text" not in sizes.to_svg()


def test_without_particles_that_stand_alone_nothing_is_told(bright):
    empty = temseg.Micrograph(np.full((128, 128), 40, np.uint8))
    assert iter_recovery(bright, temseg.split(temseg.predict(bright, empty))).drain() == ()


def test_it_is_cheap_in_large_pictures():
    assert is_cheap(temseg.Micrograph(np.zeros((2 * WINDOW, 2 * WINDOW), np.uint8)))
    assert not is_cheap(temseg.Micrograph(np.zeros((WINDOW, WINDOW), np.uint8)))
