"""Label images, ROI sets and tables of ImageJ that commands take and give."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.cli.console import complain
from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_temseg.engine.measure.measurement import Measurement


def add_imagej_option(parser: argparse.ArgumentParser, what: str) -> None:
    """`--imagej`: results for ImageJ."""
    parser.add_argument("--imagej", action="store_true", help=f"also write what ImageJ opens: {what}")


def add_image_option(parser: argparse.ArgumentParser) -> None:
    """`--image`: what ROI sets were drawn on."""
    parser.add_argument("--image", metavar="IMAGE", help="the micrograph that ROI sets (.zip, .roi) were drawn on")


def read_drawn(path: str | Path, shape: tuple[int, ...] | None) -> npt.NDArray[np.integer[Any]]:
    """A label image, or a ROI set as one of this shape."""
    from napari_temseg.files.rois import is_roi_set, read_rois, rois_left_out
    from napari_temseg.files.tables import read_labels

    if not is_roi_set(path):
        return read_labels(path)
    if shape is None:
        raise TemsegError(f"{path}: a ROI set does not say how large its picture is; name that with --image.")
    labels = read_rois(path, shape)
    left_out = rois_left_out(path, labels)
    if left_out:
        complain(left_out)
    return labels


def shape_from(paths: Sequence[str], image: str | None) -> tuple[int, ...] | None:
    """The shape of the picture that ROI sets among the paths belong to: of `image`, else of a label image among them."""
    from napari_temseg.files.readers import read_noted
    from napari_temseg.files.rois import is_roi_set
    from napari_temseg.files.tables import read_labels

    if not any(map(is_roi_set, paths)):
        return None
    if image:
        return tuple(read_noted(image, unsaid="NYX").image.data.shape)
    drawn = next((path for path in paths if not is_roi_set(path) and not path.lower().endswith(".csv")), None)
    return None if drawn is None else tuple(read_labels(drawn).shape)


def write_for_imagej(folder: Path, name: str, labels: Any, measured: Measurement | None = None) -> list[Path]:
    """Write NAME_rois.zip and, of what is measured, NAME_results.csv; returns the files."""
    from napari_temseg.files.imagej_tables import write_results
    from napari_temseg.files.rois import write_rois

    files = [folder / f"{name}_rois.zip"]
    write_rois(files[0], labels)
    if measured is not None:
        files.append(folder / f"{name}_results.csv")
        write_results(files[1], measured.table, measured.calibration.scale, measured.length_unit)
    return files
