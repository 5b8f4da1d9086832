"""The result in step 4: the distribution in words, and what is written of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.audit.kept_audits import write_audited_report
from napari_temseg.widgets.compare.dialog import open_comparison
from napari_temseg.widgets.kit.brief import Brief, spare_lines
from napari_temseg.widgets.kit.greyed import NO_IMAGE, NOTHING_SEARCHED, SEARCH_FIRST, allow
from napari_temseg.widgets.kit.style import button, hint, later, row
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.distribution_dock import DistributionOpener
from napari_temseg.widgets.particles.pooling import Pool, PooledDistribution
from napari_temseg.widgets.particles.scope_box import ScopeBox
from napari_temseg.widgets.particles.sentences import cautions, counted, explained, sized
from napari_temseg.widgets.session import export

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SEEN_CAUTION_LINES, SEEN_LINES_BESIDE = 4, 2  # of cautions without scrolling at 1280 × 800: of one sample, and of several
COUNT_LINES, SIZE_LINES = 2, 5
REPORT_TIP = (
    "Write a folder for the images chosen above: a page with plots and method (report.html), the table "
    "(particles.csv), every number for programs (summary.json), and for each image its classes and particles as calibrated TIFF."
)


class ResultBox(QWidget):
    """What the particles say together, of one image or of all, and the files that it goes into."""

    def __init__(self, session: Session, corrector: Corrector, pool: Pool, opener: DistributionOpener) -> None:
        super().__init__()
        self.session, self.corrector, self.pool, self.opener = session, corrector, pool, opener
        self._seen: QWidget | None = None  # the place in which it scrolls
        self._make()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        groups: Sequence[QWidget] = (
            row([hint("Result", "heading"), self.scope], (1, 1)),
            row([self.export, self.report, self.page], (4, 3, 2)),
            row([self.tiff, self.view], (1, 1)),
            row([self.compare, self.below], (1, 1)),
            self.counts,  # below all buttons: these texts grow and shrink while figures are worked out
            self.sizes,
            self.cautions,
        )
        for widget in groups:
            layout.addWidget(widget)

    def _make(self) -> None:
        self.scope = ScopeBox(self.session)
        self.counts, self.sizes, self.cautions = Brief(COUNT_LINES, "hint"), Brief(SIZE_LINES, "hint"), Brief(SEEN_CAUTION_LINES, "warning")
        self.counts.keep_room(1)
        self.sizes.keep_room(3)
        self.export = button(
            "Export table…", "Write the measurements as CSV: one row a particle, of the images chosen above.", self._export
        )
        self.report = button("Report…", REPORT_TIP, self._report)
        self.written: WeakKeyDictionary[Item, Path] = WeakKeyDictionary()  # the newest report with each image
        self.page = button("Open", "", self._open_page)
        self.page.setAccessibleName("open the report")
        self.tiff = button(
            "Save particles…", "Write the particles of this image as a TIFF that ImageJ opens, calibrated.", self._save_labels
        )
        self.view = button(
            "Save view…",
            "Write what is seen of this image, with outlines and a scale bar, as a PNG of 300 dpi or as an SVG.",
            self._save_view,
        )
        self.compare = button(
            "Compare with truth…",
            "Score these particles, and models, against a labels layer that is right, side by side, and see where each is wrong.",
            later(open_comparison, self.session),
        )
        self.below = button("Table and plot", "Show the dock with table and histogram again.", self.opener.open)

    def settle(self) -> None:
        """Take in what was painted a moment ago; `TemsegError` where there is nothing to write."""
        for item in self.pool.items:
            self.session.settle(item)
        if not self.pool.items:
            raise TemsegError("There is nothing to write yet: find particles first (step 2).")

    def _export(self) -> None:
        self.settle()
        if path := export.ask_file(self.session, self, "Export table", "particles.csv", "Table (*.csv *.xlsx)"):
            export.export_table(self.session, self.pool.measurements, path)

    def _report(self) -> None:
        self.settle()
        items = list(self.pool.items)
        name = f"{items[0].name}_report" if len(items) == 1 else "report"
        folder = export.ask_folder(self.session, self, "Folder for the report", name)
        if folder:
            write_audited_report(self.session, items, self.pool.measurements, folder, partial(self._written, items))

    def _written(self, items: Sequence[Item], page: Path) -> None:
        self.written.update(dict.fromkeys(items, page))
        self.refresh()

    def _open_page(self) -> None:
        item = self.session.current
        if item is not None and item in self.written:
            export.open_page(self.session, self.written[item])

    def _save_labels(self) -> None:
        item = self.corrector.measured_item()
        path = export.ask_file(self.session, self, "Save particles", f"{item.name}_particles.tif", "TIFF (*.tif *.tiff)")
        if path:
            export.export_labels(self.session, item, path)

    def _save_view(self) -> None:
        item = self.session.current
        if item is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        path = export.ask_file(self.session, self, "Save the view", f"{item.name}_view.png", export.FIGURE_TYPES)
        if path:
            export.export_view(self.session, item, path)

    def refresh(self) -> None:
        """Follow the session."""
        from napari_temseg.engine.types.populations import are_populations, are_told_apart  # scipy comes with it

        session, item, pool = self.session, self.session.current, self.pool
        none = "" if pool.items else NOTHING_SEARCHED
        allow(self.export, none)
        allow(self.report, none, session.jobs.wait)
        allow(self.tiff, "" if item is not None and item.measurement is not None else SEARCH_FIRST)
        allow(self.view, "" if item is not None else NO_IMAGE)
        page = self.written.get(item) if item is not None else None
        self.page.setToolTip("Show the newest report with this image in the browser" + (f": {page}." if page is not None else "."))
        allow(self.page, "" if page is not None else "No report with this image was written since it was opened: press Report… first.")
        found, table = (PooledDistribution(), None) if pool.behind else (pool.distribution, pool.table)
        as_one = any(are_populations(each.particles) and not are_told_apart(each.particles) for each in pool.items)
        self.counts.setText(counted(table, len(pool.items), as_one=as_one))
        self.sizes.setText(sized(found))
        self.sizes.setToolTip(explained(found))
        self.cautions.setText("\n".join(cautions(found)))
        self.cautions.setVisible(bool(self.cautions.text()))
        self._fit()

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
        """What is asked below the steps leaves them another height."""
        if event.type() == event.Type.Resize and watched is self._seen:
            self._fit()
        return False

    def _fit(self) -> None:
        """As many lines of each text as there is room for below the buttons."""
        several = self.sizes.text().count("\n") > 1
        texts = (
            (self.cautions, SEEN_LINES_BESIDE if several else SEEN_CAUTION_LINES, 0),
            (self.counts, COUNT_LINES, 1),
            (self.sizes, SIZE_LINES, 3),
        )
        higher = spare_lines(self)
        for text, most, room in texts:
            text.keep_to(most + higher)
            text.keep_room(room)
        room_for_all = self._room()
        for text, most, room in texts:
            for lines in range(most + higher - 1, 0, -1):
                if self._needed() <= room_for_all:
                    return
                text.keep_to(lines)
                text.keep_room(min(room, lines))

    def _needed(self) -> int:
        """Height of all that is in it, px."""
        layout: Any = self.layout()
        return int(layout.totalHeightForWidth(self.width()))

    def _room(self) -> float:
        """Height that it may have without scrolling, px; endless where it is in no place that scrolls."""
        place: QWidget | None = self
        while place is not None and not isinstance(place, QScrollArea):
            place = place.parentWidget()
        content = None if place is None else place.widget()
        if place is None or content is None:
            return math.inf
        if self._seen is not place.viewport():
            self._seen = place.viewport()
            self._seen.installEventFilter(self)
        return self._seen.height() - self.mapTo(content, QPoint(0, 0)).y()
