"""Checkpoints on disk: a killed training goes on, and what is no checkpoint says so in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_temseg as temseg
from napari_temseg import Segmenter, TemsegError, TrainConfig
from napari_temseg.engine.training.checkpoint import Checkpoint
from napari_temseg.files.checkpoints import CheckpointFile
from napari_temseg.files.models import save

KEPT = Checkpoint(
    {"images": "a", "hold": 1.0},
    {"curve": [{"step": 0.0, "train_loss": float("nan")}], "best_score": [0.5, float("-inf")], "rng": {"state": 2**127 + 1}},
    {"network/a": torch.arange(6.0).reshape(2, 3), "optimiser/0/step": torch.tensor(3.0), "best/n": torch.tensor([1, 2])},
)


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    made = CheckpointFile(tmp_path / "night.checkpoint")
    made.save(KEPT)
    return made


def test_it_comes_back_as_it_was(file: CheckpointFile) -> None:
    back = file.load()
    assert back is not None
    assert back.identity == KEPT.identity
    assert repr(back.facts) == repr(KEPT.facts)
    assert set(back.tensors) == set(KEPT.tensors)
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in KEPT.tensors.items())
    assert [path.name for path in file.path.parent.iterdir()] == ["night.checkpoint"]
    left = file.path.with_name(".night-4711.checkpoint")  # by a process that was killed while it wrote
    left.touch()
    file.remove()
    assert list(file.path.parent.iterdir()) == []
    assert file.load() is None


def test_a_damaged_one_is_refused_in_one_sentence(file: CheckpointFile) -> None:
    content = file.path.read_bytes()
    rng = np.random.default_rng(1)
    copies = [content[: int(end)] for end in np.linspace(0, len(content) - 1, 20)]
    for _ in range(100):
        changed = bytearray(content)
        place = int(rng.integers(len(content)))
        changed[place] ^= int(rng.integers(1, 256))
        copies.append(bytes(changed))
    for copy in copies:
        file.path.unlink()  # memory-mapped by whoever read it: not changed in place
        file.path.write_bytes(copy)
        with pytest.raises(TemsegError) as refusal:
            file.load()
        assert str(refusal.value).startswith(f"{file.path}: ")


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path, tiny: Segmenter, discs) -> None:
    save(tiny, tmp_path / "mine.temseg")
    before = (tmp_path / "mine.temseg").read_bytes()
    with pytest.raises(TemsegError, match="no checkpoint of a training"):
        temseg.train(*discs(64, 64), base=tiny, meaning="instances", checkpoint=tmp_path / "mine.temseg")
    assert (tmp_path / "mine.temseg").read_bytes() == before


CHILD = """
import sys
import numpy as np
import napari_temseg as temseg
from napari_temseg.engine.training import checkpoint

checkpoint.CHECKPOINT_EVERY = checkpoint.CHECKPOINT_REST = 0.0
folder = sys.argv[1]
with np.load(f"{folder}/labelled.npz") as labelled:
    config = temseg.TrainConfig(max_seconds=1e5, max_steps=100_000, patience=10_000, crop=64, batch=1, device="cpu")
    temseg.train(
        labelled["image"], labelled["labels"], base=f"{folder}/base.temseg", config=config, meaning="instances",
        checkpoint=f"{folder}/night.checkpoint",
    )
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_training_goes_on(tmp_path: Path, tiny: Segmenter, discs) -> None:
    image, labels = discs(128, 128)
    np.savez(tmp_path / "labelled.npz", image=image, labels=labels)
    save(tiny, tmp_path / "base.temseg")
    file = CheckpointFile(tmp_path / "night.checkpoint")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        steps, until = 0, time.monotonic() + 900
        while steps < 12 and child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
            found = file.load()
            steps = 0 if found is None else found.facts["steps"]
    finally:
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGKILL
    kept = file.load()
    assert kept is not None
    assert kept.facts["steps"] >= 12
    done = kept.facts["steps"]

    config = TrainConfig(max_seconds=1e5, max_steps=done + 8, patience=10_000, crop=64, batch=1, device="cpu")
    model = temseg.train(image, labels, base=tmp_path / "base.temseg", config=config, meaning="instances", checkpoint=file.path)
    record = model.history[-1]
    assert record["steps"] == done + 8
    assert f"went on at step {done} after a stop" in record["notes"]
    points = [point["step"] for point in record["curve"]]
    assert points == sorted(set(points))
    assert repr(record["curve"][: len(kept.facts["curve"])]) == repr(kept.facts["curve"])
    scores = {point["step"]: point["validation_iou"] for point in record["curve"]}
    assert scores[record["best_step"]] >= scores[0]
    assert not file.path.exists()
