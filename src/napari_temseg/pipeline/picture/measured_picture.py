"""What is known of a picture that was searched and measured, and what is committed of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.measure.samples.same_field import sketch_of
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import BandEnds, Particles, Prediction, SizeCandidate
from napari_temseg.files.imagej_tables import write_results
from napari_temseg.files.label_pages import LabelPages
from napari_temseg.files.tables import write_labels_tiff
from napari_temseg.pipeline.report.beside import thumbnail
from napari_temseg.pipeline.report.crops import crops_of
from napari_temseg.pipeline.run_result import RunItem

Labels = npt.NDArray[np.integer[Any]] | LabelPages


@dataclass(frozen=True, eq=False)
class MeasuredPicture:
    """Particles and measurement of a picture without its prediction.

    `labels` and `classes` are (…, Y, X), `first` the labels of the first plane; `uncertain`, `unlike` and `ends` as of its `Particles`,
    `candidates`, `larger`, `scales`, `size`, `alone` and `computed_with` as of its `Prediction`, `other_size` that of its `other`;
    `splitting` the settings, those of the model filled in.
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
    larger: SizeCandidate | None = None
    scales: tuple[float, ...] = ()
    size: float = 0.0
    other_size: float = 0.0
    alone: bool = False
    computed_with: str = ""
    splitting: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, particles: Particles, measured: Measurement) -> MeasuredPicture:
        """From particles that are at hand as a whole."""
        by = particles.prediction
        found = {} if by is None else {"classes": by.all_classes(), **facts_of_prediction(by)}
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
            from napari_temseg.files.rois import write_rois  # whose library few runs want

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
            partial(sketch_of, image.plane(0)),
            scales=self.scales,
            size=self.size,
            other_size=self.other_size,
            alone=self.alone,
            larger=self.larger,
            computed_with=self.computed_with,
            splitting=self.splitting,
            crops=crops_of(image.plane(0), self.first, measured),
        ), labels


def facts_of_prediction(by: Prediction) -> dict[str, Any]:
    """What a `MeasuredPicture` keeps of a prediction."""
    other = 0.0 if by.other is None else by.other.size
    return {
        "candidates": by.candidates,
        "larger": by.larger,
        "scales": by.working_scale,
        "size": by.size,
        "other_size": other,
        "alone": by.alone,
        "computed_with": by.computed_with,
    }


def one_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of planes as one; those without particles have the right columns, but no say in their types."""
    filled = [table for table in tables if len(table)] or list(tables[:1])
    whole = pd.concat(filled, ignore_index=True)
    whole.attrs = dict(tables[0].attrs)
    return whole


def one_of_each(splits: Sequence[tuple[OtherSplit, ...]]) -> tuple[OtherSplit, ...]:
    """The other splits of a whole picture from those of its planes, which have the same settings."""
    return tuple(
        replace(same[0], diameter=np.concatenate([each.diameter for each in same]), box=np.concatenate([each.box for each in same]))
        for same in zip(*splits, strict=True)
    )


def all_ends(ends: Sequence[BandEnds]) -> BandEnds | None:
    """What lies near the ends of the band, of all parts of a picture."""
    if not ends:
        return None
    sums = {name: sum(getattr(each, name) for each in ends) for name in ("near_smallest", "near_largest", "count")}
    return replace(ends[0], **sums)
