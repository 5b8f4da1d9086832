"""Edges that nobody labelled stay where they were, and what was sure stays as sure: strokes teach neither."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import expit
from skimage.segmentation import expand_labels

from napari_temseg.engine.training.dataset import LabelledPlane
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.state import Tensors
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS

MOST_OUTLINES = 60  # that are asked: their median is known well enough
ENOUGH_OUTLINES = 8  # particles that stayed, from which on they tell how far edges moved
EDGE_REACH = 0.5  # × the median radius round a particle, how far an edge that moved is looked for
STAYED_FROM = 0.5  # share of a particle that must still be found
DRAWN_BEYOND = 3  # particles with strokes beyond their edge, from which on strokes do say where edges are
MOST_MOVED = 4.0  # of a logit, tried in either direction
MOST_SHARPENED = 4.0  # × of the logits
_CERTAIN = 1e-4
Said = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Outline:
    """A particle that was found before and is found still: its area and mean foreground probability before, the foreground logits in and
    round it after."""

    area: float
    sure: float
    logits: npt.NDArray[np.float64]
    larger: bool  # a stroke on particles lies beyond its edge

    def grown(self, shift: float) -> float:
        """Area after over that before."""
        return np.count_nonzero(self.logits > -shift) / self.area

    def surer(self, shift: float, factor: float) -> float:
        """By how much its mean probability is more than before."""
        inside = self.logits[self.logits > -shift] + shift
        return float(expit(factor * inside).mean() if len(inside) else 0.0) - self.sure


def put_back(
    learner: Learner, tensors: Tensors, parts: Sequence[LabelledPlane], before: Sequence[Said], kept: Sequence[npt.NDArray[np.uint8]]
) -> Generator[str, None, Tensors]:
    """`tensors` with the logits of all particle classes moved and stretched by one number each, by which particles are, in the
    median, as large and as sure as before.

    Where strokes on particles lie beyond the edges of some that were found, they say that edges are further out: none is moved back then.
    `before` are the probabilities (K, Y, X) of `parts` by the model that the training started from, `kept` the classes (Y, X) of what a
    search keeps of them. Particles on which a stroke says background do not count. Leaves any tensors in the network; yields "" between
    parts.
    """
    learner.load(tensors)
    outlines: list[_Outline] = []
    for part, said, then in zip(parts, before, kept, strict=True):
        outlines += _outlines(learner.said(part), said, then, part.labels)
        yield ""
    if len(outlines) < ENOUGH_OUTLINES:
        return tensors
    drawn = sum(each.larger for each in outlines) >= DRAWN_BEYOND
    outlines = outlines[:: -(-len(outlines) // MOST_OUTLINES)]
    shift = 0.0 if drawn else _where(lambda shift: float(np.median([each.grown(shift) for each in outlines])) - 1, -MOST_MOVED, MOST_MOVED)
    factor = _where(lambda factor: float(np.median([each.surer(shift, factor) for each in outlines])), 1.0, MOST_SHARPENED)
    return stretched(tensors, learner.model.spec.n_classes, factor, shift)


def stretched(tensors: Tensors, n_classes: int, factor: float, shift: float = 0.0) -> Tensors:
    """With `factor` × (logit + `shift`) for the logits of the particle classes, whose outputs come before the auxiliary maps."""
    changed = dict(tensors)
    for name, by in (("weight", 0.0), ("bias", shift)):
        key = f"segmentation_head.0.{name}"
        changed[key] = tensors[key].clone()
        changed[key][: n_classes - 1] = factor * (changed[key][: n_classes - 1] + by)
    return changed


def _outlines(now: Said, before: Said, then: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> list[_Outline]:
    """The particles of `then` (classes, Y, X) that stayed."""
    pieces, count = ndimage.label(then >= FIRST_CLASS)
    if not count:
        return []
    numbers = pieces.ravel()
    area = np.maximum(np.bincount(numbers, minlength=count + 1).astype(float), 1)
    sure = np.bincount(numbers, weights=(1 - before[0]).ravel(), minlength=count + 1) / area
    background = np.clip(now[0].astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    logits = np.log((1 - background) / background).ravel()
    stayed = np.bincount(numbers, weights=logits > 0, minlength=count + 1) >= STAYED_FROM * area
    stayed[np.unique(pieces[labels == BACKGROUND])] = stayed[0] = False
    near = expand_labels(pieces, max(1.0, EDGE_REACH * float(np.sqrt(np.median(area[1:]) / np.pi)))).ravel()
    order = np.argsort(near, kind="stable")
    grouped = np.split(logits[order], np.cumsum(np.bincount(near, minlength=count + 1))[:-1])
    larger = set(near[(labels.ravel() >= FIRST_CLASS) & (numbers == 0)].tolist())
    return [_Outline(area[number], sure[number], grouped[number], number in larger) for number in np.flatnonzero(stayed)]


def _where(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0 by bisection, the end that is nearest to it where it is not."""
    if rising(low) >= 0 or rising(high) <= 0:
        return low if rising(low) >= 0 else high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
