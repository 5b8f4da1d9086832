"""Loss, accuracy and IoU over the steps of a training, for training and validation."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.engine.types.wording import shortened
from napari_temseg.widgets.canvas.colours import ORANGE, SKY
from napari_temseg.widgets.improve.curve_advice import best_of, judged_by_one
from napari_temseg.widgets.kit.brief import spare_lines
from napari_temseg.widgets.kit.forms import folded
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.kit.style import hint
from napari_temseg.widgets.session.session import Session

CURVES = ("iou", "loss", "accuracy")  # the first is always seen, the others lie in a fold
CURVE_TITLES = {"loss": "loss", "accuracy": "accuracy", "iou": "IoU"}
PARTS = {"train": SKY, "validation": ORANGE}
CURVE_HEIGHT, STEP_AXIS, AXIS = 76, 18, 46  # px of a plot without its axis of steps, of that, and of the axis of values
HIGHER, MOST_HIGHER = 8, 80  # px more of the first plot for each line that a higher window has room for, and at most
FEW_KEPT_BACK = "&nbsp;(1&nbsp;region:&nbsp;tells&nbsp;nothing)"  # beside the name of that curve
FAINT = 0.35  # opacity of a curve that tells nothing
FOLDED_CURVES = "loss, accuracy"
OF_MOST = 12  # letters of the names of images beside the legend, which has one line


BEYOND_SHARES = 0.02  # beyond 0 and 1, so that a point there is seen whole


class ShareAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of shares: nothing is written below 0 or above 1."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> Any:  # noqa: N802  pyqtgraph's names
        """Round numbers from 0 to 1."""
        found = super().tickValues(minVal, maxVal, size)
        return [(spacing, [value for value in values if -1e-6 <= value <= 1 + 1e-6]) for spacing, values in found]


class Curve(Plot):
    """One figure over the steps; `show_points` draws what changed."""

    def __init__(self, session: Session, figure: str, *, last: bool) -> None:
        self.figure = figure
        self.lines: dict[str, pg.PlotDataItem] = {}
        self.best = pg.ScatterPlotItem(symbol="d", size=10)
        self.untouched = pg.InfiniteLine(angle=0)
        super().__init__(session)
        if figure != "loss":
            self.getPlotItem().setAxisItems({"left": ShareAxis("left")})
            self.retheme()
        for part, colour in PARTS.items():
            self.lines[part] = self.plot(
                pen=pg.mkPen(colour, width=2), connect="finite", symbol="o", symbolSize=4, symbolBrush=colour, symbolPen=None
            )
        self.addItem(self.untouched, ignoreBounds=True)
        self.addItem(self.best)
        self.untouched.hide()
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
            self.getAxis(side).setStyle(hideOverlappingLabels=True)  # else half of a number shows at the end of an axis
        self.getAxis("left").setWidth(AXIS)
        self.setFixedHeight(CURVE_HEIGHT + (STEP_AXIS if last else 0))
        self.setMouseEnabled(False, False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        # Else a flat curve would be drawn as a wild one.
        self.setLimits(minXRange=10, minYRange=0.02 if figure == "loss" else 0.1, xMin=-0.5)
        self.setLimits(yMin=-BEYOND_SHARES if figure != "loss" else 0.0, yMax=1 + BEYOND_SHARES if figure != "loss" else None)
        self.last = last
        self.redraw()

    def redraw(self) -> None:
        """Colours of the theme."""
        if not self.lines:
            return
        self.label("left", CURVE_TITLES[self.figure])
        axis = self.getAxis("bottom")
        axis.setStyle(showValues=self.last)
        text = self.colours["text"]
        self.best.setBrush(pg.mkBrush(text))
        self.best.setPen(pg.mkPen(self.colours["background"]))
        self.untouched.setPen(pg.mkPen(text, width=1, style=Qt.PenStyle.DashLine))

    def show_points(self, points: Sequence[Mapping[str, float]], fresh: bool, *, tells: bool = True) -> None:
        """Draw the curves; the best point is marked, and with it the level of the untouched model. Where validation does not tell
        anything, it is faint."""
        self.lines["validation"].setOpacity(1.0 if tells else FAINT)
        steps = np.asarray([point["step"] for point in points], float)
        for part, line in self.lines.items():
            values = np.asarray([point.get(f"{part}_{self.figure}", math.nan) for point in points], float)
            known = np.isfinite(values)
            line.setData(steps[known], values[known])
        key = f"validation_{self.figure}"
        judged = [point for point in points if math.isfinite(point.get("validation_iou", math.nan))]
        best = best_of(judged, fresh)
        self.best.setData([best["step"]] if best else [], [best[key]] if best else [])
        start = judged[0] if judged and judged[0]["step"] == 0 and not fresh else None
        self.untouched.setVisible(start is not None and self.figure == "iou")
        if start is not None:
            self.untouched.setValue(start[key])

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802  Qt's name
        """The wheel scrolls the dock."""
        event.ignore()


class CurvePlots(QWidget):
    """IoU over the steps, with a legend of all curves; hidden while there is nothing to show. `fold` has the others, for another place."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.legend = hint()
        self.legend.setToolTip(
            "Over the steps of the training.\n"
            "Loss falls as the model learns; accuracy is the share of labelled pixels that are right; IoU compares the particles' area "
            "found with the area labelled. Validation is by labels that are kept back, which the model is not shown: trust it more, "
            "unless only one region of a class is kept back, which the caption says: it is faint then, and the outlines tell more. "
            "◆ is the model that is kept, while training runs the best so far, the broken line the one that training started from."
        )
        self._plots: list[Curve] = []
        self.fold = folded(FOLDED_CURVES, "The other two curves of this training.")
        self.fold.setParent(self)
        self.fold.hide()
        self._room = layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.legend)
        if session.settings.get("curves", False):
            self.fold.expand(animate=False)
        else:
            self.fold.collapse(animate=False)
        self.fold.toggled.connect(partial(session.settings.set, "curves"))
        self.hide()

    @property
    def plots(self) -> list[Curve]:
        """One for each of `CURVES`."""
        self._make()
        return self._plots

    def _make(self) -> None:
        """When they are first needed: most windows train nothing."""
        if self._plots:
            return
        self._plots = [Curve(self.session, figure, last=figure in (CURVES[0], CURVES[-1])) for figure in CURVES]
        first, *others = self._plots
        self._room.addWidget(first)
        for plot in others:
            self.fold.addWidget(plot)
            plot.setXLink(first)
        for plot in self._plots:
            plot.setToolTip(self.legend.toolTip())
        (self.fold.expand if self.fold.isExpanded() else self.fold.collapse)(animate=False)
        self._fit()

    def _fit(self) -> None:
        self._plots[0].setFixedHeight(CURVE_HEIGHT + STEP_AXIS + min(HIGHER * spare_lines(self), MOST_HIGHER))

    def setVisible(self, visible: bool) -> None:  # noqa: N802  Qt's name
        """What is shown has its place from the first moment on."""
        if visible:
            self._make()
        super().setVisible(visible)

    def show_points(
        self,
        points: Sequence[Mapping[str, float]],
        fresh: bool = False,
        facts: Mapping[str, float] | None = None,
        *,
        of: str = "",
        running: bool = False,
    ) -> None:
        """Draw the curves of a training so far, which may be `running`; `facts` of its labels tell whether there is enough to judge by,
        `of` names the images that it learns from where the one in hand is not among them."""
        self.setVisible(bool(points))
        judged, few = any("validation_iou" in point for point in points), bool(judged_by_one(facts or {}))
        marks = [f'<span style="color:{SKY}">━</span>&nbsp;training']
        if judged:
            marks += [f'<span style="color:{ORANGE}">━</span>&nbsp;validation{FEW_KEPT_BACK if few else ""}']
            # There is one line, and what the curve is worth comes before what the tooltip tells too.
            mark = f"◆&nbsp;{'so&nbsp;far' if running else 'kept'}"
            marks += [] if few else [mark] if fresh else [mark, "┄&nbsp;start"]
        if of:  # what the marks are, the tooltip tells
            marks = [*marks[:2], f"<b>of&nbsp;{html.escape(shortened(of, OF_MOST))}</b>"]
        self.legend.setText("&ensp; ".join(marks))
        if self._plots:
            self._fit()
        for plot in self._plots:
            plot.show_points(points, fresh, tells=not few)
        for plot in self._plots:  # else the ranges change while they are drawn, and all of it is drawn once more
            plot.getPlotItem().getViewBox().updateAutoRange()
