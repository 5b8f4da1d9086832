"""The correction of a pixel size by a standard: factor, uncertainty, standard and date, folded away while there is none."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.widgets.images.laboratory_dialog import show_laboratory
from napari_temseg.widgets.kit.forms import folded
from napari_temseg.widgets.kit.style import button

FIELDS_GAP = 6  # px about the fields


class Correction(QWidget):
    """Four fields in a fold; `changed` when one is edited, `toggled` when the fold opens or closes."""

    changed = Signal()
    toggled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.factor, self.spread, self.standard, self.day = (QLineEdit() for _ in range(4))
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        today = f"{date.today():%Y-%m-%d}"
        for title, edit, example, tip in (
            ("factor", self.factor, "1", "The pixel size is multiplied by it: true length over length as read, of a calibration standard."),
            ("uncertainty (%)", self.spread, "0", "Relative standard uncertainty of the factor; it enters the budget of every size."),
            ("standard", self.standard, "cross grating, lattice …", "What was measured for it; it goes into the report."),
            ("date", self.day, today, "When it was measured, as year-month-day; it goes into the report."),
        ):
            label = QLabel(title)
            edit.setPlaceholderText(example)
            for each in (label, edit):
                each.setToolTip(tip)
            edit.textChanged.connect(self.changed)
            form.addRow(label, edit)
        self.laboratory = button(
            "Laboratory's table…",
            "The calibrations of your microscopes, which correct files by what they say of instrument and magnification.",
            lambda: show_laboratory(self),
        )
        form.addRow(self.laboratory)
        self.fold = folded("correction by a standard", "A factor for the pixel size, with its uncertainty, from a calibration standard.")
        self.fold.addWidget(box)
        if (inside := self.fold.layout()) is not None:
            inside.setSpacing(0)
        self.fold.collapse(animate=False)
        self.box = box
        self.fold.toggled.connect(self._settle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)

    def showEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Only now its fields have their style, and so their height."""
        super().showEvent(event)
        self._settle()

    def _settle(self, *_: Any) -> None:
        """As high as what is to be seen; a fold alone is squeezed by a dialog, and measures itself before it has a style."""
        head, inside = self.fold.toggleButton().sizeHint().height(), self.box.sizeHint().height() + 2 * FIELDS_GAP
        if self.fold.isExpanded():
            self.fold.content().setMaximumHeight(inside)
        self.setFixedHeight(head + (inside if self.fold.isExpanded() else 0) + 2)
        self.toggled.emit()

    def set(self, known: Calibration) -> None:
        """Show the correction that a calibration has; the fold opens when it has one."""
        if known.factor != 1 or known.factor_uncertainty or known.standard:
            self.factor.setText(f"{known.factor:g}")
            self.spread.setText(f"{100 * known.factor_uncertainty:g}")
            self.standard.setText(known.standard)
            self.day.setText(known.date)
            self.fold.expand(animate=False)

    def values(self) -> dict[str, Any]:
        """Fields of a `Calibration`; `TemsegError` for what is no number or no date."""
        factor = positive(self.factor, "the correction factor", 1.0)
        spread = positive(self.spread, "the uncertainty of the factor", 0.0) / 100
        day = self.day.text().strip()
        try:
            day and date.fromisoformat(day)
        except ValueError as error:
            raise TemsegError(f"“{day}” is no date: write it as {date.today():%Y-%m-%d}.") from error
        return {"factor": factor, "factor_uncertainty": spread, "standard": self.standard.text().strip(), "date": day}


def positive(edit: QLineEdit, what: str, default: float | None = None) -> float:
    """The number in a field, written with a point or a comma; `TemsegError` for anything else."""
    return positive_number(edit.text(), what, default)


def positive_number(said: str, what: str, default: float | None = None) -> float:
    """The number in a text, written with a point or a comma; `TemsegError` for anything else."""
    text = said.strip().replace(",", ".")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise TemsegError(f"Type {what} as a number." if not text else f"“{said.strip()}” is no number: type {what} again.") from error
    if not math.isfinite(value) or value < 0 or (value == 0 and default != 0):
        raise TemsegError(f"“{text}” cannot be {what}: type a positive number.")
    return value
