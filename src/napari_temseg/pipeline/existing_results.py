"""The files of a run, from results that are at hand and may have been corrected by hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BY_LABELS, Particles
from napari_temseg.files.atomic import STEM_BYTES, short
from napari_temseg.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from napari_temseg.engine.measure.audit.carrying import Audit
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.pipeline.run_folder import RunFolder
    from napari_temseg.pipeline.run_result import RunItem

IN_THE_WINDOW = "window"  # the settings of records whose results are at hand, and no run's
UNWRITTEN = "This report is not finished: some label images may be missing, and table and report do not belong to them. Save it again."
NO_MODEL = "none (drawn, read or labelled otherwise)"
LABELS_ALONE = "none (labels painted by a person, or filled in from strokes or a result)"


@dataclass(frozen=True, eq=False)
class Result:
    """A finished picture: particles with their measurement (whose `image` names it), and the number of corrections by hand.

    `other_splits` of the measurement, where it has any, are those of the prediction and the settings of these particles.
    """

    particles: Particles
    measurement: Measurement
    corrections: int = 0


def iter_report(
    results: Sequence[Result],
    output: str | Path,
    model: str = "",
    models: Mapping[str, Segmenter] | None = None,
    known: Mapping[str, str] | None = None,
    audits: Sequence[Audit] = (),
) -> Job[Path]:
    """Write label images, particles.csv, summary.json and report.html to the folder `output`; returns the path of the report.

    Results may come from several models and settings: `models` gives names to models by what is in them, "particles" is known; without
    it, `model` is the name of the one model. `known` are names by hash, of models that need not be at hand. `audits` are those of the
    pictures. No recipe is written: what was
    done by hand cannot be replayed.
    What else is in the folder of an earlier report or run moves to older/TIME; only one at a time can be in it.
    """
    output = Path(output)

    def steps(control: Control) -> Generator[Progress, None, Path]:
        from napari_temseg.files.tables import write_particles_csv
        from napari_temseg.pipeline.report.beside import figure_files, picture_files
        from napari_temseg.pipeline.report.page import write_report
        from napari_temseg.pipeline.report.told import ToldRun, told_run
        from napari_temseg.pipeline.run_folder import opened
        from napari_temseg.pipeline.samples.summaries import with_sample
        from napari_temseg.pipeline.summary import distributions, said_complete, summarise, write_summary

        if not results:
            raise TemsegError("There is nothing to report: find particles first (step 2).")
        with opened(output) as folder:
            items = yield from _committed(folder, results, control)
            yield Progress("report", len(results) / (len(results) + 1), "distribution and report", control.elapsed)
            by_hand = {r.measurement.image: r.corrections for r in results if r.corrections}

            def sizes_of(items: Sequence[RunItem]) -> dict[str, SizeDistribution]:
                return distributions([item.measurement for item in items], audits)

            def summary_of(items: Sequence[RunItem], sizes: dict[str, SizeDistribution]) -> dict[str, Any]:
                summary = said_complete(summarise(items, {}, sizes, Recipe(model), output, window=True, audits=audits), (), {})
                _tell_origins(summary, results, _names(results, model, models, known or {}))
                summary["corrections_by_hand"] = by_hand
                summary["cautions"] += [f"{name}: {n} correction{'s' if n > 1 else ''} by hand." for name, n in by_hand.items()]
                return summary

            sizes = sizes_of(items)
            summary = summary_of(items, sizes)
            told = told_run(ToldRun(items, sizes, summary), sizes_of, summary_of)
            folder.write_set(
                {
                    "particles.csv": partial(write_particles_csv, tables=[with_sample(item.measurement) for item in items]),
                    **figure_files(told.sizes),
                    **picture_files(items),
                    "summary.json": partial(write_summary, summary=summary),
                    "report.html": partial(write_report, **told._asdict(), recipe=False),
                }
            )
        return output / "report.html"

    return Job(steps)


def _committed(folder: RunFolder, results: Sequence[Result], control: Control) -> Generator[Progress, None, list[RunItem]]:
    """Commit every result that is not in the folder as it is; what else was there is put aside."""
    from napari_temseg.engine.particles.other_splits import with_other_splits
    from napari_temseg.pipeline.inputs import LABELS
    from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture

    stems = file_stems([result.measurement.image for result in results])
    keys = [_key(result, stem) for result, stem in zip(results, stems, strict=True)]
    kept = [stem for stem, key in zip(stems, keys, strict=True) if folder.is_done(stem, key)]
    moved = folder.make_room(kept, stems, LABELS)
    if moved:
        yield Progress("report", 0.0, moved, control.elapsed)
    folder.say_unfinished(UNWRITTEN)
    for index, (result, stem, key) in enumerate(zip(results, stems, keys, strict=True)):
        yield Progress("report", index / (len(results) + 1), f"{result.measurement.image}: label images", control.elapsed)
        if stem not in kept:
            path = Path(result.particles.micrograph.source.path or result.measurement.image)
            measured = result.measurement
            if not measured.other_splits:  # which the window may have worked out already
                measured = with_other_splits(measured, result.particles)
            item, labels = MeasuredPicture.of(result.particles, measured).committed(path, stem)
            folder.commit(item, stem, key, IN_THE_WINDOW, labels)
    return [folder.item(stem) for stem in stems]


def _key(result: Result, stem: str) -> str:
    """A hash of everything that is written of a result."""
    from napari_temseg.pipeline.record import digest_of

    digest, particles, measured = hashlib.sha256(), result.particles, result.measurement
    arrays = [particles.labels, measured.valid, None if particles.prediction is None else particles.prediction.classes]
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    digest.update(measured.table.to_csv(index=False).encode(errors="backslashreplace"))
    picture = particles.micrograph
    about = [stem, measured.image, measured.content_hash, measured.edge, asdict(measured.calibration), picture.axes, picture.source.path]
    return digest_of([IN_THE_WINDOW, digest.hexdigest(), about, particles.uncertain, particles.unlike, picture.source.lossy])


def file_stems(names: Sequence[str]) -> list[str]:
    """Names as they may stand in file names, each once."""
    stems: list[str] = []
    for name in names:
        safe = short(re.sub(r"[^\w.+() -]", "_", name).strip(" .") or "image", STEM_BYTES)
        stem, number = safe, 2
        while stem.casefold() in {each.casefold() for each in stems}:
            stem, number = f"{safe}_{number}", number + 1
        stems.append(stem)
    return stems


def _tell_origins(summary: dict[str, Any], results: Sequence[Result], names: Mapping[str, str]) -> None:
    """What each picture was found with and how often it was corrected; beside it, what is equal for all of them."""
    images = summary["images"]
    for image, result in zip(images, results, strict=True):
        digest = _model_hash(result)
        image["model"] = {"name": names.get(digest, "") if digest else NO_MODEL, "hash": digest}
        if digest == BY_LABELS:
            image["model"] = {"name": LABELS_ALONE, "hash": ""}
        image["settings"] = _settings(result)
        image["corrections"] = result.corrections
    summary["model"] = images[0]["model"] if all(image["model"] == images[0]["model"] for image in images) else None
    summary["settings"] = {
        stage: dict(item for item in values.items() if all(item in image["settings"][stage].items() for image in images))
        for stage, values in images[0]["settings"].items()
    }


def _settings(result: Result) -> dict[str, dict[str, Any]]:
    """Settings that are known of a result; tiles and machine leave no trace in it."""
    particles = result.particles
    if particles.prediction is not None:
        scales = particles.prediction.working_scale
    elif particles.origin is not None:
        scales = particles.origin.scales
    else:
        return {"predict": {}, "split": {}}
    try:
        split = SplitConfig.from_dict(particles.settings)
    except (TemsegError, TypeError):
        return {"predict": {"scales": list(scales)}, "split": {}}
    return {"predict": {"scales": list(scales)}, "split": split.to_dict()}


def _model_hash(result: Result) -> str:
    particles = result.particles
    if particles.prediction is not None:
        return particles.prediction.model_hash
    return particles.origin.model_hash if particles.origin is not None else ""


def _names(results: Sequence[Result], model: str, models: Mapping[str, Segmenter] | None, known: Mapping[str, str]) -> dict[str, str]:
    """Names of the models that found the results, by hash; one that nobody knows has none."""
    wanted = {_model_hash(result) for result in results} - {"", BY_LABELS}
    if models is None:
        return dict.fromkeys(wanted, model if len(wanted) == 1 else "")
    kept = [each.particles.origin for each in results if each.particles.origin is not None]
    names = {origin.model_hash: origin.model for origin in kept if origin.model} | dict(known)
    if wanted - set(names):
        names |= {segmenter.content_hash(): name for name, segmenter in models.items()}
    if wanted - set(names):
        from napari_temseg.files.models import load

        with suppress(TemsegError):
            names.setdefault(load("particles").content_hash(), "particles")
    return names
