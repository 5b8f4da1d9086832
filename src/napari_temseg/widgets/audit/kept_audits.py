"""Audits of the pictures that are open: kept with the user's data, found again by what is in the pictures, whatever was found since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.widgets.autosave.store import Picture
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.data_folder import data_folder

if TYPE_CHECKING:
    from napari_temseg.engine.measure.audit.carrying import Audit
    from napari_temseg.engine.measure.audit.sampling import AuditSample
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def with_content(items: Sequence[Item], measurements: Sequence[Measurement]) -> list[Measurement]:
    """The measurements under the content of their pictures, also of those that were not opened from a file."""
    pairs = zip(items, measurements, strict=True)
    return [m if m.content_hash else replace(m, content_hash=Picture(item.layer.data).key) for item, m in pairs]


def audits_of(measurements: Sequence[Measurement]) -> list[Audit]:
    """The audits that were made of any of these pictures, the newest of each auditor, oldest first."""
    from napari_temseg.files.audits import kept

    contents = {measurement.content_hash for measurement in measurements}
    return [audit for audit in kept(data_folder(), contents) if audit.answers.decisions]


def kept_audits(items: Sequence[Item], measurements: Sequence[Measurement]) -> tuple[Sequence[Measurement], Sequence[Audit]]:
    """The measurements under the content of their pictures, and their audits; they stay as they are where nobody has audited anything."""
    from napari_temseg.files.audits import AUDITS

    if not (data_folder() / AUDITS).is_dir():
        return measurements, ()
    known = with_content(items, measurements)
    return known, audits_of(known)


def keep_answers(sample: AuditSample, said: dict[str, Any]) -> None:
    """Keep what an auditor has said so far."""
    from napari_temseg.files.audits import keep

    keep(data_folder(), sample, said)


def said_by(sample: AuditSample, auditor: str) -> dict[str, Any] | None:
    """What an auditor has said of this sample; None where nothing is kept."""
    from napari_temseg.files.audits import answers_of

    return answers_of(data_folder(), sample, auditor)


def write_audited_report(
    session: Session, items: Sequence[Item], measurements: Sequence[Measurement], folder: str, written: Callable[[Path], None]
) -> None:
    """Write the report of these micrographs with what their audits say; see `export.write_report`."""
    found = with_content(items, measurements)
    export.write_report(session, items, found, folder, written, audits_of(found))
