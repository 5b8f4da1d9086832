"""Shapes of particles by rules that are written down: sphere, facet, rod, irregular, or unclear where pixels are too few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.descriptors import FILLED, ROD, ROUND, TOO_FEW, WITHOUT_HOLLOWS


def morphology(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.str_]:
    """The shape of each particle, from its columns without units and its "diameter_px"."""
    ratio = columns["rect_ratio"]
    filled = columns["area"] / (columns["rect_length"] * columns["rect_width"])
    shapes = [columns["diameter_px"] < TOO_FEW, columns["solidity"] < WITHOUT_HOLLOWS, ratio < ROD, filled >= FILLED, ratio >= ROUND]
    return np.select(shapes, ["unclear", "irregular", "rod", "facet", "sphere"], "irregular")
