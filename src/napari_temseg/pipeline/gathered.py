"""The files of a run, from results that are at hand and may have been corrected by hand."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_temseg.engine.config import SplitConfig
from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.progress import Control, Job, Progress
from napari_temseg.engine.results import Particles
from napari_temseg.engine.shape import Measurement
from napari_temseg.pipeline.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Result:
    """A finished picture: particles with their measurement (whose `image` names it), and the number of corrections by hand."""

    particles: Particles
    measurement: Measurement
    corrections: int = 0


def iter_report(results: Sequence[Result], output: str | Path, model: str = "") -> Job[Path]:
    """Write label images, particles.csv, summary.json and report.html to the folder `output`; returns the path of the report.

    No recipe is written: what was done by hand cannot be replayed.
    """
    output = Path(output)

    def steps(control: Control) -> Generator[Progress, None, Path]:
        from napari_temseg.files.tables import write_particles_csv
        from napari_temseg.pipeline.report import write_report
        from napari_temseg.pipeline.summary import distributions, summarise, write_summary

        if not results:
            raise TemsegError("There is nothing to report: find particles first (step 2).")
        items = []
        for index, (result, stem) in enumerate(zip(results, file_stems([r.measurement.image for r in results]), strict=True)):
            yield Progress("report", index / (len(results) + 1), f"{result.measurement.image}: label images", control.elapsed)
            items.append(_finished(result, output, stem))
        yield Progress("report", len(results) / (len(results) + 1), "distribution and report", control.elapsed)
        sizes = distributions([item.measurement for item in items])
        summary = summarise(items, {}, sizes, _settings(results, model), output)
        by_hand = {r.measurement.image: r.corrections for r in results if r.corrections}
        summary["corrections_by_hand"] = by_hand
        summary["cautions"] += [f"{name}: {n} correction{'s' if n > 1 else ''} by hand." for name, n in by_hand.items()]
        write_particles_csv(output / "particles.csv", [item.measurement.table for item in items])
        write_summary(output / "summary.json", summary)
        write_report(output / "report.html", items, sizes, summary)
        return output / "report.html"

    return Job(steps)


def file_stems(names: Sequence[str]) -> list[str]:
    """Names as they may stand in file names, each once."""
    stems: list[str] = []
    for name in names:
        safe = re.sub(r"[^\w.+() -]", "_", name).strip(" .") or "image"
        stem, number = safe, 2
        while stem.casefold() in {each.casefold() for each in stems}:
            stem, number = f"{safe}_{number}", number + 1
        stems.append(stem)
    return stems


def _finished(result: Result, output: Path, stem: str) -> Any:
    from napari_temseg.files.tables import write_labels_tiff
    from napari_temseg.pipeline.report import thumbnail
    from napari_temseg.pipeline.run import RunItem

    particles, measurement = result.particles, result.measurement
    image, prediction = particles.micrograph, particles.prediction
    files = [output / f"{stem}_particles.tif"]
    write_labels_tiff(files[0], particles.labels, measurement.calibration, image.axes, "particles")
    if prediction is not None:
        files.insert(0, output / f"{stem}_classes.tif")
        write_labels_tiff(files[0], prediction.classes, measurement.calibration, image.axes, "classes")
    counts = {str(key): int(count) for key, count in particles.table["class"].value_counts().items()}
    picture = thumbnail(image.plane(0), particles.planes()[0])
    path = Path(image.source.path or measurement.image)
    return RunItem(measurement.image, path, measurement, counts, tuple(files), picture, particles.uncertain)


def _settings(results: Sequence[Result], model: str) -> Recipe:
    """What the first picture was found with, for the page that says how it was measured."""
    first = results[0].particles
    try:
        split = SplitConfig.from_dict(first.settings)
    except (TemsegError, TypeError):
        split = SplitConfig()
    return Recipe(model, first.prediction.model_hash if first.prediction else "", split=split)
