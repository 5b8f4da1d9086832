"""Pictures without labels, on which a model that is trained on goes on saying what it says: others that are open, and simulated ones.

What is learnt from the labels of one specimen else drifts elsewhere. Rehearsal (Robins 1995, Connection Science 7, 123) with the
starting model's own answers as targets (Li & Hoiem 2016, arXiv 1606.09282).

Simulated ones serve where much is labelled. A dozen strokes are held by the rest of their own picture; there, on EMPS *tune*, what
simulated pictures took of the steps was missing on the paper's other micrographs (IoU 0.934 without them, 0.916 with).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.simulate.micrographs import randomised, simulate
from napari_temseg.engine.training.dataset import Plane
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.micrograph import Micrograph

SIMULATED = 6  # pictures
SIDE = 384  # px of a simulated picture
MIDDLE = 768  # px of a picture that are looked at, at most


def rehearsal(annotations: Annotations, normalisation: Normalisation, seed: int, *, simulated: bool) -> list[Plane]:
    """Planes without labels: of each unlabelled micrograph the middle, of each that is watched, and if asked for of simulated ones."""
    rng = np.random.default_rng(seed)
    drawn = [simulate(randomised(rng, SIDE, SIDE)).micrograph for _ in range(SIMULATED * simulated)]
    watched = [replace(_plane(picture, normalisation), watched=True) for picture in annotations.watched]
    unlabelled, simulations = ([_plane(picture, normalisation) for picture in pictures] for pictures in (annotations.unlabelled, drawn))
    return [*unlabelled, *watched, *simulations]


def _plane(picture: Micrograph, normalisation: Normalisation) -> Plane:
    """The middle of the middle plane."""
    image = normalisation.apply(picture.plane(picture.n_planes // 2), picture.valid, picture.name)
    image = image[tuple(slice(max(0, (n - MIDDLE) // 2), max(0, (n - MIDDLE) // 2) + MIDDLE) for n in image.shape)]
    smooth = np.stack([image, np.zeros_like(image)])
    return Plane(smooth, np.zeros((2, *image.shape), np.float32), (), picture.calibration.nanometres)
