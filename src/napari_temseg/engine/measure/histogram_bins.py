"""Bins of a histogram."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Sizes = npt.NDArray[np.float64]
MOST_BINS = 60
ENOUGH_TO_SPREAD = 20  # particles from which on the rule is not to leave a handful of bins
DECADE = 10  # ratio of the 98th to the 2nd percentile from which on a linear axis shows the smaller sizes in one bin


def spread_far(values: npt.NDArray[np.float64]) -> bool:
    """Whether positive sizes (n,) spread so far that a logarithmic axis shows them better; never of a few."""
    if len(values) < ENOUGH_TO_SPREAD or values.min() <= 0:
        return False
    low, high = np.percentile(values, [2, 98])
    return bool(high > DECADE * low)


def bins(values: npt.NDArray[np.float64], count: int | None = None) -> npt.NDArray[np.float64]:
    """Edges of bins of finite values: those of Freedman and Diaconis, at least those of Sturges and at most 60, or `count`.

    Of a single value one bin that holds it.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        return np.asarray([low - margin, high + margin])
    if count is not None:
        return np.linspace(low, high, count + 1)
    first, third = np.percentile(values, [25, 75])
    width = max(2 * (third - first) / len(values) ** (1 / 3), (high - low) / MOST_BINS)
    least = (
        1 + math.ceil(math.log2(len(values))) if len(values) >= ENOUGH_TO_SPREAD else 5
    )  # where sizes lie in two heaps the quartiles are far apart
    return np.linspace(low, high, max(int(np.ceil((high - low) / width)), least) + 1)


def around(edges: Sizes, *, logarithmic: bool) -> tuple[Sizes, Sizes, Sizes]:
    """Sizes over the bins, and both ends of a bin about each: a curve of what a bin there holds is never above all of the particles."""
    if logarithmic:
        x, half = np.geomspace(edges[0], edges[-1], 300), np.sqrt(edges[1] / edges[0])
        return x, x / half, x * half
    x, half = np.linspace(edges[0], edges[-1], 300), (edges[1] - edges[0]) / 2
    return x, x - half, x + half
