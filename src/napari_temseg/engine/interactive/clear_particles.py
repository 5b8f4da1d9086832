"""Particles that a model is clear about: strokes elsewhere may take them away, but do not make it doubt them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.confidence import KEPT_FROM
from napari_temseg.engine.types.results import BACKGROUND

GONE_BELOW = 0.5  # mean foreground probability below which a particle looks like what was stroked as background
FAR_CELLS = 2  # cells from a stroke on background to what it says nothing of
THROUGH_MIDDLE = 0.5  # × the greatest learnt depth of a region, that a stroke reaches which does not go between two particles
Floats = npt.NDArray[np.float32]


def still_clear(before: Floats, after: Floats, strokes: npt.NDArray[np.uint8], side: int, depth: npt.NDArray[Any] | None = None) -> Floats:
    """Probabilities (K, Y, X) `after` strokes, those of regions put back that were clear `before` and are foreground on average: what does
    not look like background once it was stroked elsewhere is as clear as it was. `side` is that of a cell in px.

    A linear correction moves everything a little, and a search leaves out what is doubted. What became background stays so, unless the
    region would be left out for it and no stroke on background is near. A stroke on background through the middle of a particle says
    that it is none, one between two particles or along an edge does not: the learnt `depth` (Y, X) tells. The answer is made in place of
    `after`.
    """
    if not (strokes != 0).any():
        return after
    pieces, count = ndimage.label(before[0] < 0.5)
    if not count:
        return after
    numbers = np.arange(1, count + 1)
    clear = np.asarray(ndimage.mean(before[0], pieces, numbers)) <= 1 - KEPT_FROM
    now = 1 - np.asarray(ndimage.mean(after[0], pieces, numbers))
    background, near = strokes == BACKGROUND, np.zeros(count + 1, bool)
    if background.any():
        near[pieces[ndimage.maximum_filter(background, 2 * FAR_CELLS * side + 1)]] = True
    against = near
    if depth is not None and near.any():
        deepest, against = np.r_[1.0, np.asarray(ndimage.maximum(depth, pieces, numbers))], np.zeros(count + 1, bool)
        against[pieces[background & (depth >= THROUGH_MIDDLE * deepest[pieces])]] = True
    stays = np.r_[False, clear & (now >= GONE_BELOW)] & ~against
    whole = stays & ~near & np.r_[False, now < KEPT_FROM]
    fell = after[0] > before[0]
    here = fell & (whole[pieces] | (stays[pieces] & (after[0] < 0.5)))
    share = (1 - before[0][here]) / np.maximum(1 - after[0][here], 1e-6)
    after[1:, here] *= share
    after[0, here] = before[0, here]
    return after
