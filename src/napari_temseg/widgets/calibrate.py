"""Ask for a pixel size: type it, or draw a line of known length, such as the scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QComboBox, QDialog, QFormLayout, QLabel, QLineEdit, QRadioButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import Calibration, to_nanometres
from napari_temseg.widgets import areas, layers
from napari_temseg.widgets.style import button, hint, row, sheet

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_temseg.widgets.session import Item, Session

UNITS = ("pm", "Å", "nm", "µm")
THIS, CHOSEN, ALL = range(3)


def ask_calibration(session: Session, parent: QWidget, items: Sequence[Item] | None = None) -> CalibrationDialog | None:
    """Open the dialog for these micrographs (default: the one in hand), beside which the picture stays usable for drawing.

    An open one is replaced. `TemsegError` when no image is open.
    """
    chosen = [item for item in (items or [session.current]) if item is not None]
    if not chosen:
        raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
    window = parent.window()
    for old in window.findChildren(CalibrationDialog):
        old.close()
    dialog = CalibrationDialog(session, chosen, window)
    dialog.show()
    return dialog


def from_line(length: float, unit: str, pixels: float) -> Calibration:
    """The calibration that a line of `pixels` px tells; each of its ends is read to 1 px."""
    size = to_nanometres(length, unit) / pixels
    return Calibration((size, size), "scale bar", reading_uncertainty=math.sqrt(2) / pixels)


class CalibrationDialog(QDialog):
    """Not modal: the line is drawn in the picture while it is open."""

    def __init__(self, session: Session, items: Sequence[Item], parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.items = session, list(items)
        self.item = session.current if session.current in self.items else self.items[0]
        self.line: Shapes | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Pixel size")
        self.typed, self.drawn = QRadioButton("one pixel is"), QRadioButton("a line of")
        self.ways = QButtonGroup(self)
        for way in (self.typed, self.drawn):
            self.ways.addButton(way)
        self.size, self.size_unit = _number("of one pixel, as the microscope tells it"), _units("the pixel size")
        self.length, self.length_unit = _number("of the line, as its label in the picture tells it"), _units("the length of the line")
        self.draw = button(
            "Draw the line", "Drag along the scale bar from end to end. Drag again for a better line: the newest counts.", self._draw
        )
        self.read = hint()
        self.factor, self.spread, self.standard, self.day = (QLineEdit() for _ in range(4))
        self.scope = QComboBox()
        self.apply = button("Apply", "Put this pixel size on the images; what was measured follows.", self._apply, primary=True)
        self.remove = button("Remove calibration", "Sizes of these images are in px again.", self._remove)
        self._lay_out()
        self._fill()
        self._wire()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        self.now = hint(f"{self.item.name}: {self.item.calibration.describe()}")
        layout.addWidget(self.now)
        layout.addWidget(row([self.typed, self.size, self.size_unit], (2, 2, 1)))
        layout.addWidget(row([self.drawn, self.length, self.length_unit], (2, 2, 1)))
        layout.addWidget(self.draw)
        layout.addWidget(self.read)
        layout.addWidget(self._correction())
        layout.addWidget(row([QLabel("apply to"), self.scope], (0, 1)))
        layout.addWidget(row([self.remove, self.apply], (1, 1)))
        layout.addStretch(1)
        self.setMinimumWidth(340)
        self.setStyleSheet(sheet(self.session.viewer))

    def _correction(self) -> QWidget:
        """Correction factor, its uncertainty, standard and date, folded away."""
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows = (
            ("factor", self.factor, "1", "The pixel size is multiplied by it: true length over length as read, of a calibration standard."),
            ("uncertainty (%)", self.spread, "0", "Relative standard uncertainty of the factor; it enters the budget of every size."),
            (
                "standard",
                self.standard,
                "cross grating, lattice fringes …",
                "What was measured for it; it goes into the report.",
            ),
            ("date", self.day, f"{date.today():%Y-%m-%d}", "When it was measured, as year-month-day; it goes into the report."),
        )
        for title, edit, example, tip in rows:
            label = QLabel(title)
            edit.setPlaceholderText(example)
            for each in (label, edit):
                each.setToolTip(tip)
            form.addRow(label, edit)
        self.fold = QCollapsible("correction by a standard")
        self.fold.setCollapsedIcon("▸")
        self.fold.setExpandedIcon("▾")
        self.fold.setDuration(0)
        self.fold.addWidget(box)
        return self.fold

    def _fill(self) -> None:
        known, settings = self.item.calibration, self.session.settings
        self.typed.setToolTip("Type the pixel size.")
        self.drawn.setToolTip("Draw a line whose length is known; the pixel size follows from its length in px.")
        self.size_unit.setCurrentText("nm")
        if known.pixel_size is not None:
            self.size.setText(f"{known.pixel_size[1]:.6g}")
        self.length.setText(str(settings.get("line length", "")))
        self.length_unit.setCurrentText(str(settings.get("line unit", "nm")))
        if known.factor != 1 or known.factor_uncertainty or known.standard:
            self.factor.setText(f"{known.factor:g}")
            self.spread.setText(f"{100 * known.factor_uncertainty:g}")
            self.standard.setText(known.standard)
            self.day.setText(known.date)
            self.fold.expand(animate=False)
        self._fill_scope()
        self.typed.setChecked(True)
        self._show_reading()

    def _fill_scope(self) -> None:
        self.scope.setToolTip("Which images get the pixel size.")
        self.scope.addItem(f"this image ({self.item.name})", THIS)
        if len(self.items) > 1:
            self.scope.addItem(f"the {len(self.items)} selected images", CHOSEN)
        if len(self.session.items) > 1:
            self.scope.addItem(f"all {len(self.session.items)} open images", ALL)
        self.scope.setCurrentIndex(self.scope.findData(CHOSEN if len(self.items) > 1 else THIS))
        self.scope.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def _wire(self) -> None:
        self.size.textEdited.connect(lambda: self.typed.setChecked(True))
        self.length.textEdited.connect(lambda: self.drawn.setChecked(True))
        for edit in (self.size, self.length, self.factor, self.spread, self.day):
            edit.textChanged.connect(self._show_reading)
        for box in (self.size_unit, self.length_unit):
            box.currentIndexChanged.connect(self._show_reading)
        self.typed.toggled.connect(self._show_reading)
        self.session.items_changed.connect(self._items_changed)
        self.session.closing.connect(self.close)

    def targets(self) -> list[Item]:
        """The images that get the pixel size, as far as they are still open."""
        scope = self.scope.currentData()
        wanted = [self.item] if scope == THIS else self.items if scope == CHOSEN else self.session.items
        return [item for item in wanted if item in self.session.items]

    def calibration(self) -> Calibration:
        """What the dialog says; `TemsegError` names what is missing."""
        if self.typed.isChecked():
            nanometres = to_nanometres(_positive(self.size, "the pixel size"), self.size_unit.currentText())
            base = Calibration((nanometres, nanometres), "typed")
        else:
            length = _positive(self.length, "the length of the line")
            pixels = None if self.line is None else areas.ruler_length(self.line)
            if pixels is None:
                raise TemsegError("There is no line yet: click “Draw the line” and drag along the scale bar from end to end.")
            base = from_line(length, self.length_unit.currentText(), pixels)
        return replace(base, **self._factor())

    def _factor(self) -> dict[str, Any]:
        factor = _positive(self.factor, "the correction factor", 1.0)
        spread = _positive(self.spread, "the uncertainty of the factor", 0.0) / 100
        day = self.day.text().strip()
        try:
            day and date.fromisoformat(day)
        except ValueError as error:
            raise TemsegError(f"“{day}” is no date: write it as {date.today():%Y-%m-%d}.") from error
        return {"factor": factor, "factor_uncertainty": spread, "standard": self.standard.text().strip(), "date": day}

    def _draw(self) -> None:
        """A fresh line over the picture, whose length is read while it is drawn."""
        if self.item not in self.session.items:
            raise TemsegError("The image was closed; open the dialog again for another one.")
        self.drawn.setChecked(True)
        self._drop_line()
        self.session.set_current(self.item)
        self.session.reveal()
        viewer, kept = self.session.viewer, self.item.made.get("ruler")
        if kept is None:
            self.line = areas.add_ruler_layer(viewer, self.item.layer, f"{self.item.name} known length")
            self.session.adopt(self.item, "ruler", self.line)
        else:
            self.line = kept
            areas.take_up(viewer, kept)
        areas.on_drawing(self.line, self._show_reading)
        self.session.say("Drag along the scale bar from end to end, then type its length.")
        self._show_reading()

    def _show_reading(self, *_: Any) -> None:
        """The sentence below: how long the line is, what pixel size follows, or what is missing."""
        if self.line is not None and self.line not in self.session.viewer.layers:
            self.line = None
        pixels = None if self.line is None else areas.ruler_length(self.line)
        try:
            known = self.calibration()
        except TemsegError as error:
            self.read.setText(str(error) if self.drawn.isChecked() and pixels is None else "")
            if pixels is not None:
                self.read.setText(f"The line is {pixels:.1f} px long; say how long it is in the specimen.")
            self.apply.setEnabled(False)
            return
        self.apply.setEnabled(True)
        spread = f" ±\u00a0{100 * known.uncertainty:.2g}\u00a0%" if known.uncertainty else ""
        told = f"The line is {pixels:.1f} px long: " if pixels is not None and self.drawn.isChecked() else ""
        self.read.setText(f"{told}{known.scale[1]:.4g} nm/px{spread}")

    def _apply(self) -> None:
        known, targets = self.calibration(), self.targets()
        if not targets:
            raise TemsegError("The image was closed; open the dialog again for another one.")
        if self.drawn.isChecked():
            self.session.settings.set("line length", self.length.text().strip())
            self.session.settings.set("line unit", self.length_unit.currentText())
        self._finish(targets, known)

    def _remove(self) -> None:
        self._finish(self.targets(), Calibration())

    def _finish(self, targets: list[Item], known: Calibration) -> None:
        self.close()  # the line goes first: it must not be scaled along
        self.session.set_calibration(targets, known)
        where = targets[0].name if len(targets) == 1 else f"{len(targets)} images"
        self.session.say(f"{where}: {known.describe()}.")

    def _items_changed(self) -> None:
        if self.item not in self.session.items:
            self.close()

    def _drop_line(self) -> None:
        line, self.line = self.line, None
        if line is not None and line in self.session.viewer.layers:
            areas.put_away(line)

    def done(self, result: int) -> None:
        """However it is closed, the line is put out of sight and the image is selected again."""
        had_line = self.line is not None
        if not self.session.closed:
            self._drop_line()
            if had_line and self.item in self.session.items:
                layers.activate(self.session.viewer, self.item.layer)
        super().done(result)


def _number(what: str) -> QLineEdit:
    made = QLineEdit()
    made.setToolTip(f"The length {what}.")
    return made


def _units(what: str) -> QComboBox:
    made = QComboBox()
    made.addItems(UNITS)
    made.setToolTip(f"Unit of {what}.")
    return made


def _positive(edit: QLineEdit, what: str, default: float | None = None) -> float:
    """The number in a field, written with a point or a comma; `TemsegError` for anything else."""
    text = edit.text().strip().replace(",", ".")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise TemsegError(f"Type {what} as a number." if not text else f"“{text}” is no number: type {what} again.") from error
    if not math.isfinite(value) or value < 0 or (value == 0 and default != 0):
        raise TemsegError(f"“{text}” cannot be {what}: type a positive number.")
    return value
