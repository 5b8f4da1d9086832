"""What a microscope file holds: one or more series (detectors, acquisitions, frames), each with its pixels and its pixel size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.micrograph import Calibration

LOSSY = "JPEG is lossy: its blocks blur edges and shift small sizes; measure the original where there is one."


@dataclass(frozen=True, eq=False)
class Series:
    """One picture or stack in a file.

    `data` is (Y, X) or (planes, Y, X), numpy, memory-mapped or dask, in native byte order. `axes` is "YX", or the meaning of the
    leading axis where the file says it ("TYX" for a movie), else "". `obstacle` is empty, or a sentence on why this cannot be
    measured (a spectrum, a diffraction pattern in 1/nm, complex numbers), which names the remedy. `notes` are warnings for people
    (x and y differ, a size that is missing or implausible). `lossy` when the pixels were kept as JPEG; `acquisition` what the
    file tells of how it was taken. `channel`: one of several channels of a field, of which somebody has to say which is meant.
    """

    name: str
    data: Any
    calibration: Calibration = field(default_factory=Calibration)
    axes: str = ""
    obstacle: str = ""
    notes: tuple[str, ...] = ()
    lossy: bool = False
    acquisition: Acquisition = field(default_factory=Acquisition)
    channel: bool = False
