"""One line that offers what earlier starts kept of the micrograph in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_temseg.widgets.autosave.autosaver import Autosaver, EarlierWork
from napari_temseg.widgets.autosave.restorer import Restorer
from napari_temseg.widgets.autosave.work import size_of
from napari_temseg.widgets.kit.offer import OfferBar
from napari_temseg.widgets.kit.style import button

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class RestoreBar(OfferBar):
    """What is kept, and whether it shall come back; while strokes are painted, they come with the brush in hand."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        self.session, self.autosaver, self.restorer = session, session.part(Autosaver), session.part(Restorer)
        tip = "Bring all of it back to this image. What was found since can be had again by Undo (step 4)."
        self.restore = button("Restore", tip, self._restore)
        self.all = button("", "Bring back what is kept of every open image.", self.restorer.restore_all)
        self.discard = button("Discard", "Delete for good what is kept of this image.", self._discard)
        super().__init__(parent, self.restore, self.all, self.discard)
        for signal in (self.autosaver.earlier_changed, session.current_changed, session.item_changed, session.jobs.changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the micrograph in hand."""
        item = self.session.current
        earlier = self.autosaver.earlier_work(item) if item is not None else None
        if not self.offer(_sentence(item, earlier)) or earlier is None:
            return
        many = len(self.autosaver.items_with_earlier_work())
        self.all.setText(f"All {many}")
        self.all.setVisible(many > 1)
        idle = not self.session.jobs.running
        self.restore.setEnabled(idle or earlier.work is None or earlier.work.particles is None)
        self.all.setEnabled(idle)

    def _restore(self) -> None:
        if self.session.current is not None:
            self.restorer.restore(self.session.current, paint=self.session.annotating)

    def _discard(self) -> None:
        if self.session.current is not None:
            self.autosaver.discard(self.session.current)


def _sentence(item: Item | None, earlier: EarlierWork | None) -> str:
    """What is kept, and that its pixel size is not that of the file."""
    if item is None or earlier is None:
        return ""
    kept, said = earlier.work.calibration if earlier.work is not None else None, item.calibration
    differs = f" (the image says {size_of(said)})" if kept is not None and said.pixel_size is not None and kept != said else ""
    return f"Work of {earlier.when} is kept: {', '.join(earlier.parts)}{differs}."
