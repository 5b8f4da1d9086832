"""Pixels as they lie in a file, mapped but not read, and pixel sizes with what people should know of them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.wording import percent
from napari_temseg.files.formats.series import Series

# Per pixel, in nm: finer or coarser than any microscope, so a damaged or made-up number.
FINEST, COARSEST = 1e-3, 1e6
FINER_THAN_DPI = 1000.0  # nm
TYPE_IT = "type it, or measure the scale bar"
MANY_CHUNKS = 10_000  # of an array, beyond which it is not counted how many are there
_EMPTY = 0.75  # of rows, from the top, that are alike where there is no picture but its data bar
_FILLED = 0.99  # of pixels that are not 0 in a plane that is no dark one
# Of a picture that ends in zeros: the share of pixels from which on that is said, the rows above that are looked at, how full rows are of a
# picture that is no dark one, and the fewest pixels that a row lacks where a file breaks off.
_MANY, _ABOVE, _FULL, _FEWEST_LEFT = 0.05, 8, 0.5, 8
_PIECE = 2**20  # bytes
_UNFINISHED = (
    "the file is still being written or was not copied to its end (the last {tail} are zeros); wait or copy it again, or cut the empty "
    "part off."
)
_DARK = "The last {tail} are zeros up to the end of the file: they are dark or masked, or were not written; look at the picture."
DIFFRACTION = "it is a diffraction pattern (its pixels are {unit}, not lengths), which holds no particles; open an image instead."


def file_size(path: Path) -> int:
    """The size in bytes; `TemsegError` for a file that is missing, empty or may not be read."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
    except OSError as error:
        raise TemsegError(
            f"{path}: cannot be opened ({error.strerror or error}); check that it is there and that you may read it."
        ) from error
    if size == 0:
        raise TemsegError(f"{path}: the file is empty (0 bytes); copy or export it again.")
    return size


def damaged(path: Path, format_name: str) -> TemsegError:
    """The error for bytes that make no sense in this format."""
    return TemsegError(f"{path}: is damaged or not a {format_name} file; copy or export it again.")


def truncated(path: Path, size: int, needed: int) -> TemsegError:
    """The error for a file of `size` bytes that ends before byte `needed`."""
    return TemsegError(f"{path}: the file is truncated ({size} of at least {needed} bytes); copy or export it again.")


def mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> npt.NDArray[Any]:
    """`shape` pixels from byte `offset`, mapped read-only in the file's byte order; `TemsegError` where the file ends before."""
    size, needed = file_size(path), offset + math.prod(shape) * dtype.itemsize
    if needed > size:
        raise truncated(path, size, needed)
    return np.memmap(path, dtype, "r", offset, shape)


