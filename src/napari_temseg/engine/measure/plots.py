"""The picture of a size distribution; matplotlib is loaded only here, and never through pyplot, which would pick a window system."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy import stats

from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.engine.types.wording import four

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_temseg.engine.measure.distribution import SizeDistribution

# Okabe–Ito, told apart by the colour-blind.
_BARS, _CURVE, _MEDIAN = "#56B4E9", "#000000", "#D55E00"
_NAMES = {"ecd": "Equivalent circular diameter"}


def draw(sizes: SizeDistribution, ax: Axes | None = None) -> Figure:
    """Histogram in % of the particles a bin, lognormal curve, D50 with its 95 % interval."""
    axes = Figure(figsize=(5, 3.5), layout="constrained").subplots() if ax is None else ax
    label = _NAMES.get(sizes.column, sizes.column.replace("_", " ").capitalize())
    axes.set_xlabel(f"{label} ({sizes.unit})")
    axes.set_ylabel("Share of particles (% per bin)")
    plural = "" if sizes.n_images == 1 else "s"
    axes.set_title(f"N = {len(sizes)} particle{'' if len(sizes) == 1 else 's'}, {sizes.n_images} image{plural}")
    if len(sizes):
        edges = bins(sizes.values)
        axes.hist(sizes.values, edges.tolist(), weights=100 * sizes.weights / sizes.weights.sum(), color=_BARS, edgecolor="white")
        _curve(sizes, edges, axes)
        _median(sizes, axes)
        axes.legend(frameon=False)
    return cast(Figure, axes.get_figure(root=True))


def _curve(sizes: SizeDistribution, edges: npt.NDArray[np.float64], axes: Axes) -> None:
    fit = sizes.fits.get("lognormal")
    if fit is None:
        return
    x = np.linspace(edges[0], edges[-1], 300)
    share = 100 * (edges[1] - edges[0]) * stats.lognorm.pdf(x, np.log(fit["gsd"]), scale=fit["median"])
    axes.plot(x, share, color=_CURVE, label=f"lognormal, GSD {four(fit['gsd'])}")


def _median(sizes: SizeDistribution, axes: Axes) -> None:
    figures = sizes.summary()
    axes.axvline(figures["d50"], color=_MEDIAN, linestyle="--", label=f"D50 = {four(figures['d50'])} {sizes.unit}")
    if figures["d50_interval"]:
        seen = axes.get_xlim()  # an interval wider than the particles must not squeeze them
        axes.axvspan(*figures["d50_interval"], color=_MEDIAN, alpha=0.2, linewidth=0, label="95 % interval")
        axes.set_xlim(seen)
