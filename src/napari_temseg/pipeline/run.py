"""Many micrographs with one model and one setting: predict, split, measure and report, in one process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.api import load
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import AXES, Calibration
from napari_temseg.engine.types.misplaced import as_inputs, check_config, check_model
from napari_temseg.engine.types.progress import Control, Job, Progress, with_parameters_of
from napari_temseg.engine.types.wording import LOADING, TABLES
from napari_temseg.files.laboratory import Calibrations, rows_from
from napari_temseg.files.manifest import ManifestRow, read_manifest
from napari_temseg.files.readers import AXES_BY_NAME
from napari_temseg.pipeline.batch import WRITING, PictureBatch, nothing_done
from napari_temseg.pipeline.inputs import gather
from napari_temseg.pipeline.recipe import Recipe, read_recipe
from napari_temseg.pipeline.run_folder import Unwritable, opened
from napari_temseg.pipeline.run_result import RunResult
from napari_temseg.pipeline.watching.arrivals import Arrivals
from napari_temseg.pipeline.watching.stopping import StoppingRule, checked_until
from napari_temseg.pipeline.watching.watch import watched
from napari_temseg.pipeline.workers.crew import crew_of
from napari_temseg.pipeline.workers.in_turn import Crew, Said
from napari_temseg.pipeline.workers.picture_task import ReadyModel
from napari_temseg.pipeline.workers.pool import number_of

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter


def iter_run(
    inputs: Sequence[str | Path] | str | Path,
    output: str | Path,
    *,
    model: Segmenter | str | Path = "particles",
    calibration: Calibration | None = None,
    calibrations: Calibrations = None,
    axes: str = "",
    series: str = "",
    mask_overlays: bool | None = None,
    imagej: bool = False,
    count_twice: bool = False,
    table: str = "csv",
    manifest: str | Path | Sequence[ManifestRow] = (),
    recovery: bool | None = None,
    density: float | None = None,
    molar_mass: float | None = None,
    predict: PredictConfig | None = None,
    split: SplitConfig | None = None,
    expected: Recipe | None = None,
    recursive: bool = False,
    workers: int | str = 1,
    scheduler: str = "",
    watch: bool = False,
    until: float | None = None,
    settled: float = 5.0,
) -> Job[RunResult]:
    """Run a model over files and folders, with `recursive` their sub-folders too, and write everything to the folder `output`.

    Writes STEM_classes.tif and STEM_particles.tif an input, and particles.csv, summary.json, recipe.json, report.html and its figures for
    the set. `calibration` overrides the files' own; `calibrations` is the laboratory's table (a CSV file, "none", or without it the
    user's own), whose rows correct pixel sizes by what files say of instrument and magnification; `axes` says what the pages of stacks
    are, `series` which of several pictures in a file is meant; `mask_overlays` leaves burnt-in scale bars, letters and data bars out of
    finding and of the frame, without it only where a bar is certain; `imagej` writes STEM_rois.zip and STEM_results.csv too.
    `manifest` is a CSV file (columns file, sample, grid, pixel_size, uncertainty, factor, standard, date, size, polarity) or its rows;
    pictures of one sample are searched at one scale, that of its first, unless somebody told it.
    `recovery` puts particles of known size into each picture and looks for them again, which tells the detection limit; without it only
    where that costs a quarter of the search at most.
    `density` (g/cm³) of the particles adds their surface per mass, with `molar_mass` (g/mol) of a face-centred cubic metal the share of its
    atoms at the surface.
    `table` "semicolons" writes particles.csv for an Excel with decimal commas, "xlsx" particles.xlsx beside it.
    Of pictures that show one field the first is counted, unless `count_twice`. A file that cannot be used does not stop the others:
    it is named in `failures`.
    With `workers` pictures are searched side by side in so many processes of one thread each ("auto" or 0: as many as there are cores and
    memory suffices for, a GB each); results are those of one. A worker that dies is replaced and its picture tried once more, then refused.
    In a script, such a call has to stand below `if __name__ == "__main__":`. `scheduler` is the address of one of dask, whose workers do it
    instead: they see inputs and `output` under the same paths, and have this version installed.

    With `watch` the run goes on with what arrives in the folders, each file when its size and time have stayed the same for `settled`
    seconds and again when they change, until `finish()`, or until counting leaves at most ± `until` of D50 open (a share; 95 %, from how
    pictures differ, five at least): a rule that summary and report state, with whether it was set before the first picture.

    Each picture is committed by itself. However a run ends, the same call goes on where it was: `finish()` makes the files of the set of
    the pictures done so far, `cancel()` and a kill leave those of the start. Results in the folder that are of other settings or other
    pictures move to older/TIME. One run at a time can be in a folder.

    With `expected`, a recipe that is replayed, model and inputs must have its hashes. `TemsegError` when nothing at all can be done.
    """
    check_model(model)
    check_config(predict, PredictConfig, "run(predict=…)")
    check_config(split, SplitConfig, "run(split=…)")
    named = str(model) if isinstance(model, (str, Path)) else ""
    predict, split = predict or PredictConfig(), split or SplitConfig()
    recipe = Recipe(
        named,
        "",
        calibration,
        tuple(rows_from(calibrations)),
        AXES_BY_NAME.get(axes, axes),
        series,
        mask_overlays,
        imagej,
        count_twice,
        table,
        read_manifest(manifest) if isinstance(manifest, (str, Path)) else tuple(manifest),
        recovery,
        density,
        molar_mass,
        predict,
        split,
    )
    if table not in TABLES:
        raise TemsegError(f"“{table}” is no way to write a table; use one of {', '.join(TABLES)}.")
    if recipe.axes and recipe.axes not in AXES:
        raise TemsegError(f"“{axes}” is no meaning of a stack's first axis; use fields, time or depth.")
    count = number_of(workers)
    until = checked_until(until, watch=watch)
    arrivals = Arrivals(as_inputs(inputs), recursive=recursive, settled=settled) if watch else None
    found = gather(as_inputs(inputs), recursive=recursive) if arrivals is None else arrivals.first()
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise TemsegError(f"{output}: is a file; name a folder to write the results to.")

    def steps(control: Control) -> Generator[Progress, None, RunResult]:
        if not found.paths and arrivals is None:
            raise nothing_done(found.failures)
        with opened(output) as folder:
            yield Progress("run", 0.0, LOADING, control.elapsed)
            segmenter = load(model) if isinstance(model, (str, Path)) else model
            settings = replace(recipe, model_hash=segmenter.content_hash(), predict=_with_backend(segmenter, predict, scheduler, output))
            _check_model(settings, expected)
            batch = PictureBatch(folder, found, settings, {} if expected is None else expected.inputs)
            try:
                enough = len(batch.pictures) if arrivals is None else count
                with crew_of(count, ReadyModel(lambda: segmenter), enough, scheduler, folder.state) as crew:
                    yield from batch.recognise(crew, control)
                    if arrivals is None:
                        yield from _search(batch, crew, control)
                    else:
                        batch.rule = StoppingRule(until, folder.state, len(batch.done))
                        yield from watched(batch, crew, control, arrivals, batch.rule, _search)
                    batch.note(crew.note())
            except Unwritable as error:
                batch.trouble = str(error)
            if not batch.done and not control.finishing and not batch.trouble:
                folder.say_ended()
                raise nothing_done(batch.failures)
            yield Progress("run", 1 - WRITING, "writing the table and the report", control.elapsed)
            return batch.result()

    return Job(steps)


@with_parameters_of(iter_run)
def run(*inputs: Any, **settings: Any) -> RunResult:
    """Predict, split, measure and report: what `iter_run` does, to the end."""
    return iter_run(*inputs, **settings).drain()


def _search(batch: PictureBatch, crew: Crew, control: Control) -> Generator[Progress, None, None]:
    """What is not done yet, picture by picture; the share is of these, after that of getting to know them."""
    waiting = batch.waiting()
    n, ended, message, shares, paced = max(1, len(waiting)), 0, "", dict[str, float](), True
    before = batch.recognised
    with closing(crew.each(lambda: batch.work_of(waiting))) as all_said:
        for said in all_said:
            if control.finishing:
                return
            if said.progress is not None:
                shares[said.stem] = 0.9 * said.progress.fraction
                message, paced = said.progress.message, said.progress.paced or ended > 0
            elif said.is_end:
                shares.pop(said.stem, None)
                ended += 1
                path = batch.pictures[said.stem]
                _settle(batch, path, said)
                message = f"{said.stem}: {'left out' if str(path) in batch.failures else 'done'}"
            beside = f" · {len(shares)} pictures at once" if len(shares) > 1 else ""
            share = (ended + sum(shares.values())) / n
            yield Progress("run", before + (1 - WRITING - before) * share, message + beside, control.elapsed, paced=paced)


def _settle(batch: PictureBatch, path: Path, said: Said) -> None:
    """Commit a picture, or say why it gives nothing: whatever one does, the others finish."""
    alone = len(batch.pictures) == 1 and batch.rule is None
    if said.error is None:
        batch.commit(said.value)
    elif isinstance(said.error, Unwritable) or (alone and not isinstance(said.error, TemsegError)):
        raise said.error
    else:
        batch.fail(path, said.error)


def _with_backend(segmenter: Segmenter, predict: PredictConfig, scheduler: str, output: Path) -> PredictConfig:
    """The settings with "auto" made up its mind, so that all pictures are searched by one backend and the recipe names it.

    Where there are results already it is theirs: what is done is not done again because another has become faster meanwhile.
    """
    from napari_temseg.engine.model.backends.choice import AUTO, TORCH, chosen, measure, measured, usable

    if scheduler:  # what is installed and fast here says nothing of its workers
        return replace(predict, backend=TORCH) if predict.backend == AUTO else predict
    before = _backend_of(output) if predict.backend == AUTO and predict.device in (AUTO, "cpu") else ""
    if before in (TORCH, *usable(segmenter)):
        return chosen(segmenter, replace(predict, backend=before))
    if predict.backend == AUTO and predict.device in (AUTO, "cpu") and not measured(segmenter, predict):
        measure(segmenter, predict)
    return chosen(segmenter, predict)


def _backend_of(output: Path) -> str:
    """What ran the network for the results that are there; "" where nobody can tell."""
    try:
        return read_recipe(output / "recipe.json").predict.backend
    except TemsegError:
        return ""


def _check_model(settings: Recipe, expected: Recipe | None) -> None:
    if expected is not None and expected.model_hash and expected.model_hash != settings.model_hash:
        raise TemsegError(
            f"{settings.model or 'The model'}: is not the model the recipe was made with (its hash differs); give that one with --model."
        )
