"""Find a learning rate by short trials within the time budget, then train with the best."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from napari_temseg.engine.annotations import Annotations
from napari_temseg.engine.config import TrainConfig
from napari_temseg.engine.preview import Look
from napari_temseg.engine.progress import Control, Job, Progress
from napari_temseg.engine.segmenter import Segmenter
from napari_temseg.engine.training import iter_train

RATES = (5e-4, 2e-3, 5e-3)
TRIAL = 0.1  # share of the time budget for each


def iter_tune(annotations: Annotations, base: Segmenter | None, config: TrainConfig, look: Look | None = None) -> Job[Segmenter]:
    """Like `iter_train`, with a tenth of the budget for each of three learning rates first; what was tried is in the model's history.

    Judged on the validation part; where the labels do not suffice for one, it says so and trains with the rate of `config`.
    Trials add no points to the curves and show no previews.
    """

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        tried: list[dict[str, Any]] = []
        for index, rate in enumerate(RATES):
            trial = replace(
                config, max_seconds=config.max_seconds * TRIAL, max_steps=max(1, round(config.max_steps * TRIAL)), learning_rate=rate
            )
            model = yield from _follow(
                iter_train(annotations, base, trial), control, index * TRIAL, TRIAL, f"trying learning rate {rate:g}"
            )
            points = [point for point in model.history[-1]["curve"] if "validation_iou" in point]
            if not points:
                tried = []
                break
            best = max(points, key=lambda point: (point["validation_iou"], -point["validation_loss"]))
            tried.append({"learning_rate": rate, "validation_iou": best["validation_iou"], "validation_loss": best["validation_loss"]})
            if control.finishing:
                return model
        spent = TRIAL * len(tried)
        chosen = config
        if tried:
            winner = max(tried, key=lambda trial: (round(trial["validation_iou"], 4), -trial["validation_loss"]))
            chosen = replace(config, learning_rate=winner["learning_rate"], max_seconds=config.max_seconds * (1 - spent))
        model = yield from _follow(iter_train(annotations, base, chosen, look), control, spent, 1 - spent, "")
        note = "no tuning: it needs a validation part, and the labels do not suffice for one"
        model.history[-1]["tuned"] = tried or note
        return model

    return Job(steps)


def _follow(job: Job[Segmenter], control: Control, start: float, share: float, prefix: str) -> Generator[Progress, None, Segmenter]:
    for progress in job:
        if control.finishing:
            job.finish()
        message = ": ".join(part for part in (prefix, progress.message) if part)
        metrics = {name: value for name, value in progress.metrics.items() if name != "step"} if prefix else progress.metrics
        yield replace(progress, fraction=start + share * progress.fraction, message=message, elapsed=control.elapsed, metrics=metrics)
    return job.result
