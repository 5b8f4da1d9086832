"""Write a file whole or not at all; JSON that every reader takes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_temseg.engine.types.errors import TemsegError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved over it when the block ends well and removed when it does not.

    Missing folders are made. What the system refuses (no right to write, no space) is a `TemsegError` that names `path`.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}-{os.getpid()}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise TemsegError(
            f"{target}: cannot be written ({error.strerror or error}); choose a folder you may write to, with space left."
        ) from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically, with the same line ends on every system."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of plain values; a number that is not finite, which JSON does not know, becomes null, and any other object its `str`."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False, default=str)


def plain(value: Any) -> Any:
    """Dicts, lists and scalars of JSON's own types; numpy scalars become Python's, a number that is not finite None."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
