"""The one question that is asked when the window is closed while a job runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

if TYPE_CHECKING:
    from napari_temseg.widgets.jobs.runner import Jobs

KEPT = "All that was painted, found and corrected is kept, and offered when the images are opened again."


def may_close(jobs: Jobs, window: QWidget) -> bool:
    """Ask whether the window shall close although a job runs; says what becomes of the job and of all else."""
    box = QMessageBox(window)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Close the window?")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"Close the window while “{jobs.title}” is running?")
    box.setInformativeText(" ".join(filter(None, (_fate(jobs), _others(jobs)))))
    stay = box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
    close = box.addButton("Stop and close", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.exec()
    box.deleteLater()
    return box.clickedButton() is close


def _fate(jobs: Jobs) -> str:
    rescue = " To keep the best so far, stay and press Finish now first." if jobs.can_finish else ""
    fate = "can go on later from where it was half a minute ago" if jobs.lasting else "what it has not delivered yet is lost"
    return f"It is stopped, and {fate}.{rescue} {KEPT}"


def _others(jobs: Jobs) -> str:
    """What else would be stopped: jobs of other plugins, about which napari asks in the same way."""
    others = jobs.others()
    return f"Stopped too: {'; '.join(others)}." if others else ""
