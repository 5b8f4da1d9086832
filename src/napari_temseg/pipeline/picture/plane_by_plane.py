"""A picture a plane at a time: memory is that of one, however many there are."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.engine.measure.measurement import Measurement, measure
from napari_temseg.engine.particles.other_splits import iter_other_splits
from napari_temseg.engine.particles.recovery import is_cheap, iter_recovery
from napari_temseg.engine.particles.splitting import Numbering, Splittable, split_of
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BandEnds, Particles, PlanePrediction, SizeCandidate
from napari_temseg.files.label_pages import LabelPages
from napari_temseg.pipeline.picture.course import (
    LARGER_TAKES,
    MEASURING_TAKES,
    OTHER_SPLITS_TAKE,
    RECOVERING_SHOWS,
    SPLITTING_TAKES,
    SearchCourse,
)
from napari_temseg.pipeline.picture.larger import iter_larger
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture, all_ends, facts_of_prediction
from napari_temseg.pipeline.picture.piece_by_piece import is_large, iter_large
from napari_temseg.pipeline.picture.put_aside import PutAside

if TYPE_CHECKING:
    from napari_temseg.engine.measure.recovery.limit import RecoveredSize
    from napari_temseg.engine.model.backends.backend import Backend
    from napari_temseg.engine.model.segmenter import Segmenter


def iter_measured(
    segmenter: Segmenter, image: Micrograph, predict: PredictConfig, config: SplitConfig, network: Backend, recovery: bool | None
) -> Job[MeasuredPicture]:
    """The job that predicts, splits and measures a picture, each plane before the next is looked at; `recovery` as of `iter_run`."""
    if is_large(image):
        return iter_large(segmenter, image, predict, config, network, recovery)

    def steps(control: Control) -> Generator[Progress, None, MeasuredPicture]:
        from napari_temseg.engine.model.prediction import iter_predict_planes

        recovers = is_cheap(image) if recovery is None else recovery
        recovering = RECOVERING_SHOWS / prod(image.frame) if recovers else 0.0
        course = SearchCourse(image, SPLITTING_TAKES + OTHER_SPLITS_TAKE + MEASURING_TAKES, recovering + LARGER_TAKES)
        larger: SizeCandidate | None = None
        planes = _Planes(image)
        recovered: tuple[RecoveredSize, ...] = ()
        job = iter_predict_planes(segmenter, image, predict, network=network)
        for progress in job:
            ready = progress.preview
            yield course.looked(replace(progress, preview=None))
            if not isinstance(ready, PlanePrediction):
                continue
            plane = Splittable(ready.prediction)
            particles = split_of(plane, config)
            course.did(SPLITTING_TAKES)
            others = iter_other_splits(particles, single=plane)
            for step in others:
                yield course.at(step, OTHER_SPLITS_TAKE * step.fraction)
            course.did(OTHER_SPLITS_TAKE)
            splits = others.result
            del plane, others  # what splittings share takes more memory than the plane
            if ready.index == 0 and recovers:
                looking = iter_recovery(segmenter, particles, predict)
                for step in looking:
                    yield course.at(step, recovering * step.fraction)
                course.did(recovering)
                recovered = looking.result
            if ready.index == image.n_planes // 2:  # at whose size all are looked at
                beyond = iter_larger(segmenter, particles, predict, network)
                for step in beyond:
                    yield course.at(step, LARGER_TAKES / 2 * step.fraction)
                larger = beyond.result
                course.did(LARGER_TAKES)
            planes.add(particles, replace(measure(particles), other_splits=splits))
            course.did(MEASURING_TAKES)
        return replace(planes.together(job.result, recovered), larger=larger)

    return Job(steps)


class _Planes:
    """What was found on the planes of a picture, in their order."""

    def __init__(self, image: Micrograph) -> None:
        shape = tuple(int(n) for n in image.data.shape)
        self._image, self._labels, self._classes = image, LabelPages(shape, np.int32), LabelPages(shape, np.uint8)
        self._numbers, self._uncertain, self._faint, self._ends = Numbering(), 0, 0, list[BandEnds]()
        self._found = PutAside()
        self._first: tuple[Particles, Measurement] | None = None

    def add(self, particles: Particles, measured: Measurement) -> None:
        """The particles of the next plane and their measurement, numbered from 1."""
        index = len(self._labels)
        table = measured.table.set_index("particle", drop=False)
        if "carrier" in table:  # the label of another row
            table = table.assign(carrier=np.where(table["carrier"] > 0, table["carrier"] + self._numbers.last, 0))
        labels, numbered = self._numbers.next(particles.labels, table.assign(plane=index))
        self._labels.append(labels)
        if particles.prediction is not None:
            self._classes.append(particles.prediction.all_classes())
        self._found.add(numbered.assign(particle=numbered.index).reset_index(drop=True), measured.other_splits)
        self._uncertain += particles.uncertain
        self._faint += particles.faint
        self._ends += [particles.band_ends] if particles.band_ends is not None else []
        if self._first is None:
            self._first = particles, measured

    def together(self, unlike: Sequence[str], recovered: tuple[RecoveredSize, ...]) -> MeasuredPicture:
        """The whole picture."""
        if self._first is None:
            raise ValueError("a picture has a plane at least")
        first, of_first = self._first
        (table, splits), n = self._found.together(), self._image.n_planes
        found = set(table["plane"].unique().tolist())
        strange = {plane: reason for plane, reason in enumerate(unlike) if reason and plane in found}
        facts: dict[str, Any] = {"other_splits": splits, "recovered": recovered, "unlike": strange, "faint": self._faint}
        measured = replace(of_first, table=table, n_planes=n, axes=self._image.axes, **facts)
        return MeasuredPicture(
            self._image,
            measured,
            self._labels,
            first.labels,
            self._classes if len(self._classes) else None,
            self._uncertain,
            strange,
            all_ends(self._ends),
            splitting=dict(first.settings),
            **({} if first.prediction is None else facts_of_prediction(first.prediction)),
        )
