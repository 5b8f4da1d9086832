"""What a table says of particles that were measured on contours: kept for when what the model said of them is not at hand any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS, DESCRIPTORS, column_name, versions
from napari_temseg.engine.measure.measurement import Measurement

# What hangs on where the outline lies between pixels; where edges are half-contrast ones, area and ellipse are grown from it too.
FROM_CONTOURS: tuple[str, ...] = (
    "area",
    "ecd",
    "feret_max",
    "feret_min",
    "feret_mean",
    "aspect_ratio",
    "rect_length",
    "rect_width",
    "rect_ratio",
)
FROM_CONTOURS += ("inscribed_diameter", "perimeter", "circularity", "form_factor", "convexity", "compactness", "roundness", "extent")
FROM_CONTOURS += ("ellipse_major", "ellipse_minor")
_PLACE = ("centroid_y_px", "centroid_x_px", "bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px")
_TOLERANCE = 1e-6  # px
_SAID = ("probability_mean", "confidence", "unsure")  # comes from what the model said of a particle's pixels


@dataclass(frozen=True, eq=False)
class KnownRows:
    """What rows of a measurement have from what a model said, which is not at hand any more: `contours` as `contour_columns` has them,
    in a unit of which a pixel has the size `scale` (y, x), and `said` by label.
    """

    contours: Mapping[str, npt.NDArray[Any]]
    scale: tuple[float, float]
    said: pd.DataFrame

    @classmethod
    def of(cls, measurement: Measurement, ids: Collection[int]) -> KnownRows:
        """Of some labels, as far as there are such."""
        table = measurement.table[measurement.table["particle"].isin(list(ids))]
        return cls(
            contour_columns(replace(measurement, table=table)),
            measurement.calibration.scale,
            table.set_index("particle")[[*_SAID, *_PLACE]],
        )

    def put_into(self, measurement: Measurement) -> Measurement:
        """A measurement with that of those particles that are where they were."""
        found = with_contour_columns(measurement, self.contours, self.scale, versions())
        table = found.table
        then = self.said.reindex(table["particle"])
        there = np.ones(len(table), bool)
        for name in _PLACE:
            there &= np.abs(table[name].to_numpy(np.float64) - then[name].to_numpy(np.float64)) <= _TOLERANCE
        changed: dict[str, Any] = {}
        for name in _SAID:
            values = table[name].to_numpy(copy=True)
            values[there] = then[name].to_numpy()[there]
            changed[name] = pd.Series(values, table.index)
        return replace(found, table=table.assign(**changed))


def contour_columns(measurement: Measurement) -> dict[str, npt.NDArray[Any]]:
    """Of the particles that were measured on a contour: label, place, `FROM_CONTOURS` by their names without units, and morphology."""
    table, unit = measurement.table, measurement.length_unit
    rows = table[table["estimator"] == BETWEEN_PIXELS]
    kept = {name: rows[column_name(name, unit)].to_numpy(np.float64) for name in FROM_CONTOURS}
    kept |= {name: rows[name].to_numpy(np.float64) for name in _PLACE}
    return {"particle": rows["particle"].to_numpy(np.int64), **kept, "morphology": rows["morphology"].to_numpy(np.str_)}


def with_contour_columns(
    measurement: Measurement, kept: Mapping[str, npt.NDArray[Any]], scale: tuple[float, float], defined: Mapping[str, int]
) -> Measurement:
    """A measurement on masks, with what was kept of those particles that still are where they were; `TemsegError` never.

    `scale` (y, x) is the size of a pixel in the unit of what was kept, `defined` the versions of its definitions. Nothing is taken over
    where one of them has changed since, or where pixels have another shape now.
    """
    (y, x), (old_y, old_x) = measurement.calibration.scale, scale
    today = versions()
    if any(defined.get(name, 1) != today[name] for name in FROM_CONTOURS) or not np.isclose(y * old_x, x * old_y, rtol=1e-9):
        return measurement
    table = measurement.table
    place = pd.Index(table["particle"]).get_indexer(pd.Index(kept["particle"]))
    there = place >= 0
    for name in _PLACE:
        there &= np.abs(table[name].to_numpy(np.float64)[place] - kept[name]) <= _TOLERANCE
    rows = place[there]
    ratio = {"length": x / old_x, "area": (x / old_x) ** 2}
    changed: dict[str, Any] = {}
    for name in FROM_CONTOURS:
        column = column_name(name, measurement.length_unit)
        changed[column] = table[column].to_numpy(np.float64, copy=True)
        changed[column][rows] = kept[name][there] * ratio.get(DESCRIPTORS[name].kind, 1.0)
    for name, values in (("morphology", kept["morphology"][there]), ("estimator", BETWEEN_PIXELS)):
        said = table[name].to_numpy(object, copy=True)
        said[rows] = values
        changed[name] = pd.Series(said, table.index, "str")
    return replace(measurement, table=table.assign(**changed))
