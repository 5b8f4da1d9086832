"""What is kept of a training: how large and how sure its particles are, and which sizes it goes by."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import napari_temseg as temseg
from napari_temseg.engine.training.crops import Crops
from napari_temseg.engine.training.kept.edges import put_back
from napari_temseg.engine.training.kept.stroke_worth import sure_classes
from napari_temseg.engine.training.kept.sureness import as_sure_as_right
from napari_temseg.engine.training.loop import TrainingRun, begun
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.confidence import KEPT_FROM
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.progress import Job

QUIET = TrainConfig(max_seconds=1e5, max_steps=1, typical_size=18.0, device="cpu", precision="float32")
HEAD = "segmentation_head.0."
Head = dict[str, torch.Tensor]


def ended(steps: Generator[Any, None, Any]) -> Any:
    return Job(lambda _: steps).drain()


def run_on(image: np.ndarray, labels: np.ndarray, meaning: str) -> TrainingRun:
    task = TrainingTask(Annotations.collect([image], [labels], meaning=meaning), temseg.load("particles"), QUIET)
    run, _ = Job(lambda control: begun(task, None, control)).drain()
    return run


def with_class(tensors: Head, *, times: float = 1.0, plus: float = 0.0) -> Head:
    """The class output, which comes first, changed."""
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    for name, more in (("weight", 0.0), ("bias", plus)):
        changed[HEAD + name][:1] = times * changed[HEAD + name][:1] + more
    return changed


@pytest.mark.parametrize("moved", [{"plus": 1.5}, {"plus": -1.0}, {"times": 0.4}, {"times": 0.5, "plus": 1.0}])
def test_a_training_on_strokes_leaves_particles_as_large_and_as_sure_as_before(discs, moved):
    image, instances = discs(128, 160)
    strokes = np.where(np.arange(160) % 32 == 16, np.where(instances > 0, 2, 0), 0).astype(np.uint8)
    strokes[:3, :40] = 1
    run = run_on(image, strokes, "classes")
    parts, learner = run.data.weighed(), run.learner
    said = [learner.said(part) for part in parts]
    kept = [sure_classes(each, KEPT_FROM) for each in said]
    changed = with_class(learner.start, **moved)
    learner.load(changed)
    others = [learner.said(part) for part in parts]
    learner.load(ended(put_back(learner, changed, parts, said, kept)))
    for before, spoilt, then in zip(said, others, (learner.said(part) for part in parts), strict=True):
        area, off, now = ((each[1] > 0.5).sum() for each in (before, spoilt, then))
        assert abs(now - area) <= 0.02 * area
        assert "plus" not in moved or abs(off - area) > 0.04 * area
        inside = (before[1] > 0.5) & (then[1] > 0.5)
        assert then[1][inside].mean() == pytest.approx(before[1][inside].mean(), abs=0.03)


def test_what_a_training_on_labels_finds_rightly_is_sure_enough_to_be_kept(discs):
    image, instances = discs(128, 160)
    run = run_on(image, instances, "instances")
    (part,), learner = run.data.planes.labelled, run.learner
    doubting = with_class(learner.start, times=0.2)
    learner.load(doubting)
    doubted = learner.said(part)
    assert not (sure_classes(doubted, KEPT_FROM) == 2).any()
    learner.load(ended(as_sure_as_right(learner, run.data, doubting, ())))
    surer = learner.said(part)
    assert len(np.unique(instances[sure_classes(surer, KEPT_FROM) == 2])) >= 18  # of 20
    np.testing.assert_array_equal(surer.argmax(0), doubted.argmax(0))  # edges stay
    # a model that is sure already is left as it is
    same = ended(as_sure_as_right(learner, run.data, learner.start, ()))
    assert all(torch.equal(same[name], tensor) for name, tensor in learner.start.items())


def test_a_model_trained_on_calibrated_pictures_looks_for_the_size_that_is_told(discs):
    image, instances = discs(128, 160)
    nm = temseg.Micrograph(image, calibration=temseg.Calibration((2.0, 2.0), "typed"))
    labels = np.where(instances > 0, 2, 1).astype(np.uint8)
    # without a validation part what was learnt is kept
    own = temseg.train([nm], [labels], base="particles", config=replace(QUIET, validation=0.0))
    assert own.content_hash() != temseg.load("particles").content_hash()
    assert own.finds_scale
    for size in (9.0, 40.0):
        assert temseg.predict(own, nm, temseg.PredictConfig(typical_size=size, exact_size=True)).size == pytest.approx(size, rel=0.01)


def test_pictures_of_different_sizes_are_each_learnt_at_the_scale_that_suits_them(discs):
    pairs = [discs(128, 160, radius=6.0), discs(256, 320, 64, radius=18.0)]
    task = TrainingTask(
        Annotations.collect(*zip(*pairs, strict=True), meaning="instances"), temseg.load("particles"), replace(QUIET, typical_size=None)
    )
    run, _ = Job(lambda control: begun(task, None, control)).drain()
    fine, coarse = (plane.scales[0] for plane in run.data.planes.labelled)
    assert fine / coarse == pytest.approx(3.0, rel=0.3)
    assert [levels[0] for levels in run.learner.crops.levels[:2]] == [fine, coarse]
    assert [run.learner.scales_for(plane)[0] for plane in run.data.planes.labelled] == [fine, coarse]
    planes = run.data.planes.labelled
    assert Crops(planes, QUIET, (1.0, 0.7)).levels == [(1.0, 0.7)] * 2  # of a model with working scales of its own


def test_a_new_decoder_looks_for_what_it_was_taught_whatever_the_band_was(banded, discs):
    image, instances = discs(128, 160)
    nm = temseg.Calibration((2.0, 2.0), "typed")
    config = replace(QUIET, max_steps=2, typical_size=None, crop=64, batch=2)
    own = temseg.train([temseg.Micrograph(image, calibration=nm)], [instances], meaning="instances", base=banded, config=config)
    assert any("began anew" in note for note in own.history[-1]["notes"])
    assert own.taught_size / own.scales[0] == pytest.approx(18.0, rel=0.12)
    assert temseg.Segmenter.from_parts(own.metadata(), own.tensors()).taught_size == own.taught_size
    for told in (None, 50.0):  # which is another matter
        found = temseg.predict(own, temseg.Micrograph(image, calibration=nm), temseg.PredictConfig(typical_size=told))
        assert found.size == pytest.approx(18.0, rel=0.12)
    coarse = temseg.Micrograph(image[::2, ::2], calibration=temseg.Calibration((4.0, 4.0), "typed"))
    assert temseg.predict(own, coarse).size == pytest.approx(9.0, rel=0.12)
