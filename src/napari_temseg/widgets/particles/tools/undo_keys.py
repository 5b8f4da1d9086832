"""Ctrl+Z and Ctrl+Shift+Z anywhere in the window, and U: they take back the newest stroke or correction, or say why they do not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject
from qtpy.QtGui import QKeySequence, QShortcut

from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class UndoKeys(QObject):
    """One for a window, as Qt does nothing where two wait for a key; in a field for text the keys are those of the text."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.corrector = session, session.part(Corrector)
        self._calibrated: Item | None = None  # its newest change is a pixel size, which is no step
        window = window_of(session.viewer)
        back = partial(guarded, partial(self._stroke_or, undone=False))
        again = partial(guarded, partial(self._stroke_or, undone=True))
        self._keys = [QShortcut(QKeySequence(key), window, slot) for key, slot in (("Ctrl+Z", back), ("Ctrl+Shift+Z", again))]
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._close)

    def undo(self) -> None:
        """Take the newest correction back; what no step holds is told of first."""
        item = self.session.current
        if item is not None:
            self.session.settle(item)
        name = "" if item is None else item.history.undoable
        if item is not None and item is self._calibrated:
            self._calibrated = None
            then = f" Once more takes back {name}." if name else ""
            self.session.say(f"{item.name}: its newest change is the pixel size, which is taken back in Calibrate…{then}")
        elif not name:
            self.session.say("There is nothing to undo." if item is None else f"{item.name}: there is nothing to undo.")
        else:
            self.corrector.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        item = self.session.current
        if item is None or not item.history.redoable:
            self.session.say("There is nothing to do again." if item is None else f"{item.name}: there is nothing to do again.")
        else:
            self.corrector.redo()

    def _stroke_or(self, *, undone: bool) -> None:
        """napari's own undo for what the brush painted, which is lost to it with another correction; else that of corrections."""
        layer = self.session.viewer.layers.selection.active
        if isinstance(layer, Labels) and brush.has_history(layer, undone=undone):
            (layer.redo if undone else layer.undo)()
        elif self.session.annotating:
            self.session.say("There is no stroke to " + ("paint again." if undone else "undo; U takes back corrections of particles."))
        else:
            (self.redo if undone else self.undo)()

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.CALIBRATION:
            self._calibrated = item
        elif what in (Change.PARTICLES, Change.TABLE, Change.REVIEW) and item is self._calibrated:
            self._calibrated = None

    def _close(self) -> None:
        for key in self._keys:
            key.setEnabled(False)
