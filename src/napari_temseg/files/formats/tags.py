"""Pixel sizes that microscopes and their programs write into TIFF tags; dpi, which says nothing of the specimen, is none of them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tifffile

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, to_nanometres
from napari_temseg.files.formats.raw import COARSEST, DIFFRACTION, FINEST, TYPE_IT

EQUAL = 1e-3  # x and y that differ less are one number, rounded twice
# Spellings beside those of `to_nanometres`; programs also leave µ out or lose it on the way through ASCII.
_SPELLINGS = {
    "picometer": "pm",
    "angstroms": "Å",
    "\u212b": "Å",
    "nanometer": "nm",
    "nanometers": "nm",
    "micrometer": "µm",
    "micrometers": "µm",
    "microns": "µm",
    "?m": "µm",
    "�m": "µm",
    "millimeter": "mm",
    "meter": "m",
    "meters": "m",
}
_JEOL = (
    "JEOL's programs keep the pixel size outside the tags of a TIFF that are known (in a text file beside it, or in the data bar): "
    f"{TYPE_IT}."
)


class Size(NamedTuple):
    """Length of a pixel along y and x in `unit`, as a file tells it; `note` is what to tell people about it."""

    y: float
    x: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Tagged:
    """What a file says of its pixel size: the calibration, warnings, and why the picture shows no lengths at all ("" if it does)."""

    calibration: Calibration = field(default_factory=Calibration)
    notes: tuple[str, ...] = ()
    obstacle: str = ""


def tagged(size: Size | None, origin: str) -> Tagged:
    """Judge a stored pixel size: a length becomes a `Calibration`, a reciprocal length an obstacle, anything else a note."""
    if size is None:
        return Tagged()
    y, x, unit, note = size
    unit = _spelt(unit)
    notes = [note] if note else []
    if _is_reciprocal(unit):
        return Tagged(obstacle=DIFFRACTION.format(unit=unit))
    if not all(math.isfinite(s) and s > 0 for s in (y, x)):
        return Tagged(notes=(f"The {origin} holds no usable pixel size ({y:g} × {x:g}): {TYPE_IT}.",))
    try:
        nanometres = (to_nanometres(y, unit), to_nanometres(x, unit))
        calibration = Calibration(nanometres, origin)
    except TemsegError:
        given = f"in “{unit}”, which is no length" if unit else "without a unit"
        return Tagged(notes=(f"The {origin} gives the pixel size {given}: {TYPE_IT}.",))
    if not FINEST <= min(nanometres) <= max(nanometres) <= COARSEST:
        text = f"A pixel of {nanometres[1]:.4g} nm ({origin}) is implausible for a micrograph and was left out: {TYPE_IT}."
        return Tagged(notes=(text,))
    if not math.isclose(*nanometres, rel_tol=EQUAL):
        notes.append(f"Pixels are not square: {nanometres[0]:.4g} nm high and {nanometres[1]:.4g} nm wide ({origin}).")
    return Tagged(calibration, tuple(notes))


def tiff_tags(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Tagged:
    """The pixel size of one picture of a TIFF from the first tag that knows one; its own tags go before those of the first page.

    Damaged tags say nothing; whatever tifffile raises for a damaged file passes through.
    """
    both = (page.tags, tif.pages.first.tags)
    for origin, reader in _SOURCES.items():
        for tags in both:
            found = tagged(reader(tif, tags), origin)
            if found != Tagged():
                return found
    return Tagged(notes=(_JEOL,)) if any(_names_jeol(tags) for tags in both) else Tagged()


def _names_jeol(tags: tifffile.TiffTags) -> bool:
    """Whether maker, model or program is of JEOL, whose way of keeping the pixel size is not public."""
    return any("jeol" in str(tags.valueof(code) or "").lower() for code in (271, 272, 305))


def _spelt(unit: str) -> str:
    unit = unit.strip().strip("\0").replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    return _SPELLINGS.get(unit.lower(), unit)


def _is_reciprocal(unit: str) -> bool:
    return unit.startswith(("1/", "1 /")) or unit.endswith(("^-1", "-1", "⁻¹")) or unit in ("rad", "mrad", "µrad")


def number(value: Any) -> float:
    """A number from whatever a file holds in its place; NaN where that is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _section(tags: tifffile.TiffTags, code: int) -> Mapping[str, Any]:
    """The value of a tag that tifffile decodes into a mapping; empty where it is missing or damaged."""
    value = tags.valueof(code)
    return value if isinstance(value, dict) else {}


def _ome(tif: tifffile.TiffFile, _: tifffile.TiffTags) -> Size | None:
    root = _xml(tif.ome_metadata) if tif.is_ome else None
    pixels = None if root is None else next((node for node in root.iter() if _local(node) == "pixels"), None)
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    x, unit = pixels.attrib["PhysicalSizeX"], pixels.attrib.get("PhysicalSizeXUnit", "µm")
    return _of_units(number(pixels.attrib.get("PhysicalSizeY", x)), pixels.attrib.get("PhysicalSizeYUnit", unit), number(x), unit)


