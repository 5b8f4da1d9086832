"""Areas where nobody shall look: drawn as shapes on a picture, they leave finding, training and the frame of the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_temseg.engine.types.results import Particles
from napari_temseg.widgets.canvas import layers, shapes_layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.held_tool import Instruction
from napari_temseg.widgets.session.item_measurement import named, with_flags_of
from napari_temseg.widgets.session.results.splitter import Splitter
from napari_temseg.widgets.session.results.state import ResultState, commit

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

COVERED = 0.95  # share of a box that lies in other regions, from which on it adds nothing
SHAPE_DELAY = 300  # ms after the last change of a shape until it counts


class Regions(QObject):
    """Follows the shapes of a session's pictures; tells `item_changed(item, Change.LEFT_OUT)` and brings what was found into line."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._pending: list[Item] = []
        self._behind: list[Item] = []  # their particles do not know yet of what is left out
        self._newest: Item | None = None
        self._touched: WeakSet[Item] = WeakSet()  # their areas were drawn, changed or taken away once
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(SHAPE_DELAY)
        self._waiting.timeout.connect(self._catch_up)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SHAPE_DELAY)
        self._timer.timeout.connect(self._settle)
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._timer.stop)
        session.closing.connect(self._waiting.stop)

    def draw(self, item: Item) -> None:
        """Take the polygon tool in hand on the picture's layer of left-out areas, made when there is none."""
        viewer = self.session.viewer
        if item is self.session.current and not self.session.sees(item):
            self.session.reveal()
        self.session.part(Instruction).tell("Click corner by corner round what is to be left out; a double click closes the region.")
        if item.left_out is not None:
            shapes_layers.draw_region(viewer, item.left_out)
            return
        self._add_layer(item, draw=True)

    def leave_out(self, item: Item, boxes: Sequence[tuple[int, int, int, int]]) -> int:
        """Add boxes (top, left, bottom, right in px) as regions of a picture; returns how many, as those that lie in others are none."""
        held = None if item.left_out is None else shapes_layers.left_out_mask(item.left_out, item.frame)
        new = [box for box in boxes if held is None or held[box[0] : box[2], box[1] : box[3]].mean() < COVERED]
        if new:
            layer = self._add_layer(item, draw=False) if item.left_out is None else item.left_out
            shapes_layers.add_boxes(self.session.viewer, layer, new)
        return len(new)

    def untouched(self, item: Item) -> bool:
        """Whether nobody has drawn, changed or taken away areas of a picture yet."""
        return item.left_out is None and item not in self._touched

    def take_back(self, item: Item, boxes: Sequence[tuple[int, int, int, int]]) -> None:
        """Remove boxes that were added, those that were moved since left alone."""
        self._touched.add(item)
        if item.left_out is not None:
            shapes_layers.remove_boxes(item.left_out, boxes)

    def put_back(self, item: Item, kept: Sequence[shapes_layers.Area]) -> None:
        """Add areas that were kept on disk, those that are there already left aside."""
        self._touched.add(item)
        there = [] if item.left_out is None else shapes_layers.areas_of(item.left_out)
        new = [area for area in kept if area not in there]
        if new:
            shapes_layers.add_areas(item.left_out or self._add_layer(item, draw=False), new)
            self.session.item_changed.emit(item, Change.LEFT_OUT)

    def _add_layer(self, item: Item, *, draw: bool) -> Shapes:
        layer = shapes_layers.add_region_layer(self.session.viewer, item.layer, f"{item.name} left out", draw=draw)
        self.session.adopt(item, Role.LEFT_OUT, layer)
        shapes_layers.on_shapes(layer, partial(self._changed, item))
        if item is not self.session.current:
            layers.set_visible(layer, False)
        return layer

    def _changed(self, item: Item, event: Any = None) -> None:
        if not self.session.closed and item in self.session.items:
            if item not in self._pending:
                self._pending.append(item)
            self._timer.start()

    def _settle(self) -> None:
        items, self._pending = self._pending, []
        for item in items:
            if item not in self.session.items:
                continue
            if item.left_out is not None and shapes_layers.being_drawn(item.left_out):
                self._changed(item)
            else:
                self.session.item_changed.emit(item, Change.LEFT_OUT)
                self._warn(item)

    def _warn(self, item: Item) -> None:
        """Whoever draws over labels should know what becomes of them."""
        mask = None if item.left_out is None else shapes_layers.left_out_mask(item.left_out, item.frame)
        if mask is None or item.annotation is None:
            return
        plane = layers.values(item.annotation).reshape(-1, *item.frame)[self.session.shown_plane(item)]
        covered = int(np.count_nonzero(plane[mask]))
        if covered:
            self.session.say(
                f"{covered:,} labelled px of {item.name} lie in a left-out region: they are not learnt from.".replace(",", "\u202f")
            )

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.LEFT_OUT:
            self._touched.add(item)
        if what == Change.LEFT_OUT and item.particles is not None:
            self._behind = [each for each in self._behind if each is not item] + [item]
            self._catch_up()

    def _catch_up(self) -> None:
        """One picture after another, as a newer preview would drop that of the picture before; the same one need not wait for itself."""
        while self._behind and (not self.session.jobs.looking or self._behind[0] is self._newest):
            self._newest = item = self._behind.pop(0)
            if item in self.session.items and item.particles is not None:
                guarded(partial(self._bring_into_line, item, item.particles))
        if self._behind:
            self._waiting.start()

    def _bring_into_line(self, item: Item, particles: Particles) -> None:
        """Split anew where the model's word is at hand; what was corrected by hand only loses what lies in the areas."""
        session, image = self.session, item.micrograph()
        if item.prediction is not None:
            item.prediction = replace(item.prediction, micrograph=image)
        if _same(image.valid, particles.micrograph.valid):
            return
        if item.prediction is not None and not item.corrections:
            session.part(Splitter).resplit(item)
            return
        from napari_temseg.pipeline.label_images import iter_cut_out

        session.jobs.look(lambda: iter_cut_out(particles, image), partial(self._cut_out, item, particles))

    def _cut_out(self, item: Item, before: Particles, result: tuple[Particles, Any]) -> None:
        if item not in self.session.items or item.particles is None:
            return
        if item.particles is not before:  # corrected meanwhile: once more
            self._changed(item)
            return
        particles, measurement = result
        valid, found = particles.micrograph.valid, item.found
        if valid is not None:  # what lies in the areas was not deleted by hand
            found = {plane: np.where(valid, page, 0) for plane, page in found.items()}
        state = replace(
            ResultState.of(item), particles=particles, measurement=with_flags_of(named(measurement, item), item.measurement), found=found
        )
        commit(self.session, item, state, "leaving out a region")


def _same(one: Any, other: Any) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and np.array_equal(one, other))


def left_out_share(item: Item) -> tuple[int, float]:
    """Number of areas on a picture, and the share of it that they cover."""
    if item.left_out is None:
        return 0, 0.0
    mask = shapes_layers.left_out_mask(item.left_out, item.frame)
    return shapes_layers.n_areas(item.left_out), 0.0 if mask is None else float(mask.mean())
