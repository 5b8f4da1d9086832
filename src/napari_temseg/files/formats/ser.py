"""FEI / Thermo Fisher TIA: series of images (.ser) and the document that names them (.emi).

The layout of .ser is the one TIA's help gives of its series data format, always little-endian, with 32-bit offsets in version 0x0210
and 64-bit ones in 0x0220. All that is measured is in the .ser: an .emi is taken as the name of those beside it.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.formats.acquisitions import acquisition, of_xml
from napari_temseg.files.formats.raw import DIFFRACTION, TYPE_IT, calibrated, damaged, file_size, is_reciprocal, mapped, planes, truncated
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.xml_sizes import parsed

_NAME = "TIA series (.ser)"
_START = struct.Struct("<HHHIIII")
_MARK, _SERIES, _VERSION_1, _VERSION_2 = 0x4949, 0x0197, 0x0210, 0x0220
_SPECTRA, _IMAGES = 0x4120, 0x4122
_PIXELS = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8", 9: "<c8", 10: "<c16"}
_AXIS = [("origin", "<f8"), ("delta", "<f8"), ("element", "<i4")]
_HEADERS = {
    _SPECTRA: np.dtype([("x", _AXIS), ("type", "<u2"), ("width", "<u4")]),
    _IMAGES: np.dtype([("x", _AXIS), ("y", _AXIS), ("type", "<u2"), ("width", "<u4"), ("height", "<u4")]),
}
_MOST_EMI = 1 << 24  # bytes of an .emi that are looked at
MAX_ELEMENTS, MAX_SIZES = 1 << 18, 100


def read_ser(path: Path) -> list[Series]:
    """The images of a .ser, or of every .ser that belongs to an .emi (NAME.emi to NAME_1.ser, NAME_2.ser …), usable ones first.

    Images of one size make a stack (planes, Y, X), read plane by plane; pixel sizes in nm come from `CalibrationDelta`. Spectra,
    diffraction patterns and complex numbers are series with an obstacle. `TemsegError` for a damaged or truncated file, and for an
    .emi without a .ser.
    """
    if path.suffix.lower() != ".emi":
        described = path.with_name(f"{path.stem.rpartition('_')[0]}.emi")
        return sorted(_taken(described, _read(path, path.stem)), key=lambda one: bool(one.obstacle))
    file_size(path)
    numbered = re.compile(re.escape(path.stem) + r"_(\d+)\.ser", re.IGNORECASE)
    try:
        found = {int(match[1]): entry for entry in path.parent.iterdir() if (match := numbered.fullmatch(entry.name))}
    except OSError as error:
        raise TemsegError(f"{path}: its folder cannot be listed ({error.strerror or error}); check that you may read it.") from error
    if not found:
        raise TemsegError(f"{path}: its pixels are in files called {path.stem}_1.ser and so on, which are not beside it; copy them there.")
    series = [one for number in sorted(found) for one in _read(found[number], found[number].stem)]
    return sorted(_taken(path, series), key=lambda one: bool(one.obstacle))


def _taken(described: Path, series: list[Series]) -> list[Series]:
    """The same with how they were taken, from the XML within an .emi where that is there."""
    try:
        with described.open("rb") as stream:
            content = stream.read(_MOST_EMI)
    except OSError:
        return series
    start, end = content.find(b"<ObjectInfo>"), content.find(b"</ObjectInfo>")
    if not 0 <= start < end:
        return series
    taken = acquisition(of_xml(parsed(content[start : end + len(b"</ObjectInfo>")])))
    return [replace(one, acquisition=taken) for one in series]


def _read(path: Path, name: str) -> list[Series]:
    size = file_size(path)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        kind, offsets, missing = _offsets(path, content)
        layout = _HEADERS[kind]
        if int(offsets.max()) + layout.itemsize > size:
            raise truncated(path, size, int(offsets.max()) + layout.itemsize)
        starts = offsets.tolist()
        headers = np.frombuffer(b"".join(content[start : start + layout.itemsize] for start in starts), layout)
    notes = (f"The recording was stopped: {missing} of {missing + len(headers)} images are missing.",) if missing else ()
    alike = headers[["type", "width", *(["height"] if kind == _IMAGES else [])]]
    sizes, which = np.unique(alike, return_inverse=True)
    if len(sizes) > MAX_SIZES:
        raise damaged(path, _NAME)
    groups = sorted((np.flatnonzero(which == index) for index in range(len(sizes))), key=lambda group: int(group[0]))
    found = []
    for group in groups:
        rows, columns = _shape(headers[group[0]])
        label = name if len(groups) == 1 else f"{name}, {rows} × {columns} from {group[0]}"
        found.append(_series(path, label, headers[group], offsets[group] + layout.itemsize, notes))
    return found


def _offsets(path: Path, content: mmap.mmap) -> tuple[int, npt.NDArray[np.int64], int]:
    """What the elements are (spectra or images), where they start, and how many were planned but not recorded."""
    size = len(content)
    if size < _START.size:
        raise truncated(path, size, _START.size)
    mark, series, version, kind, _, planned, valid = _START.unpack_from(content)
    if (mark, series) != (_MARK, _SERIES) or version not in (_VERSION_1, _VERSION_2) or kind not in _HEADERS:
        raise damaged(path, _NAME)
    if not 0 < valid <= planned <= MAX_ELEMENTS:
        trouble = "holds no image" if valid == 0 else f"claims {planned} elements"
        raise TemsegError(f"{path}: the {_NAME} file {trouble}; record or export it again.")
    width = 4 if version == _VERSION_1 else 8
    if size < _START.size + width:
        raise truncated(path, size, _START.size + width)
    (table,) = struct.unpack_from("<I" if width == 4 else "<Q", content, _START.size)
    needed = table + valid * width
    # Each element takes room of its own, so a count that the file cannot hold is false.
    if needed > size or valid * (width + _HEADERS[kind].itemsize) > size:
        raise truncated(path, size, max(needed, valid * (width + _HEADERS[kind].itemsize)))
    offsets = np.frombuffer(content[table:needed], f"<u{width}")
    if int(offsets.max()) > size:
        raise truncated(path, size, int(offsets.max()))
    return kind, offsets.astype(np.int64), planned - valid


def _shape(header: np.void) -> tuple[int, int]:
    """Rows and columns of an element; a spectrum is one row."""
    return (int(header["height"]) if "height" in (header.dtype.names or ()) else 1, int(header["width"]))


def _series(path: Path, name: str, headers: npt.NDArray[np.void], starts: npt.NDArray[np.int64], notes: tuple[str, ...]) -> Series:
    shape, kind = _shape(headers[0]), int(headers[0]["type"])
    if kind not in _PIXELS or 0 in shape:
        raise damaged(path, _NAME)
    spectra = "y" not in (headers.dtype.names or ())
    data = _data(path, np.dtype(_PIXELS[kind]), shape, starts, flip=not spectra)
    axes = "YX" if data.ndim == 2 else ""
    x, y = headers["x"]["delta"], headers["x" if spectra else "y"]["delta"]
    if spectra:
        obstacle = f"it is a spectrum ({shape[1]} channels), not a micrograph; open the image recorded with it."
    elif is_reciprocal(float(x[0])) or is_reciprocal(float(y[0])):
        obstacle = DIFFRACTION.format(unit="1/m")
    elif _PIXELS[kind][1] == "c":
        obstacle = "its pixels are complex numbers; save modulus or phase as an image in TIA."
    else:
        calibration, remarks = _calibration(x, y)
        return Series(name, data, calibration, axes, notes=(*notes, *remarks))
    return Series(name, data, axes=axes, obstacle=obstacle, notes=notes)


def _calibration(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[Calibration, tuple[str, ...]]:
    with np.errstate(over="ignore", invalid="ignore"):
        constant = all(np.allclose(deltas, deltas[0], rtol=1e-3, atol=0, equal_nan=True) for deltas in (x, y))
    if constant:
        return calibrated(float(y[0]) * 1e9, float(x[0]) * 1e9)
    return Calibration(), (f"The pixel size changes within the series, so none was taken: {TYPE_IT}.",)


def _data(path: Path, dtype: np.dtype[Any], shape: tuple[int, int], starts: npt.NDArray[np.int64], *, flip: bool) -> Any:
    """The pixels of elements of one size, mapped. TIA counts the rows of an image from below."""
    size, nbytes = file_size(path), math.prod(shape) * dtype.itemsize
    end = int(starts.max()) + nbytes
    if end > size or len(starts) * nbytes > size:
        raise truncated(path, size, max(end, len(starts) * nbytes))
    plane = partial(_plane, path, dtype, shape, flip=flip)
    if len(starts) == 1:
        return plane(start=int(starts[0]))
    import dask.array as da

    chunks = ((1,) * len(starts), (shape[0],), (shape[1],))
    one = np.empty((0, 0, 0), dtype.newbyteorder("="))
    return da.map_blocks(_block, starts=starts, plane=plane, chunks=chunks, dtype=one.dtype, meta=one)


def _plane(path: Path, dtype: np.dtype[Any], shape: tuple[int, int], start: int, flip: bool) -> npt.NDArray[Any]:
    pixels = mapped(path, dtype, shape, start)
    plane: npt.NDArray[Any] = planes(pixels[::-1] if flip else pixels)
    return plane


def _block(starts: npt.NDArray[np.int64], plane: Callable[..., npt.NDArray[Any]], block_id: tuple[int, ...]) -> npt.NDArray[Any]:
    return plane(start=int(starts[block_id[0]]))[None]
