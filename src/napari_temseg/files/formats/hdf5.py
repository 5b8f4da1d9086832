"""HDF5 that is no EMD: files of HyperSpy, NeXus and Nion Swift, and plain datasets as ilastik and ImageJ's plugin write them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.h5_datasets import DAMAGED_HDF5, check_heaps, dataset_series, groups, numbered, refused
from napari_temseg.files.formats.nion import SWIFT_ORIGIN, swift_axes
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, number, of_units, tagged

_SMALLEST = 16  # px of the shorter side: smaller ones are tables
_LONGEST = 2**16  # characters of a description that are looked at


def read_hdf5(path: Path) -> list[Series]:
    """Every picture or stack (planes, Y, X) of an HDF5 file, those that can be measured first, then by size.

    Pixel sizes come from HyperSpy's axes, NeXus' axis vectors, Swift's calibrations and `element_size_um`. `TemsegError` for damage.
    """
    check_heaps(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            found = [_series(path, dataset) for dataset in _datasets(file)]
    except TemsegError:
        raise
    except DAMAGED_HDF5 as error:
        raise TemsegError(f"{path}: is damaged or not an HDF5 file; copy or export it again.") from error
    if not found:
        raise TemsegError(f"{path}: the HDF5 file holds no picture; export the image as TIFF.")
    return sorted(numbered(found), key=lambda one: (bool(one.obstacle), -math.prod(one.data.shape[-2:])))


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Datasets of two or more axes, the nearest to the root first."""
    for group in groups(file):
        for key in list(group):
            kind = group.get(key, getclass=True, getlink=True)
            entry = group.get(key) if kind is h5py.HardLink else None
            if isinstance(entry, h5py.Dataset) and entry.ndim >= 2 and entry.dtype.kind in "buifc" and min(entry.shape[-2:]) >= _SMALLEST:
                yield entry


def _series(path: Path, pixels: h5py.Dataset) -> Series:
    name = (pixels.name or "").strip("/")
    if name.startswith("Experiments/"):
        name = name.split("/")[1]
    if pixels.dtype.kind not in "buif":
        return refused(name, f"it holds {pixels.dtype} and not grey values; save its modulus as grey values")
    if pixels.ndim > 3:
        return refused(name, f"it has {pixels.ndim} axes {tuple(pixels.shape)} and is no image or stack; save single images")
    for reader in (_hyperspy, _nexus, _swift, _element_size):
        known = reader(pixels)
        if known is not None:
            break
    else:
        known = (None, "", "")
    size, origin, obstacle = known
    said = tagged(size, origin, pixels.shape[-2:])
    if obstacle:
        return refused(name, obstacle)
    return dataset_series(path, name, pixels, said, frames_last=False, axes="")


Known = tuple[Size | None, str, str]  # pixel size, its origin, why this is no picture


def _hyperspy(pixels: h5py.Dataset) -> Known | None:
    """Groups axis-0, axis-1 … beside the data, each with scale, units and whether one navigates along it."""
    parent = pixels.parent
    axes = [parent.get(f"axis-{k}") for k in range(pixels.ndim)]
    if not all(isinstance(axis, h5py.Group) for axis in axes):
        return None
    signal = sum(not bool(axis.attrs.get("navigate", False)) for axis in axes)
    if signal == 1:
        return None, "HyperSpy axes", "it is a spectrum or spectrum image, not a micrograph; open the image recorded with it"
    (y, unit_y), (x, unit_x) = ((number(axis.attrs.get("scale")), _text(axis.attrs.get("units"))) for axis in axes[-2:])
    # HyperSpy writes 1 without a unit when it knows nothing.
    return (of_units(y, unit_y, x, unit_x) if unit_x or unit_y else None), "HyperSpy axes", ""


def _nexus(pixels: h5py.Dataset) -> Known | None:
    """NXdata: `axes` names a vector for each axis, of equal steps, with units."""
    group = pixels.parent
    if _text(group.attrs.get("NX_class")) != "NXdata":
        return None
    names = group.attrs.get("axes", pixels.attrs.get("axes"))
    listed = [_text(name) for name in np.atleast_1d(names)] if names is not None else []
    if len(listed) == 1 and ":" in listed[0]:
        listed = listed[0].split(":")
    steps = [_step(group.get(name)) for name in listed[-2:]] if len(listed) == pixels.ndim else []
    if len(steps) < 2 or None in steps:
        return None, "NeXus axes", ""
    (y, unit_y), (x, unit_x) = (step for step in steps if step is not None)
    return of_units(y, unit_y, x, unit_x), "NeXus axes", ""


def _step(vector: Any) -> tuple[float, str] | None:
    if not isinstance(vector, h5py.Dataset) or vector.ndim != 1 or vector.shape[0] < 2 or vector.dtype.kind not in "uif":
        return None
    ends = np.asarray(vector[:2], np.float64)
    return float(ends[1] - ends[0]), _text(vector.attrs.get("units"))


def _swift(pixels: h5py.Dataset) -> Known | None:
    """Nion Swift: JSON in the attribute `properties`, with a calibration for each axis."""
    text = _text(pixels.attrs.get("properties"), _LONGEST)
    if not text.startswith("{"):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    size, obstacle = swift_axes(said, pixels.ndim)
    return None if size is None and not obstacle else (size, SWIFT_ORIGIN, obstacle.rstrip("."))


def _element_size(pixels: h5py.Dataset) -> Known | None:
    """`element_size_um` (z, y, x) of ilastik and ImageJ's HDF5 plugin."""
    sizes = np.atleast_1d(np.asarray(pixels.attrs.get("element_size_um", ())))
    if sizes.ndim != 1 or len(sizes) < 2 or sizes.dtype.kind not in "uif":
        return None
    return Size(float(sizes[-2]), float(sizes[-1]), "µm"), "element_size_um", ""


def _text(value: Any, longest: int = 200) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return text[:longest]
