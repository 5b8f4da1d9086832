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
from napari_temseg.engine.training.checkpoint import Saving, Store
from napari_temseg.engine.training.loop import Session
from napari_temseg.engine.training.preview import Look
from napari_temseg.engine.training.starting_model import prepared
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped

SHARE = 0.4  # of the budget, for the whole search
LEAST = 5  # steps of a trial on strokes, whose whole training is short
ROUNDS = (6, 3)  # candidates that take part in each round; the rounds share the time equally
RATES, BATCHES = (0.25, 1.0, 2.5), (1, 2)  # × the learning rate and the batch of the settings
HIGHEST_RATE, LARGEST_BATCH = 1.0, 256


@dataclass(eq=False)
class _Trial:
    """Settings, the training with them (before and after its part in the search: the one that all start from), and how far it got."""

    settings: TrainConfig
    session: Session
    rounds: int = 0
    figures: dict[str, float] = field(default_factory=dict)

    def score(self) -> tuple[int, float, float]:
        """Further is better, then the IoU, and the loss between equals."""
        return self.rounds, round(self.figures.get("validation_iou", 0.0), 4), -self.figures.get("validation_loss", math.inf)

    def record(self) -> dict[str, Any]:
        """For the history."""
        return {"learning_rate": self.settings.learning_rate, "batch": self.settings.batch, "rounds": self.rounds, **self.figures}


def iter_tune(
    annotations: Annotations, base: Segmenter | None, config: TrainConfig, look: Look | None = None, store: Store | None = None
) -> Job[Segmenter]:
    """Like `iter_train`, with a search of learning rate and batch in the first two fifths of the budget.

    Judged on the validation part; where the labels do not suffice for one, it says so and trains as `config` says. `tuned` in the
    model's last record lists what was tried, the best first: learning rate, batch, rounds, steps, validation IoU and loss.
    Trials show no previews and leave no checkpoint, and the curves begin when the winner is known.
    """
    annotations.check()

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        saving = Saving(store, annotations, base, config, tune=True)
        found = saving.found()
        planes = yield from prepared(annotations, base, config, control)
        session = Session(annotations, base, config, planes)
        yield Progress("prepare", 0.0, f"{session.parts.sentence}; {session.learner.device.plain()}", control.elapsed, session.facts())
        if not session.parts.validation:
            session.tuned = "no tuning: it needs a validation part, and the labels do not suffice for one"
            if found is not None:
                yield from session.go_on(found, saving, control)
            return (yield from session.run(control, look, saving))
        if found is None:
            yield from mapped(session.judged(control), partial(_untold, fraction=0.0, prefix="the starting model"))
            winner, tried = yield from _search(session, config, control)
            winner.tuned = tried
            yield from mapped(winner.points(), _after_search)
        else:
            winner = session
            yield from mapped(winner.go_on(found, saving, control), _after_search)
        winner.config = replace(winner.config, max_seconds=max(0.1, (1 - SHARE) * config.max_seconds))
        return (yield from mapped(winner.run(control, look, saving), _after_search))

    return Job(steps)


def candidates(config: TrainConfig) -> list[TrainConfig]:
    """The settings that are tried, those of `config` first."""
    rates = dict.fromkeys(min(HIGHEST_RATE, share * (config.learning_rate or 2e-3)) for share in RATES)
    batches = dict.fromkeys(min(LARGEST_BATCH, share * config.batch) for share in BATCHES)
    pairs = sorted(product(rates, batches), key=lambda pair: pair != (config.learning_rate or 2e-3, config.batch))
    return [replace(config, learning_rate=rate, batch=batch) for rate, batch in pairs]


def _search(start: Session, config: TrainConfig, control: Control) -> Generator[Progress, None, tuple[Session, list[dict[str, Any]]]]:
    """The best candidate as it stands, and what was tried, the best first; it ends early when its time is up or it is asked to finish."""
    trials, share = [_Trial(settings, start) for settings in candidates(config)], SHARE / len(ROUNDS)
    longest, least = start.limit(validated=True), LEAST if start.sparse else 1
    until = control.elapsed + SHARE * config.max_seconds
    for number, size in enumerate(ROUNDS, start=1):
        entrants, kept = trials[:size], (*ROUNDS, 1)[number]
        seconds, steps = (limit * share / size for limit in (config.max_seconds, longest))
        for index, trial in enumerate(entrants):
            if (control.finishing or control.elapsed > until) and trials[0].rounds:
                break
            if trial.session is start:
                trial.session = start.variant(trial.settings)
            told = partial(_untold, fraction=share * (number - 1 + index / len(entrants)), prefix=named(trial.record()))
            yield from mapped(trial.session.trial(control, seconds, max(least, round(steps)), least), told)
            trial.rounds = number
            trial.figures = {name: trial.session.curve[-1][name] for name in ("step", "validation_iou", "validation_loss")}
            done = sorted((each for each in entrants if each.rounds == number), key=_Trial.score, reverse=True)
            for loser in done[kept:]:
                loser.session = start  # its own network is not needed any more
        trials.sort(key=_Trial.score, reverse=True)
    return trials[0].session, [trial.record() for trial in trials if trial.rounds]


def named(trial: dict[str, Any]) -> str:
    """A candidate for people."""
    return f"learning rate {trial['learning_rate']:g}, batch {trial['batch']}"


def _after_search(progress: Progress) -> Progress:
    return replace(progress, fraction=SHARE + (1 - SHARE) * progress.fraction)


def _untold(progress: Progress, fraction: float, prefix: str) -> Progress:
    """Progress of the search: none of its points belong to the curves yet."""
    return replace(progress, fraction=fraction, message=f"trying {prefix}", metrics={})
