"""Pixel sizes that microscopes and their programs write into TIFF tags; dpi, which says nothing of the specimen, is none of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tifffile

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.units import spelt, to_nanometres
from napari_temseg.files.formats.acquisitions import acquisition, flattened, of_xml
from napari_temseg.files.formats.raw import FINER_THAN_DPI, TYPE_IT, resolution_note
from napari_temseg.files.formats.sem_tags import fei, section, tescan, tescan_entries, zeiss
from napari_temseg.files.formats.sizes import Size, Tagged, number, of_units, pixels, reconciled, tagged
from napari_temseg.files.formats.xml_sizes import fei_xml, ome_document, ome_images, parsed

_JEOL = (
    "JEOL's programs keep the pixel size outside the tags of a TIFF that are known (in a text file beside it, or in the data bar): "
    f"{TYPE_IT}."
)

_IMAGEJ = re.compile(r"^(unit|yunit)=([^\r\n]*)", re.MULTILINE)
# AMT's programs may write their entries without anything between them.
_AMT = re.compile(r"(XpixCal|YpixCal|Unit|ImageWidth|ImageHeight)[ \t]*=[ \t]*([^\s#;=]*?)(?=XpixCal|YpixCal|Unit|[\s#;]|$)")


def tiff_tags(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Tagged:
    """The pixel size of one picture of a TIFF from all tags that know one; tags of the first page count for pictures of its size only.

    Damaged tags say nothing; whatever tifffile raises for a damaged file passes through.
    """
    frame, first = (page.imagelength, page.imagewidth), tif.pages.first
    both = [page.tags, *([first.tags] if page.index and (first.imagelength, first.imagewidth) == frame else [])]
    found = [tagged(_ome(tif, page), "OME tag", frame)]
    for origin, reader in _SOURCES.items():
        each = (tagged(reader(tif, tags, frame), origin, frame) for tags in both)
        found.append(next((one for one in each if one != Tagged()), Tagged()))
    said = reconciled(found)
    if said != Tagged():
        return said
    return Tagged(notes=(_JEOL,)) if any(_names_jeol(tags) for tags in both) else Tagged(notes=_of_resolution(page.tags))


def tiff_acquisition(page: tifffile.TiffPage, first: tifffile.TiffPage) -> Acquisition:
    """How a picture was taken, from the tags of its page, or where it has none of the first, if that is of its size."""
    both = (page.tags, first.tags) if (page.imagelength, page.imagewidth) == (first.imagelength, first.imagewidth) else (page.tags,)
    for tags in both:
        entries = {"instrumentmodel": " ".join(filter(None, (str(tags.valueof(code) or "").strip() for code in (271, 272))))}
        mode = ""
        for code in (34682, 34680, 34118):
            entries |= flattened(section(tags, code))
            mode = mode or ("SEM" if section(tags, code) else "")
        entries |= flattened(section(tags, 37706)) | of_xml(parsed(tags.valueof(34683)))
        stage = entries.get("temstageposition")
        if isinstance(stage, (list, tuple)) and len(stage) > 1:
            entries |= {"position.x": stage[0], "position.y": stage[1]}
        text = tescan_entries(tags)
        found = acquisition(entries | text, mode or ("SEM" if text else ""))
        if found != Acquisition():
            return found
    return Acquisition()


def _of_resolution(tags: tifffile.TiffTags) -> tuple[str, ...]:
    """A note where the resolution, which is that of print as a rule, can only be that of a microscope."""
    unit = {2: "inch", 3: "cm"}.get(tags.valueof(296) or 0, "")
    return resolution_note(to_nanometres(_per_pixel(tags.valueof(282)), unit)) if unit else ()


def _names_jeol(tags: tifffile.TiffTags) -> bool:
    """Whether maker, model or program is of JEOL, whose way of keeping the pixel size is not public."""
    return any("jeol" in str(tags.valueof(code) or "").lower() for code in (271, 272, 305))


def _ome(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Size | None:
    """The size of the image that the page belongs to; of a document with one image that does not list its pages, of that."""
    name = tif.filehandle.name
    images = ome_images(ome_document(Path(tif.filehandle.path), tif.pages.first.description)) if _is_ome(tif) else []
    for image in images:
        pages = image.pages.get("", image.pages.get(name, set()))
        if pages is None or page.index in pages:
            return image.size
    return images[0].size if len(images) == 1 and not images[0].pages else None


def _is_ome(tif: tifffile.TiffFile) -> bool:
    description = tif.pages.first.description
    return bool(description) and description[-10:].strip().endswith("OME>")


def _imagej(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    description = str(tags.valueof(270) or "")
    if not description.startswith("ImageJ="):
        return None
    if not all(line.partition("=")[0].isascii() for line in description.splitlines()):
        return Size(math.nan, math.nan, "nm", f"The description of ImageJ is damaged, and its unit may be lost: {TYPE_IT}.")
    metadata = dict(_IMAGEJ.findall(description))
    unit = spelt(metadata.get("unit", ""))
    y, x = (_per_pixel(tags.valueof(code)) for code in (283, 282))
    if not unit and tags.valueof(296) == 1 and math.isfinite(x) and x != 1:
        return Size(y, x, "")
    # What ImageJ says of a picture that nobody has calibrated; dpi are far coarser than a microscope's pixels.
    if unit.lower() in ("", "pixel", "pixels") or (unit in ("inch", "cm") and not to_nanometres(x, unit) < FINER_THAN_DPI):
        return None
    return of_units(y, metadata.get("yunit", unit), x, unit)


def _per_pixel(resolution: Any) -> float:
    """Length of a pixel from TIFF's pixels a length, a fraction."""
    try:
        count, lengths = resolution
        return float(lengths / count)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan


