"""What a network says of one picture at several scales becomes one answer.

A network of several scales is averaged. One of a single band of sizes has a first look, at the size that is meant, and a closer one, which
draws the edges. Shown 1.6 × as large, a particle of more than twice that size lies beyond the band and is called background: to average
would lose it, so the closer look counts by how wide the particle at a pixel is in the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_temseg.engine.model.outputs import foreground, sigmoid
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.model.tiles import Floats, resize

# Widths over the size that is meant: up to the one the closer look counts as much as the first, from the other on it does not count.
COUNTS_FULLY, COUNTS_NOTHING = 1.1, 1.6
_INSIDE = 0.25  # learnt depth from which a pixel lies inside its particle: touching ones are apart there
_REACH = 0.3  # of its width, up to which the surroundings of a particle's inside are its own


@dataclass(frozen=True)
class Looks:
    """How looks are joined: `n_classes` of the model, the `size` (px, as the first look shows it) that it answers for, 0 for several, and
    whether its first auxiliary output is a depth that it was taught.
    """

    n_classes: int
    size: float = 0.0
    depth: bool = True

    @classmethod
    def of(cls, model: Segmenter) -> Looks:
        """As suits a model."""
        return cls(model.spec.n_classes, model.spec.working_size, model.depth_taught and bool(model.spec.auxiliary))

    def joined(self, raws: Sequence[Floats], frame: tuple[int, int]) -> Floats:
        """Raw output (1, C, Y, X) of a picture of `frame` from those (1, C, y, x) of its looks, coarse first, each at its own scale."""
        if not self.size or len(raws) != 2:
            return np.asarray(np.add.reduce([resize(raw, frame) for raw in raws]) / np.float32(len(raws)), np.float32)
        first, closer = raws
        share = resize(self._closer_share(first)[None, None], frame)
        total = share * resize(closer, frame)
        total += resize(first, frame)
        total /= 1 + share
        return total

    def _closer_share(self, first: Floats) -> Floats:
        """By how much the closer look counts, (y, x) from 0 to 1."""
        inside = foreground(first, self.n_classes)[0]
        if self.depth:
            inside &= sigmoid(first[0, self.n_classes - 1]) > _INSIDE
        labels, n = ndimage.label(inside)
        if not n:
            return np.ones(inside.shape, np.float32)
        # What the edge of the picture cuts goes on beyond it.
        deep = ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
        width = np.zeros(n + 1)
        width[1:] = 2 * np.asarray(ndimage.maximum(deep, labels, np.arange(1, n + 1))) / (1 - _INSIDE if self.depth else 1)
        away, (rows, columns) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
        near = width[labels[rows, columns]]
        wide = np.where(away <= _REACH * near, near / self.size, 0)
        return np.clip((COUNTS_NOTHING - wide) / (COUNTS_NOTHING - COUNTS_FULLY), 0, 1).astype(np.float32)
