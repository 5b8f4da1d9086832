"""Ctrl+Z and U, Ctrl+Shift+Z, Ctrl+Y and Shift+U: the last thing done to the picture in hand, of whatever kind, goes and comes back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QKeySequence, QShortcut

from napari_temseg.widgets.canvas import brush, layers
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.tools.stroke_history import StrokeHistories
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import tick

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class UndoKeys(QObject):
    """One for a window, as Qt does nothing where two wait for a key; in a field for text the keys are those of the text.

    Strokes, fillings of an annotation, corrections, splits and results are taken back in the order in which they were done, and come again
    in the reverse order of that in which they were taken back. `changed` tells that something came to them or went.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.corrector, self.strokes = session, session.part(Corrector), session.part(StrokeHistories)
        self._taken_back: WeakKeyDictionary[Labels, list[int]] = WeakKeyDictionary()  # when strokes on a layer of the user's own were
        self._calibrated: tuple[Item, int] | None = None  # a pixel size, which is no step, and when it was said
        window = window_of(session.viewer)
        ways = (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo), ("Ctrl+Y", self.redo))
        self._keys = [QShortcut(QKeySequence(key), window, partial(guarded, way)) for key, way in ways]
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._close)
        self.strokes.changed.connect(self.changed)
        self._told = self._newest = ""  # what was told of an undo, and what was said last
        session.said.connect(self._said)
        self.strokes.stroked.connect(self._stroked)

    def newest(self, item: Item | None) -> str:
        """Name of what `undo` takes back of a micrograph, "" when there is nothing."""
        past = item.timeline.newest if item is not None else None
        return past.undoable if past is not None else ""

    def undone(self, item: Item | None) -> str:
        """Name of what `redo` does again, "" when there is nothing."""
        past = item.timeline.undone if item is not None else None
        return past.redoable if past is not None else ""

    def undo(self) -> None:
        """Take the last thing back that was done to the layer of the user's own in hand, else to the picture in hand."""
        if (own := self._own_layer()) is not None and brush.has_history(own):
            own.undo()
            self._taken_back.setdefault(own, []).append(tick())
        else:
            self.undo_of_picture()

    def undo_of_picture(self) -> None:
        """Take back the last thing done; what no step holds is told of first."""
        item = self.session.current
        if item is not None:
            self.session.settle(item)
        past = item.timeline.newest if item is not None else None
        if item is not None and self._calibrated is not None and self._calibrated[0] is item:
            at, self._calibrated = self._calibrated[1], None
            if past is None or past.done_at < at:
                then = f" Once more takes back {past.undoable}." if past is not None else ""
                self.session.say(f"{item.name}: its newest change is the pixel size, which is taken back in Calibrate…{then}")
                return
        if item is None or past is None:
            self.session.say("There is nothing to undo." if item is None else f"{item.name}: there is nothing to undo.")
        elif past is item.history:
            self.corrector.undo()
        else:
            self._tell(item, f"Undone: {past.undo()}", "Ctrl+Shift+Z or Shift+U does it again.")
        self.changed.emit()

    def redo(self) -> None:
        """Do again what was undone last, on the layer of the user's own in hand or on the picture in hand."""
        item = self.session.current
        past = item.timeline.undone if item is not None else None
        own = self._own_layer()
        if own is not None and brush.has_history(own, undone=True) and self._last_taken_back(own) > (0 if past is None else past.undone_at):
            own.redo()
            self._taken_back[own].pop()
        else:
            self.redo_of_picture()

    def redo_of_picture(self) -> None:
        """Do again what was undone last; a stroke that nobody has taken in yet is newer than that."""
        item = self.session.current
        if item is not None:
            self.session.settle(item)
        past = item.timeline.undone if item is not None else None
        if item is None or past is None:
            self.session.say("There is nothing to do again." if item is None else f"{item.name}: there is nothing to do again.")
        elif past is item.history:
            self.corrector.redo()
        else:
            self._tell(item, f"Done again: {past.redo()}")
        self.changed.emit()

    def _tell(self, item: Item, done: str, then: str = "") -> None:
        """What became of an annotation; it is not seen outside step 3."""
        where = "" if self.session.annotating else f" of {item.name} (step 3)"
        self._told = " ".join(filter(None, (f"{done}{where}.", then)))
        self.session.say(self._told)

    def _said(self, text: str) -> None:
        self._newest = text

    def _stroked(self) -> None:
        """Who paints on is not told any more what was undone before."""
        if self._told and self._newest == self._told:
            self.session.say("")

    def _own_layer(self) -> Labels | None:
        """A layer of labels of the user's own, in hand."""
        layer = self.session.viewer.layers.selection.active
        return layer if isinstance(layer, Labels) and not layers.role(layer) else None

    def _last_taken_back(self, own: Labels) -> int:
        """When the stroke was taken back that comes again next; napari may have taken some back by itself, just now for all we know."""
        undone, known = brush.history_lengths(own)[1], self._taken_back.setdefault(own, [])
        known[:] = [*known[-undone:], *(tick() for _ in range(undone - len(known)))]
        return known[-1]

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.CALIBRATION:
            self._calibrated = item, tick()

    def _close(self) -> None:
        for key in self._keys:
            key.setEnabled(False)
