"""Results that several pictures got at once: what changed, and one step that takes all of them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.wording import several, some_of
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import Step

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

MOST_NAMED = 6


@dataclass(frozen=True)
class Renewed:
    """A picture that got a new result: its newest step, how many particles counted before, whether any outline is another, and what
    became of its corrections by hand."""

    item: Item
    step: Step | None
    before: int | None
    changed: bool
    told: str


def same_outlines(one: npt.NDArray[np.int32], other: npt.NDArray[np.int32]) -> bool:
    """Whether labels part a picture alike, whatever the numbers are."""
    if one.shape != other.shape:
        return False
    name = np.zeros(int(one.max(initial=0)) + 1, other.dtype)
    name[one] = other
    used = name[np.bincount(one.ravel(), minlength=len(name)) > 0]
    return bool((name[one] == other).all()) and len(np.unique(used)) == len(used)


def one_step(session: Session, current: Item, renewed: Sequence[Renewed]) -> None:
    """Let the picture in hand remember a step that takes all of them back; a picture that something was done to since stays as it is."""

    def undo() -> None:
        taken.clear()
        for each in renewed:
            if each.item in session.items and each.item.history.newest is each.step:
                each.item.history.undo()
                taken.append(each.item)
        session.item_changed.emit(current, Change.REVIEW)

    def redo() -> None:
        for item in taken:
            if item in session.items and item.history.next in steps:
                item.history.redo()
        session.item_changed.emit(current, Change.REVIEW)

    taken: list[Item] = []
    steps: list[Any] = [each.step for each in renewed]
    current.history.add(Step(f"splitting {several(len(renewed), 'image')}", undo, redo, corrects=False))
    session.item_changed.emit(current, Change.REVIEW)


def sentence(renewed: Sequence[Renewed], *, at_once: bool) -> str:
    """“3 images were split with these settings too, 1 of them is another now: grid (48 → 52 particles). … Ctrl+Z or U takes …”"""
    changed = [each for each in renewed if each.changed]
    were = "was" if len(renewed) == 1 else "were"
    text = f"{several(len(renewed), 'image')} {were} split with these settings too"
    if not changed:
        return f"{text}; no outline is another."
    some = some_of([f"{each.item.name} ({each.before} → {each.item.count} particles)" for each in changed], MOST_NAMED)
    hand = "".join(f" {each.item.name}: {each.told}" for each in renewed if each.told)
    back = "Ctrl+Z or U takes all of them back at once." if at_once else "Undo in each of them takes it back."
    return f"{text}, {len(changed)} changed: {some}.{hand} {back}"
