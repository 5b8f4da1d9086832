"""A model remembers the pixel size of what it was trained on, and looks at pictures of another as large as it knows their particles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg import Calibration, Micrograph, PredictConfig, SimulateConfig, TrainConfig
from napari_temseg.files.models import load

QUICK = TrainConfig(max_seconds=1e5, max_steps=3, crop=64, batch=1, evaluate_every=1, validation=0, device="cpu", precision="float32")


def nm(size: float) -> Calibration:
    return Calibration((size, size), "tag")


def binned(image: np.ndarray, by: int) -> np.ndarray:
    height, width = image.shape
    return image.reshape(height // by, by, width // by, by).mean((1, 3))


@pytest.fixture(scope="module")
def scene():
    return temseg.simulate(SimulateConfig(height=256, width=256, count=8, diameter=64, touching=0.4, dose=400, pixel_size=1.0, seed=5))


@pytest.fixture(scope="module")
def trained(tiny, scene):
    return temseg.train([scene.micrograph], [scene.classes], base=tiny, config=QUICK)


def test_scales_follow_the_pixel_size(trained, scene):
    assert trained.pixel_size == pytest.approx(1.0)
    small = binned(scene.micrograph.plane().astype(np.float32), 2)
    followed = temseg.predict(trained, Micrograph(small, calibration=nm(2.0)))
    ignored = temseg.predict(trained, small)
    assert ignored.working_scale == trained.scales
    assert ignored.pixel_ratio == 1
    assert followed.working_scale == pytest.approx([2 * scale for scale in trained.scales])
    assert followed.pixel_ratio == pytest.approx(2)


def test_scales_that_are_told_come_first_and_a_size_is_no_word_on_fixed_scales(trained):
    image = Micrograph(np.zeros((64, 64), np.uint8), calibration=nm(3.0))
    result = temseg.predict(trained, image, PredictConfig(scales=(1.0, 0.5)))
    assert (result.working_scale, result.pixel_ratio) == ((1.0, 0.5), 1)
    result = temseg.predict(trained, image, PredictConfig(typical_size=40.0))
    assert result.working_scale == pytest.approx([3 * scale for scale in trained.scales])


def test_a_model_of_one_band_looks_for_the_size_that_is_told_whatever_it_learnt_from(banded, discs):
    image, instances = discs(96, 96)
    calibrated = Micrograph(image, calibration=nm(10.0))
    config = replace(QUICK, max_steps=1, typical_size=11.0)
    model = temseg.train([calibrated], [instances], base=banded, config=config, meaning="instances")
    found = temseg.predict(model, calibrated, PredictConfig(typical_nm=330.0, exact_size=True))
    assert found.size == pytest.approx(33)


def test_the_factor_is_held_within_reason_and_that_is_said(trained):
    far = temseg.predict(trained, Micrograph(np.zeros((64, 64), np.uint8), calibration=nm(0.01)))
    assert far.working_scale == pytest.approx([max(0.05, scale / 4) for scale in trained.scales])
    assert far.unlike == ("pixel size",)


@pytest.mark.parametrize(("sizes", "kept"), [((1.0, 1.01), True), ((1.0, 2.0), False), ((1.0, None), False), ((None, None), False)])
def test_only_one_pixel_size_is_remembered(tiny, discs, sizes, kept):
    image, instances = discs(64, 64)
    images = [Micrograph(image, calibration=nm(size) if size else Calibration()) for size in sizes]
    model = temseg.train(images, [instances, instances], base=tiny, config=replace(QUICK, max_steps=1, crop=64), meaning="instances")
    assert (model.pixel_size > 0) is kept
    assert ("pixel_size" in model.metadata()) is kept


def test_training_on_at_another_pixel_size_starts_from_suited_scales(trained, scene):
    small = binned(scene.micrograph.plane().astype(np.float32), 2)
    labels = scene.classes[1::2, 1::2]
    further = temseg.train([Micrograph(small, calibration=nm(2.0))], [labels], base=trained, config=replace(QUICK, max_steps=1))
    assert further.pixel_size == pytest.approx(2.0)
    assert further.scales == pytest.approx([2 * scale for scale in trained.scales])
    job = temseg.iter_train([Micrograph(small, calibration=nm(2.0))], [labels], base=trained, config=QUICK)
    job.finish()
    untouched = job.drain()
    assert untouched.history[-1]["best_step"] == 0
    assert (untouched.scales, untouched.pixel_size) == (trained.scales, trained.pixel_size)


def test_the_pixel_size_is_kept_in_the_file(trained, tmp_path):
    trained.save(tmp_path / "mine.temseg")
    again = load(tmp_path / "mine.temseg")
    assert again.pixel_size == trained.pixel_size
    assert again.content_hash() == trained.content_hash()


def test_a_model_that_finds_its_scale_takes_no_notice(particles, discs):
    image, _ = discs(96, 96)
    told = [temseg.predict(particles, Micrograph(image, calibration=nm(size))) for size in (0.1, 10.0)]
    assert told[0].working_scale == told[1].working_scale
    assert np.array_equal(told[0].probability, told[1].probability)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-4, 1e6), st.floats(1e-4, 1e6))
def test_suited_scales_are_always_allowed(tiny, own, other):
    model = replace(tiny, scales=(1.0, 0.5), fixed_scale=True, pixel_size=own)
    scales = model.suited(other).scales
    assert all(0.05 <= scale <= 8 for scale in scales)
    ratio = other / own
    if 0.25 <= ratio <= 4 and not math.isclose(ratio, 1, rel_tol=0.02):
        assert scales == pytest.approx((ratio, ratio / 2))
    assert replace(model, pixel_size=0.0).suited(other).scales == (1.0, 0.5)
    assert model.suited(0.0).scales == (1.0, 0.5)