def _fei(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    return fei(tags)


def _fei_xml(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    text = tags.valueof(34683)
    if isinstance(text, (str, bytes)) and text and parsed(text) is None:
        return Size(math.nan, math.nan, "m", f"The XML in the FEI tag is damaged, and its pixel size cannot be read: {TYPE_IT}.")
    return fei_xml(text)


def _zeiss(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    return zeiss(tags, frame)


def _tescan(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    return tescan(tags)


def _tvips(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    """EM-Menu: nanometres; 0 where the camera was not calibrated."""
    header = section(tags, 37706)
    x = number(header.get("PixelSizeX"))
    side = (pixels(header.get("ImageSizeY")), pixels(header.get("ImageSizeX")))
    return Size(number(header.get("PixelSizeY", x)), x, "nm", frame=side) if x > 0 else None


def _olympus(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    """Soft Imaging System, iTEM: metres."""
    for code in (33560, 33471):
        header = section(tags, code)
        if "pixelsizex" in header:
            x = number(header["pixelsizex"])
            return Size(number(header.get("pixelsizey", x)), x, "m")
    return None


def _digital_micrograph(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    """TIFF saved by DigitalMicrograph: scales of x and y, each with its unit."""
    x, y = number(tags.valueof(65009)), number(tags.valueof(65010))
    units = [str(tags.valueof(code) or "").strip("\0 ") for code in (65003, 65004)]
    return of_units(y, units[1] or units[0], x, units[0]) if x > 0 and units[0] else None


def _amt(tif: tifffile.TiffFile, tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    """AMT cameras: pixels a unit of length in the description, XpixCal and YpixCal."""
    text = str(tags.valueof(270) or "")
    found = dict(_AMT.findall(text))
    x = number(found.get("XpixCal"))
    if not x > 0:
        return None
    y = number(found.get("YpixCal", x))
    frame = (pixels(found.get("ImageHeight")), pixels(found.get("ImageWidth")))
    return Size(1 / y if y > 0 else math.nan, 1 / x, found.get("Unit", ""), frame=frame)


_SOURCES: dict[str, Callable[[tifffile.TiffFile, tifffile.TiffTags, tuple[int, int]], Size | None]] = {
    "ImageJ tag": _imagej,
    "FEI tag": _fei,
    "FEI XML tag": _fei_xml,
    "Zeiss tag": _zeiss,
    "TESCAN tag": _tescan,
    "TVIPS tag": _tvips,
    "Olympus tag": _olympus,
    "DigitalMicrograph tag": _digital_micrograph,
    "AMT description": _amt,
}
