"""The one store of what is kept: parts of a picture, a file each, found again by its pixels, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, write_arrays
from napari_temseg.widgets.session.data_folder import data_folder

if TYPE_CHECKING:
    from napari_temseg.engine.types.micrograph import Calibration
    from napari_temseg.widgets.session.change import Change
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
FILES_A_PICTURE = 5  # files of one part of a picture; older ones go
ROOM = 2 << 30  # bytes that all files of a folder may take together; the oldest go
DAY = 86_400  # s
AUTOSAVE_FORMAT = 2  # 1: what is known of a picture lay in the file of its particles
_SAMPLED = 16  # planes of a stack that tell it from others: reading all of a large one would take too long
_DAMAGED = (EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, *_DAMAGED)
About = dict[str, Any]  # as JSON knows it
Arrays = dict[str, npt.NDArray[Any]]


class Picture:
    """The pixels that a micrograph is known by."""

    def __init__(self, data: Any) -> None:
        self._data = data

    @cached_property
    def key(self) -> str:
        """SHA-256 of shape, type and pixels (of a long stack: of some of its planes), so that a renamed file is still the same picture."""
        data = self._data
        digest = hashlib.sha256(f"{tuple(data.shape)}{data.dtype}".encode())
        single = data.ndim == 2 or data.shape[-1] in (3, 4)
        sampled = [] if single else sorted(set(np.linspace(0, len(data) - 1, _SAMPLED).astype(int).tolist()))
        for part in [data] if single else (data[index] for index in sampled):
            digest.update(np.ascontiguousarray(np.asarray(part)).view(np.uint8).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a micrograph; what was known when it was opened is not kept."""

    calibration: Calibration
    sample: str
    axes: str

    @classmethod
    def of(cls, item: Item) -> PictureFacts:
        """As it is now."""
        return cls(item.calibration, item.sample, item.axes)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A part as it is now. `pack` gives what is to be said of it and its arrays; chores call it, as it takes long.

    `empty` where nothing was done, `large` where writing it takes so long that it waits for a pause; `image` is the picture's name.
    """

    image: str
    pack: Callable[[], tuple[About, Arrays]]
    empty: bool = False
    large: bool = False


class KeptPart:
    """A part of what is kept of a picture, as one file tells it: facts are read and checked at once, arrays when they are needed.

    `told` is what it holds, for people: nothing where there is none of it, or all was taken back. `TemsegError` when the file cannot be
    used. Each kind of part is a subclass, and all that a kind knows of itself is there.
    """

    folder: ClassVar[str]  # where its files are written …
    earlier: ClassVar[tuple[str, ...]] = ()  # … and where earlier versions wrote them
    key: ClassVar[str]  # what the facts of a file have where it holds such a part
    what: ClassVar[str]  # for people
    changes: ClassVar[frozenset[Change]]  # after which it is another

    def __init__(self, path: Path) -> None:
        self.path, self.about = path, read_about(path)
        with readable(path):
            self.time = datetime.fromisoformat(self.about["time"])
            self.told = self._take() if self.about.get(self.key) else []

    def _take(self) -> list[str]:
        """Take the facts; returns what is told. Whatever is raised means that the file cannot be used."""
        raise NotImplementedError

    @classmethod
    def of(cls, item: Item, opened: PictureFacts, session: Session) -> Snapshot | None:
        """The part of a micrograph as it is now, None where there is none."""
        raise NotImplementedError

    @property
    def shared(self) -> bool:
        """Whether its file holds another part too, as those of earlier versions do."""
        return bool(self.about.get("known") and self.about.get("particles"))


class PartFile:
    """Where a part of a picture goes from now on: a file of its own, or the one that a part came back from."""

    def __init__(self, picture: Picture, kind: type[KeptPart], path: Path | None = None) -> None:
        self.picture, self.kind, self.path = picture, kind, path
        self.begun = path is not None  # whether there was anything to write yet
        self.failed = False
        self._written: int | None = None  # checksum of what it holds
        self._left = _stamp(path)

    def newest(self) -> list[KeptPart | str]:
        """The newest of this part in other files, if there is one, after a sentence on each that is newer and cannot be read."""
        found: list[KeptPart | str] = []
        folders = [data_folder() / name for name in (self.kind.folder, *self.kind.earlier)]
        if not any(path for folder in folders for path in folder.glob("*.npz")):  # the pixels need not be read
            return found
        others = [path for folder in folders for path in folder.glob(f"{self.picture.key}-*.npz") if path != self.path]
        for path in sorted(others, key=_stamp, reverse=True):
            try:
                part = self.kind(path)
            except TemsegError as error:
                found.append(str(error))
            else:
                if part.told:
                    return [*found, part]
        return found

    def save(self, snapshot: Snapshot) -> TemsegError | None:
        """Write it, unless the file holds just that; returns why that failed.

        A file that is not as it was left belongs to another window by now, or was deleted: all goes to a new one then.
        """
        about, arrays = snapshot.pack()
        if self.path is None and not about[self.kind.key]:
            return None
        checksum = _checksum(about, arrays)
        if self.path is None or _stamp(self.path) != self._left:
            self.path = data_folder() / self.kind.folder / f"{self.picture.key}-{datetime.now():%Y%m%d%H%M%S%f}.npz"
        elif checksum == self._written:
            return None
        try:
            write_file(self.path, {**about, "time": datetime.now().isoformat(timespec="seconds")}, arrays)
        except TemsegError as error:
            logger.warning("%s: %s not kept: %s", snapshot.image, self.kind.what, error)
            return error
        self._left, self._written = _stamp(self.path), checksum
        _make_room(self.path)
        return None


def _checksum(about: About, arrays: Arrays) -> int:
    checksum = zlib.crc32(json_text(about).encode())
    for name, array in arrays.items():
        checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, zlib.crc32(name.encode(), checksum))
    return checksum


def _make_room(newest: Path) -> None:
    """Delete the files of a folder that were written longest ago: more than a few of the same picture, and what is more than there is room.

    Never the newest, and the log says which. What a start that was killed left half written goes too, after a day.
    """
    taken, of_picture = _stamp(newest)[1], 1
    for path in sorted(newest.parent.glob("[!.]*.npz"), key=_stamp, reverse=True):
        if path == newest:
            continue
        taken += _stamp(path)[1]
        of_picture += (same := path.name.split("-")[0] == newest.name.split("-")[0])
        if taken > ROOM:
            _delete(path, f"what is kept takes more than {ROOM / 2**30:g} GB")
        elif same and of_picture > FILES_A_PICTURE:
            _delete(path, f"of its picture {FILES_A_PICTURE} newer ones are kept")
    for path in newest.parent.glob(".*.npz"):
        if _stamp(path)[0] < (time.time() - DAY) * 1e9:
            _delete(path, "it was never finished")


def _delete(path: Path, why: str) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # open elsewhere: the next write tries again
        logger.warning("%s cannot be deleted: %s", path, error)
    else:
        logger.info("%s deleted: %s", path, why)


def write_file(path: Path, about: Mapping[str, Any], arrays: Arrays) -> None:
    """Write arrays and what is to be said of them."""
    write_arrays(path, {"about": np.array(json_text({**about, "format": AUTOSAVE_FORMAT})), **arrays})


def read_about(path: Path) -> About:
    """What a file says of itself; `TemsegError` when it cannot be used."""
    with readable(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        about: About = json.loads(str(file["about"]))
        newer = int(about.get("format", 1)) > AUTOSAVE_FORMAT
    if newer:
        raise TemsegError(f"{path.name} was kept by a newer version of napari-temseg; update it to restore. The file stays.")
    return about


def read_arrays(path: Path) -> Arrays:
    """All arrays of a file by name; `TemsegError` when it cannot be used."""
    with readable(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file that is read in this block becomes a sentence about it."""
    try:
        yield
    except _UNREADABLE as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise TemsegError(f"The work kept in {path.name} cannot be read ({why}); the file stays in {path.parent}.") from error


def _stamp(path: Path | None) -> tuple[int, int, int]:
    """When a file was written (ns), its bytes, and what tells two of the same moment apart: each writing is a file moved to this name."""
    if path is not None:
        with suppress(OSError):  # gone meanwhile
            found = path.stat()
            return found.st_mtime_ns, found.st_size, found.st_ino
    return 0, 0, 0
