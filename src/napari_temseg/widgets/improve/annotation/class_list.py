"""The classes to paint with: a button each, with its colour and how much of it is labelled; adding and renaming them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QLineEdit, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_temseg.engine.types.annotations import ClassCount
from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.widgets.canvas.brush_size import BrushSize
from napari_temseg.widgets.canvas.colours import class_colour
from napari_temseg.widgets.improve.annotation.annotator import EMPTY, Annotator
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.greyed import NO_IMAGE, allow
from napari_temseg.widgets.kit.style import button, row

ADDING = -1  # the line of text names a new class


class ClassButton(QPushButton):
    """Takes a class in hand; a double click or its context menu renames it."""

    renaming = Signal()

    def __init__(self, number: int, name: str) -> None:
        super().__init__(swatch(class_colour(number)), name)
        self.setCheckable(True)
        self.setProperty("swatch", True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(60)
        self.setToolTip(
            f"Paint “{name}” on this image; the keys = and − go from class to class, [ and ] change the brush. Double click: rename."
        )
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Rename."""
        self.renaming.emit()
        event.accept()

    def _menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Rename…", self.renaming.emit)
        menu.popup(self.mapToGlobal(where))


class NameLine(QLineEdit):
    """A line for a name; Escape gives up."""

    given_up = Signal()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Escape gives up, all else is text."""
        if event.key() == Qt.Key.Key_Escape:
            self.given_up.emit()
        else:
            super().keyPressEvent(event)


class ClassList(QWidget):
    """One line a class, then eraser, size of the brush and *+ class*."""

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self.annotator, self.session = annotator, annotator.session
        self.buttons: dict[int, ClassButton] = {}
        self.counts: dict[int, QLabel] = {}
        self.eraser = button(
            "Erase", "Take labels away with the brush: what is erased says nothing (E); P takes the brush again.", self._erase
        )
        self.eraser.setCheckable(True)
        self.eraser.setProperty("swatch", True)
        self.add = button(
            "+ class", "A further class of particles, such as rods beside spheres; the model learns to tell them apart.", self._add
        )
        self.name = NameLine()
        self.name.setAccessibleName("name of the class")
        self.name.setPlaceholderText("name of the class, then Enter")
        self.name.setToolTip("Enter keeps the name, Escape leaves everything as it was.")
        self.name.returnPressed.connect(lambda: guarded(self._named))
        self.name.given_up.connect(self.name.hide)
        self.name.hide()
        self._naming = ADDING
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        for column, share in enumerate((3, 4)):  # always, or a stroke that is counted would narrow the buttons
            self._grid.setColumnStretch(column, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._grid)
        layout.addWidget(self.name)
        self.brush = BrushSize()
        layout.addWidget(row([self.eraser, self.brush, self.add], (1, 3, 1)))
        self.session.classes_changed.connect(self.refresh)
        for signal in (annotator.counted, self.session.current_changed, self.session.item_changed):
            signal.connect(self._show_counts)
        for signal in (annotator.tool_changed, self.session.current_changed, self.session.item_changed):
            signal.connect(self._show_tool)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the classes of the session: those of particles first, as one paints them first."""
        names = self.session.classes
        order = [*sorted(number for number in names if number != BACKGROUND), BACKGROUND]
        for place, number in enumerate([each for each in order if each in names]):
            if number not in self.buttons:
                self._make(number, names[number])
            made = self.buttons[number]
            made.setText(names[number])
            self._grid.addWidget(made, place, 0)
            self._grid.addWidget(self.counts[number], place, 1)
        self._show_counts()
        self._show_tool()

    def _make(self, number: int, name: str) -> None:
        made, count = ClassButton(number, name), QLabel()
        made.clicked.connect(lambda *_: guarded(lambda: self._choose(number)))
        made.renaming.connect(lambda: self._name(number))
        count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.buttons[number], self.counts[number] = made, count

    def _choose(self, number: int) -> None:
        self.annotator.choose(number)
        self._show_tool()

    def _erase(self) -> None:
        self._choose(0)

    def _add(self) -> None:
        self._name(ADDING)

    def _name(self, number: int) -> None:
        self._naming = number
        self.name.setText(self.session.classes.get(number, ""))
        self.name.show()
        self.name.selectAll()
        self.name.setFocus()

    def _named(self) -> None:
        if self._naming == ADDING:
            self.annotator.add_class(self.name.text())
        else:
            self.session.set_class(self._naming, self.name.text())
        self.name.hide()

    def _show_tool(self, *_: Any) -> None:
        item = self.session.current
        painting, held = item is not None and item.annotation is not None, self.annotator.held
        for number, made in self.buttons.items():
            made.setChecked(number == held)
        self.brush.follow(item.annotation if item is not None else None)
        self.eraser.setChecked(held == 0)
        for each in (self.brush.size_slider, self.eraser):
            allow(each, "" if painting else "Make a layer to paint on first: New annotation.")
        for each in (*self.buttons.values(), self.add):
            allow(each, "" if item is not None else NO_IMAGE)

    def _show_counts(self, *_: Any) -> None:
        """What is painted on the image in hand; the tip tells of all that train."""
        item, total = self.session.current, self.annotator.counts()
        painted = item is not None and item.annotation is not None
        here = self.annotator.counts_of(item) if painted and item is not None else {}
        words = [self.annotator.word_of(each) for each in self.session.items if self.annotator.trains(each)]
        whole = "region" if "region" in words else "stroke"
        for number, label in self.counts.items():
            label.setText(amount(here.get(number, EMPTY), self.annotator.word_of(item)))
            label.setToolTip(f"On this image; in all images of the training set: {amount(total.get(number, EMPTY), whole)}.")


def amount(count: ClassCount, what: str = "stroke") -> str:
    """For people: "7 strokes · 1 840 px"."""
    if not count.pixels:
        return "nothing yet"
    return f"{count.objects} {what}{'s' if count.objects != 1 else ''} · {count.pixels:,} px".replace(",", "\u202f")


def swatch(colour: str) -> QIcon:
    """A round patch of a colour."""
    picture = QPixmap(24, 24)
    picture.fill(QColor("transparent"))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(2, 2, 20, 20)
    painter.end()
    return QIcon(picture)
