"""EMD files, which are HDF5: those of Velox (Thermo Fisher), and the older ones of NCEM in Berkeley."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.acquisitions import acquisition, flattened
from napari_temseg.files.formats.h5_datasets import DAMAGED_HDF5, check_heaps, dataset_series, entries, groups, numbered, refused
from napari_temseg.files.formats.raw import TYPE_IT
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, number, tagged

MAX_METADATA = 2**24  # bytes of JSON that describe one frame; Velox reserves 60,000
_OTHERS = {"Spectrum": "a spectrum", "SpectrumImage": "a spectrum image", "SpectrumStream": "a spectrum image", "Line": "a line profile"}
_PREFERRED = ("HAADF", "DF", "BF")  # which detector is shown first when several saw the same field
# Signals that are computed as differences of a segmented detector's parts (DF4 A-C, DPCx, iDPC, dDPC, CoM): grey is zero, not dark.
_DIFFERENCE = re.compile(r"(?<![A-Za-z])[A-D]\s*[-−–]\s*[A-D](?![A-Za-z])|[id]?DPC|\bCoM|differen", re.IGNORECASE)


def read_emd(path: Path) -> list[Series]:
    """Every picture of an EMD file, one a detector, those that can be measured first; frames are planes in time.

    Uncompressed pixels are memory-mapped, others read plane by plane as they are looked at. `TemsegError` for damage.
    """
    check_heaps(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            found = list(_velox(path, file)) if "Data" in file else list(_berkeley(path, file))
    except TemsegError:
        raise
    except DAMAGED_HDF5 as error:
        raise TemsegError(f"{path}: is damaged or not an EMD file; copy or export it again.") from error
    if not found:
        raise TemsegError(f"{path}: the EMD file holds no picture; export the image from Velox as EMD or TIFF.")
    return sorted(numbered(found), key=_rank)


def _rank(series: Series) -> tuple[bool, bool, int, int]:
    detector = next((place for place, name in enumerate(_PREFERRED) if series.name.startswith(name)), len(_PREFERRED))
    return bool(series.obstacle), bool(_DIFFERENCE.search(series.name)), -math.prod(series.data.shape[-2:]), detector


def _velox(path: Path, file: h5py.File) -> Iterator[Series]:
    data = file["Data"]
    for name, group in entries(data.get("Image")):
        yield _picture(path, name, group)
    for kind, what in _OTHERS.items():
        for _ in entries(data.get(kind)):
            yield refused(what.removeprefix("a "), f"it is {what}, not an image; open the image that was taken with it")


def _picture(path: Path, key: str, group: h5py.Group) -> Series:
    """One detector: pixels (Y, X, frames), with JSON in a column of bytes a frame."""
    pixels = group.get("Data")
    metadata, trouble = _metadata(group.get("Metadata"))
    name = _detector(metadata) or f"image {key[:8]}"
    if not isinstance(pixels, h5py.Dataset) or pixels.ndim not in (2, 3):
        return refused(name, "it holds no pixels that could be shown; export it again")
    if pixels.dtype.kind not in "uif":
        return refused(name, f"it holds {pixels.dtype} and not grey values (a Fourier transform or a coloured map); open the image itself")
    said = tagged(_pixel_size(metadata), "Velox metadata", pixels.shape[:2])
    said = replace(said, notes=(*said.notes, *trouble))
    if _DIFFERENCE.search(name):
        said = replace(
            said, notes=(*said.notes, f"“{name}” is a difference of signals, no picture of the specimen: choose another series.")
        )
    mode = "STEM" if "StemMagnification" in (_part(metadata, "CustomProperties") or {}) else ""
    found = dataset_series(path, name, pixels, said, frames_last=True, axes="TYX")
    return replace(found, acquisition=acquisition({**flattened(metadata), "binaryresult.detector": _detector(metadata)}, mode))


def _metadata(dataset: Any) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The JSON that describes the first frame; where it is damaged nothing, and a note, as the pixels may still be good."""
    if dataset is None:
        return {}, ()
    trouble = (f"The description of the picture is damaged, and its pixel size cannot be read: {TYPE_IT}.",)
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.ndim not in (1, 2)
        or dataset.dtype != np.uint8
        or not 0 < dataset.shape[0] <= MAX_METADATA
    ):
        return {}, trouble
    if dataset.chunks is not None and math.prod(dataset.chunks) > MAX_METADATA:
        return {}, trouble
    try:
        column = dataset[:, 0] if dataset.ndim == 2 else dataset[:]
        value = json.loads(bytes(column).partition(b"\0")[0].decode("utf-8", "replace"))
    except (*DAMAGED_HDF5, RecursionError):
        return {}, trouble
    return (value, ()) if isinstance(value, dict) else ({}, trouble)


def _part(metadata: Any, *names: str) -> Any:
    for name in names:
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata


def _detector(metadata: Mapping[str, Any]) -> str:
    index = _part(metadata, "BinaryResult", "DetectorIndex")
    named = _part(metadata, "BinaryResult", "Detector") or _part(metadata, "Detectors", f"Detector-{index}", "DetectorName")
    return named if isinstance(named, str) else ""


def _pixel_size(metadata: Mapping[str, Any]) -> Size | None:
    result = _part(metadata, "BinaryResult")
    size = _part(result, "PixelSize")
    if not isinstance(size, dict):
        return None
    x, y = number(size.get("width")), number(size.get("height", size.get("width")))
    units = [str(_part(result, f"PixelUnit{axis}") or "") for axis in "XY"]
    return Size(y, x, units[0] or units[1])


def _berkeley(path: Path, file: h5py.File) -> Iterator[Series]:
    """Groups marked emd_group_type = 1 with `data` and a vector a dimension, `dim1` the first of them."""
    for group in groups(file):
        mark = group.attrs.get("emd_group_type")
        pixels = group.get("data")
        if not np.isscalar(mark) or number(mark) != 1 or not isinstance(pixels, h5py.Dataset):
            continue
        name = (group.name or "").rpartition("/")[2] or "image"
        if pixels.ndim not in (2, 3):
            yield refused(name, f"it has {pixels.ndim} axes {tuple(pixels.shape)} and is no image or stack; save single images")
        elif pixels.dtype.kind not in "uif":
            yield refused(name, f"it holds {pixels.dtype} and not grey values; save its modulus as grey values")
        else:
            said = tagged(_dimensions(group, pixels.ndim), "EMD metadata")
            yield dataset_series(path, name, pixels, said, frames_last=False, axes="")


def _dimensions(group: h5py.Group, ndim: int) -> Size | None:
    """Spacing of the last two dimension vectors, Y and X."""
    steps = []
    for axis in (ndim - 1, ndim):
        vector = group.get(f"dim{axis}")
        if not isinstance(vector, h5py.Dataset) or vector.ndim != 1 or vector.shape[0] < 2 or vector.dtype.kind not in "uif":
            return None
        ends = np.asarray(vector[:2], np.float64)
        unit = vector.attrs.get("units", "")
        unit = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
        steps.append((float(ends[1] - ends[0]), unit.strip("[] ").replace("_", "")))
    (y, unit_y), (x, unit_x) = steps
    return Size(y, x, unit_x or unit_y)
