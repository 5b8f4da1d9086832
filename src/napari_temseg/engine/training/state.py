"""One training between two steps, as data: what the next step depends on, and how far it came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from napari_temseg.engine.training.checkpoint import Checkpoint
from napari_temseg.engine.training.losses import TrainingMetrics

Tensors = dict[str, torch.Tensor]
NETWORK, BEST, OPTIMISER, RANDOM = "network", "best", "optimiser", "random"  # what tensors belong to, the first part of their names
# Of what is written beside the tensors: what belongs to the learner, and what to the course as it is; all else is converted.
_LEARNER = ("new_decoder", "frozen", "batch", "settings", "crops")
_COURSE = ("steps", "best_step", "waited", "share", "spent", "opening", "cost", "tuned", "wind_down", "judged")


@dataclass(frozen=True, eq=False)
class LearnerState:
    """Of the network: its tensors and those of its optimiser (by "PARAMETER/NAME"), on the CPU, and where its random draws are.

    `settings` are the learning rate and batch that a search may have found, `batch` is the size that memory sufficed for, `crops` holds
    the generator's state (`rng`) and the `turn`; `random` is the state of torch's generator, where it is drawn from.
    """

    network: Tensors
    optimiser: Tensors
    random: torch.Tensor | None
    new_decoder: bool
    frozen: bool
    batch: int
    settings: dict[str, Any]
    crops: dict[str, Any]


@dataclass(eq=False)
class TrainingCourse:
    """How a training goes: the curve, what was noted, the best network so far. The loop writes it."""

    best: Tensors
    best_step: int = 0
    best_score: tuple[float, float] = (-1.0, -math.inf)  # IoU, −loss
    steps: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    metrics: TrainingMetrics = field(default_factory=TrainingMetrics)  # since the last point of the curve
    share: float = 0.0  # of the budget that is spent
    waited: int = 0  # regular evaluations since the best
    wind_down: tuple[int, float] | None = None  # step and share at which patience was at its end
    tuned: Any = None  # what a search of the settings tried, the best first
    spent: float = 0.0  # s, in earlier starts
    opening: float = 0.0  # s, until the first step
    cost: float = 0.0  # s, of the newest point of the curve
    judged: float = 0.0  # px of what is held out that are looked at, where the time does not suffice for all of it

    def copied(self) -> TrainingCourse:
        """One that goes its own way from here."""
        return replace(self, curve=list(self.curve), notes=list(self.notes), metrics=TrainingMetrics())


@dataclass(frozen=True, eq=False)
class TrainState:
    """The learner and the course: with the same task and data, training goes on from here as if it had not stopped."""

    learner: LearnerState
    course: TrainingCourse

    def to_checkpoint(self, identity: Mapping[str, Any], start: Tensors) -> Checkpoint:
        """As it is written down; of network and best only the tensors that are not those of the `start`."""
        learner, course = self.learner, self.course
        facts = {
            **{name: getattr(learner, name) for name in _LEARNER},
            **{name: getattr(course, name) for name in _COURSE},
            "best_score": list(course.best_score),
            "curve": [dict(point) for point in course.curve],
            "notes": list(course.notes),
            "figures": asdict(course.metrics),
        }
        tensors = _changed(NETWORK, learner.network, start) | _changed(BEST, course.best, start)
        tensors |= {f"{OPTIMISER}/{name}": tensor for name, tensor in learner.optimiser.items()}
        if learner.random is not None:
            tensors[RANDOM] = learner.random
        return Checkpoint(dict(identity), facts, tensors)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, start: Tensors) -> TrainState:
        """Back from `to_checkpoint`; KeyError, TypeError or ValueError where something is missing or of another kind."""
        facts, parts = checkpoint.facts, _by_part(checkpoint.tensors)
        (iou, loss), metrics = facts["best_score"], facts["figures"]
        learner = LearnerState(
            network=start | parts.get(NETWORK, {}),
            optimiser=parts.get(OPTIMISER, {}),
            random=checkpoint.tensors.get(RANDOM),
            new_decoder=bool(facts["new_decoder"]),
            frozen=bool(facts["frozen"]),
            batch=int(facts["batch"]),
            settings=dict(facts["settings"]),
            crops=dict(facts["crops"]),
        )
        course = TrainingCourse(
            best=start | parts.get(BEST, {}),
            best_score=(float(iou), float(loss)),
            steps=int(facts["steps"]),
            best_step=int(facts["best_step"]),
            waited=int(facts["waited"]),
            share=float(facts["share"]),
            spent=float(facts["spent"]),
            opening=float(facts["opening"]),
            cost=float(facts["cost"]),
            judged=float(facts.get("judged", 0.0)),
            curve=list(facts["curve"]),
            notes=list(facts["notes"]),
            metrics=TrainingMetrics(list(metrics["loss"]), list(metrics["counts"])),
            wind_down=tuple(facts["wind_down"]) if facts.get("wind_down") else None,
            tuned=facts["tuned"],
        )
        return cls(learner, course)


def _changed(part: str, tensors: Tensors, start: Tensors) -> Tensors:
    return {
        f"{part}/{name}": each.contiguous() for name, each in tensors.items() if name not in start or not torch.equal(each, start[name])
    }


def _by_part(tensors: Tensors) -> dict[str, Tensors]:
    parts: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return parts
