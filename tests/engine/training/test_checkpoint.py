"""A training that was stopped goes on as if it had not been."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_temseg import Annotations, Segmenter, TemsegError, TrainConfig
from napari_temseg.engine.training import checkpoint
from napari_temseg.engine.training.checkpoint import Checkpoint
from napari_temseg.engine.training.loop import iter_train
from napari_temseg.engine.training.search import iter_tune
from napari_temseg.engine.training.task import TrainingTask

CONFIG = TrainConfig(max_seconds=1e5, max_steps=9, crop=64, batch=2, evaluate_every=2, device="cpu", precision="float32")


class Memory:
    """Keeps every checkpoint it is given, and gives it back as a file would."""

    name = "memory"

    def __init__(self, *kept: Checkpoint) -> None:
        self.kept = list(kept)

    def load(self) -> Checkpoint | None:
        return replace(self.kept[-1], facts=json.loads(json.dumps(self.kept[-1].facts))) if self.kept else None

    def save(self, checkpoint: Checkpoint) -> None:
        self.kept.append(checkpoint)


@pytest.fixture(autouse=True)
def _after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_REST", 0.0)


@pytest.fixture(scope="module")
def dense(discs: Any) -> Annotations:
    return Annotations.collect(*discs(96, 128), meaning="instances")


def partly(whole: Annotations) -> Annotations:
    """All labels but a line of pixels: the starting model is held there, and its decoder is learnt on."""
    (item,) = whole.items
    _, labels, _ = next(iter(item.planes()))
    labels = labels.copy()
    labels[60] = 0
    return Annotations.collect(item.micrograph, labels)


def same(one: Segmenter, other: Segmenter) -> bool:
    tensors = other.tensors()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in one.tensors().items())


def steps_of(model: Segmenter) -> list[float]:
    return [point["step"] for point in model.history[-1]["curve"]]


SHORT = replace(CONFIG, max_steps=6)
WAYS = {
    "frozen": ("tiny", SHORT),
    "unfrozen later": ("tiny", replace(SHORT, unfreeze=True)),
    "with some pixels to hold": ("held", SHORT),
    "without a validation part": ("tiny", replace(SHORT, validation=0)),
    "a new network": ("none", SHORT),
    "a new network with drop-path": ("none", replace(SHORT, encoder="efficientnet-b0", max_steps=4)),
}


@pytest.mark.parametrize("way", WAYS)
def test_stopped_and_gone_on_is_the_same_as_never_stopped(way: str, tiny: Segmenter, dense: Annotations) -> None:
    name, config = WAYS[way]
    base = None if name == "none" else tiny
    if name == "held":
        dense = partly(dense)
    store = Memory()
    whole = iter_train(TrainingTask(dense, base, config), store=store).drain()
    assert [kept.facts["steps"] for kept in store.kept] == list(range(1, config.max_steps + 1))
    for stop in (2, 3, config.max_steps - 1):  # just after a point of the curves, between two, and with an unfrozen encoder
        again = Memory(store.kept[stop])
        job = iter_train(TrainingTask(dense, base, config), store=again)
        with torch.random.fork_rng(devices=[]):
            for _ in job:
                torch.rand(3)  # whoever draws from torch's generator meanwhile
        went_on = job.result
        assert same(whole, went_on)
        assert [kept.facts["steps"] for kept in again.kept[1:]] == list(range(stop + 2, config.max_steps + 1))
        np.testing.assert_equal(went_on.history[-1]["curve"], whole.history[-1]["curve"])
        assert all(torch.equal(tensor, store.kept[-1].tensors[name]) for name, tensor in again.kept[-1].tensors.items())
        assert went_on.history[-1]["steps"] == config.max_steps
        assert f"went on at step {stop + 1} after a stop" in went_on.history[-1]["notes"]


def test_the_curves_are_told_from_their_beginning_and_time_counts_on(tiny: Segmenter, dense: Annotations) -> None:
    store = Memory()
    iter_train(TrainingTask(dense, tiny, CONFIG), store=store).drain()
    half = store.kept[8]  # more steps than are taken whatever the clock says
    half.facts["spent"] += 100.0  # s
    job = iter_train(TrainingTask(dense, tiny, replace(CONFIG, max_steps=10_000, max_seconds=100.0)), store=Memory(half))
    told = list(job)  # nothing of the budget is left
    assert [step.metrics["step"] for step in told if "step" in step.metrics] == [0, 2, 4, 6, 8, 9]
    record = job.result.history[-1]
    assert record["steps"] == 9
    assert record["seconds"] >= 100


def test_the_rate_goes_on_where_it_was(tiny: Segmenter, dense: Annotations) -> None:
    store = Memory()
    iter_train(TrainingTask(dense, tiny, CONFIG), store=store).drain()
    job = iter_train(TrainingTask(dense, tiny, CONFIG), store=Memory(store.kept[5]))
    shares = [step.fraction for step in job if step.stage == "train"]
    assert min(shares) >= 5 / 9
    longer = iter_train(TrainingTask(dense, tiny, replace(CONFIG, max_steps=12)), store=Memory(store.kept[-1])).drain()
    assert longer.history[-1]["steps"] == 12  # an ended training goes on with a larger budget


def test_only_what_training_changed_is_in_it(tiny: Segmenter, dense: Annotations) -> None:
    store = Memory()
    iter_train(TrainingTask(dense, tiny, replace(CONFIG, max_steps=1)), store=store).drain()
    names = set(store.kept[0].tensors)
    assert not any(name.startswith(("network/encoder", "best/encoder")) for name in names)
    assert any(name.startswith("network/decoder") for name in names)
    assert "random" not in names


def test_finishing_early_leaves_a_last_one_that_goes_on_as_if_nobody_had(
    tiny: Segmenter, dense: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = iter_train(TrainingTask(dense, tiny, CONFIG)).drain()
    monkeypatch.setattr(checkpoint, "CHECKPOINT_REST", 1e6)  # so that only the first is due
    store = Memory()
    job = iter_train(TrainingTask(dense, tiny, CONFIG), store=store)
    for step in job:
        if step.metrics.get("now") == 5:
            job.finish()
    assert [kept.facts["steps"] for kept in store.kept] == [1, 5]
    assert steps_of(job.result)[-1] == 5  # what was kept was judged; the curve that goes on knows nothing of it
    went_on = iter_train(TrainingTask(dense, tiny, CONFIG), store=store).drain()
    assert same(whole, went_on)
    np.testing.assert_equal(went_on.history[-1]["curve"], whole.history[-1]["curve"])


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("labels", {"meaning": "mask"}),
        ("images", {"seed": 1}),
        ("starting model", {"base": None}),
        ("learning_rate", {"learning_rate": 1e-3}),
        ("tune", {"tune": True}),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(what: str, change: dict[str, Any], tiny: Segmenter, discs: Any) -> None:
    def job(store: Memory, meaning: str = "instances", seed: int = 0, base: Any = tiny, tune: bool = False, **settings: Any) -> Any:
        annotations = Annotations.collect(*discs(128, 160, seed=seed), meaning=meaning)
        return (iter_tune if tune else iter_train)(TrainingTask(annotations, base, replace(CONFIG, max_steps=1, **settings)), store=store)

    store = Memory()
    job(store).drain()
    with pytest.raises(TemsegError, match=rf"^memory: this checkpoint is of another training \(different: .*{what}"):
        job(Memory(store.kept[0]), **change).drain()
    with pytest.raises(TemsegError, match=r"^memory: this checkpoint does not fit the network"):
        job(Memory(replace(store.kept[0], tensors={"network/decoder.strange": torch.zeros(2)}))).drain()


def test_a_search_is_not_repeated(tiny: Segmenter, dense: Annotations) -> None:
    store, config = Memory(), replace(CONFIG, max_steps=20, validation=0.3)
    whole = iter_tune(TrainingTask(dense, tiny, config), store=store).drain()
    middle = store.kept[len(store.kept) // 2]
    job = iter_tune(TrainingTask(dense, tiny, config), store=Memory(middle))
    messages = [step.message for step in job]
    assert not any(message.startswith("trying") for message in messages)
    record = job.result.history[-1]
    assert record["tuned"] == whole.history[-1]["tuned"]
    assert record["config"] == whole.history[-1]["config"]
    assert same(whole, job.result)


def test_one_that_cannot_be_written_is_told(tiny: Segmenter, dense: Annotations) -> None:
    class Full(Memory):
        room = 2

        def save(self, checkpoint: Checkpoint) -> None:
            if len(self.kept) >= self.room:
                raise TemsegError("disk: cannot be written.")
            super().save(checkpoint)

    model = iter_train(TrainingTask(dense, tiny, CONFIG), store=Full()).drain()  # a later one: training goes on
    assert "a checkpoint was not written: disk: cannot be written." in model.history[-1]["notes"]
    first = Full()
    first.room = 0
    with pytest.raises(TemsegError, match="disk"):
        iter_train(TrainingTask(dense, tiny, CONFIG), store=first).drain()


def test_identity_does_not_hang_on_the_budget_or_what_nobody_labelled(tiny: Segmenter) -> None:
    image = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[1, 8:12, 8:40], labels[1, 30:34, 8:40] = 1, 2

    def known(stack: Any, config: TrainConfig = CONFIG) -> dict[str, Any]:
        from napari_temseg import Micrograph

        return TrainingTask(Annotations.collect(Micrograph(stack, "NYX"), labels), tiny, config).identity()

    other = image.copy()
    other[0] += 1
    assert known(image) == known(other)
    assert known(image) == known(image, replace(CONFIG, max_seconds=3, max_steps=4, patience=2, epochs=7))
    other[1] += 1
    assert [name for name, value in known(image).items() if value != known(other)[name]] == ["images"]
