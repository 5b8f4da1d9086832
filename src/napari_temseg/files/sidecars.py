"""Text files beside a picture, and the pixel size in them: those of Hitachi, JEOL, TESCAN, and XML of Thermo Fisher's programs."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import to_nanometres
from napari_temseg.files.formats.acquisitions import acquisition, of_xml
from napari_temseg.files.formats.sem_tags import tescan_text
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, Tagged, number, pixels, reconciled, tagged
from napari_temseg.files.formats.xml_sizes import fei_xml, parsed

MOST_SIDECAR_BYTES = 2**20  # of a side-car; they have a few thousand
_SUFFIXES = (".txt", ".hdr", ".xml")
_ENTRY = re.compile(r"^[ \t]*\$*([\w ]+?)[ \t]*[=\t ][ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_BAR_READ = 0.29  # px, standard uncertainty of a bar's length that is given as a whole number


def described(path: Path, found: list[Series]) -> list[Series]:
    """The pictures of a file with what lies beside it: its pixel size where a picture has none of its own, else held against that.

    Of several pictures in a file those of the side-car's size only; the calibration and the notes name the side-car.
    """
    unknown = []
    for candidate in _beside(path):
        text = _text(candidate)
        if not any(mark.search(text) for mark, _ in _MAKERS.values()):
            unknown.append(candidate.name)
        for maker, (mark, reader) in _MAKERS.items():
            size = reader(text) if mark.search(text) else None
            if size is None:
                if mark.search(text):
                    found = [_told(one, f"The {maker} file {candidate.name} holds no pixel size that can be read.") for one in found]
                continue
            warning, elsewhere = _of_another(path, text)
            if elsewhere:
                found = [_told(one, f"The {maker} file {candidate.name} {warning}, which is there, and was not used.") for one in found]
                continue
            taken = _taken(text)
            sized = [_with_size(one, size, f"{maker} file {candidate.name}", warning, alone=len(found) == 1) for one in found]
            return [replace(one, acquisition=taken) if one.acquisition == Acquisition() else one for one in sized]
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        note = f"What lies beside the picture in {names} is not known to give a pixel size, or is damaged ({', '.join(_MAKERS)} files are)."
        return [_told(one, note) for one in found]
    return found


def _beside(path: Path) -> list[Path]:
    """NAME.txt, NAME.tif.txt, and TESCAN's NAME-tif.hdr, in either case."""
    names = [f"{stem}{suffix}" for suffix in _SUFFIXES for stem in (path.stem, path.name, f"{path.stem}-{path.suffix[1:]}")]
    both = (path.with_name(name[: len(name) - 4] + ending) for name in names for ending in (name[-4:], name[-4:].upper()))
    try:
        return [candidate for candidate in both if candidate.is_file()]
    except OSError:
        return []


