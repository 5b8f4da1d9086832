"""*Go back*: the model that each picture had before a training changed it, and the way back to what was found there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from qtpy.QtCore import QObject

from napari_temseg.engine.types.wording import some_of
from napari_temseg.widgets.improve.search_again import SearchAgain
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import FOUND_STEP, SPLIT_STEP
from napari_temseg.widgets.session.item import SHIPPED
from napari_temseg.widgets.session.questions import Answer, Questions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.results.state import ResultState
    from napari_temseg.widgets.session.session import Session

WORKED_ON = "what was made of what a trained model found"  # what the question is about
NONE_BEFORE, BACK = "nothing was found before", "back"


@dataclass(frozen=True, eq=False)
class TakenBy:
    """A model that was trained: the pictures that taught it, and which model each picture had before that it was taken for."""

    taught: WeakSet[Item]
    before: WeakKeyDictionary[Item, str]


class GoingBack(QObject):
    """Knows the trainings of a session, and takes them back. Which result is of which training is read off the results and their history,
    so that it holds whatever was done since."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.questions, self.again = session, session.part(Questions), session.part(SearchAgain)
        self._trainings: dict[str, TakenBy] = {}  # by model
        session.model_renamed.connect(self._renamed)
        session.item_changed.connect(self._item_changed)

    def note(self, made: str, taught: Iterable[Item], before: Mapping[Item, str]) -> None:
        """A model was trained; `before` are the models that were in use until then."""
        changed = {item: name for item, name in before.items() if self.session.model_of(item) == made}
        self.session.model_names[self.session.models[made].content_hash()] = made
        self._trainings[made] = TakenBy(WeakSet(taught), WeakKeyDictionary(changed))

    def earlier(self, item: Item | None) -> str:
        """The model to which one can go back on a picture: that which it had before a training of it, or of its sample, made the one in
        use; "" for none."""
        used = self.session.model_of(item)
        training = self._trainings.get(used)
        if item is None or training is None or used not in self.session.models or not self._follows(item, training):
            return ""
        before = training.before.get(item) or next((name for each, name in training.before.items() if each in training.taught), "")
        known = before in {SHIPPED, *self.session.models, *self.session.own} or Path(before).suffix == ".temseg"  # it may have been removed
        return before if known and before != used else ""

    def shows(self, item: Item, made: str) -> bool:
        """Whether a picture shows what a model of this session found."""
        return self.made_by(item, self.session.models[made].content_hash())

    def go_back(self, item: Item) -> str:
        """Take the training back that made the model in use for a picture: every picture that it changed has the model before again, and
        what was found there before. Returns what came of it, for people.

        What was made of the new outlines by hand or with Live since is not thrown away: it is asked about. Where nothing was found before,
        a search is offered.
        """
        session, used = self.session, self.session.model_of(item)
        digest = session.models[used].content_hash()
        before = {each: name for each in session.items if session.model_of(each) == used and (name := self.earlier(each))}
        done = {each: self._bring_back(each, digest) for each in before}  # first, as a result brings its model with it
        session.use_again(before)
        for each, came in done.items():
            self.again.drop(each)
            if came == WORKED_ON:
                self._ask(each, used, before[each], digest)
            elif came == NONE_BEFORE:
                self.again.ask([each], f"“{before[each]}” is in use again; this image still shows what “{used}” found.")
        back = [each.name for each, came in done.items() if came == BACK]
        kept = [each.name for each, came in done.items() if came in (WORKED_ON, NONE_BEFORE)]
        where = f" in {some_of(back)}" if kept else ""
        found = f", and what was found before{where} (Redo brings back what “{used}” found)" if back else ""
        left = f" {some_of(kept)} still show{'s' if len(kept) == 1 else ''} what “{used}” found." if kept else ""
        others = [each.name for each in session.items if session.model_of(each) == used]
        chosen = f", and in use for {some_of(others)}, where somebody chose it" if others else ""
        there = some_of([each.name for each in before])
        return f"“{before[item]}” is in use again for {there}{found}; “{used}” stays in the list of models{chosen}.{left}"

    def _follows(self, item: Item, training: TakenBy) -> bool:
        """Whether a picture has the model as it taught it, or is of the sample of one that did."""
        samples = {each.sample for each in training.taught if each.sample}
        return item in training.taught or item in training.before or item.sample in samples

    def _bring_back(self, item: Item, digest: str) -> str:
        """Show what was found in a picture before the model of this hash found something there; returns what came of that."""
        if not self.made_by(item, digest):
            return ""
        steps = item.history.since(lambda state: not self.made_by(state, digest))
        if steps is None:
            return NONE_BEFORE
        if any(step.name not in (FOUND_STEP, SPLIT_STEP) for step in steps):
            return WORKED_ON
        for _ in steps:
            item.history.undo()
        return BACK

    def made_by(self, shown: Item | ResultState, digest: str) -> bool:
        """Whether a result is of the model of this hash: what it said, or that corrected by strokes."""
        said = shown.prediction or (shown.particles.prediction or shown.particles.origin if shown.particles is not None else None)
        if said is None:
            return False
        name, names = self.session.model_names.get(digest), self.session.model_names
        return said.model_hash == digest or (name is not None and names.get(said.model_hash, "").startswith(f"{name}, "))

    def _ask(self, item: Item, used: str, before: str, digest: str) -> None:
        answers = (
            Answer(
                "What was found before",
                "Take back what was found since, and what you made of it; Redo brings that again, step by step.",
                partial(self._take_back, item, digest),
            ),
            Answer("Keep these", "The outlines stay as they are now.", lambda: None),
        )
        said = f"“{before}” is in use again; these outlines are of “{used}”, with what you made of them since."
        self.questions.ask(item, WORKED_ON, said, answers)

    def _take_back(self, item: Item, digest: str) -> None:
        self.session.jobs.check_free()
        model = self.session.model_of(item)
        for _ in item.history.since(lambda state: not self.made_by(state, digest)) or ():
            item.history.undo()
        self.session.use_again({item: model})

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PREDICTION:
            self.questions.drop(item, WORKED_ON)

    def _renamed(self, name: str, new: str) -> None:
        if name in self._trainings:
            self._trainings[new] = self._trainings.pop(name)
        for training in self._trainings.values():
            for item in [item for item, each in training.before.items() if each == name]:
                training.before[item] = new
