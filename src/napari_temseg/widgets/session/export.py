"""Results leave the window: the table as CSV, particles as TIFF, the whole as a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers, micrograph_layer, shapes_layers
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.kit.folder_dialog import FolderDialog

if TYPE_CHECKING:
    from napari_temseg.engine.measure.audit.carrying import Audit
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


MODELS = "Models (*.temseg)"
FIGURE_TYPES = "Picture, 300 dpi (*.png);;Drawing (*.svg);;Drawing (*.pdf)"
DPI = 300


def folder_of(session: Session) -> str:
    """Where dialogs start: the folder of the image in hand, else the one used last, else the user's own."""
    path = micrograph_layer.path_of(session.current.layer) if session.current is not None else ""
    # A path from the command line is relative; what is neither absolute nor a file is but a name.
    beside = str(Path(path).resolve().parent) if path and (Path(path).is_absolute() or Path(path).exists()) else ""
    for folder in (beside, str(session.settings.get("folder", ""))):
        if folder and Path(folder).is_dir():
            return folder
    return str(Path.home())


def ask_file(session: Session, parent: QWidget, title: str, name: str, kinds: str) -> str:
    """Where to write a file, "" when the user thinks better of it; a name without an ending gets that of the kind that was chosen."""
    path = file_to_write(parent, title, str(Path(folder_of(session)) / name), kinds)
    if path:
        session.settings.set("folder", str(Path(path).parent))
    return path


def file_to_write(parent: QWidget, title: str, asked: str, kinds: str) -> str:
    """The file that a person names, its ending one of `kinds` ("Table (*.csv)"); "" for none."""
    while True:
        path, kind = QFileDialog.getSaveFileName(parent, title, asked, kinds)
        ends = re.findall(r"\*(\.\w+)", kind or kinds)
        if not path or not ends or Path(path).suffix.lower() in re.findall(r"\*(\.\w+)", kinds):
            return path
        asked = path + ends[0]
        if not Path(asked).exists():  # else the dialog asks whether that one may be replaced
            return asked


def ask_model(session: Session, parent: QWidget, title: str) -> str:
    """A model file to open, "" when the user thinks better of it; its folder is remembered apart from that of the pictures."""
    folder = str(session.settings.get("models", ""))
    path, _ = QFileDialog.getOpenFileName(parent, title, folder if Path(folder).is_dir() and folder else folder_of(session), MODELS)
    if path:
        session.settings.set("models", str(Path(path).parent))
    return path


def ask_folder(session: Session, parent: QWidget, title: str, name: str = "") -> str:
    """A folder to write to, "" when the user thinks better of it; one that does not exist yet may be typed, `name` is offered."""
    dialog = FolderDialog(parent, title, folder_of(session), name)
    try:
        folder = dialog.selectedFiles()[0] if dialog.exec() else ""
    finally:
        dialog.deleteLater()
    if folder:
        session.settings.set("folder", folder)
    return folder


def export_plot(session: Session, path: str, shown: Any, **view: Any) -> None:
    """Write the histogram of a `PooledDistribution` as it is seen, as PNG or SVG by the file's ending; `view` is what `draw_seen` takes."""

    def write() -> None:
        from napari_temseg.widgets.kit.histogram_figure import SeenPart, draw_seen

        n = len(set(map(str, shown.image)))
        of_column = None if shown.samples else shown.of_column  # of several samples together none is of any
        figure = draw_seen(
            shown.values,
            shown.volumes if view["by_volume"] else shown.weights,
            f"{shown.title} ({shown.unit})" if shown.unit else shown.title,
            n,
            shown.drawn(by_volume=view["by_volume"]).curve,
            of_column,
            **view | {"populations": [SeenPart(*each) for each in view.get("populations", ())]},
        )
        save_figure(figure, path)

    _write(session, path, write)


