"""What a network says of one picture at several scales becomes one answer.

A network of several scales is averaged. One of a single band of sizes has a first look, at the size that is meant, and a closer one, which
draws the edges. Shown 1.6 × as large, a particle of more than twice that size lies beyond the band and is called background: to average
would lose it, so the closer look counts by how wide the particle at a pixel is in the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from napari_temseg.engine.model.network import class_logits
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.model.tiles import resize

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

    def joined(self, raws: Sequence[torch.Tensor], frame: tuple[int, int]) -> torch.Tensor:
        """Raw output (1, C, Y, X) of a picture of `frame` from those (1, C, y, x) of its looks, coarse first, each at its own scale."""
        if not self.size or len(raws) != 2:
            total = resize(raws[0], frame).clone()
            for raw in raws[1:]:
                total.add_(resize(raw, frame))
            return total.div_(len(raws))
        first, closer = raws
        share = resize(torch.from_numpy(self._closer_share(first))[None, None], frame)
        return resize(first, frame).addcmul(share, resize(closer, frame)).div_(1 + share)

    def _closer_share(self, first: torch.Tensor) -> npt.NDArray[np.float32]:
        """By how much the closer look counts, (y, x) from 0 to 1."""
        inside = (class_logits(first, self.n_classes)[0].argmax(dim=0) > 0).numpy()
        if self.depth:
            inside &= (torch.sigmoid(first[0, self.n_classes - 1]) > _INSIDE).numpy()
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
