"""Keeps what is done in a session on disk while it is done, and knows what earlier starts kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.autosave.particles import KeptParticles
from napari_temseg.widgets.autosave.parts import KeptFacts, KeptStrokes
from napari_temseg.widgets.autosave.store import KeptPart, PartFile, Picture, PictureFacts, Snapshot
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
SAVE = 2000  # ms after a change until it is written; not put off by the next one
PAUSE = 10_000  # ms without a change until what is large is written, and what could not be written is tried again
PICTURE_PARTS: tuple[type[KeptPart], ...] = (KeptParticles, KeptFacts, KeptStrokes)  # of a micrograph, as they are told
Earlier = Mapping[type[KeptPart], Any]  # parts that earlier starts kept, by their kind


@dataclass(eq=False)
class AutosaveRecord:
    """What is kept of one micrograph: where each part goes, and which parts of earlier starts can be had."""

    picture: Picture
    opened: PictureFacts
    files: dict[type[KeptPart], PartFile] = field(init=False)
    earlier: dict[type[KeptPart], KeptPart] = field(default_factory=dict)
    asked: dict[type[KeptPart], object] = field(default_factory=dict)  # the last question what there is on disk

    def __post_init__(self) -> None:
        self.files = {kind: PartFile(self.picture, kind) for kind in PICTURE_PARTS}


class Autosaver(QObject):
    """What lies on disk for the micrographs of a session: a record each. `earlier_changed` tells that more or less is known of it."""

    earlier_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.records: dict[Item, AutosaveRecord] = {}
        self._unwritten: dict[PartFile, Snapshot] = {}
        self._bare: list[Item] = []  # the layer of their left-out areas was removed
        self._soon, self._pause = self._timer(SAVE, self.flush), self._timer(PAUSE, self._write)
        session.items_changed.connect(self._items_changed)
        session.item_changed.connect(self._item_changed)
        session.classes_changed.connect(self._classes_changed)
        session.closing.connect(self.close)
        self._items_changed()

    def _timer(self, interval: int, action: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(lambda: action())
        return timer

    # -- writing

    def painted(self, item: Item) -> None:
        """Write the strokes of a micrograph soon."""
        self._note(item, [KeptStrokes])

    def flush(self) -> None:
        """Write what was done since the last time; what is large waits for a pause."""
        bare, self._bare = self._bare, []
        for item in bare:
            self._note(item, [KeptFacts])
        self._write(large=False)

    def close(self) -> None:
        """Write what is left."""
        for item in self.session.items:
            self.session.settle(item)
            self._note(item, PICTURE_PARTS)
        self._soon.stop()
        self._pause.stop()
        self._write()

    def _note(self, item: Item, kinds: Iterable[type[KeptPart]]) -> None:
        """Parts of a micrograph are others now."""
        record = self.records.get(item)
        if record is None:
            return
        for kind in kinds:
            file, now = record.files[kind], kind.of(item, record.opened, self.session)
            if now is not None and (file.begun or not now.empty):
                self._unwritten[file] = now
                file.begun = True
                if now.large:
                    self._pause.start()
                elif not self._soon.isActive():
                    self._soon.start()
            elif now is None and file.begun:  # its layer was removed, perhaps by mistake: that keeps its file, and is offered
                self._write()
                record.files[kind] = PartFile(record.picture, kind)
                self._ask(item, [kind])

    def _write(self, *, large: bool = True) -> None:
        for file, snapshot in [each for each in self._unwritten.items() if large or not each[1].large]:
            if snapshot.large:
                logger.info("%s: large: kept when nothing was done for %d s, and at the end", snapshot.image, PAUSE // 1000)
            del self._unwritten[file]
            self.session.jobs.later(partial(file.save, snapshot), partial(self._written, file, snapshot))

    def _written(self, file: PartFile, snapshot: Snapshot, error: TemsegError | None) -> None:
        told, file.failed = file.failed, error is not None
        if error is not None:
            self._unwritten.setdefault(file, snapshot)  # unless there is a newer one
            self._pause.start()
            if not told:
                complain(TemsegError(f"{snapshot.image}: {file.kind.what} cannot be autosaved: {error}"), "autosave")

    def _item_changed(self, item: Item, what: Change) -> None:
        if item not in self.records or item not in self.session.items:
            return
        if what == Change.PIXELS:  # another picture now, with files of its own; what was done on the one before stays in those of that
            self._write()
            self._begin(item, self.records[item].opened)
            self.earlier_changed.emit()
        elif what == Change.LEFT_OUT and item.left_out is None:
            self._bare.append(item)  # not at once: where all layers are removed, the picture will be gone by then
            self._soon.start()
        else:
            self._note(item, [kind for kind in PICTURE_PARTS if what in kind.changes])

    def _classes_changed(self) -> None:
        """What is kept tells classes by name."""
        for item in self.session.items:
            self._note(item, [KeptStrokes, KeptParticles])

    def _items_changed(self) -> None:
        closed = [item for item in self.records if item not in self.session.items]
        if closed:
            self._write()
        for item in closed:
            del self.records[item]
        for item in self.session.items:
            if item not in self.records:
                self._begin(item, PictureFacts.of(item))

    def _begin(self, item: Item, opened: PictureFacts) -> None:
        self.records[item] = AutosaveRecord(Picture(micrograph_layer.raw(item.layer)), opened)
        self._ask(item, PICTURE_PARTS)
        self._note(item, PICTURE_PARTS)

    # -- what earlier starts kept

    def earlier_work(self, item: Item) -> Earlier:
        """What is kept of a micrograph and can be had; strokes only where there are none."""
        kept = self.records[item].earlier if item in self.records else {}
        return {kind: kept[kind] for kind in PICTURE_PARTS if kind in kept and not (kind is KeptStrokes and item.annotation is not None)}

    def items_with_earlier_work(self) -> list[Item]:
        """The open micrographs of which something is kept."""
        return [item for item in self.session.items if self.earlier_work(item)]

    def take(self, item: Item) -> Earlier:
        """What is kept of a micrograph, which is not offered any more: it is being put back."""
        found = self.earlier_work(item)
        if found:
            self.records[item].earlier.clear()
            self.earlier_changed.emit()
        return found

    def offer(self, item: Item, kept: KeptPart) -> None:
        """Offer a part again."""
        if item in self.records:
            self.records[item].earlier[type(kept)] = kept
            self.earlier_changed.emit()

    @contextmanager
    def coming_back(self, item: Item, kept: KeptPart) -> Iterator[None]:
        """While a part is put back: it goes on in its file where there was nothing else of it yet, which Undo may bring back.

        One that fails with a `TemsegError` is offered again.
        """
        record, kind = self.records[item], type(kept)
        file = record.files[kind]
        alone = not (file.begun or kept.shared)
        try:
            yield
        except TemsegError:
            self.offer(item, kept)
            raise
        if alone:
            self._unwritten.pop(file, None)
            record.files[kind] = PartFile(record.picture, kind, kept.path)
        self._note(item, [kind])

    def discard(self, item: Item) -> None:
        """Delete what is kept; what was kept before it is offered next."""
        earlier = self.take(item)
        for each in earlier.values():
            self.session.jobs.later(partial(each.path.unlink, missing_ok=True))
        if earlier:
            self._ask(item, earlier)

    def picture(self, item: Item) -> Picture:
        """The pixels that a micrograph is known by."""
        return self.records[item].picture

    def _ask(self, item: Item, kinds: Iterable[type[KeptPart]]) -> None:
        record, question = self.records[item], object()
        record.asked.update((kind, question) for kind in kinds)
        files = [record.files[kind] for kind in kinds]
        self.session.jobs.later(lambda: [each for file in files for each in file.newest()], partial(self._found, item, record, question))

    def _found(self, item: Item, record: AutosaveRecord, question: object, found: list[KeptPart | str]) -> None:
        for each in dict.fromkeys(found):  # parts that lay in one file have one sentence
            if isinstance(each, str):
                self.session.say(each)
            elif self.records.get(item) is record and record.asked[type(each)] is question:  # asked again since: it may be deleted by now
                self.offer(item, each)
