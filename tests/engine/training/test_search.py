"""Tuning: trials within the budget, the best rate wins, what was tried is told."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg import Micrograph, TrainConfig, iter_train, train
from napari_temseg.engine.training.search import candidates

QUICK = TrainConfig(max_seconds=1e5, max_steps=20, crop=64, batch=2, evaluate_every=1, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def dense(discs):
    return discs(128, 160)


def test_six_settings_are_halved_and_the_best_goes_on(tiny, dense):
    model = train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True)
    record = model.history[-1]
    tried = record["tuned"]
    assert len(tried) == 6
    assert {(trial["learning_rate"], trial["batch"]) for trial in tried} == {
        (settings.learning_rate, settings.batch) for settings in candidates(QUICK)
    }
    assert (2e-3, QUICK.batch) in {(trial["learning_rate"], trial["batch"]) for trial in tried}
    assert [trial["rounds"] for trial in tried] == [2, 2, 2, 1, 1, 1]
    assert [trial["step"] for trial in tried] == [2, 2, 2, 1, 1, 1]
    best = max(tried[:3], key=lambda trial: (round(trial["validation_iou"], 4), -trial["validation_loss"]))
    assert best is tried[0]
    assert (record["config"]["learning_rate"], record["config"]["batch"]) == (best["learning_rate"], best["batch"])
    assert record["config"]["max_seconds"] == pytest.approx(0.6 * QUICK.max_seconds)
    assert [point["step"] for point in record["curve"][:3]] == [0, 1, 2]
    assert 2 < record["steps"] <= QUICK.max_steps


def test_the_search_keeps_to_its_share_of_the_time(tiny, dense, slow_steps):
    config = TrainConfig(max_seconds=60, crop=64, batch=1, evaluate_every=5, patience=1000, device="cpu", precision="float32")
    job = iter_train(*dense, base=tiny, config=config, meaning="instances", tune=True)
    slow_steps(job)
    searched = next(progress.elapsed for progress in job if "step" in progress.metrics)
    tried = job.drain().history[-1]["tuned"]
    assert [trial["step"] for trial in tried] == [6, 6, 6, 2, 2, 2]  # six take 2 of the 12 s of a round, the better three 4
    assert searched == 6 * 2 + 3 * 4 == 0.4 * config.max_seconds


def test_the_settings_stay_within_their_bounds():
    tried = candidates(TrainConfig(learning_rate=0.9, batch=256))
    assert {settings.batch for settings in tried} == {256}
    assert sorted(settings.learning_rate for settings in tried) == pytest.approx([0.225, 0.9, 1.0])


def test_without_a_validation_part_it_says_so(tiny):
    labels = np.zeros((96, 96), np.uint8)
    labels[20:24, 20:60], labels[70:74, 20:60] = 1, 2
    model = train(np.random.default_rng(0).normal(size=(96, 96)), labels, base=tiny, config=QUICK, tune=True)
    assert "no tuning" in model.history[-1]["tuned"]
    assert model.history[-1]["steps"] == 20


@pytest.mark.parametrize("wait", [1, 9, 20])
def test_progress_rises_and_finishing_keeps_the_best(tiny, dense, wait):
    job = iter_train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True)
    seen = []
    for progress in job:
        seen.append((("prepare", "train", "check").index(progress.stage), progress.fraction))
        if len(seen) == wait:
            job.finish()
    assert seen == sorted(seen)  # each stage by itself
    record = job.result.history[-1]
    assert record["steps"] <= 2
    assert record["tuned"][0]["rounds"] in (1, 2)
    points = [point["step"] for point in record["curve"]]
    assert points == sorted(set(points))


def test_only_the_last_training_is_shown_and_drawn(tiny, dense):
    job = iter_train(*dense, base=tiny, config=QUICK, meaning="instances", tune=True, look=lambda: Micrograph(dense[0]))
    seen = list(job)
    points = [progress.metrics["step"] for progress in seen if "step" in progress.metrics]
    assert points == [point["step"] for point in job.result.history[-1]["curve"]]
    previews = [progress.fraction for progress in seen if progress.preview is not None]
    assert len(previews) >= 2
    assert previews[0] >= 0.4
