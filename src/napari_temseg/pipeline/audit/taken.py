"""Answers of an auditor enter the results of a run that is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.audits import keep, kept, sample_of
from napari_temseg.pipeline.recipe import read_recipe
from napari_temseg.pipeline.report.beside import figure_files
from napari_temseg.pipeline.report.page import write_report
from napari_temseg.pipeline.report.told import ToldRun, told_run
from napari_temseg.pipeline.run_folder import STATE, opened
from napari_temseg.pipeline.run_result import fields_once
from napari_temseg.pipeline.summary import NOT_USABLE, distributions, summarise, write_summary

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.pipeline.run_result import RunItem


def take_answers(output: Path, answers: Sequence[str | Path]) -> tuple[dict[str, Any], ToldRun]:
    """Keep answers to audit.html, and write report.html, figures and summary.json anew with what they say; returns the summary, and what
    the report tells.

    `TemsegError` where the folder holds no run with a gallery, or the answers are to another one.
    """
    if not (output / STATE).is_dir() or not (output / "audit.json").is_file():
        raise TemsegError(f"{output}: holds no run with a gallery; run “temseg run … -o {output}” first (20 particles at least).")
    sample = sample_of(_read(output / "audit.json"))
    with opened(output) as folder:
        for path in map(Path, answers):
            try:
                keep(folder.state, sample, _read(path))
            except TemsegError as error:
                raise TemsegError(f"{path}: {error}") from error
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise TemsegError(f"{path}: is not what audit.html saves ({error}); save the answers again.") from error
        before = _read(output / "summary.json")
        recipe = read_recipe(output / "recipe.json")
        items = fields_once([folder.item(image["image"]) for image in before["images"]], count_twice=recipe.count_twice)
        audits = kept(folder.state)

        def sizes_of(items: Sequence[RunItem]) -> dict[str, SizeDistribution]:
            return distributions([item.measurement for item in items if item.counted], audits)

        def summary_of(items: Sequence[RunItem], sizes: dict[str, SizeDistribution]) -> dict[str, Any]:
            summary = summarise(items, before["failures"], sizes, recipe, output, audits=audits)
            verdicts = [each for each in summary["cautions"] if each.startswith(NOT_USABLE)]
            summary |= {name: before[name] for name in ("complete", "missing", "skipped", "cautions", "model") if name in before}
            # An audit may mend what was not usable.
            summary["cautions"] = [*verdicts, *(each for each in summary["cautions"] if not each.startswith(NOT_USABLE))]
            return summary

        sizes = sizes_of(items)
        summary = summary_of(items, sizes)
        told = told_run(ToldRun(items, sizes, summary), sizes_of, summary_of)
        files: dict[str, Callable[[Path], object]] = {
            **figure_files(told.sizes),
            "report.html": partial(write_report, **told._asdict()),
            "summary.json": partial(write_summary, summary=summary),
        }
        for name, write in files.items():
            write(output / name)
    return summary, told


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemsegError(f"{path}: cannot be read ({error}); name what audit.html saved.") from error
    if not isinstance(values, dict):
        raise TemsegError(f"{path}: is not what audit.html saves; save the answers again.")
    return values
