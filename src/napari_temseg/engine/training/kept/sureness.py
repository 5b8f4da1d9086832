"""How sure a new model may be: its probabilities are sharpened until what it finds rightly is sure enough to be kept."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.training.dataset import LabelledPlane
from napari_temseg.engine.training.kept.edges import stretched
from napari_temseg.engine.training.kept.stroke_worth import sure_classes
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.state import Tensors
from napari_temseg.engine.training.task import TrainingData
from napari_temseg.engine.training.validation import VALIDATION_PIXELS, windows
from napari_temseg.engine.types.confidence import KEPT_FROM
from napari_temseg.engine.types.results import BAND, FIRST_CLASS

SHARPNESS = (1.0, 1.5, 2.0, 3.0, 4.0)  # factors of the logits that are tried
ENOUGH_OBJECTS = 12  # labelled particles that are held out, from which on these alone decide
AS_RIGHT = 0.01  # of F1: by less than this the smaller factor is as good
THOROUGH_SHARE = 4  # × the pixels of the validation windows that are looked at
_MOST_OF = 0.5  # share of a piece that must be labelled as particle, and of a labelled particle that must be found


@dataclass
class Tally:
    """Pieces that are kept, those of them that are right, labelled particles, and those of them that are found."""

    kept: int = 0
    right: int = 0
    labelled: int = 0
    found: int = 0

    @property
    def f1(self) -> float:
        """2 P R / (P + R) of precision and recall."""
        precision, recall = self.right / max(self.kept, 1), self.found / max(self.labelled, 1)
        return 2 * precision * recall / max(precision + recall, 1e-9)

    def add(self, classes: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], least_area: float) -> None:
        """Count what is kept (classes, Y, X) by labels (Y, X; 0: nothing is said); what is smaller (px²) than looked for does not count."""
        here, meant = classes >= FIRST_CLASS, labels >= FIRST_CLASS
        pieces, number = ndimage.label(here & (labels > 0))
        share = _shares(meant, pieces, number, least_area)
        self.kept, self.right = self.kept + len(share), self.right + int((share >= _MOST_OF).sum())
        objects, number = ndimage.label(meant)
        share = _shares(here, objects, number, least_area)
        self.labelled, self.found = self.labelled + len(share), self.found + int((share >= _MOST_OF).sum())


def _shares(
    what: npt.NDArray[np.bool_], pieces: npt.NDArray[np.signedinteger[Any]], count: int, least_area: float
) -> npt.NDArray[np.float64]:
    """Of those large enough, the share that `what` covers."""
    area = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    share = np.bincount(pieces[what], minlength=count + 1)[1:] / np.maximum(area, 1)
    return np.asarray(share[area >= least_area], np.float64)


def sharpened(probability: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """Class probabilities (K, Y, X) of logits times `factor`: which class is the most probable stays."""
    raised = np.maximum(probability, 1e-6) ** factor
    return np.asarray(raised / raised.sum(axis=0), np.float32)


def as_sure_as_right(learner: Learner, data: TrainingData, tensors: Tensors, scales: tuple[float, ...]) -> Generator[str, None, Tensors]:
    """`tensors` with class logits times the factor by which most particles of the labels are kept and rightly so (best F1).

    Temperature scaling (Guo et al. 2017, arXiv 1706.04599), towards the probability from which on a search keeps a piece: this was
    chosen for the shipped model, and a short training leaves a new one in doubt of most of what it finds. By labels that are held out,
    or all where these are few. Outlines, which lie where foreground and background are as probable, stay as they are. Without `scales`
    it is looked at as the model will be used.
    """
    held = windows(data.split.held_out, set(), THOROUGH_SHARE * VALIDATION_PIXELS) if data.split.held_out else []
    parts = held if _objects(held) >= ENOUGH_OBJECTS else [*held, *windows(data.split.training, set(), VALIDATION_PIXELS)]
    learner.load(tensors)
    tallies = {factor: Tally() for factor in SHARPNESS}
    for part in parts:
        said = learner.said(part, scales)
        size = learner.model.spec.working_size / (scales or learner.scales_for(part))[0]
        for factor, tally in tallies.items():
            tally.add(sure_classes(sharpened(said, factor), KEPT_FROM), part.labels, math.pi / 4 * (size / BAND) ** 2)
        yield ""
    best = max(tally.f1 for tally in tallies.values())
    factor = next(factor for factor, tally in tallies.items() if tally.f1 >= best - AS_RIGHT)
    return stretched(tensors, learner.model.spec.n_classes, factor)


def _objects(parts: Iterable[LabelledPlane]) -> int:
    return sum(int(ndimage.label(part.labels >= FIRST_CLASS)[1]) for part in parts)
