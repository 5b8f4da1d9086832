"""Bins of a histogram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MOST_BINS = 60


def bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges of Freedman–Diaconis bins of finite values, 5 to 60 of them; of a single value one bin that holds it."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        return np.asarray([low - margin, high + margin])
    first, third = np.percentile(values, [25, 75])
    width = max(2 * (third - first) / len(values) ** (1 / 3), (high - low) / MOST_BINS)
    return np.linspace(low, high, max(int(np.ceil((high - low) / width)), 5) + 1)


def kept_bins(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The bins of `edges` as long as they suit `values` too, with more of the same width where these reach beyond; else new ones.

    While particles are corrected one by one, bars are then comparable before and after.
    """
    low, high = float(values.min()), float(values.max())
    if high - low < 0.5 * (edges[-1] - edges[0]):
        return bins(values)
    width = float(edges[1] - edges[0])
    below, above = (max(0, int(np.ceil(beyond / width))) for beyond in (edges[0] - low, high - edges[-1]))
    n = len(edges) - 1 + below + above
    if n > MOST_BINS:
        return bins(values)
    more = edges[0] + width * np.arange(-below, n - below + 1)
    more[below : below + len(edges)] = edges
    more[0], more[-1] = min(more[0], low), max(more[-1], high)  # what rounding would leave out
    return np.asarray(more)
