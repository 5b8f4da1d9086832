"""Fields for a length and its unit, as people type them."""

from __future__ import annotations

import re

from qtpy.QtWidgets import QComboBox, QLineEdit

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import to_nanometres
from napari_temseg.widgets.images.calibration_standard import positive_number

UNITS = ("pm", "Å", "nm", "µm")
WRITTEN = {"pm": "pm", "å": "Å", "a": "Å", "nm": "nm", "µm": "µm", "μm": "µm", "um": "µm"}  # as people type them, in small letters


def number_and_unit(text: str) -> tuple[str, str]:
    """“0.5 µm” as its number and its unit, one of `UNITS`; no unit where there is none, or an unknown one."""
    found = re.fullmatch(r"\s*([0-9.,]+(?:e[-+]?[0-9]+)?)\s*([a-zåµμ]+)\s*", text.lower().replace("\u212b", "å"))
    return (found[1], WRITTEN[found[2]]) if found and found[2] in WRITTEN else (text.strip(), "")


def take_unit(edit: QLineEdit, unit: QComboBox) -> None:
    """A unit that is typed after the number goes into the box beside it."""
    typed = number_and_unit(edit.text())[1]
    if typed:
        unit.setCurrentText(typed)


def length_in(edit: QLineEdit, what: str) -> float:
    """The number in a field, a unit behind it left aside; `TemsegError` for anything else."""
    number = number_and_unit(edit.text())[0]
    if re.search(r"\d.*[^\W\d_]", number) and not re.fullmatch(r"[0-9.,]+e[-+]?[0-9]+", number.lower()):
        raise TemsegError(f"“{number}” cannot be read as {what}: type a number, or one with {', '.join(UNITS[:-1])} or {UNITS[-1]}.")
    return positive_number(number, what)


def length_of(text: str) -> float:
    """A length as it is written beside a scale bar, “10 nm”, in nm."""
    number, unit = text.split()
    return to_nanometres(float(number), unit)


def number_field(what: str) -> QLineEdit:
    """A field for a length; `what` says whose."""
    made = QLineEdit()
    made.setToolTip(f"The length {what}.")
    return made


def unit_box(what: str) -> QComboBox:
    """A choice of units, of `what`."""
    made = QComboBox()
    made.addItems(UNITS)
    made.setToolTip(f"Unit of {what}.")
    return made
