"""The one store of what is kept of a picture: found again by its pixels, written whole, the newest few files of each kind."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, write_arrays
from napari_temseg.widgets.session.data_folder import data_folder

logger = logging.getLogger("napari_temseg")
FILES_A_PICTURE = 5  # files of one picture; older ones go
ROOM = 2 << 30  # bytes that all files of a folder may take together; the oldest go
DAY = 86_400  # s
AUTOSAVE_FORMAT = 1
_SAMPLED = 16  # planes of a stack that tell it from others: reading all of a large one would take too long
_DAMAGED = (EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, *_DAMAGED)


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


class Saved:
    """What one file says of a picture: facts are read and checked at once, arrays when they are needed.

    `TemsegError` when the file cannot be used. The kinds of what is kept are its subclasses; files of each lie in a folder of their own.
    """

    folder_name = ""
    what = "work"  # for people

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about = read_about(self.file)
        with readable(path):
            self._take(self.about)

    def _take(self, about: dict[str, Any]) -> None:
        self.time = datetime.fromisoformat(about["time"])

    @classmethod
    def folder(cls) -> Path:
        """Where files of this kind lie."""
        return data_folder() / cls.folder_name

    @property
    def file(self) -> Path:
        """The one that holds the facts and the arrays."""
        return self.path

    @property
    def parts(self) -> list[str]:
        """What it holds, for people; nothing where all was taken back."""
        return [self.what]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays of the file by name."""
        with readable(self.path), self.file.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


class Content(Protocol):
    """What is to be kept of a picture."""

    @property
    def image(self) -> str:
        """The picture's name."""

    @property
    def plain(self) -> bool:
        """Whether it says nothing."""

    @property
    def large(self) -> bool:
        """Whether writing it takes so long that it waits for a pause."""

    def packed(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What is to be said of it, for JSON, and its arrays."""


S = TypeVar("S", bound=Saved)


class AutosaveFile(Generic[S]):
    """Where what is kept of one kind of a picture goes. Only chores touch it, and they come one after another."""

    def __init__(self, picture: Picture, kind: type[S]) -> None:
        self.picture, self.kind = picture, kind
        self.path: Path | None = None  # the file of this start
        self._written: int | None = None  # checksum of what it holds
        self._error = ""

    def files(self) -> list[Path]:
        """What is kept of the picture, the newest first."""
        folder = self.kind.folder()
        if not any(folder.glob("*.npz")):  # the pixels need not be read
            return []
        return sorted(folder.glob(f"{self.picture.key}-*.npz"), key=_written_at, reverse=True)

    def newest(self, *, own: bool = True) -> S | str | None:
        """The newest that is kept, or a sentence when none of it can be read; None when there is none.

        What this start has written counts only if `own`.
        """
        trouble = ""
        for path in self.files():
            if path == self.path and not own:
                continue
            try:
                found = self.kind(path)
                if found.parts:
                    return found
            except TemsegError as error:
                trouble = str(error)
        return trouble or None

    def save(self, content: Content) -> str:
        """Write it, unless the file holds just that; returns a sentence when that failed for the first time, else ""."""
        if self.path is None and content.plain:
            return ""
        try:
            self._put(*content.packed())
        except TemsegError as error:
            logger.warning("%s: %s not kept: %s", content.image, self.kind.what, error)
            told, self._error = self._error, str(error)
            return "" if told else f"{content.image}: {self.kind.what} cannot be autosaved: {error}"
        self._error = ""
        return ""

    def _put(self, about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        checksum = zlib.crc32(json_text(about).encode())
        for name, array in arrays.items():
            checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, zlib.crc32(name.encode(), checksum))
        if checksum == self._written:
            return
        now = datetime.now()
        path = self.path or self.kind.folder() / f"{self.picture.key}-{now:%Y%m%d%H%M%S%f}.npz"
        write_file(path, {**about, "time": now.isoformat(timespec="seconds")}, arrays)
        self.path, self._written = path, checksum
        for old in self.files()[FILES_A_PICTURE:]:
            old.unlink(missing_ok=True)
        make_room(self.kind.folder(), path)


def make_room(folder: Path, newest: Path) -> None:
    """Delete the files of a folder that were written longest ago until the rest fits; never the newest, and the log says which.

    What a start that was killed left half written goes too, after a day.
    """
    taken, others = _stat(newest).st_size, [path for path in folder.glob("[!.]*.npz") if path != newest]
    for path in sorted(others, key=_written_at, reverse=True):
        taken += _stat(path).st_size
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


def write_file(path: Path, about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays and what is to be said of them."""
    write_arrays(path, {"about": np.array(json_text({**about, "format": AUTOSAVE_FORMAT})), **arrays})


def read_about(path: Path) -> dict[str, Any]:
    """What a file says of itself; `TemsegError` when it cannot be used."""
    with readable(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        about: dict[str, Any] = json.loads(str(file["about"]))
        newer = int(about.get("format", AUTOSAVE_FORMAT)) > AUTOSAVE_FORMAT
    if newer:
        raise TemsegError(f"{path.name} was kept by a newer version of napari-temseg; update it to restore. The file stays.")
    return about


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file that is read in this block becomes a sentence about it."""
    try:
        yield
    except _UNREADABLE as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise TemsegError(f"The work kept in {path.name} cannot be read ({why}); the file stays in {path.parent}.") from error


def _written_at(path: Path) -> float:
    return _stat(path).st_mtime


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError:  # gone meanwhile
        return os.stat_result([0] * 10)
