"""Formats that rosettasciio reads and we do not, where somebody installed it: it is GPL-3, an extra, and never imported otherwise."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.extras.arrays import pictures
from napari_temseg.files.formats.raw import unusable
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, number


def read_rosetta(path: Path) -> list[Series]:
    """Every picture that rosettasciio finds, those that can be measured first, then by size; spectra and scans have an obstacle."""
    extension = path.suffix[1:].lower()
    plugins = [plugin for plugin in import_module("rsciio").IO_PLUGINS if extension in map(str.lower, plugin["file_extensions"])]
    trouble: Exception | None = None
    for plugin in plugins:
        try:
            with _warnings() as said:
                found = import_module(plugin["api"]).file_reader(str(path), lazy=False)
            series = [one for index, entry in enumerate(found) for one in _series(entry, index, plugin["name"])]
        except Exception as error:  # noqa: BLE001  whatever its readers raise for a file that is damaged or not theirs
            trouble = error
            continue
        notes = tuple(dict.fromkeys(f"rosettasciio: {' '.join(sentence.split())}" for sentence in said))
        series = [replace(one, notes=(*one.notes, *notes)) for one in series]
        return sorted(series, key=lambda one: (bool(one.obstacle), -math.prod(one.data.shape[-2:])))
    if isinstance(trouble, ImportError) and trouble.name:
        raise TemsegError(
            f"{path}: rosettasciio needs the package {trouble.name} for it; install that, or save the image as TIFF."
        ) from trouble
    raise TemsegError(f"{path}: is damaged, or rosettasciio does not read it; copy or export it again.") from trouble


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What rosettasciio warns of meanwhile, on its log or as Python's warnings."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, listener = logging.getLogger("rsciio"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            yield said
            said += [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    finally:
        logger.removeHandler(listener)


def _series(entry: dict[str, Any], index: int, plugin: str) -> list[Series]:
    metadata = entry.get("metadata", {})
    title = metadata.get("General", {}).get("title", "") or f"image {index}"
    axes = sorted(entry["axes"], key=lambda axis: axis.get("index_in_array", 0))
    data = entry["data"]
    signal = [axis for axis in axes if not axis.get("navigate", False)]
    if len(signal) != 2 or len(axes) > 3 or axes[-2:] != signal:
        what = "a spectrum or spectrum image" if len(signal) == 1 else f"an array of {len(axes)} axes (as a 4D-STEM scan)"
        return [Series(str(title), unusable(1, 1), obstacle=f"it is {what}, not a micrograph; open the image recorded with it.")]
    if "diffraction" in str(metadata.get("Signal", {}).get("signal_type", "")):
        obstacle = "it is a diffraction pattern (the file declares it so), which holds no particles; open an image instead."
        return [Series(str(title), unusable(1, 1), obstacle=obstacle)]
    y, x = (number(axis.get("scale")) for axis in axes[-2:])
    unit = str(axes[-1].get("units") or "")
    size = Size(y, x, unit) if unit not in ("", "<undefined>", "px", "pixel") else None
    return pictures(str(title), data, "Q" * (data.ndim - 2) + "YX", size, f"{plugin} file")
