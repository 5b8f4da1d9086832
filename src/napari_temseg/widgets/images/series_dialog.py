"""Files that hold several pictures (detectors, series): which of the others are to be opened too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDialog, QScrollArea, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, highlight, hint, row, sheet

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session


@dataclass(frozen=True)
class Others:
    """A file, the picture in it that was opened, the names of the others, and what planes of a stack were said to be."""

    path: str
    opened: str
    names: tuple[str, ...]
    axes: str = ""


def show_series_dialog(session: Session, files: Sequence[Others], open_series: Callable[..., None]) -> SeriesDialog:
    """Offer the other pictures of files beside the window; `open_series(paths, axes=…, series=…)` opens what is chosen."""
    window = window_of(session.viewer)
    for old in window.findChildren(SeriesDialog):
        old.close()
    dialog = SeriesDialog(session, files, open_series, window)
    dialog.show()
    return dialog


class SeriesDialog(QDialog):
    """Not modal: a check box for each name, which holds for all the files."""

    def __init__(self, session: Session, files: Sequence[Others], open_series: Callable[..., None], parent: QWidget) -> None:
        super().__init__(parent)
        self.files, self._open_series = list(files), open_series
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("More pictures in the file")
        names = dict.fromkeys(name for file in files for name in file.names)
        self.boxes = {name: QCheckBox(name.replace("&", "&&")) for name in names}
        self.open_ticked = button("Open", "Open the ticked pictures too, each as a layer of its own.", self._open)
        self.skip = button("Not now", "Leave it at what is open; open the file again to choose later.", self.close)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        text = hint(self._sentence())
        text.setMinimumWidth(300)  # its height is worked out for this width
        layout.addWidget(text)
        layout.addWidget(self._list())
        layout.addWidget(row([self.skip, self.open_ticked], (1, 1)))
        for box in self.boxes.values():
            box.setToolTip("Tick to open this picture as well.")
            box.toggled.connect(self._ticked)
        self.setStyleSheet(sheet(session.viewer))
        self.open_ticked.setDefault(True)
        self._ticked()
        session.closing.connect(self.close)

    def _sentence(self) -> str:
        first = self.files[0]
        if len(self.files) == 1:
            n = len(first.names) + 1
            return (
                f"{Path(first.path).name} holds {n} pictures: “{first.opened}”, the first that can be measured, is open. Open others too?"
            )
        return f"{len(self.files)} files hold several pictures; of each the first that can be measured is open. Open others too?"

    def _list(self) -> QWidget:
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        for each in self.boxes.values():
            layout.addWidget(each)
        if len(self.boxes) <= 8:
            return box
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(box)
        return area

    def _ticked(self, *_: Any) -> None:
        n = sum(box.isChecked() for box in self.boxes.values())
        allow(self.open_ticked, "" if n else "Tick a picture first.")
        self.open_ticked.setText(f"Open {n} more" if n else "Open")
        highlight(self.open_ticked, n > 0)

    def _open(self) -> None:
        chosen = [name for name, box in self.boxes.items() if box.isChecked()]
        if not chosen:
            raise TemsegError("Tick the pictures that are to be opened.")
        self.close()
        for file in self.files:
            names = [name for name in chosen if name in file.names]
            if names:
                self._open_series([file.path], axes=file.axes, series=names)
