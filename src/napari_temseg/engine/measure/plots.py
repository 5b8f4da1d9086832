"""The picture of a size distribution; matplotlib is loaded only here, and never through pyplot, which would pick a window system."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from napari_temseg.engine.measure.fits import FittedCurve
from napari_temseg.engine.measure.histogram_bins import bins, spread_far
from napari_temseg.engine.measure.weighted import quantile
from napari_temseg.engine.types.wording import COUNTING_ALONE, NOT_IN_IT, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
# Okabe–Ito, told apart by the colour-blind.
_BARS, _CURVE, _MEDIAN, _CUMULATIVE = "#56B4E9", "#000000", "#D55E00", "#009E73"
_MISSED = "#DDDDDD"
_MANY = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_ROOM = 0.35  # of the axis of the particles that an interval may add on either side
_LONG = 40  # letters of a label beside which there is no room for another
_WIDEST = 64  # letters of a line of the legend
_LOW = 0.2  # of the height of a figure, the legend that it has room for
_NAMES = {"ecd": "Equivalent circular diameter"}


def draw(
    values: Floats,
    weights: Floats,
    column: str,
    unit: str,
    n_images: int,
    curve: FittedCurve | None = None,
    d50: float | None = None,
    interval: tuple[Sequence[float], str] | None = None,
    ax: Axes | None = None,
    limit: float | None = None,
    corrected: Mapping[str, Any] | None = None,
) -> Figure:
    """Histogram in % of the particles a bin, the curve of a fit, D50 with an `interval` and its name; on `ax` or a figure of its own.

    `values` (n,) in `unit`, ascending, with their `weights` (n,); below `limit` not all particles are found. `corrected` is the D50 of an
    audit (`SizeDistribution.corrected`), which takes the place of the one found, then shown without its interval.
    """
    axes, below = _panels() if ax is None else (ax, None)
    label = _NAMES.get(column, column.replace("_", " ").capitalize())
    (below or axes).set_xlabel(f"{label} ({unit})")
    axes.set_ylabel("Share of particles (% per bin)")
    plural = "" if n_images == 1 else "s"
    axes.set_title(f"N = {len(values)} particle{'' if len(values) == 1 else 's'}, {n_images} image{plural}")
    if len(values):
        wide = spread_far(values)
        edges = 10 ** bins(np.log10(values)) if wide else bins(values)
        if wide:
            plain_logarithms(axes, wide=edges[-1] > 20 * edges[0])
        axes.hist(values, edges.tolist(), weights=100 * weights / weights.sum(), color=_BARS, edgecolor="white")
        if curve is not None:
            _curve(curve, values, weights, edges, axes)
        if d50 is not None and corrected is not None:
            mark_median(corrected["d50"], (corrected["interval"], f"audited; {corrected['about']}, 95 %"), unit, axes, d50)
        elif d50 is not None:
            mark_median(d50, interval, unit, axes)
        if limit is not None:
            _limit(limit, unit, [axes] if below is None else [axes, below])
        _cumulative(values, weights, axes.twinx() if below is None else below)
        beside(axes, own=ax is None)
    return cast(Figure, axes.get_figure(root=True))


def _panels() -> tuple[Axes, Axes]:
    """Histogram above, cumulative curve below, over the same sizes: neither hides the other."""
    upper, lower = Figure(figsize=(5, 4.4), layout="constrained").subplots(2, 1, sharex=True, height_ratios=(3, 1.5))
    return upper, lower


def beside(axes: Axes, *, own: bool) -> None:
    """The legend, where it hides no bar: below the axes of a figure of our `own`, in lines that fit its width; where it is long, the figure
    grows by it."""
    figure = axes.get_figure(root=True)
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    if not own or not isinstance(figure, Figure):
        axes.legend(frameon=False)
        return
    wide = max(map(len, names)) > _LONG
    for columns, letters in ((1 if wide else 2, _WIDEST), (1, _WIDEST), (1, _LONG), (1, _LONG // 2)):
        told = ["\n".join(part for line in name.splitlines() for part in textwrap.wrap(line, letters)) for name in names]
        legend = figure.legend(handles, told, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
        room = legend.get_window_extent()
        if room.width <= figure.bbox.width:
            break
        legend.remove()
    else:
        figure.add_artist(legend)  # of letters wider than any
    figure.set_figheight(figure.get_figheight() + max(0.0, room.height / figure.dpi - _LOW * figure.get_figheight()))


def svg(figure: Figure) -> bytes:
    """A figure as an SVG document without date, its ids from its content: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "temseg"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """A figure as a PDF document without date, its letters as letters: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


class Drawing:
    """A figure as documents: drawn when the first is asked for, and laid out once, by the letters of SVG, so that all show the same."""

    def __init__(self, draw: Callable[[], Figure]) -> None:
        self._draw = draw

    @cached_property
    def _laid_out(self) -> tuple[Figure, bytes]:
        figure = self._draw()
        document = svg(figure)
        figure.set_layout_engine("none")  # axes stay where they are
        return figure, document

    @property
    def svg(self) -> bytes:
        """The SVG document."""
        return self._laid_out[1]

    @cached_property
    def pdf(self) -> bytes:
        """The PDF document."""
        return pdf(self._laid_out[0])


def draw_samples(samples: Mapping[str, tuple[Floats, Floats]], unit: str) -> Figure:
    """Cumulative curves of several samples (ascending sizes and weights) over one another, D50 of each as a mark on the middle line."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(f"Equivalent circular diameter ({unit})")
    axes.set_ylabel("Cumulative share (%)")
    axes.axhline(50, color="#999999", linewidth=0.6)
    for index, (name, (values, weights)) in enumerate(samples.items()):
        if not len(values):
            continue
        colour, style = _MANY[index % len(_MANY)], ("-", "--", ":", "-.")[index // len(_MANY) % 4]
        share = 100 * np.cumsum(weights) / weights.sum()
        axes.step(values, share, where="post", color=colour, linestyle=style, linewidth=1.2, label=f"{name}, N = {len(values)}")
        axes.plot([quantile(values, weights, 0.5)], [50], "o", color=colour, markersize=4)
    axes.set_ylim(0, 102)
    beside(axes, own=True)
    return figure


def _curve(curve: FittedCurve, values: Floats, weights: Floats, edges: Floats, axes: Axes) -> None:
    above = float(100 * weights[values >= curve.lowest].sum() / weights.sum())
    axes.plot(*curve.over(edges, above, logarithmic=axes.get_xscale() == "log"), color=_CURVE, label=curve.name)


def plain_logarithms(axes: Axes, *, wide: bool) -> None:
    """A logarithmic axis with round numbers as they are read in the window: no powers of ten, none over another."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 7), numticks=99))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _limit(limit: float, unit: str, panels: Sequence[Axes]) -> None:
    """A grey ground below the detection limit, in sight or at the left end."""
    low, high = panels[0].get_xlim()
    end = min(limit, high)
    name = f"not all are found below {rounded(limit, limit)} {unit}" if np.isfinite(limit) else "not all are found"
    if end <= low:
        panels[0].plot([], [], color=_MISSED, linewidth=6, label=f"{name} (left of the axis)")
        return
    for index, axes in enumerate(panels):
        axes.axvspan(low, end, color=_MISSED, linewidth=0, zorder=0, label="" if index else name)
    panels[0].set_xlim(low, high)


def _cumulative(values: Floats, weights: Floats, axes: Axes) -> None:
    """The cumulative share."""
    share = 100 * np.cumsum(weights) / weights.sum()
    axes.step(values, share, where="post", color=_CUMULATIVE, linewidth=1.2)
    axes.set_ylim(0, 102)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("Cumulative (%)")


def draw_quantiles(values: Floats, weights: Floats, unit: str, curve: FittedCurve | None, ax: Axes | None = None) -> Figure:
    """Sizes over the quantiles of a fit, with the line on which they lie where it holds; empty without a `curve`."""
    axes = Figure(figsize=(3.5, 3.5), layout="constrained").subplots() if ax is None else ax
    axes.set_ylabel(f"Size ({unit})")
    if curve is None:
        axes.set_title("no fit")
        return cast(Figure, axes.get_figure(root=True))
    axes.set_xlabel(f"Quantile of the {curve.name} fit ({unit})")
    shares = (np.cumsum(weights) - weights / 2) / weights.sum()
    axes.plot(curve.quantiles(shares), values, ".", color=_BARS, markersize=3)
    ends = [values[0], values[-1]]
    axes.plot(ends, ends, color=_CURVE, linewidth=1)
    return cast(Figure, axes.get_figure(root=True))


def mark_median(
    d50: float,
    interval: tuple[Sequence[float], str] | None,
    unit: str,
    axes: Axes,
    found: float | None = None,
    colour: str = _MEDIAN,
) -> None:
    """D50 and its interval (ends, name) as a mark above the bars, and the one `found` where an audit corrects it; where it leaves the
    axes, an arrow says so."""
    ends, top = axes.get_xlim(), axes.get_ylim()[1]
    half = None if interval is None else (interval[0][1] - interval[0][0]) / 2
    name = f"D50 = {rounded(d50, half)} {unit}".rstrip()
    if interval is not None:
        name += f" ({interval[1]}{f'; {NOT_IN_IT}' if interval[1].startswith(COUNTING_ALONE) else ''})"
    look: dict[str, Any] = {"color": colour, "markersize": 4, "linestyle": "none"}
    if interval is None:
        axes.plot([d50], [1.08 * top], "o", label=name, **look)
    elif interval[0][0] <= d50 <= interval[0][1]:
        either = [[d50 - interval[0][0]], [interval[0][1] - d50]]
        axes.errorbar([d50], [1.08 * top], xerr=either, marker="o", capsize=3, label=name, **look)
    else:  # a known bias moves it off what was found
        axes.plot([d50], [1.08 * top], "o", **look)
        axes.errorbar([sum(interval[0]) / 2], [1.08 * top], xerr=half, capsize=3, label=name, **look)
    if found is not None:
        told = f"as found = {rounded(found, half)} {unit}"
        axes.plot([found], [1.08 * top], "o", color=colour, markerfacecolor="none", markersize=6, linestyle="none", label=told)
    axes.set_ylim(0, 1.16 * top)
    if interval is not None:
        axes.set_xlim(ends)
        _make_room(interval[0], 1.08 * top, axes, colour)


def _make_room(interval: Sequence[float], y: float, axes: Axes, colour: str) -> None:
    """Axes that hold an interval, unless that would squeeze the particles: then an arrow where it leaves them."""
    there, back = (np.log10, lambda x: 10**x) if axes.get_xscale() == "log" else (np.asarray, float)
    low, high = (float(there(end)) for end in axes.get_xlim())
    first, last = (float(there(end)) for end in interval)
    room, margin = _ROOM * (high - low), 0.03 * (high - low)
    seen = max(low - room, min(low, first - margin)), min(high + room, max(high, last + margin))
    for beyond, at, arrow in ((first < seen[0], seen[0], "<"), (last > seen[1], seen[1], ">")):
        if beyond:
            axes.plot([back(at)], [y], arrow, color=colour, markersize=6, clip_on=False)
    axes.set_xlim(back(seen[0]), back(seen[1]))
