"""What fills an annotation at one go: a prediction, corrected particles, a random forest; and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import UNLABELLED, Prediction
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.training_labels import class_of_particle, classes_of

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item

SURE = 0.9  # probability from which the model counts as sure
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PlaneEdit:
    """One plane before and after it was filled."""

    plane: int
    before: Labels
    after: Labels


def changes_of(labels: Labels, planes: Mapping[int, Labels]) -> list[PlaneEdit]:
    """What filling the unlabelled pixels of `labels` (…, Y, X) would change: strokes stay on top. Nothing is changed yet."""
    found = []
    for index, proposed in planes.items():
        before = labels.reshape((-1, *labels.shape[-2:]))[index].copy()
        after = before.copy()
        np.copyto(after, proposed, where=before == UNLABELLED)
        if (after != before).any():
            found.append(PlaneEdit(index, before, after))
    return found


def apply(labels: Labels, changes: list[PlaneEdit], back: bool) -> None:
    """Make changes in place, or take them back; what was painted over them meanwhile stays."""
    for change in changes:
        plane = labels.reshape((-1, *labels.shape[-2:]))[change.plane]
        before, after = (change.after, change.before) if back else (change.before, change.after)
        np.copyto(plane, after, where=(plane == before) & (before != after))


def proposal(item: Item, how: str, plane: int) -> Callable[[], dict[int, Labels]]:
    """A function that makes labels of one plane, in another thread; `how` is "classes", "sure" or "particles".

    `TemsegError` when there is nothing to make them of.
    """
    if how == "particles":
        if item.particles is None:
            raise TemsegError(f"{item.name}: no particles were found in it yet; find them first.")
        labels = item.particles.planes()[plane].copy()
        return partial(_of_particles, plane, labels, class_of_particle(item))
    if item.prediction is None:
        raise TemsegError(f"{item.name}: there is no prediction of it yet; find particles first.")
    return partial(_of_prediction, plane, item.prediction, SURE if how == "sure" else 0.0)


def _of_particles(plane: int, labels: Any, class_of: Any) -> dict[int, Labels]:
    return {plane: classes_of(labels, class_of)}


def _of_prediction(plane: int, prediction: Prediction, least: float) -> dict[int, Labels]:
    here = prediction.at(plane)
    classes = here.all_classes()
    if not least:
        return {plane: classes.copy()}
    sure = np.logical_and.reduce([(each.probability >= least).any(axis=0) for each in (here, here.other) if each is not None])
    return {plane: np.where(sure, classes, UNLABELLED).astype(np.uint8)}


def iter_draft_planes(micrograph: Micrograph, labels: Labels, shown: int) -> Job[dict[int, Labels]]:
    """A random forest learns the strokes and fills the planes that have some, and the one that is shown."""

    def steps(control: Control) -> Generator[Progress, None, dict[int, Labels]]:
        from napari_temseg.api import iter_draft

        planes = labels.reshape((-1, *labels.shape[-2:]))
        wanted = [index for index, plane in enumerate(planes) if index == shown or plane.any()]
        part = micrograph if micrograph.axes == "YX" else replace(micrograph, data=micrograph.data[wanted])
        job = iter_draft(part, labels if micrograph.axes == "YX" else planes[wanted])
        for progress in job:
            if control.finishing:
                job.finish()
            yield progress
        return dict(zip(wanted, job.result.reshape((-1, *labels.shape[-2:])), strict=True))

    return Job(steps)


def draft_job(item: Item, shown: int) -> Callable[[], Job[dict[int, Labels]]]:
    """`iter_draft_planes` on a micrograph as it is now; `TemsegError` when nothing is painted on it."""
    if item.annotation is None:
        raise TemsegError(f"{item.name}: paint a stroke on a particle and one on the background first; the filling is learnt from them.")
    return partial(iter_draft_planes, item.micrograph(), layers.snapshot(item.annotation), shown)
