"""The pictures of a run, one by one, and the files of the set, which are made of what is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_temseg.engine.measure.audit.sampling import drawn
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Progress
from napari_temseg.engine.types.wording import FEWEST
from napari_temseg.files.audits import kept
from napari_temseg.files.tables import write_particles_csv, write_particles_xlsx
from napari_temseg.pipeline.audit.gallery import write_gallery, write_sample
from napari_temseg.pipeline.burnt_in import areas_left_out
from napari_temseg.pipeline.inputs import LABELS, Inputs, further_name, output_names
from napari_temseg.pipeline.known_pictures import KnownPicture, KnownPictures
from napari_temseg.pipeline.record import Record, digest_of, settings_digest
from napari_temseg.pipeline.report.beside import figure_files, picture_files
from napari_temseg.pipeline.report.page import write_report
from napari_temseg.pipeline.report.told import ToldRun, told_run
from napari_temseg.pipeline.run_folder import RunFolder, Unwritable
from napari_temseg.pipeline.run_result import RunItem, RunResult, fields_once
from napari_temseg.pipeline.samples.settings import as_first, is_told
from napari_temseg.pipeline.samples.summaries import with_sample
from napari_temseg.pipeline.summary import distributions, said_complete, stopped_sentence, summarise, unfinished, write_summary
from napari_temseg.pipeline.workers.in_turn import Crew
from napari_temseg.pipeline.workers.picture_task import Learning, PictureTask, Searching, Work

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.boxes import Box
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.types.config import PredictConfig
    from napari_temseg.engine.types.micrograph import Micrograph
    from napari_temseg.files.manifest import ManifestRow
    from napari_temseg.pipeline.burnt_in import MarkedArea
    from napari_temseg.pipeline.recipe import Recipe
    from napari_temseg.pipeline.watching.stopping import StoppingRule

logger = logging.getLogger("napari_temseg")
WITHOUT_AUDIT = (
    "No audit.html is written, as one audit cannot be of images in nm and of images in px: "
    "give every image its pixel size, or run them apart."
)
RECOGNISING, WRITING = 0.1, 0.02  # shares of a run: to get to know all pictures (of EMPS), and to write the files of the set


class PictureBatch:
    """A run in its folder: `pictures` by the stem of their results, those that are `done`, and why others give nothing."""

    def __init__(self, folder: RunFolder, found: Inputs, settings: Recipe, expected: Mapping[Path, str]) -> None:
        self.pictures = dict(zip(output_names(found.paths, folder.output), found.paths, strict=True))
        self.done: set[str] = set()
        self.failures = dict(found.failures)
        self.trouble = ""
        self.rule: StoppingRule | None = None  # by which pictures are added
        self._folder, self._settings, self._found = folder, settings, found
        self._digest = settings_digest(settings, **({"imagej": True} if settings.imagej else {}))
        self._expected = {path.resolve(): digest for path, digest in expected.items()}
        self._notes: list[str] = []
        self._rows = {row.file.resolve(): row for row in settings.manifest}
        self._samples: dict[str, list[str]] = {}
        for stem in self.pictures:
            if (row := self._row(stem)) is not None:
                self._samples.setdefault(row.sample, []).append(stem)
        self._marked: dict[str, MarkedArea] = {}
        self._areas: dict[str, tuple[Box, ...]] = {}
        self._learnt = KnownPictures(folder.state / "known")
        self._is_tidy = False
        self.recognised = 0.0  # share of the run that went by until all pictures were known

    def recognise(self, crew: Crew, control: Control) -> Generator[Progress, None, None]:
        """Which pictures were done before; the files of the set are those of these before anything is searched."""
        yield from self._look(list(self.pictures), crew, control)
        waiting = [stem for stem in self.pictures if stem in self._folder.records and self._folder.records[stem].settings == self._digest]
        for index, stem in enumerate(waiting):
            if control.finishing:
                break
            yield Progress("run", self.recognised, f"looking at what is done: {index + 1} of {len(waiting)}", control.elapsed)
            try:
                if self._folder.is_done(stem, self._task(stem).key(self._known(stem))):
                    self.done.add(stem)
            except TemsegError as error:  # it says so again when its turn comes
                logger.info("%s", error)
        if self.done:
            self._tidy()
            self._notes.insert(0, f"{len(self.done)} of {len(self.pictures)} were done before.")
            yield Progress("run", self.recognised, self._notes[0], control.elapsed)
        if 0 < len(self.done) < len(self.pictures):
            items = self._items()
            self._write_set(items, *self._told(items, self._sizes(items)))
        if not control.finishing:
            self._say_unfinished()

    def add(self, paths: Sequence[Path], crew: Crew, control: Control) -> Generator[Progress, None, None]:
        """More pictures, or the same ones changed; those whose burnt-in area others tell better now are searched again."""
        stems = {path: stem for stem, path in self.pictures.items()}
        for path in paths:
            self.failures.pop(str(path), None)
            if path not in stems:
                stems[path] = further_name(path, [*self.pictures], self._folder.output)
                self.pictures[stems[path]] = path
                if (row := self._row(stems[path])) is not None:
                    self._samples.setdefault(row.sample, []).append(stems[path])
            self.done.discard(stems[path])
        before = dict(self._areas)
        yield from self._look([stems[path] for path in paths], crew, control)
        self.done -= {stem for stem in self.done if self._areas.get(stem) != before.get(stem)}
        self._say_unfinished()

    def _look(self, stems: Sequence[str], crew: Crew, control: Control) -> Generator[Progress, None, None]:
        """What is burnt into pictures, of all of them first: those of one camera lose the same area."""
        if self._settings.mask_overlays is False:
            return
        found = {stem: known.area for stem in stems if (known := self._remembered(stem)) is not None}
        unknown = [stem for stem in stems if stem not in found]
        works = (Learning(self._task(stem, self._settings.predict)) for stem in unknown)
        seen, said_of = 0, ""
        with closing(crew.each(lambda: next(works, None))) as all_said:
            for said in all_said:
                if control.finishing:
                    break
                if said.error is not None:  # it says so again when its turn comes
                    logger.info("%s: %s", self.pictures[said.stem], said.error)
                elif said.value is not None:
                    self._keep(said.stem, said.value)
                    found[said.stem] = said.value.area
                seen, said_of = seen + said.is_end, said.stem or said_of
                message = f"{said_of}: looking for what is burnt in, {seen} of {len(unknown)}"
                self.recognised = RECOGNISING * seen / len(unknown)
                yield Progress("run", self.recognised, message, control.elapsed)
        self._marked |= {stem: area for stem, area in found.items() if area is not None}
        marked = {stem: self._marked[stem] for stem in self.pictures if stem in self._marked}
        left_out = areas_left_out(list(marked.values()), everything=bool(self._settings.mask_overlays))
        self._areas = {stem: boxes for stem, boxes in zip(marked, left_out, strict=True) if boxes}

    def _read_with(self, stem: str) -> str:
        """A hash of all that decides what is learnt of a picture."""
        marked = self._settings.mask_overlays is not False
        return digest_of([self._digest, marked, [asdict(row) for row in self._settings.calibrations or ()], self._row(stem)])

    def _remembered(self, stem: str) -> KnownPicture | None:
        """What is known of a picture as it is now from an earlier start."""
        path = self.pictures[stem]
        known, expected = self._learnt.find(stem, path, self._read_with(stem)), self._expected.get(path.resolve(), "")
        return None if known is None or (expected and known.facts[0] != expected) else known

    def _keep(self, stem: str, known: KnownPicture) -> None:
        self._learnt.keep(stem, self.pictures[stem], self._read_with(stem), known)

    def _known(self, stem: str) -> KnownPicture:
        """What tells a picture, read from its file only where nothing is known of it as it is now."""
        known = self._remembered(stem)
        if known is None:
            known = self._task(stem).learn()
            self._keep(stem, known)
        return known

    def _row(self, stem: str) -> ManifestRow | None:
        return self._rows.get(self.pictures[stem].resolve())

    def _task(self, stem: str, predict: PredictConfig | None = None) -> PictureTask:
        path, row = self.pictures[stem], self._row(stem)
        settings, expected = replace(self._settings, manifest=()), self._expected.get(path.resolve(), "")
        predict = predict or self._predict(stem)
        return PictureTask(path, stem, settings, self._digest, predict, row, expected, self._areas.get(stem, ()))

    def _predict(self, stem: str) -> PredictConfig:
        """The settings of finding: those of the run and of the manifest, else what the first picture of the sample was found with."""
        row = self._row(stem)
        config = self._settings.predict if row is None else row.predict(self._settings.predict)
        first = next((each for each in self._before_in_sample(stem, config) if each in self.done), None)
        if first is None:
            return config
        try:
            known = self._remembered(stem) or self._task(stem, config).learn()
        except Exception:  # noqa: BLE001  it says so again when it is searched
            return config
        return as_first(config, self._folder.item(first), known.calibration)

    def _before_in_sample(self, stem: str, config: PredictConfig) -> Iterator[str]:
        """The pictures of its sample before it, where the size that is meant in it hangs on them."""
        row = self._row(stem)
        if row is None or not row.sample or is_told(config):
            return
        yield from takewhile(lambda each: each != stem, self._samples[row.sample])

    def _can_begin(self, stem: str) -> bool:
        """Whether nothing has to be known first: the first picture of a sample that gives anything tells the others their size."""
        row = self._row(stem)
        config = self._settings.predict if row is None else row.predict(self._settings.predict)
        before = (each for each in self._before_in_sample(stem, config) if str(self.pictures[each]) not in self.failures)
        return next(before, stem) in {stem, *self.done}

    def waiting(self) -> list[str]:
        """The pictures that are not done yet."""
        return [stem for stem, path in self.pictures.items() if stem not in self.done and str(path) not in self.failures]

    def work_of(self, waiting: list[str]) -> Work | None:
        """The search of the first of those waiting that can begin, which is taken out of them."""
        stem = next(filter(self._can_begin, waiting), None)
        if stem is None:
            return None
        waiting.remove(stem)
        return Searching(self._task(stem), self._folder.staging(stem), self._folder.output)

    def commit(self, record: Record) -> None:
        """Commit the picture whose results wait in its staging folder."""
        self._tidy()
        self._folder.install(record)
        self.done.add(record.stem)
        self._say_unfinished()

    def _say_unfinished(self) -> None:
        """What whoever looks into the folder after a kill should know; the files of the set say it once they are written."""
        self._folder.say_unfinished(unfinished(len(self.done), len(self.pictures), self._missing()))

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

    def sizes(self) -> dict[str, SizeDistribution]:
        """The sizes of all that is committed, as they would be written."""
        return self._sizes(self._items())

    def _sizes(self, items: Sequence[RunItem]) -> dict[str, SizeDistribution]:
        return distributions([item.measurement for item in items if item.counted], kept(self._folder.state))

    def result(self) -> RunResult:
        """Write the files of the set; what is committed and what is missing."""
        items = self._items()
        sizes = self._sizes(items)
        if self.rule is not None:
            self.rule.look(sizes)
        summary, told = self._told(items, sizes)
        files: tuple[Path, ...] = ()
        try:
            self._tidy()
            files = self._write_set(items, summary, told, self._gallery(items))
            self.note(WITHOUT_AUDIT if len({item.measurement.length_unit for item in items}) > 1 else "")
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
            told.summary,
        )

    def note(self, sentence: str) -> None:
        """Something to be said when the run has ended, or nothing."""
        self._notes += [sentence] if sentence else []

    def _read(self, path: Path) -> Micrograph:
        stem = next(stem for stem, each in self.pictures.items() if each == path)
        return self._task(stem, self._settings.predict).read()

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

    def _recipe(self, items: Sequence[RunItem]) -> Recipe:
        return replace(self._settings, inputs={item.path: item.measurement.content_hash for item in items})

    def _summary(self, items: Sequence[RunItem], sizes: dict[str, SizeDistribution]) -> dict[str, object]:
        summary = summarise(items, self.failures, sizes, self._recipe(items), self._folder.output, audits=kept(self._folder.state))
        if self.rule is not None:
            summary = {**summary, "stopping": self.rule.plain()}
        return said_complete(summary, self._missing(), self._found.skipped)

    def _told(self, items: list[RunItem], sizes: dict[str, SizeDistribution]) -> tuple[dict[str, object], ToldRun]:
        """The summary for programs, in nm, and all as people read it."""
        summary = self._summary(items, sizes)
        return summary, told_run(ToldRun(items, sizes, summary), self._sizes, self._summary)

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
        summary: dict[str, object],
        told: ToldRun,
        further: Mapping[str, Callable[[Path], object]] | None = None,
    ) -> tuple[Path, ...]:
        recipe = self._recipe(items)
        tables = [with_sample(item.measurement) for item in items]
        excel = {"particles.xlsx": partial(write_particles_xlsx, tables=tables)} if recipe.table == "xlsx" else {}
        return self._folder.write_set(
            {
                "particles.csv": partial(write_particles_csv, tables=tables, semicolons=recipe.table == "semicolons"),
                **excel,
                **figure_files(told.sizes),
                **picture_files(items),
                "summary.json": partial(write_summary, summary=summary),
                "report.html": partial(write_report, **told._asdict()),
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
