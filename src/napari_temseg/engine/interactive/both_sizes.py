"""Strokes where particles of two sizes are meant: which of the two each stroke speaks of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.interactive.under_stroke import EIGHT, LIES_ON, UnderStrokes
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

Strokes = npt.NDArray[np.uint8]


def each_size(config: PredictConfig, pixel_size: float) -> tuple[PredictConfig, PredictConfig] | None:
    """Settings for the smaller and for the larger of two sizes that are told; None where one is, or none. `pixel_size` is in nm."""
    first, second = config.typical_in(pixel_size), config.other_in(pixel_size)
    if first is None or second is None:
        return None

    def at(size: float) -> PredictConfig:
        scales = None if config.scales is None else tuple(scale * first / size for scale in config.scales)  # are those of the first
        return replace(config.for_size(size), exact_size=True, scales=scales)

    return at(min(first, second)), at(max(first, second))


def of_either(
    strokes: Strokes, small: Prediction, large: Prediction, under: tuple[UnderStrokes | None, UnderStrokes | None]
) -> tuple[Strokes, Strokes]:
    """Strokes (Y, X), as for `answer`, by the size they speak of: what is background holds of both, a particle is of one size.

    A stroke on what was found of one size alone speaks of that. Where both were found, or neither, it is of the size of which more of a
    particle is seen under it, and where that does not tell, of the one whose particles a line of its length is drawn through.
    """
    ground = np.where(strokes == BACKGROUND, strokes, np.uint8(0))
    shares = ground.copy(), ground.copy()
    regions, count = ndimage.label(strokes >= FIRST_CLASS, EIGHT)
    if not count:
        return shares
    numbers = range(1, count + 1)
    lies = [np.asarray(ndimage.mean(said.classes >= FIRST_CLASS, regions, numbers)) >= LIES_ON for said in (small, large)]
    for number, window in enumerate(ndimage.find_objects(regions), start=1):
        here = regions[window] == number
        on = lies[0][number - 1], lies[1][number - 1]
        which = int(on[1]) if on[0] != on[1] else _fitting((window[0], window[1]), here, small.size, large.size, () if all(on) else under)
        shares[which][window][here] = strokes[window][here]
    return shares


def _fitting(
    window: tuple[slice, slice], stroke: npt.NDArray[np.bool_], small: float, large: float, under: tuple[UnderStrokes | None, ...]
) -> int:
    seen = [0.0 if each is None else each.depth_at_its_size(window, stroke) for each in under]
    if any(seen) and seen[0] != seen[1]:
        return int(seen[1] > seen[0])
    return int(max(stroke.shape) > math.sqrt(small * large))
