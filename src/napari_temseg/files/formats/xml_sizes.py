"""Pixel sizes in the XML of Thermo Fisher's and FEI's programs (Velox, EPU, MAPS, Phenom) and of OME."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

from napari_temseg.files.formats.raw import TYPE_IT
from napari_temseg.files.formats.sizes import Size, number, of_units, pixels

MOST_XML_BYTES = 2**24  # of a document that lies in a file of its own


class OmeImage(NamedTuple):
    """One image of an OME document: name, pixel size, and the pages (IFDs) of each file that hold it; file "" is that of the document."""

    name: str
    size: Size | None
    pages: dict[str, set[int] | None]


def parsed(text: Any) -> ElementTree.Element | None:
    """The root of an XML text; None for anything else, and for text that defines entities, which microscopes do not."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or "<!" in text.replace("<!--", ""):
        return None
    try:
        return ElementTree.fromstring(text.strip().strip("\0\ufeff").strip())
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def local(node: ElementTree.Element) -> str:
    """The name of a node in lower case, without its namespace."""
    return str(node.tag).rpartition("}")[2].lower()


def fei_xml(text: Any) -> Size | None:
    """PixelSize with X and Y, or pixelWidth and pixelHeight; a length, its unit an attribute or an element."""
    root = parsed(text)
    if root is None:
        return None
    lengths: dict[str, tuple[float, str]] = {}
    sides: dict[str, int] = {}
    for node in root.iter():
        name = local(node)
        if name == "pixelsize":
            lengths |= {local(child): _length(child) for child in node if local(child) in ("x", "y", "width", "height")}
        elif name in ("pixelwidth", "pixelheight"):
            lengths.setdefault(name.removeprefix("pixel"), _length(node))
        elif name in ("imagesize", "resolution", "readoutarea"):
            sides |= {local(child): pixels(child.text) for child in node if local(child) in ("x", "y", "width", "height")}
    x = lengths.get("x") or lengths.get("width")
    if x is None:
        return None
    y = lengths.get("y") or lengths.get("height") or x
    frame = (sides.get("y", 0) or sides.get("height", 0), sides.get("x", 0) or sides.get("width", 0))
    return of_units(y[0], y[1], x[0], x[1], frame)


def _length(node: ElementTree.Element) -> tuple[float, str]:
    parts = {local(child): child.text for child in node}
    unit = (
        node.attrib.get("unit")
        or parts.get("unit")
        or next((child.text for sub in node if local(sub) == "unit" for child in sub), None)
        or "m"
    )
    value = number(parts.get("numericvalue", parts.get("value", node.text)))
    try:
        return value * 10.0 ** number(node.attrib.get("unitPrefixPower", 0)), unit.rpartition("/")[2] if unit.endswith(
            "/m"
        ) else unit.strip()
    except OverflowError:
        return math.nan, unit


def empad_scan(path: Path) -> str:
    """What a description of EMPAD's program says it recorded, "" for any other file: frames of 128 × 128 px, each with two rows more."""
    if path.suffix.lower() != ".xml":
        return ""
    try:
        with path.open("rb") as stream:
            root = parsed(stream.read(MOST_XML_BYTES))
    except OSError:
        return ""
    nodes = {} if root is None else {local(node): node for node in root.iter()}
    if "raw_file" not in nodes or not nodes.keys() & {"scan_parameters", "pix_x", "exposure_time", "iom_measurements"}:
        return ""
    count = pixels(nodes["series_count"].text) if "series_count" in nodes else 0
    x, y = (pixels(nodes[name].text) if name in nodes else 0 for name in ("pix_x", "pix_y"))
    frames = f"{count} diffraction patterns" if count else f"{y} × {x} diffraction patterns" if x and y else "diffraction patterns"
    return f"{'a series' if count else 'a 4D-STEM scan'} ({frames})"


def companion(text: Any) -> str:
    """The name of the file that holds the OME document, where this one only points there; else ""."""
    root = parsed(text)
    node = None if root is None else next((node for node in root if local(node) == "binaryonly"), None)
    return "" if node is None else re.split(r"[\\/]", node.attrib.get("MetadataFile", ""))[-1]


def ome_document(path: Path, description: str) -> str:
    """The OME document of a file: its description, or that of the file beside it that this points to; "" where that is not there."""
    name = companion(description)
    if not name:
        return description
    try:
        with path.with_name(name).open("rb") as stream:
            return stream.read(MOST_XML_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def ome_images(text: Any) -> list[OmeImage]:
    """The images of an OME document in its order."""
    root = parsed(text)
    if root is None:
        return []
    found = []
    for image in (node for node in root.iter() if local(node) == "image"):
        node = next((child for child in image if local(child) == "pixels"), None)
        if node is not None:
            found.append(OmeImage(image.attrib.get("Name", ""), _ome_size(node), _ome_pages(node, root.attrib.get("UUID", ""))))
    return found


def _ome_size(node: ElementTree.Element) -> Size | None:
    said = node.attrib
    if "PhysicalSizeX" not in said:
        alone = "The OME tag gives the height of a pixel and not its width"
        return Size(math.nan, math.nan, "µm", f"{alone}: {TYPE_IT}.") if "PhysicalSizeY" in said else None
    x, unit = said["PhysicalSizeX"], said.get("PhysicalSizeXUnit", "µm")
    y, unit_y = number(said.get("PhysicalSizeY", x)), said.get("PhysicalSizeYUnit", unit)
    return of_units(y, unit_y, number(x), unit, (pixels(said.get("SizeY")), pixels(said.get("SizeX"))))


def _ome_pages(node: ElementTree.Element, own: str) -> dict[str, set[int] | None]:
    """The pages that hold an image by file ("" for the one with the identity `own`); None where all pages do."""
    pages: dict[str, set[int] | None] = {}
    for block in (child for child in node if local(child) == "tiffdata"):
        uuid = next((child for child in block if local(child) == "uuid"), None)
        name = "" if uuid is None or (own and (uuid.text or "").strip() == own) else uuid.attrib.get("FileName", "")
        count, first = block.attrib.get("PlaneCount"), pixels(block.attrib.get("IFD", 0))
        if "IFD" not in block.attrib and count is None:
            pages[name] = None
            continue
        listed = pages.setdefault(name, set())
        if listed is not None:
            listed |= set(range(first, first + min(pixels(count or 1), 1 << 16)))
    return pages
