"""A run as people read it: all lengths in the unit that suits them. What programs read (particles.csv, summary.json) stays in nm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_temseg.engine.measure.calibrated import in_shown_unit

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.pipeline.run_result import RunItem

Sizes = dict[str, "SizeDistribution"]


class ToldRun(NamedTuple):
    """Items, distributions and summary of a run in one unit; the distributions have the keys that those in nm have."""

    items: Sequence[RunItem]
    sizes: Sizes
    summary: dict[str, Any]


def told_run(
    run: ToldRun, sizes_of: Callable[[Sequence[RunItem]], Sizes], summary_of: Callable[[Sequence[RunItem], Sizes], dict[str, Any]]
) -> ToldRun:
    """A `run` in nm as people read it: itself where that is nm, else made anew by the two functions that made it."""
    before = [item.measurement for item in run.items]
    shown = in_shown_unit(before)
    if all(one is other for one, other in zip(before, shown, strict=True)):
        return run
    items = [replace(item, measurement=each) for item, each in zip(run.items, shown, strict=True)]
    sizes = {key if each.unit == "px" else key.replace(each.unit, "nm", 1): each for key, each in sizes_of(items).items()}
    return ToldRun(items, sizes, {**summary_of(items, sizes), "columns": run.summary["columns"]})
