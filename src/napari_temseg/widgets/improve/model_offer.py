"""What was trained on some pictures is offered for others of their kind, and never used there unasked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from qtpy.QtCore import QObject

from napari_temseg.pipeline.find_stroked import iter_find_at
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.improve.alike import alike
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Answer, Questions

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

TRAINED = "trained model"  # what the question is about


class ModelOffer(QObject):
    """Asks once for each picture and new model; a picture that is opened later is asked about too."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.questions = session, session.part(Questions)
        self._new = ""  # the newest that was trained in this session
        self._chosen = session.chosen  # what was in use for all when it was
        self._paused = False  # another training runs
        self._taught: WeakSet[Item] = WeakSet()  # it
        self._strange: frozenset[str] = frozenset()  # images on which it finds other things
        self._asked: WeakKeyDictionary[Item, str] = WeakKeyDictionary()  # about which model
        # Of a picture that took the offer: what was said of it before, by which model, and the new one.
        self._taken: WeakKeyDictionary[Item, tuple[Prediction | None, str, str]] = WeakKeyDictionary()
        session.items_changed.connect(self._ask)
        session.item_changed.connect(self._item_changed)
        session.models_changed.connect(self._ask)
        session.model_renamed.connect(self._renamed)

    def trained(self, name: str, taught: Iterable[Item], strange: Iterable[str] = ()) -> None:
        """A model was trained by images, which are not asked about; on those named in `strange` it finds other things than before."""
        self._new, self._taught, self._paused, self._chosen = name, WeakSet(taught), False, self.session.chosen
        self._strange = frozenset(strange)
        self._ask()

    def pause(self) -> None:
        """Another training begins: what it makes may be better, so that nothing is offered meanwhile."""
        self._paused = True
        self._drop_all()

    def go_on(self) -> None:
        """That training made no model."""
        self._paused = False
        self._ask()

    def withdraw(self) -> None:
        """Somebody went back from the newest model: it is not offered any more."""
        self._new = ""
        self._drop_all()

    def _drop_all(self) -> None:
        for item in list(self._asked):
            if self.questions.on(item, TRAINED) is not None:
                self.questions.drop(item, TRAINED)
                del self._asked[item]  # it did not answer

    def _renamed(self, name: str, new: str) -> None:
        if name == self._new:
            self._new = new
            for item, about in self._asked.items():
                if about == name:
                    self.questions.drop(item, TRAINED)
            self._asked.clear()

    def _ask(self) -> None:
        session, new = self.session, self._new
        taught = [item for item in session.items if item in self._taught]
        if session.chosen != self._chosen or (taught and all(session.model_of(item) != new for item in taught)):
            self.withdraw()  # somebody chose another model
        if self._paused or not self._new:
            return
        for item in session.items:
            if not self._open_for(item):
                if item in self._asked:
                    self.questions.drop(item, TRAINED)
            elif self._asked.get(item) != new and any(alike(item, other) for other in taught):
                self._asked[item] = new
                used = session.model_of(item)
                answers = (
                    Answer(
                        f"Search with {new}",
                        "Use the new model for this image, and find particles anew; Undo brings back what was found.",
                        partial(self._use, item, new),
                    ),
                    Answer(f"Stay with {used}", "Leave this image to the model in use for it, and what was found as it is.", lambda: None),
                )
                stays, careful = f"“{used}” stays in use here. Search with “{new}” too?", ""
                if item.name in self._strange:
                    careful = f"It finds other things here than “{used}”: compare the outlines. "
                self.questions.ask(
                    item,
                    TRAINED,
                    f"“{new}” learnt from other images. {careful}{stays}" if careful else f"“{new}” learnt from other images; {stays}",
                    answers,
                    waits=True,
                )

    def _open_for(self, item: Item) -> bool:
        """Whether the newest model is there and not in use for a picture. Once asked the question stays as long, though what was found
        since made the picture look otherwise: somebody may be on the way to it."""
        session, new = self.session, self._new
        return new in session.models and session.model_of(item) != new and session.chosen != new and item not in self._taught

    def _use(self, item: Item, name: str) -> None:
        self.session.jobs.check_free()
        said = item.prediction
        self._taken[item] = said, self.session.model_of(item), name
        self.session.use_model_for(item, name)
        self.session.part(Finder).find([item], by=partial(iter_find_at, self._meant(item)))

    def _meant(self, item: Item) -> Prediction | None:
        """What a search said of a picture; where it asks which of two sizes is meant, with the one that is nearer to what was learnt."""
        said, pixel = item.prediction, item.calibration.nanometres
        learnt = [
            each.prediction.size * (each.calibration.nanometres / pixel if pixel and each.calibration.nanometres else 1.0)
            for each in self._taught
            if each.prediction is not None and each.prediction.size
        ]
        if said is None or not said.candidates or not learnt:
            return said
        typical = sorted(learnt)[len(learnt) // 2]
        nearest = min(said.candidates, key=lambda each: max(each.size / typical, typical / each.size))
        return replace(said, size=nearest.size)

    def _item_changed(self, item: Item, what: Change) -> None:
        """The model follows an undo or redo of the search that was offered."""
        if what != Change.PREDICTION or item not in self._taken:
            return
        said, used, new = self._taken[item]
        model, now = self.session.models.get(new), item.prediction
        if now is said and self.session.model_of(item) == new:
            self.session.use_model_for(item, used)
        elif model is not None and now is not None and now.model_hash == model.content_hash() and self.session.model_of(item) == used:
            self.session.use_model_for(item, new)
