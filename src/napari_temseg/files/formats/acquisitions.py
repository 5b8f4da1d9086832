"""What files tell of how a picture was taken, whatever the makers call it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.files.formats.sizes import number

# The makers' names, as `flattened` writes them, with what turns their value into ours: Gatan, Velox, FEI, Zeiss, TESCAN, TVIPS, EPU, TIA,
# Hitachi, JEOL, MRC.
_TEXTS = {
    "instrument": (
        "microscope info.microscope",
        "instrument.instrumentmodel",
        "instrument.instrumentclass",
        "system.systemtype",
        "sv_serial_number",
        "device",
        "temtype",
        "instrumentmodel",
        "microscope",
        "instructname",
        "cm_instrument",
        "microscope type",
    ),
    "mode": ("microscope info.operation mode", "microscope info.illumination mode", "optics.mode", "mode"),
    "camera": (
        "databar.device name",
        "acquisition.device.name",
        "binaryresult.detector",
        "detectors.name",
        "dp_detector_channel",
        "detector",
        "cameratype",
        "camera.name",
        "camera name",
        "signalname",
        "cm_signal_name",
        "cm_signal",
    ),
}
_NUMBERS: dict[str, tuple[tuple[str, float], ...]] = {
    "magnification": (
        ("microscope info.indicated magnification", 1),
        ("microscope info.formatted indicated mag", 1),
        ("customproperties.stemmagnification.value", 1),
        ("optics.nominalmagnification", 1),
        ("ap_mag", 1),
        ("temmagnification", 1),
        ("nominalmagnification", 1),
        ("magnification", 1),
        ("cm_mag", 1),
    ),
    "kilovolts": (
        ("microscope info.voltage", 1e-3),
        ("optics.accelerationvoltage", 1e-3),
        ("beam.hv", 1e-3),
        ("ap_actualkv", 1),
        ("ap_manualkv", 1),
        ("hv", 1e-3),
        ("temhightension", 1e-3),
        ("accelerationvoltage", 1e-3),
        ("high tension", 1),
        ("acceleratingvoltage", 1e-3),
        ("cm_accel_volt", 1),
        ("ht", 1e-3),
    ),
    "x": (
        ("microscope info.stage position.stage x", 1),
        ("stage.position.x", 1e6),
        ("stage.stagex", 1e6),
        ("ap_stage_at_x", 1e6),
        ("stagex", 1e6),
        ("stage x", 1),
        ("stagepositionx", 1e-3),
        ("position.x", 1e6),
        ("x-stage", 1e6),
    ),
    "y": (
        ("microscope info.stage position.stage y", 1),
        ("stage.position.y", 1e6),
        ("stage.stagey", 1e6),
        ("ap_stage_at_y", 1e6),
        ("stagey", 1e6),
        ("stage y", 1),
        ("stagepositiony", 1e-3),
        ("position.y", 1e6),
        ("y-stage", 1e6),
    ),
}
# A date with its time, or the two apart.
_TIMES = (
    ("acquisition.acquisitionstartdatetime.datetime",),
    ("acquisitiondatetime",),
    ("privatefei.timeofcreation",),
    ("databar.acquisition date", "databar.acquisition time"),
    ("user.date", "user.time"),
    ("ap_date", "ap_time"),
    ("date", "time"),
    ("acquiredate",),
    ("cm_date", "cm_time"),
)
_FORMATS = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
)
_BEAMS = {"ebeam": "SEM", "ibeam": "FIB"}
_MOST_DEPTH, _MOST_TEXT = 6, 200
_LATEST = 4e9  # s since 1970


def flattened(tree: Any, start: str = "", depth: int = 0) -> dict[str, Any]:
    """The entries of nested groups under lower-case names with points between, such as "stage.position.x"; of SmartSEM's the values."""
    if not isinstance(tree, Mapping) or depth > _MOST_DEPTH:
        return {}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{start}{key}".lower()
        if isinstance(value, Mapping):
            found |= flattened(value, f"{name}.", depth + 1)
        elif isinstance(value, tuple) and len(value) >= 2 and isinstance(value[0], str):
            found[name] = _with_unit(value)
        else:
            found[name] = value
    return found


