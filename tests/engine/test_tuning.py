"""Tuning: trials within the budget, the best rate wins, what was tried is told."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg import Micrograph, TrainConfig, iter_train, train
from napari_temseg.engine.tuning import RATES

QUICK = TrainConfig(max_seconds=1e5, max_steps=20, crop=64, batch=2, evaluate_every=1, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def dense(discs):
    return discs(128, 160)


def test_every_rate_is_tried_and_the_best_is_used(tiny, dense):
    model = train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True)
    record = model.history[-1]
    assert [trial["learning_rate"] for trial in record["tuned"]] == list(RATES)
    best = max(record["tuned"], key=lambda trial: (round(trial["validation_iou"], 4), -trial["validation_loss"]))
    assert record["config"]["learning_rate"] == best["learning_rate"]
    assert record["config"]["max_seconds"] == pytest.approx(0.7 * QUICK.max_seconds)


def test_without_a_validation_part_it_says_so(tiny):
    labels = np.zeros((96, 96), np.uint8)
    labels[20:24, 20:60], labels[70:74, 20:60] = 1, 2
    model = train(np.random.default_rng(0).normal(size=(96, 96)), labels, base=tiny, config=QUICK, tune=True)
    assert "no tuning" in model.history[-1]["tuned"]
    assert model.history[-1]["steps"] == 20


def test_progress_rises_and_finishing_keeps_the_best(tiny, dense):
    job = iter_train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True)
    seen = []
    for progress in job:
        seen.append(progress.fraction)
        if progress.metrics:
            job.finish()
    assert seen == sorted(seen)
    assert job.result.history[-1]["steps"] <= 2


def test_only_the_last_training_is_shown_and_drawn(tiny, dense):
    job = iter_train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True, look=lambda: Micrograph(dense[0]))
    seen = list(job)
    points = [progress.metrics["step"] for progress in seen if "step" in progress.metrics]
    assert points == [point["step"] for point in job.result.history[-1]["curve"]]
    previews = [progress.fraction for progress in seen if progress.preview is not None]
    assert len(previews) >= 2
    assert previews[0] >= 0.3 - 1e-9
