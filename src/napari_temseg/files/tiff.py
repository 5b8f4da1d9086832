"""TIFF in and out: micrographs with the pixel size of their ImageJ or OME tags, results that ImageJ opens calibrated."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import tifffile
from dask import delayed

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import Calibration, grey, to_nanometres
from napari_temseg.files.atomic import replacing

# What tifffile raises for files that are damaged in one way or another.
_DAMAGED = (
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
)
MAX_PIXELS = 2**31  # of one plane: beyond any camera, so a damaged header rather than a picture


def read_tiff(path: Path) -> tuple[Any, Calibration, str]:
    """Pixels, calibration and series of the largest picture in a TIFF.

    One page is a numpy array (Y, X) in native byte order; several are a lazy dask array (pages, Y, X) or longer. Thumbnails and
    other smaller pictures in the file are passed over. `TemsegError` for damage, colour, unknown compression or absurd size.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            index, series = _largest(tif, path)
            _check_whole(series, path, int((tif.imagej_metadata or {}).get("images", 1)))
            calibration = _calibration(tif)
            name = f"series {index}" if len(tif.series) > 1 else ""
            return _pixels(path, index, series), calibration, name
    except TemsegError:
        raise
    except _DAMAGED as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: Exception) -> TemsegError:
    if "imagecodecs" in str(error):
        return TemsegError(
            f"{path}: its compression needs the package imagecodecs; install that, or save the file without compression in ImageJ."
        )
    return TemsegError(f"{path}: is damaged or not a TIFF; copy or export it again.")


def _largest(tif: tifffile.TiffFile, path: Path) -> tuple[int, Any]:
    """The series with most pixels; of equals the one that is not colour, then the one of more bits, then the first."""
    if not tif.series:
        raise TemsegError(f"{path}: the TIFF holds no picture; copy or export it again.")

    def rank(item: tuple[int, Any]) -> tuple[int, bool, int, int]:
        index, series = item
        pixels = int(np.prod([n for n, axis in zip(series.shape, series.axes, strict=True) if axis != "S"]))
        return pixels, "S" not in series.axes, series.dtype.itemsize, -index

    return max(enumerate(tif.series), key=rank)


def _check_whole(series: Any, path: Path, declared: int) -> None:
    """Refuse, before any pixel is read, what ends too early, is empty or is larger than a picture can be."""
    page = series.keyframe
    if 0 in series.shape:
        raise TemsegError(f"{path}: the image is empty (shape {tuple(series.shape)}).")
    if page.imagelength * page.imagewidth > MAX_PIXELS:
        raise TemsegError(f"{path}: a plane of {page.imagelength} × {page.imagewidth} pixels is too large; cut it into parts first.")
    planes = int(np.prod(series.shape)) // (page.imagelength * page.imagewidth * page.samplesperpixel)
    if declared > planes:  # tifffile goes on with the first page of an ImageJ stack whose rest is missing
        raise TemsegError(f"{path}: the file is truncated ({planes} of {declared} planes); copy or export it again.")
    size = path.stat().st_size
    end = series.dataoffset + series.nbytes if series.dataoffset is not None else max(map(_end, series.pages))
    if end > size:
        raise TemsegError(f"{path}: the file is truncated ({size} of at least {end} bytes); copy or export it again.")


def _end(page: Any) -> int:
    return (
        0
        if page is None
        else max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    )


def _pixels(path: Path, index: int, series: Any) -> Any:
    colour = "S" in series.axes
    native = series.dtype.newbyteorder("=")
    if series.ndim - colour == 2:
        return _grey(series.asarray(), series.axes, path).astype(native, copy=False)
    if series.dataoffset is not None and not colour:
        # Uncompressed and in one piece: planes are read from the disk as they are looked at.
        stack = tifffile.memmap(path, series=index, mode="r")
        return da.from_array(stack, chunks=(*(1,) * (stack.ndim - 2), *stack.shape[-2:])).astype(native)
    shape = tuple(n for n, axis in zip(series.shape, series.axes, strict=True) if axis != "S")
    if len(shape) != 3 or len(series.pages) != shape[0]:
        return _grey(series.asarray(), series.axes, path).astype(native, copy=False)
    plane = delayed(_plane, pure=True)
    return da.stack([da.from_delayed(plane(path, index, page), shape[1:], native) for page in range(shape[0])])


