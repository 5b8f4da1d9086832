"""Strokes on disk: written while painting goes on, offered again when the same picture is opened without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.autosave import store
from napari_temseg.widgets.session.data_folder import data_folder


@dataclass(frozen=True, eq=False)
class SavedStrokes:
    """An annotation on disk: where, when it was written, and the classes by number."""

    path: Path
    time: datetime
    names: dict[int, str]


class StrokeFile(store.AutosaveFile):
    """Where the strokes of one annotation layer go."""

    what = "strokes"

    @staticmethod
    def folder() -> Path:
        """Where annotations are kept."""
        return folder()

    def save(self, labels: npt.NDArray[np.uint8], names: Mapping[int, str], image: str) -> str:
        """Write what changed since the last time; returns a sentence when that failed for the first time, else ""."""
        return self.attempt(image, lambda: self._save(labels, names, image))

    def _save(self, labels: npt.NDArray[np.uint8], names: Mapping[int, str], image: str) -> None:
        planes = labels.reshape((-1, *labels.shape[-2:]))
        filled = [index for index, plane in enumerate(planes) if plane.any()]
        if not filled and self.path is None:
            return
        content = planes[filled] if len(filled) < len(planes) else planes.copy()  # painting goes on meanwhile
        classes = dict(sorted(names.items()))
        self.put({"image": image, "classes": classes, "shape": labels.shape, "planes": filled}, {"labels": content})


def folder() -> Path:
    """Where annotations are kept."""
    return data_folder() / "annotations"


def look_up(file: StrokeFile) -> SavedStrokes | str | None:
    """The newest annotation kept of a picture, or a sentence when none of them can be read; None when there is none."""
    if not any(folder().glob("*.npz")):
        return None
    trouble = ""
    for path in file.files():
        try:
            about, _ = store.read_file(path)
            if about.get("planes") != []:  # everything was erased again
                return _saved(path, about)
        except TemsegError as error:
            trouble = str(error)
    return trouble or None


def read(found: SavedStrokes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The strokes of a kept annotation (uint8, of the picture's shape); `TemsegError` when the file cannot be used."""
    about, (content,) = store.read_file(found.path, "labels")
    labels = np.zeros(shape, np.uint8)
    try:
        if tuple(about["shape"]) != shape:
            raise ValueError("it was drawn on a picture of another shape")
        labels.reshape((-1, *shape[-2:]))[np.asarray(about["planes"], int)] = content.astype(np.uint8, casting="safe")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise store.unusable(found.path, str(error)) from error
    return labels


def _saved(path: Path, about: dict[str, Any]) -> SavedStrokes:
    try:
        return SavedStrokes(
            path, datetime.fromisoformat(about["time"]), {int(number): str(name) for number, name in about["classes"].items()}
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise store.unusable(path, f"{error} is missing or wrong") from error
