"""Length of a line across a picture and the grey values along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import to_nanometres, unit_for

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LineProfile:
    """A line of `length` in `unit` ("nm", "µm", "mm" or "px") and of `pixels` px; grey `values` (n,) at `distance` (n,) in that unit."""

    length: float
    unit: str
    pixels: float
    distance: Floats
    values: Floats


def line_profile(image: npt.NDArray[Any], start: Floats, end: Floats, calibration: Calibration) -> LineProfile:
    """Along a line, (y, x) to (y, x) in px, of an image (Y, X), linear between pixels, one value about every pixel.

    `TemsegError` for a line without a length.
    """
    from scipy.ndimage import map_coordinates

    way = np.asarray(end, float) - np.asarray(start, float)
    pixels = float(np.hypot(*way))
    if pixels == 0:
        raise TemsegError("The line has no length: drag from one end to the other.")
    calibrated = calibration.pixel_size is not None
    length = float(np.hypot(*(way * np.asarray(calibration.scale)))) if calibrated else pixels
    share = np.linspace(0, 1, int(np.ceil(pixels)) + 1)
    places = np.asarray(start, float)[:, None] + way[:, None] * share
    values = map_coordinates(np.asarray(image, np.float64), places, order=1, mode="nearest")
    unit = unit_for(length) if calibrated else "px"
    length /= to_nanometres(1, unit) if calibrated else 1.0
    return LineProfile(length, unit, pixels, share * length, values)