def _plane(path: Path, index: int, page: int) -> npt.NDArray[Any]:
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series[index]
            array = np.asarray(series.pages[page].asarray())
            axes = series.keyframe.axes
    except _DAMAGED as error:
        raise _explained(path, error) from error
    return _grey(array, axes, path).astype(array.dtype.newbyteorder("="), copy=False)


def _grey(array: npt.NDArray[Any], axes: str, path: Path) -> npt.NDArray[Any]:
    if "S" not in axes:
        return array
    array = np.moveaxis(array, axes.index("S"), -1)
    return grey(array, str(path)) if array.shape[-1] >= 3 else array[..., 0]


def _calibration(tif: tifffile.TiffFile) -> Calibration:
    """Pixel size from OME or ImageJ metadata; anything without a unit of length, dpi above all, leaves pixels."""
    sizes = _ome_sizes(tif.ome_metadata) if tif.is_ome else _imagej_sizes(tif) if tif.is_imagej else None
    if sizes is None:
        return Calibration()
    try:
        y, x = (to_nanometres(value, unit) for value, unit in sizes)
        return Calibration((y, x), "tag")
    except TemsegError:
        return Calibration()


def _ome_sizes(text: str | None) -> list[tuple[float, str]] | None:
    root = ElementTree.fromstring(text or "<none/>")
    pixels = next((node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    x, unit = pixels.attrib["PhysicalSizeX"], pixels.attrib.get("PhysicalSizeXUnit", "µm")
    y, unit_y = pixels.attrib.get("PhysicalSizeY", x), pixels.attrib.get("PhysicalSizeYUnit", unit)
    return [(float(y), unit_y), (float(x), unit)]


def _imagej_sizes(tif: tifffile.TiffFile) -> list[tuple[float, str]] | None:
    metadata, tags = tif.imagej_metadata or {}, tif.pages.first.tags
    # ImageJ writes µ as an escape where the file cannot hold it.
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    if not unit or "XResolution" not in tags:
        return None
    resolution = [tags[name].value for name in ("YResolution", "XResolution") if name in tags]
    if len(resolution) != 2 or not all(pixels > 0 and lengths > 0 for pixels, lengths in resolution):
        return None
    units = (str(metadata.get("yunit", unit)).replace("\\u00B5", "µ"), unit)
    return [(lengths / pixels, name) for (pixels, lengths), name in zip(resolution, units, strict=True)]


def write_tiff(
    path: str | Path, data: npt.NDArray[Any], calibration: Calibration, axes: str = "YX", *, content: str = "", **metadata: Any
) -> None:
    """Write (Y, X), a stack (N, Y, X) or channels (N, C, Y, X) as an ImageJ hyperstack with its pixel size, whole or not at all.

    `data` is uint8, uint16 or float32, what ImageJ knows; `axes` a `Micrograph`'s with "C" before "YX" for channels.
    `content` marks the file as a result of this program ("classes", "particles"). Values run from 0 to their largest on screen.
    """
    y, x = calibration.scale
    known = {"axes": axes.replace("N", "Z"), "min": 0.0, "max": float(max(1, data.max())), **metadata}
    if calibration.pixel_size is not None:
        known["unit"] = "nm"
    if content:
        known["temseg"] = content
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, data, imagej=True, resolution=(1 / x, 1 / y), metadata=known)


def content_of(path: Path) -> str:
    """What this program wrote there as a result ("classes", "particles" …), or "" for files from elsewhere."""
    return str(_metadata(path).get("temseg", ""))


def slice_labels(path: Path) -> list[str]:
    """The label of each slice that ImageJ shows above it; none for files without."""
    labels = _metadata(path).get("Labels", [])
    return [labels] if isinstance(labels, str) else list(labels)


def _metadata(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in (".tif", ".tiff"):
        return {}
    try:
        with tifffile.TiffFile(path) as tif:
            return dict(tif.imagej_metadata or {})
    except (*_DAMAGED, OSError):
        return {}
