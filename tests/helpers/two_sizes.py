"""A drawn picture with particles of two sizes, some of the small ones on large ones, and what is true of it."""

from __future__ import annotations

from collections.abc import Iterable
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
    drawn = []
    for size, count in ((sizes[1], large), (sizes[0], small)):
        drawn.append(_placed((size * float(np.exp(0.15 * rng.standard_normal())) for _ in range(count)), side, rng))
    return _shown(drawn[1], drawn[0], rng)


def wide_powder(side: int = 768, seed: int = 0, *, count: int = 60) -> TwoSizes:
    """Dark discs of 9 to 180 px, as many by ratio of every size, side by side; they are the `large` ones."""
    rng = np.random.default_rng(seed)
    diameters = np.sort(np.exp(rng.uniform(np.log(9), np.log(180), count)))[::-1]
    labels = _placed(map(float, diameters), side, rng)
    return _shown(np.zeros_like(labels), labels, rng)


def _placed(diameters: Iterable[float], side: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Labels 1…n of discs side by side, as far as there is room."""
    labels = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    room = np.full((side, side), np.inf)
    for number, diameter in enumerate(diameters, 1):
        places = np.argwhere(room > diameter / 2 + 4)
        if not len(places):
            break
        cy, cx = places[rng.integers(len(places))]
        distance = np.hypot(y - cy, x - cx)
        labels[distance < diameter / 2] = number
        room = np.minimum(room, distance - diameter / 2)
    return labels


def _shown(small: npt.NDArray[np.int32], large: npt.NDArray[np.int32], rng: np.random.Generator) -> TwoSizes:
    ground = 1.0 - 0.35 * (large > 0) - 0.35 * (small > 0)
    image = ndimage.gaussian_filter(ground, 0.8) + rng.normal(0, 0.04, ground.shape)
    return TwoSizes(image.astype(np.float32), small, large)
