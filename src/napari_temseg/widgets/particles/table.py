"""The table of particles: a sortable, filterable view of a measurement's rows, quick for many thousands of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_temseg.engine.measure.descriptors import FLAGS, LENGTH_UNITS, POPULATION, Definition, column_name, definitions
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import four
from napari_temseg.widgets.kit.style import faded
from napari_temseg.widgets.particles.row_filter import matching

Rows = npt.NDArray[np.intp]
COLUMNS_IN_VIEW = (
    "particle",
    "class",
    "population",
    "ecd",
    "feret_max",
    "feret_min",
    "aspect_ratio",
    "circularity",
    "solidity",
    "flags",
    "excluded",
    "reviewed",
)
_FLAGS = tuple(name for name in FLAGS if name not in ("excluded", "reviewed", "aggregate", "neighbour_censored"))
_FLAG_WORDS = {"frame": "at the edge", "cut": "touching"}  # the others are words already
_FLAGS_TIP = "In the filter: " + "; ".join(f"{name} ({_FLAG_WORDS.get(name, name)}): {FLAGS[name]}" for name in _FLAGS)


def number_text(value: float) -> str:
    """Four significant digits, never with an exponent that one has to decode."""
    if not np.isfinite(value):
        return "–"
    return four(value)


class ParticleModel(QAbstractTableModel):
    """Rows of one or more measurements, in the order and selection of today."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.table = pd.DataFrame()
        self.rows: Rows = np.zeros(0, np.intp)  # rows of `table` that are shown, from top to bottom
        self.columns: list[str] = []
        self.grey = QColor("#808080")
        self._values: dict[str, Any] = {}
        self._described: dict[str, Definition] = {}
        self._sorted: tuple[str, Qt.SortOrder] | None = None
        self._filter = ""
        self._first: npt.NDArray[np.bool_] | None = None  # rows of `table` that are above all others
        self.everything = False

    def set_table(self, table: pd.DataFrame | None) -> None:
        """Show other rows; order and filter stay in force."""
        self.beginResetModel()
        self.table = pd.DataFrame() if table is None else table
        self._values, self._first = {}, None
        self._described = {key: value for unit in LENGTH_UNITS for key, value in (definitions(unit) | POPULATION).items()}
        self._described["flags"] = Definition(_FLAGS_TIP)
        self.columns = self._chosen()
        self._arrange()
        self.endResetModel()

    def set_everything(self, on: bool) -> None:
        """Show all columns, or the ones most looked at."""
        self.everything = on
        self.set_table(self.table)

    def set_filter(self, text: str) -> None:
        """Show the rows that match a text (see `rowfilter`); `TemsegError`, and nothing changes, for one not understood."""
        if len(self.table):
            matching(self.table, text)
        self.beginResetModel()
        self._filter = text
        self._arrange()
        self.endResetModel()

    def put_first(self, rows: npt.NDArray[np.bool_] | None) -> None:
        """Show some rows (a bool a row of `table`) above all others, each part in the order in force; None: all in that order."""
        self.beginResetModel()
        self._first = rows
        self._arrange()
        self.endResetModel()

    @property
    def has_first(self) -> bool:
        """Whether some rows are above all others."""
        return self._first is not None

    def _chosen(self) -> list[str]:
        table = self.table
        if not len(table.columns):
            return []
        several = ["image"] if len(table) and table["image"].iloc[0] != table["image"].iloc[-1] else []
        planes = ["plane"] if len(table) and int(table["plane"].max()) > 0 else []
        if self.everything:
            return [*several, *(name for name in table.columns if name != "image")]
        units = [unit for unit in LENGTH_UNITS if f"ecd_{unit}" in table.columns]
        names = [each for name in COLUMNS_IN_VIEW for each in dict.fromkeys(column_name(name, unit) for unit in units)]
        if "population" not in table:
            names.remove("population")
        return [*several, names[0], *planes, *names[1:]]

    def _arrange(self) -> None:
        if not len(self.table):
            self.rows = np.zeros(0, np.intp)
            return
        rows = np.flatnonzero(self._matching())
        if self._sorted is not None and (self._sorted[0] in self.table.columns or self._sorted[0] == "flags"):
            name, order = self._sorted
            values = pd.Series(self._column(name)[rows])
            place = values.argsort(kind="stable") if name != "flags" else np.argsort(values.to_numpy(str), kind="stable")
            rows = rows[np.asarray(place)]
            if order == Qt.SortOrder.DescendingOrder:
                rows = rows[::-1]
        if self._first is not None:
            rows = np.concatenate([rows[self._first[rows]], rows[~self._first[rows]]])
        self.rows = rows

    def _matching(self) -> Any:
        """Rows that the filter asks for; one that does not suit the columns of today asks for all."""
        try:
            return matching(self.table, self._filter)
        except TemsegError:
            return np.ones(len(self.table), bool)

    def _column(self, name: str) -> Any:
        """Values by row of the table; taken out of it when they are first looked at."""
        if name not in self._values:
            self._values[name] = self._flags() if name == "flags" else self.table[name].to_numpy()
        return self._values[name]

    def _flags(self) -> Any:
        texts = np.full(len(self.table), "", dtype=object)
        for name in _FLAGS:
            on = self.table[name].to_numpy(bool)
            word = _FLAG_WORDS.get(name, name)
            texts[on] = [f"{text}, {word}" if text else word for text in texts[on]]
        return texts

    # -- Qt's names

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Number of rows shown."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Number of columns shown."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, alignment and colour of a cell."""
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(index.row(), self.columns[index.column()])
        if role == Qt.ItemDataRole.TextAlignmentRole and self._numeric(self.columns[index.column()]):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and self._column("excluded")[self.rows[index.row()]]:
            return self.grey
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Names with units; tooltips are the definitions."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        name = self.columns[section]
        meaning, unit, version = self._described.get(name, Definition(""))
        if role == Qt.ItemDataRole.DisplayRole:
            return title(name, unit)
        if role == Qt.ItemDataRole.ToolTipRole:
            told = f"{meaning}{f' ({unit})' if unit else ''}{f'; definition {version}' if version > 1 else ''}"
            return f"{told}. In the filter: {name}" if name != "flags" else meaning
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; −1 puts the rows back into their own order."""
        self.beginResetModel()
        self._sorted = (self.columns[column], order) if 0 <= column < len(self.columns) else None
        self._arrange()
        self.endResetModel()

    def _numeric(self, name: str) -> bool:
        return name != "flags" and self.table[name].dtype.kind in "iuf"

    def text(self, row: int, name: str) -> str:
        """A cell for people."""
        value = self._column(name)[self.rows[row]]
        if isinstance(value, (bool, np.bool_)):
            return "yes" if value else ""
        return number_text(float(value)) if isinstance(value, (float, np.floating)) else str(value)

    def exactly(self, row: int) -> list[str]:
        """A row for a spreadsheet: shown columns, all digits."""
        cells = [self._column(name)[self.rows[row]] for name in self.columns]
        return [f"{cell:.7g}" if isinstance(cell, (float, np.floating)) else str(cell) for cell in cells]


