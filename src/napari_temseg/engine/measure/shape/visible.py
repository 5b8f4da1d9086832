"""How much of a particle is seen: its area over that of the ellipse which the part of its outline beside no other particle describes.

The ellipse is fitted to all labels at once, directly and without iteration (R. Halíř & J. Flusser, WSCG 1998), in coordinates of each
label's own middle and size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.shape.geometry import Floats, Foreground, Ints
from napari_temseg.engine.measure.shape.inscribed import mask_crossings

LEAST_FREE = 0.5  # share of the outline that must be free for an ellipse to be told
LEAST_FREE_POINTS = 12
_APART = 2  # px from another particle from which on an outline is free: nearer it bends towards the seam
OFF = 0.03  # root mean square distance of the outline from the ellipse, as a share of its mean radius, up to which it is one
_POWERS = [(i, j) for i in range(5) for j in range(5 - i)]


def visible_columns(
    pixels: Foreground, labels: npt.NDArray[np.integer[Any]], bordered: npt.NDArray[np.bool_], at_frame: npt.NDArray[np.bool_]
) -> dict[str, Floats]:
    """The column "visible_share". `labels` (Y, X) are all particles of the plane, `bordered` (n,) tells which have another beside them."""
    share = np.where(at_frame, np.nan, 1.0)
    which = bordered & ~at_frame
    if which.any():
        outline = mask_crossings(pixels, which)
        row, column = (np.rint(each).astype(np.intp) for each in (outline.y, outline.x))
        own, free = pixels.ids[outline.code], np.ones(len(outline.code), bool)
        for dy in range(-_APART, _APART + 1):
            for dx in range(-_APART, _APART + 1):
                there = labels[np.clip(row + dy, 0, labels.shape[0] - 1), np.clip(column + dx, 0, labels.shape[1] - 1)]
                free &= (there == 0) | (there == own)
        count = np.bincount(outline.code, minlength=len(pixels))
        part = np.bincount(outline.code[free], minlength=len(pixels)) / np.maximum(count, 1)
        told = visible_shares(outline.code[free], outline.y[free], outline.x[free], pixels.total(), part)
        share[which] = told[which]
    return {"visible_share": share}


def visible_shares(code: Ints, y: Floats, x: Floats, area: Floats, free: Floats) -> Floats:
    """Visible share (n,) of each label: 1 where its whole outline is `free` (share, 1 of all), NaN where no ellipse tells.

    `code`, `y`, `x` are the points of free outlines, by label; `area` (n,) is what is seen, in the square of their unit.
    """
    share = np.where(free >= 1, 1.0, np.nan)
    count = np.bincount(code, minlength=len(area))
    fitted = np.flatnonzero((free < 1) & (free >= LEAST_FREE) & (count >= LEAST_FREE_POINTS))
    if not len(fitted):
        return share
    number = np.full(len(area), -1)
    number[fitted] = np.arange(len(fitted))
    taken = number[code] >= 0
    code, y, x = number[code[taken]], y[taken], x[taken]
    middle = [np.bincount(code, each) / count[fitted] for each in (y, x)]
    size = np.sqrt(area[fitted])
    u, v = (y - middle[0][code]) / size[code], (x - middle[1][code]) / size[code]
    whole, off = _ellipses(code, u, v, len(fitted))
    told = (off <= OFF) & (whole > 0) & np.isfinite(whole)
    share[fitted[told]] = np.minimum(1 / whole[told], 1.0)
    return share


def _ellipses(code: Ints, u: Floats, v: Floats, n: int) -> tuple[Floats, Floats]:
    """Area (n,) of the fitted ellipse of each label, NaN without one, and how far the points lie off it over its mean radius."""
    sums = {(i, j): np.bincount(code, u**i * v**j, n) for i, j in _POWERS}
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
        value = a[code] * u * u + b[code] * u * v + c[code] * v * v + d[code] * u + e[code] * v + f[code]
        slope = np.hypot(2 * a[code] * u + b[code] * v + d[code], b[code] * u + 2 * c[code] * v + e[code])
        off = np.sqrt(np.bincount(code, (value / slope) ** 2, n) / np.maximum(np.bincount(code, minlength=n), 1))
        return area, off / np.sqrt(area / np.pi)
