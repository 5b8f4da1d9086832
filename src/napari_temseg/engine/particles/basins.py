"""Basins of a landscape, the passes between them, and how they join from the highest pass down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


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
    padded = np.pad(np.where(mask, landscape, -np.inf).astype(np.float32), 1, constant_values=-np.inf)
    width = padded.shape[1]
    heights = padded.ravel()
    pixels = np.flatnonzero(np.pad(mask, 1))
    rank = np.full(heights.size, -1, np.int32)
    rank[pixels] = np.arange(len(pixels), dtype=np.int32)

    # In raster order the first of equal neighbours wins, so that level ground has one summit and no cycle.
    offsets = (-width - 1, -width, -width + 1, -1, 0, 1, width - 1, width, width + 1)
    best = np.full(len(pixels), -np.inf, np.float32)
    target = pixels.copy()
    for offset in offsets:
        height = heights[pixels + offset]
        higher = height > best
        np.copyto(best, height, where=higher)
        np.copyto(target, pixels + offset, where=higher)
    up = rank[target]
    while True:
        further = up[up]
        if np.array_equal(further, up):
            break
        up = further
    summits = np.flatnonzero(up == np.arange(len(up)))
    number = np.zeros(len(up), np.int64)
    number[summits] = np.arange(len(summits))
    of_pixel = number[up]
    first, second, height = _passes(of_pixel, heights, pixels, rank, (1, width - 1, width, width + 1), len(summits))
    return Basins(of_pixel, heights[pixels[summits]], np.bincount(of_pixel), first, second, height)


def _passes(
    of_pixel: IntArray, heights: FloatArray, pixels: IntArray, rank: Labels, offsets: tuple[int, ...], count: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """The highest pass between each two touching basins: the lower of two neighbouring pixels, at its highest."""
    keys, levels = [], []
    for offset in offsets:
        neighbour = rank[pixels + offset]
        here = np.flatnonzero(neighbour >= 0)
        there = neighbour[here]
        border = of_pixel[here] != of_pixel[there]
        here, there = here[border], there[border]
        low, high = np.minimum(of_pixel[here], of_pixel[there]), np.maximum(of_pixel[here], of_pixel[there])
        keys.append(low * count + high)
        levels.append(np.minimum(heights[pixels[here]], heights[pixels[there]]))
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
