"""The part of step 3 between painting and training: *Live*, *Show uncertainty*, *Use this result*, *Next place*."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_temseg.widgets.improve.live.follower import LiveFollower
from napari_temseg.widgets.improve.live.next_place import NextPlace
from napari_temseg.widgets.improve.trainer import NEW_NETWORK
from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.greyed import AXES_FIRST, NO_IMAGE, allow
from napari_temseg.widgets.kit.style import button, row
from napari_temseg.widgets.particles.sentences import clock
from napari_temseg.widgets.session.keys import Keys

if TYPE_CHECKING:
    from napari_temseg.widgets.improve.starting_model import StartBox
    from napari_temseg.widgets.session.session import Session

NEXT_PLACE_KEY = "G"
IMPROVE = 2
NOTE_LINES = 2
SECOND_TICK = 1000  # ms between two times that are told of what takes long


class LiveBox(QWidget):
    """Switches and buttons of `LiveFollower` and `NextPlace`; `start` tells the model that is corrected."""

    def __init__(self, session: Session, start: StartBox) -> None:
        super().__init__()
        self.session, self.start = session, start
        self.model, self.next_place = session.part(LiveFollower), session.part(NextPlace)
        self.model.base = lambda: start.base
        self.box = QCheckBox("Live")
        self.box.setToolTip(
            "After every stroke the model's answer is corrected, within a second or so, and outlined on the picture. "
            "Nothing is trained: other images get nothing of it."
        )
        self.unsure = QCheckBox("Show uncertainty")
        self.unsure.setToolTip(
            "A layer that is bright (1) where the answer is unsure and dark (0) where it is sure: strokes teach most where it is bright."
        )
        self.use = button(
            "Use this result",
            "Take the live answer of this image, all planes of a stack, as its result: split, measured and undoable.",
            self.model.use,
        )
        self.next = button(
            "Next place", f"Go to where a stroke would teach most: unsure, and not stroked yet ({NEXT_PLACE_KEY}).", self.next_place.next
        )
        self.note = Brief(NOTE_LINES, "hint")
        self.note.keep_room(NOTE_LINES)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row([self.box, self.unsure], (1, 1)))
        layout.addWidget(row([self.next, self.use], (1, 1)))
        layout.addWidget(self.note)
        self.box.toggled.connect(self.model.set_on)
        self.unsure.toggled.connect(self.model.set_unsure)
        start.activated.connect(lambda *_: self.model.refresh())
        for signal in (session.items_changed, session.current_changed, session.item_changed, session.jobs.changed, self.model.changed):
            signal.connect(self.refresh)
        session.plane_changed.connect(self.refresh)
        self.next_place.changed.connect(self.refresh)
        self._said, self._since = "", 0.0  # what Live is at, and since when
        self._ticking = QTimer(self)
        self._ticking.setInterval(SECOND_TICK)
        self._ticking.timeout.connect(self._tick)
        session.closing.connect(self._ticking.stop)
        session.part(Keys).use({NEXT_PLACE_KEY: self._next_by_key})
        self.refresh()

    def _next_by_key(self) -> None:
        """A stroke is painted in step 3."""
        if not self.session.annotating:
            self.session.step_wanted.emit(IMPROVE)
        self.next.click()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        item = self.session.current
        for box, on in ((self.box, self.model.on), (self.unsure, self.model.unsure)):
            box.blockSignals(True)
            box.setChecked(on)
            box.blockSignals(False)
        allow(self.unsure, "" if self.model.on else "Tick Live first.")
        lacks = NO_IMAGE if item is None else AXES_FIRST if item.asks_axes else self.session.jobs.wait
        rests = self.model.rests(item)
        answers = self.start.base != NEW_NETWORK
        empty = "" if answers else "A new network has no answer before it is trained."
        allow(self.use, lacks, empty, "" if self.model.seen and not self.model.coming else "Waits until Live shows an answer here.")
        searched = item is not None and item.prediction is not None
        allow(self.next, lacks, "" if searched or (self.model.on and answers) else "Find particles first (step 2), or tick Live.")
        self.next.setText("Looking …" if self.next_place.looking else "Next place")
        both = item is not None and item.prediction is not None and item.prediction.other is not None and not rests
        status = self._status()
        ended = "" if not status or status.endswith((".", "…", "?")) else "."
        self.note.setText(f"{status}{ended} Of both sizes, Train learns the smaller.".strip() if both else status)

    def _status(self) -> str:
        """What Live does, and for how long already where that takes more than a moment: it may load a model for long."""
        status, now = self.model.status, time.monotonic()
        if "…" not in status:
            self._said = ""
            self._ticking.stop()
            return status
        if not self._said:
            self._since = now
            self._ticking.start()
        self._said = status
        return f"{status} · {clock(now - self._since)}" if now - self._since >= 1 else status

    def _tick(self) -> None:
        self.refresh()
