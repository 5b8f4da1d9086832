"""What a particle's row says of other particles: distance to the nearest, and the number of those that share its aggregate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_temseg.engine.measure.descriptors import column_name
from napari_temseg.engine.types.micrograph import Calibration


def among_neighbours(table: pd.DataFrame, calibration: Calibration, frame: tuple[int, int]) -> pd.DataFrame:
    """A table of one picture or stack with its columns of neighbours found anew, plane by plane, in frames of (height, width) px.

    A distance is censored where the frame is nearer than the neighbour: one beyond it could be nearer. Of two populations each has its own
    neighbours.
    """
    scale = np.asarray(calibration.scale)
    distance = np.full(len(table), np.nan)
    censored = np.ones(len(table), bool)
    centre = table[["centroid_y_px", "centroid_x_px"]].to_numpy(np.float64)
    for here in table.groupby(["plane", *(["population"] if "population" in table else [])]).indices.values():
        edge = np.minimum((centre[here] + 0.5) * scale, (np.asarray(frame) - 0.5 - centre[here]) * scale).min(axis=1)
        if len(here) > 1:
            found = np.asarray(cKDTree(centre[here] * scale).query(centre[here] * scale, k=2)[0])
            distance[here] = found[:, 1]
        censored[here] = ~(distance[here] <= edge)
    constituents = table.groupby(["plane", "aggregate"])["particle"].transform("size").to_numpy(np.int64)
    name = column_name("neighbour_distance", calibration.unit)
    return table.assign(**{name: distance, "neighbour_censored": censored, "constituents": constituents})