def _text(path: Path) -> str:
    """The text in whichever of the encodings of Windows it is; "" where it cannot be read or is far too long."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_SIDECAR_BYTES + 1)
    except OSError:
        return ""
    if len(content) > MOST_SIDECAR_BYTES:
        return ""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    if content[1:8:2] == bytes(4):
        return content.decode("utf-16-le", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _told(one: Series, note: str) -> Series:
    """A picture without a pixel size, with the note."""
    return one if one.obstacle or one.calibration.pixel_size is not None else replace(one, notes=(*one.notes, note))


def _of_another(path: Path, text: str) -> tuple[str, bool]:
    """A warning where the text names another picture, else "", and whether that picture lies beside it."""
    named = re.search(r"^[ \t]*\$*(?:ImageName|ImageFile|FileName)[ \t]*[= \t][ \t]*(\S[^\r\n]*?)[ \t\r]*$", text, re.MULTILINE)
    name = re.split(r"[\\/]", named[1])[-1] if named else ""
    if not name or Path(name).stem.casefold() == path.stem.casefold():
        return "", False
    try:
        beside = (path.parent / name).is_file()
    except (OSError, ValueError):
        beside = False
    return f"was written for “{name}”", beside


def _with_size(one: Series, size: Size, origin: str, warning: str, *, alone: bool) -> Series:
    frame = one.data.shape[-2:]
    if one.obstacle or (not alone and size.frame != frame):
        return one
    if warning and size.frame[1] not in (0, frame[1]):
        return _told(one, f"The {origin} {warning}, a picture of another size, and was not used.")
    said = tagged(size, origin, frame)
    if warning:
        said = replace(said, notes=(*said.notes, f"The {origin} {warning}: check that it belongs to this picture."))
    notes = one.notes
    if said.calibration.pixel_size is not None:
        notes = tuple(note for note in notes if not note.startswith(("JEOL's programs", "The file gives no pixel size")))
        bar = number(size.note.rpartition("bar=")[2]) if size.note.startswith("bar=") else math.nan
        if bar > 0:
            calibration = replace(said.calibration, reading_uncertainty=_BAR_READ / bar)
            said = replace(said, calibration=calibration, notes=tuple(note for note in said.notes if note != size.note))
    both = reconciled([Tagged(one.calibration, notes), said])
    return replace(one, calibration=both.calibration, notes=both.notes)


def _taken(text: str) -> Acquisition:
    """How the picture was taken, as the text tells it."""
    if text.lstrip().startswith("<"):
        return acquisition(of_xml(parsed(text)))
    entries = {name.lower(): value for name, value in _entries(text).items()}
    position = entries.get("cm_stage_pos", "").split()  # JEOL: x, y, z … in mm
    if len(position) > 1:
        entries |= {"stagex": f"{number(position[0]) * 1e-3:g}", "stagey": f"{number(position[1]) * 1e-3:g}"}
    return acquisition(entries, "SEM")


def _entries(text: str) -> dict[str, str]:
    return {match[1].strip(): match[2] for match in _ENTRY.finditer(text)}


def _sides(text: str) -> tuple[int, int]:
    """(rows, columns) of "1280x960" or "1280 960"."""
    found = re.findall(r"\d+", text)
    return (pixels(found[1]), pixels(found[0])) if len(found) == 2 else (0, 0)


def hitachi(text: str) -> Size | None:
    """[SemImageFile] with PixelSize in nm, and DataSize in px."""
    entries = _entries(text)
    x = number(entries.get("PixelSize"))
    return Size(x, x, "nm", frame=_sides(entries.get("DataSize", ""))) if x > 0 else None


def jeol(text: str) -> Size | None:
    """The micron bar: its length on the specimen, $$SM_MICRON_MARKER, over that in px, $$SM_MICRON_BAR; $CM_FULL_SIZE is the picture."""
    entries = _entries(text)
    bar = number(entries.get("SM_MICRON_BAR"))
    marker = re.fullmatch(r"([\d.,]+(?:[eE][-+]?\d+)?)\s*(\S+)", entries.get("SM_MICRON_MARKER", "").strip())
    if not (bar > 0 and marker):
        return None
    try:
        x = to_nanometres(number(marker[1]), marker[2]) / bar
    except TemsegError:
        return None
    return Size(x, x, "nm", f"bar={bar:g}", _sides(entries.get("CM_FULL_SIZE", "") or entries.get("CM_IMAGE_SIZE", "")))


# What a text must hold to be looked at, and who reads it.
_MAKERS: dict[str, tuple[re.Pattern[str], Callable[[str], Size | None]]] = {
    "Hitachi": (re.compile(r"\[SemImageFile\]"), hitachi),
    "JEOL": (re.compile(r"\$CM_FORMAT|SM_MICRON_"), jeol),
    "TESCAN": (re.compile(r"\[MAIN\]|PixelSizeX"), tescan_text),
    "XML": (re.compile(r"<.*pixel(?:Size|Width)|<\w*:?(?:FeiImage|MicroscopeImage)\b", re.IGNORECASE | re.DOTALL), fei_xml),
}
