"""Step 1: what is open, of which sample, at which pixel size, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.readers import AXES_BY_NAME, EXTENSIONS
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.images.calibration_dialog import ask_calibration
from napari_temseg.widgets.images.image_table import SAMPLE_COLUMN, ImageTable, short_size
from napari_temseg.widgets.images.opening import Opener, recently_opened
from napari_temseg.widgets.images.ruler import Ruler
from napari_temseg.widgets.images.scale_bars import ScaleBars, check_idle
from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.greyed import NO_IMAGE, allow
from napari_temseg.widgets.kit.style import button, highlight, hint, later, row, separator
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.mixed_units import MixedUnits
from napari_temseg.widgets.session.regions import Regions, left_out_share

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

_FILTER = f"Micrographs ({' '.join('*' + extension for extension in EXTENSIONS)});;All files (*)"
FAILURE_LINES = 3  # of what could not be opened; the rest unfolds


class ImagesPanel(QWidget):
    """Table of the open micrographs, opening, calibration, and what is left out."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.opener, self.regions = session, session.part(Opener), session.part(Regions)
        self.open = button(
            "Open…",
            "Open micrographs or stacks: files of microscopes (DM3, DM4, EMD, SER, MRC), TIFF, PNG or JPEG. Files may be dropped here too.",
            self._open,
        )
        self.folder = button("Open folder…", "Open all micrographs of a folder (not of the folders in it).", self._open_folder)
        self.recent = button("Recent ▾", "Open again one of the files that were opened last.", self._offer_recent)
        self.table = ImageTable(session, self._edited)
        self.calibrate = button(
            "Calibrate…", "Say the pixel size of the selected images, or measure their scale bar: sizes are then in nm.", self._calibrate
        )
        self.copy = button("Copy pixel size", "", self._copy)
        self.ruler = session.part(Ruler)
        self.measure = button("Ruler", "", self._rule)
        self.measure.setCheckable(True)
        self.measure.setToolTip("Drag lines across the picture: their length in nm or px, and the grey values along them. Esc ends.")
        self.region = button("Draw a region", "", self._draw)
        self.region.setToolTip(
            "Draw where not to look in this image: data bars, tears, grid bars. Click corner by corner, double-click to close. "
            "The region leaves finding, training and the frame of the statistics."
        )
        self.burnt_in = button(
            "Leave out bars and letters",
            "Find what is burnt into the selected images (bar, letters, data bar) and leave it out, as boxes that you can move and delete.",
            self._leave_out_burnt_in,
        )
        self.image = button("", "", self._toggle_image)
        self._recent_menu = QMenu(self)
        self._recent_menu.setToolTipsVisible(True)
        self.note = hint()
        self.calibration_note = hint()
        self.failures = Brief(FAILURE_LINES, "warning")
        self.failures.setVisible(False)
        self._lay_out()
        self._wire()
        self.refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row([self.open, self.folder, self.recent], (2, 3, 2)))
        layout.addWidget(row([self.calibrate, self.copy, self.measure], (3, 4, 2)))
        layout.addWidget(separator())
        layout.addWidget(hint("Leave out", "heading"))
        layout.addWidget(row([self.region, self.image], (1, 1)))
        layout.addWidget(self.burnt_in)
        layout.addWidget(separator())
        # Below the buttons: whatever is said, asked or offered takes its room from the table, and moves none of them.
        layout.addWidget(self.table, 1)
        layout.addWidget(self.calibration_note)
        layout.addWidget(self.note)
        layout.addWidget(self.failures)
        self.table.setMinimumHeight(150)

    def _wire(self) -> None:
        session = self.session
        session.items_changed.connect(self.refresh)
        session.part(Autosaver).earlier_changed.connect(self._refresh_buttons)
        session.current_changed.connect(self.refresh)
        session.jobs.changed.connect(self._refresh_buttons)
        self.opener.failed.connect(self._show_failures)
        self.ruler.changed.connect(self._refresh_buttons)
        session.item_changed.connect(self._item_changed)
        self.table.selectionModel().currentRowChanged.connect(self._row_taken)
        self.table.clicked.connect(self._row_clicked)
        self.table.unwanted.connect(self._close)
        self.table.selectionModel().selectionChanged.connect(self._selection_changed)
        self.table.images.modelReset.connect(self.refresh)

    def selected(self) -> list[Item]:
        """The images that the buttons act on: the selected rows, else the image in hand."""
        chosen = self.table.selected()
        return chosen or ([self.session.current] if self.session.current is not None else [])

    def _row_taken(self, index: QModelIndex, _: Any = None) -> None:
        if index.isValid():
            item = self.table.images.items[index.row()]
            if item is not self.session.current and item in self.session.items:
                self.session.set_current(item)
                self.session.reveal()

    def _row_clicked(self, index: QModelIndex) -> None:
        """The row of the image in hand shows it again, should it have been hidden or moved out of view."""
        if self.table.images.items[index.row()] is self.session.current and len(self.table.selected()) < 2:
            self.session.reveal()

    def _show_failures(self, sentences: Sequence[str]) -> None:
        """Which files could not be opened, and why, until something else is opened."""
        n = len(sentences)
        title = f"{n} file{'s' if n > 1 else ''} could not be opened:"
        self.failures.setText("\n".join([title, *(f"• {sentence}" for sentence in sentences)]) if n else "")
        self.failures.setVisible(n > 0)

    def _selection_changed(self, *_: Any) -> None:
        self._refresh_buttons()

    def _item_changed(self, item: Item, what: Change) -> None:
        if item is self.session.current or what in (Change.CALIBRATION, Change.IGNORED):
            self._refresh_buttons()

    def _open(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open micrographs", self._beside_last(), _FILTER)
        self._opened(paths, str(Path(paths[0]).parent) if paths else "")

    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a folder of micrographs", self._beside_last())
        self._opened([folder] if folder else [], folder)

    def _beside_last(self) -> str:
        """The folder of the file that was opened last, however that was done."""
        folders = (str(Path(path).parent) for path in recently_opened(self.session))
        return next((folder for folder in folders if Path(folder).is_dir()), str(self.session.settings.get("folder", "")))

    def _opened(self, paths: list[str], folder: str) -> None:
        if paths:
            self.session.settings.set("folder", folder)
            self.opener.open(paths)

    def _offer_recent(self) -> None:
        self.recent_menu().popup(self.recent.mapToGlobal(self.recent.rect().bottomLeft()))

    def recent_menu(self) -> QMenu:
        """The files that were opened last and are still there; files of one name are told apart by their folders."""
        self._recent_menu.clear()
        there = [path for path in map(Path, recently_opened(self.session)) if path.is_file()]
        names = [path.name for path in there]
        for path in there:
            text = path.name if names.count(path.name) == 1 else f"{path.name}  –  {path.parent.name}"
            action = self._recent_menu.addAction(text.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(later(self.opener.open, [path]))
        if len(there) > 1:
            self._recent_menu.addSeparator()
            self._recent_menu.addAction("All of these").triggered.connect(later(self.opener.open, there))
        if not there:
            self._recent_menu.addAction("nothing was opened yet").setEnabled(False)
        return self._recent_menu

    def _edited(self, item: Item, column: int, value: str) -> None:
        """A cell was edited; with several rows selected, all of them get it."""
        chosen = self.table.selected()
        for each in chosen if item in chosen else [item]:
            if column == SAMPLE_COLUMN:
                self.session.set_sample(each, value)
            elif each.n_planes > 1:
                self.session.set_axes(each, AXES_BY_NAME[value])

    def _close(self, items: Sequence[Item]) -> None:
        """Close pictures, with all layers that were made for them."""
        for item in items:
            self.session.settle(item)  # its newest strokes are kept too
            layers.remove(self.session.viewer, item.layer)

    def _calibrate(self) -> None:
        ask_calibration(self.session, self, self.selected())

    def _rule(self) -> None:
        (self.ruler.put_down if self.ruler.held else self.ruler.take_up)()

    def _copy(self) -> None:
        item = self.session.current
        others = [each for each in self.selected() if each is not item]
        if item is None or not others:
            raise TemsegError("Select the images that shall get the pixel size too: Ctrl+click on their rows.")
        self.session.set_calibration(others, item.calibration)
        self.session.say(f"{len(others)} image{'s' if len(others) > 1 else ''} got {short_size(item.calibration)} from {item.name}.")

    def _draw(self) -> None:
        if self.session.current is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or use Open.")
        self.regions.draw(self.session.current)

    def _leave_out_burnt_in(self) -> None:
        check_idle(self.session)
        self.session.part(ScaleBars).leave_out(self.selected())

    def _toggle_image(self) -> None:
        chosen = self.selected()
        self.session.set_ignored(chosen, not all(item.ignored for item in chosen))

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        self.table.take(self.session.current)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        item, chosen = self.session.current, self.selected()
        highlight(self.open, item is None)
        offered = item is not None and bool(self.session.part(Autosaver).earlier_work(item))
        highlight(self.calibrate, item is not None and item.calibration.pixel_size is None and not offered)
        none = "" if item is not None else NO_IMAGE
        for each in (self.calibrate, self.region, self.measure):
            allow(each, none)
        allow(self.burnt_in, none, self.session.jobs.wait)  # it is a search of its own
        self.measure.setChecked(self.ruler.held)
        n = len(chosen)
        self.calibrate.setText("Calibrate…" if n < 2 else f"Calibrate {n}…")
        size = short_size(item.calibration) if item is not None else "its pixel size"
        self.copy.setToolTip(f"Give the other selected images the pixel size of the one in hand ({size}). Select rows with Ctrl+click.")
        known = item is not None and item.calibration.pixel_size is not None
        allow(
            self.copy,
            none,
            "" if known else "The pixel size of the image in hand is not known: Calibrate… it first.",
            "" if n > 1 else "Select the rows of other images too, with Ctrl+click.",
        )
        out = bool(chosen) and all(each.ignored for each in chosen)
        which = "image" if n < 2 else f"{n} images"
        self.image.setText(f"Take {which} in" if out else f"Leave {which} out")
        self.image.setToolTip("Whether the selected images take part in “all images” and in pooled statistics; nothing is deleted.")
        allow(self.image, none)
        self.note.setText(self._sentence(item))
        self.note.setVisible(bool(self.note.text()))
        px = item is not None and item.calibration.pixel_size is None
        sentences = ["Sizes of this image are in px until its pixel size is known." if px else "", self.session.part(MixedUnits).sentence()]
        self.calibration_note.setText("\n".join(filter(None, sentences)))
        self.calibration_note.setVisible(any(sentences))

    def _sentence(self, item: Item | None) -> str:
        if item is None:
            return "Waits for an image: drop files or a folder above, or use Open. What was done with one before is kept, and offered then."
        areas, share = left_out_share(item)
        region = f"{areas} region{'s' if areas > 1 else ''} left out, {100 * share:.3g} % of the picture." if areas else ""
        return f"The whole image is left out of “all images” and statistics. {region}" if item.ignored else region
