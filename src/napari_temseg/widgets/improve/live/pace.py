"""How long it takes yet to answer, and to use an answer: by what the same took a moment ago, on this machine as busy as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from napari_temseg.engine.types.progress import Control, Progress

STAGE_LOOK, STAGE_ANSWER, STAGE_SPLIT, STAGE_MEASURE = "look", "answer", "split", "measure"
# s a px of each before anything was measured, on two cores: what is told before the first answer, which measures two of them.
USUAL_PACE = {STAGE_LOOK: 4e-6, STAGE_ANSWER: 1e-6, STAGE_SPLIT: 1.2e-6, STAGE_MEASURE: 0.5e-6}
MOST_TOLD = 0.99


class UsePace:
    """Seconds a px of each stage; what was measured last counts half, what came before it the other half."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def took(self, stage: str, seconds: float, pixels: int) -> None:
        """A stage took so long."""
        now = seconds / max(pixels, 1)
        self._known[stage] = (self._known[stage] + now) / 2 if stage in self._known else now

    def takes(self, stage: str, pixels: int) -> float:
        """Seconds that a stage takes."""
        return pixels * self._known.get(stage, USUAL_PACE[stage])


OWN_PACE = UsePace()  # of this process; a job and a preview may both measure, and one of them is lost then


class AnswerCourse:
    """How far an answer to a plane of so many `pixels` is: looked at (where it `looks`), answered, weighed; at its end when it is there."""

    def __init__(self, control: Control, pixels: int, *, looks: bool, pace: UsePace = OWN_PACE) -> None:
        self.control, self.pace, self._pixels, self._looks = control, pace, pixels, looks
        self._stages = [STAGE_LOOK, STAGE_ANSWER, STAGE_SPLIT][not looks :]
        self._takes = [pace.takes(stage, pixels) for stage in self._stages]  # what is measured meanwhile tells of the next
        self._began: float | None = None

    def looked(self, step: Progress) -> Progress:
        """A step of the look, which is as much of the whole as it takes."""
        if self._began is None and step.fraction:  # the model is loaded
            self._began = self.control.elapsed
        return replace(step, fraction=step.fraction * self._share(STAGE_ANSWER))

    def looked_at(self) -> None:
        """The look is done."""
        if self._began is not None:
            self.pace.took(STAGE_LOOK, self.control.elapsed - self._began, self._pixels)

    def at(self, stage: str, message: str, preview: Any = None) -> Progress:
        """It comes to a stage."""
        return Progress(STAGE_LOOK if self._looks else STAGE_ANSWER, self._share(stage), message, self.control.elapsed, preview=preview)

    @contextmanager
    def doing(self, stage: str) -> Iterator[None]:
        """A stage that is measured."""
        began = self.control.elapsed
        yield
        self.pace.took(stage, self.control.elapsed - began, self._pixels)

    def _share(self, until: str) -> float:
        """Of the time that it takes, up to a stage."""
        return min(MOST_TOLD, sum(self._takes[: self._stages.index(until)]) / max(sum(self._takes), 1e-6))


class UseCourse:
    """What is left to do on so many `planes` of so many `pixels`, of which `unseen` were not looked at yet."""

    def __init__(self, control: Control, planes: int, pixels: int, unseen: int, pace: UsePace = OWN_PACE) -> None:
        self.control, self.pace = control, pace
        self._pixels = {STAGE_LOOK: pixels, STAGE_ANSWER: pixels, STAGE_SPLIT: pixels, STAGE_MEASURE: planes * pixels}
        self._left = {STAGE_LOOK: float(unseen), STAGE_ANSWER: float(planes), STAGE_SPLIT: float(planes), STAGE_MEASURE: 1.0}
        self._told = 0.0

    def at(self, message: str, looked: float = 0.0) -> Progress:
        """Where it stands; of the plane that is looked at, `looked` (0 to 1) is done."""
        left = self._left | {STAGE_LOOK: max(0.0, self._left[STAGE_LOOK] - looked)}
        rest = sum(count * self.pace.takes(stage, self._pixels[stage]) for stage, count in left.items())
        elapsed = self.control.elapsed
        self._told = min(MOST_TOLD, max(self._told, elapsed / max(elapsed + rest, 1e-6)))
        return Progress(STAGE_ANSWER, self._told, message, elapsed, rest=rest)

    @contextmanager
    def doing(self, stage: str) -> Iterator[None]:
        """A stage of a plane, or of all of them: measured, and done."""
        began = self.control.elapsed
        yield
        self.pace.took(stage, self.control.elapsed - began, self._pixels[stage])
        self._left[stage] -= 1
