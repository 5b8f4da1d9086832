"""From which size on particles are found, told by those of known size that were put into a picture and looked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FOUND = 0.9  # share of a size that must be found for it to count as seen


class RecoveredSize(NamedTuple):
    """Of particles of one diameter (px): how many were put in, how many found, and the median error of the diameter of these (a share);
    `population` is that of two sizes which they are of."""

    diameter: float
    planted: int
    found: int
    bias: float | None
    population: str = ""

    @property
    def recall(self) -> float:
        """Share that was found."""
        return self.found / self.planted

    def plain(self) -> dict[str, float | None]:
        """As plain values."""
        return {"diameter": self.diameter, "planted": self.planted, "found": self.found, "bias": self.bias}


def detection_limit(recovered: Sequence[RecoveredSize]) -> float | None:
    """The diameter (px) from which on `FOUND` of the particles are found; infinite where no size reaches it, None where nothing was tried.

    The share found is taken not to fall with the size; between two sizes the limit lies on the logarithm.
    """
    if not recovered:
        return None
    rows = sorted(recovered)
    from scipy.optimize import isotonic_regression  # of whose package every run would pay the import

    share = isotonic_regression([row.recall for row in rows], weights=[float(row.planted) for row in rows]).x
    if share[-1] < FOUND:
        return math.inf
    first = int(np.argmax(share >= FOUND))
    if not first:
        return rows[0].diameter
    low, high = math.log(rows[first - 1].diameter), math.log(rows[first].diameter)
    return math.exp(low + (FOUND - share[first - 1]) / (share[first] - share[first - 1]) * (high - low))


def pooled(recovered: Sequence[Sequence[RecoveredSize]], sides: Sequence[float]) -> list[RecoveredSize]:
    """What pictures with pixels of these `sides` say together, in the unit of the sides: a row a size, ascending."""
    rows: dict[float, list[RecoveredSize]] = {}
    for each, side in zip(recovered, sides, strict=True):
        for row in each:
            rows.setdefault(float(f"{row.diameter * side:.6g}"), []).append(row)
    return [
        RecoveredSize(size, sum(r.planted for r in each), sum(r.found for r in each), _bias(each)) for size, each in sorted(rows.items())
    ]


def _bias(rows: Sequence[RecoveredSize]) -> float | None:
    """The mean of the pictures' biases, each by what was found."""
    found = [(row.bias, row.found) for row in rows if row.bias is not None]
    return sum(bias * n for bias, n in found) / sum(n for _, n in found) if found else None
