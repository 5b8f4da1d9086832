"""Undo and redo: what was done, as pairs of functions that take it back and do it again; and in which order, over all kinds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, Protocol, Self
from weakref import WeakSet

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

    def forget_undone(self) -> None:
        """Something new was done: what was taken back does not come again."""


class Timeline:
    """All that was done to one micrograph, of whatever kind, in one order: `undo` goes back on it, `redo` comes again the same way."""

    def __init__(self) -> None:
        self._pasts: WeakSet[Past] = WeakSet()

    def join(self, past: Past) -> None:
        """Have a kind of things done in the order too, as long as somebody holds it."""
        self._pasts.add(past)

    def acted(self) -> None:
        """Something new was done: nothing that was taken back before it comes again, whatever it was."""
        for past in list(self._pasts):
            past.forget_undone()

    @property
    def newest(self) -> Past | None:
        """The kind whose `undo` comes next; None where there is nothing to take back."""
        return max((past for past in self._pasts if past.undoable), key=lambda past: past.done_at, default=None)

    @property
    def undone(self) -> Past | None:
        """The kind whose `redo` comes next; None where there is nothing to do again."""
        return max((past for past in self._pasts if past.redoable), key=lambda past: past.undone_at, default=None)


@dataclass(frozen=True)
class Step:
    """One thing done: its name for the button, and how to revert and repeat it."""

    name: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    before: Any = None  # the state that `undo` brings back, where a later step may replace this one
    corrections: int = 0  # made by hand at an earlier start or on an earlier result, in what this step brought
    corrects: bool = True  # False of a review, which changes no particle: it is no correction, and what was undone can still be done again

    def parted(self) -> tuple[Self | None, Step]:
        """What stays where only the last part of a step is taken back, and that part: where it has none, nothing and all of it."""
        return None, self

    def joined(self, later: Step) -> Step | None:
        """One step of this and a part of it that comes again; None where `later` is no part of it."""
        return None


# Names of steps that no hand has made; strokes made the last, as they would by a training.
FOUND_STEP, SPLIT_STEP, RESTORED_STEP, LIVE_STEP = (
    "finding particles",
    "change of splitting",
    "restoring what was kept",
    "use of what Live shows",
)
TAKEN_STEP, LABELS_STEP = "taking what was found", "use of the labels"


class _Entry(NamedTuple):
    step: Step
    at: int  # when it was done, or undone


class History:
    """The steps of one micrograph, the newest last; a new step forgets what was undone on its `timeline`, in other histories too."""

    def __init__(self, depth: int = DEPTH, timeline: Timeline | None = None) -> None:
        self._timeline = timeline if timeline is not None else Timeline()
        self._timeline.join(self)
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
            if step.name in (FOUND_STEP, SPLIT_STEP, RESTORED_STEP, LIVE_STEP, TAKEN_STEP, LABELS_STEP):
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

    def since(self, reached: Callable[[Any], bool]) -> list[Step] | None:
        """The steps since the newest state, of those that steps replaced, that is `reached`, the newest first; None where there is none."""
        steps: list[Step] = []
        for step, _ in reversed(self._done):
            steps.append(step)
            if step.before is not None and reached(step.before):
                return steps
        return None

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
            self._timeline.acted()

    def forget_undone(self) -> None:
        """What was undone does not come again."""
        self._undone.clear()

    def undo(self, *, part: bool = False) -> str:
        """Revert the newest step, or only the last part of it; returns its name, "" when there is none."""
        if not self._done:
            return ""
        whole, at = self._done.pop()
        rest, step = whole.parted() if part else (None, whole)
        step.undo()
        if rest is not None:
            self._done.append(_Entry(rest, at))
        self._undone.append(_Entry(step, tick()))
        return step.name

    def redo(self) -> str:
        """Repeat the step undone last; returns its name, "" when there is none."""
        if not self._undone:
            return ""
        step, _ = self._undone.pop()
        step.redo()
        whole = self._done[-1].step.joined(step) if self._done else None
        if whole is not None:
            self._done.pop()
        self._done.append(_Entry(whole or step, tick()))
        return step.name

    def clear(self) -> None:
        """Forget everything."""
        self.corrections = 0
        self._done.clear()
        self._undone.clear()
