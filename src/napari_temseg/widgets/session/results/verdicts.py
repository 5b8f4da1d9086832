"""Whether the sizes of each picture can be used as they are: what is known of it, for every step to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari_temseg.engine.measure.usability import Usability
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Verdicts(QObject):
    """`of` tells why the sizes of a picture cannot be used as they are; `changed` that it is known of the picture in hand."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._known: WeakKeyDictionary[Item, str] = WeakKeyDictionary()
        self._polarity: WeakKeyDictionary[Item, str] = WeakKeyDictionary()

    def of(self, item: Item | None) -> str:
        """A sentence; "" where they can be used, and while nobody knows."""
        return "" if item is None else self._known.get(item, "")

    def polarity_of(self, item: Item) -> str:
        """What all that was found is beside what is round it, "bright" or "dark", where fainter ones seem to be missed; else ""."""
        return self._polarity.get(item, "")

    def note(self, item: Item, found: Sequence[tuple[str, Usability]], polarity: str = "") -> None:
        """What is known now of a picture, of two populations each by its name; `polarity` as of `polarity_of`."""
        parts = [f"{name}: {each.why[0]}" if name else each.why[0] for name, each in found if each.why]
        told = f"Not usable as it is: {'; '.join(parts)}." if parts else ""
        if (told, polarity) != (self.of(item), self.polarity_of(item)):
            self._known[item], self._polarity[item] = told, polarity
            self.changed.emit()
