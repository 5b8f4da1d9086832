"""The dock below: the table of particles, and the histogram of any of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from napari_temseg.engine.measure.descriptors import DESCRIPTORS, readable
from napari_temseg.engine.measure.histogram_bins import MOST_BINS, spread_far
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.kit.axes import LogBox
from napari_temseg.widgets.kit.scrolling import Scrolling
from napari_temseg.widgets.kit.style import FoldingRow, NameBox, button, hint, row, sheet, theme_colours
from napari_temseg.widgets.particles.histogram import Histogram, is_wide
from napari_temseg.widgets.particles.marks import centre
from napari_temseg.widgets.particles.pooling import Pool
from napari_temseg.widgets.particles.scope_box import ScopeBox
from napari_temseg.widgets.particles.sentences import explained
from napari_temseg.widgets.particles.table import ParticleTable
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.export import FIGURE_TYPES
from napari_temseg.widgets.session.keys import Keys, bind_brush_in

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

TITLE = "TEM particles: table and distribution"
DOCK_HEIGHT, DOCK_SHARE = 320, 0.29  # px when it opens, at most, and of the window's height
BESIDE_PLOT, WIDEST_BESIDE = 132, 200  # px for what is drawn and how: beside the bars, which have the height
ROW, PLOT_ROW = 240, 470  # px that the controls above table and plot may be squeezed to
WAITS = "Waits for particles (step 2)."
WORKING = "Working out the figures …"
NONE_COUNTS = "No particle counts: all of them are at the edge or excluded."
NONE_THERE = "There is no particle."


class Distribution(QWidget):
    """Table and histogram of the measurements looked at together; both select with the picture."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.pool = session, session.part(Pool)
        self.table = ParticleTable()
        self.histogram = Histogram(session)
        self.scope = ScopeBox(session)
        self.filter = QLineEdit()
        self.everything = QCheckBox("all columns")
        self.column = NameBox()
        self.weighting = NameBox()
        self.log = LogBox()
        self.bins = QSpinBox()
        self.samples = QCheckBox("samples")
        self.save = button("Save…", "Write this histogram as a PNG of 300 dpi or as an SVG.", self._save_plot)
        self.legend = hint()
        self.count = QLabel()
        self.note = hint(WAITS)
        self._columns: list[str] = []
        self._images: list[Item] = []  # of the rows
        self._trouble = ""  # with the filter
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(150)
        self._delay.timeout.connect(self.apply_filter)
        self._explain()
        self._lay_out()
        self._wire()
        self._retheme()
        self._show_table()
        self._show_distribution()

    def _explain(self) -> None:
        self.filter.setPlaceholderText("filter: ecd > 20")  # more is not read whole on a small screen
        self.filter.setAccessibleName("filter of rows")
        self.filter.setMinimumWidth(110)
        self.column.setAccessibleName("column of the plot")
        self.weighting.setAccessibleName("weighting")
        self.filter.setClearButtonEnabled(True)
        self.count.setMinimumWidth(self.count.fontMetrics().horizontalAdvance("0000 selected"))  # it changes, and squeezes nothing
        self.everything.setToolTip("Show every column of the measurement, or the ones most looked at.")
        for name in DESCRIPTORS:
            self.column.addItem(readable(name), name)
        self.column.setCurrentIndex(max(self.column.findData(self.pool.column), 0))
        self.column.setToolTip("The column whose distribution is plotted.")
        self.weighting.addItems(["by number", "by volume"])
        self.weighting.setToolTip("Count particles, or weigh each by the volume of a sphere of its diameter.")
        self.bins.setRange(0, MOST_BINS)
        self.bins.setSpecialValueText("auto")
        self.bins.setSuffix(" bins")
        self.bins.setToolTip("Number of bins; auto: by the rule of Freedman and Diaconis.")
        self.bins.setAccessibleName("number of bins")
        self.samples.setToolTip("Lay the samples over one another, each in shares of its own; look at “all images” for that.")
        self.save.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for box in (self.column, self.weighting):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)

    def _lay_out(self) -> None:
        left, right = QWidget(), QWidget()
        tops = [FoldingRow([row([self.scope, self.filter], (0, 1)), row([self.everything, self.count], (1, 0))])]
        drawn = [row([self.column, self.weighting, self.save], (5, 3))]
        halves: Sequence[tuple[QWidget, Sequence[QWidget], Sequence[QWidget]]] = (
            (left, tops, [self.table]),
            (right, drawn, [self.note, self._plot_and_side()]),
        )
        for half, rows, body in halves:
            layout = QVBoxLayout(half)
            layout.setContentsMargins(4, 2, 4, 2)
            layout.setSpacing(4)
            for each in rows:
                # What it would need is more than a small screen has beside the steps.
                each.setMinimumWidth(PLOT_ROW if half is right else ROW)
                layout.addWidget(each)
            for widget in body:
                layout.addWidget(widget, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumHeight(120)

    def sizeHint(self) -> QSize:  # noqa: N802
        """The height with which the dock opens: to set it afterwards would move a picture that is being looked at once more."""
        return QSize(super().sizeHint().width(), min(DOCK_HEIGHT, round(DOCK_SHARE * window_of(self.session.viewer).height())))

    def _plot_and_side(self) -> QWidget:
        """The plot, and beside it how it is drawn and what its lines are."""
        self.legend.setAlignment(Qt.AlignmentFlag.AlignTop)
        side = QWidget()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.bins, row([self.log, self.samples], (0, 1))):
            layout.addWidget(widget)
        layout.addWidget(Scrolling(self.legend), 1)  # of many samples it is long
        side.setMinimumWidth(BESIDE_PLOT)
        side.setMaximumWidth(WIDEST_BESIDE)
        self.side = side
        return row([self.histogram, side], (7, 3))

    def _wire(self) -> None:
        session, pool = self.session, self.pool
        pool.table_changed.connect(self._show_table)
        pool.distribution_changed.connect(self._show_distribution)
        session.selection_changed.connect(self._show_selection)
        session.current_changed.connect(self._show_selection)
        for slot in (self._retheme, self._show_legend):
            session.theme_changed.connect(slot)
        self.filter.textChanged.connect(self._delay.start)
        self.everything.toggled.connect(self._set_everything)
        self.column.activated.connect(self._choose_column)
        for signal in (self.weighting.activated, self.log.chosen, self.bins.valueChanged):
            signal.connect(self._set_view)
        self.samples.toggled.connect(self._show_samples)
        self.table.picked.connect(self._picked)
        self.table.particles.modelReset.connect(self._show_rows)
        self.histogram.ranged.connect(self._ranged)

    # -- what the session tells

    def _show_table(self) -> None:
        self.table.particles.set_table(self.pool.table)
        if self.filter.text():
            self.apply_filter()
        if self.pool.table is not None and not len(self.pool.distribution.values) and not self.pool.distribution.obstacle:
            self.note.setText(WORKING)
        others, self._images = self.pool.items != self._images, list(self.pool.items)
        if self.table.particles.columns != self._columns:
            self._columns = list(self.table.particles.columns)
            self.table.fit_columns()
        elif others:
            self.table.fit_columns(widen=True)
        if others:
            self.table.scrollToTop()
            self._show_rows()

    def _show_distribution(self) -> None:
        distribution = self.pool.distribution
        empty = not len(distribution.values)
        if distribution.obstacle or empty:
            none = NONE_COUNTS if self.pool.table is not None and len(self.pool.table) else NONE_THERE
            nothing = WAITS if self.pool.table is None else WORKING if self.pool.busy else none
            self.note.setText(distribution.obstacle or nothing)
        self.note.setVisible(bool(distribution.obstacle) or empty)
        for part in (self.histogram, self.side):
            part.setVisible(not (distribution.obstacle or empty))
        self.histogram.samples = self._samples()
        self._follow_axis()
        self.histogram.show_distribution(distribution, self._selected(distribution.image, distribution.particle))
        self._show_legend()

    def _show_legend(self) -> None:
        self.legend.setText(self.histogram.legend())
        self.legend.setToolTip(explained(self.pool.distribution))

    def _show_selection(self, item: Item | None = None) -> None:
        self._show_rows()
        self._show_bars()

    def _show_rows(self) -> None:
        table = self.pool.table
        model = self.table.particles
        there = table is not None and len(model.table) > 0
        chosen = self._selected(model.table["image"].to_numpy(), model.table["particle"].to_numpy()) if there else np.zeros(0, bool)
        self._show_count(int(chosen.sum()))
        if there and not np.array_equal(np.sort(self.table.selected_rows()), np.flatnonzero(chosen)):
            self.table.show_selected(chosen)

    def _show_count(self, chosen: int) -> None:
        shown, there = len(self.table.particles.rows), 0 if self.pool.table is None else len(self.pool.table)
        rows = "" if self.pool.table is None else f"{shown} of {there}" if shown < there else f"{there} row{'' if there == 1 else 's'}"
        self.count.setText(f"{chosen} selected" if chosen > 1 else rows)
        self.count.setToolTip(f"{chosen} particles are selected; {rows} are shown." if chosen > 1 else "")

    def _show_bars(self) -> None:
        distribution = self.pool.distribution
        if len(distribution.values):
            self.histogram.show_selected(self._selected(distribution.image, distribution.particle))

    def _selected(self, images: Any, particles: Any) -> Any:
        session = self.session
        if session.current is None or not session.selected:
            return np.zeros(len(particles), bool)
        return np.isin(particles, list(session.selected)) & np.asarray(images == session.current.name)

    def _retheme(self) -> None:
        self.setStyleSheet(sheet(self.session.viewer))
        self.table.retheme(theme_colours(self.session.viewer))
        self._mark_filter(self._trouble)

    # -- what the user does

    def apply_filter(self) -> None:
        """Show the rows that the line asks for; what is not understood is said in its tooltip."""
        try:
            self.table.particles.set_filter(self.filter.text())
        except TemsegError as error:
            self._mark_filter(str(error))
            return
        self._mark_filter("")

    def _mark_filter(self, trouble: str) -> None:
        self._trouble = trouble
        colours = theme_colours(self.session.viewer)
        self.filter.setStyleSheet(
            f"QLineEdit {{ border: 2px solid {colours['error']}; padding: 0px; color: {colours['warning']}; }}" if trouble else ""
        )
        self.filter.setToolTip(
            trouble
            or "Rows to show: a word, or comparisons (ecd > 20 and circularity < 0.8) joined by and, or, not; headers tell the names.\n"
            "It hides rows only: plot and D50 are of all particles that count; Exclude leaves some out of them."
        )

    def _set_everything(self, on: bool) -> None:
        self.table.particles.set_everything(on)
        self._columns = list(self.table.particles.columns)
        self.table.fit_columns()

    def _choose_column(self) -> None:
        self.pool.set_column(str(self.column.currentData()))

    def _set_view(self, *_: Any) -> None:
        self.histogram.set_view(
            by_volume=self.weighting.currentIndex() == 1, logarithmic=self.log.isChecked(), n_bins=self.bins.value() or None
        )
        self._show_legend()

    def _follow_axis(self) -> None:
        """The axis that the report gives such sizes, or somebody these; samples laid over one another are squeezed sooner."""
        shown = self.pool.distribution
        wide = spread_far(shown.values) or (self.samples.isChecked() and is_wide(shown.values))
        self.log.follow((frozenset(map(str, shown.image)), shown.column), wide=wide)
        if self.log.isChecked() != self.histogram.logarithmic:
            self._set_view()

    def _samples(self) -> list[tuple[str, Any]]:
        """The samples that are laid over one another; images without one stand for themselves. None unless that is asked for."""
        images, populations = np.asarray(self.pool.distribution.image), self.pool.distribution.population
        if not self.samples.isChecked() or not len(images):
            return []
        sample_of = {item.name: item.sample or item.name for item in self.pool.items}
        names = np.asarray([sample_of.get(str(image), str(image)) for image in images])
        if len(populations):
            names = np.asarray([", ".join(filter(None, pair)) for pair in zip(names, populations, strict=True)])
        known = [] if len(populations) else sample_of.values()  # one that is empty keeps its line, and the others their colours
        return [(name, names == name) for name in dict.fromkeys([*known, *names.tolist()])]

    def _show_samples(self, *_: Any) -> None:
        self._follow_axis()
        self.histogram.set_samples(self._samples())
        self._show_legend()

    def _save_plot(self) -> None:
        distribution, items = self.pool.distribution, self.pool.items
        if not len(distribution.values):
            raise TemsegError("There is no distribution to save yet: find particles first (step 2).")
        name = f"{items[0].name}_distribution.png" if len(items) == 1 else "distribution.png"
        path = export.ask_file(self.session, self, "Save the plot", name, FIGURE_TYPES)
        if path:
            export.export_plot(self.session, path, distribution, samples=self._samples(), **self.histogram.view())

    def _picked(self, rows: list[int]) -> None:
        table = self.table.particles.table
        if not rows:
            self.session.select([])
            return
        images, particles = table["image"].to_numpy(), table["particle"].to_numpy()
        item = self._item(str(images[rows[0]]))
        if item is None:
            return
        ids = [int(particles[each]) for each in rows if images[each] == images[rows[0]]]
        other = item is not self.session.current
        self.histogram.forget_range()
        self.session.select(ids, item)
        if other:
            self.session.reveal()
        if len(rows) == 1:
            centre(self.session, item, ids[0])

    def _item(self, name: str) -> Item | None:
        return next((item for item in self.session.items if item.name == name), None)

    def _ranged(self, limits: tuple[float, float] | None) -> None:
        distribution, current = self.pool.distribution, self.session.current
        if current is None:
            return
        if limits is None:
            self.session.select([])
            return
        inside = (distribution.values >= limits[0]) & (distribution.values <= limits[1]) & np.asarray(distribution.image == current.name)
        self.session.select(np.asarray(distribution.particle)[inside].tolist())


