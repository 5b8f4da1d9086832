"""The laboratory's own calibration: a row an instrument, mode, magnification …, kept as a CSV file that colleagues can share."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_path

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.files.atomic import write_text
from napari_temseg.files.formats.series import Series

Picture = TypeVar("Picture", Micrograph, Series)
_SAME = 0.005  # magnifications and tensions that differ less are one
_TEXTS = ("instrument", "mode", "camera")
_NUMBERS = ("magnification", "kilovolts")
CALIBRATION_COLUMNS = (
    "instrument",
    "mode",
    "magnification",
    "kV",
    "camera",
    "factor_x",
    "factor_y",
    "uncertainty_percent",
    "standard",
    "date",
)
_MOST_BYTES = 2**22


@dataclass(frozen=True)
class CalibrationRow:
    """What a standard told of one setting of an instrument; "" and 0 stand for any.

    The pixel size that a file gives is multiplied by `factor_x` along x and `factor_y` along y (true length over length as read);
    `uncertainty` is their relative standard uncertainty.
    """

    instrument: str = ""
    mode: str = ""
    magnification: float = 0.0
    kilovolts: float = 0.0
    camera: str = ""
    factor_x: float = 1.0
    factor_y: float = 1.0
    uncertainty: float = 0.0
    standard: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        for name in ("factor_x", "factor_y"):
            if not (math.isfinite(getattr(self, name)) and 0.1 <= getattr(self, name) <= 10):
                raise TemsegError(f"The {name.replace('_', ' along ')} must be a number between 0.1 and 10, not {getattr(self, name):g}.")
        if not 0 <= self.uncertainty < 1:
            raise TemsegError(f"The uncertainty of a factor must be between 0 and 100 %, not {100 * self.uncertainty:g} %.")
        if not all(math.isfinite(getattr(self, name)) and getattr(self, name) >= 0 for name in _NUMBERS):
            raise TemsegError("Magnification and kV must be positive numbers, or left empty.")
        if not self.setting:
            raise TemsegError("A calibration must say what it is for: instrument, mode, magnification, kV or camera.")
        try:
            self.date and date.fromisoformat(self.date)
        except ValueError as error:
            raise TemsegError(f"“{self.date}” is no date: write it as {date.today():%Y-%m-%d}.") from error

    @property
    def setting(self) -> str:
        """What it is for, for people: "Talos F200X · STEM · 320000 ×"."""
        return Acquisition(self.instrument, self.mode, self.magnification, self.kilovolts, self.camera).describe()

    def describe(self) -> str:
        """For people, with its factors and their origin."""
        factor = f"{self.factor_x:g}" if self.factor_x == self.factor_y else f"{self.factor_x:g} (x) and {self.factor_y:g} (y)"
        by = ", ".join(filter(None, (self.standard, self.date)))
        return f"{self.setting}: factor {factor} ± {100 * self.uncertainty:.2g} %{f', {by}' if by else ''}"

    def fits(self, taken: Acquisition) -> int:
        """How many of its entries the file says the same of; 0 where it says something else of one, or nothing."""
        agreed = 0
        for name in (*_TEXTS, *_NUMBERS):
            wanted, said = getattr(self, name), getattr(taken, name)
            if not wanted:
                continue
            same = wanted.casefold().split() == said.casefold().split() if name in _TEXTS else math.isclose(wanted, said, rel_tol=_SAME)
            if not same:
                return 0
            agreed += 1
        return agreed


Calibrations = Sequence[CalibrationRow] | str | Path | None


def own_table() -> Path:
    """Where the user's table lies."""
    return user_config_path("napari-temseg", appauthor=False) / "calibrations.csv"


def read_table(path: str | Path) -> list[CalibrationRow]:
    """The rows of a CSV file (comma or semicolon); `TemsegError` names the line that cannot be used."""
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TemsegError(f"{path}: is too large for a table of calibrations; name the CSV file that was exported.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror}); name a CSV file of calibrations.") from error
    except UnicodeDecodeError as error:
        raise TemsegError(f"{path}: is not UTF-8 text; save the table as CSV UTF-8.") from error
    first = text.partition("\n")[0]
    lines = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    named = [str(name).strip() for name in lines.fieldnames or ()]
    if "factor_x" not in named:
        raise TemsegError(f"{path}: has no column factor_x; a table of calibrations has the columns {', '.join(CALIBRATION_COLUMNS)}.")
    found = []
    for place, line in enumerate(lines, start=2):
        values = {str(name).strip(): value.strip() for name, value in line.items() if isinstance(value, str)}
        if any(values.values()):
            if len(values) != len(line):
                raise TemsegError(f"{path}, line {place}: holds fewer or more entries than the first line; copy or export the table again.")
            try:
                found.append(row_from(values))
            except TemsegError as error:
                raise TemsegError(f"{path}, line {place}: {error}") from error
    return found