def title(name: str, unit: str) -> str:
    """The header of a column: “feret max nm” for “feret_max_nm”."""
    for suffix in (f"_{unit}", f"_{unit.replace('²', '2')}"):
        if unit and name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    return f"{name.replace('_', ' ')} {unit}".strip()


class ParticleTable(QTableView):
    """The view; `picked` tells the rows of the model's table that a person selected, the current one first."""

    picked = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.particles = ParticleModel(self)
        self.setModel(self.particles)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setAccessibleName("particles")
        self.setToolTip("Select a row to see its particle; Ctrl+C copies the selected rows. Click a header to sort.")
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        vertical.hide()
        vertical.setDefaultSectionSize(22)
        vertical.setMinimumSectionSize(18)
        horizontal.setHighlightSections(False)
        self.setSortingEnabled(True)
        horizontal.setSortIndicatorClearable(True)
        horizontal.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._silent = False
        self.selectionModel().selectionChanged.connect(self._selected)

    def retheme(self, colours: Mapping[str, str]) -> None:
        """Take over the colours of a theme, by name."""
        self.particles.grey = QColor(faded(colours["text"], colours["background"]))
        self.setStyleSheet(
            f"QTableView {{ background: {colours['background']}; alternate-background-color: {colours['background']};"
            f" gridline-color: {colours['foreground']}; color: {colours['text']}; selection-background-color: {colours['current']};"
            f" selection-color: {colours['text']}; border: 1px solid {colours['foreground']}; }}"
            f"QTableView::item:selected {{ background: {colours['current']}; color: {colours['text']}; }}"
            f"QHeaderView::section {{ background: {colours['foreground']}; color: {colours['text']}; padding: 2px 4px; border: none;"
            f" border-right: 1px solid {colours['background']}; }}"
        )

    def fit_columns(self, *, widen: bool = False) -> None:
        """Columns as wide as their headers and numbers, or wider where they are to `widen`; looked at in the first rows only."""
        metrics = self.fontMetrics()
        model = self.particles
        for column, name in enumerate(model.columns):
            texts = [
                str(model.headerData(column, Qt.Orientation.Horizontal)),
                *(model.text(row, name) for row in range(min(20, len(model.rows)))),
            ]
            wide = min(220, max(metrics.horizontalAdvance(text) for text in texts) + 26)
            self.setColumnWidth(column, max(wide, self.columnWidth(column)) if widen else wide)

    def show_selected(self, chosen: Collection[int] | npt.NDArray[np.bool_], *, scroll: bool = True) -> None:
        """Select just these rows of the model's table (a bool a row), without telling anybody.

        Several that are too far apart to be seen together come to the top, until others are selected.
        """
        if self._silent:
            return  # on the way to another order of the rows
        mask = np.asarray(chosen, bool)
        if len(mask) == len(self.particles.table):
            self._gather(mask)
        shown = np.flatnonzero(mask[self.particles.rows]) if len(mask) else np.zeros(0, np.intp)
        selection = QItemSelection()
        last = len(self.particles.columns) - 1
        for first, end in _runs(shown):
            selection.select(self.particles.index(first, 0), self.particles.index(end, last))
        self._silent = True
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._silent = False
        if scroll and len(shown):
            self.scrollTo(self.particles.index(int(shown[0]), max(self.columnAt(0), 0)))

    def _gather(self, mask: npt.NDArray[np.bool_]) -> None:
        self._silent = True  # another order takes the selection away
        if self.particles.has_first:
            self.particles.put_first(None)
        places = np.flatnonzero(mask[self.particles.rows])
        if len(places) > 1 and places[-1] - places[0] >= max(self.viewport().height() // self.verticalHeader().defaultSectionSize(), 1):
            self.particles.put_first(mask)
        self._silent = False

    def selected_rows(self) -> Rows:
        """Rows of the model's table that are selected, from top to bottom."""
        ranges = self.selectionModel().selection()
        spans = [np.arange(each.top(), each.bottom() + 1) for each in map(ranges.at, range(ranges.count()))]
        places = np.unique(np.concatenate(spans)) if spans else np.zeros(0, np.intp)
        return self.particles.rows[places.astype(np.intp)]

    def copy(self) -> str:
        """Put the selected rows (without any: all that are shown) on the clipboard, as a spreadsheet takes them; returns the text."""
        model = self.particles
        chosen = set(self.selected_rows().tolist())
        places = [place for place, row in enumerate(model.rows.tolist()) if not chosen or row in chosen]
        text = "\n".join("\t".join(line) for line in [model.columns, *(model.exactly(place) for place in places)])
        QGuiApplication.clipboard().setText(text)
        return text

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Ctrl+C copies rows; everything else is Qt's."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _selected(self, *_: Any) -> None:
        if self._silent:
            return
        rows = self.selected_rows()
        here = self.currentIndex().row()
        current = [self.particles.rows[here]] if 0 <= here < len(self.particles.rows) else []
        self.picked.emit([*(row for row in current if row in rows), *(row for row in rows if row not in current)])


def _runs(places: npt.NDArray[np.intp]) -> Sequence[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    if not len(places):
        return []
    ends = np.flatnonzero(np.diff(places) > 1)
    return [(int(a), int(b)) for a, b in zip(places[np.r_[0, ends + 1]], places[np.r_[ends, len(places) - 1]], strict=True)]
