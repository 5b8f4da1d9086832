"""The histogram as the window shows it, as a figure for print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from scipy import stats

from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.engine.measure.plots import beside, mark_median
from napari_temseg.engine.types.wording import ends_words, four, moved_words, shown_median

Floats = npt.NDArray[np.float64]
_SAMPLES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def draw_seen(
    values: Floats,
    weights: Floats,
    label: str,
    n_images: int,
    fit: Mapping[str, float] | None = None,
    summary: Mapping[str, Any] | None = None,
    *,
    by_volume: bool = False,
    logarithmic: bool = False,
    n_bins: int | None = None,
    samples: Sequence[tuple[str, npt.NDArray[np.bool_]]] = (),
) -> Figure:
    """A column by number or volume, on either axis, or `samples` (name, bool a value) laid over one another in shares of their own.

    `values` (n,) with their `weights` (n,); `label` names the axis with its unit; `fit` is the lognormal one, `summary` that of the column.
    """
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    log = logarithmic and bool((values > 0).all())
    edges = 10 ** bins(np.log10(values), n_bins) if log else bins(values, n_bins)
    axes.set_xlabel(label)
    if log:
        _plain_logarithms(axes, wide=edges[-1] > 20 * edges[0])
    axes.set_ylabel("Volume (% per bin)" if by_volume else "Share of particles (% per bin)")
    axes.set_title(f"N = {len(values)} particle{'' if len(values) == 1 else 's'}, {n_images} image{'' if n_images == 1 else 's'}")
    for number, (name, mask) in enumerate(samples):
        height = 100 * np.histogram(values[mask], edges, weights=weights[mask])[0] / max(float(weights[mask].sum()), 1e-12)
        axes.stairs(height, edges, color=_SAMPLES[number % len(_SAMPLES)], linewidth=1.5, label=f"{name} ({int(mask.sum())})")
    if not samples:
        axes.hist(values, edges.tolist(), weights=100 * weights / weights.sum(), color="#56B4E9", edgecolor="white")
        if fit is not None and fit["gsd"] > 1:
            _lognormal(fit, edges, axes, by_volume=by_volume)
        _middle(summary or {}, axes, by_volume=by_volume)
    beside(axes, own=True)
    return figure


def _plain_logarithms(axes: Axes, *, wide: bool) -> None:
    """A logarithmic axis with round numbers as they are read in the window: no powers of ten, none over another."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 7), numticks=99))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _middle(summary: Mapping[str, Any], axes: Axes, *, by_volume: bool) -> None:
    """The median, and by number what is left open of it."""
    value, interval, name = (summary.get("dv50"), None, "") if by_volume else shown_median(summary)
    if value is None:
        return
    axes.axvline(value, color="#D55E00", linestyle="--", linewidth=1)
    told = None
    if interval:
        half = (interval[1] - interval[0]) / 2
        told = (interval, "\n".join(filter(None, (f"{name}: {ends_words(interval, half)}", moved_words(summary)))))
    mark_median(value, told, summary.get("unit") or "", axes)


def _lognormal(fit: Mapping[str, float], edges: Floats, axes: Axes, *, by_volume: bool) -> None:
    """The fit in % a bin; weighted by volume it is a lognormal too (Hatch and Choate 1929)."""
    sigma = np.log(fit["gsd"])
    middle = fit["median"] * np.exp(3 * sigma**2 if by_volume else 0.0)
    even = axes.get_xscale() == "linear"
    x = np.linspace(edges[0], edges[-1], 300) if even else np.geomspace(edges[0], edges[-1], 300)
    width = edges[1] - edges[0] if even else np.log(edges[1] / edges[0]) * x
    axes.plot(x, 100 * width * stats.lognorm.pdf(x, sigma, scale=middle), color="#000000", label=f"lognormal fit, GSD {four(fit['gsd'])}")
