"""Which micrographs are taken for such of one kind: what is learnt of one is likely to hold of the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import FIRST_CLASS, Prediction
from napari_temseg.widgets.canvas import micrograph_layer

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item

LIKE = 2.0  # × in pixel size and in the size of particles, from which on two micrographs are not of one kind
# × in noise and in what is fine, from which on they are not; the latter where pixel sizes do not tell too. Of 47 micrographs of 17 kinds
# with particles of sizes near each other, 36 of 38 pairs of one kind lie within the first and 34 within the second, of 341 pairs of two
# kinds 104 and 75.
LIKE_LOOKS, MORE_LIKE_LOOKS = 2.5, 2.0
LIKE_SIDES = 1.1  # × in height and width: a microscope writes images of one shape, and burnt-in bars are cut off a little more or less
LOOKED_AT_MIDDLE = 768  # px, side of the middle of a plane that is looked at
# px: noise is what a Gaussian of the first takes out, what is fine the rest of what one of the second does
GRAIN_WIDTH, FINE_WIDTH = 1.0, 4.0
LEAST_LOOK = 1e-3  # of the range of grey values: less is nothing
BESIDE = 3  # px round particles


@dataclass(frozen=True)
class Appearance:
    """Of a plane, in its range of grey values: the standard deviations of `noise` and of what is `fine`, and by how much particles are
    `brighter` than what is round them."""

    noise: float
    fine: float
    brighter: float

    @classmethod
    def of(cls, plane: Any, particles: Any) -> Appearance:
        """Of grey values (Y, X), and where particles are (bool, Y, X)."""
        low, high = np.percentile(plane, (1, 99))
        grey = np.clip((plane.astype(np.float32) - low) / max(float(high - low), 1e-9), 0, 1)
        smooth = ndimage.gaussian_filter(grey, GRAIN_WIDTH)
        wider = ndimage.binary_dilation(particles, iterations=BESIDE)
        beside = ndimage.binary_dilation(wider, iterations=BESIDE) & ~wider
        apart = float(grey[particles].mean() - grey[beside].mean()) if particles.any() and beside.any() else 0.0
        return cls(float((grey - smooth).std()), float((smooth - ndimage.gaussian_filter(grey, FINE_WIDTH)).std()), apart)

    def like(self, other: Appearance, most: float) -> bool:
        """Whether two look alike: particles are brighter in both, or darker, and noise and what is fine differ by no more than `most` ×."""
        pairs = [[max(each, LEAST_LOOK) for each in pair] for pair in ((self.noise, other.noise), (self.fine, other.fine))]
        return self.brighter * other.brighter >= 0 and all(max(pair) <= most * min(pair) for pair in pairs)


# By micrograph: what was said of it, how often its pixels were replaced, and how it looks by these
_known: WeakKeyDictionary[Item, tuple[Prediction | None, int, Appearance]] = WeakKeyDictionary()


def alike(item: Item, other: Item | None) -> bool:
    """Whether two micrographs are taken for such of one kind: by their samples where both are named; else they lie in one folder, at most
    by `LIKE` apart in pixel size and, where both were searched, in the size of their particles, have nearly the same shape, and look alike:
    more so where one of them does not tell its pixel size. Whether particles are bright or dark is known of those alone that were searched.
    """
    if other is None or item is other:
        return True
    if item.sample and other.sample:
        return item.sample == other.sample
    pixels = [each.calibration.nanometres for each in (item, other)]
    sizes = [each.prediction.size if each.prediction is not None else 0.0 for each in (item, other)]
    if all(pixels):
        sizes = [size * pixel for size, pixel in zip(sizes, pixels, strict=True)]
    folders = {str(Path(micrograph_layer.path_of(each.layer)).parent) for each in (item, other)}
    if len(folders) > 1 or any(max(pair) > LIKE * min(pair) for pair in (pixels, sizes) if all(pair)):
        return False
    if any(max(pair) > LIKE_SIDES * min(pair) for pair in zip(item.frame, other.frame, strict=True)):
        return False
    looks = [_looks(each) for each in (item, other)]
    return looks[0] is None or looks[1] is None or looks[0].like(looks[1], LIKE_LOOKS if all(pixels) else MORE_LIKE_LOOKS)


def _looks(item: Item) -> Appearance | None:
    """How a micrograph looks, by the middle of its middle plane; None where it cannot be told."""
    known = _known.get(item)
    if known is not None and known[0] is item.prediction and known[1] == item.pixels:
        return known[2]
    looks = _looked_at(item)
    if looks is not None:
        _known[item] = item.prediction, item.pixels, looks
    return looks


def _looked_at(item: Item) -> Appearance | None:
    y, x = (slice(max(0, (side - LOOKED_AT_MIDDLE) // 2), (side + LOOKED_AT_MIDDLE) // 2) for side in item.frame)
    middle, said = item.n_planes // 2, item.prediction
    try:
        plane = np.asarray((item.micrograph() if said is None else said.micrograph).plane(middle)[y, x])
    except TemsegError:  # nobody has said yet what its planes are
        return None
    found = np.zeros(plane.shape, bool) if said is None else said.classes.reshape((-1, *item.frame))[middle, y, x] >= FIRST_CLASS
    return Appearance.of(plane, found)
