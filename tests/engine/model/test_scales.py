from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.model.scales import working_scales
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig

OWN = (1.0, 0.7, 0.5)
QUICK = temseg.TrainConfig(max_seconds=1e5, max_steps=3, crop=96, batch=2, evaluate_every=3)


def scene(diameter: float, side: int = 384, count: int = 12):
    return temseg.simulate(SimulateConfig(height=side, width=side, count=count, diameter=diameter, spread=1.05, contrast=0.6, seed=2))


def test_small_particles_are_looked_at_larger_and_large_ones_smaller():
    assert working_scales(OWN, 90) == OWN
    assert working_scales(OWN, None) == OWN
    up, down = working_scales(OWN, 40), working_scales(OWN, 300)
    assert up == pytest.approx((2**0.5, 1.0, 0.7), abs=0.01)
    assert up[1:] == OWN[:2]  # to the digit, so that what is known at them is used again
    assert down == pytest.approx((0.5, 0.35, 0.25))
    assert working_scales(OWN, 15)[0] == pytest.approx(4)
    assert working_scales(OWN, 2)[0] == pytest.approx(2**2.5)
    assert working_scales(OWN, 15, many=False) == up
    assert working_scales(OWN, 15, 8e6)[0] == pytest.approx(2)  # not more than memory and patience allow
    assert working_scales(OWN, 15, 1e9) == up


@pytest.mark.parametrize(("diameter", "largest"), [(24, 2**0.5), (90, 1.0), (230, 0.5)])
def test_the_scale_is_found_from_the_picture(several_scales, diameter, largest):
    drawn = scene(diameter, side=512 if diameter > 100 else 320, count=3 if diameter > 100 else 10)
    assert max(temseg.predict(several_scales, drawn.micrograph).working_scale) == pytest.approx(largest)


def test_a_crowd_of_very_small_particles_is_found(several_scales):
    drawn = temseg.simulate(SimulateConfig(height=256, width=256, count=130, diameter=10, touching=0.0, contrast=0.6, seed=1))
    found = temseg.predict(several_scales, drawn.micrograph)
    assert max(found.working_scale) >= 2.8
    assert len(temseg.split(found)) > 0.8 * int(drawn.instances.max())


def test_particles_too_small_to_be_seen_at_first_are_found_by_a_closer_look(several_scales):
    drawn = temseg.simulate(SimulateConfig(height=256, width=256, count=300, diameter=6, touching=0.0, support=0.05, dose=200, seed=0))
    plain = temseg.predict(several_scales, drawn.micrograph, PredictConfig(scales=several_scales.scales))
    found = temseg.predict(several_scales, drawn.micrograph)
    assert len(temseg.split(plain)) < 0.1 * int(drawn.instances.max())
    assert max(found.working_scale) > 4
    assert len(temseg.split(found)) > 0.5 * int(drawn.instances.max())


def test_a_closer_look_at_an_empty_picture_sees_nothing_new(several_scales):
    drawn = temseg.simulate(SimulateConfig(height=256, width=320, count=0, support=0.1, dose=50, seed=1))
    found = temseg.predict(several_scales, drawn.micrograph)
    assert found.working_scale == several_scales.scales
    assert len(temseg.split(found)) == 0


def test_what_somebody_says_counts_more(several_scales):
    image = scene(90).micrograph
    assert max(temseg.predict(several_scales, image, PredictConfig(typical_size=40)).working_scale) == pytest.approx(2**0.5)
    assert temseg.predict(several_scales, image, PredictConfig(scales=(0.6,), typical_size=40)).working_scale == (0.6,)


def test_reusing_what_is_known_changes_nothing(several_scales):
    image = scene(24, side=256).micrograph
    found = temseg.predict(several_scales, image, PredictConfig(precision="float32"))
    told = temseg.predict(several_scales, image, PredictConfig(precision="float32", scales=found.working_scale))
    assert np.array_equal(found.probability, told.probability)


def test_one_scale_for_all_planes_of_a_stack_whatever_comes_first(several_scales):
    planes = np.stack([scene(d, side=256, count=4).micrograph.plane() for d in (24, 80, 24)])
    stack = temseg.Micrograph(planes, axes="TYX")
    found = [temseg.iter_predict(several_scales, stack, PredictConfig(), order).drain() for order in ([0, 1, 2], [2, 1, 0])]
    assert found[0].working_scale == found[1].working_scale == OWN  # the middle plane's
    assert np.array_equal(found[0].classes, found[1].classes)


def test_nothing_seen_keeps_the_models_own_scales(several_scales):
    assert temseg.predict(several_scales, np.zeros((96, 96), np.uint8)).working_scale == OWN


def test_a_trained_model_keeps_the_scale_it_was_trained_at(several_scales, tmp_path):
    drawn = scene(24, side=256)
    model = temseg.train(
        [drawn.micrograph], [drawn.instances], base=several_scales, meaning="instances", config=replace(QUICK, validation=0.0)
    )
    assert max(model.scales) == pytest.approx(2**0.5)
    model.save(tmp_path / "mine.temseg")
    again = temseg.load(tmp_path / "mine.temseg")
    large = scene(90)
    assert temseg.predict(again, large.micrograph).working_scale == model.scales
