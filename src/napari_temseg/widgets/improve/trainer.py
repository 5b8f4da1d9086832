"""The training of a session: what goes in, the curves that come out, the preview, and what becomes of the new model."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Progress
from napari_temseg.engine.types.results import Prediction
from napari_temseg.engine.types.wording import OTHER_THINGS, some_of
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.autosave.trainings import KeptTraining, TrainingPlan
from napari_temseg.widgets.improve.going_back import GoingBack
from napari_temseg.widgets.improve.model_offer import ModelOffer
from napari_temseg.widgets.improve.not_kept import OTHER_SIZE, NotKept, is_refused, not_kept
from napari_temseg.widgets.improve.search_again import SearchAgain, SearchedAgain, known_scales, pixels_of_search
from napari_temseg.widgets.improve.size_early import SizeEarly
from napari_temseg.widgets.improve.stopped_trainings import StoppedTrainings
from napari_temseg.widgets.improve.training_labels import collected, holds_strokes, open_beside, source, taken, teaches
from napari_temseg.widgets.improve.training_preview import TrainingPreview
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.own_models import OwnModels
from napari_temseg.widgets.session.questions import Answer
from napari_temseg.widgets.session.results.wording import found_by_another

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.active_learning import Place
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.types.annotations import Annotations
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

NEW_NETWORK = "none"  # the base that is no model: a new network


class Trainer(QObject):
    """Trains for a session. `advanced` tells of new points of the curves, and that a training began or ended.

    `points` and `facts` are those of `iter_train`, of the training that runs or ran last; `best_step` is the step that is kept,
    `setting` says what is held out and on which device it runs.
    """

    advanced = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.points: list[dict[str, float]] = []
        self.facts: dict[str, float] = {}
        self.best_step = 0
        self.fresh = self.running = self.ended = False
        self.setting = self.outcome = ""
        self.tuned: Any = ()  # what a search of the settings tried, the best first
        self.notes: list[str] = []  # what else is to be told of the training that ended
        self._newest: Progress | None = None  # of the training
        self.tried = False  # it was not kept, and somebody took it all the same
        self.unused: Segmenter | None = None  # what the last training learnt, where it was not kept
        self.made = self._before = ""  # the model that the last training made, and the one that was in use before
        self.twice = False  # the training before this one was refused on these pictures as well
        self._taught: WeakSet[Item] = WeakSet()  # the pictures whose labels are learnt
        self.preview = TrainingPreview(session)
        self.stopped, self.again = session.part(StoppedTrainings), session.part(SearchAgain)
        self.back = session.part(GoingBack)
        session.part(SizeEarly)
        self.offer = session.part(ModelOffer)
        self._store: KeptTraining | None = None  # of the training that runs
        session.jobs.progressed.connect(self._progressed)
        session.model_renamed.connect(self._renamed)
        session.models_changed.connect(self._models_changed)
        session.item_changed.connect(self._item_changed)
        self.again.ended.connect(self.advanced)

    def train(self, base: str, config: TrainConfig, *, tune: bool = False) -> None:
        """Train on what the images hold now, from a model by name or file, or `NEW_NETWORK`.

        `TemsegError` when there is nothing to train on.
        """
        session = self.session
        for item in session.items:
            if item.unpainted:  # strokes of a moment ago may not be counted yet
                item.unpainted = not holds_strokes(item)()
        items = [item for item in session.items if source(item) and teaches(item, session.current)]
        if not items:
            raise TemsegError(
                "No image with labels is ticked: choose New annotation, and paint a few strokes on particles and on the background."
            )
        parts, names, autosaver = [taken(item) for item in items], dict(session.classes), session.part(Autosaver)
        beside = open_beside(session.items, items)
        what = items[0].name if len(items) == 1 else f"{len(items)} images"
        self._start(
            items,
            KeptTraining(TrainingPlan(what, base, config, tune), [autosaver.picture(item) for item in items]),
            lambda: collected(parts, names, *beside),
        )

    def go_on(self, found: KeptTraining) -> None:
        """Go on with a training that was stopped, on the labels it had; `TemsegError` when its pictures are not all open."""
        micrographs = self.stopped.micrographs(found)
        items = self.stopped.items(found)
        held, watched = map(tuple, open_beside(self.session.items, items))
        self._start(items, found, lambda: replace(found.annotations_on(micrographs), unlabelled=held, watched=watched))

    def _start(self, items: Sequence[Item], store: KeptTraining, collect: Callable[[], Annotations]) -> None:
        plan, start = store.plan, self.session.segmenter(store.plan.base)
        searched = [item.prediction for item in self.session.items if item.prediction is not None]
        scales = [(item.micrograph(), known) for item in items if item.prediction is None and (known := known_scales(item))]
        afterwards = pixels_of_search(self.session.current) if self.session.current in items else 0.0

        def make() -> Any:
            from napari_temseg.api import iter_train

            store.annotations = collect()
            return iter_train(
                labels=store.annotations,
                base=start,
                config=plan.config,
                tune=plan.tune,
                look=self.preview.look,
                checkpoint=store,
                searched=searched,
                scales=scales,
                afterwards=afterwards,
            )

        self.session.jobs.start(plan.title, make, self._done, can_finish=True, lasting=True, failed=self._failed)
        self.twice = self.ended and is_refused(self.notes) and any(item in self._taught for item in items)
        self._store, self._taught = store, WeakSet(items)
        self.again.forget()
        self.again.ask_size(self.session.current if self.session.current in items else None)
        self.offer.pause()
        self.stopped.started(store)
        self.points, self.facts, self.best_step, self.fresh, self.tuned = [], {}, 0, plan.base == NEW_NETWORK, ()
        self.running, self.ended, self.setting, self.outcome = True, False, "", ""
        self.notes, self.made, self._before, self._newest = [], "", self.session.model, None
        self.unused, self.tried = None, False
        self.preview.begin(self._taught)
        self.advanced.emit()

    @property
    def learnt(self) -> Container[Item]:
        """The pictures that the training learns from which runs, or that the last one learnt from."""
        return self._taught

    @property
    def elsewhere(self) -> str:
        """Their names where the picture in hand is not one of them, else ""."""
        here = self.session.current in self._taught
        return "" if here else some_of([each.name for each in self.session.items if each in self._taught])

    @property
    def searched_again(self) -> SearchedAgain | None:
        """What the new search of the image in hand came to, while that is what is shown."""
        found = self.again.result
        item = self.session.current
        return found if found is not None and item is found.item and item.prediction is found.said else None

    @property
    def contradicted(self) -> tuple[Place, ...]:
        """Where strokes of the image in hand are that its new search contradicts."""
        found = self.searched_again
        return found.still.places if found is not None and found.still is not None and not self.running else ()

    @property
    def enough_seconds(self) -> int:
        """Seconds that a training of the image in hand would have needed, which was not kept as its time was too short; else 0."""
        there = self.ended and not self.running and not self.made and not self.outcome
        return self.why_not.seconds if there and self.session.current in self._taught else 0

    @property
    def why_not(self) -> NotKept:
        """Why the last training, which made no model, was not kept, and what to do: first of all, to say the size of what was stroked."""
        if self.again.asks_size(self.session.current):
            return OTHER_SIZE
        return not_kept(self.points, self.notes, self.facts, twice=self.twice)

    @property
    def earlier(self) -> str:
        """The model to which one can go back: that which was in use before the training that made the one in use; "" for none."""
        return self.back.earlier(self.session.current)

    @property
    def in_use(self) -> bool:
        """Whether what the last training made is in use for a picture that taught it: else somebody went back from it."""
        session = self.session
        return any(session.model_of(item) == self.made for item in session.items if item in self._taught)

    def go_back(self) -> None:
        """Take the training back that made the model in use for the picture in hand, on every picture that it changed (see `GoingBack`);
        `TemsegError` where there is none."""
        if self.session.current is None or not self.earlier:
            raise TemsegError("There is no training of this image to go back from.")
        told = self.back.go_back(self.session.current)
        self.offer.withdraw()
        self.session.say(told)
        self.advanced.emit()

    def _renamed(self, name: str, new: str) -> None:
        self.made, self._before = (new if each == name else each for each in (self.made, self._before))

    def _progressed(self, steps: list[Progress]) -> None:
        if not self.running:
            return
        self._newest = steps[-1]
        for step in steps:
            if "background_share" in step.metrics:
                self.facts, self.setting = dict(step.metrics), step.message
            if "step" in step.metrics:
                self.points.append(dict(step.metrics))
                self.best_step = int(step.metrics.get("best_step", 0))
        previews = [step.preview for step in steps if isinstance(step.preview, Prediction)]
        if previews and self.preview.show(previews[-1]):
            self.advanced.emit()  # it is told what that is
        if any("step" in step.metrics or "background_share" in step.metrics for step in steps):
            self.advanced.emit()

    # -- the end

    def _stop(self) -> None:
        self.running = False
        self.preview.end()

    def _let_go(self, *, keep: bool = False) -> None:
        """The training runs no more: its checkpoint goes, or is offered."""
        self._store = None
        self.stopped.ended(keep=keep)

    def _failed(self) -> None:
        self._stop()
        self._let_go(keep=not self.session.jobs.cancelled)
        self.outcome = "No new model was made; the strokes and the model in use are as they were."
        self.offer.go_on()
        self.session.say("Training was stopped.")
        self.advanced.emit()

    def _done(self, model: Segmenter) -> None:
        self._stop()
        self.ended = True
        record = model.history[-1] if model.history else {}
        self.best_step, self.tuned = int(record.get("best_step", 0)), record.get("tuned", ())
        self.notes = list(record.get("notes", []))
        if self.points:  # what is kept was decided after the last of them
            self.points[-1]["best_step"] = float(self.best_step)
        if self.best_step == 0:
            self._let_go()
            self.outcome = "" if len(self.points) > 1 and not self.fresh else "Stopped before the first step: no new model was made."
            n = record.get("steps", 0)
            self.session.say(f"Training ended after {n} step{'s' if n != 1 else ''}: the model in use stays as it was.")
            self.unused = None if self.outcome else model.unused
            self.offer.go_on()
            if not self.outcome:
                self._search_again()
            self.advanced.emit()
            return
        base = self._store.plan.base if self._store is not None else ""
        self._take(model, base)
        strange = [note.partition(f": {OTHER_THINGS}")[0] for note in self.notes if OTHER_THINGS in note]
        self.offer.trained(self.made, self._taught, strange)
        self._let_go()  # after the model, which is written first
        self._search_again()
        self.advanced.emit()

    def _take(self, model: Segmenter, base: str) -> None:
        """A model that came of a training from `base`: it gets a name, is kept on disk, and is used for what taught it."""
        taken = {*self.session.models, *self.session.own}
        model.name = name = next_name(base if base in taken else model.name, taken)
        before = {item: self.session.model_of(item) for item in self.session.items}
        self.made = name = self.session.add_model(name, model, self._taught)
        self.back.note(name, self._taught, before)
        self.session.part(OwnModels).save(name, model)
        self.session.say(f"The new model is “{name}”, kept for later starts. {self._used()}")

    @property
    def can_try(self) -> bool:
        """Whether the last training learnt something that was not kept, from the image in hand among others."""
        there = self.unused is not None and self.session.current in self._taught
        return there and not self.running and self.session.model == self._before

    def try_it(self) -> None:
        """Use what the last training learnt although it was not kept, and search the image in hand with it; Go back takes that back.

        `TemsegError` where there is nothing of the kind, or while a job runs.
        """
        model = self.unused
        if model is None or not self.can_try:
            raise TemsegError("There is no training of this image that was not kept.")
        self.session.jobs.check_free()
        self.unused, self.tried = None, True
        self.again.forget()
        record = model.history[-1]
        self.notes, self.best_step = list(record["notes"]), int(record["best_step"])
        if self.points:
            self.points[-1]["best_step"] = float(self.best_step)
        self._take(model, self._before)
        self._newest = None  # the time of that training is over
        self._search_again()
        self.advanced.emit()

    def _used(self) -> str:
        """Where it is used, and where not unless somebody says so."""
        session, names = self.session, [item.name for item in self.session.items if item in self._taught]
        used = f"It is used for what taught it ({some_of(names)})" if names else "It is used where you choose it"
        others = [item for item in session.items if session.model_of(item) == session.chosen]
        return f"{used}; other images keep “{session.chosen}” until you say otherwise." if others else f"{used}."

    def _search_again(self) -> None:
        """The picture in hand, if it taught the model: what was found and corrected in another one is not replaced unasked.

        Where no model was made, nothing is replaced: only what strokes say of its result is seen.
        """
        item = self.session.current
        if self.made:
            for each in self.session.items:
                if each is not item or item not in self._taught:
                    self._ask_search(each)
        if item is not None and item in self._taught and not item.asks_axes:
            # What came of the training is told, whether it can be searched or not.
            guarded(partial(self.again.begin, item, needed=bool(self.made), so_far=self._newest))

    def _ask_search(self, item: Item) -> None:
        """Whether a picture shall be searched that the newest model is in use for, and that shows what another one found: it taught it, or
        is of the sample of one that did."""
        session, made = self.session, self.made
        if made not in session.models or session.model_of(item) != made or self.back.shows(item, made):
            return
        if item in self._taught:
            self.again.ask([item], f"“{made}” learnt from this image, which still shows what was found before.")
        elif before := self.back.earlier(item):
            stay = Answer(f"Stay with “{before}”", "Use the model before for this image.", partial(session.use_again, {item: before}))
            same = (
                f"“{made}” learnt from this sample (“{item.sample}”) and is in use here too; this image still shows what was found before."
            )
            self.again.ask([item], same, stay)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.SAMPLE:
            for each in self.session.items:
                if each not in self._taught:
                    self._ask_search(each)

    def _models_changed(self) -> None:
        for item in self.session.items:
            if self.again.waits(item) and not found_by_another(self.session, item):
                self.again.drop(item)


def next_name(name: str, taken: Any) -> str:
    """A name for what was trained from `name`: "particles+1", then "particles+2" …"""
    root = re.sub(r"\+\d*$", "", name.rstrip("+")) or "model"
    number = 1
    while f"{root}+{number}" in taken:
        number += 1
    return f"{root}+{number}"
