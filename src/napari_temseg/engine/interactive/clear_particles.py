"""Particles that a model is clear about: strokes elsewhere may take them away, but do not make it doubt them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.confidence import KEPT_FROM
from napari_temseg.engine.types.results import BACKGROUND

GONE_BELOW = 0.5  # mean foreground probability below which a particle looks like what was stroked as background
FAR_CELLS = 2  # cells from a stroke on background to what it says nothing of
Floats = npt.NDArray[np.float32]


def still_clear(before: Floats, after: Floats, strokes: npt.NDArray[np.uint8], side: int) -> Floats:
    """Probabilities (K, Y, X) `after` strokes, those of particles put back that were clear `before`, lie off every stroke on background,
    and are in doubt now: what does not look like background once it was stroked elsewhere is what it was.

    A linear correction moves everything a little, and a search leaves out what is doubted. `side` is that of a cell in px. The answer is
    made in place of `after`.
    """
    background = strokes == BACKGROUND
    if not background.any():
        return after
    pieces, count = ndimage.label(before[0] < 0.5)
    if not count:
        return after
    numbers = np.arange(1, count + 1)
    clear = np.asarray(ndimage.mean(before[0], pieces, numbers)) <= 1 - KEPT_FROM
    now = 1 - np.asarray(ndimage.mean(after[0], pieces, numbers))
    doubted = np.r_[False, clear & (now >= GONE_BELOW) & (now < KEPT_FROM)]
    doubted[pieces[ndimage.maximum_filter(background, 2 * FAR_CELLS * side + 1)]] = False
    here = doubted[pieces] & (after[0] > before[0])
    share = (1 - before[0][here]) / np.maximum(1 - after[0][here], 1e-6)
    after[1:, here] *= share
    after[0, here] = before[0, here]
    return after
