"""ImageJ's ROI sets (.roi, and .zip of many) as label images, and particles as ROI sets, by the library roifile.

ImageJ counts from the outer corner of the first pixel, and a pixel belongs to an outline when its centre lies within: so does what is read
here, and what is written holds exactly the pixels of its particle.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from roifile import ROI_TYPE, ImagejRoi
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import replacing
from napari_temseg.files.exchange import outlines_of
from napari_temseg.files.label_pages import LabelPages, planes_of

ROI_FILES = (".zip", ".roi")
_AREAS = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)
_MOST_ROIS, _MOST_BYTES = 1_000_000, 2**24
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # of a path with several outlines

Polygon = npt.NDArray[np.float64]


def is_roi_set(path: str | Path) -> bool:
    """Whether the name says that this is one."""
    return Path(path).suffix.lower() in ROI_FILES


def read_rois(path: str | Path, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Labels (Y, X) or (P, Y, X) of the areas in a ROI set, numbered from 1 in its order; of those that overlap the later is on top.

    In a stack the position of a ROI names its plane. Lines, points and angles have no area and are left out. `TemsegError` for what is no
    ROI set, where no area is in the picture, and for a ROI of a stack without a position.
    """
    path = Path(path)
    labels = np.zeros(shape, np.int32)
    planes = labels.reshape((-1, *shape[-2:]))
    number = 0
    for roi in _rois(path):
        inside = _inside(roi, shape[-2:])
        if inside is None:
            continue
        window, mask = inside
        plane = planes[_plane(path, roi, len(planes))]
        number += 1
        plane[window][mask] = number
    if not labels.any():
        held = f"none of its {number} areas lies" if number else "it holds no area"
        raise TemsegError(f"{path}: {held}{' in the picture' if number else ''}; name the ROI set that was drawn on it.")
    return labels


def rois_left_out(path: str | Path, labels: npt.NDArray[np.integer[Any]]) -> str:
    """A sentence on the ROIs of a set that are not among its `labels` (see `read_rois`); "" where all are."""
    held, shown = sum(1 for _ in _rois(Path(path))), int(np.count_nonzero(np.unique(labels)))
    if held == shown:
        return ""
    which = "lines, points and texts, areas beyond the picture, and areas that others cover"
    return f"{path}: {held - shown} of its {held} regions give no particle and are left out ({which})."


def _rois(path: Path) -> Iterator[ImagejRoi]:
    trouble = TemsegError(f"{path}: is no ROI set of ImageJ, or damaged; save it again in ImageJ's ROI Manager (More ▸ Save).")
    try:
        if path.suffix.lower() == ".roi":
            if path.stat().st_size > _MOST_BYTES:
                raise trouble
            yield ImagejRoi.frombytes(path.read_bytes())
            return
        with zipfile.ZipFile(path) as content:
            entries = [entry for entry in content.infolist() if entry.filename.lower().endswith(".roi")]
            if not entries or len(entries) > _MOST_ROIS or any(entry.file_size > _MOST_BYTES for entry in entries):
                raise trouble
            for entry in entries:
                yield ImagejRoi.frombytes(content.read(entry))
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror or error}); check the name.") from error
    except TemsegError:
        raise
    except Exception as error:  # whatever roifile and zipfile raise for what is damaged
        raise trouble from error


def _plane(path: Path, roi: ImagejRoi, n: int) -> int:
    if n == 1:
        return 0
    place = roi.position or max(roi.z_position, roi.t_position)
    if not 1 <= place <= n:
        where = f"of plane {place}" if place else "without a position"
        raise TemsegError(f"{path}: holds a ROI {where}, and the picture has {n} planes; give one plane, or draw the ROIs on its planes.")
    return place - 1


