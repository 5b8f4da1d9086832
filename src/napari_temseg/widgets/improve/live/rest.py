"""A newer result is what there is to see of a micrograph, in the place of live outlines, until somebody strokes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Particles
    from napari_temseg.widgets.improve.live.answers import Strokes
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


@dataclass(eq=False)
class _Result:
    """What a plane bore when a result came; `over`: it bears something else by now, or somebody asked for outlines (`ended`)."""

    plane: int
    strokes: Strokes | None
    over: bool = False
    ended: bool = False


class Rest:
    """The micrographs that rest: those that bear the strokes that they bore when their result came. What undo brings back of strokes and
    results is known again: after it there is to see what there was before.

    napari tells of an annotation that is only drawn anew as of one that was painted on, so that the strokes on the plane that is shown are
    compared.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._now: WeakKeyDictionary[Item, _Result] = WeakKeyDictionary()
        self._of: WeakKeyDictionary[Particles, _Result] = WeakKeyDictionary()  # of results in the history too
        session.plane_changed.connect(self._other_plane)

    def __contains__(self, item: Item) -> bool:
        result = self._now.get(item)
        return result is not None and not result.over

    def result_came(self, item: Item) -> None:
        """It has a newer result, or an older one again."""
        self._now.pop(item, None)
        if item not in self.session.items or item.particles is None:
            return
        known = self._of.get(item.particles)
        if known is None:
            plane = self.session.shown_plane(item)
            known = _Result(plane, _strokes_of(item, plane, keep=True))
        self._now[item] = self._of[item.particles] = known
        self.look(item)

    def corrected(self, item: Item) -> None:
        """Its particles are others, of the same result."""
        if item in self._now and item.particles is not None:
            self._of.setdefault(item.particles, self._now[item])

    def end(self) -> None:
        """What answers the strokes is to be seen again, of all of them."""
        for result in (*self._of.values(), *self._now.values()):
            result.over = result.ended = True

    def look(self, item: Item) -> None:
        """Strokes may have been painted, or taken back."""
        result = self._now.get(item)
        if result is not None and not result.ended and item in self.session.items and result.plane == self.session.shown_plane(item):
            result.over = not _same(_strokes_of(item, result.plane), result.strokes)

    def _other_plane(self) -> None:
        for item, result in list(self._now.items()):
            if not result.over and item in self.session.items:
                result.plane = self.session.shown_plane(item)
                result.strokes = _strokes_of(item, result.plane, keep=True)


def _strokes_of(item: Item, plane: int, *, keep: bool = False) -> Strokes | None:
    """What is painted on a plane, None where nothing is; a copy, to `keep`."""
    if item.annotation is None:
        return None
    found = layers.values(item.annotation).reshape((-1, *item.frame))[plane]
    return (np.array(found, np.uint8) if keep else found) if found.any() else None


def _same(one: Strokes | None, other: Strokes | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
