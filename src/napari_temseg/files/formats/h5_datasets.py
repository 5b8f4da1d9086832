"""Datasets of HDF5 as pictures: mapped where they lie open in the file, else read plane by plane, and never more than a file can hold."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.raw import MANY_CHUNKS, file_size, missing_chunks, unusable
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Tagged

# What h5py raises for files that are damaged in one way or another.
DAMAGED_HDF5 = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, OverflowError, EOFError)
_HEAP = b"GCOL\1\0\0\0"
MAX_ENTRIES = 1000  # pictures, or groups looked at: a file that has more is damaged


def numbered(found: list[Series]) -> list[Series]:
    """Number the pictures of one name, so that each can be asked for."""
    taken: dict[str, int] = {}
    named = []
    for series in found:
        taken[series.name] = count = taken.get(series.name, 0) + 1
        name = series.name if count == 1 else f"{series.name} {count}"
        named.append(replace(series, name=name))
    return named


def refused(name: str, why: str) -> Series:
    """A series that is no picture, and why: a sentence without its full stop."""
    return Series(name, unusable(1, 1), obstacle=f"{why}.")


def entries(group: Any) -> Iterator[tuple[str, h5py.Group]]:
    """Subgroups by name; none where the file has no such group, and none of other files."""
    if not isinstance(group, h5py.Group):
        return
    for name in list(group)[:MAX_ENTRIES]:
        entry = None if isinstance(group.get(name, getlink=True), h5py.ExternalLink) else group[name]
        if isinstance(entry, h5py.Group):
            yield str(name), entry


def groups(root: h5py.Group) -> Iterator[h5py.Group]:
    """All groups below `root`, nearest first; links that a damaged file turned into circles end with the budget."""
    waiting = [root]
    for _ in range(MAX_ENTRIES):
        if not waiting:
            return
        group = waiting.pop(0)
        yield group
        waiting += [entry for _, entry in entries(group)]


def dataset_series(path: Path, name: str, pixels: h5py.Dataset, said: Tagged, *, frames_last: bool, axes: str) -> Series:
    """A dataset (Y, X), (Y, X, frames) or (frames, Y, X) as a series, checked against the size of the file before it is touched."""
    shape = pixels.shape
    planes = shape[-1 if frames_last else 0] if pixels.ndim == 3 else 1
    frame = shape[:2] if frames_last or pixels.ndim == 2 else shape[1:]
    size = path.stat().st_size
    plane_bytes = math.prod(frame) * pixels.dtype.itemsize
    if 0 in shape:
        return refused(name, f"it is empty (shape {tuple(shape)}); export it again")
    if pixels.is_virtual or pixels.external:
        return refused(name, "its pixels lie in other files; export it with its pixels in it")
    plain = pixels.id.get_create_plist().get_nfilters() == 0
    chunk = math.prod(pixels.chunks or (1,)) * pixels.dtype.itemsize
    most = 4 * size + 2**26
    if (plain and plane_bytes * planes > size) or plane_bytes > most or chunk > most:
        raise TemsegError(f"{path}: the file is truncated or damaged ({name} has {shape}, more than it can hold); copy or export it again.")
    offset = pixels.id.get_offset() if pixels.chunks is None else None
    single = planes == 1
    data: Any
    if offset is not None and plain:
        if offset + plane_bytes * planes > size:
            raise TemsegError(f"{path}: the file is truncated ({name} ends after its end); copy or export it again.")
        mapped = np.memmap(path, pixels.dtype, "r", offset, shape)
        data = _stack(mapped, frames_last)
        data = np.asarray(data[0]).astype(pixels.dtype.newbyteorder("="), copy=False) if single else _lazily(data)
    elif single:
        data = _plane(path, pixels.name, 0, frames_last)
    else:
        import dask.array as da
        from dask import delayed

        read = delayed(_plane, pure=True)
        native = pixels.dtype.newbyteorder("=")
        data = da.stack([da.from_delayed(read(path, pixels.name, k, frames_last), frame, native) for k in range(planes)])
    return Series(name, data, said.calibration, "YX" if single else axes, said.obstacle, (*said.notes, *_not_written(pixels)))


def _not_written(pixels: h5py.Dataset) -> tuple[str, ...]:
    """A note where chunks are not there, which then read as the fill value."""
    if pixels.chunks is None:
        return ()
    planned = math.prod(-(-length // piece) for length, piece in zip(pixels.shape, pixels.chunks, strict=True))
    return missing_chunks(planned, planned - pixels.id.get_num_chunks(), pixels.fillvalue) if planned <= MANY_CHUNKS else ()


def _stack(array: npt.NDArray[Any], frames_last: bool) -> npt.NDArray[Any]:
    """(Y, X) or (Y, X, frames) as (frames, Y, X), nothing copied."""
    if array.ndim == 2:
        return array[None]
    return np.moveaxis(array, -1, 0) if frames_last else array


def _lazily(stack: npt.NDArray[Any]) -> Any:
    import dask.array as da

    return da.from_array(stack, chunks=(1, *stack.shape[1:])).astype(stack.dtype.newbyteorder("="))


def _plane(path: Path, name: str, index: int, frames_last: bool) -> npt.NDArray[Any]:
    """One frame (Y, X) in native byte order, from a file that is opened for it alone."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            pixels = file[name]
            plane = pixels[...] if pixels.ndim == 2 else pixels[..., index] if frames_last else pixels[index]
    except DAMAGED_HDF5 as error:
        raise TemsegError(f"{path}: frame {index} is damaged; copy or export the file again.") from error
    return np.asarray(plane).astype(plane.dtype.newbyteorder("="), copy=False)


def check_heaps(path: Path) -> None:
    """Refuse a file whose heaps of texts (collections GCOL of the HDF5 format) are damaged: HDF5 itself may look through one for ever."""
    file_size(path)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAP)
        while start >= 0:
            end = start + int.from_bytes(content[start + 8 : start + 16], "little")
            place = start + 16
            while place + 16 <= end:
                index, _, _, size = struct.unpack_from("<HHIQ", content[place : place + 16].ljust(16, b"\0"))
                # The size of free space, object 0, counts its own header.
                place = end + 1 if index == size == 0 else place + (16 if index else 0) + -(-size // 8) * 8
            if end > len(content) or place > end:
                raise TemsegError(f"{path}: the HDF5 file is damaged (a heap at byte {start}); copy or export it again.")
            start = content.find(_HEAP, start + 8)
