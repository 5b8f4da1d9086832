"""Zarr and OME-Zarr (NGFF 0.4 and 0.5), folders whose names end in .zarr, by the library zarr, an extra."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.extras.arrays import pictures
from napari_temseg.files.formats.raw import MANY_CHUNKS, missing_chunks
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, number

_ORIGIN = "OME-Zarr metadata"
_DEEPEST, _MOST = 4, 200  # groups within groups, and pictures, that are looked at
MAX_PLANE = 2**31  # px


def read_zarr(path: Path) -> list[Series]:
    """Every picture of a Zarr folder, the largest first, at full resolution and lazily; a channel is a series of its own.

    `TemsegError` where zarr is not installed, and for what it cannot open.
    """
    try:
        import zarr
    except ImportError as error:
        raise TemsegError(
            f'{path}: Zarr needs the package zarr; install it with pip install "napari-temseg[zarr]", or save the image as TIFF.'
        ) from error
    try:
        root: Any = zarr.open(str(path), mode="r")
        found = list(_pictures(root, "", 0))
    except TemsegError:
        raise
    except Exception as error:
        raise TemsegError(f"{path}: is damaged or not a Zarr folder; copy or export it again.") from error
    if not found:
        raise TemsegError(f"{path}: the Zarr folder holds no picture; export the image again.")
    return sorted(found[:_MOST], key=lambda one: (bool(one.obstacle), -math.prod(one.data.shape[-2:])))


def _pictures(node: Any, name: str, depth: int) -> Iterator[Series]:
    """Pictures of an array, or of a group and those within it; the smaller copies of a multi-scale image are left out."""
    if hasattr(node, "shape"):
        yield from _array(node, name, "Q" * (len(node.shape) - 2) + "YX", None, [])
        return
    attributes = dict(node.attrs)
    described = attributes.get("ome", attributes)
    scales = described.get("multiscales") if isinstance(described, Mapping) else None
    if isinstance(scales, list) and scales:
        for index, scale in enumerate(scales):
            yield from _multiscale(node, scale, described, name or str(scale.get("name") or (f"image {index}" if len(scales) > 1 else "")))
        return
    if depth < _DEEPEST:
        for key, child in sorted(node.members()):
            if key not in ("labels", "OME"):
                yield from _pictures(child, f"{name}/{key}".strip("/"), depth + 1)


def _multiscale(node: Any, scale: Mapping[str, Any], described: Mapping[str, Any], name: str) -> Iterator[Series]:
    """The first, largest, of the copies of an image."""
    first = scale["datasets"][0]
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in scale.get("axes", "tczyx")]
    letters = "".join(str(axis.get("name", "q"))[:1].upper() for axis in axes)
    array = node[first["path"]]
    factors = np.ones(len(axes))
    for step in (*first.get("coordinateTransformations", ()), *scale.get("coordinateTransformations", ())):
        if step.get("type") == "scale":
            factors = factors * [number(factor) for factor in step["scale"]]
    unit = str(axes[-1].get("unit") or axes[-2].get("unit") or "")
    known = bool(first.get("coordinateTransformations")) and (unit or (factors[-2:] != 1).any())
    size = Size(float(factors[-2]), float(factors[-1]), unit) if known else None
    channels = described.get("omero", {}).get("channels", []) if isinstance(described.get("omero"), Mapping) else []
    labels = [str(channel.get("label") or "") for channel in channels]
    yield from _array(array, name, letters, size, labels)


def _array(array: Any, name: str, axes: str, size: Size | None, channels: list[str]) -> Iterator[Series]:
    if len(array.shape) < 2 or 0 in array.shape or len(axes) != len(array.shape) or not axes.endswith("YX"):
        return
    if math.prod(array.shape[-2:]) > MAX_PLANE or math.prod(array.chunks) > MAX_PLANE:
        raise TemsegError(
            f"{name or 'the array'}: a plane of {array.shape[-2]} × {array.shape[-1]} pixels is too large; cut it into parts first."
        )
    data = da.from_array(array, chunks=array.chunks)
    axes = "".join(letter if letter in "TCZYX" else "Q" for letter in axes)
    notes = _missing(array)
    for one in pictures(name, data.astype(data.dtype.newbyteorder("=")), axes, size, _ORIGIN, channels):
        plain = one.data.compute() if one.data.ndim == 2 and hasattr(one.data, "compute") else one.data
        yield replace(one, data=plain, notes=(*one.notes, *notes))


def _missing(array: Any) -> tuple[str, ...]:
    """A note where chunks are not there, which then read as the fill value."""
    planned = int(array.nchunks)
    return missing_chunks(planned, planned - int(array.nchunks_initialized), array.fill_value) if planned <= MANY_CHUNKS else ()
