"""Labels that leave most of a picture open, as strokes do: how long to learn from them, and when to believe them.

Chosen on EMPS *tune*, for strokes at random and strokes where the starting model is wrong, and on simulated micrographs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_temseg.engine.training.dataset import START, Plane
from napari_temseg.engine.types.results import FIRST_CLASS

SHARE = 0.25  # of the pixels of the labelled planes: where less is labelled, the starting model decides most of a picture
STEPS = 40  # that a dozen strokes are worth: more of them move what nobody labelled, whatever the machine could do in the time
STEPS_A_REGION = 3.0  # of further strokes
MISTAKEN = 0.8  # IoU on the labels: below it they say that the starting model is wrong, above it mostly that it is right


def is_sparse(planes: Sequence[Plane]) -> bool:
    """Whether most pixels of the labelled planes are open."""
    return sum(int((plane.labels > 0).sum()) for plane in planes) < SHARE * sum(plane.labels.size for plane in planes)


def steps_for(regions: int) -> int:
    """Steps that `regions` strokes or areas are worth."""
    return max(STEPS, math.ceil(STEPS_A_REGION * regions))


def agreement(planes: Sequence[Plane], start_classes: int) -> float:
    """Foreground IoU of the starting model on the labelled pixels of all planes; NaN where it was not asked, or nothing is foreground.

    Its word is in the planes (see `trainingset`): it has seen none of these labels, so all of them can judge it.
    """
    both = either = 0
    for plane in planes:
        said = plane.smooth[START : START + start_classes]
        if not len(said):
            return math.nan
        found, truth = said.argmax(axis=0) > 0, plane.labels >= FIRST_CLASS
        both += int((found & truth).sum())
        either += int(((found & (plane.labels > 0)) | truth).sum())
    return both / either if either else math.nan
