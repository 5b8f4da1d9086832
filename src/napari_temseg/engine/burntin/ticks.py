"""Scale bars drawn as a row of ticks: eleven at equal distances, the length from the first to the last."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.burntin.strip_edges import Floats

_TICKS = 11
_MOST = 500  # spots beyond which they are noise
_LOWEST = 0.2  # share of the height, at the bottom, that is searched
_LEVELS = (224.0, 180.0, 130.0)  # grey levels above which a pixel may belong to a tick


class TickRow(NamedTuple):
    """A row of ticks; positions in px, from the middle of the first to the middle of the last."""

    left: float
    right: float
    y: float
    height: float


def tick_row(grey: Floats) -> TickRow | None:
    """The row of eleven like white marks at equal distances in the lowest fifth of a picture (grey levels 0 to 255); None without one."""
    first = int(grey.shape[0] * (1 - _LOWEST))
    for level in _LEVELS:
        row = _regular(grey[first:], level)
        if row is not None:
            return row._replace(y=row.y + first)
    return None


def _regular(ink: Floats, level: float) -> TickRow | None:
    """The row of ticks among the spots of `ink` above a level."""
    labels, count = ndimage.label(ink > level, np.ones((3, 3)))
    if not _TICKS <= count <= _MOST:
        return None
    spots = [(box, i) for i, box in enumerate(ndimage.find_objects(labels), 1) if _small(box, ink.shape)]
    if len(spots) < _TICKS:
        return None
    edges = np.array([(box[0].start, -box[0].stop) for box, _ in spots])  # ticks hang from a line or stand on one
    for side, edge in ((k, value) for k in (0, 1) for value in np.unique(edges[:, k])):
        row = [spots[k] for k in np.flatnonzero(np.abs(edges[:, side] - edge) <= 1)]
        if len(row) < _TICKS:
            continue
        x = np.array([_centre(ink, labels, box, i) for box, i in row])
        order = np.argsort(x)
        chosen = _evenly_spaced(x[order])
        if chosen is not None:
            members = [row[order[k]][0] for k in chosen]
            top, last = min(box[0].start for box in members), max(box[0].stop for box in members)
            between = labels[top:last, members[0][1].start : members[-1][1].stop]
            if np.unique(between).size != _TICKS + 1:  # noise and text have other spots among them
                continue
            return TickRow(float(x[order[chosen[0]]]), float(x[order[chosen[-1]]]), (top + last - 1) / 2, float(last - top))
    return None


def _small(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    tall, wide = (int(side.stop - side.start) for side in box)
    return tall <= max(6, 0.04 * shape[0] / _LOWEST) and wide <= max(4, 0.012 * shape[1])


def _centre(ink: Floats, labels: npt.NDArray[Any], box: tuple[slice, ...], label: int) -> float:
    """x of the centre of mass of a spot."""
    weight = np.where(labels[box] == label, ink[box], 0).sum(0)
    return float(box[1].start + (weight * np.arange(weight.size)).sum() / weight.sum())


def _evenly_spaced(x: npt.NDArray[np.float64]) -> npt.NDArray[np.intp] | None:
    """Indices of eleven of the sorted positions that lie at equal distances of at least 4 px, and have no twelfth; None without them."""
    for i in range(len(x) - _TICKS + 1):
        for distance in np.unique(np.round(x[i + 1 : i + 4] - x[i], 1)):
            if distance < 4:
                continue
            found = [i]
            while len(found) <= _TICKS:
                # The next one is looked for from where the ones so far put it.
                pace = (x[found[-1]] - x[i]) / (len(found) - 1) if len(found) > 1 else distance
                nearest = int(np.abs(x - (x[found[-1]] + pace)).argmin())
                if nearest <= found[-1] or abs(x[nearest] - x[found[-1]] - pace) > max(0.8, 0.05 * pace):
                    break
                found.append(nearest)
            if len(found) == _TICKS:
                return np.array(found)
    return None
