"""Bins of a histogram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges of Freedman–Diaconis bins of finite values, 5 to 60 of them; of a single value one bin that holds it."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        return np.asarray([low - margin, high + margin])
    first, third = np.percentile(values, [25, 75])
    width = max(2 * (third - first) / len(values) ** (1 / 3), (high - low) / 60)
    return np.linspace(low, high, max(int(np.ceil((high - low) / width)), 5) + 1)
