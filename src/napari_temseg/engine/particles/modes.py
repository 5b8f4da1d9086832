"""Whether what one search found is of two sizes: two heaps of diameters with a gap between them.

A search answers for sizes from a third to three times its own, so that both may lie in its band; of the heap that is further from what was
looked for some are missed, and one D50 of both tells how many there are of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_temseg.engine.measure.usability import Modes, two_modes
from napari_temseg.engine.types.confidence import EVEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from napari_temseg.engine.measure.measurement import Measurement


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
