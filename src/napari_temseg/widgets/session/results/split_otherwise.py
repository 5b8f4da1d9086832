"""The sizes that other settings of the splitting give of the shown results, worked out beside the window, for the interval of its D50."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.engine.measure.other_splits import OtherSplit
    from napari_temseg.engine.types.progress import Job
    from napari_temseg.engine.types.results import Particles, Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

    Splits = tuple[OtherSplit, ...]
    Settings = tuple[tuple[str, Any], ...]

logger = logging.getLogger("napari_temseg")
QUIET_SPELL = 400  # ms after the last change until it begins: while a slider moves or strokes are answered, it is the newest that counts


class SplitOtherwise(QObject):
    """`of` tells the other splits of a picture, as far as they are known; `changed` that more are.

    They hang on what the model said and on the settings alone: corrections by hand leave them as they are, and Undo finds them again. The
    measurement carries them too, by which they are kept with the work: so those of pictures that nobody looks at are worked out too, last,
    as what a model said is not there any more at the next start.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._known: WeakKeyDictionary[Prediction, dict[Settings, Splits]] = WeakKeyDictionary()
        self._wanted: list[Item] = []
        self._busy = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_SPELL)
        self._timer.timeout.connect(self._begin)
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._timer.stop)

    def of(self, item: Item) -> Splits | None:
        """The other splits of a picture, those kept or () where what a model said is not at hand; None while they are not known."""
        if item.particles is None or item.particles.prediction is None:
            return item.measurement.other_splits if item.measurement is not None else ()
        return self._known.get(item.particles.prediction, {}).get(_settings(item.particles))

    def want(self, items: Sequence[Item]) -> None:
        """Have them worked out for these pictures, one after another, in place of those wanted before."""
        self._wanted = [item for item in items if self.of(item) is None]
        if not self._busy and (self._wanted or any(map(self._lacks, self.session.items))):
            self._timer.start()

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PARTICLES:
            self._put_on(item)

    def _lacks(self, item: Item) -> bool:
        return item in self.session.items and item.measurement is not None and self.of(item) is None

    def _put_on(self, item: Item) -> None:
        """Have the measurement carry them."""
        splits = self.of(item)
        if splits and item.measurement is not None and item.measurement.other_splits is not splits:
            item.measurement = replace(item.measurement, other_splits=splits)
            self.session.item_changed.emit(item, Change.OTHER_SPLITS)

    def _begin(self) -> None:
        if self._busy:
            return
        item, awaited = next((item for item in self._wanted if self._lacks(item)), None), True
        if item is None:
            item, awaited = next((item for item in self.session.items if self._lacks(item)), None), False
        if item is None or item.particles is None:
            return
        # A preview is what somebody looks at now, and may bring another result; what nobody looks at waits for a search or a training too.
        if self.session.jobs.looking or (self.session.jobs.running and not awaited):
            self._timer.start()
            return
        self._busy = True
        particles = item.particles

        def made() -> Job[Splits]:
            from napari_temseg.engine.particles.other_splits import iter_other_splits

            return iter_other_splits(particles)

        self._go_on(item, particles, _Steps(made))

    def _go_on(self, item: Item, particles: Particles, steps: _Steps) -> None:
        """One splitting after another, so that other chores get in between."""
        self.session.jobs.later(steps.next, partial(self._stepped, item, particles, steps))

    def _stepped(self, item: Item, particles: Particles, steps: _Steps, found: Splits | None) -> None:
        if found is not None and particles.prediction is not None:
            self._known.setdefault(particles.prediction, {})[_settings(particles)] = found
            self._put_on(item)
            if item in self._wanted:
                self.changed.emit()
        elif _same(item.particles, particles) and (item in self._wanted or not any(map(self._lacks, self._wanted))):
            self._go_on(item, particles, steps)
            return
        self._busy = False
        self._begin()


class _Steps:
    """A job of other splits, a step at a time; it is made with the first, as what it needs takes long to load."""

    def __init__(self, made: Callable[[], Job[Splits]]) -> None:
        self._made = made
        self._job: Job[Splits] | None = None

    def next(self) -> Splits | None:
        """The next step; what was found at the end, () where it fails."""
        try:
            job = self._job = self._job or self._made()
            return None if next(job, None) is not None else job.result
        except (TemsegError, ValueError, RuntimeError, MemoryError):
            logger.exception("splitting otherwise failed")
            return ()


def _settings(particles: Particles) -> Settings:
    return tuple(sorted(particles.settings.items()))


def _same(one: Particles | None, other: Particles) -> bool:
    """Whether both are of one prediction and split with the same settings."""
    return one is not None and one.prediction is other.prediction and _settings(one) == _settings(other)