class StoredPlanes:
    """Planes (…, Y, X) that lie one after another in a file, from byte `offset` on; what is asked for is read, and nothing stays mapped.

    Pages that are mapped count as memory of the process, and of a long stack all would in the end.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self._path, self._offset = path, offset

    def __getitem__(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        """As of an array, by numbers and slices of each axis."""
        taken = [
            range(length)[part] if isinstance(part, slice) else (int(part),) for part, length in zip(key[:-2], self.shape, strict=False)
        ]
        stack = np.stack([self._plane(place) for place in product(*taken)]).reshape((*map(len, taken), *self.shape[-2:]))
        whole: npt.NDArray[Any] = stack[(*(slice(None) if isinstance(part, slice) else 0 for part in key[:-2]), *key[-2:])]
        return whole

    def _plane(self, place: tuple[int, ...]) -> npt.NDArray[Any]:
        count = math.prod(self.shape[-2:])
        start = self._offset + int(np.ravel_multi_index(place, self.shape[:-2])) * count * self.dtype.itemsize
        plane = np.fromfile(self._path, self.dtype, count, offset=start)
        if plane.size < count:
            raise truncated(self._path, file_size(self._path), start + count * self.dtype.itemsize)
        return plane.reshape(self.shape[-2:])

    def lazily(self) -> Any:
        """As a dask array in native byte order, a plane a chunk."""
        import dask.array as da  # for stacks alone, as it takes long to import

        chunks = (*(1,) * (self.ndim - 2), *self.shape[-2:])
        return da.from_array(self, chunks=chunks, name=False, meta=np.empty((0,) * self.ndim, self.dtype)).astype(
            self.dtype.newbyteorder("=")
        )


def planes(pixels: npt.NDArray[Any]) -> Any:
    """The same pixels, (Y, X) or (planes, Y, X), in native byte order, rows one after the other.

    One plane is copied, a stack becomes a dask array, a plane a chunk.
    """
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    if isinstance(pixels, np.memmap) and pixels.flags.c_contiguous and pixels.filename is not None:
        return StoredPlanes(Path(pixels.filename), pixels.dtype, pixels.shape, pixels.offset).lazily()
    import dask.array as da  # for stacks alone, as it takes long to import

    return da.from_array(pixels, chunks=(1, *pixels.shape[1:]), name=False).astype(pixels.dtype.newbyteorder("="))


def unusable(*shape: int) -> npt.NDArray[np.uint8]:
    """Stands, without memory, for pixels that no array can hold (packed or in colour); their series has an obstacle."""
    return np.broadcast_to(np.uint8(0), shape[-3:])


def resolution_note(nanometres: float) -> tuple[str, ...]:
    """A note on a resolution for print by which a pixel would be so small that it may be meant as a calibration."""
    if not FINEST <= nanometres < FINER_THAN_DPI:
        return ()
    return (f"By its resolution, which is that of print as a rule and was not taken, a pixel is {nanometres:.4g} nm: if so, {TYPE_IT}.",)


def missing_chunks(planned: int, missing: int, fill: Any) -> tuple[str, ...]:
    """A note where chunks of an array are not stored, which then read as `fill`."""
    if missing <= 0:
        return ()
    return (f"{missing} of {planned} chunks are not stored and read as {fill}: they are empty, or were not written or copied.",)


def calibrated(y: float, x: float) -> tuple[Calibration, tuple[str, ...]]:
    """A pixel size in nm as a tag gives it, and notes for people; no calibration where it is missing or impossible."""
    if not (math.isfinite(y) and math.isfinite(x)) or (y == 0 and x == 0):
        return Calibration(), (f"The file gives no pixel size: {TYPE_IT}.",)
    if not all(FINEST <= size <= COARSEST for size in (y, x)):
        return Calibration(), (f"The pixel size in the file, {x:.4g} nm (y: {y:.4g} nm), is implausible and was left out: {TYPE_IT}.",)
    calibration = Calibration((y, x), "tag")
    if abs(y / x - 1) <= 1e-3:
        return calibration, ()
    return calibration, (f"The pixel is {x:.4g} nm wide and {y:.4g} nm high in the file: check that this is meant.",)


def is_reciprocal(metres: float) -> bool:
    """Whether a number stored as a pixel size in metres is 1/m, as for diffraction patterns: no pixel covers a millimetre."""
    return math.isfinite(metres) and metres * 1e9 > COARSEST


def finished(one: Series, path: Path) -> Series:
    """The picture or stack of a file with an obstacle where its end is not written, with a note where that may be, or where all is alike.

    What is not written yet is zeros to the last byte of a file. These begin somewhere within a row, below rows that are full; whole rows of
    them may as well be dark or masked, and a file that goes on after them was written. Rows of some formats begin with the lowest.
    """
    if one.obstacle or len(one.data.shape) not in (2, 3) or one.data.dtype.kind not in "uif":
        return one
    count = one.data.shape[0] if len(one.data.shape) == 3 else 1
    for number in range(count, 0, -1):
        plane = np.asarray(one.data if len(one.data.shape) == 2 else one.data[number - 1])
        if (plane != plane[-1, -1]).any():
            break
    else:
        alike = f"All its pixels are {plane[-1, -1]:g}: the picture is empty, or its file was not written to the end."
        return replace(one, notes=(*one.notes, alike))
    missing, torn = max(_end(plane), _end(plane[::-1]))
    tail = f"{missing / plane.size:.0%} of the picture"
    if number < count:
        missing, torn = (count - number) * plane.size, torn or bool(np.count_nonzero(plane) > _FILLED * plane.size)
        tail = f"{count - number} of {count} planes"
    elif not missing or not _ends_in_zeros(path, missing):  # after the pages of a stack there are often tags
        return _but_for_a_bar(one, plane) if count == 1 else one
    if torn:
        return replace(one, obstacle=_UNFINISHED.format(tail=tail))
    return replace(one, notes=(*one.notes, _DARK.format(tail=tail)))


def _but_for_a_bar(one: Series, plane: npt.NDArray[Any]) -> Series:
    """With a note where nothing but a data bar, below, is in a picture (Y, X)."""
    first = int((plane != plane[0, 0]).any(axis=1).argmax())
    if first <= _EMPTY * len(plane):
        return one
    alike = f"All its pixels but those of the lowest {percent(1 - first / len(plane))} are {plane[0, 0]:g}: the picture is empty."
    return replace(one, notes=(*one.notes, alike))


def _end(plane: npt.NDArray[Any]) -> tuple[int, bool]:
    """How many pixels at the end of a picture (Y, X) are alike, 0 where they are few, and whether they begin as where a file breaks off."""
    width = plane.shape[1]
    if (plane[-1] != plane[-1, -1]).any():
        return 0, False
    filled = plane != plane[-1, -1]
    row, column = divmod(int(np.flatnonzero(filled.reshape(-1))[-1]), width)
    missing = plane.size - row * width - column - 1
    above = filled[max(0, row - _ABOVE) : row]
    torn = bool(
        missing > width
        and len(above)
        and width - column >= _FEWEST_LEFT
        and min(filled[row, : column + 1].mean(), above[:, : column + 1].mean(), above[:, column + 1 :].mean()) > _FULL
    )
    return (missing, torn) if torn or missing > _MANY * plane.size else (0, False)


def _ends_in_zeros(path: Path, count: int) -> bool:
    """Whether the last `count` bytes of a file are zeros; of a folder never, as what is not written is a file less."""
    if path.is_dir():
        return False
    with path.open("rb") as stream:
        place = stream.seek(0, 2)
        first = max(0, place - count)
        while place > first:
            start = max(first, place - _PIECE)
            stream.seek(start)
            if any(stream.read(place - start)):
                return False
            place = start
    return True
