"""Pixel sizes in the TIFF tags of scanning microscopes: FEI / Thermo Fisher, Zeiss, TESCAN."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import tifffile

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import to_nanometres
from napari_temseg.files.formats.raw import TYPE_IT
from napari_temseg.files.formats.sizes import Size, number, pixels, tilt_note

TESCAN_TAG = 50431
_TESCAN = re.compile(r"(\w+)[ \t]*=[ \t]*([^\r\n\0]*)")


def section(tags: tifffile.TiffTags, code: int) -> Mapping[str, Any]:
    """The value of a tag that tifffile decodes into a mapping; empty where it is missing or damaged."""
    value = tags.valueof(code)
    return value if isinstance(value, dict) else {}


def fei(tags: tifffile.TiffTags) -> Size | None:
    """xT and Helios: metres in Scan; pictures of the navigation camera tell the width of their field instead."""
    for code in (34682, 34680):
        metadata = section(tags, code)
        image = _part(metadata, "Image")
        frame = (pixels(image.get("ResolutionY")), pixels(image.get("ResolutionX")))
        for name in ("Scan", "EScan", "IScan"):
            scan = _part(metadata, name)
            if "PixelWidth" in scan:
                x = number(scan["PixelWidth"])
                doubt = _fei_doubt(scan, x, frame)
                if doubt:
                    return Size(math.nan, math.nan, "m", doubt)
                return Size(number(scan.get("PixelHeight", x)), x, "m", _fei_tilt(metadata), frame)
        beam = _part(metadata, "IRBeam")
        if "HFW" in beam and frame[1]:
            x = number(beam["HFW"]) / frame[1]
            return Size(number(beam["VFW"]) / frame[0] if "VFW" in beam and frame[0] else x, x, "m", frame=frame)
    return None


def _fei_tilt(metadata: Mapping[str, Any]) -> str:
    stage, beam = _part(metadata, "Stage"), _part(metadata, "EBeam") or _part(metadata, "Beam")
    corrected = str(beam.get("TiltCorrectionIsOn", "no")).lower() in ("yes", "true", "1", "on")
    return tilt_note(math.degrees(number(stage.get("StageT"))), corrected, "FEI tag")


def _fei_doubt(scan: Mapping[str, Any], x: float, frame: tuple[int, int]) -> str:
    """What the width of the field says against the pixel size, "" where they agree."""
    field = number(scan.get("HorFieldsize"))
    if not (field > 0 and x > 0 and frame[1]) or math.isclose(field / frame[1], x, rel_tol=0.01):
        return ""
    given = f"The FEI tag gives a pixel of {x * 1e9:.4g} nm, but a field of {field * 1e9:.4g} nm over {frame[1]} px"
    return f"{given}: they disagree, and neither was taken: {TYPE_IT}."


def _part(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = metadata.get(name)
    return part if isinstance(part, dict) else {}


def zeiss(tags: tifffile.TiffTags, frame: tuple[int, int]) -> Size | None:
    """SmartSEM: the pixel of the stored image and, for a picture of `frame`, the width of its field.

    ap_pixel_size is the pixel of the display, of 1024 px as a rule: it counts only with the field that it was made from.
    """
    metadata = section(tags, 34118)
    stored, field = _zeiss_length(metadata.get("ap_image_pixel_size")), _zeiss_length(metadata.get("ap_width"))
    said = re.findall(r"\d+", str(_zeiss_value(metadata.get("dp_image_store"))))
    store = (pixels(said[1]), pixels(said[0])) if len(said) >= 2 else (0, 0)
    note = tilt_note(number(_zeiss_value(metadata.get("ap_stage_at_t"))), _zeiss_corrected(metadata), "Zeiss tag")
    columns = store[1] or frame[1]
    if stored > 0:
        width = store if store[1] else (0, round(field / stored) if field > 0 and abs(field / stored - frame[1]) > 0.02 * frame[1] else 0)
        return Size(stored, stored, "nm", note, width)
    shown = _zeiss_length(metadata.get("ap_pixel_size"))
    if not field > 0 or not columns:
        if shown > 0:
            return Size(math.nan, math.nan, "nm", f"The Zeiss tag gives only the pixel of the display: {TYPE_IT}.")
        unread = metadata.keys() & {"ap_image_pixel_size", "ap_pixel_size", "ap_width"}
        return Size(math.nan, math.nan, "nm", f"The pixel size in the Zeiss tag cannot be read: {TYPE_IT}.") if unread else None
    x = field / columns
    if (
        shown > 0
        and not any(math.isclose(x, shown * 1024 / (columns * k), rel_tol=0.02) for k in (1, 2))
        and not math.isclose(x, shown, rel_tol=0.02)
    ):
        given = f"The Zeiss tag gives a field of {field:.4g} nm and a pixel of the display of {shown:.4g} nm"
        text = f"{given}, which disagree, and neither was taken: {TYPE_IT}."
        return Size(math.nan, math.nan, "nm", text)
    return Size(x, x, "nm", note, store)


def _zeiss_value(entry: Any) -> Any:
    return entry[1] if isinstance(entry, tuple) and len(entry) > 1 else None


def _zeiss_corrected(metadata: Mapping[str, Any]) -> bool:
    return any(str(_zeiss_value(metadata.get(name))).lower() in ("on", "yes", "true") for name in ("dp_tilt_corrn", "dp_tilt_correction"))


def _zeiss_length(entry: Any) -> float:
    """nm of a value with its unit; NaN where there is none."""
    if isinstance(entry, tuple) and len(entry) == 2:  # tifffile knows no decimal comma
        entry = (entry[0], *str(entry[1]).strip().rpartition(" ")[::2])
    if not isinstance(entry, tuple) or len(entry) < 3:
        return math.nan
    return number(entry[1]) * _in_nm(str(entry[2]))


def _in_nm(unit: str) -> float:
    try:
        return to_nanometres(1, unit)
    except TemsegError:
        return math.nan


def tescan(tags: tifffile.TiffTags) -> Size | None:
    """TESCAN: lines of NAME=VALUE in a tag of its own, after a thumbnail; metres."""
    return tescan_text(_tescan_tag(tags))


def tescan_entries(tags: tifffile.TiffTags) -> dict[str, str]:
    """All that TESCAN's tag tells, under lower-case names."""
    return {name.lower(): value.strip() for name, value in _TESCAN.findall(_tescan_tag(tags))}


def _tescan_tag(tags: tifffile.TiffTags) -> str:
    value = tags.valueof(TESCAN_TAG)
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    return bytes(value).decode("latin-1") if isinstance(value, (bytes, bytearray)) else ""


def tescan_text(text: str) -> Size | None:
    """The pixel size of what TESCAN's programs write into a tag, or into a .hdr beside the picture."""
    found = dict(_TESCAN.findall(text))
    if "PixelSizeX" not in found:
        return None
    x = number(found["PixelSizeX"])
    tilt = next((number(found[name]) for name in ("StageTilt", "TiltX") if name in found), math.nan)
    corrected = str(found.get("TiltCorrection", "0")).strip().lower() not in ("", "0", "off", "no", "false")
    frame = (pixels(found.get("ImageHeight")), pixels(found.get("ImageWidth")))
    return Size(number(found.get("PixelSizeY", x)), x, "m", tilt_note(tilt, corrected, "TESCAN"), frame)
