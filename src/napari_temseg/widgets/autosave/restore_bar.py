"""One line that offers what earlier starts kept of the micrograph in hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.autosave.restorer import Restorer
from napari_temseg.widgets.autosave.work_store import size_of
from napari_temseg.widgets.kit.style import button, highlight, hint, row

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class RestoreBar(QWidget):
    """What is kept, and whether it shall come back; hidden when there is nothing. `paint` takes the brush in hand with the strokes."""

    def __init__(self, session: Session, parent: QWidget, *, paint: bool) -> None:
        super().__init__(parent)
        self.session, self.autosaver, self.restorer = session, session.part(Autosaver), session.part(Restorer)
        self.text = hint(role="heading")
        self.restore = button(
            "Restore",
            "Bring all of it back to this image. What was found since can be had again by Undo (step 4).",
            partial(self._do, partial(self.autosaver.restore, paint=paint)),
        )
        self.all = button("", "Bring back what is kept of every open image.", self.restorer.restore_all)
        self.discard = button("Discard", "Delete for good what is kept of this image.", partial(self._do, self.autosaver.discard))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(row([self.restore, self.all, self.discard], (1, 1, 1)))
        highlight(self.restore)
        for signal in (self.autosaver.earlier_changed, session.current_changed, session.item_changed, session.jobs.changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the micrograph in hand."""
        item = self.session.current
        earlier = self.autosaver.earlier_work(item) if item is not None else None
        self.setVisible(earlier is not None)
        if item is None or earlier is None:
            return
        self.text.setText(f"Work of {earlier.when} is kept: {', '.join(earlier.parts)}{self._differs(item, earlier.work)}.")
        many = len(self.autosaver.items_with_earlier_work())
        self.all.setText(f"All {many}")
        self.all.setVisible(many > 1)
        idle = not self.session.jobs.running
        self.restore.setEnabled(idle or earlier.work is None or earlier.work.particles is None)
        self.all.setEnabled(idle)

    def _differs(self, item: Item, work: Any) -> str:
        """That the kept pixel size is not that of the file."""
        if work is None or work.calibration is None or item.calibration.pixel_size is None or work.calibration == item.calibration:
            return ""
        return f" (the image says {size_of(item.calibration)})"

    def _do(self, action: Any) -> None:
        if self.session.current is not None:
            action(self.session.current)
