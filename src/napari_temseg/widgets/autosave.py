"""Strokes on disk: written while painting goes on, offered again when the same picture is opened without them."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from napari_temseg.engine.errors import TemsegError
from napari_temseg.files.atomic import json_text, replacing

logger = logging.getLogger("napari_temseg")
KEPT = 5  # files of one picture; older ones go
_SAMPLED = 16  # planes of a stack that tell it from others: reading all of a large one would take too long


@dataclass(frozen=True, eq=False)
class Kept:
    """An annotation on disk: where, when it was written, and the classes by number."""

    path: Path
    time: datetime
    names: dict[int, str]

    @property
    def when(self) -> str:
        """For people."""
        return f"{self.time.day} {self.time:%b %H:%M}"


@dataclass(eq=False)
class Place:
    """Where the strokes of one annotation layer go. Only chores touch it, and they come one after another."""

    data: Any  # pixels of the picture, for its key
    key: str = ""
    path: Path | None = None
    written: int | None = None  # checksum of what the file holds
    error: str = field(default="")

    def save(self, labels: npt.NDArray[np.uint8], names: Mapping[int, str], image: str) -> str:
        """Write what changed since the last time; returns a sentence when that failed for the first time, else ""."""
        try:
            self._save(labels, names, image)
        except TemsegError as error:
            logger.warning("%s: strokes not kept: %s", image, error)
            told, self.error = self.error, str(error)
            return "" if told else f"{image}: strokes cannot be autosaved: {error}"
        self.error = ""
        return ""

    def _save(self, labels: npt.NDArray[np.uint8], names: Mapping[int, str], image: str) -> None:
        planes = labels.reshape((-1, *labels.shape[-2:]))
        filled = [index for index, plane in enumerate(planes) if plane.any()]
        content = planes[filled] if len(filled) < len(planes) else planes.copy()  # painting goes on meanwhile
        checksum = zlib.crc32(content, zlib.crc32(repr((filled, sorted(names.items()))).encode()))
        if checksum == self.written or (not filled and self.path is None):
            return
        self.key = self.key or content_key(self.data)
        now = datetime.now()
        path = self.path or folder() / f"{self.key}-{now:%Y%m%d%H%M%S%f}.npz"
        about = {"image": image, "time": now.isoformat(timespec="seconds"), "classes": names, "shape": labels.shape, "planes": filled}
        with replacing(path) as temporary:
            np.savez_compressed(temporary, labels=content, about=np.array(json_text(about)))
        self.path, self.written = path, checksum
        for old in files_of(self.key)[KEPT:]:
            old.unlink(missing_ok=True)


def folder() -> Path:
    """Where annotations are kept."""
    return platformdirs.user_data_path("napari-temseg", appauthor=False) / "annotations"


def files_of(key: str) -> list[Path]:
    """What is kept of a picture, the newest first."""
    return sorted(folder().glob(f"{key}-*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)


def content_key(data: Any) -> str:
    """SHA-256 of shape, type and pixels (of a long stack: of some of its planes), so that a renamed file is still the same picture."""
    digest = hashlib.sha256(f"{tuple(data.shape)}{data.dtype}".encode())
    for part in _parts(data):
        digest.update(np.ascontiguousarray(part).view(np.uint8))
    return digest.hexdigest()


def _parts(data: Any) -> Iterator[Any]:
    if data.ndim == 2 or data.shape[-1] in (3, 4):
        yield np.asarray(data)
    else:
        for index in sorted(set(np.linspace(0, len(data) - 1, _SAMPLED).astype(int).tolist())):
            yield np.asarray(data[index])


def look_up(place: Place) -> Kept | str | None:
    """The newest annotation kept of a picture, or a sentence when none of them can be read; None when there is none."""
    if not any(folder().glob("*.npz")):
        return None
    place.key = place.key or content_key(place.data)
    trouble = ""
    for path in files_of(place.key):
        try:
            about = _opened(path)[0]
            if about.get("planes") != []:  # everything was erased again
                return _kept(path, about)
        except TemsegError as error:
            trouble = str(error)
    return trouble or None


def read(kept: Kept, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The strokes of a kept annotation (uint8, of the picture's shape); `TemsegError` when the file cannot be used."""
    about, content = _opened(kept.path)
    labels = np.zeros(shape, np.uint8)
    try:
        if tuple(about["shape"]) != shape:
            raise ValueError("it was drawn on a picture of another shape")
        labels.reshape((-1, *shape[-2:]))[np.asarray(about["planes"], int)] = content.astype(np.uint8, casting="safe")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _unusable(kept.path, str(error)) from error
    return labels


def _opened(path: Path) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return json.loads(str(file["about"])), file["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _unusable(path, str(error)) from error


def _kept(path: Path, about: dict[str, Any]) -> Kept:
    try:
        return Kept(path, datetime.fromisoformat(about["time"]), {int(number): str(name) for number, name in about["classes"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unusable(path, f"{error} is missing or wrong") from error


def _unusable(path: Path, why: str) -> TemsegError:
    return TemsegError(f"The annotation kept in {path.name} cannot be read ({why}); it stays in {path.parent}.")
