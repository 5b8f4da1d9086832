"""What an answer that nobody weighed yet may draw as a particle: what was one before, and what somebody stroked as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.results import FIRST_CLASS

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item

SURE_SHARE = 0.5  # share of a piece that was sure before, from which on it is
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SureSoFar:
    """Of a plane (Y, X): what was taken for particles, and what of that was weighed and stays one."""

    taken: Mask
    sure: Mask

    @classmethod
    def of_result(cls, item: Item, plane: int, searched: Prediction | None) -> SureSoFar | None:
        """Of the particles of a micrograph, where they are those of a search that said this (`searched`) of a plane."""
        if searched is None or item.particles is None:
            return None
        labels = item.particles.labels.reshape((-1, *item.frame))[plane]
        return cls(searched.classes >= FIRST_CLASS, labels > 0)

    def within(self, window: tuple[slice, slice]) -> SureSoFar:
        """A part of the plane."""
        return SureSoFar(self.taken[window], self.sure[window])


def not_weighed(classes: npt.NDArray[np.uint8], strokes: npt.NDArray[np.uint8], before: SureSoFar | None) -> Mask:
    """Where (Y, X) an answer to `strokes` has what may turn out to be no particle once it is weighed: what was none `before`."""
    inside = classes >= FIRST_CLASS
    pieces, count = ndimage.label(inside)
    area, sure, doubted = np.bincount(pieces.ravel(), minlength=count + 1), np.zeros(count + 1, np.intp), np.zeros(inside.shape, bool)
    if before is not None:
        sure = np.bincount(pieces[before.sure], minlength=count + 1)
        doubted = inside & before.taken & ~before.sure
    doubtful = sure < SURE_SHARE * area
    doubtful[pieces[strokes >= FIRST_CLASS]] = False
    doubtful[0] = False
    return np.asarray(doubtful[pieces] | doubted)
