"""Label images of a stack, plane by plane, where the whole of it would not fit in memory."""

from __future__ import annotations

import mmap
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError

_STRIP = 1024  # rows of a plane that are looked at together
_IN_MEMORY = 2**25  # bytes, compressed; more goes to a temporary file that goes with the object
Labels = npt.NDArray[np.integer[Any]]


class LabelPages:
    """Planes of labels or classes, handed over and given back in order, compressed meanwhile; `shape` is that of the whole."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.shape, self.dtype, self.largest = shape, np.dtype(dtype), 0
        self._ends = [0]
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed with the object
        weakref.finalize(self, self._file.close)

    def append(self, plane: Labels) -> None:
        """The next plane (Y, X); `TemsegError` where the temporary folder is full."""
        content = zlib.compress(np.ascontiguousarray(plane, self.dtype).tobytes(), 1)
        try:
            self._file.seek(self._ends[-1])
            self._file.write(content)
        except OSError as error:
            raise TemsegError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror or error}); make space there.") from error
        self._ends.append(self._ends[-1] + len(content))
        self.largest = max(self.largest, int(plane.max(initial=0)))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Labels:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._file.seek(self._ends[index])
        content = zlib.decompress(self._file.read(self._ends[index + 1] - self._ends[index]))
        return np.frombuffer(content, self.dtype).reshape(self.shape[-2:])

    def __iter__(self) -> Iterator[Labels]:
        return (self[index] for index in range(len(self)))


def planes_of(labels: Labels | LabelPages) -> Iterable[Labels]:
    """The planes (Y, X) of labels (…, Y, X)."""
    return labels if isinstance(labels, LabelPages) else labels.reshape((-1, *labels.shape[-2:]))


def largest_of(labels: Labels | LabelPages) -> int:
    """The largest number in labels (…, Y, X)."""
    if isinstance(labels, LabelPages):
        return labels.largest
    return max((int(rows.max(initial=0)) for plane in planes_of(labels) for rows in strips_of(plane)), default=0)


def strips_of(plane: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """A plane (Y, X) some rows at a time; what was looked at of a mapped file does not stay in memory."""
    mapped: Any = getattr(plane, "_mmap", None)
    for top in range(0, len(plane), _STRIP):
        yield plane[top : top + _STRIP]
        if hasattr(mapped, "madvise"):  # not on Windows
            mapped.madvise(mmap.MADV_DONTNEED)
