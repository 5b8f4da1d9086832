"""Ask for a pixel size: type it, or lay a line of known length on the picture, such as the scale bar that was found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QDialog, QDockWidget, QLabel, QRadioButton, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import length_words, to_nanometres
from napari_temseg.pipeline.burnt_in import AT_ODDS, contradicts
from napari_temseg.widgets.canvas import layers, micrograph_layer, shapes_layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.images.calibration_standard import Correction
from napari_temseg.widgets.images.calibration_words import TYPICAL, Scope, from_line, meaning, provenance, which_edge
from napari_temseg.widgets.images.length_fields import length_in, length_of, number_and_unit, number_field, take_unit, unit_box
from napari_temseg.widgets.images.scale_bars import ScaleBars, check_idle
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, hint, lead, row, set_role, sheet

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_temseg.engine.burntin.scale_bar import ScaleBar
    from napari_temseg.pipeline.burnt_in import BurntIn
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

BELOW_TOP = 90  # px of the dock above the dialog: its steps and the picture in hand stay in sight
UNSURE = 0.5  # confidence in a found bar below which both of its ends want a look


def ask_calibration(session: Session, parent: QWidget, items: Sequence[Item] | None = None) -> CalibrationDialog | None:
    """Open the dialog for these micrographs (default: the one in hand), beside which the picture stays usable for drawing.

    An open one is replaced. `TemsegError` when no image is open.
    """
    in_hand = [] if session.current is None else [session.current]
    chosen = items or in_hand
    if not chosen:
        raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
    window = parent.window()
    for old in window.findChildren(CalibrationDialog):
        old.close()
    dialog = CalibrationDialog(session, chosen, window, parent)
    dialog.show()
    dialog.activateWindow()  # what is typed next is a pixel size
    dialog.pixel_size.setFocus()
    dialog.pixel_size.selectAll()
    return dialog


class CalibrationDialog(QDialog):
    """Not modal: the line is drawn and dragged in the picture while it is open."""

    def __init__(self, session: Session, items: Sequence[Item], parent: QWidget, beside: QWidget) -> None:
        """`beside` is the part of the dock that it lies over."""
        super().__init__(parent)
        self.session, self.items = session, list(items)
        self.item = session.current if session.current in self.items else self.items[0]
        self.line: Shapes | None = None
        self.bar: ScaleBar | None = None  # as it was found under the line
        self.offered = ""  # a length that was read beside the bar: what is typed is held against it
        self.over = self._moved = self._none_there = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Pixel size")
        self.typed, self.drawn = QRadioButton("one pixel is"), QRadioButton("a line of")
        self.ways = QButtonGroup(self)
        for way in (self.typed, self.drawn):
            self.ways.addButton(way)
        self.pixel_size, self.pixel_size_unit = number_field("of one pixel, as the microscope tells it"), unit_box("the pixel size")
        self.length, self.length_unit = (
            number_field("of the line, as its label in the picture tells it"),
            unit_box("the length of the line"),
        )
        self.find_bar = button(
            "Find the scale bar", "Look for the burnt-in bar and lay a line on it; drag its ends if they are off.", self._find
        )
        self.draw_line = button(
            "Draw the line", "Drag along the scale bar from end to end. Drag again for a better line: the newest counts.", self._draw
        )
        self.leave_out = QCheckBox("leave out scale bar and letters")
        self.read, self.words = hint(lines=2), hint()
        self.correction = Correction()
        self.scope = Scope(session, self.item, self.items)
        self.apply = button("Apply", "Put this pixel size on the images; what was measured follows.", self._apply, primary=True)
        self.remove = button("Remove calibration", "Sizes of these images are in px again.", self._remove)
        self._lay_out()
        self._fill()
        self._wire()
        self._place(beside)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        self.now = hint(f"{self.item.name}: {provenance(self.item.calibration)}")
        self.notes = hint("\n".join(micrograph_layer.notes_of(self.item.layer)), "warning")
        self.notes.setVisible(bool(self.notes.text()))
        for widget in (
            self.now,
            self.notes,
            row([self.typed, self.pixel_size, self.pixel_size_unit], (2, 2, 1)),
            row([self.drawn, self.length, self.length_unit], (2, 2, 1)),
            row([self.find_bar, self.draw_line], (1, 1)),
            self.leave_out,
            self.read,
            self.correction,
            row([QLabel("apply to"), self.scope], (0, 1)),
            row([self.remove, self.apply], (1, 1)),
            self.words,  # below all buttons: it comes and goes while somebody types
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setMinimumWidth(340)
        self.setStyleSheet(sheet(self.session.viewer))

    def _fill(self) -> None:
        known, settings = self.item.calibration, self.session.settings
        self.typed.setToolTip("Type the pixel size.")
        self.drawn.setToolTip("A line whose length is known; the pixel size follows from its length in px.")
        self.leave_out.setToolTip(
            "Boxes round the burnt-in bar, its letters and the data bar: left out of finding, training and the measured area."
        )
        self.leave_out.setChecked(True)
        self.pixel_size_unit.setCurrentText("nm")
        if known.pixel_size is not None:
            self.pixel_size.setText(_size_text(known))
        # Never filled in: the length of another picture's bar, applied unread, is a wrong scale for every size.
        last = str(settings.get("line length", ""))
        self.length.setPlaceholderText("e.g. 200")
        if last:
            self.length.setToolTip(f"{self.length.toolTip()} Last time: {last} {settings.get('line unit', 'nm')}.")
        self.length_unit.setCurrentText(str(settings.get("line unit", "nm")))
        self.correction.set(known)
        self.typed.setChecked(True)
        self._show_reading()

    def _wire(self) -> None:
        self.pixel_size.textEdited.connect(lambda: self.typed.setChecked(True))
        self.length.textEdited.connect(lambda: self.drawn.setChecked(True))
        for edit, unit in ((self.pixel_size, self.pixel_size_unit), (self.length, self.length_unit)):
            edit.textChanged.connect(lambda _, edit=edit, unit=unit: take_unit(edit, unit))
            edit.textChanged.connect(self._show_reading)
            edit.editingFinished.connect(lambda edit=edit: edit.setText(number_and_unit(edit.text())[0]))
        for box in (self.pixel_size_unit, self.length_unit, self.scope):
            box.currentIndexChanged.connect(self._show_reading)
        self.correction.changed.connect(self._show_reading)
        self.correction.toggled.connect(lambda: QTimer.singleShot(0, lambda: self._fit(shrink=True)))
        self.typed.toggled.connect(self._show_reading)
        self.session.items_changed.connect(self._items_changed)
        self.session.theme_changed.connect(self._dress)  # no lambda: it would outlive the dialog
        self.session.closing.connect(self.close)

    def _dress(self) -> None:
        self.setStyleSheet(sheet(self.session.viewer))

    def _place(self, beside: QWidget) -> None:
        """Over the dock, so that the picture and its bar stay in sight."""
        self.ensurePolished()
        self._fit()
        QTimer.singleShot(0, self._fit)  # once more when its widgets have their style
        dock: Any = beside
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        self.move((dock or beside).mapToGlobal(QPoint(0, BELOW_TOP)))  # the same place, whichever button of the dock opened it
        self._keep_inside()

    def _keep_inside(self) -> None:
        """No edge of it lies outside the screen."""
        screen, frame = self.screen().availableGeometry(), self.frameGeometry()
        x = max(screen.left(), min(frame.left(), screen.right() + 1 - frame.width()))
        y = max(screen.top(), min(frame.top(), screen.bottom() + 1 - frame.height()))
        if (x, y) != (frame.left(), frame.top()):
            self.move(x, y)

    def _fit(self, *, shrink: bool = False) -> None:
        """At least as high as what is in it, wrapped lines and open folds included; a line less does not make it jump."""
        if not self.over:
            layout: Any = self.layout()
            layout.activate()
            width = max(self.width() if self.isVisible() else 0, 360)
            height = max(layout.totalHeightForWidth(width), layout.totalMinimumSize().height())
            if shrink or height > self.height():
                self.resize(width, height)
            self._keep_inside()

    def targets(self) -> list[Item]:
        """The images that get the pixel size, as far as they are still open."""
        return self.scope.targets()

    def calibration(self) -> Calibration:
        """What the dialog says; `TemsegError` names what is missing."""
        known = self.item.calibration
        if not self.typed.isChecked():
            pixels = None if self.line is None else shapes_layers.ruler_length(self.line)
            if pixels is None:
                raise TemsegError("There is no line yet: find the scale bar, or click “Draw the line” and drag along it from end to end.")
            length = length_in(self.length, "the length of the line")
            base = from_line(length, self.length_unit.currentText(), pixels, 0.0 if self.bar is None else self.bar.outline)
        elif known.pixel_size is not None and self.pixel_size.text() == _size_text(known) and self.pixel_size_unit.currentText() == "nm":
            base = known  # untouched: where it came from and what is known of it stay
        else:
            nanometres = to_nanometres(length_in(self.pixel_size, "the pixel size"), self.pixel_size_unit.currentText())
            base = Calibration((nanometres, nanometres), "typed")
        return replace(base, **self.correction.values())

    def _find(self) -> None:
        self._check_open()
        self.drawn.setChecked(True)
        self.read.setText("Looking for the scale bar …")
        self.session.part(ScaleBars).find(self.item, self._found, self._show_reading)

    def _found(self, found: BurntIn) -> None:
        bar = found.bar
        if self.over or self.item not in self.session.items:
            return
        if bar is None:
            self._none_there = True
            self._show_reading()
            self.read.setText("No scale bar was found in this picture: draw a line along it.")
            return
        viewer, middle = self.session.viewer, (bar.start[0] + bar.end[0]) / 2
        line = self._take_line()
        shapes_layers.lay_line(viewer, line, bar.start, bar.end)
        layers.look_at(viewer, self.item.layer, middle, (bar.start[1] + bar.end[1]) / 2, bar.length)
        self.bar, self._moved = bar, True
        self.offered = "" if found.value is None else found.value.text
        if self.offered and not self.length.text().strip():
            self.length_unit.setCurrentText(self.offered.split()[1])
            self.length.setText(self.offered.split()[0])
        self.scope.offer_same(True)
        self._show_reading()
        self.length.setFocus()
        self.length.selectAll()
        then = "compare the length with what is written beside the bar" if self.offered else "type the length that the bar stands for"
        self.session.say(f"Check both ends of the line, drag them if they are off, then {then}.")

    def _draw(self) -> None:
        """A fresh line over the picture, whose length is read while it is drawn."""
        self._check_open()
        self.drawn.setChecked(True)
        self.bar, self.offered = None, ""
        self.scope.offer_same(False)
        shapes_layers.take_up(self.session.viewer, self._take_line())
        self.session.say("Drag along the scale bar from end to end, then type its length.")
        self._show_reading()

    def _check_open(self) -> None:
        if self.item not in self.session.items:
            raise TemsegError("The image was closed; open the dialog again for another one.")

    def _take_line(self) -> Shapes:
        """The layer for the line over the picture, which is shown alone."""
        session = self.session
        self._drop_line()
        session.set_current(self.item)
        if not session.sees(self.item):
            session.reveal()
        kept: Shapes | None = self.item.made.get(Role.RULER)
        if kept is None:
            kept = shapes_layers.add_ruler_layer(session.viewer, self.item.layer, f"{self.item.name} known length")
            session.adopt(self.item, Role.RULER, kept)
        self.line = kept
        shapes_layers.on_drawing(kept, self._show_reading)
        return kept

    def _show_reading(self, *_: Any) -> None:
        """The sentences below: how long the line is, what pixel size follows and what it does to sizes, or what is missing."""
        if self.over:
            return
        self._say_reading()
        QTimer.singleShot(0, self._fit)

    def _say_reading(self) -> None:
        if self.line is not None and self.line not in self.session.viewer.layers:
            self.line = self.bar = None
        pixels = None if self.line is None else shapes_layers.ruler_length(self.line)
        line = pixels if self.drawn.isChecked() else None
        self._show_buttons(line)
        self.apply.setText("Apply")
        try:
            known = self.calibration()
        except TemsegError as error:
            field = self.length if self.drawn.isChecked() else self.pixel_size
            silent = not field.text().strip() and (line is not None or not self.drawn.isChecked())  # nothing is wrong yet
            waits = "" if line is None else f"The line is {line:.1f} px long; say how long it is in the specimen."
            self.read.setText(waits if silent else str(error))
            set_role(self.read, "hint" if silent else "warning")
            self._say_words(self._edge_hint(line))
            allow(self.apply, self.read.text() or str(error))
            return
        allow(self.apply)
        set_role(self.read, "hint")
        spread = f" ±\u00a0{100 * known.uncertainty:.2g}\u00a0%" if known.uncertainty else ""
        told = "" if line is None else f"The line is {line:.1f} px long: "
        asked = self._asked(known, line)
        self.read.setText(f"{told}{length_words(known.scale[1], digits=4)}/px{spread}{asked}")
        self._say_words("\n".join(filter(None, [meaning(known, self._usual()), self._edge_hint(line)])))

    def _usual(self) -> float:
        """Median diameter in px of the particles that were found, else a usual one."""
        m = self.item.measurement
        return TYPICAL if m is None or not len(m) else float(m.table[m.column("ecd")].median()) / (m.calibration.nanometres or 1.0)

    def _asked(self, known: Calibration, line: float | None) -> str:
        """What is to be confirmed before it is applied, and said so on the button; "" for nothing."""
        read = None if self.bar is None or not self.offered else length_of(self.offered) / (line or self.bar.length)
        size = known.nanometres / known.factor  # what the laboratory's standard makes of it is not what the bar says
        at_odds = AT_ODDS if line is None else 1.001  # of one line, the lengths themselves are compared
        if known.doubt or (read is not None and contradicts(size, read, at_odds)):
            set_role(self.read, "warning")
            self.apply.setText("Apply all the same")
            against = (
                ""
                if read is None
                else f".\nThe picture seems to say “{self.offered}”, which makes {length_words(read, digits=4)}/px: look again"
            )
            return against or f".\n{known.doubt}: is it right?"
        if line is None or read is None:
            return ""
        self.apply.setText(f"Yes, {self.offered}: apply")
        return f".\nThe picture seems to say “{self.offered}”: does it?"

    def _say_words(self, text: str) -> None:
        self.words.setText(text)
        self.words.setVisible(bool(text))

    def _edge_hint(self, line: float | None) -> str:
        """Which edge of an outlined bar the line lies on."""
        return "" if line is None or self.bar is None or not self.bar.outline else which_edge(self.bar.outline)

    def _show_buttons(self, line: float | None) -> None:
        drawn = self.drawn.isChecked()
        there = [self.apply, self.find_bar, self.draw_line]
        lead(there.pop(0 if not drawn or line is not None else 2 if self._none_there else 1), *there)
        any_known = any(item.calibration.pixel_size is not None for item in self.targets())
        allow(self.remove, "" if any_known else "These images have no calibration to remove.")
        if line is not None and self.bar is not None and self.bar.confidence < UNSURE:
            self.leave_out.setToolTip("The bar is not sure: look at both ends, and at the boxes afterwards.")
        allow(self.leave_out, "" if drawn else "Choose “a line of” above: what is burnt in is found by its bar.")

    def _apply(self) -> None:
        known, targets, session = self.calibration(), self.targets(), self.session
        self._check_open()
        drawn, same = self.drawn.isChecked(), self.scope.same
        leave_out = drawn and self.leave_out.isChecked()
        if leave_out or same:
            check_idle(session)
        if drawn:
            session.settings.set("line length", self.length.text().strip())
            session.settings.set("line unit", self.length_unit.currentText())
        told = self._finish([self.item] if same else targets, known)
        if same:
            session.part(ScaleBars).spread(self.item, known, targets, leave_out=leave_out)
        elif leave_out:
            session.part(ScaleBars).leave_out(targets, told)

    def _remove(self) -> None:
        self._finish(self.targets(), Calibration())

    def _finish(self, targets: list[Item], known: Calibration) -> str:
        self.session.check_calibration(targets, known)
        self.close()  # the line goes first: it must not be scaled along
        self.session.set_calibration(targets, known)
        told = f"{targets[0].name if len(targets) == 1 else f'{len(targets)} images'}: {known.describe()}."
        self.session.say(told)
        return told

    def _items_changed(self) -> None:
        if self.item not in self.session.items:
            self.close()

    def _drop_line(self) -> None:
        line, self.line, self.bar = self.line, None, None
        if line is not None and line in self.session.viewer.layers:
            shapes_layers.put_away(line)

    def done(self, result: int) -> None:
        """However it is closed, the line is put out of sight and the image is selected again, and seen as a whole."""
        had_line, self.over = self.line is not None, True
        if not self.session.closed:
            self._drop_line()
            if had_line and self.item in self.session.items:
                layers.activate(self.session.viewer, self.item.layer)
                if self._moved:
                    layers.fit(self.session.viewer, self.item.layer)
        super().done(result)


def _size_text(known: Calibration) -> str:
    return "" if known.pixel_size is None else f"{known.pixel_size[1]:.6g}"
