"""Which dents of a landscape are seams: how far a summit must rise above the pass to its neighbour for both to be particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.particles.cutting.basins import Basins, FloatArray, IntArray, Labels, basins_of, joined

# Depth of a dent that splits at strength 0.5, chosen by AP50 on the tuning part of EMPS.
LEARNT_DEPTH = 0.35  # of the learnt distance, 1 at a particle's middle …
LEARNT_SHARE = 0.5  # … or, where the model is faint-hearted, this share of what it reaches
LEAST_DENT = 0.1  # of either: the least that splits however shallow the particle, or a flat landscape would fall to pieces
DISTANCE_DEPTH = 3.0  # of the distance transform, px …
DISTANCE_SHARE = 0.4  # … or, in a small particle, this share of its own depth


@dataclass(frozen=True)
class Dent:
    """A dent splits when the lower summit rises `height`, or `share` of its own height, above the pass."""

    height: float
    share: float

    @classmethod
    def at(cls, strength: float, learnt: bool, asked: float = 1.0) -> Dent:
        """Infinite at strength 0, `asked` times what was measured at 0.5, next to nothing at 1."""
        if strength == 0:
            return cls(np.inf, np.inf)
        factor = asked * max(1 - strength, 0.01) / strength
        return cls(LEARNT_DEPTH * factor, LEARNT_SHARE * factor) if learnt else cls(DISTANCE_DEPTH * factor, DISTANCE_SHARE * factor)

    def times(self, factor: float) -> Dent:
        """What is `factor` times as deep."""
        return Dent(self.height * factor, self.share * factor)

    def least(self, summit: float) -> float:
        """How far a summit of this height must rise above a pass."""
        if self.share == np.inf:
            return self.height
        if self.height == np.inf:  # only the share is asked
            return self.share * summit
        return min(self.height, max(self.share * summit, LEAST_DENT * self.height))


def pieces_of(mask: npt.NDArray[np.bool_], landscape: FloatArray, dent: Dent, min_area: float) -> tuple[Labels, int]:
    """Labels 1…n of the pieces of `mask`, and n."""
    basins = basins_of(mask, landscape)
    group = grouped(basins, dent, min_area)
    pieces = np.zeros(mask.shape, np.int32)
    pieces[mask] = group[basins.of_pixel] + 1
    return pieces, int(group.max()) + 1


def grouped(basins: Basins, dent: Dent, min_area: float) -> IntArray:
    """Group 0…m−1 of each basin: sides join unless both rise enough above their pass and are large enough.

    Both criteria only grow as basins join, so two sides once apart stay apart, and more strength never gives fewer groups.
    """
    return joined(basins, lambda _, summit, rise, area: rise >= dent.least(summit) and area >= min_area)
