"""One sample against another: ratios of their sizes, with intervals from how pictures (or grids) of each differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special  # not stats, which takes longer to import than most pictures to measure

from napari_temseg.engine.measure.intervals import ENOUGH_IMAGES, NORMAL
from napari_temseg.engine.types.wording import FEWEST

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution

COMPARED = ("d10", "d50", "d90", "mean", "dv50")


def effects(one: SizeDistribution, other: SizeDistribution, calibration: float = 0.0) -> dict[str, Any]:
    """Sizes of `other` over those of `one`: "ratios" by statistic with a 95 % "interval" (None: "why_none").

    Particles of one picture are no independent evidence: the intervals come from resampling pictures, Welch's t on the logarithm. What
    both samples share cancels; `calibration` is the relative standard uncertainty of what they do not share of it. Where audits correct
    both D50 ("audited" is "both"), it is those that are compared, and what the audits leave open is in the interval. Where one corrects
    only "one" or the "other", sizes as found are compared: what a model does wrong in the same way in both cancels, but not against a
    sample where it is mended. Without enough particles of either for a D50 there are no "ratios", and "why_none" says so.
    """
    few = min(one.counted.units if one.counted.of_specimen else 0, other.counted.units if other.counted.of_specimen else 0)
    why = "" if few >= ENOUGH_IMAGES else f"each sample needs {ENOUGH_IMAGES} pictures at least for an interval"
    if min(len(one), len(other)) < FEWEST:
        return {"ratios": {}, "why_none": f"each sample needs {FEWEST} particles at least", "audited": ""}
    first, second = one.summary(), other.summary()
    audited = {(True, True): "both", (True, False): "one", (False, True): "other"}.get(
        (bool(first["corrected"]), bool(second["corrected"])), ""
    )
    ratios = {}
    for name in COMPARED:
        if first[name] is None or second[name] is None:
            continue
        corrected = name == "d50" and audited == "both"
        sizes = (first["corrected"]["d50"], second["corrected"]["d50"]) if corrected else (first[name], second[name])
        ratio = sizes[1] / sizes[0]
        half = None if why else _half(one, other, name, calibration)
        if half is not None and corrected:
            half = float(np.hypot(half, np.hypot(_audit_half(one), _audit_half(other))))
        interval = None if half is None else [ratio * float(np.exp(-half)), ratio * float(np.exp(half))]
        ratios[name] = {"ratio": ratio, "interval": interval, "differs": None if interval is None else not interval[0] <= 1 <= interval[1]}
    return {"ratios": ratios, "why_none": why, "audited": audited}


def _audit_half(sizes: SizeDistribution) -> float:
    """Half width, on the logarithm, of what its audit leaves open of D50."""
    low, high = sizes.audit["corrected_d50_interval"] if sizes.audit is not None else (1.0, 1.0)
    return float(np.log(high / low)) / 2


def _half(one: SizeDistribution, other: SizeDistribution, name: str, calibration: float) -> float | None:
    """Half width on the logarithm after Welch and Satterthwaite, from the half widths of each, which hold Student's t already."""
    errors, freedom = [], []
    for each in (one, other):
        half, units = each.counted.half.get(name), each.counted.units
        if half is None:
            return None
        errors.append(half / float(special.stdtrit(units - 1, 0.975)))
        freedom.append(units - 1)
    variance = sum(error**2 for error in errors)
    if not variance:
        return NORMAL * calibration
    degrees = variance**2 / sum(error**4 / each for error, each in zip(errors, freedom, strict=True))
    return float(np.hypot(special.stdtrit(degrees, 0.975) * np.sqrt(variance), NORMAL * calibration))
