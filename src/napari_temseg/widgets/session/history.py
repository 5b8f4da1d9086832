"""Undo and redo: what was done, as pairs of functions that take it back and do it again; and in which order, over all kinds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, Protocol

DEPTH = 200
_ticks = count(1)


def tick() -> int:
    """A time later than all that were told before; it orders what is done of several kinds."""
    return next(_ticks)


class Past(Protocol):
    """What can be taken back and done again of one kind, such as corrections of particles or strokes; times are those of `tick`."""

    @property
    def undoable(self) -> str:
        """Name of what `undo` would take back, "" when there is nothing."""

    @property
    def redoable(self) -> str:
        """Name of what `redo` would do again, "" when there is nothing."""

    @property
    def done_at(self) -> int:
        """When the newest thing that can be taken back was done, 0 when there is none."""

    @property
    def undone_at(self) -> int:
        """When the newest thing that can be done again was taken back, 0 when there is none."""

    def undo(self) -> str:
        """Take the newest back; returns its name."""

    def redo(self) -> str:
        """Do again what was taken back last; returns its name."""


@dataclass(frozen=True)
class Step:
    """One thing done: its name for the button, and how to revert and repeat it."""

    name: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    before: Any = None  # the state that `undo` brings back, where a later step may replace this one
    corrections: int = 0  # made by hand at an earlier start or on an earlier result, in what this step brought
    corrects: bool = True  # False of a review, which changes no particle: it is no correction, and what was undone can still be done again


# Names of steps that no hand has made; strokes made the last, as they would by a training.
FOUND_STEP, SPLIT_STEP, RESTORED_STEP, LIVE_STEP = (
    "finding particles",
    "change of splitting",
    "restoring what was kept",
    "use of what Live shows",
)
TAKEN_STEP = "taking what was found"


class _Entry(NamedTuple):
    step: Step
    at: int  # when it was done, or undone


class History:
    """The steps of one micrograph, the newest last; a new step forgets those that were undone."""

    def __init__(self, depth: int = DEPTH) -> None:
        self._done: list[_Entry] = []
        self._undone: list[_Entry] = []
        self._depth = depth
        self.corrections = 0  # made by hand at an earlier start, in what there was before the first step

    def __len__(self) -> int:
        return len(self._done)

    @property
    def by_hand(self) -> int:
        """Number of steps since the last search or split: what another one would replace. Those of an earlier start count."""
        return self._by_hand(self._done)

    @property
    def by_hand_before(self) -> int:
        """The same before the newest step."""
        return self._by_hand(self._done[:-1])

    def _by_hand(self, done: list[_Entry]) -> int:
        n = 0
        for step, _ in reversed(done):
            if step.name in (FOUND_STEP, SPLIT_STEP, RESTORED_STEP, LIVE_STEP, TAKEN_STEP):
                return n + step.corrections
            n += step.corrects
        return n + self.corrections

    @property
    def undoable(self) -> str:
        """Name of the step that `undo` would revert, "" when there is none."""
        return self._done[-1].step.name if self._done else ""

    @property
    def redoable(self) -> str:
        """Name of the step that `redo` would repeat, "" when there is none."""
        return self._undone[-1].step.name if self._undone else ""

    @property
    def names(self) -> list[str]:
        """Names of the steps that could be undone, oldest first."""
        return [step.name for step, _ in self._done]

    @property
    def newest(self) -> Step | None:
        """The step that `undo` would revert."""
        return self._done[-1].step if self._done else None

    @property
    def next(self) -> Step | None:
        """The step that `redo` would repeat."""
        return self._undone[-1].step if self._undone else None

    @property
    def done_at(self) -> int:
        """When the newest step was done, by `tick`; 0 when there is none."""
        return self._done[-1].at if self._done else 0

    @property
    def undone_at(self) -> int:
        """When the step that `redo` would repeat was undone; 0 when there is none."""
        return self._undone[-1].at if self._undone else 0

    def drop(self) -> None:
        """Forget the newest step without reverting it: another takes its place."""
        self._done.pop()

    def add(self, step: Step) -> None:
        """Remember a step that was just done."""
        self._done.append(_Entry(step, tick()))
        del self._done[: -self._depth]
        if step.corrects:
            self._undone.clear()

    def undo(self) -> str:
        """Revert the newest step; returns its name, "" when there is none."""
        if not self._done:
            return ""
        step, _ = self._done.pop()
        step.undo()
        self._undone.append(_Entry(step, tick()))
        return step.name

    def redo(self) -> str:
        """Repeat the step undone last; returns its name, "" when there is none."""
        if not self._undone:
            return ""
        step, _ = self._undone.pop()
        step.redo()
        self._done.append(_Entry(step, tick()))
        return step.name

    def clear(self) -> None:
        """Forget everything."""
        self.corrections = 0
        self._done.clear()
        self._undone.clear()
