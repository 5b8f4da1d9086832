"""Truths from files: label images and ROI sets of ImageJ become labels layers on the micrograph that they were drawn on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.session import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

ENDINGS = (".tif", ".tiff", ".png", ".zip", ".roi")
KINDS_OF_TRUTH = f"Label images and ROI sets ({' '.join(f'*{each}' for each in ENDINGS)})"


def ask_truth(session: Session, parent: QWidget, item: Item, done: Callable[[Labels | TemsegError], None]) -> None:
    """Ask for the file in which the particles of a micrograph are labelled; `done` gets its layer, or what is wrong with it.

    Nothing is called when the user thinks better of it.
    """
    path, _ = QFileDialog.getOpenFileName(parent, f"Truth of {item.name}", export.folder_of(session), KINDS_OF_TRUTH)
    if path:
        session.jobs.later(partial(_read, path, item.name, layers.shape(item.layer)), partial(_show, session, item, path, done))


def _read(path: str, name: str, shape: tuple[int, ...]) -> Any:
    """Labels of this shape, or the `TemsegError` of a file that has none."""
    from napari_temseg.files.rois import is_roi_set, read_rois
    from napari_temseg.files.tables import read_labels

    if Path(path).suffix.lower() not in ENDINGS:
        return TemsegError(f"{path}: is no label image; choose a TIFF or PNG, or a ROI set of ImageJ (.zip, .roi), of {name}.")
    try:
        if is_roi_set(path):
            return read_rois(path, shape)
        labels = read_labels(path)
    except TemsegError as error:
        return error
    single = labels.reshape(labels.shape[-2:]) if labels.ndim > 2 and labels.size == labels.shape[-1] * labels.shape[-2] else labels
    if tuple(single.shape) != shape:
        found, wanted = (" × ".join(map(str, each)) for each in (single.shape, shape))
        return TemsegError(f"{path}: its size is {found} px, that of {name} {wanted}; choose the label image that was drawn on it.")
    if not single.any():
        return TemsegError(f"{path}: every pixel is 0, so no particle is labelled in it; choose the label image of {name}.")
    return single


def _show(session: Session, item: Item, path: str, done: Callable[[Labels | TemsegError], None], labels: Any) -> None:
    if isinstance(labels, TemsegError):
        done(labels)
    elif item in session.items:
        stem = Path(path).stem
        name = stem if stem.lower() != Path(item.name).stem.lower() else f"{stem} truth"
        done(layers.add_own_labels(session.viewer, item.layer, labels, name))
