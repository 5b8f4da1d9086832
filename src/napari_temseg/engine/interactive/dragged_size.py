"""What a drag across one particle tells: the size that is meant, and whether particles are brighter or darker than what is round them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.results import BAND

INNER = 0.3  # of the width: pixels nearer to the middle belong to the particle
OUTER = (0.6, 0.95)  # of the width: pixels at this distance, beyond either end, are what is round it
CLEAR = 0.5  # deviations of the pixels round the drag by which inside and outside have to differ


def polarity_across(image: npt.NDArray[Any], start: Sequence[float], end: Sequence[float]) -> str:
    """ "bright" or "dark" for what lies under a line from edge to edge, (y, x) to (y, x) in px of an image (Y, X); "auto" when unclear.

    What is round it is looked for beyond both ends of the line, not beside it, where a rod goes on.
    """
    first, last = np.asarray(start, float), np.asarray(end, float)
    middle, way = (first + last) / 2, last - first
    width = float(np.hypot(*way))
    if width < 1:
        return "auto"
    reach = math.ceil(OUTER[1] * width)
    top, left = (max(int(each) - reach, 0) for each in middle)
    part = np.asarray(image[top : int(middle[0]) + reach + 1, left : int(middle[1]) + reach + 1], np.float64)
    y, x = np.indices(part.shape) + np.array([top, left])[:, None, None] - middle[:, None, None]
    far = np.hypot(y, x) / width
    along = np.abs(y * way[0] + x * way[1]) / width
    beyond = (far >= OUTER[0]) & (far <= OUTER[1]) & (along >= far * width * math.sqrt(0.5)) & np.isfinite(part)
    inside = (far <= INNER) & np.isfinite(part)
    if not inside.any() or not beyond.any():
        return "auto"
    spread = float(np.std(part[(far <= OUTER[1]) & np.isfinite(part)]))
    apart = float(np.median(part[inside]) - np.median(part[beyond]))
    if abs(apart) <= CLEAR * spread:
        return "auto"
    return "bright" if apart > 0 else "dark"


def told_polarity(each: Sequence[str]) -> str:
    """That of several drags: what all that are clear agree on, "both" where they do not, "auto" where none is clear."""
    clear = {polarity for polarity in each if polarity != "auto"}
    return clear.pop() if len(clear) == 1 else "both" if clear else "auto"


def told_size(widths: Sequence[float]) -> float:
    """The size that is meant where one to three particles were measured: the middle one, or, of two, one as far from either by ratio.

    It is moved no further than needed for the smallest and the largest to lie within its band; where they cannot both, it is between them.
    """
    ordered = sorted(widths)
    size = ordered[len(ordered) // 2] if len(ordered) % 2 else math.sqrt(ordered[0] * ordered[-1])
    least, most = ordered[-1] / BAND, ordered[0] * BAND
    return min(max(size, least), most) if least <= most else math.sqrt(ordered[0] * ordered[-1])
