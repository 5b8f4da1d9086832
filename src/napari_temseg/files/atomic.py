"""Write a file whole or not at all; arrays, and text and JSON that every reader takes, whatever bytes a file's name holds."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError

LONGEST = 255  # bytes that a file system takes as the name of a file
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONE = re.compile("[\ud800-\udfff]")

STEM_BYTES = 200  # bytes of a name, which leaves room for what is added to it


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved over it when the block ends well and removed when it does not.

    Missing folders are made. What the system refuses (no right to write, no space) is a `TemsegError` that names `path`.
    """
    target = Path(path)
    end = f"-{os.getpid()}{target.suffix}"
    temporary = target.with_name(f".{short(target.stem, LONGEST - 1 - len(os.fsencode(end)))}{end}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise TemsegError(f"{target}: cannot be written ({reason(error, target)}); {_remedy(error, target)}.") from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def is_full(error: BaseException | None, path: Path | None = None) -> bool:
    """Whether writing to `path` failed for want of space: a full disk, a quota, a limit on the size of files."""
    if isinstance(error, TemsegError):
        error = error.__cause__
    if not isinstance(error, OSError):
        return False
    if error.errno is not None:
        return error.errno in _FULL
    # numpy writes an array in one go, and says no more than that less was written than was meant.
    return "written" in str(error) or (path is not None and _free(path) < 2**16)


def require_space(path: Path, size: int, whose: str) -> None:
    """`TemsegError` where less than `size` bytes are free for `path`: said before hours are spent on what could not be written.

    `whose`: the file whose results they are.
    """
    free = _free(path)
    if free < size:
        told = f"{whose}: its results take {size / 1e9:.1f} GB at least, and {free / 1e9:.1f} GB are free in {path.parent}"
        raise TemsegError(f"{told}; make space there, or choose another folder.") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def reason(error: OSError, path: Path) -> str:
    """What the system says in a few words."""
    return error.strerror or (os.strerror(errno.ENOSPC) if is_full(error, path) else str(error))


def _remedy(error: OSError, path: Path) -> str:
    return "make space there, or choose another folder" if is_full(error, path) else "choose a folder you may write to, with space left"


def _free(path: Path) -> int:
    there = next((folder for folder in path.absolute().parents if folder.is_dir()), None)
    return 0 if there is None else shutil.disk_usage(there).free


def short(name: str, longest: int) -> str:
    """The name, or when it is longer than `longest` bytes its beginning with a hash of all of it."""
    raw = os.fsencode(name)
    if len(raw) <= longest:
        return name
    begin = raw[: longest - 9].decode(errors="ignore")
    return f"{begin}~{hashlib.sha256(raw).hexdigest()[:8]}"


def printable(text: str) -> str:
    """Text in which each byte of a file's name that is no UTF-8 is written like %E4, for tables, reports and screens."""
    return _LONE.sub(lambda lone: f"%{ord(lone[0]) - 0xDC00:02X}" if 0xDC80 <= ord(lone[0]) <= 0xDCFF else "\ufffd", text)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically, with the same line ends on every system."""
    with replacing(path) as temporary:
        temporary.write_text(printable(text), encoding="utf-8", newline="\n")


def write_arrays(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays by name as one packed file (.npz), whole or not at all."""
    named: dict[str, Any] = {**arrays}  # Any: numpy has a keyword of its own beside them, a bool
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **named)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of plain values; a number that is not finite, which JSON does not know, becomes null, and any other object its `str`."""
    return printable(json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False, default=str))


def plain(value: Any) -> Any:
    """Dicts, lists and scalars of JSON's own types; numpy scalars become Python's, a number that is not finite None."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
