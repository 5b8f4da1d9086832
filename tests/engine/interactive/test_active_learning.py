from __future__ import annotations

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.interactive.active_learning import places, planes_by_uncertainty, uncertainty
from napari_temseg.engine.types.results import PARTICLE_CLASSES, Prediction


def made(particle, valid=None, axes="YX"):
    """A prediction whose probability of a particle is given."""
    particle = np.asarray(particle, np.float32)
    image = temseg.Micrograph(np.zeros(particle.shape, np.uint8), axes=axes, valid=valid)
    probability = np.stack([1 - particle, particle], axis=-3).astype(np.float16)
    return Prediction(probability, (1, 2), dict(PARTICLE_CLASSES), np.where(particle > 0.5, 2, 1).astype(np.uint8), image)


@pytest.fixture
def plane():
    """Sure everywhere but in two patches; the left one is less sure."""
    particle = np.full((120, 200), 0.01, np.float32)
    particle[40:70, 20:50] = 0.5
    particle[40:70, 140:170] = 0.9
    return particle


def test_uncertainty_lies_between_sure_and_torn(plane):
    unsure = uncertainty(made(plane))
    assert unsure.dtype == np.float32
    assert unsure[50, 30] == pytest.approx(1, abs=1e-3)
    assert 0 < unsure[0, 0] < unsure[50, 150] < 1


def test_the_least_sure_place_comes_first_and_each_place_once(plane):
    found = places(made(plane), plane=7)
    first = found[0]
    assert 40 <= first.y < 70
    assert 20 <= first.x < 50
    assert first.plane == 7
    assert any(140 <= place.x < 170 for place in found)
    gains = [place.gain for place in found]
    assert gains == sorted(gains, reverse=True)
    assert all(0 < gain <= 1 for gain in gains)
    apart = [np.hypot(a.y - b.y, a.x - b.x) for i, a in enumerate(found) for b in found[:i]]
    assert min(apart) >= 20


def test_what_was_stroked_or_seen_is_left_alone(plane):
    strokes = np.zeros(plane.shape, np.uint8)
    strokes[40:70:4, 20:50] = 2
    assert 140 <= places(made(plane), strokes)[0].x < 170
    every = places(made(plane))
    left = places(made(plane), avoid=every)
    assert all(np.hypot(a.y - b.y, a.x - b.x) >= 20 for a in left for b in every)


def test_areas_left_out_are_never_proposed(plane):
    valid = np.ones(plane.shape, bool)
    valid[:, :100] = False
    found = places(made(plane, valid))
    assert found
    assert all(place.x >= 100 for place in found)
    assert not uncertainty(made(plane, valid))[:, :100].any()


def test_nothing_is_proposed_where_all_is_sure(plane):
    assert places(made(np.zeros_like(plane))) == []
    assert places(made(np.ones((30, 40)))) == []


def test_larger_pictures_and_odd_sides():
    particle = np.zeros((401, 1003), np.float32)
    yy, xx = np.mgrid[:401, :1003]
    for x in (150, 450, 750):
        particle[(yy - 200) ** 2 + (xx - x) ** 2 < 100**2] = 0.99
    particle[300:, 903:] = 0.5
    best = places(made(particle))[0]
    assert best.y >= 290
    assert best.x >= 890
    assert best.y < 401
    assert best.x < 1003


def test_planes_of_a_stack_are_ranked(plane):
    stack = np.stack([np.zeros_like(plane), plane, np.full_like(plane, 0.5)])
    prediction = made(stack, axes="ZYX")
    assert planes_by_uncertainty(prediction, [0, 1, 2]) == [2, 1, 0]
    assert planes_by_uncertainty(prediction, [1, 0]) == [1, 0]
    with pytest.raises(temseg.TemsegError, match="one plane"):
        uncertainty(prediction)


def test_more_than_two_classes():
    probability = np.full((3, 40, 50), 1 / 3, np.float16)
    probability[:, :, :25] = np.array([0.98, 0.01, 0.01], np.float16)[:, None, None]
    image = temseg.Micrograph(np.zeros((40, 50), np.uint8))
    prediction = Prediction(probability, (1, 2, 3), {1: "background", 2: "a", 3: "b"}, np.ones((40, 50), np.uint8), image)
    assert uncertainty(prediction)[0, 40] == pytest.approx(1, abs=1e-3)
    assert places(prediction)[0].x >= 25
