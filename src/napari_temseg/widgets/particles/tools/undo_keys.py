"""Ctrl+Z and U, Ctrl+Shift+Z and Shift+U: the last thing done to the picture in hand, of whatever kind, goes and comes back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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
    from napari_temseg.widgets.session.history import Past
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class UndoKeys(QObject):
    """One for a window, as Qt does nothing where two wait for a key; in a field for text the keys are those of the text.

    Strokes, fillings of an annotation, corrections, splits and results are taken back in the order in which they were done. `changed`
    tells that a stroke came to them.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.corrector, self.strokes = session, session.part(Corrector), session.part(StrokeHistories)
        self._calibrated: tuple[Item, int] | None = None  # a pixel size, which is no step, and when it was said
        window = window_of(session.viewer)
        ways = (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo))
        self._keys = [QShortcut(QKeySequence(key), window, partial(guarded, way)) for key, way in ways]
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._close)
        self.strokes.changed.connect(self.changed)

    def newest(self, item: Item | None) -> str:
        """Name of what `undo` takes back of a micrograph, "" when there is nothing."""
        past = self._newest(item)
        return past.undoable if past is not None else ""

    def undone(self, item: Item | None) -> str:
        """Name of what `redo` does again, "" when there is nothing."""
        past = self._undone(item)
        return past.redoable if past is not None else ""

    def undo(self) -> None:
        """Take back the last thing done; what no step holds is told of first."""
        if (own := self._own_layer(undone=False)) is not None:
            own.undo()
            return
        item = self.session.current
        if item is not None:
            self.session.settle(item)
        past = self._newest(item)
        if item is not None and self._calibrated is not None and self._calibrated[0] is item:
            at, self._calibrated = self._calibrated[1], None
            if past is None or past.done_at < at:
                then = f" Once more takes back {past.undoable}." if past is not None else ""
                self.session.say(f"{item.name}: its newest change is the pixel size, which is taken back in Calibrate…{then}")
                return
        if item is None or past is None:
            self.session.say("There is nothing to undo." if item is None else f"{item.name}: there is nothing to undo.")
        elif past is not item.history:
            self._tell(item, f"Undone: {past.undo()}", "Ctrl+Shift+Z or Shift+U does it again.")
        elif (painted := self._painting(item, undone=False)) is not None:
            painted.undo()
        else:
            self.corrector.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        if (own := self._own_layer(undone=True)) is not None:
            own.redo()
            return
        item, past = self.session.current, self._undone(self.session.current)
        if item is not None and (painted := self._painting(item, undone=True)) is not None:
            painted.redo()
        elif item is None or past is None:
            self.session.say("There is nothing to do again." if item is None else f"{item.name}: there is nothing to do again.")
        elif past is not item.history:
            self._tell(item, f"Done again: {past.redo()}")
        else:
            self.corrector.redo()

    def _pasts(self, item: Item | None) -> list[Past]:
        if item is None:
            return []
        strokes = self.strokes.of(item)
        return [item.history, item.fillings, *([strokes] if strokes is not None else [])]

    def _newest(self, item: Item | None) -> Past | None:
        return max((past for past in self._pasts(item) if past.undoable), key=lambda past: past.done_at, default=None)

    def _undone(self, item: Item | None) -> Past | None:
        return max((past for past in self._pasts(item) if past.redoable), key=lambda past: past.undone_at, default=None)

    def _tell(self, item: Item, done: str, then: str = "") -> None:
        """What became of an annotation; it is not seen outside step 3."""
        where = "" if self.session.annotating else f" of {item.name} (step 3)"
        self.session.say(" ".join(filter(None, (f"{done}{where}.", then))))

    def _painting(self, item: Item, *, undone: bool) -> Labels | None:
        """The particles under the brush, whose strokes napari takes back (or paints again) one by one though they are one step."""
        layer = item.particles_layer
        in_hand = layer is not None and layers.is_active(self.session.viewer, layer) and brush.has_history(layer, undone=undone)
        return layer if in_hand else None

    def _own_layer(self, *, undone: bool) -> Labels | None:
        """A layer of labels of the user's own, in hand, with strokes to take back (or to paint again)."""
        layer = self.session.viewer.layers.selection.active
        own = isinstance(layer, Labels) and not layers.role(layer)
        return layer if own and brush.has_history(layer, undone=undone) else None

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.CALIBRATION:
            self._calibrated = item, tick()

    def _close(self) -> None:
        for key in self._keys:
            key.setEnabled(False)
