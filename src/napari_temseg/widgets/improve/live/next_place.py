"""*Next*: leads to the places where a stroke would teach most, one after another."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.interactive.active_learning import Place
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.live.answers import Round, iter_places, said_of
from napari_temseg.widgets.improve.live.follower import LiveFollower
from napari_temseg.widgets.jobs.runner import guarded

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

EDGE = 3  # px on the screen
SEEN_AROUND, MOST_AROUND = 1 / 8, 6  # of a picture's side that takes a quarter of the canvas round a place, × its reach at most
FREE = 1.5  # × the reach of a place, that lies free of what shows how unsure the answer is
LOOK_AGAIN = 250  # ms
QUESTION = "Stroke here: is it particle or background?"


class NextPlace(QObject):
    """Leads through one micrograph at a time; `places` are those still to come, `been` those seen this time round, by plane.

    `changed` tells that a place is looked for, or no more: `looking`.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.annotator, self.live = session, session.part(Annotator), session.part(LiveFollower)
        self.places: list[Place] = []
        self.been: dict[int, list[Place]] = {}
        self.place: Place | None = None  # that is marked
        self._item: Item | None = None
        self._of: Any = None  # the answer that the places are of
        self._freed: tuple[Any, Any, Any] | None = None  # the layer of what is unsure, as it is shown round the place, and whole
        self.looking = False  # somebody waits for a place
        self._waiting = False  # for the answer to the newest stroke
        self._again = QTimer(self)  # what else is looked at ends untold
        self._again.setSingleShot(True)
        self._again.setInterval(LOOK_AGAIN)
        self._again.timeout.connect(self._try_again)
        session.closing.connect(self._again.stop)
        self.live.answered.connect(self._answered)
        self.annotator.painted.connect(self._painted)
        session.current_changed.connect(self._forget)
        session.models_changed.connect(self._forget)  # another model is unsure elsewhere
        session.plane_changed.connect(self._plane_changed)
        session.improving.connect(lambda on: None if on else self._unmark())

    def next(self) -> None:
        """Go to the next place on the micrograph in hand; `TemsegError` where nothing is known of it."""
        item = self.annotator.current_item()
        if item.asks_axes:
            raise TemsegError(f"{item.name}: say first whether its {item.n_planes} planes are fields of one sample, time or depth.")
        if self.session.jobs.running:
            raise TemsegError(f"“{self.session.jobs.title}” is still running; the next place is looked for when it is done.")
        if item.annotation is None:
            self.annotator.annotate(item)
        if self.live.coming or self.session.jobs.looking:
            self._waiting = True
            self._look_out(True)
            self._again.start()
            self.session.say("One moment: the next place is looked for.")
            return
        self._waiting, self._item = False, item
        plane = self.session.shown_plane(item)
        answer = self.live.answer_of(item, plane)
        of = answer or (item.prediction, plane)
        if self.places and self._of == of:
            self._go(item, self.places.pop(0))
        else:
            self._look(item, plane, answer.prediction if answer is not None else said_of(item, plane), of)

    def _look(self, item: Item, plane: int, known: Prediction, of: Any) -> None:
        shape = (-1, *item.frame)
        strokes = np.zeros((item.n_planes, *item.frame), np.uint8)
        if item.annotation is not None:
            strokes = np.array(layers.snapshot(item.annotation), np.uint8).reshape(shape)
        sofar = Round(plane, {key: list(each) for key, each in self.been.items()})
        self._look_out(True)
        job = partial(iter_places, known, item.prediction, strokes, sofar)
        self.session.jobs.look(job, partial(self._found, item, of), failed=partial(self._look_out, False))

    def _look_out(self, on: bool) -> None:
        if on != self.looking:
            self.looking = on
            self.changed.emit()

    def _try_again(self) -> None:
        """Whatever kept it waiting may be done, which nobody tells."""
        if not self._waiting:
            return
        if self.live.coming or self.session.jobs.looking:
            self._again.start()
        else:
            self._answered()

    def _found(self, item: Item, of: Any, places: list[Place]) -> None:
        self._look_out(False)
        if item is not self.session.current or item not in self.session.items:
            return
        if places:
            self.places, self._of = places[1:], of
            self._go(item, places[0])
        elif self.been:
            self.been.clear()
            self.places, self._of = [], None
            self._unmark()
            self.session.say("Those were all places that are unsure; Next begins anew with the first.")
        else:
            self.session.say(f"{item.name}: the answer is sure everywhere; look for mistakes by eye.")

    def _go(self, item: Item, place: Place) -> None:
        self.been.setdefault(place.plane, []).append(place)
        self.show(item, place, QUESTION)

    def show(self, item: Item, place: Place, said: str) -> None:
        """Go to a place of the micrograph in hand, mark it, and say why."""
        session = self.session
        self._unmark()
        self.place, self._item = place, item
        if Role.PLACE not in item.made:
            session.adopt(item, Role.PLACE, overlays.add_place(session.viewer, item.layer, f"{item.name} next"))
        extent = min(max(2 * place.reach, min(item.frame) * SEEN_AROUND), MOST_AROUND * place.reach)  # one knows where one is
        layers.centre_on(session.viewer, item.layer, place.plane, place.y, place.x, extent, judged=True)
        overlays.show_box(
            item.made[Role.PLACE], place.y, place.x, place.reach, EDGE * overlays.pixels_per_screen(session.viewer, item.layer)
        )
        self._free(item, place)
        session.say(said)

    def _free(self, item: Item, place: Place) -> None:
        """What shows how unsure the answer is leaves the place free, where somebody shall judge the picture."""
        layer = item.made.get(Role.UNCERTAINTY)
        if layer is None or not layers.is_visible(layer) or self.session.shown_plane(item) != place.plane:
            return
        whole = layers.values(layer)
        freed, reach = np.array(whole), round(FREE * place.reach)
        freed[..., max(place.y - reach, 0) : place.y + reach, max(place.x - reach, 0) : place.x + reach] = 0
        layers.set_data(layer, freed)
        self._freed = (layer, freed, whole)

    def _cover(self) -> None:
        """Show again how unsure the answer is, unless another one is shown by now."""
        freed, self._freed = self._freed, None
        if freed is not None and freed[0] in self.session.viewer.layers and layers.values(freed[0]) is freed[1]:
            layers.set_data(freed[0], freed[2])

    def _answered(self) -> None:
        if self._waiting:
            self._waiting = False
            self._look_out(False)
            if not self.session.jobs.running:  # who has a job begun meanwhile waits for that, and for no place
                guarded(self.next)

    def _painted(self, item: Item) -> None:
        """It has done its work once somebody strokes."""
        if item is self._item and self.place is not None and item.annotation is not None:
            y, x, reach = self.place.y, self.place.x, round(self.place.reach)
            plane = layers.plane_snapshot(item.annotation, self.place.plane)
            if plane[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach].any():
                self._unmark()

    def _plane_changed(self) -> None:
        item = self._item
        if item in self.session.items and self.place is not None and self.session.shown_plane(item) != self.place.plane:
            self._unmark()

    def _forget(self) -> None:
        self._unmark()
        self.places, self.been, self._of, self._item, self._waiting = [], {}, None, None, False
        self._look_out(False)

    def _unmark(self) -> None:
        self.place = None
        self._cover()
        if self._item is not None and self._item in self.session.items and Role.PLACE in self._item.made:
            layers.set_visible(self._item.made[Role.PLACE], False)
