"""Areas where nobody shall look: drawn as shapes on a picture, they leave finding, training and the frame of the statistics."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_temseg.engine.results import Particles
from napari_temseg.widgets import areas
from napari_temseg.widgets.finding import State, commit, corrected_by_hand, finder_of, flags_of, named
from napari_temseg.widgets.jobs import guarded

if TYPE_CHECKING:
    from napari_temseg.widgets.session import Item, Session

DELAY = 300  # ms after the last change of a shape until it counts


class Regions(QObject):
    """Follows the shapes of a session's pictures; tells `item_changed(item, "left out")` and brings what was found into line."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._pending: list[Item] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._settle)
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._timer.stop)

    def draw(self, item: Item) -> None:
        """Take the polygon tool in hand on the picture's layer of left-out areas, made when there is none."""
        viewer = self.session.viewer
        self.session.say("Click corner by corner round what is to be left out; a double click closes the region.")
        if item.left_out is not None:
            areas.draw_region(viewer, item.left_out)
            return
        layer = areas.add_region_layer(viewer, item.layer, f"{item.name} left out")
        self.session.adopt(item, "left out", layer)
        areas.on_shapes(layer, partial(self._changed, item))

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
            if item.left_out is not None and areas.being_drawn(item.left_out):
                self._changed(item)
            else:
                self.session.item_changed.emit(item, "left out")

    def _item_changed(self, item: Item, what: str) -> None:
        if what == "left out" and item in self.session.items and item.particles is not None:
            guarded(partial(self._bring_into_line, item, item.particles))

    def _bring_into_line(self, item: Item, particles: Particles) -> None:
        """Split anew where the model's word is at hand; what was corrected by hand only loses what lies in the areas."""
        session, image = self.session, item.micrograph()
        if item.prediction is not None:
            item.prediction = replace(item.prediction, micrograph=image)
        if _same(image.valid, particles.micrograph.valid):
            return
        if item.prediction is not None and not corrected_by_hand(item):
            finder_of(session).resplit(item)
            return
        from napari_temseg.pipeline.labelled import iter_cut_out

        session.jobs.look(lambda: iter_cut_out(particles, image), partial(self._cut_out, item, particles))

    def _cut_out(self, item: Item, before: Particles, result: tuple[Particles, Any]) -> None:
        if item not in self.session.items or item.particles is None:
            return
        if item.particles is not before:  # corrected meanwhile: once more
            self._changed(item)
            return
        particles, measurement = result
        state = State(item.prediction, particles, kept_flags(named(measurement, item), item.measurement), item.reviewed)
        commit(self.session, item, state, "leaving out a region")


def kept_flags(fresh: Any, old: Any) -> Any:
    """A new measurement with the exclusions and reviews of the old one, where their particles are still there."""
    if old is None:
        return fresh
    from napari_temseg.engine.shape import with_flags

    there = set(fresh.table["particle"].astype(int))
    excluded, reviewed = flags_of(old)
    return with_flags(fresh, {number: why for number, why in excluded.items() if number in there}, there.intersection(reviewed))


def _same(one: Any, other: Any) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and np.array_equal(one, other))


def regions_of(session: Session) -> Regions:
    """The one of a session."""
    found: Regions | None = session.findChild(Regions)
    return found or Regions(session)


def left_out_share(item: Item) -> tuple[int, float]:
    """Number of areas on a picture, and the share of it that they cover."""
    if item.left_out is None:
        return 0, 0.0
    mask = areas.left_out_mask(item.left_out, item.frame)
    return areas.n_areas(item.left_out), 0.0 if mask is None else float(mask.mean())
