"""Which particles of the shown results look like two, and which pieces like one: worked out beside the window after every change.

Plane by plane, so that other chores get in between; planes that are as they were are not gone through again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.engine.types.confidence import Doubts
    from napari_temseg.engine.types.config import SplitConfig
    from napari_temseg.engine.types.results import Particles, Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SETTLED = 250  # ms after the last change of a result until its doubts are worked out


@dataclass(frozen=True)
class DoubtsByPlane:
    """What is in doubt of the planes of a result, each with a sum of its labels; of one prediction and one setting of the splitting."""

    prediction: Callable[[], Prediction | None]  # held by the results alone
    config: SplitConfig
    planes: dict[int, tuple[int, Doubts]] = field(default_factory=dict)

    def fits(self, particles: Particles, config: SplitConfig) -> bool:
        """Whether what is known may hold for particles."""
        return self.prediction() is particles.prediction and self.config == config

    def next(self, particles: Particles, start: int) -> int:
        """Go through the next plane, from `start` on, that is not as it was; returns the one to go on with."""
        from napari_temseg.engine.particles.doubts import doubts_of_plane

        for plane in range(start, len(particles.planes())):
            page = particles.planes()[plane].copy()  # which is corrected in place meanwhile
            key = zlib.crc32(page)
            if plane not in self.planes or self.planes[plane][0] != key:
                self.planes[plane] = key, doubts_of_plane(particles, plane, page, self.config)
                return plane + 1
        return len(particles.planes())

    def together(self) -> Doubts:
        """Of all planes."""
        from napari_temseg.engine.particles.doubts import together

        return together(found for _, (_, found) in sorted(self.planes.items()))


class Doubtful(QObject):
    """`of` tells what is in doubt of a picture, as far as it is known; `changed` that more is; `wanted` that people shall be led there."""

    changed = Signal()
    wanted = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.splitter = session, session.part(Splitter)
        self._known: WeakKeyDictionary[Item, Doubts] = WeakKeyDictionary()
        self._planes: WeakKeyDictionary[Item, DoubtsByPlane] = WeakKeyDictionary()
        self._number = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLED)
        self._timer.timeout.connect(self._ask)
        session.item_changed.connect(self._item_changed)
        session.current_changed.connect(self._current_changed)
        session.closing.connect(self._timer.stop)

    def of(self, item: Item | None) -> Doubts | None:
        """What is in doubt of a picture; None while nobody knows. What a person has looked at, excluded or made by hand is not."""
        known = self.known(item) if item is not None else None
        if item is None or known is None or item.measurement is None:
            return known
        table = item.measurement.table
        return known.among(table.loc[~table["reviewed"] & (table["excluded"] == ""), "particle"].astype(int).tolist())

    def known(self, item: Item) -> Doubts | None:
        """What is in doubt of a picture whether looked at or not; of a result that was put back, what was in doubt when it was kept."""
        kept = _kept(item)
        return self._known.get(item) if kept is None else kept

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PARTICLES:
            self._known.pop(item, None)
            self._number += 1  # what is being worked out is of what was
            if item is self.session.current:
                self._timer.start()
                self.changed.emit()
        elif what in (Change.TABLE, Change.REVIEW) and item is self.session.current:
            self.changed.emit()

    def _current_changed(self) -> None:
        item = self.session.current
        if item is not None and item.particles is not None and item not in self._known:
            self._timer.start()
        self.changed.emit()

    def _ask(self) -> None:
        item = self.session.current
        if item is None or item.particles is None or item.particles_layer is None or _kept(item) is not None:
            return
        self._number += 1
        particles, config = item.particles, self.splitter.config_of(item)
        by_plane = self._planes.get(item)
        if by_plane is None or not by_plane.fits(particles, config):
            by_plane = DoubtsByPlane(_nothing if particles.prediction is None else ref(particles.prediction), config)
            self._planes[item] = by_plane
        self._go_on(item, self._number, particles, by_plane, 0)

    def _go_on(self, item: Item, number: int, particles: Particles, by_plane: DoubtsByPlane, plane: int) -> None:
        work = partial(by_plane.next, particles, plane)
        self.session.jobs.later(work, partial(self._stepped, item, number, particles, by_plane))

    def _stepped(self, item: Item, number: int, particles: Particles, by_plane: DoubtsByPlane, plane: int) -> None:
        if number != self._number or item not in self.session.items:
            return
        if plane < len(particles.planes()):
            self._go_on(item, number, particles, by_plane, plane)
        else:
            self._known[item] = by_plane.together()
            self.changed.emit()
            self.session.item_changed.emit(item, Change.DOUBTS)


def _kept(item: Item) -> Doubts | None:
    """What the search of a result that was put back held to be in doubt: outlines alone would tell other numbers."""
    particles = item.particles
    return None if particles is None or particles.prediction is not None or particles.origin is None else particles.origin.doubts


def _nothing() -> None:
    """Stands for the prediction of particles that have none."""
