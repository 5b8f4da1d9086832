"""Which particles of the shown results look like two, and which pieces like one: worked out beside the window after every change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Doubts
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SETTLED = 250  # ms after the last change of a result until its doubts are worked out


class Doubtful(QObject):
    """`of` tells what is in doubt of a picture, as far as it is known; `changed` that more is; `wanted` that people shall be led there."""

    changed = Signal()
    wanted = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.splitter = session, session.part(Splitter)
        self._known: WeakKeyDictionary[Item, Doubts] = WeakKeyDictionary()
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
        number, config = self._number, self.splitter.config_of(item)
        particles = replace(item.particles, labels=item.particles.labels.copy())  # which are corrected in place meanwhile

        def work() -> Doubts | None:
            from napari_temseg.engine.particles.doubts import doubts

            return doubts(particles, config) if number == self._number else None

        self.session.jobs.later(work, partial(self._found, item, number))

    def _found(self, item: Item, number: int, found: Doubts | None) -> None:
        if found is not None and number == self._number and item in self.session.items:
            self._known[item] = found
            self.changed.emit()
            self.session.item_changed.emit(item, Change.DOUBTS)


def _kept(item: Item) -> Doubts | None:
    """What the search of a result that was put back held to be in doubt: outlines alone would tell other numbers."""
    particles = item.particles
    return None if particles is None or particles.prediction is not None or particles.origin is None else particles.origin.doubts
