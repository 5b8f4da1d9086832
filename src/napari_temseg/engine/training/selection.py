"""The end of a training: what of it is kept, at which working scales, and which micrographs it does not serve."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_temseg.engine.training.dataset import KNOWN, START, Plane
from napari_temseg.engine.training.metrics import Figures
from napari_temseg.engine.training.validation import BUDGET, windows
from napari_temseg.engine.types.progress import Progress
from napari_temseg.engine.types.results import BACKGROUND

if TYPE_CHECKING:
    from napari_temseg.engine.training.loop import Session

MATERIAL = 0.005  # validation IoU: by less than this no step is better than the model it started from
TOLERATED = 0.02  # validation IoU given up at most for going half way back to that model
LOOKS = (
    (1.0,),
    (1.0, 0.7),
    (1.0, 0.7, 0.5),
    (1.4, 1.0),
    (1.4, 1.0, 0.7),
)  # working scales that a new decoder is tried with, the cheapest first
CONTRADICTED = 0.5  # IoU on the labels of a micrograph, below which it is named
MANY = 8  # micrographs at most whose labels are looked at again


def reconsider(session: Session) -> Generator[Progress, None, None]:
    """A new decoder as it was at its best or as it is at last, by more of what is held out than the curves can afford to look at."""
    if not session.learner.new_decoder or session.best_step in (0, session.steps):
        return
    last, thorough = session.learner.keep(), windows(session.parts.held, set(session.counts), 8 * BUDGET)
    if len(thorough) <= len(session.parts.validation):
        return
    found = []
    for tensors in (session.best, last):
        session.learner.network.load_state_dict(tensors)
        found.append((yield from session.judge(thorough))["validation_iou"])
    if found[1] >= found[0]:
        point = session.curve[-1]
        session.best, session.best_step, session.best_score = last, session.steps, (point["validation_iou"], -point["validation_loss"])


def choose_scales(session: Session) -> Generator[Progress, None, None]:
    """Working scales for the best of a new decoder, by the validation part."""
    if not (session.learner.new_decoder and session.parts.validation and session.best_step):
        return
    session.learner.network.load_state_dict(session.best)
    found = [session.best_score[0]]  # as it learnt, at the first of them
    start = session.learner.model
    for scales in LOOKS[1:]:
        session.learner.model = replace(start, scales=scales)
        judged = yield from session.judge()
        found.append(judged["validation_iou"])
    chosen = next(index for index, iou in enumerate(found) if iou >= max(found) - MATERIAL)
    session.learner.model = replace(start, scales=LOOKS[chosen])


def restrain(session: Session) -> Generator[Progress, None, None]:
    """Go half way back to the starting model where that serves the labels as well: it drifts less on pictures nobody labelled.

    Averaging the weights before and after: Wortsman et al. 2022, arXiv 2109.01903.
    """
    grown = session.learner.start_classes < session.learner.model.spec.n_classes
    unasked = session.config.validation == 0 and not session.parts.validation
    if session.learner.new_decoder or grown or session.best_step == 0 or unasked:
        return
    half = {
        name: torch.lerp(session.untouched[name], tensor, 0.5) if tensor.is_floating_point() else tensor
        for name, tensor in session.best.items()
    }
    if session.parts.validation:
        session.learner.network.load_state_dict(half)
        judged = yield from session.judge()
        untouched = session.curve[0]["validation_iou"] - (TOLERATED if session.mistaken else 0.0)
        if judged["validation_iou"] < (untouched if session.sparse else max(session.best_score[0] - TOLERATED, untouched)):
            return
    session.best = half
    as_well = "" if session.sparse else ", which serves these labels as well"
    session.notes.append(f"half way back to the starting model{as_well}: other pictures gain by it")


def look_back(session: Session) -> Generator[Progress, None, None]:
    """Name the micrographs that the model that is kept does not serve: one that does well may hide one that does not.

    Those whose labels it still contradicts, and those without labels on which it finds something else than the starting model.
    """
    for name, plane in session.labelled[:MANY]:
        iou = yield from _agreement(session, plane)
        if iou < CONTRADICTED:
            session.notes.append(
                f"{name}: the new model still contradicts your labels there (IoU {iou:.2f}); stroke what is wrong and train on"
            )
    if session.learner.new_decoder:
        return
    kept = session.learner.model
    for name, plane in session.beside[:MANY]:
        session.learner.model = replace(kept, scales=plane.scales or kept.scales)
        said = plane.smooth[START : START + session.learner.start_classes].argmax(axis=0)
        iou = yield from _agreement(session, replace(plane, exact=np.stack([said + BACKGROUND, plane.exact[KNOWN]]).astype(np.float32)))
        if iou < CONTRADICTED:
            session.notes.append(
                f"{name}: the new model finds other things there than the starting one (IoU {iou:.2f}); compare before you use it there"
            )
    session.learner.model = kept


def _agreement(session: Session, plane: Plane) -> Generator[Progress, None, float]:
    """Foreground IoU of the network as it is with the labels of a plane."""
    figures = Figures()
    for window in windows([plane], {int(n) for n in np.unique(plane.labels) if n > 0}):
        session.learner.judge(window, figures)
        yield session.progress()
    return figures.result("labels")["labels_iou"]
