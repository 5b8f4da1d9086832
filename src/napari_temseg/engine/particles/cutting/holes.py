"""Holes of particles: gaps of the background that one of them encloses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.particles.cutting.basins import Labels


@dataclass(frozen=True, eq=False)
class Holes:
    """Gaps of a plane: the flat index of each of their pixels, the gap 1…n that it is of, n, and the width of the plane.

    None of them touches the frame or invalid pixels, so that every pixel has four neighbours.
    """

    pixels: npt.NDArray[np.intp]
    number: Labels
    count: int
    width: int

    @classmethod
    def of(
        cls,
        background: npt.NDArray[np.bool_],
        valid: npt.NDArray[np.bool_] | None,
        drawn: npt.NDArray[np.bool_] | None,
        max_area: float = np.inf,
    ) -> Holes:
        """Those of a plane (Y, X) up to `max_area` px; what somebody has `drawn` as background is no hole."""
        none = cls(np.zeros(0, np.intp), np.zeros(0, np.int32), 0, background.shape[1])
        if max_area < 1:
            return none
        gaps, count = ndimage.label(background)
        hole = np.bincount(gaps.ravel(), minlength=count + 1) <= max_area
        hole[0] = False
        for edge in (
            gaps[0],
            gaps[-1],
            gaps[:, 0],
            gaps[:, -1],
            *(() if valid is None else (gaps[~valid],)),
            *(() if drawn is None else (gaps[drawn],)),
        ):
            hole[edge] = False
        if not hole.any():
            return none
        pixels = np.flatnonzero(hole[gaps])
        return cls(pixels, gaps.ravel()[pixels].astype(np.int32, copy=False), count, background.shape[1])

    def filled(self, regions: Labels) -> Labels:
        """Regions (Y, X; 0 in all gaps) with each hole filled that a single one encloses."""
        if not len(self.pixels):
            return regions
        lowest, highest = np.full(self.count + 1, np.iinfo(np.int32).max, np.int32), np.zeros(self.count + 1, np.int32)
        for offset in (-1, 1, -self.width, self.width):
            region = regions.ravel()[self.pixels + offset]
            np.minimum.at(lowest, self.number, np.where(region > 0, region, lowest[0]))
            np.maximum.at(highest, self.number, region)
        single = (lowest == highest)[self.number]
        out = regions.copy()
        out.ravel()[self.pixels[single]] = highest[self.number[single]]
        return out
