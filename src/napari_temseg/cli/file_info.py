"""What image files hold: series, sizes, units, calibration with its origin, and warnings; nothing is searched."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.cli.console import complain, report
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import AXES

if TYPE_CHECKING:
    from napari_temseg.files.formats.series import Series
    from napari_temseg.files.laboratory import CalibrationRow

_PAGES = "pages (say what they are with --axes)"


def file_info(args: argparse.Namespace) -> int:
    """Tell each file; 1 when some could not be read, 2 when none could."""
    from napari_temseg.files.laboratory import rows_from
    from napari_temseg.pipeline.inputs import collect

    rows = rows_from(args.calibrations)
    paths, failures = collect(args.files)
    entries: list[dict[str, Any]] = []
    for path in paths:
        try:
            entries.append(_entry(path, rows))
        except TemsegError as error:
            failures[str(path)] = str(error)
    for sentence in failures.values():
        complain(sentence)
    if entries:
        report(args, "\n".join(line for entry in entries for line in _lines(entry)), {"files": entries, "failures": failures})
    return 0 if not failures else 1 if entries else 2


def _entry(path: Path, rows: Sequence[CalibrationRow]) -> dict[str, Any]:
    from napari_temseg.files.readers import checked_end, series_of

    found = [checked_end(path, one) for one in series_of(path)]
    first = next((index for index, one in enumerate(found) if not one.obstacle), -1)
    if first >= 0 and found[first].calibration.pixel_size is None:
        found[first] = _with_offer(found[first])
    return {"file": str(path), "series": [_described(one, rows, read=index == first) for index, one in enumerate(found)]}


def _with_offer(one: Series) -> Series:
    """The picture with a note on what its scale bar seems to read."""
    from napari_temseg.engine.types.micrograph import Micrograph
    from napari_temseg.pipeline.burnt_in import bar_offer

    offer = bar_offer(Micrograph(one.data if len(one.data.shape) == 2 else one.data[0]))
    return replace(one, notes=(*one.notes, offer)) if offer else one


def _described(one: Series, rows: Sequence[CalibrationRow], *, read: bool) -> dict[str, Any]:
    from napari_temseg.files.laboratory import corrected

    one = corrected(one, rows)
    size = one.calibration.scale if one.calibration.pixel_size is not None else None
    return {
        "name": one.name,
        "read": read and not one.channel,
        "channel": one.channel,
        "shape": list(one.data.shape),
        "type": str(one.data.dtype),
        "axes": one.axes or ("YX" if len(one.data.shape) == 2 else ""),
        "pixel_size_nm": None if size is None else list(size),
        "origin": one.calibration.origin,
        "calibration": one.calibration.describe(),
        "acquisition": asdict(one.acquisition),
        "taken": one.acquisition.describe(),
        "obstacle": one.obstacle,
        "notes": list(one.notes),
    }


def _lines(entry: dict[str, Any]) -> list[str]:
    lines = [entry["file"]]
    for one in entry["series"]:
        name = f"{one['name'] or 'picture'}{_choice(one, len(entry['series']))}"
        if one["obstacle"]:
            lines.append(f"  {name}: {one['obstacle']}")
            continue
        height, width = one["shape"][-2:]
        meaning = AXES.get(one["axes"], _PAGES)
        planes = f", {one['shape'][0]} planes: {meaning}" if len(one["shape"]) > 2 else ""
        lines.append(f"  {name}: {width} × {height} px, {one['type']}{planes}")
        lines.append(f"    {one['calibration']}{_field(one['pixel_size_nm'], height, width)}")
        lines += [f"    {text}" for text in filter(None, (one["taken"], *one["notes"]))]
    return lines


def _choice(one: dict[str, Any], count: int) -> str:
    """What has to be said, or is done where nothing is, of one of several pictures."""
    if one["channel"]:
        return " (one of the channels has to be named with --series)"
    return " (read unless another is asked for)" if one["read"] and count > 1 else ""


def _field(size: list[float] | None, height: int, width: int) -> str:
    if size is None:
        return ""
    sides = width * size[1], height * size[0]
    factor, unit = next(((f, u) for f, u in ((1e6, "mm"), (1e3, "µm")) if max(sides) >= 2 * f), (1.0, "nm"))
    return f" · field {sides[0] / factor:.4g} × {sides[1] / factor:.4g} {unit}"
