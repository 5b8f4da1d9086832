"""The same particles under another pixel size: lengths and areas scaled, nothing measured anew."""

from __future__ import annotations

import math
from dataclasses import replace

from napari_temseg.engine.measure.descriptors import DESCRIPTORS, column_name
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.micrograph import Calibration


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
