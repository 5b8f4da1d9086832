"""How clearly a picture shows a seam where a particle would be cut: by its steepness there, beside its noise.

A dent of the landscape alone is a poor sign: of the suspects that one gives on hand-drawn tuning pictures, every fourth is two particles.
Where the picture is steep along the cut, too, every second one is (`benchmarks/suspects.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.particles.cutting.basins import PAIRS, Labels

# Chosen on the tuning parts of EMPS, metal powders, superalloys, catalysts and TiO2: of what is offered half is right on each of them.
LEAST_SEAM = 4.0  # steepness (grey levels a px) over noise (grey levels) from which a seam shows …
STEEPER_THAN_INSIDE = 1.2  # … and over what is usual inside the particle
SEAM_SMOOTHING = 1.0  # px of smoothing of the picture
OUTLINE_RIM = 2  # px at the outline of a particle, which is steep anyhow
LEAST_NOISE = 1e-3  # of the range of the picture: a quarter of a step of 8 bits
NOISE_SIDE, NOISE_WINDOWS = 256, 16  # of a large plane the noise is that of so many windows of this side, px
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SeamView:
    """A plane (Y, X) and its noise, in its own grey levels: the median of what smoothing by a pixel changes."""

    plane: npt.NDArray[Any]
    noise: float

    @classmethod
    def of(cls, plane: npt.NDArray[Any], valid: Mask | None = None) -> SeamView | None:
        """None where there is nothing to be seen: one grey everywhere."""
        parts = [_filled(plane[window]) for window in _windows(plane.shape)]
        changes = [np.abs(part - ndimage.gaussian_filter(part, SEAM_SMOOTHING)) for part in parts]
        greys, changed = (np.concatenate([each.ravel() for each in found]) for found in (parts, changes))
        if valid is not None and (inside := np.concatenate([valid[window].ravel() for window in _windows(plane.shape)])).any():
            greys, changed = greys[inside], changed[inside]
        low, high = np.percentile(greys, (0.5, 99.5)).tolist()
        if not high > low:
            return None
        return cls(plane, max(float(np.median(changed)), LEAST_NOISE * (high - low)))

    def seam(self, pieces: Labels, corner: tuple[int, int]) -> float:
        """How many times the noise the picture is steep along the borders of `pieces` of one particle, whose window begins at `corner`.

        The median of the pixels of the borders; 0 where the particle is hardly less steep elsewhere, or too thin to tell.
        """
        whole = pieces > 0
        inside = ndimage.binary_erosion(whole, iterations=OUTLINE_RIM)
        border = _border(pieces) & inside
        if not border.any():
            return 0.0
        steep = self._steepness(corner, pieces.shape)
        along = float(np.median(steep[border]))
        return along / self.noise if along >= STEEPER_THAN_INSIDE * float(np.median(steep[inside])) else 0.0

    def _steepness(self, corner: tuple[int, int], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        reach = int(4 * SEAM_SMOOTHING) + 1
        starts = [max(start - reach, 0) for start in corner]
        ends = [start + side + reach for start, side in zip(corner, shape, strict=True)]
        smooth = ndimage.gaussian_filter(_filled(self.plane[tuple(map(slice, starts, ends))]), SEAM_SMOOTHING)
        here = tuple(slice(start - first, start - first + side) for start, first, side in zip(corner, starts, shape, strict=True))
        return np.asarray(np.hypot(*np.gradient(smooth))[here], np.float64)


def _filled(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.nan_to_num(np.asarray(plane, np.float64))


def _windows(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """All of a plane, or windows spread evenly over a large one."""
    if np.prod(shape) <= NOISE_WINDOWS * NOISE_SIDE**2:
        return [(slice(None), slice(None))]
    aside = int(np.sqrt(NOISE_WINDOWS))
    rows, columns = (np.linspace(0, max(side - NOISE_SIDE, 0), aside).astype(int).tolist() for side in shape)
    return [(slice(row, row + NOISE_SIDE), slice(column, column + NOISE_SIDE)) for row in rows for column in columns]


def _border(pieces: Labels) -> Mask:
    """Pixels of pieces that have another piece among their 8 neighbours."""
    border = np.zeros(pieces.shape, bool)
    for here, there in PAIRS:
        meet = (pieces[here] != pieces[there]) & (pieces[here] > 0) & (pieces[there] > 0)
        border[here] |= meet
        border[there] |= meet
    return border
