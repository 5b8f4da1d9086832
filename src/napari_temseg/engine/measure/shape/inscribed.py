"""The largest circle inside each particle: its middle is found on pixels and then moved between them, its radius ends at the outline.

The outline is the contour of the probability where a particle has one, else that of its own mask, smoothed over a pixel: on bare pixel
edges the steps of a round outline would take half a pixel off the radius.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.measure.shape.contour import Crossings
from napari_temseg.engine.measure.shape.distances import squared_distances
from napari_temseg.engine.measure.shape.geometry import FOUR_NEIGHBOURS, Floats, Foreground

_MOVES = (0.5, 0.25, 0.12, 0.06)  # px by which the middle is moved, one after the other
_SMOOTHED = ((0, 0, 4), (-1, 0, 2), (1, 0, 2), (0, -1, 2), (0, 1, 2), (-1, -1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, 1))  # of 16


def mask_crossings(pixels: Foreground, which: npt.NDArray[np.bool_]) -> Crossings:
    """Where the smoothed mask of each label of `which` (n,) passes one half, on the lines from outermost pixels to those outside."""
    parts = []
    for dy, dx in FOUR_NEIGHBOURS:
        edge = np.flatnonzero(pixels.leaves(dy, dx) & which[pixels.code])
        place, own = pixels.place[edge], pixels.own[edge]
        inside, outside = (_own_share(pixels, place + step, own) for step in (0, dy * pixels.stride + dx))
        share = np.clip((inside - 0.5) / np.maximum(inside - outside, 1e-6), 0, 1)
        parts.append((pixels.code[edge], pixels.y[edge] + share * dy, pixels.x[edge] + share * dx))
    code, y, x = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Crossings(code, y, x, np.zeros((0, 2), np.intp))


def _own_share(pixels: Foreground, place: npt.NDArray[np.intp], own: npt.NDArray[Any]) -> Floats:
    around = sum(weight * (pixels.padded[place + (dy * pixels.stride + dx)] == own) for dy, dx, weight in _SMOOTHED)
    return np.asarray(around / 16)


def inscribed_diameters(pixels: Foreground, outline: Crossings, scale: tuple[float, float]) -> Floats:
    """Diameter (n,) of the largest circle inside each outline, in the unit of `scale` (y, x)."""
    if not len(pixels):
        return np.zeros(0)
    unit = scale[0]
    scale = 1.0, scale[1] / unit  # so that ties are decided alike whatever the pixel size
    y, x = _middles(pixels, scale)
    order = np.argsort(outline.code, kind="stable")
    code, oy, ox = outline.code[order], outline.y[order] * scale[0], outline.x[order] * scale[1]
    begins = np.searchsorted(code, np.arange(len(pixels)))
    y, x = y * scale[0], x * scale[1]

    def clearance(y: Floats, x: Floats) -> Floats:
        return np.asarray(np.minimum.reduceat((oy - y[code]) ** 2 + (ox - x[code]) ** 2, begins))

    best = clearance(y, x)
    for move in _MOVES:
        from_y, from_x = y, x
        for dy in (-move, 0.0, move):
            for dx in (-move, 0.0, move):
                there = from_y + dy * scale[0], from_x + dx * scale[1]
                room = clearance(*there)
                better = room > best + 1e-9  # of equal ones the first, wherever the particle lies
                y, x, best = np.where(better, there[0], y), np.where(better, there[1], x), np.where(better, room, best)
    return np.asarray(2 * unit * np.sqrt(best))


def _middles(pixels: Foreground, scale: tuple[float, float]) -> tuple[Floats, Floats]:
    """The pixel of each label that lies farthest from its outermost pixels; of several the first in raster order."""
    within = np.zeros((len(pixels.padded) // pixels.stride, pixels.stride), bool)
    inner = np.ones(len(pixels.code), bool)
    for step in FOUR_NEIGHBOURS:
        inner &= ~pixels.leaves(*step)
    within.ravel()[pixels.place[inner]] = True
    if scale == (1.0, 1.0):
        depth: npt.NDArray[Any] = squared_distances(within)
    else:
        nearest = ndimage.distance_transform_edt(within, scale, return_distances=False, return_indices=True)
        row, column = (axis - np.arange(n).reshape(shape) for axis, n, shape in zip(nearest, within.shape, ((-1, 1), (1, -1)), strict=True))
        depth = (row * scale[0]) ** 2 + (column * scale[1]) ** 2
    at = _deepest(depth, pixels)
    return pixels.y[at].astype(np.float64), pixels.x[at].astype(np.float64)


def _deepest(depth: npt.NDArray[Any], pixels: Foreground) -> npt.NDArray[np.intp]:
    """Index of the pixel of each label where `depth` (of the padded plane) is largest, the first of them in raster order.

    What is deep has the same label on all four sides, and is no less deep than these where it is the deepest.
    """
    inside = depth[1:-1, 1:-1]
    summit = inside > 0
    for rows, columns in ((np.s_[:-2], np.s_[1:-1]), (np.s_[2:], np.s_[1:-1]), (np.s_[1:-1], np.s_[:-2]), (np.s_[1:-1], np.s_[2:])):
        summit &= inside >= depth[rows, columns]
    flat = np.zeros(depth.shape, bool)
    flat[1:-1, 1:-1] = summit
    candidates = np.flatnonzero(flat.ravel()[pixels.place])
    first = np.empty(len(pixels), np.intp)
    first[pixels.code[::-1]] = np.arange(len(pixels.code) - 1, -1, -1)  # of labels that are their own outline
    code, height = pixels.code[candidates], depth.ravel()[pixels.place[candidates]]
    order = np.lexsort((-height.astype(np.float64), code))
    begins = np.append(True, np.diff(code[order]) > 0)[: len(order)]
    first[code[order][begins]] = candidates[order[begins]]
    return first
