"""One prediction split with other settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.other_splits import whole_sizes
from napari_temseg.engine.particles.other_splits import iter_other_splits, other_settings
from napari_temseg.engine.particles.splitting import Splittable, split_of


@pytest.fixture
def prediction():
    """A pair of discs that overlap a little, one that stands alone and one cut by the frame."""
    y, x = np.mgrid[:80, :160]
    mask = np.zeros((80, 160), bool)
    for cy, cx, r in ((40, 40, 14), (40, 62, 14), (40, 120, 10), (0, 150, 8)):
        mask |= np.hypot(y - cy, x - cx) <= r
    return temseg.Prediction.of_classes(mask + 1, temseg.Micrograph(np.zeros(mask.shape)))


def test_every_setting_steps_both_ways_and_stays_within_bounds():
    for strength in (0.1, 0.5, 0.99):
        for name, step, other in other_settings(temseg.SplitConfig(strength=strength, threshold=0.9, certainty=0.95)):
            base = {"strength": strength, "threshold": 0.9, "certainty": 0.95}[name]
            assert 0 <= getattr(other, name) <= 1
            assert (getattr(other, name) > base) == ("more" in step)


def test_sizes_come_with_the_measurement_and_follow_the_splitting(prediction):
    measured = temseg.measure(temseg.split(prediction), other_splits=True)
    by_key = {other.key: other for other in measured.other_splits}
    whole = measured.table[~measured.table.frame]
    assert sorted(by_key["as found"].diameter) == pytest.approx(sorted(whole.ecd_px))
    assert len(by_key["strength much less"].diameter) <= len(by_key["strength much more"].diameter)
    assert by_key["strength less"].value == pytest.approx(0.4)
    summary = temseg.size_distribution(measured).summary()
    assert summary["segmentation"]["splits"]["as found"]["d50"] == pytest.approx(summary["d50"])


def test_whole_sizes_of_a_stack_and_of_nothing(prediction):
    planes = [prediction, prediction]
    image = temseg.Micrograph(np.zeros((2, 80, 160)), "NYX")
    stack = temseg.split(temseg.Prediction.gathered(planes, image))
    one, two = whole_sizes(temseg.split(prediction)), whole_sizes(stack)
    assert sorted([*one[0], *one[0]]) == sorted(two[0])
    assert sorted(map(tuple, [*one[1], *one[1]])) == sorted(map(tuple, two[1]))
    nothing = temseg.Prediction.of_classes(np.ones((8, 8), int), temseg.Micrograph(np.zeros((8, 8))))
    diameter, box = whole_sizes(temseg.split(nothing))
    assert len(diameter) == 0
    assert box.shape == (0, 2)


@pytest.mark.parametrize("learnt", [True, False])
def test_what_splittings_share_changes_none_of_them(prediction, learnt):
    rng = np.random.default_rng(0)
    if learnt:
        probability = prediction.probability * rng.uniform(0.5, 1, prediction.probability.shape[1:]).astype(np.float16)
        auxiliary = {"distance": rng.random(prediction.classes.shape).astype(np.float16)}
        prediction = replace(prediction, probability=probability, auxiliary=auxiliary, size=24.0, depth_taught=True)
    base = temseg.SplitConfig(certainty=0.3)
    settings = [base, *(other for _, _, other in other_settings(base)), replace(base, min_diameter=9.0), replace(base, smoothing=3.0)]
    shared = Splittable(prediction)
    for index in rng.integers(0, len(settings), 60):
        together, alone = split_of(shared, settings[index]), temseg.split(prediction, settings[index])
        np.testing.assert_array_equal(together.labels, alone.labels)
        assert together.table.equals(alone.table)
        assert together.uncertain == alone.uncertain
    particles = split_of(shared, base)
    for together, alone in zip(iter_other_splits(particles, single=shared).drain(), iter_other_splits(particles).drain(), strict=True):
        assert together.key == alone.key
        np.testing.assert_array_equal(together.diameter, alone.diameter)
