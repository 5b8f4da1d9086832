"""Pixel sizes as files tell them: judged one by one, held against the picture, and against each other."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import is_reciprocal, spelt, to_nanometres
from napari_temseg.files.formats.raw import COARSEST, DIFFRACTION, FINEST, TYPE_IT

EQUAL = 1e-3  # x and y that differ less are one number, rounded twice
AGREE = 0.01  # sizes from two places that differ less are one number, rounded
_TALLER = 1.25  # how much taller than the scan a picture with its data bar may be
_TILTED = 5.0  # degrees from which foreshortening is more than 0.4 %
_UNSURE = ("OME tag", "ImageJ tag")  # programs of light microscopy, which write 1 µm when they know nothing


_COMMA = re.compile(r"[-+]?(0+,\d+|\d+,(\d{1,2}|\d{4,})|\d+,\d+(?=[eE]))([eE][-+]?\d+)?")  # one of decimals


class Size(NamedTuple):
    """Length of a pixel along y and x in `unit`, as a file tells it; `note` is what to tell people about it, or why there is none (NaN).

    `frame` (rows, columns) in px is the picture that the file speaks of, 0 where it does not say.
    """

    y: float
    x: float
    unit: str
    note: str = ""
    frame: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Tagged:
    """What a file says of its pixel size: the calibration, warnings, and why the picture shows no lengths at all ("" if it does)."""

    calibration: Calibration = field(default_factory=Calibration)
    notes: tuple[str, ...] = ()
    obstacle: str = ""


def number(value: Any) -> float:
    """A number from whatever a file holds in its place; NaN where that is none, or where a comma may part thousands as well as decimals."""
    if isinstance(value, str) and _COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def pixels(value: Any) -> int:
    """A count of pixels from whatever a file holds in its place; 0 where that is none."""
    found = number(value)
    return int(found) if math.isfinite(found) and 0 < found < 1 << 24 else 0


def of_units(y: float, unit_y: str, x: float, unit_x: str, frame: tuple[int, int] = (0, 0)) -> Size:
    """One size of two lengths that may have units of their own."""
    try:
        return Size(y if unit_y == unit_x else to_nanometres(y, unit_y) / to_nanometres(1, unit_x), x, unit_x, frame=frame)
    except TemsegError:
        return Size(y, x, unit_y, frame=frame)


def tagged(size: Size | None, origin: str, frame: tuple[int, int] = (0, 0)) -> Tagged:
    """Judge a stored pixel size of a picture of `frame` (rows, columns).

    A length becomes a `Calibration`, a reciprocal length an obstacle, anything else a note. Where the file speaks of a picture of another
    width, the size is corrected when the picture is that one resampled, else left out; either is noted.
    """
    if size is None:
        return Tagged()
    y, x, unit, note, _ = size
    unit = spelt(unit)
    notes = (note,) if note else ()
    if is_reciprocal(unit):
        return Tagged(obstacle=DIFFRACTION.format(unit=unit))
    if not all(math.isfinite(s) and s > 0 for s in (y, x)):
        return Tagged(notes=notes or (f"The {origin} holds no usable pixel size ({y:g} × {x:g}): {TYPE_IT}.",))
    try:
        nanometres = (to_nanometres(y, unit), to_nanometres(x, unit))
    except TemsegError:
        given = f"in “{unit}”, which is no length" if unit else "without a unit"
        return Tagged(notes=(*notes, f"The {origin} gives the pixel size {given}: {TYPE_IT}."))
    if not FINEST <= min(nanometres) <= max(nanometres) <= COARSEST:
        text = f"A pixel of {nanometres[1]:.4g} nm ({origin}) is implausible for a micrograph and was left out: {TYPE_IT}."
        return Tagged(notes=(*notes, text))
    calibration = Calibration(nanometres, origin)
    if (y, x) == (1, 1) and unit in ("µm", "Å"):
        default = f"The {origin} gives exactly 1 {unit} a pixel, as programs also write when they do not know it"
        if unit == "µm" and origin in _UNSURE:
            return Tagged(notes=(*notes, f"{default}; it was left out: {TYPE_IT}."))
        notes = (*notes, f"{default}: check it, or {TYPE_IT}.")
    calibration, remarks = _held_against(calibration, size.frame, frame)
    if calibration.pixel_size is not None and not math.isclose(*calibration.pixel_size, rel_tol=EQUAL):
        high, wide = calibration.pixel_size
        remarks = (*remarks, f"Pixels are not square: {high:.4g} nm high and {wide:.4g} nm wide ({origin}).")
    return Tagged(calibration, (*notes, *remarks))


def _held_against(calibration: Calibration, said: tuple[int, int], frame: tuple[int, int]) -> tuple[Calibration, tuple[str, ...]]:
    """The calibration for a picture of `frame` of one that the file gives for a picture of `said`, and what to tell people."""
    (rows, columns), (height, width), size = said, frame, calibration.pixel_size
    if size is None or not columns or not width or columns == width:
        return calibration, ()
    origin, factor = calibration.origin, columns / width
    high = f" and {rows} px high" if rows else ""
    text = f"The picture is {width} px wide and {height} px high, the {origin} gives {_nm(size)} for one {columns} px wide{high}"
    fits = rows / factor - 1 <= height <= _TALLER * rows / factor + 1 if rows else True
    if not fits:
        return Calibration(), (f"{text}: it was cut or stretched, and no pixel size was taken: {TYPE_IT}.",)
    square = rows and abs(height - rows / factor) <= 1
    corrected = (size[0] * (rows / height if square else factor), size[1] * factor)
    if math.isclose(corrected[0] / corrected[1], size[0] / size[1], rel_tol=0.02):
        corrected = (size[0] * factor, size[1] * factor)  # a row more or less is rounding
    return (
        replace(calibration, pixel_size=corrected, origin=f"{origin}, corrected for resampling"),
        (f"{text}: it was resampled, and the pixel size corrected to {_nm(corrected)}; check it against the scale bar.",),
    )


def _nm(size: tuple[float, float]) -> str:
    y, x = size
    return f"{x:.4g} nm" if math.isclose(x, y, rel_tol=EQUAL) else f"{y:.4g} × {x:.4g} nm"


def reconciled(found: Sequence[Tagged]) -> Tagged:
    """One answer from what several places say of one picture, the most trusted first: where sizes agree the first, else none and a note."""
    known = [said for said in found if said != Tagged()]
    obstacle = next((said for said in known if said.obstacle), None)
    sized = [said for said in known if said.calibration.pixel_size is not None]
    notes = tuple(dict.fromkeys(note for said in known for note in said.notes))
    if not sized:
        return replace(obstacle or Tagged(), notes=notes)
    if obstacle is not None and known.index(obstacle) < known.index(sized[0]):
        return obstacle
    best = sized[0].calibration
    if all(_agree(best, other.calibration) for other in sized[1:]):
        return Tagged(best, notes)
    sizes = [(said.calibration.origin, said.calibration.pixel_size) for said in sized]
    given = ", ".join(f"the {origin} gives {_nm(size)}" for origin, size in sizes if size)
    return Tagged(notes=(*notes, f"Of the pixel size {given}: they disagree, and neither was taken: {TYPE_IT}."))


def _agree(one: Calibration, other: Calibration) -> bool:
    if one.pixel_size is None or other.pixel_size is None:
        return True
    return all(math.isclose(a, b, rel_tol=AGREE) for a, b in zip(one.pixel_size, other.pixel_size, strict=True))


def tilt_note(degrees: float, corrected: bool | None, where: str) -> str:
    """What to tell people of a picture of a tilted specimen (SEM); "" where the tilt is small. `corrected`: by the microscope."""
    if not _TILTED <= abs(degrees) <= 90:
        return ""
    if corrected:
        tilted = f"The specimen was tilted by {degrees:.3g}° ({where}) with tilt correction on"
        return f"{tilted}: lengths across the tilt axis hold for its plane only."
    short = math.cos(math.radians(degrees))
    return (
        f"The specimen was tilted by {degrees:.3g}° ({where}) without tilt correction: lengths across the tilt axis in its plane are "
        f"{short:.2f} of the true ones."
    )
