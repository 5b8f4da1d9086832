"""Annotation layers of a session: made, painted, filled, counted; every stroke is written to disk soon after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.annotations import ClassCount
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import FIRST_CLASS
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.autosave.restorer import Restorer
from napari_temseg.widgets.canvas import brush, layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.improve.annotation.painted_classes import PaintedClasses
from napari_temseg.widgets.improve.annotation.proposals import PlaneEdit, apply, changes_of
from napari_temseg.widgets.improve.training_labels import STROKES, Counts, classes_taught, counter, holds_strokes, source, teaches
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import Step

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SETTLE = 350  # ms after a stroke until it is counted
OPACITY, FILLED_OPACITY = 0.6, 0.2  # of strokes, and of labels that cover the share MUCH_LABELLED of a picture
MUCH_LABELLED = 0.3
EMPTY = ClassCount("", 0, 0)


class Annotator(QObject):
    """Annotations of all micrographs of a session, and the class in hand.

    `counted` tells that counts changed, `tool_changed` that another class or the eraser was taken in hand, or put down, `filled` that
    something can be undone that could not before, or the other way round, `painted` that strokes of a micrograph may have changed.
    """

    counted = Signal()
    tool_changed = Signal()
    filled = Signal()
    painted = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.number = FIRST_CLASS  # the class in hand, 0 for the eraser
        self._mode = ""  # of the brush on the annotation that was painted on last; "" where it was put down
        self._counts: WeakKeyDictionary[Item, Counts] = WeakKeyDictionary()
        self._classes = PaintedClasses(session)
        self._watched: dict[int, tuple[Labels, Item]] = {}  # by id of the layer, as long as it is watched
        self._uncounted: set[Item] = set()
        self._in_work: set[Item] = set()  # being counted in another thread
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE)
        self._settle.timeout.connect(self._count)
        self.autosaver = session.part(Autosaver)
        session.part(Restorer).strokes_read.connect(self.annotate)
        session.item_changed.connect(self._item_changed)
        session.items_changed.connect(self._items_changed)
        session.current_changed.connect(self._other_picture)
        session.tools_down.connect(self._put_down)
        session.classes_changed.connect(self._recolour)
        session.closing.connect(self.close)
        session.viewer.layers.selection.events.active.connect(self._activated)

    # -- painting

    def current_item(self) -> Item:
        """The micrograph in hand; `TemsegError` when there is none that can be painted on."""
        item = self.session.current
        if item is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        shape = layers.shape(item.layer)
        if len(shape) not in (2, 3):
            raise TemsegError(f"{item.name}: the layer has {len(shape)} axes; give micrographs (Y, X) or one stack of them (planes, Y, X).")
        return item

    def annotate(self, item: Item, labels: Any = None, number: int = FIRST_CLASS) -> Labels:
        """The annotation layer of a micrograph, with the brush in hand; made when there is none, and then `number` is the class in hand."""
        layer = item.annotation
        if item is self.session.current and (len(self.session.items) > 1 or not self.session.sees(item)):
            self.session.reveal()  # who paints wants to see what on
        if layer is None:
            data = np.zeros(layers.shape(item.layer), np.uint8) if labels is None else labels
            colours = layers.class_colours(self.session.classes, background=True)
            name = f"{item.name} annotation"
            layer = layers.add_labels(
                self.session.viewer, item.layer, data, name, Role.ANNOTATION, colours=colours, opacity=OPACITY, select=True
            )
            brush.size_brush(layer, item.frame)
            self.session.adopt(item, Role.ANNOTATION, layer)
            item.unpainted = labels is None
            self._watch(item, layer)
            self.number = number
            self.session.item_changed.emit(item, Change.ANNOTATION)
        self._take_in_hand(layer)
        return layer

    def choose(self, number: int) -> None:
        """Take a class in hand, 0 for the eraser, and paint with it on the micrograph in hand."""
        self.number = number
        if self.session.current is not None:
            self.annotate(self.current_item(), number=number)
        self.tool_changed.emit()

    def add_class(self, name: str) -> int:
        """A further class, in hand at once; returns its number."""
        number = max(self.session.classes) + 1
        if number > 254:
            raise TemsegError("There are 254 classes already; no more can be told apart.")
        self.session.set_class(number, name)
        self.choose(number)
        return number

    def _take_in_hand(self, layer: Labels) -> None:
        if self.number:
            brush.start_painting(self.session.viewer, layer, self.number)
        else:
            brush.start_erasing(self.session.viewer, layer)

    def _watch(self, item: Item, layer: Labels) -> None:
        self._watched[id(layer)] = (layer, item)
        brush.on_painted(layer, self._painted)
        brush.on_tool(layer, self._tool)

    def _unwatch(self, layer: Labels) -> None:
        if self._watched.pop(id(layer), None) is not None:
            brush.off_painted(layer, self._painted)
            brush.off_tool(layer, self._tool)

    def _painted(self, event: Any) -> None:
        known = self._watched.get(id(event.source))
        if known is not None:
            self._changed(known[1], known[0])

    def _look(self, item: Item) -> bool:
        """See which classes are painted; whether they are others than before."""
        other = self._classes.look(item)
        if self._classes.of(item) or self._classes.whole(item):  # of a large stack the other planes are looked at when it is counted
            item.unpainted = not self._classes.of(item)
        return other

    def _changed(self, item: Item, layer: Labels) -> None:
        if self._look(item):
            self.counted.emit()
        self.recount(item)
        self.autosaver.painted(item)
        self.painted.emit(item)

    def _tool(self, event: Any) -> None:
        number = brush.painted_number(event.source)
        if number is not None:
            self.number = number
        self._note_tool()

    def _activated(self, event: Any) -> None:
        self._note_tool()

    def _note_tool(self) -> None:
        """Remember whether the picture in hand is painted on, and how."""
        item, active = self.session.current, self.session.viewer.layers.selection.active
        of = self.session.item_of(active)  # None of a layer of the user's own; no layer is active while another is taken in hand
        if item is not None and item.annotation is not None and active is not None and of in (item, None):
            self._mode = "" if self.held is None else str(item.annotation.mode)
        self.tool_changed.emit()

    def _put_down(self) -> None:
        self._mode = ""

    def _other_picture(self) -> None:
        """In step 3 the brush stays in hand from picture to picture; what shows the other one activates the layer of its pixels first."""
        QTimer.singleShot(0, self, partial(self._take_up, self.session.current, self._mode))

    def _take_up(self, item: Item | None, mode: str) -> None:
        session = self.session
        if not mode or session.closed or not session.annotating or item is None or item is not session.current:
            return
        self._mode = mode
        if item.annotation is not None and self.held is None and session.sees(item):
            self._take_in_hand(item.annotation)
            item.annotation.mode = mode

    @property
    def held(self) -> int | None:
        """Class that a drag on the picture in hand paints now, 0 for the eraser, None where it paints nothing."""
        layer = self.session.current.annotation if self.session.current is not None else None
        if layer is None or not layers.is_active(self.session.viewer, layer):
            return None
        return brush.painted_number(layer)

    def _recolour(self) -> None:
        colours = layers.class_colours(self.session.classes, background=True)
        for layer, _ in self._watched.values():
            layers.recolour(layer, colours)

    # -- filling whole planes

    def fill(self, item: Item, planes: Mapping[int, Any], name: str) -> int:
        """Fill what nobody painted with class numbers (Y, X) by plane, undoably; returns how many pixels got one."""
        # Who went on to another image meanwhile is not called back.
        layer = self.annotate(item) if item.annotation is None or item is self.session.current else item.annotation
        changes = changes_of(layers.values(layer), planes)
        if not changes:
            raise TemsegError(
                f"{item.name}: there is nothing to fill; every pixel has a label already, or nothing is known of those without."
            )
        put = partial(self._put, item, layer)
        item.fillings.add(Step(name, partial(put, changes, True), partial(put, changes, False)))
        put(changes, False)
        return sum(int(np.count_nonzero(change.before != change.after)) for change in changes)

    def _put(self, item: Item, layer: Labels, changes: list[PlaneEdit], back: bool) -> None:
        if item.annotation is layer:
            apply(layers.values(layer), changes, back)
            layers.redraw(layer)
            self._changed(item, layer)
        self.filled.emit()

    # -- counting

    def counts(self) -> dict[int, ClassCount]:
        """Pixels and objects by class over the micrographs that train, as far as they are counted."""
        total: dict[int, ClassCount] = {number: ClassCount(name, 0, 0) for number, name in self.session.classes.items()}
        for item in self.session.items:
            if self.trains(item):
                for number, count in self.counts_of(item).items():
                    sofar = total.get(number, EMPTY)
                    total[number] = ClassCount(count.name, sofar.pixels + count.pixels, sofar.objects + count.objects)
        return total

    def trains(self, item: Item) -> bool:
        """Whether a micrograph takes part in the next training."""
        return bool(source(item)) and teaches(item, self.session.current)

    def labelled(self) -> frozenset[int]:
        """Classes that the micrographs of the next training hold; where they are more than two, not all of them. Known at once."""
        return frozenset().union(*(self._labelled(item) for item in self.session.items if self.trains(item)))

    def _labelled(self, item: Item) -> frozenset[int]:
        if source(item) != STROKES:
            return classes_taught(item)
        counted = frozenset() if self._classes.whole(item) else {number for number, count in self.counts_of(item).items() if count.pixels}
        return self._classes.of(item) | counted

    def counts_of(self, item: Item) -> Counts:
        """Pixels and objects by class of one micrograph, as far as it was counted."""
        return self._counts.get(item, {})

    def covered(self, item: Item) -> float:
        """Share of a micrograph that its annotation labels, as far as it was counted."""
        labelled = sum(count.pixels for count in self.counts_of(item).values()) if source(item) == STROKES else 0
        return labelled / (item.n_planes * prod(item.frame))

    def word_of(self, item: Item | None) -> str:
        """What its labels are to people: what fills much of a micrograph is no strokes any more."""
        if item is None or (source(item) in ("", STROKES) and self.covered(item) < MUCH_LABELLED):
            return "stroke"
        return "region"

    @property
    def counting(self) -> bool:
        """Whether counts are on their way."""
        return bool(self._uncounted or self._in_work)

    def recount(self, item: Item) -> None:
        """Count a micrograph soon: something else is learnt from it."""
        self._uncounted.add(item)
        self._settle.start()

    def _count(self) -> None:
        self._uncounted &= set(self.session.items)
        due = self._uncounted - self._in_work  # one that is in work is counted again after that
        for item in due:
            count, painted = counter(item, dict(self.session.classes)), holds_strokes(item)
            self.session.jobs.later(partial(_both, count, painted), partial(self._count_done, item))
        self._in_work |= due
        self._uncounted -= due

    def _count_done(self, item: Item, found: tuple[Counts, bool]) -> None:
        counts, painted = found
        self._counts[item] = counts
        self._in_work.discard(item)
        self._let_through(item)
        if item not in self._uncounted and item.unpainted is painted:
            item.unpainted = not painted
            self._uncounted.add(item)  # something else teaches now
        if self._uncounted:
            self._settle.start()
        for number, count in counts.items():
            if number not in self.session.classes and count.pixels:  # painted with a number that napari offered
                self.session.set_class(number, _free_name(count.name, self.session.classes))
        self.counted.emit()

    def _let_through(self, item: Item) -> None:
        """Labels that cover much of the picture let it, and the outlines, be seen; where somebody chose an opacity, that stays."""
        layer = item.annotation
        if layer is not None and any(abs(layer.opacity - each) < 0.005 for each in (OPACITY, FILLED_OPACITY)):
            layer.opacity = FILLED_OPACITY if self.covered(item) >= MUCH_LABELLED else OPACITY

    # -- what the session tells

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.ANNOTATION:
            self._look(item)
            if item.annotation is None:
                self._drop(item)
        if what in (Change.ANNOTATION, Change.PARTICLES, Change.TABLE, Change.REVIEW, Change.TRUTH):
            self.recount(item)
        if what == Change.PREDICTION and item.prediction is not None:
            for number, name in item.prediction.class_names.items():
                if number not in self.session.classes:
                    self.session.set_class(number, _free_name(name, self.session.classes))

    def _drop(self, item: Item) -> None:
        """The user removed an annotation layer: what it held is kept on disk."""
        for layer in [layer for layer, owner in self._watched.values() if owner is item]:
            self._unwatch(layer)
        item.fillings.clear()
        self.filled.emit()

    def _items_changed(self) -> None:
        for layer, _ in list(self._watched.values()):
            if layer not in self.session.viewer.layers:
                self._unwatch(layer)
        self.counted.emit()

    def close(self) -> None:
        """Let go of the layers."""
        self.session.viewer.layers.selection.events.active.disconnect(self._activated)
        self._settle.stop()
        for layer, _ in list(self._watched.values()):
            self._unwatch(layer)


def _both(count: Callable[[], Counts], painted: Callable[[], bool]) -> tuple[Counts, bool]:
    return count(), painted()


def _free_name(name: str, taken: Mapping[int, str]) -> str:
    free, n = name, 2
    while free in taken.values():
        free, n = f"{name} {n}", n + 1
    return free
