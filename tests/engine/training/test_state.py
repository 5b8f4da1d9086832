"""A training between two steps is data: written down and read back it is the same, and what does not fit is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_temseg import Annotations, Segmenter, TemsegError, TrainConfig
from napari_temseg.engine.training.checkpoint import Checkpoint
from napari_temseg.engine.training.loop import TrainingRun, begun, iter_train
from napari_temseg.engine.training.state import TrainState
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.progress import Job

CONFIG = TrainConfig(max_seconds=1e5, max_steps=3, crop=64, batch=2, evaluate_every=2, unfreeze=True, device="cpu", precision="float32")
# What a checkpoint of format 1 holds: trainings that were stopped go on in later versions.
FACTS = {
    *("settings", "tuned", "steps", "best_step", "best_score", "curve", "notes", "figures", "new_decoder", "frozen", "batch", "waited"),
    *("wind_down", "share", "spent", "opening", "cost", "crops"),
    "judged",  # later than the others: not there, all that is held out is looked at
}


@pytest.fixture(scope="module")
def task(tiny: Segmenter, discs: Any) -> TrainingTask:
    return TrainingTask(Annotations.collect(*discs(128, 160), meaning="instances"), tiny, CONFIG)


@pytest.fixture(scope="module")
def run(task: TrainingTask) -> TrainingRun:
    made: TrainingRun = Job(lambda control: begun(task, None, control)).drain()[0]
    Job(lambda _: made.first_point()).drain()
    made.learner.freeze(False)
    Job(lambda _: made.trial(1e5, 3)).drain()
    made.course.wind_down = (2, 0.25)
    return made


def through_json(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, facts=json.loads(json.dumps(checkpoint.facts)))


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and any(isinstance(value, torch.Tensor) for value in one.values()):
        return set(one) == set(other) and all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return bool(np.array_equal(repr(one), repr(other)))  # NaN among the figures is the same


def test_it_comes_back_from_a_checkpoint_as_it_was(run: TrainingRun) -> None:
    state = run.state()
    assert state.learner.optimiser
    assert state.learner.random is not None
    checkpoint = through_json(state.to_checkpoint({"who": "knows"}, run.learner.start))
    back = TrainState.from_checkpoint(checkpoint, run.learner.start)
    for part in ("learner", "course"):
        one, other = getattr(state, part), getattr(back, part)
        assert [field.name for field in fields(one) if not equal(getattr(one, field.name), getattr(other, field.name))] == []


def test_format_1_is_written_and_read(run: TrainingRun) -> None:
    checkpoint = run.state().to_checkpoint({}, run.learner.start)
    assert set(checkpoint.facts) == FACTS
    assert {name.partition("/")[0] for name in checkpoint.tensors} == {"network", "best", "optimiser", "random"}
    assert set(checkpoint.facts["settings"]) == {"learning_rate", "batch"}
    assert set(checkpoint.facts["figures"]) == {"loss", "counts"}
    assert set(checkpoint.facts["crops"]) == {"rng", "turn"}
    older = replace(checkpoint, facts={name: value for name, value in checkpoint.facts.items() if name not in ("wind_down", "judged")})
    course = TrainState.from_checkpoint(older, run.learner.start).course
    assert (course.wind_down, course.judged) == (None, 0.0)


def test_a_state_is_a_copy_and_training_goes_on_from_it_bit_for_bit(run: TrainingRun) -> None:
    state = run.state()
    ends = []
    for _ in range(2):
        run.learner.restore(state.learner)
        run.course = replace(state.course.copied(), best=dict(state.course.best))
        Job(lambda _: run.trial(1e5, 2)).drain()
        ends.append(run.learner.tensors())
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
    assert any(not torch.equal(tensor, ends[0][name]) for name, tensor in state.learner.network.items())


@pytest.mark.parametrize("missing", sorted(FACTS - {"wind_down", "judged"}))
def test_what_lacks_something_is_refused_in_one_sentence(missing: str, task: TrainingTask, run: TrainingRun) -> None:
    checkpoint = run.state().to_checkpoint(task.identity(), run.learner.start)
    del checkpoint.facts[missing]

    class Store:
        name = "night"

        def load(self) -> Checkpoint:
            return checkpoint

        def save(self, checkpoint: Checkpoint) -> None: ...

    with pytest.raises(TemsegError, match=r"^night: this checkpoint does not fit the network \(.*\); start anew without it\.$"):
        iter_train(task, store=Store()).drain()