def _with_unit(entry: tuple[Any, ...]) -> Any:
    """A value of SmartSEM, in kV, metres or plain; of magnifications in thousands the number."""
    value, unit = entry[1], str(entry[2]) if len(entry) > 2 else ""
    text = str(value).strip()
    if re.fullmatch(r"[\d.]+\s*K\s*X", text, re.IGNORECASE):
        return number(text.split()[0].upper().rstrip("KX")) * 1e3
    factor = {"mm": 1e-3, "µm": 1e-6, "V": 1e-3, "K X": 1e3}.get(unit)
    return value if factor is None else number(value) * factor


def of_xml(root: ElementTree.Element | None) -> dict[str, Any]:
    """The leaves of an XML document by the names of leaf and parent, and by that of the leaf alone; of TIA's, labels with values."""
    found: dict[str, Any] = {}
    for parent in root.iter() if root is not None else ():
        texts = {str(child.tag).rpartition("}")[2].lower(): (child.text or "").strip() for child in parent}
        if texts.get("label"):
            found.setdefault(texts["label"].lower(), texts.get("value", ""))
        above = str(parent.tag).rpartition("}")[2].lower()
        for name, text in texts.items():
            if text:
                found.setdefault(f"{above}.{name}", text)
                found.setdefault(name, text)
    return found


def acquisition(entries: Mapping[str, Any], mode: str = "") -> Acquisition:
    """How a picture was taken, from entries as `flattened` or `of_xml` give them; `mode` where they do not say it."""
    texts = {field: _first(_text(entries.get(name)) for name in names) for field, names in _TEXTS.items()}
    numbers = {field: _number(entries, names) for field, names in _NUMBERS.items()}
    beam = str(entries.get("beam.beam", "")).lower()
    if not numbers["magnification"]:
        numbers["magnification"] = _of_display(entries)
    stage = (numbers["x"], numbers["y"]) if _known(entries, "x") and _known(entries, "y") else None
    return Acquisition(
        texts["instrument"],
        texts["mode"] or _BEAMS.get(beam, "") or mode,
        max(0.0, numbers["magnification"]),
        max(0.0, numbers["kilovolts"]),
        texts["camera"],
        _time(entries),
        stage,
    )


def _known(entries: Mapping[str, Any], field: str) -> bool:
    return any(math.isfinite(_leading(entries.get(name))) for name, _ in _NUMBERS[field])


def _number(entries: Mapping[str, Any], names: Iterable[tuple[str, float]]) -> float:
    for name, factor in names:
        value = _leading(entries.get(name))
        if math.isfinite(value):
            return float(f"{value * factor:.9g}")
    return 0.0


def _leading(value: Any) -> float:
    """The number that a value begins with, as “15000 Volt” does; NaN where it is none."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        match = re.match(r"\s*([-+]?\d[\d.,]*(?<![.,])(?:[eE][-+]?\d+)?|[-+]?\.\d+)", value)
        return number(match[1]) if match else math.nan
    return number(value)


def _of_display(entries: Mapping[str, Any]) -> float:
    """FEI's magnification: the width of the picture on its screen over that of the field."""
    width, field = (
        number(entries.get("image.magcanvasrealwidth")),
        number(entries.get("escan.horfieldsize", entries.get("scan.horfieldsize"))),
    )
    return float(f"{width / field:.4g}") if width > 0 and field > 0 else 0.0


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return ""
    return " ".join(str(value).replace("\0", " ").split())[:_MOST_TEXT]


def _time(entries: Mapping[str, Any]) -> str:
    for names in _TIMES:
        text = " ".join(filter(None, (_text(entries.get(name)) for name in names)))
        if text and all(_text(entries.get(name)) for name in names):
            found = parsed_time(text)
            if found:
                return found
    return ""


def parsed_time(text: str) -> str:
    """A date and time as microscopes write it, as ISO 8601 to the second; "" where it is none. Days may stand before months only past
    12."""
    seconds = number(text)
    if 1e8 < seconds < _LATEST:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    text = re.sub(r"^(Date|Time)\s*:\s*", "", text.replace("Time :", "").replace("Date :", "")).strip()
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).replace(tzinfo=None).isoformat(timespec="seconds")
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return datetime.strptime(" ".join(text.split()), form).isoformat(timespec="seconds")
        except ValueError:
            continue
    return ""
