"""The EU nanomaterial indicator (2022/C 229/01): the number share of particles with a visible dimension below 100 nm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from napari_temseg.engine.measure.intervals import ENOUGH_IMAGES, NORMAL
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.pooling import size_distribution
from napari_temseg.engine.measure.resampling import resampled
from napari_temseg.engine.measure.segmentation import SegmentationCalibration
from napari_temseg.engine.types.units import to_nanometres

LIMIT = 100.0  # nm
_REPLICATES = 400
CAVEAT = (
    "An indicator, no classification: it counts constituent particles by the smallest dimension that a projection shows (least Feret "
    "diameter); thickness cannot be seen, so that thin plates lying flat are missed."
)


def nanomaterial_indicator(
    measurements: Sequence[Measurement], calibration: SegmentationCalibration | None = None
) -> dict[str, Any] | None:
    """Share of the number below 100 nm with a 95 % interval of counting, and of segmentation and calibration where they are known.

    None where lengths are in px or there are no particles. "holds" names what is in the interval.
    """
    sizes = size_distribution(measurements, "feret_min", calibration)
    if sizes.unit == "px" or len(sizes) < 2:
        return None
    x, w = sizes.values * to_nanometres(1, sizes.unit), sizes.weights
    pictures, group = np.unique(sizes.group, return_inverse=True)
    drawn = resampled(x, w, group if len(pictures) >= ENOUGH_IMAGES else None, _REPLICATES)
    below = drawn.draws[:, drawn.x < LIMIT].sum(axis=1) / drawn.draws.sum(axis=1)
    counted = float(special.stdtrit(drawn.units - 1, 0.975) * below.std())
    share = float(w[x < LIMIT].sum() / w.sum())
    segmented = sizes.segmentation
    known = segmented is not None and segmented.half is not None and not segmented.refused
    parts = {segmented.part: segmented.half} if segmented is not None and segmented.half is not None and known else {}
    parts["calibration"] = NORMAL * (sizes.calibration_uncertainty or 0.0)
    shift = math.hypot(*parts.values())
    ends = [float(w[x < LIMIT * math.exp(by)].sum() / w.sum()) for by in (-shift, shift)]
    low, high = share - math.hypot(counted, share - ends[0]), share + math.hypot(counted, ends[1] - share)
    holds = ["counting", *(name for name, half in parts.items() if half)]
    return {"share": share, "interval": [max(low, 0.0), min(high, 1.0)], "n": len(sizes), "holds": holds, "caveat": CAVEAT}
