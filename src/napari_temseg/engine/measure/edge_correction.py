"""How likely a particle of a given size lies wholly inside the pictures, and so the weight that makes up for those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_cdt

from napari_temseg.engine.measure.measurement import Measurement

Floats = npt.NDArray[np.float64]


def frame_weights(measurements: Sequence[Measurement], box: Floats) -> Floats:
    """Miles–Lantuéjoul weights of particles with bounding boxes `box` (n, 2: height, width in the common unit), summing to n.

    A particle is seen whole in proportion to the area its bounding box may be placed in, summed over all the pictures, also those
    without particles; its weight is the inverse. For one Z₁ × Z₂ frame that is Z₁Z₂ / ((Z₁ − x₁)(Z₂ − x₂)) but for a constant factor.
    """
    weights = 1 / seen_areas(measurements, box)
    return np.asarray(weights * (len(box) / weights.sum()))


def seen_areas(measurements: Sequence[Measurement], box: Floats) -> Floats:
    """The area, of all pictures together, in which a particle with each bounding box would be seen whole, at least a pixel.

    The sum of its inverse is the number of particles per area, those at the edges made up for.
    """
    area = np.zeros(len(box))
    floor = 0.0
    for measurement in measurements:
        scale = np.asarray(measurement.calibration.scale)
        height, width = (box / scale).T
        area += _placements(measurement, height, width) * (measurement.n_planes * scale.prod())
        floor = max(floor, scale.prod())
    return np.maximum(area, floor)


def _placements(measurement: Measurement, height: Floats, width: Floats) -> Floats:
    """Number of places (px²) of a box in px where neither it nor its neighbouring pixels leave the area looked at."""
    valid = measurement.valid
    if valid is None:
        return _places(measurement.frame, height, width)
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not len(rows):
        return np.zeros(len(height))
    valid = valid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = _places(valid.shape, height, width)
    if valid.all():
        return inside
    # An area of any shape: exact for the square of the same size, and the box is to its square as in a full frame.
    side = np.sqrt(height * width)
    full = _places(valid.shape, side, side)
    depth = distance_transform_cdt(np.pad(valid, 1), metric="chessboard")
    deeper = np.cumsum(np.bincount(depth.ravel())[::-1])[::-1]
    squares = np.interp((side + 3) / 2, np.arange(len(deeper) + 1), np.append(deeper, 0))
    return np.asarray(np.divide(inside * squares, full, out=np.zeros(len(side)), where=full > 0))


def _places(frame: tuple[Any, ...], height: Floats, width: Floats) -> Floats:
    return np.asarray(np.maximum(frame[0] - height - 1, 0) * np.maximum(frame[1] - width - 1, 0))
