"""The dialog for a folder that need not exist yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialogButtonBox, QLineEdit

from napari_temseg.widgets.kit.folder_dialog import FolderDialog


def test_a_new_folder_is_taken_by_the_button_too(qtbot: Any, idle: Any, tmp_path: Path) -> None:
    dialog = FolderDialog(None, "Report", str(tmp_path))
    qtbot.addWidget(dialog)
    dialog.show()
    (button,) = (each for each in dialog.findChild(QDialogButtonBox).buttons() if each.text() == "Write here")
    name = dialog.findChild(QLineEdit)
    for letter in "today/new":
        qtbot.keyClicks(name, letter)
        idle()
        assert button.isEnabled(), name.text()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dialog.result() == FolderDialog.DialogCode.Accepted
    assert (tmp_path / "today" / "new").is_dir()


def test_a_name_is_offered(qtbot: Any, idle: Any, tmp_path: Path) -> None:
    dialog = FolderDialog(None, "Report", str(tmp_path), "grid_report")
    qtbot.addWidget(dialog)
    dialog.show()
    idle()
    assert dialog.findChild(QLineEdit).text() == "grid_report"
    dialog.accept()
    assert (tmp_path / "grid_report").is_dir()


def test_what_cannot_be_made_is_told_in_the_dialog(qtbot: Any, idle: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    dialog = FolderDialog(None, "Report", str(tmp_path), str(tmp_path / "taken" / "inside"))
    qtbot.addWidget(dialog)
    dialog.show()
    idle()
    dialog.accept()
    assert dialog.isVisible()
    assert "no folder can be made there" in dialog.trouble.text()
    qtbot.waitUntil(lambda: 0 < dialog.trouble.visibleRegion().boundingRect().height() == dialog.trouble.height())
