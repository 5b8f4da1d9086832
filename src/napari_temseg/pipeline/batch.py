"""The pictures of a run, one by one, and the files of the set, which are made of what is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_temseg.api import read
from napari_temseg.engine.measure.audit.sampling import drawn
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Progress
from napari_temseg.engine.types.wording import FEWEST
from napari_temseg.files.audits import kept
from napari_temseg.files.tables import write_particles_csv, write_particles_xlsx
from napari_temseg.pipeline.audit.gallery import write_gallery, write_sample
from napari_temseg.pipeline.burnt_in import areas_left_out, bar_offer, without_areas
from napari_temseg.pipeline.inputs import LABELS, Inputs, output_names
from napari_temseg.pipeline.known_pictures import KnownPicture, KnownPictures
from napari_temseg.pipeline.plane_by_plane import iter_measured
from napari_temseg.pipeline.record import digest_of, key_of, settings_digest
from napari_temseg.pipeline.report.page import figure_files, write_report
from napari_temseg.pipeline.run_folder import RunFolder, Unwritable
from napari_temseg.pipeline.run_result import RunItem, RunResult, fields_once
from napari_temseg.pipeline.samples.settings import as_first, is_told
from napari_temseg.pipeline.samples.summaries import with_sample
from napari_temseg.pipeline.summary import distributions, said_complete, stopped_sentence, summarise, unfinished, write_summary

if TYPE_CHECKING:
    from torch import nn

    from napari_temseg.engine.burntin.boxes import Box
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.types.config import PredictConfig
    from napari_temseg.engine.types.micrograph import Calibration, Micrograph
    from napari_temseg.files.manifest import ManifestRow
    from napari_temseg.pipeline.recipe import Recipe

logger = logging.getLogger("napari_temseg")


class PictureBatch:
    """A run in its folder: `pictures` by the stem of their results, those that are `done`, and why others give nothing."""

    def __init__(self, folder: RunFolder, found: Inputs, settings: Recipe, expected: Mapping[Path, str]) -> None:
        self.pictures = dict(zip(output_names(found.paths, folder.output), found.paths, strict=True))
        self.done: set[str] = set()
        self.failures = dict(found.failures)
        self.trouble = ""
        self._folder, self._settings, self._found = folder, settings, found
        self._digest = settings_digest(settings, **({"imagej": True} if settings.imagej else {}))
        self._expected = {path.resolve(): digest for path, digest in expected.items()}
        self._notes: list[str] = []
        self._rows = {row.file.resolve(): row for row in settings.manifest}
        self._areas: dict[str, tuple[Box, ...]] = {}
        self._learnt = KnownPictures(folder.state / "known")
        self._is_tidy = False
        self._network: nn.Module | None = None

    def recognise(self, control: Control) -> Generator[Progress, None, None]:
        """Which pictures were done before; the files of the set are those of these before anything is searched."""
        yield from self._look(control)
        waiting = [stem for stem in self.pictures if stem in self._folder.records and self._folder.records[stem].settings == self._digest]
        for index, stem in enumerate(waiting):
            if control.finishing:
                break
            yield Progress("run", 0.0, f"looking at what is done: {index + 1} of {len(waiting)}", control.elapsed)
            try:
                if self._folder.is_done(stem, self._key(self._known(stem), stem)):
                    self.done.add(stem)
            except TemsegError as error:  # it says so again when its turn comes
                logger.info("%s", error)
        if self.done:
            self._tidy()
            self._notes.insert(0, f"{len(self.done)} of {len(self.pictures)} were done before.")
            yield Progress("run", 0.0, self._notes[0], control.elapsed)
        if 0 < len(self.done) < len(self.pictures):
            items = self._items()
            sizes = distributions([item.measurement for item in items if item.counted])
            self._write_set(items, sizes, self._summary(items, sizes))
        if not control.finishing:
            self._say_unfinished()

    def _look(self, control: Control) -> Generator[Progress, None, None]:
        """What is burnt into the pictures, of all of them first: those of one camera lose the same area."""
        if self._settings.mask_overlays is False:
            return
        found = {}
        for index, (stem, path) in enumerate(self.pictures.items()):
            if control.finishing:
                break
            message = f"{stem}: looking for what is burnt in, {index + 1} of {len(self.pictures)}"
            yield Progress("run", 0.0, message, control.elapsed)
            try:
                found[stem] = self._known(stem).area
            except Exception as error:  # noqa: BLE001  it says so again when its turn comes
                logger.info("%s: %s", path, error)
        areas = areas_left_out([area for area in found.values() if area is not None], everything=bool(self._settings.mask_overlays))
        self._areas = {stem: boxes for stem, boxes in zip(found, areas, strict=True) if boxes}

    def _known(self, stem: str) -> KnownPicture:
        """What tells a picture, read from its file only where nothing is known of it as it is now."""
        path, marked = self.pictures[stem], self._settings.mask_overlays is not False
        read_with = digest_of([self._digest, marked, [asdict(row) for row in self._settings.calibrations or ()], self._row(stem)])
        known = self._learnt.find(stem, path, read_with)
        expected = self._expected.get(path.resolve(), "")
        if known is None or (expected and known.facts[0] != expected):
            known = KnownPicture.of(self._read(path), marked=marked)
            self._learnt.keep(stem, path, read_with, known)
        return known

    def _key(self, known: KnownPicture, stem: str) -> str:
        """The key of a picture: with the area that is left out, and what the manifest and its sample say."""
        further: dict[str, object] = {"left_out": self._areas[stem]} if stem in self._areas else {}
        if self._row(stem) is not None:
            predict = self._predict(known.calibration, stem).to_dict()
            further |= {"sample": known.sample, "grid": known.grid, "predict": predict}
        return key_of(known.facts, known.calibration, stem, self._digest, **further)

    def _row(self, stem: str) -> ManifestRow | None:
        return self._rows.get(self.pictures[stem].resolve())

    def _predict(self, own: Calibration, stem: str) -> PredictConfig:
        """The settings of finding: those of the run and of the manifest, else what the first picture of the sample was found with."""
        row = self._row(stem)
        config = self._settings.predict if row is None else row.predict(self._settings.predict)
        if row is None or not row.sample or is_told(config):
            return config
        before = list(self.pictures)[: list(self.pictures).index(stem)]
        first = next((each for each in before if each in self.done and (r := self._row(each)) and r.sample == row.sample), None)
        return config if first is None else as_first(config, self._folder.item(first), own)

    def search(self, segmenter: Segmenter, stem: str, path: Path, control: Control) -> Generator[Progress, None, None]:
        """Find, measure and commit one picture."""
        image = self._read(path)
        key = self._key(KnownPicture.of(image, marked=False), stem)
        config = self._predict(image.calibration, stem)
        offer = bar_offer(image)
        if offer:
            image = replace(image, notes=(*image.notes, offer))
        image = without_areas(image, self._areas.get(stem, ()))
        job = iter_measured(segmenter, image, config, self._settings.split, self._ready(segmenter, config), self._settings.recovery)
        for progress in job:
            if control.finishing:
                job.cancel()  # half a picture is none
            yield progress
        found = job.result
        measured = replace(found.measured, image=stem, table=found.measured.table.assign(image=stem))
        self._tidy()
        item, labels = replace(found, measured=measured).committed(path, stem, imagej=self._settings.imagej)
        self._folder.commit(item, stem, key, self._digest, labels)
        self.done.add(stem)
        self._say_unfinished()

    def _say_unfinished(self) -> None:
        """What whoever looks into the folder after a kill should know; the files of the set say it once they are written."""
        self._folder.say_unfinished(unfinished(len(self.done), len(self.pictures), self._missing()))

    def _ready(self, segmenter: Segmenter, config: PredictConfig) -> nn.Module:
        """The network, made ready once for all pictures: what is said of one bears on its scale alone."""
        from napari_temseg.engine.model.runner import made_ready

        if self._network is None:
            self._network = made_ready(segmenter, config)
        return self._network

    def fail(self, path: Path, error: Exception) -> None:
        """Say why a picture gives nothing; what nobody foresaw goes to the log with all its details."""
        if isinstance(error, TemsegError):
            self.failures[str(path)] = str(error)
            return
        logger.error("%s", path, exc_info=error)
        said = (str(error).splitlines() or [""])[0]
        kind = type(error).__name__
        told = f"{kind}: {said}" if said else kind
        self.failures[str(path)] = f"{path}: failed ({told}); try it alone, or in parts if it is large."

    def result(self) -> RunResult:
        """Write the files of the set; what is committed and what is missing."""
        items = self._items()
        sizes = distributions([item.measurement for item in items if item.counted])
        summary = self._summary(items, sizes)
        files: tuple[Path, ...] = ()
        try:
            self._tidy()
            files = self._write_set(items, sizes, summary, self._gallery(items))
        except Unwritable as error:
            self.trouble = self.trouble or str(error)
        missing = tuple(self._missing())
        return RunResult(
            self._folder.output,
            tuple(items),
            self.failures,
            summary,
            (*(file for item in items for file in item.files), *files),
            bool(missing or self.trouble),
            missing,
            self.trouble and f"{self.trouble} {stopped_sentence(len(items), len(self.pictures), missing)}",
            tuple(filter(None, [*self._notes, self._found.note()])),
        )

    def _read(self, path: Path) -> Micrograph:
        image = read(path, axes=self._settings.axes, series=self._settings.series, calibrations=self._settings.calibrations)
        digest = self._expected.get(path.resolve(), "")
        if digest and digest != image.source.content_hash:
            raise TemsegError(f"{path}: has changed since the recipe was made; restore it, or name the inputs again without their hashes.")
        if self._settings.calibration is not None:
            image = image.with_calibration(self._settings.calibration)
        row = self._rows.get(path.resolve())
        return image if row is None else row.applied(image)

    def _tidy(self) -> None:
        """Once, before the first thing of this run is written: put aside what is not of it."""
        if not self._is_tidy:
            said = self._folder.make_room(self.done, self.pictures, LABELS)
            self._notes += [said] if said else []
            self._is_tidy = True

    def _items(self) -> list[RunItem]:
        found = [self._folder.item(stem, path) for stem, path in self.pictures.items() if stem in self.done]
        return fields_once(found, count_twice=self._settings.count_twice)

    def _missing(self) -> list[Path]:
        return [path for stem, path in self.pictures.items() if stem not in self.done and str(path) not in self.failures]

    def _recipe(self, items: list[RunItem]) -> Recipe:
        return replace(self._settings, inputs={item.path: item.measurement.content_hash for item in items})

    def _summary(self, items: list[RunItem], sizes: dict[str, SizeDistribution]) -> dict[str, object]:
        summary = summarise(items, self.failures, sizes, self._recipe(items), self._folder.output, audits=kept(self._folder.state))
        return said_complete(summary, self._missing(), self._found.skipped)

    def _gallery(self, items: list[RunItem]) -> dict[str, Callable[[Path], object]]:
        """What an auditor is asked, by file; nothing of few particles."""
        measurements = [item.measurement for item in items if item.counted]
        if sum(map(len, measurements)) < FEWEST:
            return {}
        sample = drawn(measurements)
        if sample is None:
            return {}
        page = partial(write_gallery, items=items, sample=sample, read=self._read)
        return {"audit.json": partial(write_sample, sample=sample), "audit.html": page}

    def _write_set(
        self,
        items: list[RunItem],
        sizes: dict[str, SizeDistribution],
        summary: dict[str, object],
        further: Mapping[str, Callable[[Path], object]] | None = None,
    ) -> tuple[Path, ...]:
        recipe = self._recipe(items)
        tables = [with_sample(item.measurement) for item in items]
        excel = {"particles.xlsx": partial(write_particles_xlsx, tables=tables)} if recipe.table == "xlsx" else {}
        return self._folder.write_set(
            {
                "particles.csv": partial(write_particles_csv, tables=tables, semicolons=recipe.table == "semicolons"),
                **excel,
                **figure_files(sizes),
                "summary.json": partial(write_summary, summary=summary),
                "report.html": partial(write_report, items=items, sizes=sizes, summary=summary),
                "recipe.json": partial(recipe.write, folder=self._folder.output),
                **(further or {}),
            }
        )


def nothing_done(failures: Mapping[str, str]) -> TemsegError:
    """The error of a run none of whose inputs gives anything."""
    sentences = list(failures.values())
    if len(sentences) == 1:
        return TemsegError(sentences[0])
    return TemsegError(f"None of the {len(sentences)} inputs could be used. The first: {sentences[0]}")
