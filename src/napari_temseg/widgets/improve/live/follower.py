"""*Live* in step 3: what is particle now, drawn anew after every stroke; its uncertainty; and that answer as the result of an image."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.live.answers import LiveAnswer, LiveTarget
from napari_temseg.widgets.improve.live.first_answers import FirstAnswer, on_screen
from napari_temseg.widgets.improve.live.flight import FIRST_SHOWN, FOLLOWS, LIVE_LOOKS, RESTS, UNSTROKED, WORKS, Flight, job_for, looks
from napari_temseg.widgets.improve.live.kept_answers import KeptAnswers
from napari_temseg.widgets.improve.live.live_view import LiveView
from napari_temseg.widgets.improve.live.rest import Rest
from napari_temseg.widgets.improve.live.use_result import check_usable, use_answer
from napari_temseg.widgets.improve.trainer import NEW_NETWORK
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.engine.types.progress import Progress
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
WATCH = 150  # ms between two looks whether another preview has ended


class LiveFollower(QObject):
    """Answers strokes while they are painted. `changed` tells that `status` or what is shown changed, `answered` that an answer arrived
    or will not.

    `base` tells the model to start from; `seconds` are the newest times from a stroke to the picture that answers it.
    """

    changed = Signal()
    answered = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.annotator, self.finder = session, session.part(Annotator), session.part(Finder)
        self.on, self.unsure = bool(session.settings.get("live", True)), bool(session.settings.get("uncertainty", False))
        self.base: Callable[[], str] = lambda: session.model
        self.status = ""
        self.seconds: deque[float] = deque(maxlen=500)
        self.answer: LiveAnswer | None = None
        self.aim: LiveTarget | None = None  # of the answer
        self._improving = False
        self._rest = Rest(session)
        self._looked: WeakSet[Item] = WeakSet()  # pictures that were answered: what rests is looked at anew from its next stroke on
        self._kept = KeptAnswers()
        self._flight: Flight | None = None
        self._broken: LiveTarget | None = None  # could not be answered: not tried again until something else is asked for
        self._since: float | None = None
        self.view = LiveView(session)
        self.view.changed.connect(self.changed)
        self._soon, self._watch = self._timer(0, True), self._timer(WATCH, False)
        self._wire()

    def _timer(self, interval: int, single: bool) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval)
        timer.setSingleShot(single)
        timer.timeout.connect(self._advance)
        return timer

    def _wire(self) -> None:
        session = self.session
        shown = session.items_changed, session.current_changed, session.plane_changed
        for signal in (*shown, session.models_changed, session.jobs.changed, session.classes_changed):
            signal.connect(lambda *_: self._soon.start())
        session.items_changed.connect(lambda *_: self._kept.only(session.items))
        session.item_changed.connect(self._item_changed)
        session.improving.connect(self._set_improving)
        session.closing.connect(self.close)
        self.annotator.painted.connect(self._painted)

    # -- switches

    def set_on(self, on: bool) -> None:
        """Answer strokes, or leave it."""
        self.on, self._broken = on, None
        self._rest.end()
        self.session.settings.set("live", on)
        self._soon.start()

    def set_unsure(self, on: bool) -> None:
        """Show where the answer is unsure."""
        self.unsure = on
        self.session.settings.set("uncertainty", on)
        self._soon.start()

    def refresh(self) -> None:
        """Something else may be asked for: another model to start from."""
        self._rest.end()
        self._soon.start()

    @property
    def coming(self) -> bool:
        """Whether an answer to what is painted is on its way."""
        aim, _ = self._wanted()
        return aim is not None and self._outdated(aim)

    def answer_of(self, item: Item, plane: int) -> LiveAnswer | None:
        """The newest answer, when it is one of this plane and nothing was painted since."""
        aim, answer = self.aim, self.answer
        fits = answer is not None and aim is not None and (aim.item, aim.plane) == (item, plane) and self._same_strokes(aim, answer)
        return answer if fits else None

    @property
    def seen(self) -> bool:
        """Whether an answer is on the screen, of the plane of the picture that is looked at: what can be used."""
        item = self.session.current
        return item is not None and item in self.session.items and self.view.seen(item, self.session.shown_plane(item))

    def rests(self, item: Item | None) -> bool:
        """Whether a newer result of an image is shown, until it is stroked: there is no answer to be seen or used."""
        return item is not None and item in self._rest

    def close(self) -> None:
        """Let go of everything."""
        self._soon.stop()
        self._watch.stop()
        self._kept.clear()
        self.answer = None
        self._rest.end()

    # -- what is asked for

    def _wanted(self) -> tuple[LiveTarget | None, str]:
        """The plane to answer, or None and why not, for people; "" where there is nothing to say."""
        session, item = self.session, self.session.current
        base = self.base()
        if not self.on or not self._improving or item is None or item not in session.items:
            return None, ""
        if item.annotation is None:
            return None, "Live waits for strokes on this image: choose New annotation."
        if item.asks_axes:
            return None, "Live waits to know what the planes of this stack are (below)."
        if base == NEW_NETWORK:
            return None, "Live needs a model: choose one under “start from”."
        aim = LiveTarget(item, session.shown_plane(item), session.segmenter(base), self.finder.predict)
        if session.jobs.running:
            return None, "Live pauses while another job runs."
        return aim, ""

    def _advance(self) -> None:
        """Bring the picture one step nearer to what is asked for."""
        if self.session.closed:
            return
        aim, why = self._wanted()
        self._recall(aim)
        flight = self._flight
        if flight is not None and not self.session.jobs.looking:  # another preview took its place, which nobody tells
            flight = self._flight = None
        if flight is not None and flight.aim != aim and not flight.stopped:
            flight.stopped = True
            flight.stop()
        if aim is None:
            paused = self.session.jobs.running and self.on and self._improving
            if not (paused and self.view.shows_current):  # what was there a moment ago is still true
                self.view.hide()
            self._say(why)
        elif flight is None and aim != self._broken:
            self._broken = None
            self._launch(aim)
        if aim is not None:
            self._show_if_known(aim)
            if self.status in (FOLLOWS, UNSTROKED, RESTS) and not self.rests(aim.item):  # it was said of what was shown before
                if not self.view.holds(aim.item, aim.plane):
                    self._say(LIVE_LOOKS)
                elif self._behind(aim):
                    self._say(WORKS)
        self._tell_screen()
        self._mind(waits=self._flight is not None or (aim is not None and self._outdated(aim)))

    def _recall(self, aim: LiveTarget | None) -> None:
        """What was answered of a plane that somebody comes back to is the newest answer again."""
        if aim is not None and aim != self.aim and (known := self._kept.answer(aim)) is not None:
            self.answer, self.aim = known, aim

    def _mind(self, *, waits: bool) -> None:
        if waits and not self._watch.isActive():
            self._watch.start()
        elif not waits:
            self._watch.stop()

    def _outdated(self, aim: LiveTarget) -> bool:
        if aim == self._broken or (self.rests(aim.item) and aim.item in self._looked and not self.unsure):
            return False
        answer = self.answer
        if aim != self.aim or answer is None or (self.unsure and answer.unsure is None) or not self._same_strokes(aim, answer):
            return True
        return answer.split != self.session.part(Splitter).config_of(aim.item)

    def _behind(self, aim: LiveTarget) -> bool:
        """Whether there are strokes that the newest answer does not know."""
        return aim != self._broken and (aim != self.aim or self.answer is None or not self._same_strokes(aim, self.answer))

    def _same_strokes(self, aim: LiveTarget, answer: LiveAnswer) -> bool:
        layer = aim.item.annotation
        return layer is not None and np.array_equal(layers.values(layer).reshape((-1, *answer.strokes.shape))[aim.plane], answer.strokes)

    def _launch(self, aim: LiveTarget) -> None:
        if not self._outdated(aim):
            self._since = None  # it was drawn anew and no stroke had changed, as when the plane changes
            if aim != self._broken:
                self._say(self._words(aim, self.answer))
            return
        if self.session.jobs.looking:
            return
        strokes = layers.plane_snapshot(aim.item.annotation, aim.plane)
        # A new layer is drawn too, and is no stroke.
        flight = Flight(aim, self._since if strokes.any() or aim == self.aim else None)
        try:
            make = job_for(flight, self._kept, strokes, self.unsure, self.session.part(Splitter).config_of(aim.item))
        except TemsegError as error:
            self._broken = aim
            self._say(str(error))
            return
        self._flight, self._since = flight, None
        if aim not in self._kept:
            self._say(LIVE_LOOKS)
            self._tell_screen()
        flight.stop = self.session.jobs.look(
            make, partial(self._arrived, flight), seen=partial(self._seen, flight), failed=partial(self._lost, flight)
        )

    def _tell_screen(self) -> None:
        """Let the flight know what is on the screen, and what was painted there since it began."""
        flight = self._flight
        if flight is None or flight.stopped or flight.aim in self._kept or flight.aim.item not in self.session.items:
            return
        screen = on_screen(self.session.viewer, flight.aim, self._since if self._since is not None else flight.since)
        if screen is None:
            return
        if not screen.same(flight.screen):
            flight.screen = screen
        self._since = None  # told with it, or answered already: it is not the time of a later stroke

    def _seen(self, flight: Flight, step: Progress) -> None:
        if isinstance(step.preview, FirstAnswer | LiveAnswer):
            self._show_first(flight, step.preview)
        elif step.stage == "look":
            if step.fraction:
                self._say(looks(step.fraction, shown=flight.shown))
            elif not flight.shown:
                self._say("Live loads the model …")

    def _show_first(self, flight: Flight, first: FirstAnswer | LiveAnswer) -> None:
        """The screen is answered, the rest of the plane is not yet looked at; or it is, and not yet weighed."""
        if flight.stopped or self._wanted()[0] != flight.aim or flight.aim.item in self._rest:
            return
        flight.shown = True
        unsure = [Role.UNCERTAINTY] if self.unsure and first.unsure is not None else []
        self.view.show(flight.aim.item, flight.aim.plane, first, [Role.LIVE, *unsure])
        since = flight.since
        if isinstance(first, FirstAnswer):
            self._say(FIRST_SHOWN)
            since = first.asked.since
        if since is not None:
            self._clock(since)
            flight.since = None

    def _lost(self, flight: Flight) -> None:
        if self._flight is flight:
            self._flight = None
        if not flight.stopped:
            self._broken = flight.aim
            self._say("Live has no answer for this plane; untick and tick it to try again.")
            self.answered.emit()
        self._soon.start()

    def _arrived(self, flight: Flight, answered: LiveAnswer) -> None:
        if self._flight is flight:
            self._flight = None
        aim = flight.aim
        if aim.item in self.session.items:
            self._kept.keep(aim, answered)
            self._looked.add(aim.item)
            self.answer, self.aim = answered, aim
            if self._wanted()[0] == aim and not (flight.shown and self._behind(aim)):  # else what is on the screen knows more strokes
                self._show(aim, answered)
                if flight.since is not None:
                    self._clock(flight.since)
                self._say(self._words(aim, answered))
            self.answered.emit()
        self._soon.start()

    def _words(self, aim: LiveTarget, answered: LiveAnswer | None) -> str:
        """What is said of the picture once it is answered."""
        return RESTS if self.rests(aim.item) else FOLLOWS if answered is not None and answered.strokes.any() else UNSTROKED

    def _clock(self, since: float) -> None:
        self.seconds.append(time.perf_counter() - since)
        logger.debug("live: %.2f s", self.seconds[-1])

    # -- what is seen

    @property
    def _roles(self) -> list[Role]:
        answer, aim = self.answer, self.aim
        if answer is None or aim is None:
            return []
        unsure = [Role.UNCERTAINTY] if self.unsure and answer.unsure is not None else []
        return ([Role.LIVE] if aim.item not in self._rest else []) + unsure

    def _show_if_known(self, aim: LiveTarget) -> None:
        """On the way to another picture or plane, what lies over the old one goes; what is known of the new one comes."""
        flight = self._flight
        if flight is not None and flight.aim == aim and flight.shown:
            return
        if self.view.holds(aim.item, aim.plane) and self._behind(aim):
            return  # what is on the screen knows more strokes, or as many
        if self.aim != aim or self.answer is None:
            self.view.hide()
        elif not self.view.shows(self.answer, self._roles):
            self._show(aim, self.answer)

    def _show(self, aim: LiveTarget, answered: LiveAnswer) -> None:
        self.view.show(aim.item, aim.plane, answered, self._roles)
        self.changed.emit()

    def _say(self, text: str) -> None:
        if text != self.status:
            self.status = text
            self.changed.emit()

    # -- what happens

    def _painted(self, item: Item) -> None:
        rested = item in self._rest
        self._rest.look(item)
        rests = item in self._rest
        if rests and not rested:
            self.view.leave(item)  # its strokes are those of its result again
        if item is self.session.current and not (rests and rested):
            if self._since is None and not rests:
                self._since = time.perf_counter()
            self._soon.start()

    def _set_improving(self, on: bool) -> None:
        self._improving = on
        self._advance()

    def _item_changed(self, item: Item, what: Change) -> None:
        if what in (Change.LEFT_OUT, Change.AXES, Change.PIXELS):
            self._kept.forget(item)
            if self.aim is not None and self.aim.item is item:
                self.answer = self.aim = None
            self._broken = None
        if what == Change.PREDICTION:
            self._rest.result_came(item)
            if item in self._rest or item.particles is None:
                self.view.leave(item)
        elif what == Change.PARTICLES:
            self._rest.corrected(item)
        if what in (Change.LIVE, Change.UNCERTAINTY):
            # Not at once: where all layers are removed, the picture will be gone by then, and nobody meant this one.
            QTimer.singleShot(0, self, partial(self._removed, item, Role.LIVE if what is Change.LIVE else Role.UNCERTAINTY))
        self._soon.start()

    def _removed(self, item: Item, role: Role) -> None:
        if item in self.session.items and item.annotation is not None and not self.session.closed and role not in item.made:
            (self.set_on if role is Role.LIVE else self.set_unsure)(False)

    # -- the answer as the result

    def use(self) -> None:
        """Make the answer the result of the micrograph in hand: all its planes, split and measured, as a job; undoable."""
        item, base = self.annotator.current_item(), self.base()
        check_usable(item, base)
        aim = LiveTarget(item, self.session.shown_plane(item), self.session.segmenter(base), self.finder.predict)
        use_answer(self.session, aim, base, self._kept.planes(aim))
