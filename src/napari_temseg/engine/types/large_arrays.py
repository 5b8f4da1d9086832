"""Arrays of whole stacks and large planes in little memory: in files that nobody sees, counted in parts, masks packed."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)
IN_MEMORY = 1 << 28  # bytes: larger arrays live in a temporary file
_TOGETHER = 1 << 22  # numbers counted at once: NumPy makes a copy of eight bytes of each


def fits_on_disk(size: int) -> bool:
    """Whether arrays of so many bytes belong in a temporary file: they are large, and there is room to spare.

    A mapped file that outgrows its disk would end the process.
    """
    return size > IN_MEMORY and 2 * size < shutil.disk_usage(tempfile.gettempdir()).free


def zeros(shape: tuple[int, ...], dtype: type[T], on_disk: bool | None = None) -> npt.NDArray[T]:
    """An array of zeros to be filled, in memory or, by default where it is large, in a temporary file without a name that goes with it."""
    if on_disk is None:
        on_disk = fits_on_disk(int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
    if not on_disk:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:  # the mapping holds on to it after this is closed
        return np.asarray(np.memmap(file, dtype, "w+", shape=shape))


def copied(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """A copy that lies where `zeros` would."""
    copy: npt.NDArray[T] = zeros(array.shape, array.dtype.type)
    copy[...] = array
    return copy


def areas(labels: npt.NDArray[np.integer[Any]], minlength: int = 0) -> npt.NDArray[np.int64]:
    """How many pixels of an array have each number from 0 to the highest, as `numpy.bincount` counts, without a copy of it all."""
    flat = labels.reshape(-1)
    found = np.zeros(max(int(flat.max(initial=-1)) + 1, minlength), np.int64)
    for start in range(0, len(flat), _TOGETHER):
        part = np.bincount(flat[start : start + _TOGETHER])
        found[: len(part)] += part
    return found


@dataclass(frozen=True)
class PackedMask:
    """A bool array of `shape`, eight pixels a byte and compressed: boxes round data bars take less than a thousandth."""

    shape: tuple[int, ...]
    packed: bytes = field(repr=False)

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> PackedMask:
        """From the array."""
        return cls(tuple(mask.shape), zlib.compress(np.packbits(mask).tobytes(), 1))

    def array(self) -> npt.NDArray[np.bool_]:
        """The array, made anew."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=int(np.prod(self.shape))).reshape(self.shape).astype(bool)
