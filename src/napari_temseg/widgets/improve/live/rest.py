"""A newer result is what there is to see of a micrograph, in the place of live outlines, until somebody strokes it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    from napari_temseg.widgets.improve.live.answers import Strokes
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Rest:
    """The micrographs that rest. napari tells of an annotation that is only drawn anew as of one that was painted on, so that the strokes
    on the plane that is shown are compared."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._strokes: WeakKeyDictionary[Item, tuple[int, Strokes | None]] = WeakKeyDictionary()  # and of which plane
        session.plane_changed.connect(self._look)

    def __contains__(self, item: Item) -> bool:
        return item in self._strokes

    def begin(self, item: Item) -> None:
        """It has a newer result."""
        if item in self.session.items:
            plane = self.session.shown_plane(item)
            self._strokes[item] = plane, _strokes_of(item, plane)

    def end(self) -> None:
        """What answers the strokes is to be seen again, of all of them."""
        self._strokes.clear()

    def stroked(self, item: Item) -> bool:
        """Whether it was painted on and not only drawn anew; with a stroke its rest is over. What does not rest counts as painted on."""
        if item not in self._strokes:
            return True
        plane, before = self._strokes[item]
        if _same(_strokes_of(item, plane), before):
            return False
        del self._strokes[item]
        return True

    def _look(self) -> None:
        """Another plane is shown."""
        for item in list(self._strokes):
            self.begin(item)


def _strokes_of(item: Item, plane: int) -> Strokes | None:
    """A copy of what is painted on a plane, None where nothing is."""
    found = None if item.annotation is None else layers.plane_snapshot(item.annotation, plane)
    return found if found is not None and found.any() else None


def _same(one: Strokes | None, other: Strokes | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
