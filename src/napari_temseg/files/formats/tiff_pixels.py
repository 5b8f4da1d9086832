"""Pixels of a TIFF as it declares them: colour maps, white that is zero, packed bits, channels that are no pages."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import grey
from napari_temseg.engine.types.wording import some_of
from napari_temseg.files.formats.raw import StoredPlanes
from napari_temseg.files.formats.xml_sizes import companion, ome_document, ome_images

# What tifffile raises for files that are damaged in one way or another.
DAMAGED_TIFF = (
    tifffile.TiffFileError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    struct.error,
    zlib.error,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
_WHITE_IS_ZERO, _PALETTE, _UNCOMPRESSED = 0, 3, 1
_NOT_RGB = {5: "printing (CMYK)", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
_NAMED = 5  # files of a set that a note names
Planes = Any  # numpy or dask


class Part(NamedTuple):
    """One picture or stack of a series: what to add to its name, its pixels, and the meaning of its leading axis where the file says it."""

    name: str
    data: Planes
    axes: str


class OmeSet(NamedTuple):
    """What an OME document says of the files that its pictures lie in: whether only those of this file are taken, and a note on it."""

    alone: bool
    note: str = ""


def explained(path: Path, error: Exception) -> TemsegError:
    """The sentence for what tifffile raised."""
    if "imagecodecs" in str(error):
        return TemsegError(
            f"{path}: its compression needs the package imagecodecs; install that, or save the file without compression in ImageJ."
        )
    return TemsegError(f"{path}: is damaged or not a TIFF; copy or export it again.")


def ome_set(path: Path) -> OmeSet:
    """Whether the OME document in a file names other files, or planes that are not there: then only its own pages are taken."""
    with tifffile.TiffFile(path) as tif:
        if not tif.is_ome:
            return OmeSet(False)
        text = ome_document(path, tif.pages.first.description)
        if not text:
            name = companion(tif.pages.first.description)
            return OmeSet(True, f"The pixel size and the meaning of the pages are in “{name}”, which is not beside the file.")
        others = sorted({name for image in ome_images(text) for name in image.pages if name not in ("", path.name)})
        if others:
            missing = [name for name in others if not (path.parent / Path(name).name).exists()]
            note = f"The file is one of an OME set of {len(others) + 1}, and only its own planes are read; the others are {_listed(others)}"
            return OmeSet(True, f"{note}{_absent(missing)}.")
        try:
            absent = sum(page is None for series in tif.series for page in series.pages)
        except DAMAGED_TIFF:
            return OmeSet(True, "The OME document is damaged or says too little of the pages, which are read as they lie in the file.")
        if absent:
            return OmeSet(True, f"The OME document speaks of {absent} more planes than the file holds: only those that are there are read.")
    return OmeSet(False)


def _absent(missing: list[str]) -> str:
    return f", of which {_listed(missing)} {'is' if len(missing) == 1 else 'are'} not beside it" if missing else ""


def _listed(names: list[str]) -> str:
    return some_of([f"“{name}”" for name in names], _NAMED)


def opened(path: Path, alone: bool) -> tifffile.TiffFile:
    """The file; with `alone` without the pictures of other files that its OME document names."""
    how = {"is_ome": False} if alone else {}
    tif = tifffile.TiffFile(path, **how)
    try:
        if tif.is_imagej:
            _ = tif.series
    except RuntimeError:  # tifffile takes every page of a file of ImageJ for one of a stack; those that differ are pictures of their own
        tif.close()
        tif = tifffile.TiffFile(path, is_imagej=False, **how)
    except BaseException:
        tif.close()
        raise
    return tif


def parts(path: Path, index: int, series: Any, alone: bool, *, raw: bool, split: bool) -> list[Part]:
    """The pictures of a series: one, or one a channel; with `split` one a page.

    With `raw` numbers are as stored and channels an axis, as label images need it. Single planes are read, stacks are lazy.
    """
    if not raw and series.keyframe.photometric in _NOT_RGB:
        colours = _NOT_RGB[series.keyframe.photometric]
        raise TemsegError(
            f"{path}: its pixels are colours of {colours}, of which no channel is the picture; convert it to 8-bit or 16-bit grey."
        )
    data = _stored(path, index, series, alone)
    axes = series.axes.replace("S", "")
    if raw:
        return [Part("", data, "")]
    data = _shown(data, series.keyframe, str(path))
    if split:
        return [Part(f"page {k}", np.asarray(data[k]), "YX") for k in range(data.shape[0])]
    declared = axes if series.kind in ("imagej", "ome", "shaped") else ""
    place = declared.find("C")
    if place < 0:
        return [Part("", data, _meaning(declared, series.kind))]
    rest = declared.replace("C", "")
    channels = [data[(slice(None),) * place + (k,)] for k in range(data.shape[place])]
    return [
        Part(f"channel {k}", np.asarray(one) if one.ndim == 2 else one, _meaning(rest, series.kind)) for k, one in enumerate(channels, 1)
    ]


def _meaning(axes: str, kind: str) -> str:
    """ "TYX" or "ZYX" where the file says it; ImageJ calls the pages of any stack slices, which says nothing."""
    return axes if axes == "TYX" or (axes == "ZYX" and kind in ("ome", "shaped")) else ""


def _stored(path: Path, index: int, series: Any, alone: bool) -> Planes:
    """The numbers in a file, (Y, X) read, stacks lazy; colour is reduced to grey."""
    colour = "S" in series.axes
    native = series.dtype.newbyteorder("=")
    if series.ndim - colour == 2:
        page = series.pages[0]
        array = _unpacked(path, page) if _is_packed(page) else series.asarray()
        return _grey(array, series.axes, path).astype(native, copy=False)
    import dask.array as da
    from dask import delayed

    if series.dataoffset is not None and not colour:
        # Uncompressed and in one piece: planes are read from the disk as they are looked at.
        dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
        return StoredPlanes(path, dtype, tuple(series.shape), series.dataoffset).lazily()
    shape = tuple(n for n, axis in zip(series.shape, series.axes, strict=True) if axis != "S")
    if math.prod(shape[:-2]) != len(series.pages):
        return _grey(series.asarray(), series.axes, path).astype(native, copy=False)
    plane = delayed(_plane, pure=True)
    pages = [da.from_delayed(plane(path, index, page, alone), shape[-2:], native) for page in range(len(series.pages))]
    return da.stack(pages).reshape(shape)


def _plane(path: Path, index: int, number: int, alone: bool) -> npt.NDArray[Any]:
    try:
        with opened(path, alone) as tif:
            series = tif.series[index]
            page = series.pages[number]
            array = _unpacked(path, page) if _is_packed(series.keyframe) else np.asarray(page.asarray())
            axes, shape = series.keyframe.axes, series.keyframe.shape
            if array.shape != shape:
                raise ValueError(f"page {number} has shape {array.shape}, not {shape}")
    except DAMAGED_TIFF as error:
        raise explained(path, error) from error
    return _grey(array, axes, path).astype(array.dtype.newbyteorder("="), copy=False)


def _is_packed(page: Any) -> bool:
    bits = page.bitspersample
    return bool(page.compression == _UNCOMPRESSED and 8 < bits < 16 and page.samplesperpixel == 1 and not page.is_tiled)


def row_bytes(page: Any) -> int:
    """Bytes of a row of an uncompressed page: rows start on whole bytes, whatever the bits of a sample."""
    return -(-int(page.imagewidth * page.samplesperpixel * page.bitspersample) // 8)


def _unpacked(path: Path, page: Any) -> npt.NDArray[Any]:
    """Pixels of 9 to 15 bits that lie one after the other, most significant bit first (TIFF 6.0, FillOrder 1)."""
    rows, columns, bits, each = page.imagelength, page.imagewidth, page.keyframe.bitspersample, row_bytes(page.keyframe)
    with path.open("rb") as stream:
        strips = []
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            stream.seek(offset)
            strips.append(stream.read(count))
    packed = np.frombuffer(b"".join(strips), np.uint8)[: rows * each].reshape(rows, each)
    found = np.empty((rows, columns), np.uint16)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    for row in range(0, rows, 64):
        ones = np.unpackbits(packed[row : row + 64], axis=1)[:, : columns * bits].reshape(-1, columns, bits)
        found[row : row + 64] = ones @ weights
    return found


def _grey(array: npt.NDArray[Any], axes: str, path: Path) -> npt.NDArray[Any]:
    if "S" not in axes:
        return array
    array = np.moveaxis(array, axes.index("S"), -1)
    return grey(array, str(path)) if array.shape[-1] >= 3 else array[..., 0]


def _shown(data: Planes, page: Any, name: str) -> Planes:
    """Stored numbers as any viewer shows them: through the colour map, and with white where zero is white."""
    if page.photometric == _PALETTE and page.colormap is not None:
        return _mapped(data, _grey_map(data, page.colormap, name))
    if page.photometric == _WHITE_IS_ZERO:
        return _inverted(data, page.bitspersample)
    return data


def _inverted(data: Planes, bits: int) -> Planes:
    kind = data.dtype.kind
    if kind == "b":
        return ~data
    if kind == "u":
        return data.dtype.type((1 << min(bits, 8 * data.dtype.itemsize)) - 1) - data
    return -data if kind == "f" else ~data


def _grey_map(data: Planes, colours: npt.NDArray[np.uint16], name: str) -> npt.NDArray[Any]:
    """The grey of each number; only those that occur need be grey. `TemsegError` for a colour map."""
    used = np.unique(data) if isinstance(data, np.ndarray) else np.arange(colours.shape[1])
    table = np.zeros(colours.shape[1], np.uint16)
    table[used] = grey(colours.T[used][None], name)[0]
    return (table // 257).astype(np.uint8) if (colours[:, used] % 257 == 0).all() else table


def _mapped(data: Planes, table: npt.NDArray[Any]) -> Planes:
    look: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = table.__getitem__
    return look(data) if isinstance(data, np.ndarray) else data.map_blocks(look, dtype=table.dtype)
