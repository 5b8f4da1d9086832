"""The same particles under another pixel size, or in another unit: lengths and areas scaled, nothing measured anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from napari_temseg.engine.measure.descriptors import DESCRIPTORS, column_name
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.micrograph import Calibration, ShownCalibration
from napari_temseg.engine.types.units import unit_for


def recalibrated(measurement: Measurement, calibration: Calibration) -> Measurement | None:
    """The same particles under another pixel size, lengths and areas scaled; None when pixels change their shape: measure anew then."""
    (y, x), (old_y, old_x) = calibration.scale, measurement.calibration.scale
    if not math.isclose(y * old_x, x * old_y, rel_tol=1e-9):
        return None
    ratio = {"length": x / old_x, "area": (x / old_x) ** 2}
    old, new = measurement.length_unit, calibration.unit
    table = measurement.table.copy()
    for name, each in DESCRIPTORS.items():
        if each.kind in ratio:
            table[column_name(name, old)] *= ratio[each.kind]
    table = table.rename(columns={column_name(name, old): column_name(name, new) for name in DESCRIPTORS})
    return replace(measurement, table=table, calibration=calibration)


def shown_unit(measurements: Sequence[Measurement]) -> str:
    """The unit in which people read the lengths of all of these, by the median diameter: "nm", "µm" or "mm"; "px" where none is calibrated.

    The one rule for table, histogram, D50, report and legend. What programs read (particles.csv, summary.json) stays in nm.
    """
    sizes = [m.table[m.column("ecd")].to_numpy(np.float64) * (m.calibration.nanometres / _side(m)) for m in measurements if _in_nm(m)]
    if not sizes:
        return "px"
    there = np.concatenate(sizes)
    return unit_for(float(np.median(there))) if len(there) else "nm"


def in_shown_unit(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The measurements with their lengths in the unit in which people read them; those in px, and all where that is nm, as they are."""
    unit = shown_unit(measurements)
    return [in_unit(each, unit) if _in_nm(each) and each.length_unit != unit else each for each in measurements]


def in_unit(measurement: Measurement, unit: str) -> Measurement:
    """A calibrated measurement with its lengths in "nm", "µm" or "mm"."""
    known = {each.name: getattr(measurement.calibration, each.name) for each in fields(Calibration)}
    scaled = recalibrated(measurement, Calibration(**known) if unit == "nm" else ShownCalibration(**known, shown=unit))
    if scaled is None:
        raise ValueError("a unit does not change the shape of pixels")
    return scaled


def _in_nm(measurement: Measurement) -> bool:
    return measurement.calibration.pixel_size is not None


def _side(measurement: Measurement) -> float:
    return math.sqrt(math.prod(measurement.calibration.scale))
