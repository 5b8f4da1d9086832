"""Where the picture itself has the edge of a particle: half-way between its grey levels to either side of the outline.

Grey values are sampled along normals of the free part of an outline (where no other particle touches) and averaged over each particle, so
that noise averages out. The levels are those 3 to 6 px to either side, in a small particle those at half to 0.8 of its radius.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.shape.geometry import FOUR_NEIGHBOURS, Foreground
from napari_temseg.engine.measure.shape.pixel_columns import ratios

Floats = npt.NDArray[np.float64]
_EDGE_REACH = 6.0  # px to either side
SEEN_FROM = int(_EDGE_REACH) + 3  # px: what lies nearer to an outline may matter to its edge
FURTHEST = 3.0  # px by which an edge may lie off the outline
_EDGE_PLACES = 32  # of each particle: more tell hardly more
LEAST_CONTRAST = 4.0  # standard errors by which the two levels must differ
_NEAR = 3.0  # px from which on the levels are taken
_STEP = 0.5
_OFFSETS = np.arange(-_EDGE_REACH, _EDGE_REACH + _STEP / 2, _STEP)
_AT_ONCE = 1000  # particles
_DIAMETERS = ("feret_max", "feret_min", "feret_mean", "rect_length", "rect_width", "inscribed_diameter", "ellipse_major", "ellipse_minor")
_AROUND = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]


def edge_shifts(pixels: Foreground, plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]], outline: MaskOutline) -> Floats:
    """How far (px, outward positive) the half-contrast edge of each label lies off its outline; NaN where the picture does not tell.

    `plane` and `labels` (Y, X) hold the grey values and all particles of the whole plane that `pixels` are taken from, `outline` is theirs.
    """
    place, ny, nx = _free_normals(pixels, outline)
    if not len(place):
        return np.full(len(pixels), np.nan)
    code, y, x = pixels.code[place], pixels.y[place], pixels.x[place]
    top, left = max(int(y.min() - _EDGE_REACH - 2), 0), max(int(x.min() - _EDGE_REACH - 2), 0)
    window = np.s_[top : int(y.max() + _EDGE_REACH + 3), left : int(x.max() + _EDGE_REACH + 3)]
    grey, taken = np.asarray(plane[window], np.float32), labels[window]
    radius = np.sqrt(pixels.total() / np.pi)
    found = np.full(len(pixels), np.nan)
    begins = np.searchsorted(code, np.arange(0, len(pixels) + _AT_ONCE, _AT_ONCE))
    for index, (first, last) in enumerate(pairwise(begins.tolist())):
        part = np.s_[index * _AT_ONCE : (index + 1) * _AT_ONCE]
        here = np.s_[first:last]
        values = _sampled(grey, taken, (y[here] - top, x[here] - left), (ny[here], nx[here]))
        mean, error = _profiles(values, code[here] - index * _AT_ONCE, len(radius[part]))
        found[part] = _half_way(mean, error, radius[part])
    return found


@dataclass(frozen=True, eq=False)
class MaskOutline:
    """Indices (n,) of the pixels with another of the 4 neighbours outside their label, and whether one of these is of another label."""

    place: npt.NDArray[np.intp]
    beside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pixels: Foreground, labels: npt.NDArray[np.integer[Any]]) -> MaskOutline:
        """The outermost pixels of labels that are some or all of the whole plane `labels` (Y, X)."""
        leaves = np.zeros(len(pixels.code), bool)
        for step in FOUR_NEIGHBOURS:
            leaves |= pixels.leaves(*step)
        place = np.flatnonzero(leaves)
        y, x, own = pixels.y[place], pixels.x[place], pixels.own[place]
        beside = np.zeros(len(place), bool)
        for dy, dx in FOUR_NEIGHBOURS:
            there = labels[np.clip(y + dy, 0, labels.shape[0] - 1), np.clip(x + dx, 0, labels.shape[1] - 1)]
            beside |= (there != 0) & (there != own)
        return cls(place, beside)

    def free_shares(self, pixels: Foreground) -> Floats:
        """Share of each label's outermost pixels that no other label borders."""
        code = pixels.code[self.place]
        count = np.bincount(code, minlength=len(pixels))
        return np.asarray(1 - np.bincount(code[self.beside], minlength=len(pixels)) / np.maximum(count, 1))


