"""Which classes an annotation holds, known at once after every change of its pixels: to count them takes a moment, and another thread."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_temseg.engine.types.results import UNLABELLED
from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

TWO_CLASSES = 2  # classes, from which on nobody asks for a further one
LOOKED_THROUGH = 1 << 26  # px that are looked through at once; of a larger stack it is the plane that is shown


class PaintedClasses:
    """Of each class one pixel is known that has it: while that stays so, a stroke costs a look at so many pixels."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._where: WeakKeyDictionary[Item, dict[int, int]] = WeakKeyDictionary()

    def of(self, item: Item) -> frozenset[int]:
        """Classes that were seen on a micrograph; where they are more than `TWO_CLASSES`, not all of them."""
        return frozenset(self._where.get(item, ()))

    def whole(self, item: Item) -> bool:
        """Whether a micrograph is looked through whole, so that what was not seen is not there."""
        return item.annotation is None or layers.values(item.annotation).size <= LOOKED_THROUGH

    def look(self, item: Item) -> bool:
        """Look again; whether other classes are seen than before."""
        before = self.of(item)
        if item.annotation is None:
            self._where.pop(item, None)
            return bool(before)
        pixels = layers.values(item.annotation).reshape(-1)
        known = self._where.get(item, {})
        seen = {number: at for number, at in known.items() if at < pixels.size and pixels[at] == number}
        if len(seen) < max(len(known), TWO_CLASSES):
            size = pixels.size // item.n_planes
            first = 0 if self.whole(item) else size * self.session.shown_plane(item)
            part = pixels if self.whole(item) else pixels[first : first + size]
            others = part != UNLABELLED
            for number in seen:
                others &= part != number
            while others[at := int(others.argmax())]:
                seen[int(part[at])] = first + at
                others &= part != part[at]
        self._where[item] = seen
        return self.of(item) != before
