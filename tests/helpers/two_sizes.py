"""A drawn picture with particles of two sizes, some of the small ones on large ones, and what is true of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage


class TwoSizes(NamedTuple):
    """The picture (float32), and of either population the labels (int32) without what hides them."""

    image: npt.NDArray[np.float32]
    small: npt.NDArray[np.int32]
    large: npt.NDArray[np.int32]

    def d50(self, population: str) -> float:
        """Median diameter (px) of the whole particles of a population."""
        labels: npt.NDArray[np.int32] = getattr(self, population)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        inside = np.setdiff1d(np.unique(labels), edge)
        return float(np.median(np.sqrt(4 / np.pi * np.bincount(labels.ravel())[inside[inside > 0]])))


def two_sizes(side: int = 512, sizes: tuple[float, float] = (12.0, 90.0), seed: int = 0, *, small: int = 80, large: int = 12) -> TwoSizes:
    """Dark discs of two sizes (spread 15 %) on a bright ground; a small one on a large one is darker still."""
    rng = np.random.default_rng(seed)
    ground = np.ones((side, side))
    drawn = []
    for size, count, depth in ((sizes[1], large, 0.35), (sizes[0], small, 0.35)):
        labels = np.zeros((side, side), np.int32)
        y, x = np.mgrid[:side, :side]
        room = np.full((side, side), np.inf)
        for number in range(1, count + 1):
            diameter = size * float(np.exp(0.15 * rng.standard_normal()))
            places = np.argwhere(room > diameter / 2 + 4)
            if not len(places):
                break
            cy, cx = places[rng.integers(len(places))]
            distance = np.hypot(y - cy, x - cx)
            labels[distance < diameter / 2] = number
            room = np.minimum(room, distance - diameter / 2)
        ground -= depth * (labels > 0)
        drawn.append(labels)
    image = ndimage.gaussian_filter(ground, 0.8) + rng.normal(0, 0.04, ground.shape)
    return TwoSizes(image.astype(np.float32), drawn[1], drawn[0])
