"""Strokes: a schedule of their own, and when they are believed against the starting model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_temseg import Micrograph, PredictConfig, Segmenter, Source, TrainConfig, iter_train, predict, simulate, split, train
from napari_temseg.engine.training import selection
from napari_temseg.engine.training.dataset import Dataset, LabelledPlane, StartingAnswer
from napari_temseg.engine.training.kept import stroke_worth
from napari_temseg.engine.training.schedule import STROKE_STEPS, steps_for
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.wording import FINISHED_AFTER, STAYS
from napari_temseg.pipeline.demo import annotator

CONFIG = TrainConfig(max_seconds=1e5, crop=64, batch=2, device="cpu", precision="float32")


def plane(labels: np.ndarray, said: np.ndarray | None = None) -> LabelledPlane:
    """`said` (Y, X): where the starting model finds particles; None: it was not asked."""
    nothing = np.zeros(labels.shape, np.float32)
    start = None if said is None else StartingAnswer(np.stack([1.0 - said, said]).astype(np.float32), nothing[:0])
    return LabelledPlane(image=nothing, labels=labels, known=labels > 0, distance=nothing, start=start)


def agreement(*planes: LabelledPlane) -> float:
    return Dataset(planes).agreement()


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_strokes_are_worth_more_steps(one, more):
    assert STROKE_STEPS <= steps_for(one) <= steps_for(one + more)


def test_strokes_are_sparse_and_masks_are_not():
    labels = np.zeros((64, 64), np.uint8)
    labels[10:14] = 1
    assert Dataset((plane(labels),)).sparse
    assert not Dataset((plane(np.ones((64, 64), np.uint8)),)).sparse
    assert not Dataset((plane(labels), plane(np.ones((64, 64), np.uint8)))).sparse


def test_agreement_is_the_iou_on_the_labels_alone():
    labels = np.zeros((8, 8), np.uint8)
    labels[0], labels[4] = 1, 2  # 8 px each
    said = np.zeros((8, 8))
    said[4, :4] = said[0, :2] = 1.0  # half of the particle, and two pixels of the background
    said[6:] = 1.0  # nobody said anything here
    assert agreement(plane(labels, said)) == pytest.approx(4 / 10)
    assert agreement(plane(labels, said), plane(labels, (labels == 2).astype(float))) == pytest.approx(12 / 18)
    assert math.isnan(agreement(plane(labels)))
    assert math.isnan(agreement(plane(np.where(labels == 2, 0, labels), 0 * said)))


@pytest.fixture(scope="module")
def faint():
    """Faint particles that the shipped model misses in part, and strokes on what it gets wrong."""
    return simulate(SimulateConfig(mode="HAADF", height=256, width=256, count=24, diameter=30, contrast=0.25, support=0.1, dose=40, seed=0))


def test_a_few_strokes_end_by_themselves_whatever_the_time(tiny, faint):
    labels = annotator(np.ones(faint.instances.shape, np.uint8), faint.instances)
    record = train([faint.micrograph], [labels], base=tiny, config=CONFIG).history[-1]
    assert record["steps"] <= steps_for(16)
    bare = train(
        [faint.micrograph.data], [labels], base=replace(tiny, scales=(1.0, 0.5)), config=replace(CONFIG, max_steps=2, validation=0)
    )
    assert bare.history[-1]["best_step"] == 2
    assert (bare.fixed_scale, bare.scales) == (False, (1.0, 0.5))  # it still looks for the scale of each picture
    again = Segmenter.from_parts(bare.metadata(), bare.tensors())
    assert (again.fixed_scale, again.content_hash()) == (False, bare.content_hash())
    longer = train([faint.micrograph], [labels], base=tiny, config=replace(CONFIG, validation=0, max_steps=steps_for(16) + 5))
    assert longer.history[-1]["steps"] == steps_for(16) + 5  # who does without a validation part says how long


def test_strokes_where_the_model_is_wrong_are_believed(particles, faint, monkeypatch):
    said = predict(particles, faint.micrograph, PredictConfig(precision="float32", device="cpu"))
    labels = annotator(said.classes, faint.instances)
    config = replace(CONFIG, crop=128, batch=4, max_steps=24)
    monkeypatch.setattr(selection, "MATERIAL_IOU", 2.0)  # nothing that is held out could ever show such a gain
    model = train([faint.micrograph], [labels], base=particles, config=config)
    record = model.history[-1]
    assert record["best_step"] > 0
    assert model.finds_scale  # though the micrograph is calibrated: which size is meant is told or found, picture by picture
    assert any("half way between" in note for note in record["notes"])

    def iou(prediction):
        found, truth = prediction.classes > 1, faint.instances > 0
        return (found & truth).sum() / (found | truth).sum()

    assert iou(predict(model, faint.micrograph)) > iou(said) + 0.005
    # strokes that say what the model says already are not
    agreed = np.where(np.arange(256) % 16 == 0, np.where((said.classes > 1) == (faint.instances > 0), said.classes, 0), 0).astype(np.uint8)
    job = iter_train([Micrograph(faint.micrograph.data)], [agreed], base=particles, config=config)
    assert [progress.metrics["agreed"] for progress in job if "agreed" in progress.metrics] == [1.0]
    kept = job.result
    assert kept.history[-1]["best_step"] == 0
    assert kept.content_hash() == particles.content_hash()
    # what was learnt goes with it, for who wants to look at it; not into its file
    learnt = kept.unused
    assert learnt.content_hash() not in (particles.content_hash(), model.content_hash())
    assert learnt.unused is None
    assert iou(predict(learnt, faint.micrograph)) > 0.5
    assert "unused" not in kept.metadata()
    assert model.unused is None
    # … and so does what strokes do not speak for
    monkeypatch.setattr(stroke_worth, "WORTH_IT", 2.0)  # whatever it is worth
    job = iter_train([faint.micrograph], [labels], base=particles, config=replace(config, max_steps=40))
    for progress in job:
        assert not progress.metrics.get("agreed")
        if progress.metrics.get("now") == 4:
            job.finish()
    refused = job.result
    assert FINISHED_AFTER.format(4, 40) in refused.history[-1]["notes"]
    assert any(note.startswith(STAYS) for note in refused.history[-1]["notes"])
    assert refused.content_hash() == particles.content_hash() != refused.unused.content_hash()


def test_a_micrograph_whose_strokes_are_still_contradicted_is_named(particles, faint, monkeypatch):
    labels = annotator(np.ones(faint.instances.shape, np.uint8), faint.instances)
    other = Micrograph(faint.micrograph.data, source=Source("upside_down.tif"))
    monkeypatch.setattr(selection, "MATERIAL_IOU", -2.0)  # whatever is learnt is kept …
    monkeypatch.setattr(stroke_worth, "WORTH_IT", -9.0)  # … however much it changes elsewhere
    config = replace(CONFIG, max_steps=2)
    model = train([faint.micrograph, other], [labels, np.where(labels > 0, 3 - labels, 0)], base=particles, config=config)
    told = [note for note in model.history[-1]["notes"] if "contradicts your labels" in note]
    assert [note.partition(":")[0] for note in told] == [other.name]


def test_strokes_on_three_small_particles_leave_those_that_look_like_them(particles):
    """What covers little of a picture is held to as much as its background, and a training that turns it over is not taken."""
    drawn = simulate(SimulateConfig(height=256, width=256, count=8, diameter=16, contrast=0.5, seed=3))
    labels, numbers = np.zeros((256, 256), np.uint8), np.unique(drawn.instances)[1:]
    for number in numbers[:4]:
        y, x = (int(value) for value in np.argwhere(drawn.instances == number).mean(axis=0))
        labels[max(y - 3, 0) : y + 4, x] = 2 if number == numbers[3] else 1
    config = replace(CONFIG, crop=128, batch=4, max_steps=24, typical_size=16.0)
    model = train([drawn.micrograph], [labels], base=particles, config=config)
    found = split(predict(model, drawn.micrograph, PredictConfig(precision="float32", typical_size=16.0))).labels > 0
    assert all(found[drawn.instances == number].mean() > 0.5 for number in numbers[4:])
