"""The histogram of a column, with fit and median; a range dragged on it selects particles."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_temseg.engine.measure.fits import FittedCurve, ShownFit
from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.engine.types.wording import (
    curve_words,
    d50_words,
    few_words,
    four,
    height_words,
    least_words,
    moved_words,
    percent,
    shown_median,
    withheld_words,
)
from napari_temseg.widgets.canvas.colours import BLUE, OF_POPULATION, OF_SAMPLES, ORANGE, SKY, VERMILION
from napari_temseg.widgets.kit.axes import CountAxis, SizeAxis
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.particles.pooling import PooledDistribution, PopulationFigures
from napari_temseg.widgets.session.session import Session

Mask = npt.NDArray[np.bool_]
BEYOND = 0.35  # of the axis of the particles that an interval may add on either side
TOP, ABOVE, INTERVAL_STEP = (
    1.05,
    1.07,
    0.07,
)  # × the highest bar: where the axis ends, and where intervals are drawn above the bars, one above another
WIDE = 10  # × from the smallest to the largest size from which on samples are laid over one another on a logarithmic axis


def is_wide(values: Any) -> bool:
    """Whether sizes (n,) spread so far that the smaller ones would be a line at the left of a linear axis."""
    return len(values) > 0 and 0 < WIDE * float(np.min(values)) < float(np.max(values))


def is_weighted(weights: Any) -> bool:
    """Whether some particles count for more or less than one."""
    return bool(np.any(np.abs(np.asarray(weights) - 1) > 1e-9))


class Histogram(Plot):
    """Bars of `distribution`; `ranged` carries lower and upper limit of a range dragged with the mouse, or None when it is taken away."""

    ranged = Signal(object)
    # Plot draws before a subclass can set anything.
    distribution = PooledDistribution()
    selected: Any = None
    by_volume = False
    logarithmic = False
    sizes: SizeAxis | None = None
    counts: CountAxis | None = None
    _range: Any = None
    _drawn: Any = None  # places, weights and edges of the bars: of each population, where there are two
    _marked: Any = ()
    _intervals: Any = ()  # ends of the interval of each D50 that is drawn, on the axis as it is
    n_bins: int | None = None  # by hand; None: by rule
    samples: Any = ()  # name and mask of each that is drawn for itself, none for all together

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.sizes, self.counts = SizeAxis("bottom"), CountAxis("left")
        self.setAxisItems({"bottom": self.sizes, "left": self.counts})
        self.retheme()
        self.setToolTip(
            "Particles, or their share of the volume, in each bin. The curve is that of the report: the normal, lognormal or Weibull "
            "distribution, or the two lognormals, that fits them best, where one does; the broken line is the median D50, and the bar with "
            "two ends above the bins its 95 % interval, as the legend tells it; an arrow in place of an end says that it goes "
            "on beyond the plot.\n"
            "Drag over sizes to select their particles; a click takes the selection away. The wheel zooms.\n"
            "Particles at the edge of the picture are left out. That happens to large ones more often, so a large particle that is left "
            "counts for a little more than one and a small one for a little less (Miles–Lantuéjoul): bars need not be whole numbers."
        )
        box = self.getViewBox()
        box.setMouseEnabled(x=True, y=False)
        box.mouseDragEvent = self._dragged
        box.mouseClickEvent = self._clicked

    def show_distribution(self, distribution: PooledDistribution, selected: Mask | None = None) -> None:
        """Plot other values; those selected, a bool a value, are told by their bars."""
        if distribution.column != self.distribution.column or set(distribution.image) != set(self.distribution.image):
            self._range = None
        self.distribution, self.selected = distribution, selected
        self.redraw()
        self._fit_axis()

    def show_selected(self, selected: Mask | None) -> None:
        """Tell other particles by their bars."""
        self.selected = selected
        self._mark()

    def set_view(self, *, by_volume: bool, logarithmic: bool, n_bins: int | None = None) -> None:
        """By number or by volume; linear or logarithmic axis; a number of bins, or those of the rule."""
        if logarithmic != self.logarithmic:
            self._range = None  # it was dragged on the other axis
        self.by_volume, self.logarithmic, self.n_bins = by_volume, logarithmic, n_bins
        self.redraw()
        self._fit_axis()

    def set_samples(self, samples: Any) -> None:
        """Lay samples over one another, each a name and a bool a value; none draws all together."""
        self.samples = samples
        self.redraw()

    def _fit_axis(self) -> None:
        """From the first bar to the last and a little more, but sizes have no side below zero."""
        if self._drawn is None:
            return
        edges = np.concatenate([edges for _, _, edges in self._drawn])
        low, high = float(edges.min()), float(edges.max())
        margin = 0.04 * (high - low)
        floor = -np.inf if self.sizes is not None and self.sizes.logarithmic else 0.0 if low >= 0 else -np.inf
        self.getViewBox().setLimits(xMin=None if np.isinf(floor) else floor)
        first, last = self._seen(low, high)
        self.setXRange(max(first - margin, floor), last + margin, padding=0)

    def _seen(self, low: float, high: float) -> tuple[float, float]:
        """The ends of the bars, further out as far as intervals need it; one much wider than the particles must not squeeze them."""
        room = BEYOND * (high - low)
        ends = [end for interval in self._intervals for end in interval]
        return max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Show everything again."""
        self._fit_axis()
        event.accept()

    def redraw(self) -> None:
        """Draw everything anew."""
        self.clear()
        self._drawn, self._marked, self._intervals = None, [], []
        distribution = self.distribution
        log = self.logarithmic and len(distribution.values) > 0 and bool((distribution.values > 0).all())
        if self.sizes is not None:
            self.sizes.logarithmic = log
            self.sizes.picture = None  # drawn anew even where its range stays the same
        self.label("bottom", f"{distribution.title}{f' ({distribution.unit})' if distribution.unit else ''}")
        self._name_heights()
        if not len(distribution.values):
            return
        x = np.log10(distribution.values) if log else distribution.values
        weights = 100 * distribution.volumes / distribution.volumes.sum() if self.by_volume else distribution.weights
        edges = bins(x, self.n_bins)
        self._drawn = [(x, weights, edges)]
        if self.samples:
            self._overlay(x, distribution.volumes if self.by_volume else distribution.weights)
            return
        if distribution.populations:
            self._side_by_side(x, distribution.volumes if self.by_volume else distribution.weights, log)
            return
        height = self._bars(x, weights, edges, SKY).opts["height"]
        self._mark()
        highest = max(float(height.max()), self._curve(distribution.drawn(by_volume=self.by_volume), distribution.values, weights, edges))
        if not distribution.samples:  # of several together neither curve nor D50 is of any
            self._median(distribution.of_column, log, VERMILION, highest)
        self._fit_height(highest)
        if self._range is not None:
            self._region(*self._range)

    def _name_heights(self) -> None:
        populations, samples, weighted = bool(self.distribution.populations), bool(self.samples), is_weighted(self.distribution.weights)
        self.label("left", height_words(by_volume=self.by_volume, populations=populations, samples=samples, weighted=weighted, brief=True))
        if self.counts is not None:
            self.counts.whole = not (self.by_volume or populations or samples)

    def parts(self) -> list[tuple[str, Mask, dict[str, Any], str, FittedCurve | None]]:
        """Of two populations each that is drawn: what it is called, a bool a value, the summary of its column, its colour and its curve."""
        population = np.asarray(self.distribution.population)
        told = ((each, population == each.name) for each in self.distribution.populations)
        how = {"by_volume": self.by_volume}
        return [
            (each.title, own, each.of_column, OF_POPULATION.get(each.name, BLUE), self.distribution.drawn(each, **how).curve)
            for each, own in told
            if own.any()
        ]

    def view(self) -> dict[str, Any]:
        """How it is drawn, for the saved plot."""
        return {"by_volume": self.by_volume, "n_bins": self.n_bins, "logarithmic": self.logarithmic, "populations": self.parts()}

    def legend(self) -> str:
        """What is drawn, as rich text: it stands beside the plot, where it hides no bar."""
        distribution = self.distribution
        if not len(distribution.values):
            return ""
        if self.samples:
            return "<br>".join(
                f"<span style='color:{OF_SAMPLES[n % len(OF_SAMPLES)]}'>▬</span> {html.escape(name)} ({int(mask.sum())})"
                for n, (name, mask) in enumerate(self.samples)
            )
        if distribution.populations:
            return "<br>".join(self._of_population(each) for each in distribution.populations)
        if distribution.samples:
            return "several samples: tick <i>samples</i> to see each by itself; no D50 and no curve of all together is given"
        sign = "┆" if self.by_volume or shown_median(distribution.of_column)[1] is None else "├┆┤"
        few = few_words(distribution.of_column)  # then there is no line that a sign could explain
        parts = (
            [few] if few else [f"<span style='color:{VERMILION}'>{sign}</span> {d50}"] if (d50 := self._d50(distribution.of_column)) else []
        )
        parts += self._of_curve(distribution.drawn(by_volume=self.by_volume))
        if not self.by_volume and not few:
            mark = f"<span style='color:{VERMILION}'>├┤</span>"
            if moved_words(distribution.of_column):  # how large, its tooltip says
                parts.append(f"{mark} allows for the model's bias")
            if least := least_words(distribution.of_column):
                parts.append(f"{mark} {least}")
        return "<br>".join(parts)

    def _of_curve(self, shown: ShownFit) -> list[str]:
        """What the curve is, or why there is none."""
        if shown.curve is None:
            return [f"no curve: {shown.why}"] if shown.why else []
        return [f"<span style='color:{self.colours['text']}'>━</span> {curve_words(shown.curve.name, shown.curve.fit)}"]

    def _d50(self, summary: dict[str, Any]) -> str:
        """“D50 221 nm (these particles, 95 %: 171 to 265)”; by volume without an interval."""
        distribution = self.distribution
        if few := few_words(summary):
            return few
        if self.by_volume:
            value = summary.get("dv50")
            return "" if value is None else f"D50 {four(value)} {distribution.unit}"
        if summary.get("d50") is None:
            return ""
        withheld = "" if distribution.waiting or not distribution.column.startswith("ecd_") else withheld_words(summary)
        told = d50_words(summary, waiting=distribution.waiting and distribution.column.startswith("ecd_"))
        return f"D50 {withheld}: {told}" if withheld else f"D50 {told}"

    def _of_population(self, population: PopulationFigures) -> str:
        share = population.shares.get("volume" if self.by_volume else "number")
        told = (f"{population.summary['n']}", "" if share is None else f"{percent(share, 1)}", self._d50(population.of_column))
        curve = self._of_curve(self.distribution.drawn(population, by_volume=self.by_volume))
        colour = OF_POPULATION.get(population.name, BLUE)
        return f"<span style='color:{colour}'>■</span>&nbsp;{population.title}: {', '.join(filter(None, (*told, *curve)))}"

    def _side_by_side(self, x: Any, weights: Any, log: bool) -> None:
        """Bars of each population in shares of its own, with its own bins, as their sizes are far apart; and its median."""
        highest, self._drawn = 0.0, []
        parts = self.parts()
        for _, own, _, colour, curve in parts:
            total = float(weights[own].sum())
            shares = np.where(own, 100 * weights / total if total > 0 else 0.0, 0.0)
            edges = bins(x[own], self.n_bins)
            highest = max(highest, float(self._bars(x, shares, edges, colour).opts["height"].max()))
            self._drawn.append((x, shares, edges))
            highest = max(highest, self._curve(ShownFit(curve), self.distribution.values[own], shares[own], edges))
        self._mark()
        for _, _, of_column, colour, _ in parts:
            self._median(of_column, log, colour, highest)
        self._fit_height(highest)
        if self._range is not None:
            self._region(*self._range)

    def _overlay(self, x: Any, weights: Any) -> None:
        """Each sample as a line of steps, in shares of its own and with bins of its own, as their sizes may be far apart."""
        highest = 0.0
        for n, (_, mask) in enumerate(self.samples):
            total = weights[mask].sum()
            if not mask.any():
                continue
            edges = bins(x[mask], self.n_bins)
            height = 100 * np.histogram(x[mask], edges, weights=weights[mask])[0] / total if total > 0 else np.zeros(len(edges) - 1)
            steps = np.r_[edges[0], edges, edges[-1]], np.r_[0, height, 0]  # down to nothing at either end, as in the saved figure
            self.plot(*steps, stepMode="center", pen=pg.mkPen(OF_SAMPLES[n % len(OF_SAMPLES)], width=2))
            highest = max(highest, float(height.max(initial=0)))
        self._fit_height(highest)

    def _fit_height(self, highest: float) -> None:
        above = ABOVE + INTERVAL_STEP * len(self._intervals) if self._intervals else TOP
        self.setYRange(0, above * max(highest, 1e-9), padding=0)

    def _bars(self, x: Any, weights: Any, edges: Any, colour: str) -> Any:
        height = np.histogram(x, edges, weights=weights)[0]
        pen = pg.mkPen(self.colours["background"], width=1)
        item = pg.BarGraphItem(x0=edges[:-1], x1=edges[1:], height=height, brush=colour, pen=pen)
        self.addItem(item)
        return item

    def _mark(self) -> None:
        """The bars of the selected particles, in front of the others and behind the lines."""
        for marked in self._marked:
            self.removeItem(marked)
        self._marked = []
        if self._drawn is not None and self.selected is not None and self.selected.any() and not self.samples:
            for x, weights, edges in self._drawn:
                self._marked.append(self._bars(x[self.selected], weights[self.selected], edges, ORANGE))
                self._marked[-1].setZValue(1)

    def _curve(self, shown: ShownFit, values: Any, weights: Any, edges: Any) -> float:
        """The curve over bars of sizes and what each counts for, and how high it is."""
        if shown.curve is None:
            return 0.0
        log = self.sizes is not None and self.sizes.logarithmic
        above = float(weights[values >= shown.curve.lowest].sum())
        x, height = shown.curve.over(10**edges if log else edges, above, logarithmic=log, by_volume=self.by_volume)
        curve = self.plot(np.log10(x) if log else x, height, pen=pg.mkPen(self.colours["text"], width=2))
        curve.setZValue(2)
        return float(height.max())

    def _median(self, summary: dict[str, Any], log: bool, colour: str, highest: float) -> None:
        """D50 as a broken line, and above the `highest` bar its interval, which hides nothing however wide it is."""
        value, interval, _ = (summary.get("dv50"), None, "") if self.by_volume else shown_median(summary)
        if value is None or few_words(summary):
            return
        at = float(np.log10(value) if log else value)
        seen = self.colours["text"] if self.distribution.populations else colour  # bars of a population have its colour
        line = pg.InfiniteLine(at, pen=pg.mkPen(seen, width=2, style=Qt.PenStyle.DashLine))
        line.setZValue(3)
        self.addItem(line, ignoreBounds=True)
        if interval:
            low, high = np.log10(interval) if log else interval
            y = highest * (ABOVE + INTERVAL_STEP * len(self._intervals))
            self._intervals.append((float(low), float(high)))
            self._interval(y, colour, 0.05 * highest)

    def _interval(self, y: float, colour: str, cap: float) -> None:
        """A bar with caps from end to end; an arrow in place of a cap that lies beyond the plot."""
        low, high = self._intervals[-1]
        edges = np.concatenate([edges for _, _, edges in self._drawn])
        first, last = self._seen(float(edges.min()), float(edges.max()))
        pen = pg.mkPen(colour, width=2)
        self.plot([max(low, first), min(high, last)], [y, y], pen=pen)
        for end, seen, arrow in ((low, max(low, first), "t3"), (high, min(high, last), "t2")):
            if end == seen:
                self.plot([end, end], [y - cap / 2, y + cap / 2], pen=pen)
            else:
                self.plot([seen], [y], pen=None, symbol=arrow, symbolSize=10, symbolBrush=colour, symbolPen=None)

    def _region(self, low: float, high: float) -> None:
        shade = pg.mkColor(self.colours["text"])
        shade.setAlpha(40)
        region = pg.LinearRegionItem((low, high), brush=shade, pen=pg.mkPen(self.colours["text"]))
        region.sigRegionChangeFinished.connect(self._moved)
        self.addItem(region, ignoreBounds=True)

    # -- the mouse

    def _dragged(self, event: Any, axis: int | None = None) -> None:
        """Left button: a range; the others: as pyqtgraph has it."""
        if event.button() != Qt.MouseButton.LeftButton or axis is not None:
            pg.ViewBox.mouseDragEvent(self.getViewBox(), event, axis)
            return
        event.accept()
        box = self.getViewBox()
        ends = sorted(box.mapToView(point).x() for point in (event.buttonDownPos(), event.pos()))
        self._range = (ends[0], ends[1])
        if event.isFinish():
            self._tell()
        else:
            self.redraw()

    def _moved(self, region: Any) -> None:
        self._range = tuple(region.getRegion())
        self._tell()

    def _clicked(self, event: Any) -> None:
        event.accept()
        if self._range is not None:
            self._range = None
            self.redraw()
            self.ranged.emit(None)

    def _tell(self) -> None:
        low, high = self._range
        log = self.logarithmic and bool((self.distribution.values > 0).all())
        self.ranged.emit((10**low, 10**high) if log else (low, high))

    def forget_range(self) -> None:
        """Something else was selected: the range no longer says what is."""
        if self._range is not None:
            self._range = None
            self.redraw()
