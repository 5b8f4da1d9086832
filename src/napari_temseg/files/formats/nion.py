"""Nion Swift: files of its libraries (.ndata, .ndata1), and what its JSON says of the axes, which its HDF5 holds too.

A file is a ZIP archive of data.npy (NumPy) and metadata.json, as Swift's own reader, which is public, takes it.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import grey
from napari_temseg.files.formats.raw import file_size, unusable
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, number, of_units, pixels, tagged

SWIFT_ORIGIN = "Swift calibration"
_SPECTRUM = "it is a spectrum or spectrum image, not a micrograph; open the image recorded with it."
_SCAN = "it has {ndim} axes {shape} (as a 4D-STEM scan) and is no image or stack; save single images."
_CALIBRATIONS = ("dimensional_calibrations", "spatial_calibrations")  # of data items, and of those that were exported
_DEEPEST = 8  # groups within groups of its JSON
_MOST_JSON = 2**24  # bytes of a description
_MOST_BYTES = 2**34  # of pixels
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    OSError,
)


def read_ndata(path: Path) -> list[Series]:
    """The one picture or stack (planes, Y, X) of a file of Nion Swift; spectra, scans and colour are an obstacle, damage `TemsegError`."""
    size = file_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.getinfo("data.npy")
            if content.file_size > min(_MOST_BYTES, 16 * size + 2**26) or archive.getinfo("metadata.json").file_size > _MOST_JSON:
                raise ValueError("it unpacks into far more than it can hold")
            said = json.loads(archive.read("metadata.json").decode("utf-8"))
            array = _array(archive.read("data.npy"))
    except _DAMAGED as error:
        raise TemsegError(f"{path}: is damaged or not a file of Nion Swift; copy or export it again.") from error
    return [_series(str(said.get("title") or path.stem) if isinstance(said, dict) else path.stem, array, said)]


def _array(content: bytes) -> npt.NDArray[Any]:
    """The array of a .npy file, whose header is held against its length before any memory is taken."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError("its header does not fit its pixels")
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _series(name: str, array: npt.NDArray[Any], said: Any) -> Series:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[-1] in (3, 4):
        try:
            array = grey(array, name)
        except TemsegError:
            return Series(name, unusable(1, 1), obstacle="it is in colour; convert it to grey first.")
    size, obstacle = swift_axes(said, array.ndim)
    if not obstacle and array.dtype.kind not in "buif":
        obstacle = f"it holds {array.dtype} and not grey values; save its modulus as grey values."
    if obstacle or not 2 <= array.ndim <= 3 or 0 in array.shape:
        shape = tuple(array.shape)
        return Series(
            name, unusable(1, 1), obstacle=obstacle or (_SPECTRUM if array.ndim < 2 else _SCAN.format(ndim=array.ndim, shape=shape))
        )
    found = tagged(size, SWIFT_ORIGIN, array.shape[-2:])
    axes = "YX" if array.ndim == 2 else "TYX" if _within(said, "is_sequence", 0) is True else ""
    return Series(name, array, found.calibration, axes, found.obstacle, found.notes)


def swift_axes(said: Any, ndim: int) -> tuple[Size | None, str]:
    """The pixel size in Swift's JSON on an array of `ndim` axes, None where it says none; and why this is no picture, or ""."""
    if pixels(_within(said, "datum_dimension_count", 0)) == 1:
        return None, _SPECTRUM
    axes = next((found for name in _CALIBRATIONS if (found := _within(said, name, 0)) is not None), None)
    if not isinstance(axes, list) or len(axes) < 2 or not all(isinstance(axis, dict) for axis in axes):
        return None, ""
    if any(str(axis.get("units")) in ("eV", "keV", "meV") for axis in axes[:ndim]):
        return None, _SPECTRUM
    (y, unit_y), (x, unit_x) = ((number(axis.get("scale")), str(axis.get("units") or "")) for axis in axes[-2:])
    return (of_units(y, unit_y, x, unit_x) if unit_x or unit_y else None), ""


def _within(tree: Any, name: str, depth: int) -> Any:
    """The value of the first entry of a name, wherever in a tree."""
    if isinstance(tree, dict) and name in tree:
        return tree[name]
    if depth > _DEEPEST or not isinstance(tree, (dict, list)):
        return None
    values = tree.values() if isinstance(tree, dict) else tree
    return next((found for value in values if (found := _within(value, name, depth + 1)) is not None), None)
