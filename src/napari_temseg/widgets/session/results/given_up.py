"""What another size costs: particles of the result before that a search told a size does not find any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject

from napari_temseg.engine.types.config import LEAST_APART
from napari_temseg.engine.types.large_arrays import areas
from napari_temseg.engine.types.results import BAND
from napari_temseg.widgets.session.history import FOUND_STEP

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Particles, Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

OTHER_THING = 4.0  # × the area of a particle from which on what covers it is another
STILL_THERE = 0.5  # share of a particle that particles of the new result cover from which on it is found still
LEAST_LOST, LOST_SHARE = 3, 0.05  # particles, and of those before, from which on it is said
MOVED = LEAST_APART  # × by which an end of what is looked for moves at the least: one search finds nearer sizes, and both cannot be told


@dataclass(frozen=True)
class Lost:
    """`count` particles `smaller` (else larger) than most of what is found now were given up; sizes (px) looked for before and now, and
    the end of what is looked for now on that side."""

    count: int
    smaller: bool
    before: float
    now: float
    end: float

    @property
    def both(self) -> tuple[float, float]:
        """Both sizes, the smaller first."""
        return min(self.before, self.now), max(self.before, self.now)


class GivenUp(QObject):
    """Knows of each result in a viewer what the search that made it gave up."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._known: WeakKeyDictionary[Prediction, Lost | None] = WeakKeyDictionary()

    def of(self, item: Item | None) -> Lost | None:
        """What the search behind the result of an image gave up; None where it gave up nothing, or nobody knows."""
        prediction = item.prediction if item is not None else None
        if item is None or prediction is None:
            return None
        if prediction not in self._known:
            step = item.history.newest
            before = step.before.particles if step is not None and step.name == FOUND_STEP and step.before is not None else None
            self._known[prediction] = None if before is None or item.particles is None else lost(before, item.particles)
        return self._known[prediction]


def lost(before: Particles, after: Particles) -> Lost | None:
    """Which particles a search for another size gave up; None where they are few, or the sizes of both are not known or nearly the same."""
    was, now = before.prediction, after.prediction
    if was is None or now is None or not was.size or not now.size or before.labels.shape != after.labels.shape:
        return None
    area, area_now = areas(before.labels), areas(after.labels)
    found = np.zeros(len(area), np.int64)
    for page, page_now in zip(before.planes(), after.planes(), strict=True):
        seen = (page > 0) & (page_now > 0)
        one, other = page[seen], page_now[seen]
        like = area_now[other] < OTHER_THING * area[one]  # not the large particle on which a small one lay
        found += np.bincount(one[like], minlength=len(area))
    gone = (area > 0) & (found < STILL_THERE * area)
    gone[0] = False
    diameter = np.sqrt(4 / np.pi * area)
    least = max(LEAST_LOST, LOST_SHARE * len(before))
    largest_was, largest_now = (each.size if each.other is None else each.other.size for each in (was, now))
    told = (
        (now.size > MOVED * was.size, diameter < now.size, True, was.size, now.size, now.size / BAND),
        (largest_was > MOVED * largest_now, diameter > largest_now, False, largest_was, largest_now, largest_now * BAND),
    )
    for moved, beyond, smaller, size_was, size_now, end in told:
        count = int((gone & beyond).sum())
        if moved and count >= least:
            return Lost(count, smaller, float(size_was), float(size_now), float(end))
    return None
