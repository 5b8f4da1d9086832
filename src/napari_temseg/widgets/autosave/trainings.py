"""Trainings on disk while they run: what goes in, and the newest checkpoint; what a stop left of them is found again by the pictures."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from napari_temseg.engine.types.annotations import Annotation, Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.files.atomic import json_text, write_text
from napari_temseg.widgets.autosave.store import About, Arrays, Picture, read_about, read_arrays, readable, write_file
from napari_temseg.widgets.session.data_folder import data_folder

if TYPE_CHECKING:
    from napari_temseg.engine.training.checkpoint import Checkpoint
    from napari_temseg.files.checkpoints import CheckpointFile

T = TypeVar("T")
logger = logging.getLogger("napari_temseg")
NEWEST_TRAININGS = 3  # so many are kept
INPUT, PROGRESS, CHECKPOINT = "training.npz", "progress.json", "checkpoint.safetensors"  # in the folder of each
_running: set[Path] = set()  # folders of those that run in this process


def trainings_folder() -> Path:
    """Where each has a folder of its own."""
    return data_folder() / "trainings"


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


class KeptTraining:
    """A training on disk. While it runs, only the thread of its job writes: with the first checkpoint what it was made of.

    `annotations` are what it learns from, to be known before that. Of one that was stopped, `read` tells its `pictures`, (key, name) each,
    when that was, and how far it had come (`spent` s, `steps`).
    """

    time = datetime.min
    spent, steps = 0.0, 0
    pictures: Sequence[tuple[str, str]] = ()

    def __init__(self, plan: TrainingPlan, pictures: Sequence[Picture] = (), path: Path | None = None) -> None:
        """`pictures` are what a new one learns from; `path` is the folder of one that is there."""
        self.plan, self.name, self._learnt_from = plan, plan.title, pictures
        self.path = path or trainings_folder() / f"{datetime.now():%Y%m%d%H%M%S%f}"
        self.annotations: Annotations | None = None

    @classmethod
    def read(cls, path: Path) -> KeptTraining:
        """One that was stopped, by its folder; `TemsegError` when it cannot be used."""
        about = read_about(path / INPUT)
        with readable(path):
            plan, progress = about["plan"], _progress(path)
            asked = TrainingPlan(str(plan["what"]), str(plan["base"]), TrainConfig.from_dict(plan["config"]), bool(plan["tune"]))
            found = cls(asked, path=path)
            found.pictures = [(str(each["key"]), str(each["name"])) for each in about["pictures"]]
            found.time = datetime.fromisoformat(progress["time"])
            found.spent, found.steps = float(progress["spent"]), int(progress["steps"])
        return found

    def annotations_on(self, micrographs: Sequence[Micrograph]) -> Annotations:
        """What it learnt from, on the pixels of `micrographs`; all else is as it was. `TemsegError` when that cannot be read."""
        about, arrays = read_about(self.path / INPUT), read_arrays(self.path / INPUT)
        with readable(self.path):
            items = tuple(
                _annotation(facts, {name: arrays[f"{name}_{number}"] for name in facts["arrays"]}, image)
                for number, (facts, image) in enumerate(zip(about["pictures"], micrographs, strict=True))
            )
            return Annotations(items, {int(number): str(name) for number, name in about["classes"].items()})

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
            self.spent, self.steps = checkpoint.facts["spent"], checkpoint.facts["steps"]
        except TemsegError as error:
            logger.warning("%s: not kept for a restart: %s", self.name, error)
        else:
            self._sign()

    def hold(self) -> None:
        """It runs: nobody shall offer it. Other windows learn that from what lies on disk."""
        _running.add(self.path)
        if (self.path / PROGRESS).exists():  # it goes on
            self._sign()

    def _sign(self) -> None:
        """Say how far it is, and which process trains it."""
        process, told = psutil.Process(), {"spent": self.spent, "steps": self.steps, "time": datetime.now().isoformat()}
        try:
            write_text(self.path / PROGRESS, json_text({**told, "pid": process.pid, "began": process.create_time()}))
        except TemsegError as error:
            logger.warning("%s: %s", self.name, error)

    def let_go(self) -> None:
        """It runs no more: what is on disk may be offered."""
        _running.discard(self.path)

    def remove(self) -> None:
        """Delete it for good, unless another window goes on with it."""
        self.let_go()
        if not alive(self.path):
            shutil.rmtree(self.path, ignore_errors=True)

    @cached_property
    def _file(self) -> CheckpointFile:
        from napari_temseg.files.checkpoints import CheckpointFile  # torch with it, which the job has loaded

        return CheckpointFile(self.path / CHECKPOINT)

    def _describe(self) -> None:
        if self.annotations is None:
            raise TemsegError(f"{self.name}: nothing is known yet of its labels.")
        pictures: list[About] = []
        arrays: Arrays = {}
        keys = [key for key, _ in self.pictures] or [picture.key for picture in self._learnt_from]
        for number, (item, key) in enumerate(zip(self.annotations.items, keys, strict=True)):
            image = item.micrograph
            parts = {"labels": item.labels, "instances": item.instances, "valid": image.valid}
            there = {name: part for name, part in parts.items() if part is not None}
            arrays |= {f"{name}_{number}": part for name, part in there.items()}
            about = {"key": key, "name": image.name, "axes": image.axes, "calibration": asdict(image.calibration)}
            pictures.append(about | {"arrays": list(there)})
        plan = {**asdict(self.plan), "config": self.plan.config.to_dict()}
        write_file(self.path / INPUT, {"plan": plan, "classes": self.annotations.class_names, "pictures": pictures}, arrays)


def _annotation(facts: About, parts: Arrays, image: Micrograph) -> Annotation:
    if parts["labels"].shape != tuple(image.data.shape):
        raise ValueError("it was drawn on a picture of another shape")
    calibration = Calibration(**facts["calibration"])
    micrograph = replace(image, axes=str(facts["axes"]), calibration=calibration, valid=parts.get("valid"))
    return Annotation(micrograph, parts["labels"], parts.get("instances"))


def look_up(pictures: Mapping[T, Picture]) -> tuple[list[KeptTraining], dict[str, T]]:
    """Stopped trainings on any of these pictures, the newest first, and whose picture has which key.

    Those that cannot be read are left where they are.
    """
    paths = [path for path in _folders() if (path / PROGRESS).is_file() and not alive(path)]
    if not paths:  # the pixels need not be read
        return [], {}
    keys, found = {picture.key: owner for owner, picture in pictures.items()}, []
    for path in paths:
        try:
            one = KeptTraining.read(path)
        except TemsegError as error:
            logger.warning("%s", error)
            continue
        if any(key in keys for key, _ in one.pictures):
            found.append(one)
    return found, keys


def _progress(path: Path) -> Any:
    return json.loads((path / PROGRESS).read_text(encoding="utf-8"))


def alive(path: Path) -> bool:
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
    found = trainings_folder()
    return sorted((path for path in found.iterdir() if path.is_dir()), reverse=True) if found.is_dir() else []


def _prune(newest: Path) -> None:
    """Delete all but the newest few, and none that runs."""
    others = [path for path in _folders() if path != newest]
    for path in others[NEWEST_TRAININGS - 1 :]:
        if not alive(path):
            logger.info("%s deleted: %d newer trainings are kept", path, NEWEST_TRAININGS)
            shutil.rmtree(path, ignore_errors=True)
