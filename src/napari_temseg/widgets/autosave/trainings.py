"""Trainings on disk while they run: what goes in, and the newest checkpoint; what a stop left of them is found again by the pictures."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt
import psutil

from napari_temseg.engine.types.annotations import Annotation, Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.files.atomic import json_text, write_text
from napari_temseg.widgets.autosave.store import Picture, Saved, readable, write_file

if TYPE_CHECKING:
    from napari_temseg.engine.training.checkpoint import Checkpoint
    from napari_temseg.files.checkpoints import CheckpointFile

T = TypeVar("T")
logger = logging.getLogger("napari_temseg")
NEWEST_TRAININGS = 3  # so many are kept
INPUT, PROGRESS, CHECKPOINT = "training.npz", "progress.json", "checkpoint.safetensors"  # in the folder of each
_running: set[Path] = set()  # folders of those that run in this process


@dataclass(frozen=True)
class TrainingPlan:
    """What a training was asked for: `what` it is on for people, the base model by name, settings."""

    what: str
    base: str
    config: TrainConfig
    tune: bool

    @property
    def title(self) -> str:
        """For people."""
        return f"Training on {self.what}"


class TrainingStore:
    """Keeps the checkpoints of one training, and with the first of them what it was made of. Only the thread of its job writes."""

    def __init__(self, plan: TrainingPlan, pictures: list[Picture], path: Path | None = None) -> None:
        """`path` is the folder of a training that goes on."""
        self.plan, self.name, self._pictures = plan, plan.title, pictures
        self.annotations: Annotations | None = None  # known before the first checkpoint
        self.path = path or SavedTraining.folder() / f"{datetime.now():%Y%m%d%H%M%S%f}"

    def load(self) -> Checkpoint | None:
        """The newest checkpoint, None when there is none."""
        try:
            return self._file.load()
        except TemsegError as error:
            logger.warning("%s: %s", self.name, error)
            raise TemsegError(f"{self.name}: what is kept of it cannot be read; discard it, and train again.") from error

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; one that cannot be written is no reason to stop, so the log tells."""
        try:
            if not (self.path / INPUT).exists():
                self._describe()
                _prune(self.path)
            self._file.save(checkpoint)
            process = psutil.Process()
            about = {"spent": checkpoint.facts["spent"], "steps": checkpoint.facts["steps"], "time": datetime.now().isoformat()}
            write_text(self.path / PROGRESS, json_text({**about, "pid": process.pid, "began": process.create_time()}))
        except TemsegError as error:
            logger.warning("%s: not kept for a restart: %s", self.name, error)

    def hold(self) -> None:
        """It runs: nobody shall offer it."""
        _running.add(self.path)

    def let_go(self) -> None:
        """It runs no more: what is on disk may be offered."""
        _running.discard(self.path)

    def remove(self) -> None:
        """Delete it."""
        self.let_go()
        remove(self.path)

    @cached_property
    def _file(self) -> CheckpointFile:
        from napari_temseg.files.checkpoints import CheckpointFile  # torch with it, which the job has loaded

        return CheckpointFile(self.path / CHECKPOINT)

    def _describe(self) -> None:
        if self.annotations is None:
            raise TemsegError(f"{self.name}: nothing is known yet of its labels.")
        pictures: list[dict[str, Any]] = []
        arrays: dict[str, npt.NDArray[Any]] = {}
        for number, (item, picture) in enumerate(zip(self.annotations.items, self._pictures, strict=True)):
            image = item.micrograph
            parts = {"labels": item.labels, "instances": item.instances, "valid": image.valid}
            there = {name: part for name, part in parts.items() if part is not None}
            arrays |= {f"{name}_{number}": part for name, part in there.items()}
            about = {"key": picture.key, "name": image.name, "axes": image.axes, "calibration": asdict(image.calibration)}
            pictures.append(about | {"arrays": list(there)})
        plan = {**asdict(self.plan), "config": self.plan.config.to_dict()}
        write_file(self.path / INPUT, {"plan": plan, "classes": self.annotations.class_names, "pictures": pictures}, arrays)