class DistributionOpener(QObject):
    """Opens the dock below at the first measurement of a viewer, and again when asked."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.dock: Any = None
        self.widget: Distribution | None = None
        self.opened = False
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._forget)

    def open(self) -> Distribution:
        """The dock's widget; made, and shown, when it is not there."""
        window = self.session.viewer.window
        if self.widget is None:
            self.opened = True
            self.widget = Distribution(self.session)
            self.session.part(Keys).also_in(self.widget, but=("Delete",))  # which reaches the viewer from the table, and from a field not
            bind_brush_in(self.widget, self.session.viewer)
            # The steps keep their height beside it: nothing of theirs is scrolled away when it comes.
            window_of(self.session.viewer).setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
            self.dock = window.add_dock_widget(self.widget, name=TITLE, area="bottom")
            self.dock.destroyed.connect(self._forget)
        else:
            self.dock.show()
        return self.widget

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PARTICLES and not self.opened and item.measurement is not None:
            self.open()

    def _forget(self, *_: Any) -> None:
        """napari deletes the dock that is closed, and leaves what was in it."""
        if self.widget is not None and not self.session.closed:
            self.widget.deleteLater()
        self.dock = self.widget = None


def open_distribution(session: Session) -> Distribution:
    """Show the dock below."""
    return session.part(DistributionOpener).open()
