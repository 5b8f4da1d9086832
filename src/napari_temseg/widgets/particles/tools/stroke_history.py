"""When each stroke of the brush on an annotation was painted: napari undoes strokes, but does not know what else was done meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import tick

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_temseg.widgets.session.history import Timeline
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

ONE_STROKE = "stroke"


class StrokeHistory:
    """The strokes on one layer of labels as a `Past`; napari's own undo of the layer takes them back.

    Where it has a `timeline`, a stroke forgets what was undone there.
    """

    def __init__(self, layer: Labels, timeline: Timeline | None = None) -> None:
        self.layer, self._timeline = layer, timeline
        if timeline is not None:
            timeline.join(self)
        self._done: list[int] = []
        self._undone: list[int] = []

    def painted(self) -> None:
        """A stroke came to napari's history."""
        self._done.append(tick())
        self._undone.clear()
        if self._timeline is not None:
            self._timeline.acted()

    def forget_undone(self) -> None:
        """What was taken back does not come again."""
        self._undone.clear()
        brush.forget_undone(self.layer)

    def _follow(self) -> None:
        """napari keeps the newest hundred strokes, forgets all where pixels are replaced, and may have undone some by itself."""
        done, undone = brush.history_lengths(self.layer)
        self._done = self._done[-done:] if done else []
        self._undone = self._undone[-undone:] if undone else []
        self._undone += [tick() for _ in range(undone - len(self._undone))]

    @property
    def undoable(self) -> str:
        """The word for a stroke; "" when there is none to undo."""
        return ONE_STROKE if brush.has_history(self.layer) else ""

    @property
    def redoable(self) -> str:
        """The word for a stroke; "" when there is none to paint again."""
        return ONE_STROKE if brush.has_history(self.layer, undone=True) else ""

    @property
    def done_at(self) -> int:
        """When the newest stroke was painted."""
        self._follow()
        return self._done[-1] if self._done else 0

    @property
    def undone_at(self) -> int:
        """When the stroke that comes back next was taken back."""
        self._follow()
        return self._undone[-1] if self._undone else 0

    def undo(self) -> str:
        """Take the newest stroke back."""
        self._follow()
        if name := self.undoable:
            self.layer.undo()
            self._done = self._done[:-1]
            self._undone.append(tick())
        return name

    def redo(self) -> str:
        """Paint again what was taken back last."""
        self._follow()
        if name := self.redoable:
            self.layer.redo()
            self._undone = self._undone[:-1]
            self._done.append(tick())
        return name


class StrokeHistories(QObject):
    """Those of all annotations of a session; `changed` tells that a stroke was painted, or pixels drawn anew after a filling or an undo,
    `stroked` the former alone."""

    changed = Signal()
    stroked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._known: WeakKeyDictionary[Item, StrokeHistory] = WeakKeyDictionary()
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._close)
        for item in session.items:
            self._watch(item)

    def of(self, item: Item) -> StrokeHistory | None:
        """The strokes on a micrograph; None where it has no annotation."""
        return self._known.get(item)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.ANNOTATION:
            self._watch(item)

    def _watch(self, item: Item) -> None:
        known = self._known.get(item)
        if known is not None and known.layer is not item.annotation:
            self._leave(known.layer)
            del self._known[item]
        if item.annotation is not None and item not in self._known:
            self._known[item] = StrokeHistory(item.annotation, item.timeline)
            brush.on_stroke(item.annotation, self._painted)
            brush.on_painted(item.annotation, self._drawn)

    def _leave(self, layer: Labels) -> None:
        brush.off_stroke(layer, self._painted)
        brush.off_painted(layer, self._drawn)

    def _painted(self, event: Any) -> None:
        for known in self._known.values():
            if known.layer is event.source:
                known.painted()
                self.stroked.emit()

    def _drawn(self, event: Any = None) -> None:
        self.changed.emit()

    def _close(self) -> None:
        for known in self._known.values():
            self._leave(known.layer)
        self._known.clear()