def row_from(values: dict[str, str]) -> CalibrationRow:
    """A row from texts by column, as people write them; `TemsegError` for what cannot be used."""
    if not values.get("factor_x"):
        raise TemsegError("there is no factor_x; write 1 where nothing is to be corrected.")
    x = _number(values, "factor_x", 1.0)
    return CalibrationRow(
        values.get("instrument", ""),
        values.get("mode", ""),
        _number(values, "magnification", 0.0),
        _number(values, "kV", 0.0),
        values.get("camera", ""),
        x,
        _number(values, "factor_y", x),
        _number(values, "uncertainty_percent", 0.0) / 100,
        values.get("standard", ""),
        values.get("date", ""),
    )


def _number(values: dict[str, str], name: str, default: float) -> float:
    text = values.get(name, "").removesuffix("%").strip().replace(",", ".")
    try:
        return float(text) if text else default
    except ValueError as error:
        raise TemsegError(f"“{text}” is no number ({name}).") from error


def texts_of(row: CalibrationRow) -> list[str]:
    """A row as people write it, in the order of `CALIBRATION_COLUMNS`."""
    numbers = [f"{value:.9g}" if value else "" for value in (row.magnification, row.kilovolts)]
    factors = [f"{value:.9g}" for value in (row.factor_x, row.factor_y, 100 * row.uncertainty)]
    return [row.instrument, row.mode, *numbers, row.camera, *factors, row.standard, row.date]


def write_table(path: str | Path, rows: Sequence[CalibrationRow]) -> None:
    """Write rows as CSV, atomically."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CALIBRATION_COLUMNS)
    for row in rows:
        writer.writerow(texts_of(row))
    write_text(path, stream.getvalue())


def own_rows() -> list[CalibrationRow]:
    """The rows of the user's table; none where there is no such file."""
    return read_table(own_table()) if own_table().is_file() else []


def rows_from(calibrations: Calibrations) -> Sequence[CalibrationRow]:
    """The rows that are meant: those given, those of a file ("none": none), or without either the user's own."""
    if calibrations is None:
        return own_rows()
    if isinstance(calibrations, (str, Path)):
        return [] if str(calibrations) == "none" else read_table(calibrations)
    return calibrations


def corrected(image: Picture, rows: Sequence[CalibrationRow]) -> Picture:
    """The picture with its pixel size corrected by the row that fits best what its file says; as it is where none does.

    Of rows that fit equally well the newest counts; where these say different things, none, and a note tells so.
    """
    if image.calibration.pixel_size is None or not rows:
        return image
    rated = sorted(((row.fits(image.acquisition), row.date, row) for row in rows), key=lambda one: one[:2], reverse=True)
    if not rated[0][0]:
        return image
    best = [row for agreed, day, row in rated if (agreed, day) == rated[0][:2]]
    if len(set(best)) > 1:
        note = f"{len(best)} calibrations of the laboratory fit equally well ({best[0].setting}), and none was applied: date or remove one."
        return replace(image, notes=(*image.notes, note))
    row, known = best[0], image.calibration
    calibration = replace(
        known,
        factor=known.factor * math.sqrt(row.factor_x * row.factor_y),
        stretch=known.stretch * row.factor_y / row.factor_x,
        factor_uncertainty=math.hypot(known.factor_uncertainty, row.uncertainty),
        standard=row.standard,
        date=row.date,
        row=row.setting,
    )
    return replace(image, calibration=calibration)


def plain_rows(rows: Sequence[CalibrationRow]) -> list[dict[str, Any]]:
    """Rows as plain values, for a recipe."""
    return [{field.name: getattr(row, field.name) for field in fields(row)} for row in rows]


def rows_of(values: Sequence[dict[str, Any]]) -> tuple[CalibrationRow, ...]:
    """Back from `plain_rows`."""
    return tuple(CalibrationRow(**entry) for entry in values)
