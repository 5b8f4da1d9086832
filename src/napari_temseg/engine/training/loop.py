"""Train a decoder, and if asked the encoder, from annotations; never ends with a worse model than it started from."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import replace
from functools import partial

from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training import schedule, selection
from napari_temseg.engine.training.checkpoint import Checkpoint, CheckpointStore, CheckpointWriter
from napari_temseg.engine.training.crops import Crops
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.losses import TrainingMetrics
from napari_temseg.engine.training.preview import Look, Previews
from napari_temseg.engine.training.starting_model import at_one_scale, prepared, starting_model
from napari_temseg.engine.training.state import Tensors, TrainingCourse, TrainState
from napari_temseg.engine.training.task import TrainingData, TrainingTask
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Pace, Progress, mapped
from napari_temseg.engine.types.results import Prediction
from napari_temseg.engine.types.wording import BEYOND_BAND, ENOUGH_SECONDS, FINISHED_AFTER, TIME_SUFFICED, several

MEASURING = "seeing how fast this machine is now"
CHECKING = "checking the result: on labels that it was not shown, on your labels and on other images"
TOO_LITTLE_KEPT_BACK = "too little is kept back to judge it by: the outlines will tell"
SHOW_EVERY = 10  # steps between previews, without a validation part
USELESS_IOU = 0.2  # on the validation part: with whole planes labelled, the decoder of a model below it is better replaced than retrained


def iter_train(task: TrainingTask, look: Look | None = None, store: CheckpointStore | None = None) -> Job[Segmenter]:
    """The job that trains: yields `Progress` at least every step.

    Finishing keeps the best so far, cancelling discards. `look` is asked from time to time for a plane (axes "YX"), and a `Prediction`
    of it by the network of that moment arrives as a `preview`: before the first step, after steps that made it better, and of the best
    at the end unless the job was asked to finish. `store` gets a checkpoint every half minute; where it holds one of this very
    training, that one goes on, with the time and the steps it had left.

    `metrics` of the last "prepare" tell of the labels (see `TrainingData.facts`), those of "train", and of "check", in which it is judged
    what is kept, hold the newest figures, the
    steps done (`now`) and the `best_step`. Every point of the curves arrives once, and only a point has a `step`. `TemsegError`
    when the labels cannot be trained on.
    """
    task.annotations.check()

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        run, found = yield from begun(task, store, control)
        if found is not None:
            yield from run.go_on(found)
        return (yield from run.run(look))

    return Job(steps)


def begun(
    task: TrainingTask, store: CheckpointStore | None, control: Control
) -> Generator[Progress, None, tuple[TrainingRun, Checkpoint | None]]:
    """A training before its first step, and what an earlier start left of it."""
    writer = CheckpointWriter(store, task, control)
    found = writer.found()
    planes = yield from mapped(prepared(task, control), partial(within, task.config.max_seconds))
    planes.check()
    run = TrainingRun(TrainingData.of(task, planes), control, writer)
    yield from run.measured(found)
    sentence = f"{run.data.split.sentence}; {run.learner.device.plain()}"
    yield within(task.config.max_seconds, Progress("prepare", 1.0, sentence, control.elapsed, run.data.facts()))
    return run, found


def within(seconds: float, progress: Progress) -> Progress:
    """Progress of a training that ends after so many seconds."""
    return replace(progress, rest=max(0.0, seconds - progress.elapsed))


class TrainingRun:
    """One training under way: its data, the network that learns, how it goes, and the clock."""

    def __init__(self, data: TrainingData, control: Control, writer: CheckpointWriter | None = None) -> None:
        self.data, self.control = data, control
        self.writer = writer or CheckpointWriter(None, data.task, control)
        model = at_one_scale(starting_model(data.task), data.planes.labelled)
        self.pace = Pace(lambda: control.elapsed)
        crops = Crops(data.learnt_from, data.task.config, model.scales, own_scales=model.spec.working_size > 0)
        self.learner = Learner(model, crops, data.task, self.pace)
        self.course = TrainingCourse(self.learner.start or self.learner.tensors())
        if not self.learner.frozen:
            self.course.notes.append("the encoder starts from random weights, so it is trained too")
        if beyond := sum(plane.beyond for plane in data.planes.labelled):
            self.course.notes.append(BEYOND_BAND.format(several(beyond, "stroke")))
        self.prepared = control.elapsed  # s that making ready took, which the budget pays too
        self.begun = self.evaluated = 0.0  # s on the clock of the job: as if it had not stopped; when the newest point was made
        self.to_look_at = 0.0, 0.0, 0.0  # px at the end: what is held out, what strokes are weighed on, what is named
        self.budget: schedule.TrainingBudget | None = None
        self.end = math.inf  # s on the clock: when all will be done, as told last; never later than it was told
        self.unused: tuple[Tensors, int] | None = None  # what was learnt in how many steps, where the starting model is kept
        self.checking: tuple[float, float] | None = None  # after the last step: since when (s on the clock), and how long that will take

    @property
    def config(self) -> TrainConfig:
        """The settings, those that a search has found among them."""
        return self.learner.config

    @property
    def deadline(self) -> float:
        """When all shall be done, on the clock of the job: making ready and the checks after the last step are within the budget too."""
        return self.begun + self.config.max_seconds - self.prepared

    def measured(self, found: Checkpoint | None) -> Generator[Progress, None, None]:
        """Learn by a look at a small part how fast this machine is now, and look at no more of what is held out than that allows.

        A training that goes on looks at what it looked at before; of strokes so little is looked at that every machine can.
        """
        part, course = self.data.first_part(), self.course
        for _ in range(0 if self.control.finishing else 2):  # the first look makes the network ready
            self.pace.pixel = 0.0
            self.learner.said(part)
            yield within(self.config.max_seconds, Progress("prepare", 1.0, MEASURING, self.control.elapsed))
        if found is not None:
            course.judged = float(found.facts.get("judged", 0.0))
        elif self.data.split.validation and not self.data.strokes:
            share = self.pace.affords(schedule.POINT_SHARE * self.config.max_seconds) / self._held_out()
            course.judged = 0.0 if share >= 1 else share * sum(part.labels.size for part in self.data.split.validation)
        if course.judged:
            self.data = self.data.judged_on(course.judged)
        self.prepared = self.control.elapsed

    def _held_out(self) -> float:
        """Pixels that the network is shown for a point of the curves."""
        return sum(self.learner.pixels(part.labels.shape, self.learner.scales_for(part)) for part in self.data.split.validation)

    def variant(self, config: TrainConfig) -> TrainingRun:
        """A training like this one before its first step, on the same data, with a network and settings of its own."""
        twin = copy.copy(self)
        twin.learner, twin.course = self.learner.variant(config), self.course.copied()
        return twin

    def state(self) -> TrainState:
        """It as it stands between two steps."""
        return TrainState(self.learner.state(), replace(self.course, spent=self.control.elapsed - self.begun))

    def go_on(self, found: Checkpoint) -> Generator[Progress, None, None]:
        """Take up where a checkpoint was taken; yields the curves so far."""
        with self.writer.fitting():
            state = TrainState.from_checkpoint(found, self.learner.start)
            if state.learner.new_decoder and not self.learner.new_decoder:
                self._renew_decoder()
            self.learner.restore(state.learner)
        self.course = state.course
        self.course.notes.append(f"went on at step {self.course.steps} after a stop")
        yield from self.points()

    def points(self) -> Generator[Progress, None, None]:
        """The curves so far, a point each."""
        for point in self.course.curve:
            yield replace(self._told({**point}), message="")

    def first_point(self) -> Generator[Progress, None, None]:
        """The starting model on the validation part. Of one that is of no use for planes labelled whole, the encoder alone is kept.

        There is nothing to hold on to where every pixel is labelled.
        """
        yield from self._evaluate()
        if self.learner.new_decoder or not self.data.planes.whole or self.course.curve[0]["validation_iou"] >= USELESS_IOU:
            return
        self._renew_decoder()
        self.course.notes.append("the starting model is of no use for these labels, so its decoder began anew")

    def trial(self, seconds: float, steps: int, least: int = 1) -> Generator[Progress, None, None]:
        """At least `least` steps, at most `steps`, at the full learning rate, then a point of the curves; `run` goes on from there."""
        until, last = self.control.elapsed + seconds, self.course.steps + steps
        while not self.control.finishing and self.course.steps < last:
            if (yield from self._step()):
                yield self.progress()
            if self.control.elapsed >= until and self.course.steps >= last - steps + least:
                break
        yield from self._last_point()

    def run(self, look: Look | None = None) -> Generator[Progress, None, Segmenter]:
        """The loop: step, evaluate, keep the best."""
        course, control = self.course, self.control
        previews = Previews(look, self.data.task.predicting, control, lambda seen: self.pace.pixel * self.learner.pixels(seen.frame))
        budget = yield from self._opened(previews)
        spent = 0.0  # never less than it was: where the machine is faster again, no more steps are promised
        while not control.finishing:
            course.share = spent = max(spent, budget.share(course.steps, control.elapsed))
            schedule.thaw_when_due(course, self.learner)
            course.share = max(course.share, schedule.wound_down(course, self.config.patience))
            if course.share >= 1:
                break
            if not (yield from self._step()):
                continue
            if (yield from self._looked_at()):
                yield from self._show(previews, course.steps, max(0.0, schedule.PREVIEW_SHARE * (budget.ends() - control.elapsed)))
            yield from self._save()
        if control.finishing:  # to go on later, if at all, as if nobody had asked for an end
            yield from self._save(last=True)
        self.checking = control.elapsed, max(self._ending(previews), 1e-6)
        yield self.progress()
        yield from self._last_point()
        yield from self._decide(budget)
        spent = control.elapsed - self.begun
        if course.best_step and not control.finishing:
            most = self.config.max_seconds
            floor = self.deadline - self._after() + schedule.FLOOR_SHARE * most
            named = selection.contradictions(self.learner, self.data, lambda: floor - control.elapsed)
            course.notes += yield from mapped(named, self.progress)
        yield from self._show(previews, course.best_step, max(0.0, self.deadline - self._after() - control.elapsed), at_once=True)
        return selection.released(self.learner, course, self.data, spent, self.unused)

    def _opened(self, previews: Previews) -> Generator[Progress, None, schedule.TrainingBudget]:
        """What comes before the first step, and the budget that it leaves."""
        course, control, most = self.course, self.control, self.config.max_seconds
        self.begun = control.elapsed - course.spent
        if not course.spent:
            self.learner.seed()
        if self.data.split.validation and not course.curve:
            yield from self.first_point()
        yield from self._show(previews, course.steps, schedule.SHOW_SHARE * most)
        self.to_look_at = self._held_out(), *selection.looked_at(self.learner, self.data)
        course.opening = course.opening or control.elapsed - self.begun
        self.evaluated = control.elapsed
        limit, began = schedule.step_limit(self.data, self.config), self.begun + course.opening
        self.budget = schedule.TrainingBudget(limit, began, lambda: schedule.learning_until(began, self.deadline, self._ending(previews)))
        if self.budget.ends() - began < 0.25 * most and (took := self._making_ready()):
            yield self.progress(f"{took}: little is left for learning")
        return self.budget

    def _making_ready(self) -> str:
        """How long it took, where that is half of the time that is allowed or more."""
        ready, most = self.prepared + self.course.opening, self.config.max_seconds
        return f"making ready took {ready:.0f} s, {most:.0f} s are allowed in all" if ready >= 0.5 * most else ""

    def _ending(self, previews: Previews) -> float:
        """How long what follows the last step will take: a last point, the choice of what is kept, a look at pictures, a preview."""
        (judged, weighed, named), most = (self.pace.pixel * pixels for pixels in self.to_look_at), self.config.max_seconds
        named = min(named, schedule.JUDGE_SHARE * most)
        judged *= 1 + selection.evaluations(self.learner)
        return judged + weighed + named + self._after() + min(previews.ahead(), schedule.SHOW_SHARE * most)

    def _after(self) -> float:
        """How long that will take for which time is left when all is done."""
        return min(self.pace.pixel * self.data.task.afterwards, schedule.AFTER_SHARE * self.config.max_seconds)

    def _step(self) -> Generator[Progress, None, bool]:
        """One step, and whether it was taken: where memory did not suffice, the next has a smaller batch."""
        try:
            self.learner.step(schedule.learning_rate(self.learner.peak, self.course), self.course.metrics)
        except RuntimeError as error:
            self.course.notes.append(self.learner.halve(error))
            yield self.progress(self.course.notes[-1])
            return False
        self.course.steps += 1
        return True

    def _looked_at(self) -> Generator[Progress, None, bool]:
        """After a step: a point of the curves where one is due, and whether what was learnt is worth a preview."""
        course, validated = self.course, bool(self.data.split.validation)
        tenth = not validated and course.steps % SHOW_EVERY == 0
        regular = course.steps % self.config.evaluate_every == 0
        rest = schedule.REST_ON_STROKES if self.data.strokes else 2  # × what a point costs: where they decide nothing, they shall be rare
        waiting = max(schedule.EVALUATE_SHARE * self.config.max_seconds, rest * course.cost)
        if not regular and self.control.elapsed - self.evaluated < waiting:
            yield self.progress()
            return tenth
        # Strokes hardly tell one step from another: what is kept of them is chosen after the same steps on every machine.
        better = yield from self._evaluate(decides=regular or not self.data.strokes)
        course.waited = 0 if better else course.waited + int(regular)
        return tenth or (validated and (better or not regular))

    def _evaluate(self, *, decides: bool = True) -> Generator[Progress, None, bool]:
        """Add a point to the curves; where that `decides`, the network is kept, and the answer is True, when it is the best so far."""
        course, judged, began = self.course, {}, self.control.elapsed
        if self.data.split.validation:
            judged = yield from mapped(self.learner.evaluate(self.data.split.validation), self.progress)
        self.evaluated = self.control.elapsed
        course.cost = self.evaluated - began
        course.curve.append({"step": float(course.steps), **course.metrics.result("train"), **judged})
        course.metrics = TrainingMetrics()
        score = selection.scored(course, judged)
        better = decides and selection.is_better(score, course, self.data)
        if better:
            course.best, course.best_step, course.best_score = self.learner.tensors(), course.steps, score
        yield self._told(dict(course.curve[-1]))
        return better

    def _last_point(self) -> Generator[Progress, None, None]:
        """What was learnt since the last evaluation counts too."""
        if not self.course.curve or self.course.curve[-1]["step"] != self.course.steps:
            yield from self._evaluate()

    def _decide(self, budget: schedule.TrainingBudget) -> Generator[Progress, None, None]:
        """Put into the network what is kept."""
        course, best_step = self.course, self.course.best_step
        late = self.control.elapsed + self.pace.pixel * self.to_look_at[1] - self.deadline
        hurried = late > schedule.LATE_SHARE * self.config.max_seconds and not self.control.finishing
        kept = yield from mapped(selection.select(self.learner, course, self.data, hurried=hurried), self.progress)
        course.best, course.best_step, course.best_score = kept.tensors, kept.step, kept.score
        course.notes += kept.notes
        ended = self.control.finishing or course.wind_down is not None
        took = self._making_ready()
        few = self.data.strokes and course.steps < min(schedule.ENOUGH_STEPS * budget.steps, schedule.STROKE_STEPS)
        if few and not ended:
            short = TIME_SUFFICED.format(course.steps, budget.steps), ENOUGH_SECONDS.format(self._enough(budget))
            course.notes.append(f"{short[0]}{f' ({took})' if took else ''}: {short[1]}")
        elif few and self.control.finishing:
            course.notes.append(FINISHED_AFTER.format(course.steps, budget.steps))
        elif took and not ended and budget.share(0, self.control.elapsed) > course.steps / budget.steps:
            course.notes.append(f"{took}, so that {course.steps} steps were taken: allow more")
        self.learner.model = replace(self.learner.model, scales=kept.scales)
        self.learner.load(kept.tensors)
        self.unused = None if kept.unused is None else (kept.unused, kept.unused_step)
        if course.best_step != best_step:
            yield self.progress()

    def _enough(self, budget: schedule.TrainingBudget) -> int:
        """Seconds, in tens, in which all steps of the budget would be taken at the pace of those that were."""
        since, ending = self.checking or (self.control.elapsed, 0.0)
        pace = (since - self.begun - self.course.opening) / max(self.course.steps, 1)  # the first are dearest
        pace = min(pace, schedule.BESIDE_STEPS * self.pace.step or math.inf)
        seconds = schedule.seconds_for(budget.steps * pace, ending)
        return 10 * math.ceil((self.prepared + self.course.opening + seconds) / 10)

    def _renew_decoder(self) -> None:
        """Begin with a new decoder, at one scale, on what is labelled alone."""
        labelled = [plane.bare for plane in self.data.split.training]
        self.learner.renew(Crops(labelled, self.config, selection.DECODER_SCALES[0]))

    def _save(self, last: bool = False) -> Generator[Progress, None, None]:
        told = self.writer.write(lambda: self.state().to_checkpoint(self.writer.identity, self.learner.start), last=last)
        if told:
            self.course.notes += [told] if told not in self.course.notes else []
            yield self.progress(told)

    def _show(self, previews: Previews, step: int, seconds: float, at_once: bool = False) -> Generator[Progress, None, None]:
        """A preview, when due and if so many seconds suffice, of the network as it is after `step` steps."""
        known = self.data.task.said_of if not self.course.steps and not self.learner.new_decoder else _nothing
        shown = yield from mapped(previews.show(self.learner.model, seconds, at_once=at_once, said=known), self.progress)
        if shown is not None:
            yield self.progress(preview=replace(shown, depth_taught=self.data.depth_taught) if step else shown)

    def progress(self, message: str = "", preview: Prediction | None = None) -> Progress:
        """Where training stands, with the newest figures."""
        newest = dict(self.course.curve[-1] if self.course.curve else self.course.metrics.result("train"))
        newest.pop("step", None)
        return replace(self._told(newest, message), preview=preview)

    def _told(self, metrics: dict[str, float], message: str = "") -> Progress:
        """Where training stands; `metrics` with a `step` are a point of the curves."""
        metrics |= {"now": float(self.course.steps), "best_step": float(self.course.best_step)}
        elapsed = self.control.elapsed
        told = Progress("train", min(1.0, self.course.share), message or self._message(), elapsed, metrics, rest=self._rest())
        if self.checking is None:
            return told
        since, seconds = self.checking
        return replace(told, stage="check", fraction=min(0.99, (elapsed - since) / seconds), message=message or CHECKING)

    def _rest(self) -> float:
        """Seconds until all is done: no later than allowed and than was told before, earlier where the steps are soon taken."""
        ends = self.deadline
        if self.checking is not None:
            ends = min(ends, sum(self.checking))
        elif self.budget is not None and self.pace.step:
            steps = max(0, self.budget.steps - self.course.steps) * self.pace.step * schedule.BESIDE_STEPS
            ends = min(ends, self.control.elapsed + steps + self.deadline - self.budget.ends())
        self.end = min(self.end, ends)
        return max(0.0, self.end - self.control.elapsed)

    def _message(self) -> str:
        course, sentence = self.course, self.data.split.sentence
        if not self.data.split.validation or not course.curve:
            return f"step {course.steps}; {sentence}"
        if not self.data.telling:
            return f"step {course.steps}; {TOO_LITTLE_KEPT_BACK}"
        if not course.best_step:
            return f"step {course.steps}; no better than at the start yet"
        return f"step {course.steps}; {selection.standing(course, before=self.data.task.base is not None)}"


def _nothing(_: Micrograph) -> Prediction | None:
    return None
