"""Keeps what is done in a session on disk while it is done, and brings back what earlier starts kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave import stroke_store, work_store
from napari_temseg.widgets.autosave.store import Picture
from napari_temseg.widgets.canvas import layers, micrograph_layer
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
SAVE = 2000  # ms after a change until it is written; not put off by the next one
PAUSE = 10_000  # ms without a change until what is large is written
WATCHED = frozenset(
    {Change.AXES, Change.CALIBRATION, Change.SAMPLE, Change.LEFT_OUT, Change.IGNORED, Change.PARTICLES, Change.TABLE, Change.REVIEW}
)


@dataclass(frozen=True, eq=False)
class EarlierWork:
    """What earlier starts kept of a micrograph."""

    strokes: stroke_store.SavedStrokes | None
    work: work_store.SavedWork | None

    @property
    def parts(self) -> list[str]:
        """What it holds, for people."""
        return (self.work.parts if self.work is not None else []) + (["strokes"] if self.strokes is not None else [])

    @property
    def when(self) -> str:
        """The time of the newest of it, for people."""
        return day_and_time(max(each.time for each in (self.strokes, self.work) if each is not None))


class _Files:
    """Where strokes and work of one micrograph go."""

    def __init__(self, picture: Picture) -> None:
        self.picture, self.strokes, self.work = picture, stroke_store.StrokeFile(picture), work_store.WorkFile(picture)


class Autosaver(QObject):
    """What lies on disk for the micrographs of a session.

    `earlier_changed` tells that more or less is known of it, `restored` hands over a micrograph and the strokes that came back,
    `returning` a micrograph and the work that is to be put back (see `restorer.Restorer`).
    """

    earlier_changed = Signal()
    restored = Signal(object, object)
    returning = Signal(object, object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._opened: WeakKeyDictionary[Item, work_store.PictureFacts] = WeakKeyDictionary()
        self._files: WeakKeyDictionary[Item, _Files] = WeakKeyDictionary()
        self._earlier: WeakKeyDictionary[Item, EarlierWork] = WeakKeyDictionary()
        self._unsaved: dict[Item, Labels] = {}
        self._undone: dict[Item, work_store.Work] = {}  # not written yet
        self._returning: dict[Item, bool] = {}  # whether nothing else was done on it
        self._newest: WeakKeyDictionary[Item, work_store.Work] = WeakKeyDictionary()  # with particles
        self._bare: set[Item] = set()  # whose layer of left-out areas was removed
        self._timer, self._pause = self._ticker(SAVE, self.flush), self._ticker(PAUSE, self._flush_large)
        session.items_changed.connect(self._items_changed)
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self.close)
        self._items_changed()

    def _ticker(self, interval: int, action: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(action)
        return timer

    # -- writing

    def painted(self, item: Item, layer: Labels) -> None:
        """Write the strokes of a micrograph soon."""
        self._unsaved[item] = layer
        self._wake()

    def changed(self, item: Item) -> None:
        """Write what was done on a micrograph soon."""
        opened = self._opened.get(item)
        if opened is None or item in self._returning:
            return
        work = work_store.Work.of(item, opened, self.session.classes, self.session.model_names)
        newest = self._newest.get(item)
        if work.particles is None and newest is not None:  # their layer was removed, perhaps by mistake or with all others
            work = work.with_particles_of(newest)
        elif work.particles is not None:
            if newest is not None and newest.gone:  # others took the place of those that were removed, which keep their file
                self._write([item])
                self._renew(item)
            self._newest[item] = work.light()
        self._undone[item] = work
        if work.large:
            self._pause.start()
        else:
            self._wake()

    def flush(self) -> None:
        """Write what was done since the last time; what is large waits for a pause."""
        for item, layer in self._unsaved.items():
            save = partial(self._files_of(item).strokes.save, layers.values(layer), dict(self.session.classes), item.name)
            self.session.jobs.later(save, self._saved)
        self._unsaved.clear()
        for item in self._bare & set(self.session.items):
            self.changed(item)
        self._bare.clear()
        self._write([item for item, work in self._undone.items() if not work.large])

    def lost(self, item: Item) -> None:
        """The user removed an annotation layer: its strokes are offered from now on."""
        self.flush()
        files = self._files_of(item)
        files.strokes = stroke_store.StrokeFile(files.picture)  # the next annotation gets a file of its own
        self._ask(item)

    def close(self) -> None:
        """Write what is left."""
        self._timer.stop()
        self._pause.stop()
        for item in self.session.items:
            self.session.settle(item)
            self.changed(item)
        self.flush()
        self._write(list(self._undone))

    def _wake(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _flush_large(self) -> None:
        self._write(list(self._undone))

    def _write(self, items: list[Item]) -> None:
        for item in items:
            work = self._undone.pop(item, None)
            if work is None:
                continue
            if work.large:
                logger.info("%s: many particle pixels: kept when nothing was done for %d s, and at the end", work.image, PAUSE // 1000)
            self.session.jobs.later(partial(self._files_of(item).work.save, work), self._saved)

    def _files_of(self, item: Item) -> _Files:
        if item not in self._files:
            self._files[item] = _Files(Picture(micrograph_layer.raw(item.layer)))
        return self._files[item]

    def _saved(self, trouble: str) -> None:
        if trouble:
            complain(TemsegError(trouble), "autosave")

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PIXELS and item in self.session.items:
            self._other_pixels(item)
        if what not in WATCHED or item not in self.session.items:
            return
        if what == Change.LEFT_OUT and item.left_out is None:
            self._bare.add(item)  # not at once: where all layers are removed, the picture will be gone by then
            self._wake()
            return
        self.changed(item)
        if what == Change.PARTICLES and item.particles is None and item in self._newest:
            self._newest[item] = replace(self._newest[item], gone=True)
            self._write([item])
            self._ask(item)

    def _other_pixels(self, item: Item) -> None:
        """It is another picture now, with files of its own; what was done on the one before stays in those of that."""
        self.flush()
        self._flush_large()
        for known in (self._files, self._earlier, self._newest):
            known.pop(item, None)
        self._ask(item)
        self.earlier_changed.emit()

    def _items_changed(self) -> None:
        if any(item not in self.session.items for item in (*self._unsaved, *self._undone)):
            self.flush()
            self._flush_large()
        for item in self.session.items:
            if item not in self._opened:
                self._opened[item] = work_store.PictureFacts.of(item)
                self._ask(item)
                self.changed(item)

    # -- what earlier starts kept

    def earlier_work(self, item: Item) -> EarlierWork | None:
        """What is kept of a micrograph and not there."""
        kept = self._earlier.get(item)
        if kept is not None and item.annotation is not None:
            kept = EarlierWork(None, kept.work)
        return kept if kept is not None and kept.parts else None

    def items_with_earlier_work(self) -> list[Item]:
        """The open micrographs of which something is kept."""
        return [item for item in self.session.items if self.earlier_work(item) is not None]

    def restore(self, item: Item, *, paint: bool = True) -> None:
        """Bring back what is kept, with the brush in hand if `paint`; `TemsegError` when that has to wait."""
        earlier = self.earlier_work(item)
        if earlier is None:
            return
        if earlier.work is not None and earlier.work.particles is not None and self.session.jobs.running:
            raise TemsegError(f"{item.name}: “{self.session.jobs.title}” is still running; restore when it is done, or cancel it.")
        del self._earlier[item]
        if earlier.strokes is not None:
            read = partial(_read, earlier.strokes, layers.shape(item.layer))
            self.session.jobs.later(read, partial(self._read_back, item, earlier.strokes, paint))
        if earlier.work is not None:
            sofar = self._undone.get(item)
            self._returning[item] = self._files_of(item).work.path is None and (sofar is None or sofar.plain)
            self.returning.emit(item, earlier.work)
        self.earlier_changed.emit()

    def returned(self, item: Item, work: work_store.SavedWork, *, whole: bool) -> None:
        """The work is back, all of it or, unless `whole`, without its particles, which are offered again."""
        alone = self._returning.pop(item, False)
        if item not in self.session.items:
            return
        if whole:
            self._newest.pop(item, None)
        file = self._files_of(item).work
        if whole and alone:  # go on in the same file, unless Undo may bring something else
            file.path = work.path
        if not whole:
            self._earlier[item] = EarlierWork(None, work)
            self.earlier_changed.emit()
        self.changed(item)

    def discard(self, item: Item) -> None:
        """Delete what is kept; what was kept before it is offered next."""
        earlier = self.earlier_work(item)
        self._earlier.pop(item, None)
        if earlier is not None and earlier.work is not None and earlier.work.path == self._files_of(item).work.path:
            self._newest.pop(item, None)
            self._undone.pop(item, None)
            self._renew(item)
        for kept in (earlier.strokes, earlier.work) if earlier is not None else ():
            if kept is not None:
                self.session.jobs.later(partial(kept.path.unlink, missing_ok=True))
        self._ask(item)
        self.earlier_changed.emit()

    def _renew(self, item: Item) -> None:
        """What comes from now on gets a file of its own."""
        files = self._files_of(item)
        files.work = work_store.WorkFile(files.picture)

    def picture(self, item: Item) -> Picture:
        """The pixels that a micrograph is known by."""
        return self._files_of(item).picture

    def opened(self, item: Item) -> work_store.PictureFacts:
        """What was known of a micrograph when it was opened."""
        return self._opened[item]

    def _read_back(self, item: Item, kept: stroke_store.SavedStrokes, paint: bool, labels: Any) -> None:
        if isinstance(labels, TemsegError):
            raise labels
        if item not in self.session.items or item.annotation is not None:
            return
        renumber = adopt_classes(self.session, kept.names)
        self._files_of(item).strokes.path = kept.path
        hand = self.session.current
        self.restored.emit(item, renumber[labels])
        if not paint:  # the new layer was selected: take in hand what was, and show that
            self.session.set_current(hand)
            self.session.reveal()
            self.session.put_tools_down(annotating=self.session.annotating)
        if item not in self._returning:
            self.session.say(f"The strokes of {item.name} from {day_and_time(kept.time)} are back.")

    def _ask(self, item: Item) -> None:
        if item in self.session.items:
            files = self._files_of(item)
            strokes = files.strokes if item.annotation is None else None
            gone = item.particles is None and item in self._newest
            self.session.jobs.later(partial(_look_up, strokes, files.work, gone), partial(self._found, item))

    def _found(self, item: Item, found: tuple[stroke_store.SavedStrokes | str | None, work_store.SavedWork | str | None]) -> None:
        for trouble in found:
            if isinstance(trouble, str):
                self.session.say(trouble)
        strokes, work = found
        earlier = EarlierWork(None if isinstance(strokes, str) else strokes, None if isinstance(work, str) else work)
        if item in self.session.items and (earlier.strokes is not None or earlier.work is not None):
            self._earlier[item] = earlier
            self.earlier_changed.emit()


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


def _read(kept: stroke_store.SavedStrokes, shape: tuple[int, ...]) -> Any:
    """In the thread of chores, where an error would go to the log alone."""
    try:
        return stroke_store.read(kept, shape)
    except TemsegError as error:
        return error


def _look_up(
    strokes: stroke_store.StrokeFile | None, work: work_store.WorkFile, own: bool
) -> tuple[stroke_store.SavedStrokes | str | None, work_store.SavedWork | str | None]:
    return None if strokes is None else stroke_store.look_up(strokes), work_store.look_up(work, own=own)
