"""Files that keep what was done on a picture: found again by its pixels, written whole, the newest few of each picture."""

from __future__ import annotations

import hashlib
import json
import logging
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, write_arrays

logger = logging.getLogger("napari_temseg")
FILES_A_PICTURE = 5  # files of one picture; older ones go
ROOM = 2 << 30  # bytes that all files of a folder may take together; the oldest go
DAY = 86_400  # s
AUTOSAVE_FORMAT = 1
_SAMPLED = 16  # planes of a stack that tell it from others: reading all of a large one would take too long
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


class Picture:
    """The pixels that a micrograph is known by."""

    def __init__(self, data: Any) -> None:
        self._data = data

    @cached_property
    def key(self) -> str:
        """SHA-256 of shape, type and pixels (of a long stack: of some of its planes), so that a renamed file is still the same picture."""
        digest = hashlib.sha256(f"{tuple(self._data.shape)}{self._data.dtype}".encode())
        for part in self._parts():
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        return digest.hexdigest()

    def _parts(self) -> Iterator[Any]:
        data = self._data
        if data.ndim == 2 or data.shape[-1] in (3, 4):
            yield np.asarray(data)
        else:
            for index in sorted(set(np.linspace(0, len(data) - 1, _SAMPLED).astype(int).tolist())):
                yield np.asarray(data[index])


@dataclass(eq=False)
class AutosaveFile:
    """Where one kind of thing that belongs to a picture goes. Only chores touch it, and they come one after another."""

    picture: Picture
    path: Path | None = None
    written: int | None = None  # checksum of what the file holds
    error: str = ""
    what = "work"

    @staticmethod
    def folder() -> Path:
        """Where files of this kind lie."""
        raise NotImplementedError

    def files(self) -> list[Path]:
        """What is kept of the picture, the newest first."""
        return sorted(self.folder().glob(f"{self.picture.key}-*.npz"), key=_written_at, reverse=True)

    def attempt(self, image: str, action: Callable[[], None]) -> str:
        """Write; returns a sentence when that failed for the first time, else ""."""
        try:
            action()
        except TemsegError as error:
            logger.warning("%s: %s not kept: %s", image, self.what, error)
            told, self.error = self.error, str(error)
            return "" if told else f"{image}: {self.what} cannot be autosaved: {error}"
        self.error = ""
        return ""

    def put(self, about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write arrays and what is to be said of them, unless the file holds just that; files too many go."""
        checksum = zlib.crc32(json_text(about).encode())
        for name, array in arrays.items():
            checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, zlib.crc32(name.encode(), checksum))
        if checksum == self.written:
            return
        now = datetime.now()
        path = self.path or self.folder() / f"{self.picture.key}-{now:%Y%m%d%H%M%S%f}.npz"
        told = json_text({**about, "time": now.isoformat(timespec="seconds"), "format": AUTOSAVE_FORMAT})
        write_arrays(path, {"about": np.array(told), **arrays})
        self.path, self.written = path, checksum
        for old in self.files()[FILES_A_PICTURE:]:
            old.unlink(missing_ok=True)
        make_room(self.folder(), path)


def make_room(folder: Path, newest: Path) -> None:
    """Delete the files of a folder that were written longest ago until the rest fits; never the newest, and the log says which.

    What a start that was killed left half written goes too, after a day.
    """
    taken = _size(newest)
    for path in sorted((path for path in folder.glob("[!.]*.npz") if path != newest), key=_written_at, reverse=True):
        taken += _size(path)
        if taken > ROOM:
            _delete(path, f"what is kept takes more than {ROOM / 2**30:g} GB")
    for path in folder.glob(".*.npz"):
        if _written_at(path) < time.time() - DAY:
            _delete(path, "it was never finished")


def _delete(path: Path, why: str) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # open elsewhere: the next write tries again
        logger.warning("%s cannot be deleted: %s", path, error)
    else:
        logger.info("%s deleted: %s", path, why)


def read_arrays(path: Path, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a kept file whose names begin so; none in files of versions that did not write them."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name.startswith(prefix)}
    except (*_UNREADABLE, AttributeError) as error:
        raise unusable(path, str(error)) from error


def read_file(path: Path, *names: str) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
    """What a kept file says of itself, and arrays out of it by name; `TemsegError` when it cannot be used."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if int(about.get("format", AUTOSAVE_FORMAT)) > AUTOSAVE_FORMAT:
                raise TemsegError(f"{path.name} was kept by a newer version of napari-temseg; update it to restore. The file stays.")
            return about, [file[name] for name in names]
    except TemsegError:
        raise
    except (*_UNREADABLE, AttributeError) as error:
        raise unusable(path, str(error)) from error


def unusable(path: Path, why: str) -> TemsegError:
    """The sentence about a file that cannot be used."""
    return TemsegError(f"The work kept in {path.name} cannot be read ({why}); the file stays in {path.parent}.")


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0
