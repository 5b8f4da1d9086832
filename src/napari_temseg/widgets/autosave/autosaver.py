"""Keeps what is done in a session on disk while it is done, and knows what earlier starts kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave.store import AutosaveFile, Content, Picture, Saved
from napari_temseg.widgets.autosave.strokes import SavedStrokes, Strokes
from napari_temseg.widgets.autosave.work import PictureFacts, SavedWork, Work
from napari_temseg.widgets.canvas import layers, micrograph_layer
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
SAVE = 2000  # ms after a change until it is written; not put off by the next one
PAUSE = 10_000  # ms without a change until what is large is written
SAVED_KINDS: tuple[type[Saved], ...] = (SavedWork, SavedStrokes)  # what is kept of a micrograph
WATCHED = frozenset(
    {Change.AXES, Change.CALIBRATION, Change.SAMPLE, Change.LEFT_OUT, Change.IGNORED, Change.PARTICLES, Change.TABLE, Change.REVIEW}
    | {Change.OTHER_SPLITS}
)


@dataclass(frozen=True, eq=False)
class EarlierWork:
    """What earlier starts kept of a micrograph."""

    strokes: SavedStrokes | None
    work: SavedWork | None

    @property
    def there(self) -> list[Saved]:
        """Each of it."""
        return [each for each in (self.work, self.strokes) if each is not None]

    @property
    def parts(self) -> list[str]:
        """What it holds, for people."""
        return [part for each in self.there for part in each.parts]

    @property
    def when(self) -> str:
        """The time of the newest of it, for people."""
        return day_and_time(max(each.time for each in self.there))


@dataclass(eq=False)
class AutosaveRecord:
    """What is kept of one micrograph, by kind: where it goes, what is not written yet, and what earlier starts kept."""

    picture: Picture
    opened: PictureFacts
    files: dict[type[Saved], AutosaveFile[Any]] = field(default_factory=dict)
    waiting: dict[type[Saved], Content] = field(default_factory=dict)
    earlier: dict[type[Saved], Any] = field(default_factory=dict)
    newest: Work | None = None  # with particles
    gone: bool = False  # whether the layer of those was removed since
    bare: bool = False  # whether the layer of its left-out areas was
    restoring: bool = False
    alone: bool = False  # whether nothing was done on it but what comes back

    def __post_init__(self) -> None:
        for kind in SAVED_KINDS:
            self.renew(kind)

    def renew(self, kind: type[Saved]) -> None:
        """What comes from now on gets a file of its own."""
        self.files[kind] = AutosaveFile(self.picture, kind)


class Autosaver(QObject):
    """What lies on disk for the micrographs of a session: a record each. `earlier_changed` tells that more or less is known of it."""

    earlier_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.records: dict[Item, AutosaveRecord] = {}
        self._timer, self._pause = self._ticker(SAVE, self.flush), self._ticker(PAUSE, self._write)
        session.items_changed.connect(self._items_changed)
        session.item_changed.connect(self._item_changed)
        session.classes_changed.connect(self._classes_changed)
        session.closing.connect(self.close)
        self._items_changed()

    def _ticker(self, interval: int, action: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(lambda: action())
        return timer

    # -- writing

    def painted(self, item: Item, layer: Labels) -> None:
        """Write the strokes of a micrograph soon."""
        record = self.records.get(item)
        if record is not None:
            record.waiting[SavedStrokes] = Strokes(item.name, layers.values(layer), dict(self.session.classes))
            self._wake()

    def changed(self, item: Item) -> None:
        """Write what was done on a micrograph soon."""
        record = self.records.get(item)
        if record is None or record.restoring:
            return
        work = Work.of(item, record.opened, self.session.classes, self.session.model_names)
        if work.particles is not None:
            if record.gone:  # others took the place of those that were removed, which keep their file
                self._write([item])
                record.renew(SavedWork)
            record.newest, record.gone = work.light(), False
        elif record.newest is not None:  # their layer was removed, perhaps by mistake or with all others
            work = work.with_particles_of(record.newest)
        record.waiting[SavedWork] = work
        if work.large:
            self._pause.start()
        else:
            self._wake()

    def flush(self) -> None:
        """Write what was done since the last time; what is large waits for a pause."""
        for item, record in self.records.items():
            if record.bare and item in self.session.items:
                self.changed(item)
            record.bare = False
        self._write(large=False)

    def lost(self, item: Item) -> None:
        """The user removed an annotation layer: its strokes are offered from now on."""
        self.flush()
        if item in self.records:
            self.records[item].renew(SavedStrokes)
        self._ask(item)

    def close(self) -> None:
        """Write what is left."""
        self._timer.stop()
        self._pause.stop()
        for item in self.session.items:
            self.session.settle(item)
            self.changed(item)
        self._write()

    def _wake(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _write(self, items: Iterable[Item] | None = None, *, large: bool = True) -> None:
        for item in self.records if items is None else items:
            record = self.records[item]
            for kind, content in [each for each in record.waiting.items() if large or not each[1].large]:
                if content.large:
                    logger.info("%s: large: kept when nothing was done for %d s, and at the end", content.image, PAUSE // 1000)
                del record.waiting[kind]
                self.session.jobs.later(partial(record.files[kind].save, content), self._written)

    def _written(self, trouble: str) -> None:
        if trouble:
            complain(TemsegError(trouble), "autosave")

    def _item_changed(self, item: Item, what: Change) -> None:
        record = self.records.get(item)
        if record is None or item not in self.session.items:
            return
        if what == Change.PIXELS:  # another picture now, with files of its own; what was done on the one before stays in those of that
            self._write()
            self.records[item] = AutosaveRecord(Picture(micrograph_layer.raw(item.layer)), record.opened)
            self._ask(item)
            self.earlier_changed.emit()
        elif what == Change.LEFT_OUT and item.left_out is None:
            record.bare = True  # not at once: where all layers are removed, the picture will be gone by then
            self._wake()
        elif what in WATCHED:
            self.changed(item)
            if what == Change.PARTICLES and item.particles is None and record.newest is not None:
                record.gone = True
                self._write([item])
                self._ask(item)

    def _classes_changed(self) -> None:
        """What is kept tells classes by name."""
        for item in self.session.items:
            if item.annotation is not None:
                self.painted(item, item.annotation)
            self.changed(item)

    def _items_changed(self) -> None:
        closed = [item for item in self.records if item not in self.session.items]
        if closed:
            self.flush()
            self._write()
        for item in closed:
            del self.records[item]
        for item in self.session.items:
            if item not in self.records:
                self.records[item] = AutosaveRecord(Picture(micrograph_layer.raw(item.layer)), PictureFacts.of(item))
                self._ask(item)
                self.changed(item)

    # -- what earlier starts kept

    def earlier_work(self, item: Item) -> EarlierWork | None:
        """What is kept of a micrograph and not there."""
        kept = self.records[item].earlier if item in self.records else {}
        found = EarlierWork(kept.get(SavedStrokes) if item.annotation is None else None, kept.get(SavedWork))
        return found if found.there else None

    def items_with_earlier_work(self) -> list[Item]:
        """The open micrographs of which something is kept."""
        return [item for item in self.session.items if self.earlier_work(item) is not None]

    def restoring(self, item: Item) -> EarlierWork | None:
        """Hand out what is kept of a micrograph, which is not offered any more; see `restored`."""
        found, record = self.earlier_work(item), self.records.get(item)
        if found is None or record is None:
            return None
        record.earlier.clear()
        if found.work is not None:
            sofar = record.waiting.get(SavedWork)
            record.restoring, record.alone = True, record.files[SavedWork].path is None and (sofar is None or sofar.plain)
        self.earlier_changed.emit()
        return found

    def restored(self, item: Item, work: SavedWork, *, whole: bool) -> None:
        """The work is back, all of it or, unless `whole`, without its particles, which are offered again."""
        record = self.records.get(item)
        if record is None:
            return
        record.restoring = False
        if not whole:
            record.earlier[SavedWork] = work
            self.earlier_changed.emit()
        else:
            record.newest, record.gone = None, False
            if record.alone:  # unless Undo may bring something else
                record.files[SavedWork].path = work.path
        self.changed(item)

    def discard(self, item: Item) -> None:
        """Delete what is kept; what was kept before it is offered next."""
        earlier, record = self.earlier_work(item), self.records.get(item)
        if earlier is None or record is None:
            return
        if earlier.work is not None and earlier.work.path == record.files[SavedWork].path:
            record.newest, record.gone = None, False
            record.waiting.pop(SavedWork, None)
            record.renew(SavedWork)
        for each in earlier.there:
            self.session.jobs.later(partial(each.path.unlink, missing_ok=True))
        record.earlier.clear()
        self._ask(item)
        self.earlier_changed.emit()

    def picture(self, item: Item) -> Picture:
        """The pixels that a micrograph is known by."""
        return self.records[item].picture

    def _ask(self, item: Item) -> None:
        record = self.records.get(item)
        if record is None:
            return
        own = {SavedStrokes: True, SavedWork: item.particles is None and record.newest is not None}
        asked = [(kind, file, own[kind]) for kind, file in record.files.items() if kind is SavedWork or item.annotation is None]
        self.session.jobs.later(partial(_look_up, asked), partial(self._found, item))

    def _found(self, item: Item, found: dict[type[Saved], Saved | str | None]) -> None:
        for trouble in found.values():
            if isinstance(trouble, str):
                self.session.say(trouble)
        there = {kind: each for kind, each in found.items() if isinstance(each, Saved)}
        if there and item in self.records:
            self.records[item].earlier |= there
            self.earlier_changed.emit()


def _look_up(files: list[tuple[type[Saved], AutosaveFile[Any], bool]]) -> dict[type[Saved], Saved | str | None]:
    return {kind: file.newest(own=own) for kind, file, own in files}
