"""Keeps the strokes of a session on disk while they are painted, and brings back those of an earlier start."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.annotations import default_name
from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.results import BACKGROUND
from napari_temseg.widgets import autosave, layers
from napari_temseg.widgets.jobs import complain

if TYPE_CHECKING:
    from napari_temseg.widgets.session import Item, Session

SAVE = 2000  # ms after a stroke until it is written; not put off by the next stroke


class Keeper(QObject):
    """What lies on disk for the micrographs of a session.

    `offered` tells that more or less is known of it, `restored` hands over a micrograph and the strokes that came back.
    """

    offered = Signal()
    restored = Signal(object, object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        self._offers: WeakKeyDictionary[Item, autosave.Kept] = WeakKeyDictionary()
        self._places: WeakKeyDictionary[Item, autosave.Place] = WeakKeyDictionary()
        self._asked: WeakKeyDictionary[Item, bool] = WeakKeyDictionary()
        self._unsaved: dict[Item, Labels] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE)
        self._timer.timeout.connect(self.flush)
        session.current_changed.connect(self._current_changed)
        self._current_changed()

    def painted(self, item: Item, layer: Labels) -> None:
        """Write the strokes of a micrograph soon."""
        self._unsaved[item] = layer
        if not self._timer.isActive():
            self._timer.start()

    def flush(self) -> None:
        """Write what was painted since the last time."""
        for item, layer in self._unsaved.items():
            save = partial(self._place(item).save, layers.values(layer), dict(self.session.classes), item.name)
            self.session.jobs.later(save, self._saved)
        self._unsaved.clear()

    def lost(self, item: Item) -> None:
        """The user removed an annotation layer: its strokes are offered from now on."""
        self.flush()
        if (place := self._places.pop(item, None)) is not None:  # the next annotation gets a file of its own
            self._places[item] = autosave.Place(place.data, place.key)
        self._ask(item)

    def offer(self, item: Item) -> autosave.Kept | None:
        """What is kept of a micrograph that has no annotation."""
        return self._offers.get(item) if item.annotation is None else None

    def restore(self, item: Item) -> None:
        """Bring back what is kept."""
        kept = self._offers.pop(item, None)
        if kept is not None:
            self.session.jobs.later(partial(_read, kept, layers.shape(item.layer)), partial(self._read_back, item, kept))
        self.offered.emit()

    def discard(self, item: Item) -> None:
        """Delete what is kept; what was kept before it is offered next."""
        kept = self._offers.pop(item, None)
        if kept is not None:
            self.session.jobs.later(partial(kept.path.unlink, missing_ok=True), lambda _: self._ask(item))
        self.offered.emit()

    def close(self) -> None:
        """Write what is left."""
        self._timer.stop()
        self.flush()

    def _place(self, item: Item) -> autosave.Place:
        return self._places.setdefault(item, autosave.Place(layers.raw(item.layer)))

    def _saved(self, trouble: str) -> None:
        if trouble:
            complain(TemsegError(trouble), "autosave")

    def _read_back(self, item: Item, kept: autosave.Kept, labels: Any) -> None:
        if isinstance(labels, TemsegError):
            raise labels
        if item not in self.session.items or item.annotation is not None:
            return
        renumber = adopt_classes(self.session, kept.names)
        self._place(item).path = kept.path
        self.restored.emit(item, renumber[labels])
        self.session.say(f"The annotation of {item.name} from {kept.when} is back.")

    def _current_changed(self) -> None:
        item = self.session.current
        if item is not None and item not in self._asked:
            self._asked[item] = True
            self._ask(item)

    def _ask(self, item: Item) -> None:
        if item in self.session.items and item.annotation is None:
            self.session.jobs.later(partial(autosave.look_up, self._place(item)), partial(self._found, item))

    def _found(self, item: Item, kept: autosave.Kept | str | None) -> None:
        if isinstance(kept, str):
            self.session.say(kept)
        elif kept is not None and item in self.session.items:
            self._offers[item] = kept
            self.offered.emit()


def adopt_classes(session: Session, names: Mapping[int, str]) -> Any:
    """Take classes from elsewhere into a session; returns the number here (uint8) by the number there.

    A number whose class has no name of its own here is renamed, one that means something else here becomes another number.
    """
    renumber = np.arange(256, dtype=np.uint8)
    for number, name in sorted(names.items()):
        here = session.classes.get(number)
        known = next((other for other, called in session.classes.items() if called == name), None)
        if known is not None:
            renumber[number] = known
        elif here is None or here == default_name(number):
            session.set_class(number, name)
        elif number > BACKGROUND:
            renumber[number] = max(session.classes) + 1
            session.set_class(max(session.classes) + 1, name)
    return renumber


def _read(kept: autosave.Kept, shape: tuple[int, ...]) -> Any:
    """In the thread of chores, where an error would go to the log alone."""
    try:
        return autosave.read(kept, shape)
    except TemsegError as error:
        return error
