"""Basins of a landscape, the passes between them, and how they join from the highest pass down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
_STEPS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_BAND = 32  # rows that are looked at together
# Every two of 8 neighbours once: the pixels, and those to the right, below left, below, below right of them.
PAIRS: tuple[tuple[Any, Any], ...] = (
    (np.s_[:, :-1], np.s_[:, 1:]),
    (np.s_[:-1, 1:], np.s_[1:, :-1]),
    (np.s_[:-1], np.s_[1:]),
    (np.s_[:-1, :-1], np.s_[1:, 1:]),
)


@dataclass(frozen=True, eq=False)
class Basins:
    """Basins 0…n−1 of a mask, and the highest pass between each two that touch (8 neighbours)."""

    of_pixel: IntArray  # basin of each pixel of the mask, in raster order
    summit: FloatArray  # height, one a basin
    area: IntArray  # px, one a basin
    first: IntArray  # the two sides of each pass
    second: IntArray
    height: FloatArray  # of each pass


def basins_of(mask: npt.NDArray[np.bool_], landscape: FloatArray) -> Basins:
    """Every pixel points to the highest of itself and its 8 neighbours; following the pointers ends on a summit."""
    heights = np.pad(np.where(mask, landscape, -np.inf).astype(np.float32), 1, constant_values=-np.inf)
    pixels = np.flatnonzero(mask)
    rank = np.full(mask.shape, -1, np.int32)
    rank.ravel()[pixels] = np.arange(len(pixels), dtype=np.int32)

    offsets = np.array([dy * mask.shape[1] + dx for dy, dx in _STEPS], np.intp)
    up = rank.ravel()[pixels + offsets[_ways(heights).ravel()[pixels]]]
    while True:
        further = up[up]
        if np.array_equal(further, up):
            break
        up = further
    summits = np.flatnonzero(up == np.arange(len(up)))
    number_of = np.zeros(len(up), np.int64)
    number_of[summits] = np.arange(len(summits))
    of_pixel = number_of[up]
    rank.ravel()[pixels] = of_pixel  # the plane of basins from here on
    inside = heights[1:-1, 1:-1]
    first, second, height_of = _passes(rank, inside, len(summits))
    return Basins(of_pixel, inside[np.unravel_index(pixels[summits], mask.shape)], np.bincount(of_pixel), first, second, height_of)


def _ways(heights: FloatArray) -> npt.NDArray[np.uint8]:
    """Which of `_STEPS` leads each pixel to the highest of itself and its neighbours; `heights` has a border of a pixel.

    The first of equal ones in raster order wins, so that level ground has one summit and no cycle. Shifted bands of rows that fit the
    processor's memory: to gather the neighbours of each pixel, or to shift the whole plane, would take several times as long.
    """
    rows, width = heights.shape[0] - 2, heights.shape[1] - 2
    ways = np.zeros((rows, width), np.uint8)
    for top in range(0, rows, _BAND):
        way = ways[top : top + _BAND]
        best = np.full(way.shape, -np.inf, np.float32)
        for number, (dy, dx) in enumerate(_STEPS):
            height = heights[top + 1 + dy : top + 1 + dy + len(way), 1 + dx : 1 + dx + width]
            np.copyto(way, np.uint8(number), where=height > best)
            np.maximum(best, height, out=best)
    return ways


def _passes(basin: Labels, heights: FloatArray, count: int) -> tuple[IntArray, IntArray, FloatArray]:
    """The highest pass between each two touching basins of a plane (−1: none): the lower of two neighbouring pixels, at its highest."""
    keys, levels = [], []
    for here, there in PAIRS:
        border = (basin[here] != basin[there]) & (basin[here] >= 0) & (basin[there] >= 0)
        a, b = (basin[side][border].astype(np.int64) for side in (here, there))
        keys.append(np.minimum(a, b) * count + np.maximum(a, b))
        levels.append(np.minimum(heights[here][border], heights[there][border]))
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    height = np.full(len(pairs), -np.inf, np.float32)
    np.maximum.at(height, index, np.concatenate(levels))
    return pairs // count, pairs % count, height


def joined(basins: Basins, apart: Callable[[int, float, float, int], bool]) -> IntArray:
    """Group 0…m−1 of each basin: from the highest pass down, the two sides of each pass join unless they stay `apart`.

    That is asked with the basin of the higher summit, the height of the lower summit, its rise above the pass, and the area (px) of the
    smaller side.
    """
    root, summit, area = list(range(len(basins.summit))), basins.summit.tolist(), basins.area.tolist()

    def top(basin: int) -> int:
        while root[basin] != basin:
            root[basin] = root[root[basin]]
            basin = root[basin]
        return basin

    order = np.argsort(-basins.height, kind="stable")
    for a, b, level in zip(basins.first[order].tolist(), basins.second[order].tolist(), basins.height[order].tolist(), strict=True):
        high, low = top(a), top(b)
        if high == low:
            continue
        if summit[high] < summit[low]:
            high, low = low, high
        if not apart(high, summit[low], summit[low] - level, min(area[high], area[low])):
            root[low] = high
            area[high] += area[low]
    groups: IntArray = np.unique([top(basin) for basin in range(len(root))], return_inverse=True)[1]
    return groups
