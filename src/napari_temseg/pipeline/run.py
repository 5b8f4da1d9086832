"""Many micrographs with one model and one setting: predict, split, measure and report, in one process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.api import iter_predict, load, measure, read
from napari_temseg.api import split as split_particles
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import Cancelled, TemsegError
from napari_temseg.engine.types.micrograph import AXES, Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.files.readers import AXES_BY_NAME
from napari_temseg.files.tables import write_labels_tiff, write_particles_csv
from napari_temseg.pipeline.burnt_in import without_burnt_in
from napari_temseg.pipeline.inputs import collect, unique_names
from napari_temseg.pipeline.recipe import Recipe
from napari_temseg.pipeline.report import thumbnail, write_report
from napari_temseg.pipeline.run_result import RunItem, RunResult
from napari_temseg.pipeline.summary import distributions, summarise, write_summary

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.types.results import Particles


def run(inputs: Sequence[str | Path] | str | Path, output: str | Path, **settings: Any) -> RunResult:
    """Predict, split, measure and report; arguments as for `iter_run`."""
    return iter_run(inputs, output, **settings).drain()


def iter_run(
    inputs: Sequence[str | Path] | str | Path,
    output: str | Path,
    *,
    model: Segmenter | str | Path = "particles",
    calibration: Calibration | None = None,
    axes: str = "",
    series: str = "",
    mask_overlays: bool = False,
    predict: PredictConfig | None = None,
    split: SplitConfig | None = None,
    expected: Recipe | None = None,
) -> Job[RunResult]:
    """Run a model over files and folders and write everything to the folder `output`.

    Writes STEM_classes.tif and STEM_particles.tif an input, and particles.csv, summary.json, report.html and recipe.json for the
    set. `calibration` overrides the files' own; `axes` says what the pages of stacks are, `series` which of several pictures
    in a file is meant; `mask_overlays` leaves burnt-in scale bars, letters and data bars out of finding and of the frame. A file that
    cannot be used does not stop the others: it is named in `failures`. `finish()` keeps the images done so far,
    `cancel()` leaves their label images without tables.
    With `expected`, a recipe that is replayed, model and inputs must have its hashes. `TemsegError` when nothing at all can be done.
    """
    named = str(model) if isinstance(model, (str, Path)) else ""
    predict, split = predict or PredictConfig(), split or SplitConfig()
    recipe = Recipe(named, "", calibration, AXES_BY_NAME.get(axes, axes), series, mask_overlays, predict, split)
    if recipe.axes and recipe.axes not in AXES:
        raise TemsegError(f"“{axes}” is no meaning of a stack's first axis; use fields, time or depth.")
    paths, failures = collect([inputs] if isinstance(inputs, (str, Path)) else inputs)
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise TemsegError(f"{output}: is a file; name a folder to write the results to.")

    def steps(control: Control) -> Generator[Progress, None, RunResult]:
        if not paths:
            raise _nothing_done(failures)
        segmenter = load(model) if isinstance(model, (str, Path)) else model
        settings = replace(recipe, model_hash=segmenter.content_hash())
        _check_model(settings, expected)
        hashes = {path.resolve(): digest for path, digest in expected.inputs.items()} if expected else {}
        items: list[RunItem] = []
        for index, (path, name) in enumerate(zip(paths, unique_names(paths), strict=True)):
            if control.finishing:
                break
            try:
                image = _read(path, settings, hashes.get(path.resolve(), ""))
                job = iter_predict(segmenter, image, settings.predict)
                for progress in job:
                    if control.finishing:
                        job.cancel()  # half a prediction is none
                    yield replace(progress, stage="run", fraction=(index + 0.9 * progress.fraction) / len(paths), elapsed=control.elapsed)
                items.append(_finished(path, name, split_particles(job.result, settings.split), output))
                settings.inputs[path] = image.source.content_hash
            except Cancelled:
                break
            except (TemsegError, MemoryError, RuntimeError) as error:  # torch reports its troubles as RuntimeError
                if len(paths) == 1 and not isinstance(error, TemsegError):
                    raise
                failures[str(path)] = _sentence(path, error)
            outcome = "left out" if str(path) in failures else "done"
            yield Progress("run", (index + 1) / len(paths), f"{name}: {outcome}", control.elapsed)
        if not items and not control.finishing:
            raise _nothing_done(failures)
        return _written(output, items, failures, settings, stopped=len(items) + len(failures) < len(paths))

    return Job(steps)


def _check_model(settings: Recipe, expected: Recipe | None) -> None:
    if expected is not None and expected.model_hash and expected.model_hash != settings.model_hash:
        raise TemsegError(
            f"{settings.model or 'The model'}: is not the model the recipe was made with (its hash differs); give that one with --model."
        )


def _read(path: Path, settings: Recipe, digest: str) -> Micrograph:
    image = read(path, axes=settings.axes, series=settings.series)
    if digest and digest != image.source.content_hash:
        raise TemsegError(f"{path}: has changed since the recipe was made; restore it, or name the inputs again without their hashes.")
    image = image if settings.calibration is None else image.with_calibration(settings.calibration)
    return without_burnt_in(image) if settings.mask_overlays else image


def _finished(path: Path, name: str, particles: Particles, output: Path) -> RunItem:
    """Measure and write one image."""
    measured = measure(particles)
    measured = replace(measured, image=name, table=measured.table.assign(image=name))
    return written_item(path, name, particles, measured, output)


def written_item(path: Path, stem: str, particles: Particles, measured: Measurement, output: Path) -> RunItem:
    """Write the label images of a measured picture as STEM_….tif; the item is named as the measurement names its image."""
    image, prediction, calibration = particles.micrograph, particles.prediction, measured.calibration
    files = [output / f"{stem}_particles.tif"]
    write_labels_tiff(files[0], particles.labels, calibration, image.axes, "particles")
    if prediction is not None:
        files.insert(0, output / f"{stem}_classes.tif")
        write_labels_tiff(files[0], prediction.classes, calibration, image.axes, "classes")
    counts = {str(key): int(count) for key, count in particles.table["class"].value_counts().items()}
    picture = thumbnail(image.plane(0), particles.planes()[0])
    return RunItem(measured.image, path, measured, counts, tuple(files), picture, particles.uncertain, image.source.lossy, particles.unlike)


def _written(output: Path, items: list[RunItem], failures: dict[str, str], settings: Recipe, *, stopped: bool) -> RunResult:
    """Write the files of the set."""
    names = ("particles.csv", "summary.json", "report.html", "recipe.json")
    files = [output / name for name in names]
    write_particles_csv(files[0], [item.measurement.table for item in items])
    sizes = distributions([item.measurement for item in items])
    summary = summarise(items, failures, sizes, settings, output)
    write_summary(files[1], summary)
    write_report(files[2], items, sizes, summary)
    settings.write(files[3])
    return RunResult(output, tuple(items), failures, summary, (*(f for item in items for f in item.files), *files), stopped)


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, TemsegError):
        return str(error)
    return f"{path}: failed ({(str(error).splitlines() or [type(error).__name__])[0]}); try it alone, or in parts if it is large."


def _nothing_done(failures: dict[str, str]) -> TemsegError:
    sentences = list(failures.values())
    if len(sentences) == 1:
        return TemsegError(sentences[0])
    return TemsegError(f"None of the {len(sentences)} inputs could be used. The first: {sentences[0]}")
