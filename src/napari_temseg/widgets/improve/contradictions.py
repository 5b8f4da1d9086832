"""*Show*: leads to the strokes that the newest search still contradicts, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_temseg.engine.types.results import BACKGROUND, BAND, FIRST_CLASS
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.live.next_place import NextPlace
from napari_temseg.widgets.improve.trainer import Trainer

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.active_learning import Place
    from napari_temseg.widgets.session.session import Session


class Contradictions:
    """Those of the image in hand; a stroke that was taken back or erased since is none any more."""

    def __init__(self, session: Session) -> None:
        self.session, self.trainer, self.guide = session, session.part(Trainer), session.part(NextPlace)
        self._newest: Place | None = None  # that was shown last …
        self._said = ""  # … and what was said of it
        self.guide.live.changed.connect(self._live_changed)

    @property
    def places(self) -> list[Place]:
        """Where they are."""
        return [place for place in self.trainer.contradicted if self._stroke(place)]

    def next(self) -> None:
        """Go to the next one, after the last to the first."""
        places, item = self.places, self.session.current
        if item is None or not places:
            self.session.say("No stroke of this image is contradicted any more.")
            return
        number = (places.index(self._newest) + 1) % len(places) if self._newest in places else 0
        self._newest = place = places[number]
        self._said = self._sentence(place)
        self.guide.show(item, place, self._said)

    def _sentence(self, place: Place) -> str:
        places, beside = self.places, self._stroke(place) == BACKGROUND
        lies = "background, and lies on a particle of the result" if beside else "particle, and the result has none here"
        which = f"{places.index(place) + 1} of {len(places)}: " if len(places) > 1 else ""
        way = "Stroke more of what is wrong and train on, or correct it in step 4"
        if self._live_agrees(place):
            way = f"Live shows {'none' if beside else 'one'} here: Use this result takes what Live shows"
        found = self.trainer.searched_again
        says = "the labels say" if found is not None and found.still is not None and found.still.regions else "this stroke says"
        return f"{which}{says} {lies}. {way}."

    def _live_changed(self) -> None:
        """What is said of the place that is marked is true of what Live shows now."""
        place = self._newest
        if place is None or self.guide.place is not place or place not in self.places:
            return
        if (said := self._sentence(place)) != self._said:
            self._said = said
            self.session.say(said)

    def _live_agrees(self, place: Place) -> bool:
        """Whether Live's outlines are on the screen and are right about a stroke that the result contradicts."""
        live, item = self.guide.live, self.session.current
        if item is None or not live.seen or place.plane != self.session.shown_plane(item):
            return False
        answer = live.answer_of(item, place.plane)
        if answer is None:
            return False
        here = place.y, place.x
        kept = answer.prediction.all_classes().reshape(item.frame)[here] >= FIRST_CLASS
        if answer.given_up is not None:  # dashed: left out of a result
            kept &= not answer.given_up.reshape(item.frame)[here]
        if kept and answer.prediction.size:
            pieces, _ = ndimage.label(answer.prediction.all_classes().reshape(item.frame) >= FIRST_CLASS)
            width = 2 * np.sqrt(np.count_nonzero(pieces == pieces[here]) / np.pi)
            if width > BAND * answer.prediction.size:  # several that flow together, or what lies between them: nobody's particle
                return False
        return bool(kept == (self._stroke(place) >= FIRST_CLASS))

    def _stroke(self, place: Place) -> int:
        item = self.session.current
        if item is None or item.annotation is None:
            return 0
        return int(layers.values(item.annotation).reshape((-1, *item.frame))[place.plane, place.y, place.x])