def _inside(roi: ImagejRoi, frame: Sequence[int]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]] | None:
    """Where in the picture an area lies, and which pixels of that have their centre in it; None for what has no area there."""
    if roi.roitype not in _AREAS:
        return None
    if roi.roitype == ROI_TYPE.OVAL:
        top, left, bottom, right = _box(roi)
        polygons: list[Polygon] = [np.array([[left, top], [right, bottom]])]
    else:
        polygons = [np.asarray(part, np.float64) for part in roi.coordinates(multi=True) if len(part) > 2]
    if not polygons or not all(np.isfinite(part).all() for part in polygons):
        return None
    low, high = np.min([part.min(0) for part in polygons], 0), np.max([part.max(0) for part in polygons], 0)
    start = np.clip(np.floor(low), 0, frame[::-1]).astype(int)
    stop = np.clip(np.ceil(high), 0, frame[::-1]).astype(int)
    if (stop <= start).any():
        return None
    y, x = (np.arange(a, b) + 0.5 for a, b in zip(start[::-1], stop[::-1], strict=True))
    if roi.roitype == ROI_TYPE.OVAL:
        middle, half = (low + high) / 2, (high - low) / 2
        mask = ((y[:, None] - middle[1]) / half[1]) ** 2 + ((x[None] - middle[0]) / half[0]) ** 2 <= 1
    else:
        mask = np.zeros((len(y), len(x)), bool)
        for part in polygons:  # a hole is an outline within an outline
            mask ^= _within(part, y, x)
    return ((slice(start[1], stop[1]), slice(start[0], stop[0])), mask) if mask.any() else None


def _box(roi: ImagejRoi) -> tuple[float, float, float, float]:
    if roi.subpixelrect:
        return roi.yd, roi.xd, roi.yd + roi.heightd, roi.xd + roi.widthd
    return roi.top, roi.left, roi.bottom, roi.right


def _within(polygon: Polygon, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which points of a grid lie in a polygon of (x, y): an odd number of edges lies to the left of each."""
    ends = np.roll(polygon, -1, axis=0)
    crossings = np.zeros((len(y), len(x) + 1), np.int32)
    for (x1, y1), (x2, y2) in zip(polygon, ends, strict=True):
        if y1 == y2:
            continue
        first, last = np.searchsorted(y, sorted((y1, y2)))
        at = x1 + (y[first:last] - y1) * (x2 - x1) / (y2 - y1)
        np.add.at(crossings, (np.arange(first, last), np.searchsorted(x, at)), 1)
    inside: npt.NDArray[np.bool_] = np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1
    return inside


def write_rois(path: str | Path, labels: npt.NDArray[np.integer[Any]] | LabelPages) -> int:
    """Write each particle of (Y, X) or (P, Y, X) as a ROI with its number as name, for ImageJ's ROI Manager; returns how many."""
    several, count = math.prod(labels.shape[:-2]) > 1, 0
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as content:
        for index, plane in enumerate(planes_of(labels)):
            for label, window in enumerate(ndimage.find_objects(_small(plane)), 1):
                if window is None:
                    continue
                roi = _roi(outlines_of(plane[window] == label, window[0].start, window[1].start), f"{label}")
                roi.position = index + 1 if several else 0
                content.writestr(zipfile.ZipInfo(f"{label}{f'-{index + 1}' if several else ''}.roi"), roi.tobytes())
                count += 1
    return count


def _small(plane: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Labels that find_objects takes."""
    return plane if plane.dtype.itemsize <= 4 else plane.astype(np.int32)


def _roi(outlines: Sequence[Polygon], name: str) -> ImagejRoi:
    """One outline as such, several (pieces and holes) as a composite."""
    roi = ImagejRoi.frompoints(np.concatenate(outlines), name=name)
    if len(outlines) == 1:
        return roi
    path = [number for outline in outlines for number in _path(outline)]
    box = {side: getattr(roi, side) for side in ("left", "top", "right", "bottom")}
    whole = ImagejRoi(roitype=ROI_TYPE.RECT, name=name, multi_coordinates=np.array(path, np.float32), **box)
    whole.shape_roi_size = len(path)
    return whole


def _path(outline: Polygon) -> Iterator[float]:
    for step, (x, y) in enumerate(outline):
        yield from (_LINE if step else _MOVE, float(x), float(y))
    yield _CLOSE
