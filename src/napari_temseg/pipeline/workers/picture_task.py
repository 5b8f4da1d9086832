"""One picture of a run as plain values, so that any process can do it: what is read of it, and what is committed of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_temseg.api import read
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Progress
from napari_temseg.files.atomic import require_space
from napari_temseg.pipeline.burnt_in import bar_offer, with_bar_text, without_areas
from napari_temseg.pipeline.known_pictures import KnownPicture
from napari_temseg.pipeline.picture.plane_by_plane import iter_measured
from napari_temseg.pipeline.record import Record, key_of
from napari_temseg.pipeline.run_folder import stage, writing

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.boxes import Box
    from napari_temseg.engine.model.backends.backend import Backend
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.types.config import PredictConfig
    from napari_temseg.engine.types.micrograph import Micrograph
    from napari_temseg.files.manifest import ManifestRow
    from napari_temseg.pipeline.recipe import Recipe


LEAST_WRITTEN = 2  # bytes a pixel of label images, which are not compressed: a particle's number and a class, of up to 255 particles

LONG_WORK = 10**9  # bytes of results that take more than some minutes to find


class ReadyModel:
    """A model that is loaded when it is first wanted, and made ready once: what is said of one picture bears on its scale alone."""

    def __init__(self, load: Callable[[], Segmenter]) -> None:
        self._load = load
        self._network: Backend | None = None

    @cached_property
    def segmenter(self) -> Segmenter:
        """The model."""
        return self._load()

    def network(self, config: PredictConfig) -> Backend:
        """The network as it predicts by the settings of the run."""
        from napari_temseg.engine.model.runner import made_ready

        if self._network is None:
            self._network = made_ready(self.segmenter, config)
        return self._network


@dataclass(frozen=True)
class PictureTask:
    """A picture `path`, whose results are called `stem`, with all that decides about them.

    `settings` are those of the run, `digest` their hash, `predict` those of finding it; `row` is what a manifest says of it, `expected` the
    hash that its content must have ("" any), `left_out` what is burnt in.
    """

    path: Path
    stem: str
    settings: Recipe
    digest: str
    predict: PredictConfig
    row: ManifestRow | None = None
    expected: str = ""
    left_out: tuple[Box, ...] = field(default=())

    def read(self) -> Micrograph:
        """The picture as the run sees it; `TemsegError` when it cannot be read, or is not the one that is expected."""
        told = self.settings
        image = read(self.path, axes=told.axes, series=told.series, calibrations=told.calibrations)
        if self.expected and self.expected != image.source.content_hash:
            raise TemsegError(
                f"{self.path}: has changed since the recipe was made; restore it, or name the inputs again without their hashes."
            )
        if told.calibration is not None:
            image = image.with_calibration(told.calibration)
        return image if self.row is None else self.row.applied(image)

    def key(self, known: KnownPicture) -> str:
        """The key of its result: with the area that is left out, and what the manifest and its sample say."""
        further: dict[str, object] = {"left_out": self.left_out} if self.left_out else {}
        if self.row is not None:
            further |= {"sample": known.sample, "grid": known.grid, "predict": self.predict.to_dict()}
        return key_of(known.facts, known.calibration, self.stem, self.digest, **further)

    def learn(self) -> KnownPicture:
        """Read it, for what tells it and what is burnt into it."""
        return KnownPicture.of(self.read(), marked=self.settings.mask_overlays is not False)

    def search(self, model: ReadyModel, staging: Path, output: Path) -> Generator[Progress, None, Record]:
        """Find, measure, and write to `staging` what is to be committed to the folder `output` of the run."""
        image = self.read()
        key = self.key(KnownPicture.of(image, marked=False))
        offer = bar_offer(image)
        if offer:
            image = replace(image, notes=(*image.notes, offer))
        image = without_areas(image, with_bar_text(image, self.left_out))
        least = LEAST_WRITTEN * math.prod(image.data.shape)
        if least >= LONG_WORK:  # what is found at once is written or refused at once
            require_space(staging / self.stem, least, str(self.path))
        told, network = self.settings, model.network(self.predict)
        job = iter_measured(model.segmenter, image, self.predict, told.split, network, told.recovery)
        yield from job
        found = job.result
        measured = replace(found.measured, image=self.stem, table=found.measured.table.assign(image=self.stem))
        item, labels = replace(found, measured=measured).committed(self.path, self.stem, imagej=told.imagej)
        with writing(staging, output):
            return stage(staging, item, self.stem, key, self.digest, labels)


@dataclass(frozen=True)
class Learning:
    """The work of getting to know a picture."""

    task: PictureTask

    def steps(self, model: ReadyModel) -> Generator[Progress, None, KnownPicture]:
        """What tells the picture; there is no telling how far that is."""
        yield from ()
        return self.task.learn()


@dataclass(frozen=True)
class Searching:
    """The work of finding and measuring a picture; `staging` is where its results wait until they are committed to `output`."""

    task: PictureTask
    staging: Path
    output: Path

    def steps(self, model: ReadyModel) -> Generator[Progress, None, Record]:
        """The record that is to be committed."""
        return (yield from self.task.search(model, self.staging, self.output))


Work = Learning | Searching
