"""How long a training goes on and at which rate: steps, time, the end of patience, when the encoder is unfrozen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.state import TrainingCourse
from napari_temseg.engine.training.task import TrainingData
from napari_temseg.engine.types.config import TrainConfig

FIXED_STEPS = 40  # where much is labelled, but in too few places for a validation part
# Of strokes, chosen on EMPS *tune*, for strokes at random and strokes where the starting model is wrong, and on simulated micrographs.
STROKE_STEPS = 40  # that a dozen are worth: more of them move what nobody labelled, whatever the machine could do in the time
STEPS_A_REGION = 3.0  # of further strokes
ENOUGH_STEPS = 0.6  # of those that strokes are worth: with fewer, and than a dozen are worth, it is said that more time would help
RISE_STEPS = 5  # in which the rate rises at the beginning
CALM_SHARE, LEAST_CALM = 0.25, 10  # of the steps so far, and steps, in which the rate falls to 0 once patience is at its end
THAW_SHARE, EARLY_THAW_SHARE = 0.5, 0.1  # of the budget, before the encoder is unfrozen; the latter where the decoder is new: another task
LEAST_STEPS = 8  # that are taken whatever making ready took, if as many are asked for
READY_SHARE = 0.4  # of the time budget, after which the starting model is asked of no further picture: the rest is for learning and judging
OTHERS_SHARE = 0.15  # of the time budget, after which it is not asked of pictures without labels where others bear strokes
LEARNING_SHARE = 0.5  # of the time that is left at the first step, for learning, whatever follows it
SPARE = 1.1  # × the seconds that are said to suffice
POINT_SHARE = 0.07  # of the time budget, that one look at what is held out may take: three are needed, before, after and half way back
JUDGE_SHARE = 0.12  # of the time budget, for naming pictures at the end
SHOW_SHARE = 0.1  # of the time budget, that the first preview and the last may take each
PREVIEW_SHARE = 0.2  # of what is left for learning, that one preview may take
LATE_SHARE = 0.5  # of the time budget, by which a training may end late for weighing what strokes say
AFTER_SHARE = 0.25  # of the time budget, at most, for what follows a training: a search
FLOOR_SHARE = 0.05  # of the time budget, for naming pictures at the end, however late it is
BESIDE_STEPS = 1.3  # × what the steps take that are left, as points and previews come between them
REST_ON_STROKES = 8  # × the cost of a point of the curves between those of strokes that come early, as the machine is slow
EVALUATE_SHARE = 0.1  # of the time budget: the curves wait no longer for a point, however slow the machine


@dataclass(frozen=True)
class TrainingBudget:
    """Steps at most, and when learning ends: both on the clock of the job, from `started` to what `ends` says at that moment.

    `LEAST_STEPS` are taken whatever the clock says.
    """

    steps: int
    started: float
    ends: Callable[[], float]

    def share(self, steps: int, elapsed: float) -> float:
        """How much of it is spent, from 0; 1 and more: all."""
        time = (elapsed - self.started) / max(self.ends() - self.started, 1e-6)
        return max(steps / self.steps, time if steps >= LEAST_STEPS else min(time, steps / LEAST_STEPS))


def learning_until(began: float, deadline: float, ending: float) -> float:
    """When learning ends that `began` then, where all shall be done by a `deadline` and what follows the last step takes up to `ending` s.

    Much of that is not needed where nothing is kept, and a training of a few steps is never kept: half of the time is for learning.
    """
    return max(deadline - ending, began + LEARNING_SHARE * (deadline - began))


def seconds_for(learning: float, ending: float) -> float:
    """Seconds after the first look that suffice for so many of `learning`, where what follows the last step takes up to `ending`: see
    `learning_until`; a tenth more, as no machine is the same at all times."""
    return SPARE * min(learning + ending, learning / LEARNING_SHARE)


def step_limit(data: TrainingData, config: TrainConfig) -> int:
    """Steps at most: as configured, in steps or epochs; few where nothing tells when to stop and there is something to spoil."""
    limit = config.max_steps
    if config.epochs is not None:
        pixels = sum(plane.labels.size for plane in data.split.training)
        limit = min(limit, config.epochs * max(1, math.ceil(pixels / (config.batch * config.crop**2))))
    if data.task.base is None or config.validation == 0:
        return limit
    if data.strokes:
        return min(limit, steps_for(sum(count.objects for count in data.counts.values())))
    return limit if data.split.validation else min(limit, FIXED_STEPS)


def steps_for(regions: int) -> int:
    """Steps that `regions` strokes or areas are worth."""
    return max(STROKE_STEPS, math.ceil(STEPS_A_REGION * regions))


def learning_rate(peak: float, course: TrainingCourse) -> float:
    """Of the next step: a short rise, then a cosine to 0 at the end of the budget."""
    return peak * min(1.0, (course.steps + 1) / RISE_STEPS) * 0.5 * (1 + math.cos(math.pi * course.share))


def wound_down(course: TrainingCourse, patience: int) -> float:
    """The least share of the budget that counts as spent: where patience is at its end, the rate falls to 0 in the next few steps.

    At a high rate the steps jump about, and the best of them is best by luck; the calm that follows is what training is for.
    """
    if course.wind_down is None and course.waited >= patience:
        course.wind_down = (course.steps, course.share)
        course.notes.append(f"nothing better for {patience} evaluations: brought to an end from step {course.steps} on")
    if course.wind_down is None:
        return 0.0
    since, share = course.wind_down
    return share + (1 - share) * (course.steps - since) / max(LEAST_CALM, CALM_SHARE * since)


def thaw_when_due(course: TrainingCourse, learner: Learner) -> None:
    """Unfreeze the encoder when that is asked for and it is time; patience begins anew."""
    config = learner.config
    due = course.share >= (EARLY_THAW_SHARE if learner.new_decoder else THAW_SHARE) or course.waited >= config.patience
    if not (config.unfreeze and learner.frozen and due):
        return
    learner.freeze(False)
    course.waited = 0
    course.notes.append(f"encoder unfrozen at step {course.steps}")
