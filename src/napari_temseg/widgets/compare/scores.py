"""What a comparison with a truth found: a table, bars, and the mistakes of the chosen row on its image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_temseg.pipeline.compare import SCORES
from napari_temseg.widgets.compare.evaluator import KINDS, Evaluator, bar_colour
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.kit.style import button, hint, row

if TYPE_CHECKING:
    from napari_temseg.pipeline.compare import Comparison, Line
    from napari_temseg.widgets.session.session import Session

NONE = "–"
SCORE_COLUMNS = {
    "iou": ("IoU", "Area that both have, over the area that either has: 1 is perfect"),
    "dice": ("Dice", "Twice the area that both have, over the sum of both areas"),
    "ap50": ("AP50", "Particles matched with IoU ≥ 0.5, over matched, missed and invented ones"),
    "ap75": ("AP75", "The same with IoU ≥ 0.75: outlines count more"),
    "pq": ("PQ", "Panoptic quality: how many particles match, times how well they do"),
    "count": ("found / true", "Number of particles found, and in the truth"),
    "mean_diameter_error": (
        "mean Ø error",
        "Error of the mean equivalent circular diameter, in % of the true one; in rows of means the median without its sign",
    ),
}
BARS_HEIGHT = 150  # px of the plot


class Bars(Plot):
    """A group of bars for each image, one for the means, a bar for each result."""

    comparison: Any = None  # Plot draws before a subclass can set anything
    figure = "iou"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.setFixedHeight(BARS_HEIGHT)
        self.setMouseEnabled(False, False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setLimits(yMin=0, yMax=1.02)
        self.setToolTip("The chosen figure of every image and, at the right, its mean; 1 is perfect.")

    def show_comparison(self, comparison: Comparison, figure: str) -> None:
        """Draw another figure, or another comparison."""
        self.comparison, self.figure = comparison, figure
        self.redraw()

    def redraw(self) -> None:
        """Bars in the colours of today."""
        self.clear()
        if self.comparison is None or not self.comparison.lines:
            return
        results, images = self.comparison.results, list(dict.fromkeys(line.image for line in self.comparison.lines))
        width = 0.8 / len(results)
        for number, result in enumerate(results):
            lines = {line.image: line for line in self.comparison.lines if line.result == result}
            groups = [lines.get(image) for image in images] + ([self.comparison.mean(result)] if len(images) > 1 else [])
            known = [(place, value) for place, line in enumerate(groups) if line and (value := line.values[self.figure]) is not None]
            x = [place - 0.4 + (number + 0.5) * width for place, _ in known]
            colour = pg.mkBrush(bar_colour(number))
            self.addItem(pg.BarGraphItem(x=x, height=[value for _, value in known], width=0.9 * width, brush=colour, pen=None))
        names = [*images, "mean"] if len(images) > 1 else images
        few = len(names) <= 8
        shown = [(place, _short(name, 90 // len(names))) for place, name in enumerate(names) if few or place == len(names) - 1]
        self.getAxis("bottom").setTicks([shown])
        self.label("left", SCORE_COLUMNS[self.figure][0])
        self.setYRange(0, 1.02, padding=0)
        self.setXRange(-0.5, len(names) - 0.5, padding=0.02)

    def wheelEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The bars stay."""
        event.ignore()


class Scores(QWidget):
    """Bars above, table below; a row that is selected shows its mistakes."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__()
        self.evaluator = evaluator
        self.figure = QComboBox()
        for name in SCORES:
            self.figure.addItem(SCORE_COLUMNS[name][0], name)
        self.figure.setAccessibleName("figure that the bars show")
        self.figure.setToolTip("\n".join(f"{SCORE_COLUMNS[name][0]}: {SCORE_COLUMNS[name][1]}." for name in SCORES))
        self.figure.activated.connect(self._draw)
        self.legend = hint()
        self.bars = Bars(evaluator.session)
        self.table = self._make_table()
        self.mistakes = QCheckBox("show mistakes")
        self.mistakes.setToolTip("Show on the image where the result of the selected row is wrong.")
        self.mistakes.setChecked(True)
        self.mistakes.toggled.connect(self._selected)
        self.kinds = hint("&ensp;".join(f'<span style="color:{colour}">■</span>&nbsp;{name}' for name, colour in KINDS.values()))
        self.kinds.setToolTip(
            "Missed: in the truth only. Invented: in the result only. Merged: one particle found where there are several. "
            "Split: several found where there is one."
        )
        self.export = button("Export…", "Write the table as CSV.", partial(evaluator.ask_and_export, self))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row([QLabel("bars show"), self.figure, self.legend], (0, 0, 1)))
        layout.addWidget(self.bars)
        layout.addWidget(self.table, 1)
        layout.addWidget(row([self.mistakes, self.kinds, self.export], (0, 1, 0)))

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 2 + len(SCORE_COLUMNS))
        for column, (title, tip) in enumerate((("image", ""), ("result", ""), *SCORE_COLUMNS.values())):
            name = QTableWidgetItem(title)
            name.setToolTip(f"{tip}." if tip else "")
            table.setHorizontalHeaderItem(column, name)
        table.setToolTip("Select a row to see on its image where that result is wrong.")
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        table.setMinimumHeight(120)
        table.itemSelectionChanged.connect(self._selected)
        return table

    def refresh(self) -> None:
        """Show the newest comparison, the means first."""
        comparison = self.evaluator.comparison
        results = comparison.results
        many = len({line.image for line in comparison.lines}) > 1
        rows = [*(map(comparison.mean, results) if many else ()), *comparison.lines]
        self.table.blockSignals(True)
        self.table.clearSelection()
        self.table.setRowCount(len(rows))
        for index, line in enumerate(rows):
            self._fill(index, line, bold=many and index < len(results))
        self.table.blockSignals(False)
        marks = [f'<span style="color:{bar_colour(n)}">■</span>&nbsp;{result}' for n, result in enumerate(results)]
        self.legend.setText("&ensp; ".join(marks))
        self._draw()

    def _fill(self, index: int, line: Line, *, bold: bool) -> None:
        for column, text in enumerate((line.image, line.result, *(cell(line, name) for name in SCORE_COLUMNS))):
            made = QTableWidgetItem(text)
            if column > 1:
                made.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            else:
                made.setToolTip(text)
            font = made.font()
            font.setBold(bold)
            made.setFont(font)
            self.table.setItem(index, column, made)

    def _draw(self, *_: Any) -> None:
        self.bars.show_comparison(self.evaluator.comparison, self.figure.currentData())

    def _selected(self, *_: Any) -> None:
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        comparison = self.evaluator.comparison
        line = rows[0] - (self.table.rowCount() - len(comparison.lines)) if rows else -1
        if line < 0 or not self.mistakes.isChecked():
            self.evaluator.hide()
            return
        chosen = comparison.lines[line]
        guarded(partial(self.evaluator.show, chosen.case, chosen.result))


def cell(line: Line, name: str) -> str:
    """A value for people."""
    if name == "count":
        found, true = line.values["n_found"], line.values["n_true"]
        return NONE if found is None or true is None else f"{found} / {true}"
    value = line.values[name]
    if value is None:
        return NONE
    if name == "mean_diameter_error":
        return f"median {value:.1%}" if line.case < 0 else f"{value:+.1%}"
    return f"{value:.3f}"


def _short(name: str, length: int) -> str:
    return name if len(name) <= max(4, length) else f"{name[: max(3, length - 1)]}…"
