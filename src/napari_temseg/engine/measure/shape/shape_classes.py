"""Shapes of particles by rules that are written down: sphere, facet, rod, irregular, or unclear where pixels are too few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

ROD = 0.6  # width over length of the rectangle of least area, below which a particle is a rod
ROUND = 0.85  # the same, from which on it may be a sphere
WITHOUT_HOLLOWS = 0.93  # solidity
FILLED = 0.85  # share of that rectangle that a facet fills: a disc fills π/4
TOO_FEW = 10.0  # px of equivalent diameter below which nothing is told
RULES = (
    f"rod: rect_width / rect_length below {ROD:g}; facet: fills {FILLED:.0%} of that rectangle or more; sphere: ratio from {ROUND:g} on; "
    f"each with solidity from {WITHOUT_HOLLOWS:g} on; else irregular; unclear below {TOO_FEW:g} px. From the projection alone"
)


def morphology(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.str_]:
    """The shape of each particle, from its columns without units and its "diameter_px"."""
    ratio = columns["rect_ratio"]
    filled = columns["area"] / (columns["rect_length"] * columns["rect_width"])
    shapes = [columns["diameter_px"] < TOO_FEW, columns["solidity"] < WITHOUT_HOLLOWS, ratio < ROD, filled >= FILLED, ratio >= ROUND]
    return np.select(shapes, ["unclear", "irregular", "rod", "facet", "sphere"], "irregular")
