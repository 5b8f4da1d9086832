"""Where a scale bar of ours hides least of a picture: neither what is left out of it, nor letters, nor particles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Box = tuple[float, float, float, float]  # top, left, bottom and right, as shares of height and width
_STEP = 0.4  # of the range of greys, over three px: letters and lines have it, noise and slow changes of brightness do not
_DIGITS = 4  # of what is hidden that tell one place from another; of equals the first is taken


def sharp_edges(grey: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a picture (Y, X) changes abruptly, a bool a pixel: strokes of letters, ticks, outlines of particles that stand out."""
    plain = np.nan_to_num(grey.astype(np.float32))
    smooth = ndimage.uniform_filter(plain, 3)
    low, high = np.percentile(plain, [0.05, 99.95])  # letters may be less than a hundredth of a picture
    edges = np.zeros(grey.shape, bool)
    for axis in (0, 1):
        if grey.shape[axis] > 3 and high > low:
            steps = np.abs(np.roll(smooth, -2, axis) - np.roll(smooth, 1, axis)) > _STEP * (high - low)
            inside = np.arange(1, grey.shape[axis] - 2)
            place = np.ix_(inside, np.arange(grey.shape[1])) if axis == 0 else np.ix_(np.arange(grey.shape[0]), inside)
            edges[place] |= steps[place]
    return edges


def least_hidden(boxes: Sequence[Box], *content: tuple[float, npt.NDArray[Any] | None]) -> int:
    """Index of the box that hides least: `content` are weights and maps (Y, X) of what is there, in whatever resolution."""
    hidden = [sum(weight * _share(there, box) for weight, there in content if there is not None) for box in boxes]
    rounded = [round(each, _DIGITS) for each in hidden]
    return rounded.index(min(rounded))


def _share(there: npt.NDArray[Any], box: Box) -> float:
    """Mean of a map under a box, at least one pixel of it."""
    height, width = there.shape
    spans = ((box[0] * height, box[2] * height, height), (box[1] * width, box[3] * width, width))
    rows, columns = (_pixels(low, high, side) for low, high, side in spans)
    return float(there[rows, columns].mean())


def _pixels(low: float, high: float, side: int) -> slice:
    first = min(max(math.floor(low + 1e-6), 0), side - 1)
    return slice(first, max(min(math.ceil(high - 1e-6), side), first + 1))
