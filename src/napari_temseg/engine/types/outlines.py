"""Outlines of particles between pixels; where others cover a part, it is completed by the ellipse that the free part describes.

Ellipses are fitted to all labels at once, directly and without iteration (R. Halíř & J. Flusser, WSCG 1998), in coordinates of each
label's own middle and size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import find_contours

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
LEAST_FREE = 0.5  # share of the outline that must be free for an ellipse to be told
LEAST_FREE_POINTS = 12
OFF = 0.03  # root mean square distance of the outline from the ellipse, as a share of its mean radius, up to which it is one
_APART = 2  # px from another particle from which on an outline is free: nearer it bends towards the seam
_POWERS = [(i, j) for i in range(5) for j in range(5 - i)]
_SMOOTHED = np.outer((1, 2, 1), (1, 2, 1)) / 16  # on bare pixel edges an outline is a staircase


@dataclass(frozen=True, eq=False)
class Ellipses:
    """The ellipse (n,) that the free outline of each label describes; of those that are `told` False the rest means nothing.

    `conic` (n, 6): a v² + b v u + c u² + d v + e u + f = 0 where v and u are y and x less `middle` (n, 2), over `size` (n,).
    `area` is in the square of the unit of the points.
    """

    told: npt.NDArray[np.bool_]
    area: Floats
    conic: Floats
    middle: Floats
    size: Floats

    def radius(self, index: int, along: Floats) -> tuple[Floats, Floats]:
        """The centre (2,) of an ellipse, and how far (n,) from it its edge lies along unit vectors (n, 2); y before x."""
        a, b, c, d, e, f = self.conic[index]
        form = np.array([[a, b / 2], [b / 2, c]])
        centre = -np.linalg.solve(form, np.array([d, e]) / 2)
        level = centre @ form @ centre - f
        reach = np.sqrt(level / np.einsum("ni,ij,nj->n", along, form, along))
        return self.middle[index] + centre * self.size[index], reach * self.size[index]


def free_points(labels: npt.NDArray[np.integer[Any]], own: npt.NDArray[np.integer[Any]], y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
    """Which points (n,) of outlines of the labels `own` (n,) are apart from every other label of the plane `labels` (Y, X)."""
    row, column = (np.rint(each).astype(np.intp) for each in (y, x))
    free = np.ones(len(own), bool)
    for dy in range(-_APART, _APART + 1):
        for dx in range(-_APART, _APART + 1):
            there = labels[np.clip(row + dy, 0, labels.shape[0] - 1), np.clip(column + dx, 0, labels.shape[1] - 1)]
            free &= (there == 0) | (there == own)
    return free


def fit_ellipses(code: Ints, y: Floats, x: Floats, area: Floats, free: Floats) -> Ellipses:
    """The ellipse of each label whose outline is partly `free` (share (n,), 1 of all).

    `code`, `y`, `x` are the points of free outlines, by label; `area` (n,) is what is seen, in the square of their unit.
    """
    n = len(area)
    count = np.bincount(code, minlength=n)
    fitted = np.flatnonzero((free < 1) & (free >= LEAST_FREE) & (count >= LEAST_FREE_POINTS))
    found = Ellipses(np.zeros(n, bool), np.full(n, np.nan), np.zeros((n, 6)), np.zeros((n, 2)), np.sqrt(area))
    if not len(fitted):
        return found
    number = np.full(n, -1)
    number[fitted] = np.arange(len(fitted))
    taken = number[code] >= 0
    code, y, x = number[code[taken]], y[taken], x[taken]
    found.middle[fitted] = np.stack([np.bincount(code, each) / count[fitted] for each in (y, x)], 1)
    v, u = ((each - found.middle[fitted, axis][code]) / found.size[fitted][code] for axis, each in enumerate((y, x)))
    whole, off, conic = _conics(code, v, u, len(fitted))
    found.told[fitted] = (off <= OFF) & (whole > 0) & np.isfinite(whole)
    found.area[fitted], found.conic[fitted] = whole * area[fitted], conic
    return found


def whole_outlines(labels: npt.NDArray[np.integer[Any]]) -> dict[int, Floats]:
    """The outline (n, 2) of every label of a plane (Y, X): y and x in px, 0 at the centre of the first pixel; closed, anticlockwise or not.

    Of a label in several pieces it is that of the largest. What lies behind others is completed where the free part is an ellipse, and
    follows the seam where it is none, and at the frame.
    """
    windows = {number: window for number, window in enumerate(ndimage.find_objects(labels), 1) if window is not None}
    if not windows:
        return {}
    numbers = list(windows)
    visible = [_visible_outline(labels[window] == number) + [part.start for part in window] for number, window in windows.items()]
    code = np.repeat(np.arange(len(numbers)), [len(outline) for outline in visible])
    y, x = np.concatenate(visible).T
    free = free_points(labels, np.asarray(numbers)[code], y, x)
    share = np.bincount(code[free], minlength=len(numbers)) / np.bincount(code, minlength=len(numbers))
    area = np.bincount(labels.ravel())[numbers].astype(float)
    ellipses = fit_ellipses(code[free], y[free], x[free], area, share)
    at_frame = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    begins, out = np.searchsorted(code, np.arange(len(numbers) + 1)), {}
    for index, (number, outline) in enumerate(zip(numbers, visible, strict=True)):
        hidden = ellipses.told[index] and ellipses.area[index] > area[index] and number not in at_frame
        out[number] = _completed(outline, free[begins[index] : begins[index + 1]], ellipses, index) if hidden else outline
    return out


def _visible_outline(mask: npt.NDArray[np.bool_]) -> Floats:
    padded = np.pad(mask, 2).astype(np.float64)
    contours = find_contours(ndimage.convolve(padded, _SMOOTHED, mode="constant"), 0.5)
    if not contours:  # a few pixels in a row, which smoothing wipes out
        contours = find_contours(padded, 0.5)
    return np.asarray(max(contours, key=len)[:-1] - 2)


def _completed(outline: Floats, free: npt.NDArray[np.bool_], ellipses: Ellipses, index: int) -> Floats:
    """Each run of points that are not free gives way to the arc of the ellipse from the free point before it to the one after."""
    first = int(np.flatnonzero(free)[0])
    outline, free = np.roll(outline, -first, 0), np.roll(free, -first)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~free, [False]]).astype(np.int8)))
    centre, _ = ellipses.radius(index, np.zeros((0, 2)))
    turned = np.unwrap(np.arctan2(*(outline - centre).T))
    whole_turn = 2 * np.pi * np.sign(turned[-1] - turned[0])
    parts, done = [], 0
    for start, stop in edges.reshape(-1, 2).tolist():
        parts.append(outline[done:start])
        end = turned[stop] if stop < len(outline) else turned[0] + whole_turn
        steps = max(2, round(abs(end - turned[start - 1]) * ellipses.size[index] / 2))
        angle = np.linspace(turned[start - 1], end, steps + 1)[1:-1]
        along = np.stack([np.sin(angle), np.cos(angle)], 1)
        parts.append(centre + ellipses.radius(index, along)[1][:, None] * along)
        done = stop
    return np.concatenate([*parts, outline[done:]])


def _conics(code: Ints, v: Floats, u: Floats, n: int) -> tuple[Floats, Floats, Floats]:
    """Area (n,) of the fitted ellipse of each label, NaN without one; how far the points lie off it over its mean radius; its conic."""
    sums = {(i, j): np.bincount(code, v**i * u**j, n) for i, j in _POWERS}
    square, line = [(2, 0), (1, 1), (0, 2)], [(1, 0), (0, 1), (0, 0)]

    def scatter(rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> Floats:
        return np.stack([np.stack([sums[a + c, b + d] for c, d in columns], -1) for a, b in rows], -2)

    s1, s2, s3 = scatter(square, square), scatter(square, line), scatter(line, line)
    linear = -np.linalg.pinv(s3) @ s2.transpose(0, 2, 1)
    reduced = s1 + s2 @ linear
    reduced = np.stack([reduced[:, 2] / 2, -reduced[:, 1], reduced[:, 0] / 2], axis=1)
    vectors = np.real(np.linalg.eig(np.where(np.isfinite(reduced), reduced, 0))[1])
    bowl = 4 * vectors[:, 0] * vectors[:, 2] - vectors[:, 1] ** 2
    best = bowl.argmax(axis=1)
    each = np.arange(n)
    a, b, c = vectors[each, :, best].T
    d, e, f = (linear @ vectors[each, :, best][:, :, None])[:, :, 0].T
    with np.errstate(invalid="ignore", divide="ignore"):
        minor = a * c - b**2 / 4
        det = a * (c * f - e**2 / 4) - b / 2 * (b * f / 2 - d * e / 4) + d / 2 * (b * e / 4 - c * d / 2)
        area = np.where(bowl[each, best] > 0, np.pi * np.abs(det) / minor**1.5, np.nan)
        # Sampson's distance: the conic's value over the length of its gradient.
        value = a[code] * v * v + b[code] * v * u + c[code] * u * u + d[code] * v + e[code] * u + f[code]
        slope = np.hypot(2 * a[code] * v + b[code] * u + d[code], b[code] * v + 2 * c[code] * u + e[code])
        off = np.sqrt(np.bincount(code, (value / slope) ** 2, n) / np.maximum(np.bincount(code, minlength=n), 1))
        return area, off / np.sqrt(area / np.pi), np.stack([a, b, c, d, e, f], 1)
