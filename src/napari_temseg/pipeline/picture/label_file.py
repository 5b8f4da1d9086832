"""Numbers of a large plane in a temporary file, of which as much is in memory as is looked at."""

from __future__ import annotations

import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.picture.pieces import Window

Numbers = npt.NDArray[np.integer[Any]]


class LabelFile:
    """Labels or classes (Y, X), zeros at first; the file goes with the object. `TemsegError` where the temporary folder is full."""

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        size = int(np.prod(shape)) * self.dtype.itemsize
        with tempfile.NamedTemporaryFile(prefix="temseg-", delete=False) as file:
            self._path = Path(file.name)
            weakref.finalize(self, _remove, self._path)
            try:
                for _ in range(0, size, 2**24):  # written, not only promised: a mapped file that outgrows its disk ends the process
                    file.write(bytes(2**24))
                file.truncate(size)
            except OSError as error:
                raise TemsegError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror or error}); make space there.") from error

    def window(self, where: Window) -> Numbers:
        """A copy of a part."""
        return np.array(self._rows(where[0], "r")[:, where[1]])

    def put(self, where: Window, numbers: Numbers) -> None:
        """Replace a part."""
        self._rows(where[0], "r+")[:, where[1]] = numbers

    def whole(self) -> Numbers:
        """All of it, read from the file as it is looked at."""
        return np.memmap(self._path, self.dtype, "r", shape=self.shape)

    def _rows(self, rows: slice, mode: Any) -> np.memmap[Any, Any]:
        offset = rows.start * self.shape[1] * self.dtype.itemsize
        return np.memmap(self._path, self.dtype, mode, offset=offset, shape=(rows.stop - rows.start, self.shape[1]))


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows keeps what is still mapped
        path.unlink()
