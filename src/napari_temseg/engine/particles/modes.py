"""Whether what one search found is of two sizes: two heaps of diameters with a gap between them.

A search answers for sizes from a third to three times its own, so that both may lie in its band; of the heap that is further from what was
looked for some are missed, and one D50 of both tells how many there are of either.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.confidence import EVEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from napari_temseg.engine.measure.measurement import Measurement

FEWEST_OF_BOTH = 30  # particles, fewer of which tell nothing
LEAST_OF_EITHER, LEAST_MODE_SHARE = 6, 0.12  # particles in either heap, and of all
MODES_APART = 1.6  # ratio of their medians
EXPLAINED = 0.8  # share of the variance of the logarithms that being of either heap explains: of a normal distribution it is 0.64
MODES_GAP = 0.65  # particles half-way between both medians, by ratio, over those about the median of the smaller heap
ABOUT = 0.13  # on the logarithm


class Modes(NamedTuple):
    """Number and median of the smaller and of the larger ones, in the unit of the diameters."""

    n_small: int
    small: float
    n_large: int
    large: float


def two_modes(diameters: npt.NDArray[np.float64]) -> Modes | None:
    """Two heaps of diameters (n,), cut where their logarithms scatter least about either middle (Otsu 1979); None where there is one."""
    x = np.sort(np.log(diameters[np.isfinite(diameters) & (diameters > 0)]))
    n, least = len(x), max(LEAST_OF_EITHER, math.ceil(LEAST_MODE_SHARE * len(x)))
    if n < FEWEST_OF_BOTH or n < 2 * least or np.ptp(x) <= 0:
        return None
    cuts = np.arange(least, n - least + 1)
    low = np.cumsum(x)[cuts - 1]
    high = x.sum() - low
    between = low**2 / cuts + high**2 / (n - cuts) - x.sum() ** 2 / n
    cut = int(cuts[between.argmax()])
    one, other = float(np.median(x[:cut])), float(np.median(x[cut:]))

    def about(place: float) -> int:
        return int((np.abs(x - place) < ABOUT).sum())

    gap = about((one + other) / 2) <= MODES_GAP * min(about(one), about(other))
    explained = float(between.max()) >= EXPLAINED * n * float(x.var())
    if not (gap and explained and other - one >= math.log(MODES_APART)):
        return None
    return Modes(cut, math.exp(one), n - cut, math.exp(other))


def vouched(table: pd.DataFrame, last: Mapping[int, int] | None = None) -> pd.DataFrame:
    """The rows of a measurement's table that tell what sizes there are: without those of which the model is less sure than even, which are
    specks of noise where certainty is not asked for, and without what was drawn by hand.

    `last` is by plane the largest label that the search gave there; nobody drew anything on planes that are not in it.
    """
    given = table["plane"].map(last or {}).fillna(np.inf).to_numpy(np.float64)
    return table[~(table["confidence"].to_numpy(np.float64) < EVEN) & (table["particle"].to_numpy() <= given)]


def modes_of(measurement: Measurement | None, last: Mapping[int, int] | None = None) -> Modes | None:
    """The heaps of a measurement of one size, in its unit; None too where two sizes are measured apart, or there are several classes.

    Those that are `vouched` for tell it, and that the frame does not cut: what is left of them is small for another reason.
    """
    if measurement is None or "population" in measurement.table or measurement.table["class"].nunique() > 1:
        return None
    there = vouched(measurement.table, last)
    there = there[there["excluded"].isin(["", "at the edge"]) & ~there["frame"].astype(bool)]
    return two_modes(there[f"ecd_{measurement.length_unit}"].to_numpy(np.float64))
