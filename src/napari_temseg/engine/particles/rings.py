"""Holes in what strokes are answered with: a particle that is found as a ring is filled, as splitting does when the answer is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.particles.splitting import EIGHT, divisible, pieces_of_plane
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

WAITED_FOR = 1 << 20  # px of the regions with holes that are looked at: an answer must not wait for more; the smallest come first
Classes = npt.NDArray[np.uint8]
Window = tuple[slice, slice]


def without_holes(found: Prediction, config: SplitConfig, strokes: Classes | None = None) -> Classes:
    """The classes (Y, X) of a plane with every hole filled that splitting it would fill: one that a single particle encloses.

    The gap within a ring of particles is none, nor is what `strokes` (Y, X) say is background. Only regions with holes are split.
    """
    classes = found.classes
    inside = classes >= FIRST_CLASS
    gaps = ndimage.binary_fill_holes(inside) & ~inside if config.fill_holes else np.zeros(inside.shape, bool)
    if not gaps.any():
        return classes
    filled, looked_at = classes.copy(), 0
    regions = ndimage.label(inside | gaps, EIGHT)[0]
    boxes = ndimage.find_objects(regions)
    for number in sorted(np.unique(regions[gaps]).tolist(), key=lambda n: _size(boxes[n - 1])):
        looked_at += _size(boxes[number - 1])
        if looked_at > WAITED_FOR:
            break
        window: Window = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in boxes[number - 1])  # type: ignore[assignment]
        here = regions[window] == number
        part = _alone(found, window, here & inside[window], None if strokes is None else strokes[window] == BACKGROUND)
        labels, class_of = pieces_of_plane(divisible(part, config), part, config)
        new = (labels > 0) & here & gaps[window]
        filled[window][new] = np.asarray(class_of, np.uint8)[labels[new]]
    return filled


def _size(box: Window) -> int:
    return int(np.prod([span.stop - span.start for span in box]))


def _alone(found: Prediction, window: Window, region: npt.NDArray[np.bool_], drawn: npt.NDArray[np.bool_] | None) -> Prediction:
    """A window with one region alone; its learnt depth, which strokes do not move, counts where there was a particle before."""
    part = found.within(window)
    probability = np.where(region, part.probability, np.float16(0))
    probability[0][~region] = 1
    auxiliary = {name: np.where(region, depth, np.float16(0)) for name, depth in part.auxiliary.items()}
    classes = np.where(region, part.classes, np.uint8(BACKGROUND))
    return replace(part, probability=probability, classes=classes, auxiliary=auxiliary, parted=drawn, vouched=None, other=None)
