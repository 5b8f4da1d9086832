"""What the segmentation leaves open: how sizes drift with the splitting, and what outlines drawn by hand say beyond that.

The error of a picture is e = ln(D50 of outlines drawn by hand / D50 found). Its scale is taken as s = (floor + Σ drifts)^power, a drift
being the largest |ln(D50 otherwise / D50 as found)| of a setting one step to either side. q, the quantile of |e − bias| / s over outlined
pictures (conformal, each specimen counting once), gives the half width q s. Beyond the scale `refused` it would be too wide to be of use,
and the result is refused. The bias grows with `hanging`: where many particles become one when touching ones are split less, others that are
still one were several, and sizes come out too large.

Of a model that nobody has compared with outlines the half width is at least that of the compared one for the same drifts, its bias added
rather than taken off: who learnt less from outlines drawn by hand is not the surer for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.edge_correction import frame_weights
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import AS_FOUND
from napari_temseg.engine.measure.weighted import quantile
from napari_temseg.engine.types.wording import SEGMENTATION, SEGMENTED_AT_LEAST

Floats = npt.NDArray[np.float64]
LESS_SPLIT = "strength less"
MOST_HANGING = 1.3  # of ln(particles / those when split less), as far as outlined pictures go
NEAR_STEPS = ("less", "more")  # the steps whose drift counts; the others are only shown
WIDE_DRIFT = math.log(1.15)  # of the splitting: beyond it a result hangs on a setting nobody can know
SHARES = {"d10": (0.1, 0), "d50": (0.5, 0), "d90": (0.9, 0), "dv50": (0.5, 3)}


@dataclass(frozen=True)
class SegmentationCalibration:
    """What outlines drawn by hand said of one model, told by its hash; see the module for the formula.

    The bias is `welded` times `hanging`, and `bias`, the median of what is left of e (0 where it is no larger than its own uncertainty);
    `factor` is q, `refused` the largest scale of which an interval is given. `facts` say what it was learnt on and how it did on what it
    had not seen.
    """

    model_hash: str
    bias: float
    floor: float
    factor: float
    refused: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    power: float = 1.0
    welded: float = 0.0

    def offset(self, splits: Mapping[str, Mapping[str, float | None]]) -> float:
        """What is to be added to the logarithm of a D50 found."""
        return self.bias + self.welded * hanging(splits)

    def scale(self, drift: Mapping[str, float]) -> float:
        """Scale of the error on the logarithm, from the drift of each setting."""
        return float((self.floor + sum(drift.values())) ** self.power)


@dataclass(frozen=True)
class Segmentation:
    """How sizes hang on the segmentation.

    `splits` gives by key ("strength less"; "as found" first) the setting's value (None where pictures started from different ones), the
    number of particles and `SHARES` in the unit of the sizes; `drift` the largest |ln| change of D50 by setting; `half` the half width of
    the calibrated interval on the logarithm, None without a calibration; `bias` what is to be added to ln D50. `at_least`: the half width
    is that of another model, which this one does not fall below. `uncalibrated` tells why there is no calibration of its own, "" where
    nobody has compared the model.
    """

    splits: dict[str, dict[str, float | None]]
    drift: dict[str, float]
    half: float | None = None
    bias: float = 0.0
    refused: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    uncalibrated: str = ""
    at_least: bool = False

    @property
    def part(self) -> str:
        """What its half width is called among the parts of an interval."""
        return SEGMENTED_AT_LEAST if self.at_least else SEGMENTATION

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON; what is infinite (nothing is found any more) is None."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.drift.items()}
        half = self.half if self.half is None or math.isfinite(self.half) else None
        told = {"splits": self.splits, "drift": finite, "half_width": half, "bias": self.bias, "refused": self.refused}
        compared = self.half is not None and not self.at_least
        told |= {"calibrated": compared, "at_least": self.at_least, "uncalibrated": self.uncalibrated}
        return {**told, "calibration": dict(self.facts)}

    def interval(self, d50: float) -> list[float] | None:
        """The interval of a D50 found, bias taken off; None without a calibration, and where the result is refused."""
        if self.half is None or self.refused:
            return None
        return [d50 * math.exp(self.bias - self.half), d50 * math.exp(self.bias + self.half)]


def segmentation(
    pool: Sequence[Measurement], calibration: SegmentationCalibration | None = None, uncalibrated: str = "", *, holds: bool = True
) -> Segmentation | None:
    """Pool the other splittings of measurements, step by step; None where one of them has none.

    `holds`: the calibration is of the model that found them. Else it is the least that is left open, and `uncalibrated` tells why.
    """
    keys = _common_keys(pool)
    if AS_FOUND not in keys:
        return None
    splits = {key: _sizes_of(pool, key) for key in keys}
    drift = drifts(splits)
    if calibration is None:
        return Segmentation(splits, drift, refused=drift.get("strength", 0.0) > WIDE_DRIFT, uncalibrated=uncalibrated)
    scale, offset = calibration.scale(drift), calibration.offset(splits)
    half, refused = calibration.factor * scale, scale > calibration.refused
    if holds:
        return Segmentation(splits, drift, half, offset, refused, calibration.facts)
    refused = refused or drift.get("strength", 0.0) > WIDE_DRIFT
    return Segmentation(splits, drift, half + abs(offset), 0.0, refused, uncalibrated=uncalibrated, at_least=True)


def _common_keys(pool: Sequence[Measurement]) -> list[str]:
    named = [[other.key for other in measurement.other_splits] for measurement in pool]
    return [key for key in named[0] if all(key in names for names in named)]


def drifts(splits: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """The largest |ln(D50 / D50 as found)| of each setting one step away; infinite where nothing is found then."""
    found = splits[AS_FOUND]["d50"]
    largest: dict[str, float] = {}
    for key, figures in splits.items():
        setting, _, step = key.partition(" ")
        if step not in NEAR_STEPS or found is None:
            continue
        there = figures["d50"]
        largest[setting] = max(largest.get(setting, 0.0), math.inf if there is None else abs(math.log(there / found)))
    return largest


def hanging(splits: Mapping[str, Mapping[str, float | None]]) -> float:
    """How many particles hang on the splitting: ln(their number / that when touching ones are split less), 0 to `MOST_HANGING`."""
    found, less = splits[AS_FOUND]["n"], splits.get(LESS_SPLIT, {}).get("n")
    if less is None or not found:
        return 0.0
    return min(max(math.log(found / less), 0.0), MOST_HANGING) if less else MOST_HANGING


def _sizes_of(pool: Sequence[Measurement], key: str) -> dict[str, float | None]:
    others = [next(other for other in measurement.other_splits if other.key == key) for measurement in pool]
    sides = [math.sqrt(math.prod(measurement.calibration.scale)) for measurement in pool]
    x = np.concatenate([other.diameter * side for other, side in zip(others, sides, strict=True)])
    box = np.concatenate([other.box * np.asarray(m.calibration.scale) for other, m in zip(others, pool, strict=True)])
    values = {other.value for other in others}
    found: dict[str, float | None] = {"value": values.pop() if len(values) == 1 and key != AS_FOUND else None, "n": float(len(x))}
    order = np.argsort(x, kind="stable")
    x, w = x[order], frame_weights(pool, box[order]) if len(x) else x
    return found | {name: quantile(x, w * x**power, share) if len(x) else None for name, (share, power) in SHARES.items()}
