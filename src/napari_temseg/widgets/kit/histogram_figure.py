"""The histogram as the window shows it, as a figure for print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_temseg.engine.measure.fits import FittedCurve
from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.engine.measure.plots import beside, mark_median, plain_logarithms
from napari_temseg.engine.types.wording import (
    curve_words,
    ends_words,
    few_words,
    height_words,
    least_words,
    moved_words,
    shown_median,
    withheld_words,
)
from napari_temseg.widgets.canvas.colours import OF_SAMPLES, SKY, VERMILION

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SeenPart:
    """What is drawn of one of two populations: a bool a value in `mask` (n,), the `summary` of its column, its `colour` and
    the `curve` over its bars."""

    title: str
    mask: Mask
    summary: Mapping[str, Any]
    colour: str
    curve: FittedCurve | None = None


def draw_seen(
    values: Floats,
    weights: Floats,
    label: str,
    n_images: int,
    curve: FittedCurve | None = None,
    summary: Mapping[str, Any] | None = None,
    *,
    by_volume: bool = False,
    logarithmic: bool = False,
    n_bins: int | None = None,
    samples: Sequence[tuple[str, Mask]] = (),
    populations: Sequence[SeenPart] = (),
) -> Figure:
    """A column by number or volume, on either axis; `populations` beside one another, or `samples` (name, bool a value) laid over one
    another, each in shares and bins of its own: the bars, colours and words of the window.

    `values` (n,) with their `weights` (n,); `label` names the axis with its unit; `curve` is drawn over the bars,
    `summary` is that of the column.
    """
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    log = logarithmic and bool((values > 0).all())

    def edges_of(some: Floats) -> Floats:
        return 10 ** bins(np.log10(some), n_bins) if log else bins(some, n_bins)

    edges = edges_of(values)
    axes.set_xlabel(label)
    if log:
        plain_logarithms(axes, wide=edges[-1] > 20 * edges[0])
    weighted = bool(np.any(np.abs(weights - 1) > 1e-9))
    axes.set_ylabel(height_words(by_volume=by_volume, populations=bool(populations), samples=bool(samples), weighted=weighted))
    axes.set_title(f"N = {len(values)} particle{'' if len(values) == 1 else 's'}, {n_images} image{'' if n_images == 1 else 's'}")
    for number, (name, mask) in enumerate(samples):
        how: dict[str, Any] = {"color": OF_SAMPLES[number % len(OF_SAMPLES)], "linewidth": 1.5, "label": f"{name} ({int(mask.sum())})"}
        if mask.any():
            own = edges_of(values[mask])
            axes.stairs(_shares(values, weights, mask, own), own, **how)
        else:
            axes.plot([], [], **how)
    there = [] if samples else [each for each in populations if each.mask.any()]
    for each in there:
        own = edges_of(values[each.mask])
        label_of = f"{each.title}: {int(each.mask.sum())} particle{'' if each.mask.sum() == 1 else 's'}"
        heights = _shares(values, weights, each.mask, own)
        axes.stairs(heights, own, fill=True, color=each.colour, edgecolor="white", label=label_of)
        if each.curve is not None:
            of_part = 100 * weights[each.mask] / max(float(weights[each.mask].sum()), 1e-12)
            _fitted(each.curve, (values[each.mask], of_part), own, axes, by_volume=by_volume)
    for each in there:
        _middle(each.summary, axes, by_volume=by_volume, colour=each.colour)
    if not samples and not there:
        heights = 100 * weights / weights.sum() if by_volume else weights
        axes.hist(values, edges.tolist(), weights=heights, color=SKY, edgecolor="white")
        if curve is not None:
            _fitted(curve, (values, heights), edges, axes, by_volume=by_volume)
        if not by_volume:
            axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
        _middle(summary or {}, axes, by_volume=by_volume)
    beside(axes, own=True)
    return figure


def _shares(values: Floats, weights: Floats, mask: Mask, edges: Floats) -> Floats:
    total = max(float(weights[mask].sum()), 1e-12)
    return np.asarray(100 * np.histogram(values[mask], edges, weights=weights[mask])[0] / total)


def _middle(summary: Mapping[str, Any], axes: Axes, *, by_volume: bool, colour: str = VERMILION) -> None:
    """The median, and by number what is left open of it; of a few particles there is none."""
    if few_words(summary):
        axes.plot([], [], linestyle="none", label=few_words(summary))
        return
    value, interval, name = (summary.get("dv50"), None, "") if by_volume else shown_median(summary)
    if value is None:
        return
    axes.axvline(value, color=colour, linestyle="--", linewidth=1)
    told = None
    if interval:
        half = (interval[1] - interval[0]) / 2
        told = (interval, f"{name}: {ends_words(interval, half)} {summary.get('unit') or ''}".rstrip())
    mark_median(value, told, summary.get("unit") or "", axes, colour=colour)
    withheld = withheld_words(summary) and "this D50 is found, and not to be stated as it is"
    for aside in filter(None, (moved_words(summary), least_words(summary), withheld) if told else ()):
        axes.plot([], [], linestyle="none", label=aside[0].upper() + aside[1:] + ".")


def _fitted(curve: FittedCurve, bars: tuple[Floats, Floats], edges: Floats, axes: Axes, *, by_volume: bool) -> None:
    """A curve over `bars` of sizes and what each counts for."""
    values, heights = bars
    above = float(heights[values >= curve.lowest].sum())
    line = curve.over(edges, above, logarithmic=axes.get_xscale() == "log", by_volume=by_volume)
    axes.plot(*line, color="#000000", label=curve_words(curve.name, curve.fit))