def _imagej(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    metadata = (tif.imagej_metadata or {}) if tif.is_imagej else {}
    unit = _spelt(str(metadata.get("unit", "")))
    if unit.lower() in ("", "pixel", "pixels", "inch", "cm"):  # what ImageJ says of a picture that nobody has calibrated
        return None
    y, x = (_per_pixel(tags.valueof(code)) for code in (283, 282))
    return _of_units(y, _spelt(str(metadata.get("yunit", unit))), x, unit)


def _per_pixel(resolution: Any) -> float:
    """Length of a pixel from TIFF's pixels a length, a fraction."""
    try:
        pixels, lengths = resolution
        return float(lengths / pixels)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan


def _of_units(y: float, unit_y: str, x: float, unit_x: str) -> Size:
    """One size of two lengths that may have units of their own."""
    try:
        return Size(y if unit_y == unit_x else to_nanometres(y, unit_y) / to_nanometres(1, unit_x), x, unit_x)
    except TemsegError:
        return Size(y, x, unit_y)


def _fei(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """xT and Helios: metres in Scan; pictures of the navigation camera tell the width of their field instead."""
    for code in (34682, 34680):
        metadata = _section(tags, code)
        image, width = _part(metadata, "Image"), number(tags.valueof(256))
        scanned = number(image.get("ResolutionX"))
        note = ""
        if scanned > 0 and width > 0 and scanned != width:
            note = (
                f"The picture is {width:.0f} px wide, its FEI tag speaks of {scanned:.0f} px: check the pixel size against the scale bar."
            )
        for name in ("Scan", "EScan", "IScan"):
            scan = _part(metadata, name)
            if "PixelWidth" in scan:
                x = number(scan["PixelWidth"])
                return Size(number(scan.get("PixelHeight", x)), x, "m", note)
        beam = _part(metadata, "IRBeam")
        if "HFW" in beam and scanned > 0:
            x = number(beam["HFW"]) / scanned
            rows = number(image.get("ResolutionY"))
            return Size(number(beam["VFW"]) / rows if "VFW" in beam and rows > 0 else x, x, "m", note)
    return None


def _part(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = metadata.get(name)
    return part if isinstance(part, dict) else {}


def _fei_xml(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """XML of newer programs: PixelSize with X and Y, or pixelWidth and pixelHeight; a length, its unit an attribute or an element."""
    root = _xml(tags.valueof(34683))
    if root is None:
        return None
    lengths: dict[str, tuple[float, str]] = {}
    for node in root.iter():
        if _local(node) == "pixelsize":
            lengths |= {_local(child): _length(child) for child in node if _local(child) in ("x", "y", "width", "height")}
        elif _local(node) in ("pixelwidth", "pixelheight"):
            lengths.setdefault(_local(node).removeprefix("pixel"), _length(node))
    x = lengths.get("x") or lengths.get("width")
    if x is None:
        return None
    y = lengths.get("y") or lengths.get("height") or x
    return _of_units(y[0], _spelt(y[1]), x[0], _spelt(x[1]))


def _length(node: ElementTree.Element) -> tuple[float, str]:
    parts = {_local(child): child.text for child in node}
    unit = node.attrib.get("unit") or parts.get("unit") or "m"
    value = number(parts.get("numericvalue", parts.get("value", node.text)))
    try:
        return value * 10.0 ** number(node.attrib.get("unitPrefixPower", 0)), unit.rpartition("/")[2] if unit.endswith("/m") else unit
    except OverflowError:
        return math.nan, unit


def _xml(text: Any) -> ElementTree.Element | None:
    """The root of an XML text; None for anything else, and for text that defines entities, which microscopes do not."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or "<!" in text.replace("<!--", ""):
        return None
    try:
        return ElementTree.fromstring(text.strip().strip("\0\ufeff").strip())
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def _local(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2].lower()


def _zeiss(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """SmartSEM: the pixel of the stored image; ap_pixel_size would be that of the display."""
    value = _section(tags, 34118).get("ap_image_pixel_size")
    if not isinstance(value, tuple) or len(value) < 3:
        return None
    return Size(number(value[1]), number(value[1]), str(value[2]))


def _tvips(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """EM-Menu: nanometres; 0 where the camera was not calibrated."""
    header = _section(tags, 37706)
    x = number(header.get("PixelSizeX"))
    return Size(number(header.get("PixelSizeY", x)), x, "nm") if x > 0 else None


def _olympus(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """Soft Imaging System, iTEM: metres."""
    for code in (33560, 33471):
        header = _section(tags, code)
        if "pixelsizex" in header:
            x = number(header["pixelsizex"])
            return Size(number(header.get("pixelsizey", x)), x, "m")
    return None


def _digital_micrograph(tif: tifffile.TiffFile, tags: tifffile.TiffTags) -> Size | None:
    """TIFF saved by DigitalMicrograph: scales of x and y, each with its unit."""
    x, y = number(tags.valueof(65009)), number(tags.valueof(65010))
    units = [_spelt(str(tags.valueof(code) or "")) for code in (65003, 65004)]
    return _of_units(y, units[1] or units[0], x, units[0]) if x > 0 and units[0] else None


_SOURCES: dict[str, Callable[[tifffile.TiffFile, tifffile.TiffTags], Size | None]] = {
    "OME tag": _ome,
    "ImageJ tag": _imagej,
    "FEI tag": _fei,
    "FEI XML tag": _fei_xml,
    "Zeiss tag": _zeiss,
    "TVIPS tag": _tvips,
    "Olympus tag": _olympus,
    "DigitalMicrograph tag": _digital_micrograph,
}
