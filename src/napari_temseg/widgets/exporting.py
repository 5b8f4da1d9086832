"""Results leave the window: the table as CSV, particles as TIFF, the whole as a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.errors import TemsegError
from napari_temseg.widgets.finding import corrected_by_hand
from napari_temseg.widgets.jobs import complain

if TYPE_CHECKING:
    from napari_temseg.engine.shape import Measurement
    from napari_temseg.widgets.session import Item, Session


def export_table(session: Session, measurements: Sequence[Measurement], path: str) -> None:
    """Write the rows of measurements as CSV."""
    from napari_temseg.files.tables import write_particles_csv

    tables = [measurement.table for measurement in measurements]
    _write(session, path, partial(write_particles_csv, path, tables))


def export_labels(session: Session, item: Item, path: str) -> None:
    """Write the particles of a micrograph as a calibrated label image."""
    from napari_temseg.files.tables import write_labels_tiff

    session.settle(item)
    if item.particles is None:
        raise TemsegError(f"{item.name}: there are no particles yet; find them first (step 2).")
    _write(session, path, partial(write_labels_tiff, path, item.particles.labels, item.calibration, item.particles.micrograph.axes))


def write_report(session: Session, items: Sequence[Item], measurements: Sequence[Measurement], folder: str) -> None:
    """Write report.html, particles.csv, summary.json and label images of measured micrographs to a folder, as a job."""
    from napari_temseg.pipeline.gathered import Result, iter_report

    results = [
        Result(item.particles, measurement, corrected_by_hand(item))
        for item, measurement in zip(items, measurements, strict=True)
        if item.particles is not None
    ]
    session.jobs.start(
        "Writing the report", lambda: iter_report(results, folder, session.model), lambda path: session.say(f"Written: {path}.")
    )


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
