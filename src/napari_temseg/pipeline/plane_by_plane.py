"""One picture from pixels to what is committed of it, a plane at a time: memory is that of one, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.measurement import Measurement, measure
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.particles.other_splits import iter_other_splits
from napari_temseg.engine.particles.recovery import is_cheap, iter_recovery
from napari_temseg.engine.particles.splitting import Numbering, split
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BandEnds, Particles, PlanePrediction, Prediction, SizeCandidate
from napari_temseg.engine.types.same_field import sketch_of
from napari_temseg.files.imagej_tables import write_results
from napari_temseg.files.label_pages import LabelPages
from napari_temseg.files.rois import write_rois
from napari_temseg.files.tables import write_labels_tiff
from napari_temseg.pipeline.report.crops import crops_of
from napari_temseg.pipeline.report.page import thumbnail
from napari_temseg.pipeline.run_result import RunItem

if TYPE_CHECKING:
    from torch import nn

    from napari_temseg.engine.measure.recovery.limit import RecoveredSize
    from napari_temseg.engine.model.segmenter import Segmenter

_TOGETHER = 64  # tables of planes that are put together at a time: each has a cost of its own
Labels = npt.NDArray[np.integer[Any]] | LabelPages


@dataclass(frozen=True, eq=False)
class MeasuredPicture:
    """Particles and measurement of a picture without its prediction.

    `labels` and `classes` are (…, Y, X), `first` the labels of the first plane; `uncertain`, `unlike` and `ends` as of its `Particles`,
    `candidates`, `scales`, `size` and `alone` as of its `Prediction`, `other_size` that of its `other`; `splitting` the settings, those of
    the model filled in.
    """

    image: Micrograph
    measured: Measurement
    labels: Labels
    first: npt.NDArray[np.integer[Any]]
    classes: Labels | None = None
    uncertain: int = 0
    unlike: dict[int, str] = field(default_factory=dict)
    ends: BandEnds | None = None
    candidates: tuple[SizeCandidate, ...] = ()
    scales: tuple[float, ...] = ()
    size: float = 0.0
    other_size: float = 0.0
    alone: bool = False
    splitting: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, particles: Particles, measured: Measurement) -> MeasuredPicture:
        """From particles that are at hand as a whole."""
        by = particles.prediction
        found = {} if by is None else {"classes": by.all_classes(), **_facts(by)}
        return cls(
            particles.micrograph,
            measured,
            particles.labels,
            particles.planes()[0],
            uncertain=particles.uncertain,
            unlike=particles.unlike,
            ends=particles.band_ends,
            splitting=dict(particles.settings),
            **found,
        )

    def committed(self, path: Path, stem: str, *, imagej: bool = False) -> tuple[RunItem, dict[str, Callable[[Path], object]]]:
        """What stands in a record, and by name what writes its label images, STEM_….tif, and with `imagej` what ImageJ opens."""
        image, measured = self.image, self.measured
        write = partial(write_labels_tiff, calibration=measured.calibration, axes=image.axes)
        labels: dict[str, Callable[[Path], object]] = {}
        if self.classes is not None:
            labels[f"{stem}_classes.tif"] = partial(write, labels=self.classes, content="classes")
        labels[f"{stem}_particles.tif"] = partial(write, labels=self.labels, content="particles")
        if imagej:
            labels[f"{stem}_rois.zip"] = partial(write_rois, labels=self.labels)
            sized = partial(write_results, table=measured.table, scale=measured.calibration.scale, unit=measured.length_unit)
            labels[f"{stem}_results.csv"] = sized
        return RunItem(
            measured.image,
            path,
            measured,
            {str(name): int(count) for name, count in measured.table["class"].value_counts().items()},
            tuple(map(Path, labels)),
            partial(thumbnail, image.plane(0), self.first),
            self.uncertain,
            image.source.lossy,
            self.unlike,
            self.candidates,
            self.ends,
            image.notes,
            image.acquisition,
            sketch_of(image.plane(0)),
            scales=self.scales,
            size=self.size,
            other_size=self.other_size,
            alone=self.alone,
            splitting=self.splitting,
            crops=crops_of(image.plane(0), self.first, measured),
        ), labels


def iter_measured(
    segmenter: Segmenter, image: Micrograph, predict: PredictConfig, config: SplitConfig, network: nn.Module, recovery: bool | None
) -> Job[MeasuredPicture]:
    """The job that predicts, splits and measures a picture, each plane before the next is looked at; `recovery` as of `iter_run`."""

    def steps(control: Control) -> Generator[Progress, None, MeasuredPicture]:
        from napari_temseg.engine.model.prediction import iter_predict_planes

        planes = _Planes(image)
        recovered: tuple[RecoveredSize, ...] = ()
        job = iter_predict_planes(segmenter, image, predict, network=network)
        for progress in job:
            ready = progress.preview
            yield replace(progress, fraction=0.95 * progress.fraction, preview=None)
            if not isinstance(ready, PlanePrediction):
                continue
            particles = split(ready.prediction, config)
            others = iter_other_splits(measure(particles), particles)
            for step in others:
                yield replace(step, fraction=0.95 * progress.fraction)
            if ready.index == 0 and (is_cheap(image) if recovery is None else recovery):
                looking = iter_recovery(segmenter, particles, predict)
                for step in looking:
                    yield replace(step, fraction=0.95 * progress.fraction)
                recovered = looking.result
            planes.add(particles, others.result)
        return planes.together(job.result, recovered)

    return Job(steps)


class _Planes:
    """What was found on the planes of a picture, in their order."""

    def __init__(self, image: Micrograph) -> None:
        shape = tuple(int(n) for n in image.data.shape)
        self._image, self._labels, self._classes = image, LabelPages(shape, np.int32), LabelPages(shape, np.uint8)
        self._numbers, self._uncertain, self._ends = Numbering(), 0, list[BandEnds]()
        self._tables, self._splits = list[pd.DataFrame](), list[tuple[OtherSplit, ...]]()
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
        self._tables.append(numbered.assign(particle=numbered.index).reset_index(drop=True))
        self._splits.append(measured.other_splits)
        self._uncertain += particles.uncertain
        self._ends += [particles.band_ends] if particles.band_ends is not None else []
        if self._first is None:
            self._first = particles, measured
        if len(self._tables) > _TOGETHER:
            self._tables, self._splits = [_one_table(self._tables)], [_one_of_each(self._splits)]

    def together(self, unlike: Sequence[str], recovered: tuple[RecoveredSize, ...]) -> MeasuredPicture:
        """The whole picture."""
        if self._first is None:
            raise ValueError("a picture has a plane at least")
        first, of_first = self._first
        table, n = _one_table(self._tables), self._image.n_planes
        found = set(table["plane"].unique().tolist())
        measured = replace(
            of_first, table=table, n_planes=n, axes=self._image.axes, other_splits=_one_of_each(self._splits), recovered=recovered
        )
        return MeasuredPicture(
            self._image,
            measured,
            self._labels,
            first.labels,
            self._classes if len(self._classes) else None,
            self._uncertain,
            {plane: reason for plane, reason in enumerate(unlike) if reason and plane in found},
            _all_ends(self._ends),
            splitting=dict(first.settings),
            **({} if first.prediction is None else _facts(first.prediction)),
        )


def _facts(by: Prediction) -> dict[str, Any]:
    other = 0.0 if by.other is None else by.other.size
    return {"candidates": by.candidates, "scales": by.working_scale, "size": by.size, "other_size": other, "alone": by.alone}


def _one_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of planes as one; those without particles have the right columns, but no say in their types."""
    filled = [table for table in tables if len(table)] or list(tables[:1])
    whole = pd.concat(filled, ignore_index=True)
    whole.attrs = dict(tables[0].attrs)
    return whole


def _one_of_each(splits: Sequence[tuple[OtherSplit, ...]]) -> tuple[OtherSplit, ...]:
    """The other splits of a whole picture from those of its planes, which have the same settings."""
    return tuple(
        replace(same[0], diameter=np.concatenate([each.diameter for each in same]), box=np.concatenate([each.box for each in same]))
        for same in zip(*splits, strict=True)
    )


def _all_ends(ends: Sequence[BandEnds]) -> BandEnds | None:
    if not ends:
        return None
    sums = (sum(getattr(each, name) for each in ends) for name in ("near_smallest", "near_largest", "count"))
    return BandEnds(ends[0].smallest, ends[0].largest, *sums)
