"""Bins of a histogram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MOST_BINS = 60


def bins(values: npt.NDArray[np.float64], count: int | None = None) -> npt.NDArray[np.float64]:
    """Edges of Freedman–Diaconis bins of finite values, 5 to 60 of them, or `count`; of a single value one bin that holds it."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        return np.asarray([low - margin, high + margin])
    if count is not None:
        return np.linspace(low, high, count + 1)
    first, third = np.percentile(values, [25, 75])
    width = max(2 * (third - first) / len(values) ** (1 / 3), (high - low) / MOST_BINS)
    return np.linspace(low, high, max(int(np.ceil((high - low) / width)), 5) + 1)
