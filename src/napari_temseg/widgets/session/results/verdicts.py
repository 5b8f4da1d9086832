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

    def of(self, item: Item | None) -> str:
        """A sentence; "" where they can be used, and while nobody knows."""
        return "" if item is None else self._known.get(item, "")

    def note(self, item: Item, found: Sequence[tuple[str, Usability]]) -> None:
        """What is known now of a picture, of two populations each by its name."""
        parts = [f"{name}: {each.why[0]}" if name else each.why[0] for name, each in found if each.why]
        told = f"Not usable as it is: {'; '.join(parts)}." if parts else ""
        if told != self.of(item):
            self._known[item] = told
            self.changed.emit()
