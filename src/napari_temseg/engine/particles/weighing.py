"""Which pieces of a plane are particles: large enough, and certain enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.particles.cutting.basins import FloatArray, IntArray, Labels
from napari_temseg.engine.particles.populations import renumbered
from napari_temseg.engine.particles.standing_out import Seen, standing_out
from napari_temseg.engine.types.confidence import EVEN, KEPT_FROM, judged
from napari_temseg.engine.types.results import BAND, Prediction

CERTAINTY = 0.6  # least certainty by default, chosen with them; on EMPS tune it is the best after strokes too
BAND_CERTAINTY = 2 * KEPT_FROM - 1  # the same of a model that answers for one band of sizes, whose certainty is that of the probability
BAND_EDGE = 1.15  # ratio to an edge of the band up to which what was found is kept
MORE_THAN_STROKE = 1.2  # × the px of a stroke that lie in it, from which on a piece is a particle
LONGEST_ROD = 3.6  # ECD of a rod ten times as long as wide, in widths
SHALLOW_BELOW, DEEP_ABOVE = 20.0, 60.0  # px at the working scale: diameters between which depth comes to count double
WHOLE_CERTAINTY, CUT_CERTAINTY = 0.6, 0.8  # share of the probability's certainty that counts: whole particles, those cut by the frame
Floats = npt.NDArray[np.float64]


def default_certainty(prediction: Prediction) -> float:
    """The least certainty that is asked where none is set: none of a model that never learnt how deep particles are."""
    if not prediction.depth_taught:
        return 0.0
    return BAND_CERTAINTY if prediction.size else CERTAINTY


def disc_area(diameter: float) -> float:
    """In px²."""
    return float(np.pi / 4 * diameter**2)


@dataclass(frozen=True, eq=False)
class Kept:
    """Labels 1…n (Y, X) of a plane with their class numbers (n,), how far they stand out (n,) where that counts, and how many were dropped
    as uncertain."""

    labels: Labels
    class_ids: npt.NDArray[Any]
    standing: Floats | None
    unsure: int


@dataclass(frozen=True, eq=False)
class Weighed:
    """Labels 0…n (Y, X) of all pieces of a plane; of each its class number, whether it is `large` enough, its certainty, and how far it
    stands out, where that counts."""

    labels: Labels
    class_ids: IntArray
    large: npt.NDArray[np.bool_]
    certainty: Floats
    standing: Floats | None

    def stay(self, least: float) -> npt.NDArray[np.bool_]:
        """Which are large enough and have the `least` certainty, 0 for any."""
        return self.large & (self.certainty >= least) if least else self.large

    def faint(self, least: float, prediction: Prediction, threshold: float) -> int:
        """How many are left out for the `least` certainty alone, where that is more than the usual, and are doubted by the model."""
        if prediction.confidence is None or not prediction.size:
            return 0
        between = self.certainty[self.stay(default_certainty(prediction)) & ~self.stay(least)]
        return int((prediction.confidence.of(threshold + (1 - threshold) * between) < EVEN).sum())

    def kept(self, least: float) -> Kept:
        """Those alone, numbered anew."""
        keep = self.stay(least)
        standing = None if self.standing is None else self.standing[keep]
        return Kept(renumbered(self.labels, keep)[0], self.class_ids[keep], standing, int(self.large.sum() - keep.sum()))


def weighed(
    labels: Labels,
    class_of: list[int],
    foreground: FloatArray,
    depth: FloatArray | None,
    prediction: Prediction,
    seen: Seen | None,
    threshold: float,
    min_diameter: float,
) -> Weighed:
    """The pieces of a plane (labels 0…n with their class numbers) by what a prediction says of them.

    Certainty is how far the mean foreground probability lies from the threshold towards 1; with a learnt distance, the depth
    it reaches (1 in the middle of a typical particle), or a share of the former if that is more. What reaches little depth is letters
    and specks where it is small, but mostly a particle of unusual shape where it is large, so that depth counts up to
    double, by the diameter as the model saw it, at the working scale; and a particle cut by the frame has its middle outside, so
    that its probability counts. A model for one band of sizes is asked for its probability alone, which counts less for what hardly stands
    out of the picture as it is `seen`, and only what lies in the band stays. What somebody vouched for by a stroke is certain and in it.
    """
    number, count, standing = np.array(class_of), len(class_of), None
    pixels = np.flatnonzero(labels)
    here = labels.ravel()[pixels]
    area = np.bincount(here, minlength=count)
    mean = np.bincount(here, weights=foreground.ravel()[pixels], minlength=count) / np.maximum(area, 1)
    diameter = np.sqrt(4 / np.pi * area)
    large: npt.NDArray[np.bool_] = (area > 0) & (area >= disc_area(min_diameter))
    large[0] = False
    drawn = _vouched(labels, area, prediction)
    if prediction.size:
        large &= drawn | ((diameter >= prediction.size / BAND / BAND_EDGE) & (diameter <= LONGEST_ROD * BAND * prediction.size))
    if seen is not None:
        standing = standing_out(seen, labels, area, np.where(large, mean, 0.0), number)
        mean = judged(mean, standing)
    sure = (mean - threshold) / (1 - threshold)
    if depth is not None and not prediction.size:
        deepest = np.zeros(count, np.float32)
        np.maximum.at(deepest, here, depth.ravel()[pixels])
        diameter *= max(prediction.working_scale)
        weight = np.full(count, WHOLE_CERTAINTY)
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            weight[edge] = CUT_CERTAINTY
        sure = np.maximum(deepest * (1 + np.clip((diameter - SHALLOW_BELOW) / (DEEP_ABOVE - SHALLOW_BELOW), 0, 1)), weight * sure)
    return Weighed(labels, number, large, np.where(drawn, 1.0, np.asarray(sure, np.float64)), standing)


def _vouched(labels: Labels, area: IntArray, prediction: Prediction) -> npt.NDArray[np.bool_]:
    """Which pieces (n,) lie under a stroke on a particle, and are more than that stroke: the bare stroke is no particle."""
    if prediction.vouched is None:
        return np.zeros(len(area), bool)
    under = np.bincount(labels[prediction.vouched], minlength=len(area))
    found: npt.NDArray[np.bool_] = (under > 0) & (area >= MORE_THAN_STROKE * under)
    found[0] = False
    return found
