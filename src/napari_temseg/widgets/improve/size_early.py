"""That strokes lie on particles of a size that is not looked for is asked about while one paints, not after a training for nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from qtpy.QtCore import QObject, QTimer
from scipy import ndimage

from napari_temseg.engine.types.results import FIRST_CLASS
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.search_again import STROKED_SIZE, SearchAgain
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Questions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

PAINT_PAUSE = 2000  # ms after the last stroke
FIRST_ASKED = 3  # strokes on particles, from which on their sizes are looked at; again when they are twice as many


class SizeEarly(QObject):
    """Watches the strokes of the picture in hand."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.again, self.questions = session, session.part(SearchAgain), session.part(Questions)
        self._looked: WeakKeyDictionary[Item, int] = WeakKeyDictionary()  # strokes that there were when their sizes were looked at
        self._asked: WeakSet[Item] = WeakSet()  # of what was found last: a second time it is not asked about
        self._soon = QTimer(self, interval=PAINT_PAUSE, singleShot=True)
        self._soon.timeout.connect(self._count)
        session.part(Annotator).painted.connect(self._painted)
        self.questions.changed.connect(self._questions_changed)
        session.item_changed.connect(self._item_changed)

    def _painted(self, item: Item) -> None:
        if item is self.session.current:
            self._soon.start()

    def _count(self) -> None:
        item = self.session.current
        annotation = None if item is None else item.annotation
        if item is None or annotation is None or item.prediction is None or item in self._asked or self.session.jobs.running:
            return
        self.session.jobs.later(partial(_strokes, layers.snapshot(annotation)), partial(self._counted, item))

    def _counted(self, item: Item, strokes: int) -> None:
        before = self._looked.get(item, 0)
        if strokes >= max(FIRST_ASKED, 2 * before) and item is self.session.current and not self.session.jobs.running:
            self._looked[item] = strokes
            self.again.ask_size(item)
        elif strokes < before:
            self._looked[item] = strokes

    def _questions_changed(self) -> None:
        self._asked.update(item for item in self.session.items if self.questions.on(item, STROKED_SIZE) is not None)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what is Change.PREDICTION:
            self._asked.discard(item)
            self._looked.pop(item, None)


def _strokes(page: Any) -> int:
    """How many strokes on particles there are; in the thread of chores."""
    drawn = np.asarray(page) >= FIRST_CLASS
    return int(ndimage.label(drawn, ndimage.generate_binary_structure(drawn.ndim, drawn.ndim))[1])
