"""Find a learning rate and a batch size by a short search within the time budget, then train on with the best.

Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943): six candidates take a few steps each, the better half goes on, and the
best of those is trained to the end. Nothing is trained twice: each goes on from where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training.checkpoint import CheckpointStore
from napari_temseg.engine.training.loop import TrainingRun, begun, within
from napari_temseg.engine.training.preview import Look
from napari_temseg.engine.training.schedule import step_limit
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped

SEARCH_SHARE = 0.4  # of the budget, for the whole search
LEAST_STROKE_STEPS = 5  # of a trial on strokes, whose whole training is short
ROUNDS = (6, 3)  # candidates that take part in each round; the rounds share the time equally
RATES, BATCHES = (0.25, 1.0, 2.5), (1, 2)  # × the learning rate and the batch of the settings
HIGHEST_RATE, LARGEST_BATCH = 1.0, 256


@dataclass(eq=False)
class _Trial:
    """Settings, the training with them (before and after its part in the search: the one that all start from), and how far it got."""

    settings: TrainConfig
    run: TrainingRun
    rounds: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def score(self) -> tuple[int, float, float]:
        """Further is better, then the IoU, and the loss between equals."""
        return self.rounds, round(self.metrics.get("validation_iou", 0.0), 4), -self.metrics.get("validation_loss", math.inf)

    def record(self) -> dict[str, Any]:
        """For the history."""
        return {"learning_rate": self.settings.learning_rate, "batch": self.settings.batch, "rounds": self.rounds, **self.metrics}


def iter_tune(task: TrainingTask, look: Look | None = None, store: CheckpointStore | None = None) -> Job[Segmenter]:
    """Like `iter_train`, with a search of learning rate and batch in the first two fifths of the budget.

    Judged on the validation part; where the labels do not suffice for one, it says so and trains as the settings say. `tuned` in the
    model's last record lists what was tried, the best first: learning rate, batch, rounds, steps, validation IoU and loss.
    Trials show no previews and leave no checkpoint, and the curves begin when the winner is known.
    """
    task = replace(task, tune=True)
    task.annotations.check()

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        winner, found = yield from begun(task, store, control)
        if not winner.data.split.validation:
            winner.course.tuned = "no tuning: it needs a validation part, and the labels do not suffice for one"
            if found is not None:
                yield from winner.go_on(found)
            return (yield from winner.run(look))
        if found is None:
            yield from mapped(
                winner.first_point(), partial(_untold, fraction=0.0, prefix="the starting model", seconds=task.config.max_seconds)
            )
            winner, tried = yield from _search(winner)
            winner.course.tuned = tried
            yield from mapped(winner.points(), _after_search)
        else:
            yield from mapped(winner.go_on(found), _after_search)
        seconds = max(0.1, (1 - SEARCH_SHARE) * task.config.max_seconds)
        winner.learner.config = replace(winner.config, max_seconds=seconds)
        return (yield from mapped(winner.run(look), _after_search))

    return Job(steps)


def candidates(config: TrainConfig) -> list[TrainConfig]:
    """The settings that are tried, those of `config` first."""
    rates = dict.fromkeys(min(HIGHEST_RATE, share * (config.learning_rate or 2e-3)) for share in RATES)
    batches = dict.fromkeys(min(LARGEST_BATCH, share * config.batch) for share in BATCHES)
    pairs = sorted(product(rates, batches), key=lambda pair: pair != (config.learning_rate or 2e-3, config.batch))
    return [replace(config, learning_rate=rate, batch=batch) for rate, batch in pairs]


def _search(start: TrainingRun) -> Generator[Progress, None, tuple[TrainingRun, list[dict[str, Any]]]]:
    """The best candidate as it stands, and what was tried, the best first; it ends early when its time is up or it is asked to finish."""
    config, control, share = start.config, start.control, SEARCH_SHARE / len(ROUNDS)
    trials = [_Trial(settings, start) for settings in candidates(config)]
    longest, least = step_limit(start.data, config), LEAST_STROKE_STEPS if start.data.strokes else 1
    until = control.elapsed + SEARCH_SHARE * config.max_seconds
    for number, size in enumerate(ROUNDS, start=1):
        entrants, kept = trials[:size], (*ROUNDS, 1)[number]
        seconds, steps = (limit * share / size for limit in (config.max_seconds, longest))
        for index, trial in enumerate(entrants):
            if (control.finishing or control.elapsed > until) and trials[0].rounds:
                break
            if trial.run is start:
                trial.run = start.variant(trial.settings)
            done = share * (number - 1 + index / len(entrants))
            told = partial(_untold, fraction=done, prefix=named(trial.record()), seconds=config.max_seconds)
            yield from mapped(trial.run.trial(seconds, max(least, round(steps)), least), told)
            trial.rounds = number
            trial.metrics = {name: trial.run.course.curve[-1][name] for name in ("step", "validation_iou", "validation_loss")}
            first = sorted((each for each in entrants if each.rounds == number), key=_Trial.score, reverse=True)
            for loser in first[kept:]:
                loser.run = start  # its own network is not needed any more
        trials.sort(key=_Trial.score, reverse=True)
    return trials[0].run, [trial.record() for trial in trials if trial.rounds]


def named(trial: dict[str, Any]) -> str:
    """A candidate for people."""
    return f"learning rate {trial['learning_rate']:g}, batch {trial['batch']}"


def _after_search(progress: Progress) -> Progress:
    return replace(progress, fraction=SEARCH_SHARE + (1 - SEARCH_SHARE) * progress.fraction)


def _untold(progress: Progress, fraction: float, prefix: str, seconds: float) -> Progress:
    """Progress of the search, in a training of so many seconds: none of its points belong to the curves yet."""
    return within(seconds, replace(progress, fraction=fraction, message=f"trying {prefix}", metrics={}))
