"""Intervals of D50 under the names of what they are about: the particles that were seen, and the specimen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari_temseg.engine.measure.intervals import NORMAL, TOO_DIFFERENT, Counting, interval
from napari_temseg.engine.measure.segmentation import Segmentation

_UNLIKE = "the model has not been compared with outlines in such images"
THESE_PARTICLES, THIS_SPECIMEN = "these particles", "this specimen"


def named_intervals(
    d50: float | None,
    unit: str,
    n_images: int,
    counted: Counting,
    segmentation: Segmentation | None,
    calibration: float | None,
    edge: float | None = None,
    *,
    unlike: bool = False,
) -> dict[str, dict[str, Any]]:
    """95 % intervals of D50 by name: "d50" (two lengths or None), what it "holds", what it "lacks", and "why_none".

    "these particles" is what segmentation, calibration and edge convention (relative standard uncertainties) leave open of what is in the
    pictures. It does not exist without the segmentation: without the largest part it would look the surer the less is known. With
    `unlike` pictures what outlines of others said of the model does not hold. "this specimen" adds how pictures differ, and exists from
    three pictures on.
    """
    parts: list[tuple[str, float]] = []
    lacks: list[str] = []
    bias = 0.0
    if segmentation is not None and segmentation.half is not None and not segmentation.refused:
        parts.append((segmentation.part, segmentation.half))
        bias = segmentation.bias
        if segmentation.at_least:
            lacks.append(f"what more this model leaves open ({_why_uncalibrated(segmentation)})")
    else:
        lacks.append(f"segmentation ({_UNLIKE if unlike else _no_segmentation(segmentation)})")
    segmented = bool(parts)
    if calibration is not None:
        parts.append(("calibration", NORMAL * calibration))
    else:
        lacks.append(_no_calibration(unit))
    if edge is not None and parts:
        parts.append(("edge convention", NORMAL * edge))
    else:
        lacks.append("where the edge of a particle is drawn (a convention)")
    why = "" if segmented else f"as nothing is known of {', '.join(lacks)}"
    theirs = _interval(d50, parts if segmented else [], lacks, bias, why)
    if not counted.of_specimen:
        cannot = f"{n_images} image{'' if n_images == 1 else 's'} cannot tell how images of the specimen differ: it takes three"
        return {THESE_PARTICLES: theirs, THIS_SPECIMEN: _interval(None, [], lacks, 0.0, cannot)}
    half = counted.half.get("d50")
    more = [] if half is None else [("counting", half)]
    why = "" if more else counted.basis.removeprefix(f"{TOO_DIFFERENT}: ")
    return {
        THESE_PARTICLES: theirs,
        THIS_SPECIMEN: _interval(d50, [*more, *parts], lacks, bias, why),
    }


def audited_interval(
    corrected: float, audit: Sequence[float], counted: Counting, unit: str, calibration: float | None
) -> tuple[str, dict[str, Any]]:
    """Name and 95 % interval of a D50 that an audit corrected, as `named_intervals` gives one.

    `audit` is the interval of the audit itself, which stands in the place of segmentation and edge: the auditor saw both.
    """
    parts, lacks = [("audit", math.log(audit[1] / audit[0]) / 2)], []
    bias = math.log(math.sqrt(audit[0] * audit[1]) / corrected)
    half = counted.half.get("d50")
    name = THIS_SPECIMEN if counted.of_specimen and half is not None else THESE_PARTICLES
    if name == THIS_SPECIMEN and half is not None:
        parts.append(("counting", half))
    if calibration is not None:
        parts.append(("calibration", NORMAL * calibration))
    else:
        lacks.append(_no_calibration(unit))
    return name, _interval(corrected, parts, lacks, bias, "")


def _no_calibration(unit: str) -> str:
    return "calibration (not stated)" if unit != "px" else "calibration (lengths are in px)"


def _no_segmentation(segmentation: Segmentation | None) -> str:
    if segmentation is None:
        return "no other splittings were tried"
    if segmentation.refused:
        return "it leaves more open than an interval could tell"
    return _why_uncalibrated(segmentation)


def _why_uncalibrated(segmentation: Segmentation) -> str:
    return segmentation.uncalibrated or "nobody has compared this model with outlines drawn by hand"


def _interval(d50: float | None, parts: Sequence[tuple[str, float]], lacks: Sequence[str], bias: float, why: str) -> dict[str, Any]:
    half = math.hypot(*(each for _, each in parts))
    found = None if d50 is None or why else interval("d50", d50 * math.exp(bias), half)
    return {"d50": found, "holds": [name for name, _ in parts], "lacks": list(lacks), "why_none": why}
