"""Micrographs dragged onto napari or opened with it: calibrated layers, as the window itself would open them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info, show_warning

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph, Source
from napari_temseg.files.readers import is_micrograph, other_pictures, read_noted
from napari_temseg.widgets.canvas import micrograph_layer

LayerData = tuple[Any, dict[str, Any], str]
CHOOSE = "To choose, open the file in the dock “TEM particles” (Plugins menu), or with temseg gui --series NAME."
RESULTS = ("particles", "classes", "draft")  # label images that this program writes


def napari_get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader for files whose name tells a format of ours; None leaves them to other readers."""
    paths = [path] if isinstance(path, str) else path
    return read_layers if paths and all(is_micrograph(Path(one)) for one in paths) else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """A layer a file: the first picture in it that can be measured, with its scale and units; notifications name other pictures.

    Of several files, those that cannot be read are named and the others shown. `TemsegError` when none can.
    """
    paths = [path] if isinstance(path, str) else path
    found, failures = [], []
    for one in paths:
        try:
            found.append(_layer(one))
        except TemsegError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    for failure in failures:
        show_warning(str(failure))
    return found


def _layer(path: str) -> LayerData:
    from napari_temseg.files.formats.tiff import content_of  # brings what reads TIFF, which napari does not wait for at its start

    if content_of(Path(path)) in RESULTS:
        return _result(path)
    reading = read_noted(path, unsaid="NYX")
    others = other_pictures(reading)
    for note in (*reading.notes, *filter(None, [others and f"{others} {CHOOSE}"])):
        show_info(f"{Path(path).name}: {note}")
    return reading.image.data, micrograph_layer.micrograph_attributes(reading.image, said=reading.said, notes=reading.notes), "image"


def _result(path: str) -> LayerData:
    """Classes or particles that this program wrote, as labels that lie on their micrograph."""
    from napari_temseg.files.tables import read_calibration, read_labels

    labels = read_labels(path)
    image = Micrograph(labels, "YX" if labels.ndim == 2 else "NYX", read_calibration(path), source=Source(path))
    known = micrograph_layer.micrograph_attributes(image, contrast=[0.0, 1.0])
    return labels, {key: known[key] for key in ("name", "scale", "units")}, "labels"
