"""How a large plane is cut: cores that cover it once, each looked at with what lies round it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.model.tiles import parts

LARGE_PLANE = 3072 * 3072  # px of a plane from which on it is searched in pieces
CORE_SIDE = 1536  # px, the side of a core at most
HALO_SIZES = 8.0  # sizes of what is looked for that are seen round a core: more than the background window and a rod need …
HALO_PX = (128, 768)  # … px, at least and at most
NEAR_SIZES, NEAR_PX = 3.0, 96  # as many sizes, and px at least, round a core hold nearly all particles whose middle lies in it
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Piece:
    """A `window` of a plane that is looked at, and the `core` in it (in px of the plane) whose particles are its own."""

    window: Window
    core: Window

    @property
    def origin(self) -> tuple[int, int]:
        """First row and column of the window."""
        return self.window[0].start, self.window[1].start

    @property
    def inner(self) -> Window:
        """The core in px of the window."""
        rows, columns = (slice(c.start - w.start, c.stop - w.start) for c, w in zip(self.core, self.window, strict=True))
        return rows, columns

    @property
    def share(self) -> float:
        """Of the window that is core."""
        core, window = (math.prod(side.stop - side.start for side in part) for part in (self.core, self.window))
        return float(core / window)

    def nearer(self, size: float) -> Piece:
        """The same core with less round it, enough for most particles `size` px wide."""
        halo = round(max(NEAR_SIZES * size, NEAR_PX))
        rows, columns = (
            slice(max(w.start, c.start - halo), min(w.stop, c.stop + halo)) for c, w in zip(self.core, self.window, strict=True)
        )
        return Piece((rows, columns), self.core)

    def of(self, other: Piece) -> Window:
        """Its window in px of that of another piece, which holds it."""
        rows, columns = (slice(w.start - o.start, w.stop - o.start) for w, o in zip(self.window, other.window, strict=True))
        return rows, columns

    def own(self, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which of these places (px of the window) lie in the core."""
        rows, columns = self.inner
        inside = (y >= rows.start - 0.5) & (y < rows.stop - 0.5)
        return np.asarray(inside & (x >= columns.start - 0.5) & (x < columns.stop - 0.5))


def pieces(frame: tuple[int, int], size: float) -> Iterator[Piece]:
    """The pieces of a plane of `frame` px for particles `size` px wide, row by row."""
    halo = round(min(max(HALO_SIZES * size, HALO_PX[0]), HALO_PX[1]))
    return (Piece(part.window, part.core) for part in parts(frame, CORE_SIDE, halo))
