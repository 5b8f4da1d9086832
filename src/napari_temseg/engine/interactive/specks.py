"""What a filling has of regions far smaller than any that was stroked: noise that a classifier of pixels takes for particles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, UNLABELLED

SPECK_SHARE = 1 / 3  # of the width of what was stroked: of narrower ones that nobody stroked five of six are no particles
HOLE_SHARE = 0.5  # of that: wider ones may be gaps between particles that touch round them
SMALL_STROKED = 10  # percentile of those widths: some stroke lies on a speck itself

Classes = npt.NDArray[np.uint8]


class Specks:
    """Takes specks out of the filled planes of one micrograph, by the widths of what was stroked on all of them so far."""

    def __init__(self) -> None:
        self.left: list[int] = []  # planes that came before anything stroked was known
        self._widths: list[float] = []

    def taken_out(self, index: int, filled: Classes, strokes: Classes) -> Classes:
        """The labels (Y, X) of a plane in which specks that nobody stroked are unlabelled, and still smaller holes are filled."""
        inside = filled >= FIRST_CLASS
        region, width = _widths(inside)
        stroked = np.zeros(len(width), np.bool_)
        stroked[region[strokes >= FIRST_CLASS]] = True
        self._widths += width[1:][stroked[1:]].tolist()
        if not self._widths:
            self.left.append(index)
            return filled
        least = SPECK_SHARE * float(np.percentile(self._widths, SMALL_STROKED))
        out = np.where(inside & ((width < least) & ~stroked)[region], UNLABELLED, filled).astype(np.uint8)
        hole, width = _widths(ndimage.binary_fill_holes(inside) & (filled == BACKGROUND))
        drawn = np.zeros(len(width), np.bool_)
        drawn[hole[strokes == BACKGROUND]] = True
        small = (hole > 0) & ((width < HOLE_SHARE * least) & ~drawn)[hole]
        if small.any():
            y, x = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
            out[small] = filled[y, x][small]
        return out


def _widths(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.float64]]:
    """Regions of a mask (Y, X), numbered, and the width (px) of each where it is widest, by number; 0 of what is none."""
    region, n = ndimage.label(mask)
    width = np.zeros(n + 1)
    if n:
        width[1:] = 2 * ndimage.maximum(ndimage.distance_transform_edt(mask), region, np.arange(1, n + 1))
    return region, width