def _free_normals(pixels: Foreground, outline: MaskOutline) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Indices of outermost pixels beside no other label, at most `_EDGE_PLACES` a label, sorted by it, and unit normals (y, x) there."""
    place = outline.place[~outline.beside]
    place = place[np.argsort(pixels.code[place], kind="stable")]
    code = pixels.code[place]
    count = np.bincount(code, minlength=len(pixels))
    rank = np.arange(len(place)) - (np.cumsum(count) - count)[code]
    share = np.minimum(_EDGE_PLACES / np.maximum(count, 1), 1.0)[code]
    place = place[np.floor((rank + 1) * share) > np.floor(rank * share)]  # evenly among them
    ny, nx = np.zeros(len(place)), np.zeros(len(place))
    at, own = pixels.place[place], pixels.own[place]
    for dy, dx in _AROUND:
        leaves = pixels.padded[at + (dy * pixels.stride + dx)] != own
        ny += leaves * (dy / np.hypot(dy, dx))
        nx += leaves * (dx / np.hypot(dy, dx))
    length = np.hypot(ny, nx)
    clear = length > 0.5  # not a line one pixel wide, whose two sides cancel
    return place[clear], ny[clear] / length[clear], nx[clear] / length[clear]


def _sampled(grey: Any, taken: npt.NDArray[np.integer[Any]], at: tuple[Any, Any], normal: tuple[Floats, Floats]) -> Floats:
    """Grey values (n, offsets) along the normals of outermost pixels; NaN outside the picture, and from where another particle begins."""
    # Centres of outermost pixels lie from 0 to max(|ny|, |nx|) inside the outline.
    along = _OFFSETS[None] + np.maximum(np.abs(normal[0]), np.abs(normal[1]))[:, None] / 2
    away = along * normal[0][:, None], along * normal[1][:, None]
    values = _between(grey, at, away)
    row, column = (place[:, None] + np.floor(step + 0.5).astype(np.intp) for place, step in zip(at, away, strict=True))
    on = taken[np.clip(row, 0, taken.shape[0] - 1), np.clip(column, 0, taken.shape[1] - 1)] != 0
    values[np.logical_or.accumulate(on & (_OFFSETS > 1.0), axis=1)] = np.nan
    return values


def _between(grey: Any, at: tuple[Any, Any], away: tuple[Floats, Floats]) -> Floats:
    """Grey values (n, offsets) between pixels, `away` from the pixels `at`, linear; the same to the last bit wherever a window begins."""
    low, share, outside = [], [], np.zeros(away[0].shape, bool)
    for place, step, length in zip(at, away, grey.shape, strict=True):
        whole = np.floor(step)
        first = place[:, None] + whole.astype(np.intp)
        share.append(step - whole)
        outside |= (first < 0) | (first > length - 1) | ((first == length - 1) & (step > whole))
        low.append(np.clip(first, 0, length - 1))
    (y, x), (fy, fx) = low, share
    below, right = np.minimum(y + 1, grey.shape[0] - 1), np.minimum(x + 1, grey.shape[1] - 1)
    values = (1 - fy) * ((1 - fx) * grey[y, x] + fx * grey[y, right]) + fy * ((1 - fx) * grey[below, x] + fx * grey[below, right])
    values[outside] = np.nan
    return np.asarray(values, np.float64)


def _profiles(grey: Floats, code: npt.NDArray[np.intp], n: int) -> tuple[Floats, Floats]:
    """Mean grey value (n, offsets) of each label, and the standard error of those means; NaN where nothing was seen."""
    width = len(_OFFSETS)
    known = np.isfinite(grey)
    values = np.where(known, grey, 0.0)
    key = (code[:, None] * width + np.arange(width)).ravel()
    count = np.bincount(key, known.ravel(), n * width).reshape(n, width)
    total = np.bincount(key, values.ravel(), n * width).reshape(n, width)
    square = np.bincount(key, (values**2).ravel(), n * width).reshape(n, width)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 3, total / count, np.nan)
        return mean, np.sqrt(np.maximum(square / count - mean**2, 0) / count)


def _half_way(mean: Floats, error: Floats, radius: Floats) -> Floats:
    """Offset (n,) of the crossing of the middle level that is nearest to the outline."""
    deep, deeper = np.minimum(_NEAR, 0.5 * radius)[:, None], np.minimum(_EDGE_REACH, 0.8 * radius)[:, None]
    depth = np.broadcast_to(-_OFFSETS, mean.shape)
    inside, outside = (depth >= deep) & (depth <= deeper), depth <= -_NEAR
    low, low_error = _level(mean, error, inside)
    high, high_error = _level(mean, error, outside)
    contrast = high - low
    with np.errstate(invalid="ignore"):
        told = np.abs(contrast) > LEAST_CONTRAST * np.hypot(low_error, high_error)
        rise = (mean - low[:, None]) / np.where(told, contrast, np.nan)[:, None] - 0.5  # from −½ inside to ½ outside
        crosses = (rise[:, :-1] <= 0) & (rise[:, 1:] > 0)
    at = _OFFSETS[:-1] + _STEP * np.divide(-rise[:, :-1], np.diff(rise, axis=1), out=np.full(crosses.shape, 0.5), where=crosses)
    far = np.where(crosses & told[:, None], np.abs(at), np.inf)
    nearest = far.argmin(axis=1)
    found = at[np.arange(len(at)), nearest]
    return np.where(far.min(axis=1) <= FURTHEST, found, np.nan)


def _level(mean: Floats, error: Floats, where: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean over the offsets `where`, and its standard error taken as that of a single one, as neighbouring offsets hang together."""
    known = where & np.isfinite(mean)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, mean, 0).sum(axis=1) / count, np.where(known, error, 0).sum(axis=1) / count


def at_half_contrast(columns: dict[str, npt.NDArray[Any]], scale: tuple[float, float]) -> dict[str, npt.NDArray[Any]]:
    """The columns of `sizes` and `moments` with each particle grown by its "edge_shift" where its outline is free ("cut_share" is not).

    Where the picture tells no edge the outline stays. Lengths grow to both sides, the area by the perimeter times the shift.
    """
    free = 1 - columns["cut_share"]
    shift = np.where(np.isfinite(columns["edge_shift"]), columns["edge_shift"], 0.0)
    shift = np.maximum(shift, -0.45 * columns["feret_min"])
    area = columns["area"] + free * (shift * columns["perimeter"] + np.pi * shift**2)
    grown = {name: columns[name] + 2 * free * shift for name in _DIAMETERS}
    grown |= {"area": area, "perimeter": columns["perimeter"] + 2 * np.pi * free * shift}
    side = np.sqrt(scale[0] * scale[1])
    return columns | grown | ratios(grown, side)
