"""How long it takes yet to use an answer: by what the same took a moment ago, on this machine as busy as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
