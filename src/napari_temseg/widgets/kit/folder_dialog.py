"""A dialog for a folder that need not exist yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from napari_temseg.widgets.kit.style import hint


class FolderDialog(QFileDialog):
    """Qt's own dialog, as those of most systems accept only folders that exist."""

    def __init__(self, parent: QWidget | None, title: str, folder: str, name: str = "") -> None:
        super().__init__(parent, title, folder)
        self.setOption(QFileDialog.Option.DontUseNativeDialog)
        self.setFileMode(QFileDialog.FileMode.Directory)
        self.setOption(QFileDialog.Option.ShowDirsOnly)
        self.setLabelText(QFileDialog.DialogLabel.FileName, "Folder (may be new):")
        self.setLabelText(QFileDialog.DialogLabel.Accept, "Write here")
        for button in self.findChildren(QPushButton):
            button.installEventFilter(self)
            button.setEnabled(True)
        self.trouble = hint(role="warning")  # here: a notification of the window would lie behind the dialog
        self.trouble.hide()
        layout: Any = self.layout()
        layout.addWidget(self.trouble, layout.rowCount(), 0, 1, layout.columnCount())
        edit = self.findChild(QLineEdit)
        if name and edit is not None:  # `selectFile` takes none that is not there
            edit.setText(name)
            edit.selectAll()

    def eventFilter(self, watched: Any, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Qt takes the button away while a folder of that name is not there; whether one can be made is seen when it is pressed."""
        if event.type() == QEvent.Type.EnabledChange:
            watched.setEnabled(True)
        return False

    def accept(self) -> None:
        """Make the folder that was typed; what cannot be made keeps the dialog open and is said."""
        try:
            for folder in self.selectedFiles():
                Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.trouble.setText(f"{folder}: no folder can be made there ({error.strerror}); choose another.")
            self.trouble.show()
            return
        super().accept()