def export_view(session: Session, item: Item, path: str) -> None:
    """Write what the canvas shows of a micrograph, with outlines and a scale bar, as PNG or SVG by the file's ending."""
    window = layers.window_in_view(session.viewer, item.layer)
    if window is None:
        raise TemsegError(f"{item.name} is not in view: press Home, or click its row in step 1.")
    session.settle(item)
    plane = session.shown_plane(item)
    image = micrograph_layer.window(item.layer, plane, *window)
    shown = item.particles is not None and item.particles_layer is not None and layers.is_visible(item.particles_layer)
    labels = item.particles.planes()[plane][window].copy() if shown and item.particles is not None else None
    table = item.measurement.table if item.measurement is not None else None
    out = () if table is None else table.loc[table["excluded"] != "", "particle"].astype(int).tolist()
    pixel = None if item.calibration.pixel_size is None else item.calibration.scale
    mask = None if item.left_out is None else shapes_layers.left_out_mask(item.left_out, item.frame)
    burnt_in = None if mask is None else mask[window].copy()
    low, high = (float(limit) for limit in item.layer.contrast_limits)

    def write() -> None:
        from napari_temseg.widgets.kit.view_figure import view_figure

        save_figure(view_figure(image, labels, (low, high), pixel, out, burnt_in), path)

    _write(session, path, write)


def save_figure(figure: Any, path: str) -> None:
    """Write a figure as PNG of 300 dpi, as SVG or as PDF, by its ending; the PNG says who drew it: no run takes it for a micrograph."""
    from napari_temseg.engine.measure.plots import pdf, svg
    from napari_temseg.files.atomic import replacing
    from napari_temseg.files.own_figures import PNG_METADATA

    with replacing(Path(path)) as part:
        if Path(path).suffix.lower() == ".svg":
            Path(part).write_bytes(svg(figure))
        elif Path(path).suffix.lower() == ".pdf":
            Path(part).write_bytes(pdf(figure))
        else:
            figure.savefig(part, format="png", dpi=DPI, metadata=PNG_METADATA)


def export_table(session: Session, measurements: Sequence[Measurement], path: str) -> None:
    """Write the rows of measurements as CSV, or for Excel by the file's ending."""
    from napari_temseg.files.tables import write_particles

    tables = [measurement.table for measurement in measurements]
    _write(session, path, partial(write_particles, path, tables))


def export_labels(session: Session, item: Item, path: str) -> None:
    """Write the particles of a micrograph as a calibrated label image."""
    from napari_temseg.files.tables import write_labels_tiff

    session.settle(item)
    if item.particles is None:
        raise TemsegError(f"{item.name}: there are no particles yet; find them first (step 2).")
    _write(session, path, partial(write_labels_tiff, path, item.particles.labels, item.calibration, item.particles.micrograph.axes))


def write_report(
    session: Session,
    items: Sequence[Item],
    measurements: Sequence[Measurement],
    folder: str,
    written: Callable[[Path], None] | None = None,
    audits: Sequence[Audit] = (),
) -> None:
    """Write report.html, particles.csv, summary.json and label images of measured micrographs to a folder, as a job.

    `written` gets the path of the page; `audits` are those of the pictures.
    """
    from napari_temseg.pipeline.existing_results import Result, iter_report

    results = [
        Result(item.particles, measurement, item.corrections)
        for item, measurement in zip(items, measurements, strict=True)
        if item.particles is not None
    ]

    def told(path: Path) -> None:
        session.say(f"Written: {path}.")
        if written is not None:
            written(Path(path))

    models, known = dict(session.models), dict(session.model_names)
    session.jobs.start(
        "Writing the report",
        lambda: iter_report(results, folder, session.model, models, known, audits),
        told,
    )


def open_page(session: Session, path: Path) -> None:
    """Show a report in the browser, and say where it is: a browser need not come; `TemsegError` when the report is gone."""
    if not path.is_file():
        raise TemsegError(f"{path}: the report is not there any more; write it again.")
    if QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
        session.say(f"The browser is asked to show {path}.")
    else:
        session.say(f"No browser could be asked: open {path} yourself.")


def _write(session: Session, path: str, write: Callable[[], Any]) -> None:
    """Write a file beside the window, and tell how it went."""

    def attempt() -> Exception | None:
        try:
            write()
        except (TemsegError, OSError, ValueError, MemoryError) as error:
            return error
        return None

    def told(error: Exception | None) -> None:
        if error is None:
            session.say(f"Written: {path}.")
        else:
            complain(error, Path(path).name)

    session.jobs.later(attempt, told)
