"""Notices when napari's own tools (brush, fill, eraser, its undo) changed pixels of particles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_temseg.widgets.canvas import brush, layers, overlays
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.engine.particles.label_changes import Patch
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

STROKE_DELAY = 150  # ms without a further stroke
PLANES_WATCHED = 16  # planes of a stack whose strokes are noticed, the newest painted or shown
Plane = npt.NDArray[np.int32]


@dataclass(eq=False)
class _Watch:
    """What the planes of a particles layer looked like when its table was made."""

    layer: Labels
    labels: npt.NDArray[np.int32]
    seen: dict[int, Plane] = field(default_factory=dict)

    def remember(self, plane: int) -> None:
        """Keep a copy of a plane, and let go of the one not looked at for longest."""
        page = self.labels.reshape((-1, *self.labels.shape[-2:]))[plane]
        self.seen[plane] = self.seen.pop(plane) if plane in self.seen else page.copy()
        if len(self.seen) > PLANES_WATCHED:
            del self.seen[next(iter(self.seen))]
            # An undo that reaches back to the plane let go of would not be noticed.
            brush.forget_history(self.layer)


class PaintedEdits(QObject):
    """Compares planes with what they were, shortly after every stroke; `painted` gets the item, the change and the plane as it was."""

    def __init__(self, session: Session, painted: Callable[[Item, Patch, Plane], None]) -> None:
        super().__init__(session)
        self.session, self._painted = session, painted
        self._watches: dict[Item, _Watch] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(STROKE_DELAY)
        self._timer.timeout.connect(self._due)
        session.item_changed.connect(self._item_changed)
        session.items_changed.connect(self._drop_gone)
        session.plane_changed.connect(self._plane_changed)
        session.settling.connect(self.settle)
        session.closing.connect(self._close)
        for item in session.items:
            self._follow(item)

    def accept(self, item: Item, patch: Patch) -> None:
        """A change that the table knows already."""
        watch = self._watches.get(item)
        if watch is not None and patch.plane in watch.seen:
            watch.seen[patch.plane][patch.rows, patch.columns] = patch.after

    def settle(self, item: Item) -> None:
        """Take in the strokes of an item now."""
        watch = self._watches.get(item)
        if watch is None or item.particles is None or watch.labels is not item.particles.labels:
            return
        if watch.layer.data is not watch.labels:  # a search or a split shows its planes, which are not committed
            return
        for plane in list(watch.seen):
            self._compare(item, watch, plane)

    def _compare(self, item: Item, watch: _Watch, plane: int) -> None:
        from napari_temseg.engine.particles.label_changes import difference, page_of

        before, page = watch.seen[plane], page_of(watch.labels, plane)
        patch = difference(before, page, plane)
        if patch is not None:
            guarded(partial(self._painted, item, patch, before))
            before[patch.rows, patch.columns] = page[patch.rows, patch.columns]

    def _adopt(self, item: Item, watch: _Watch) -> None:
        """Somebody gave the layer another array: take its pixels over into ours, which the tables belong to."""
        pixels = np.asarray(watch.layer.data)
        layers.set_data(watch.layer, watch.labels)
        if pixels.shape != watch.labels.shape:
            self.session.say(f"{watch.layer.name}: the new pixels have another shape; the particles stay as they were.")
            return
        pages, given = (array.reshape((-1, *array.shape[-2:])) for array in (watch.labels, pixels))
        for plane, page in enumerate(pages):
            if not np.array_equal(page, given[plane]):
                watch.remember(plane)
                page[...] = given[plane]
                self._compare(item, watch, plane)
        layers.redraw(watch.layer)

    def _due(self) -> None:
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:  # in the middle of a stroke
            self._timer.start()
            return
        idle = not (self.session.jobs.running or self.session.jobs.looking)
        for item, watch in list(self._watches.items()):
            if idle and watch.layer.data is not watch.labels and item.particles is not None and item.particles.labels is watch.labels:
                self._adopt(item, watch)
            self.settle(item)

    def _rung(self, event: Any = None) -> None:
        self._timer.start()

    def _flattened(self, event: Any) -> None:
        overlays.in_plane_only(event.source)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PARTICLES:
            self._follow(item)

    def _follow(self, item: Item) -> None:
        layer, watch = item.particles_layer, self._watches.get(item)
        if watch is not None and watch.layer is not layer:
            self._leave(self._watches.pop(item))
            watch = None
        if layer is None or item.particles is None:
            return
        if watch is None:
            brush.on_painted(layer, self._rung)
            overlays.on_brush_depth(layer, self._flattened)
        if watch is None or watch.labels is not item.particles.labels:
            self._watches[item] = watch = _Watch(layer, item.particles.labels)
        watch.remember(self.session.shown_plane(item))

    def _leave(self, watch: _Watch) -> None:
        brush.off_painted(watch.layer, self._rung)
        overlays.off_brush_depth(watch.layer, self._flattened)

    def _drop_gone(self) -> None:
        for item in [item for item in self._watches if item not in self.session.items]:
            self._leave(self._watches.pop(item))

    def _plane_changed(self) -> None:
        for item, watch in self._watches.items():
            if item in self.session.items:
                watch.remember(self.session.shown_plane(item))

    def _close(self) -> None:
        self._timer.stop()
        for watch in self._watches.values():
            self._leave(watch)
        self._watches.clear()
