"""What is said of a training: what became of it, in the verdict, and below its curve what else is to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_temseg.engine.types.wording import some_of
from napari_temseg.widgets.improve.curve_advice import advise, by_heart, note_sentence, tuned_sentence, verdict
from napari_temseg.widgets.improve.not_kept import FILL
from napari_temseg.widgets.improve.search_again import outcome
from napari_temseg.widgets.session.item import SHIPPED
from napari_temseg.widgets.session.results.given_up import GivenUp
from napari_temseg.widgets.session.results.wording import found_by_another

if TYPE_CHECKING:
    from napari_temseg.widgets.improve.trainer import Trainer

STILL_WRONG = 0.2  # of the strokes: with so many contradicted after a training, strokes alone do not turn the model


class TrainingAccount:
    """Of the training that runs, or ran last: all of it is true of the image in hand and the model in use for it."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.session = trainer, trainer.session

    @property
    def verdict(self) -> str:
        """What becomes of the training, or became of it and what to do next, as far as that is not as it was; "" before the first."""
        trainer, session = self.trainer, self.session
        item, made = session.current, trainer.made
        if trainer.running:
            return self._running()
        if not (trainer.ended or trainer.outcome):
            return ""
        if trainer.again.item is not None:
            model = f"“{made}” is trained" if made else "The model stays as it was"
            return f"{model}; searching {trainer.again.item.name} again …"
        if taught := trainer.elsewhere:
            there = made in session.models or made in session.own
            if there and session.model_of(item) == made:
                return f"“{made}”, trained on {taught}, is in use here too{self._another()}."
            way = f"; to use “{made}” here too, choose it in step 2" if there and trainer.in_use else ""
            return f"The last training was on {taught}{way}."
        if item not in trainer.learnt:
            return ""
        if trainer.outcome:
            return "No new model was made."
        return self._ended()

    def _running(self) -> str:
        trainer = self.trainer
        if trainer.elsewhere:
            return f"Training on {trainer.elsewhere}; what it makes is not used here unless you choose it."
        glows = " The yellow glow is what it takes for particles by now." if trainer.preview.seen else ""
        agreed = " The model agrees with your strokes: little to learn." if trainer.facts.get("agreed") else ""
        return f"Training on {some_of([each.name for each in self.session.items if each in trainer.learnt])} …{agreed or glows}"

    def _ended(self) -> str:
        """On an image that the training learnt from."""
        trainer, session = self.trainer, self.session
        item, made = session.current, trainer.made
        used = session.model_of(item)
        if made and used != made:
            kept = "stays in the list of models" if made in session.models or made in session.own else "is no more"
            return f"“{used}” is in use here{self._another()}; “{made}”, which was trained, {kept}."
        if self._settled:
            return "The last training was not kept; another result is shown since."
        if not made:
            return trainer.why_not.words()
        if another := self._another():
            return f"“{made}” is in use now{another}."
        heart = by_heart(trainer.points, trainer.facts)
        found = outcome(trainer.searched_again)
        told = f"“{made}” is in use: {found}" if found else verdict(trainer.points, made, trainer.facts, fresh=trainer.fresh)
        return " ".join(filter(None, (told, self._lost(), heart)))

    def _lost(self) -> str:
        """That particles of another size went, as a model that was trained on one of two sizes looks for that one."""
        lost = self.session.part(GivenUp).of(self.session.current)
        which = "small" if lost is not None and lost.smaller else "large"
        return "" if lost is None else f"{lost.count} {which} ones are not looked for any more."

    def _another(self) -> str:
        """That the image in hand shows what another model found than the one in use for it, for the middle of a sentence; else ""."""
        session, item = self.session, self.session.current
        by = "" if item is None else found_by_another(session, item)
        known = by in {SHIPPED, *session.models, *session.own}  # what Live made of an answer is newer than that
        return f", but these outlines are of “{by}”: search it again" if known else ""

    @property
    def advice(self) -> str:
        """What to do with a model that was made, what the curves say, and what else there is to know, for people."""
        trainer = self.trainer
        if trainer.outcome:
            said = [trainer.outcome, *map(note_sentence, trainer.notes)]
        elif trainer.tried:
            said = [f"“{trainer.made}” was not kept by itself: you chose to use it.", *map(note_sentence, trainer.notes)]
        else:
            curves = trainer.points, trainer.facts, self.session.classes
            kept = bool(trainer.made) if trainer.ended else None
            said = [self._still(), advise(*curves, fresh=trainer.fresh, kept=kept, notes=trainer.notes)]
        setting = f"{trainer.setting[:1].upper()}{trainer.setting[1:]}." if trainer.setting else ""
        return " ".join(filter(None, (self._next_step(), *said, tuned_sentence(trainer.tuned), setting)))

    def _still(self) -> str:
        """What strokes contradict of a result that stayed as it was."""
        return "" if self.trainer.made or self.trainer.running else outcome(self.trainer.searched_again)

    def _next_step(self) -> str:
        trainer, item = self.trainer, self.session.current
        shown = trainer.ended and not self._settled and not trainer.outcome and trainer.again.item is None
        if not shown or item not in trainer.learnt or not trainer.made:
            return ""  # the verdict tells the way out
        if self.session.model_of(item) == trainer.made:
            if self._wrong_still():
                return f"Still wrong in many places: {FILL} on; Go back takes this back."
            return "Look at the outlines: Train on goes on from here, Go back takes this back."
        return "Stroke what was wrong and train again, or choose the trained model in step 2."

    def _wrong_still(self) -> bool:
        """Whether the new result contradicts many of the strokes that it learnt from."""
        found = self.trainer.searched_again
        still = None if found is None or found.still is None or found.still.regions else found.still
        return still is not None and still.missed + still.covered >= STILL_WRONG * (still.particles + still.background)

    @property
    def _settled(self) -> bool:
        """Whether the image in hand has another result since a training was not kept: what to do about that was done."""
        trainer, item = self.trainer, self.session.current
        found = trainer.again.result
        return not trainer.made and found is not None and item is found.item and item.prediction is not found.said