class SavedTraining(Saved):
    """A training that was stopped: how far it came (`spent` s, `steps`), and its pictures, (key, name) each. `path` is its folder."""

    folder_name = "trainings"
    what = "training"

    @property
    def file(self) -> Path:
        """What it was made of."""
        return self.path / INPUT

    def _take(self, about: dict[str, Any]) -> None:
        plan, progress = about["plan"], _progress(self.path)
        super()._take(progress)
        self.plan = TrainingPlan(str(plan["what"]), str(plan["base"]), TrainConfig.from_dict(plan["config"]), bool(plan["tune"]))
        self.pictures = [(str(each["key"]), str(each["name"])) for each in about["pictures"]]
        self.spent, self.steps = float(progress["spent"]), int(progress["steps"])

    def annotations(self, micrographs: list[Micrograph]) -> Annotations:
        """What it learns from, on the pixels of `micrographs`; all else is as it was. `TemsegError` when that cannot be read."""
        arrays = self.arrays()
        with readable(self.path):
            items = tuple(
                _annotation(facts, {name: arrays[f"{name}_{number}"] for name in facts["arrays"]}, image)
                for number, (facts, image) in enumerate(zip(self.about["pictures"], micrographs, strict=True))
            )
            return Annotations(items, {int(number): str(name) for number, name in self.about["classes"].items()})


def _annotation(facts: dict[str, Any], parts: dict[str, npt.NDArray[Any]], image: Micrograph) -> Annotation:
    if parts["labels"].shape != tuple(image.data.shape):
        raise ValueError("it was drawn on a picture of another shape")
    calibration = Calibration(**facts["calibration"])
    micrograph = replace(image, axes=str(facts["axes"]), calibration=calibration, valid=parts.get("valid"))
    return Annotation(micrograph, parts["labels"], parts.get("instances"))


def look_up(pictures: Mapping[T, Picture]) -> tuple[list[SavedTraining], dict[str, T]]:
    """Stopped trainings on any of these pictures, the newest first, and whose picture has which key.

    Those that cannot be read are left where they are.
    """
    paths = [path for path in _folders() if (path / PROGRESS).is_file() and not _alive(path)]
    if not paths:  # the pixels need not be read
        return [], {}
    keys, found = {picture.key: owner for owner, picture in pictures.items()}, []
    for path in paths:
        try:
            one = SavedTraining(path)
        except TemsegError as error:
            logger.warning("%s", error)
            continue
        if any(key in keys for key, _ in one.pictures):
            found.append(one)
    return found, keys


def remove(path: Path) -> None:
    """Delete one for good."""
    shutil.rmtree(path, ignore_errors=True)


def _progress(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / PROGRESS).read_text(encoding="utf-8"))
    return found


def _alive(path: Path) -> bool:
    """Whether it still runs, here or in another window."""
    try:
        progress = _progress(path)
        number, began = int(progress["pid"]), float(progress["began"])
        if number == os.getpid() or path in _running:
            return path in _running
        return bool(abs(psutil.Process(number).create_time() - began) < 1)  # a number is given again to other processes
    except (OSError, LookupError, TypeError, ValueError, psutil.Error):
        return False


def _folders() -> list[Path]:
    """The newest first."""
    try:
        return sorted((path for path in SavedTraining.folder().iterdir() if path.is_dir()), reverse=True)
    except OSError:  # none yet
        return []


def _prune(newest: Path) -> None:
    """Delete all but the newest few, and none that runs."""
    others = [path for path in _folders() if path != newest]
    for path in others[NEWEST_TRAININGS - 1 :]:
        if not _alive(path):
            logger.info("%s deleted: %d newer trainings are kept", path, NEWEST_TRAININGS)
            remove(path)
