"""The laboratory's own table of calibrations: shown, edited, imported and exported; `temseg calibrations` keeps the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.laboratory import (
    CALIBRATION_COLUMNS,
    CalibrationRow,
    own_rows,
    own_table,
    read_table,
    row_from,
    texts_of,
    write_table,
)
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, highlight, hint, row
from napari_temseg.widgets.session.export import file_to_write

_TITLES = ("instrument", "mode", "magnification", "kV", "camera", "factor x", "factor y", "uncertainty (%)", "standard", "date")
_TIPS = {
    "instrument": "As the file says it (temseg info FILE); empty: any.",
    "mode": "TEM, STEM, SEM … as the file says it; empty: any.",
    "magnification": "Empty: any.",
    "kV": "High tension; empty: any.",
    "camera": "Camera or detector as the file says it; empty: any.",
    "factor x": "True length over length as read, along x.",
    "factor y": "The same along y; empty: as along x.",
    "uncertainty (%)": "Relative standard uncertainty of the factors; it enters the budget of every size.",
    "standard": "What was measured, such as a cross grating.",
    "date": "When, as year-month-day; of rows that fit equally well the newest counts.",
}
_KIND = "Calibrations (*.csv)"


def show_laboratory(parent: QWidget) -> LaboratoryDialog:
    """Open the table beside the window; an open one is brought to the front."""
    window = parent.window()
    dialog = next((old for old in window.findChildren(LaboratoryDialog) if old.isVisible()), None) or LaboratoryDialog(window)
    dialog.show()
    dialog.raise_()
    return dialog


class LaboratoryDialog(QDialog):
    """Not modal: a line a calibration. Nothing is written before *Save*, and then all of it or nothing."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Calibrations of the laboratory")
        self.table = QTableWidget(0, len(CALIBRATION_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_TITLES))
        self.table.setAccessibleName("calibrations of the laboratory")
        for column, title in enumerate(_TITLES):
            if (head := self.table.horizontalHeaderItem(column)) is not None:
                head.setToolTip(_TIPS[title])
        if (header := self.table.horizontalHeader()) is not None:
            header.setStretchLastSection(True)
        self.said = hint()
        self._warned = False
        self.add = button("Add a row", "A new line, to be filled in.", self._add)
        self.remove = button("Remove rows", "Take the selected lines away.", self._remove)
        self.take = button("Import…", "Add the rows of a colleague's CSV file.", self._import)
        self.give = button("Export…", "Write the table as a CSV file, for colleagues.", self._export)
        self.save = button("Save", "Keep the table: it corrects the pixel size of files that are opened from now on.", self._save)
        layout = QVBoxLayout(self)
        text = "Each line corrects the pixel size of every file that says what the line says; empty stands for any."
        for widget in (hint(text), self.table, self.said, row([self.add, self.remove, self.take, self.give, self.save], (1, 1, 1, 1, 1))):
            layout.addWidget(widget)
        self.resize(880, 320)
        self.setStyleSheet(parent.styleSheet())
        self._show(own_rows())
        self.table.itemChanged.connect(self._changed)
        self._tell(_kept(self.table.rowCount()), changed=False)

    def reject(self) -> None:
        """Close; what is not saved is lost at the second try only."""
        if self.save.isEnabled() and not self._warned:
            self.said.setText("Not saved yet: Save keeps the changes; close again to drop them.")
            self._warned = True
            return
        super().reject()

    def rows(self) -> list[CalibrationRow]:
        """What the table says; `TemsegError` names the line that cannot be used."""
        found = []
        for line in range(self.table.rowCount()):
            texts = [
                item.text().strip() if (item := self.table.item(line, column)) is not None else ""
                for column in range(len(CALIBRATION_COLUMNS))
            ]
            if any(texts):
                try:
                    found.append(row_from(dict(zip(CALIBRATION_COLUMNS, texts, strict=True))))
                except TemsegError as error:
                    raise TemsegError(f"Line {line + 1}: {error}") from error
        return found

    def _show(self, rows: list[CalibrationRow]) -> None:
        for each in rows:
            self._append(texts_of(each))
        self.table.resizeColumnsToContents()

    def _append(self, texts: list[str]) -> None:
        line = self.table.rowCount()
        self.table.insertRow(line)
        for column, text in enumerate(texts):
            self.table.setItem(line, column, QTableWidgetItem(text))

    def _changed(self, *_: Any) -> None:
        self._tell("Not saved yet.", changed=True)

    def _tell(self, text: str, *, changed: bool) -> None:
        self._warned = False
        self.said.setText(text)
        allow(self.save, "" if changed else "Nothing was changed.")
        highlight(self.save, changed)

    def _add(self) -> None:
        self._append([""] * len(CALIBRATION_COLUMNS))
        self.table.setCurrentCell(self.table.rowCount() - 1, 0)
        self._changed()

    def _remove(self) -> None:
        chosen = sorted({index.row() for index in self.table.selectedIndexes()}, reverse=True)
        if not chosen:
            raise TemsegError("Select the lines that are to go.")
        for line in chosen:
            self.table.removeRow(line)
        self._changed()

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import calibrations", "", _KIND)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Add the rows of a file that are not there yet; they are kept by *Save*."""
        there = self.rows()
        fresh = [each for each in dict.fromkeys(read_table(path)) if each not in there]
        self._show(fresh)
        self._tell(f"{len(fresh)} new from {path.name}. Not saved yet.", changed=bool(fresh))

    def _export(self) -> None:
        path = file_to_write(self, "Export calibrations", "calibrations.csv", _KIND)
        if path:
            write_table(path, self.rows())
            self.said.setText(f"Written: {path}")

    def _save(self) -> None:
        rows = self.rows()
        write_table(own_table(), rows)
        self._tell(_kept(len(rows)), changed=False)


def _kept(count: int) -> str:
    return f"{count or 'No'} calibration{'' if count == 1 else 's'} in {own_table()}"
