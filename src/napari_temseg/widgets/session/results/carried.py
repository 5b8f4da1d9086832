"""A new search, split or live answer takes the place of an older result, with what was corrected by hand on that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from napari_temseg.engine.types.large_arrays import copied
from napari_temseg.widgets.session.history import SPLIT_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.questions import Answer, Questions
from napari_temseg.widgets.session.results.state import CLASHES, Beside, ResultState, commit

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_temseg.engine.particles.carry_over import CarriedOver, Corrections
    from napari_temseg.pipeline.find import Found
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

KEPT_STEP = "keeping corrections"


def commit_found(session: Session, item: Item, found: Found, name: str, beside: Beside | None = None, *, merge: bool = True) -> str:
    """Make what was found the result of a micrograph, corrections included; returns what became of these, for people.

    What does not match is asked about. `beside` is undone with it. Where splits `merge`, one takes the place of another just before it.
    """
    session.settle(item)
    # A slider that is dragged makes many splits: only the newest is worth an undo, and all carry over what was there before the first.
    newest = item.history.newest
    again = merge and name == SPLIT_STEP and newest is not None and newest.name == SPLIT_STEP
    before = newest.before if again and newest is not None and newest.before is not None else ResultState.of(item)
    state = ResultState(found.prediction, found.particles, named(found.measurement, item))
    hand = _corrections_of(before)
    if hand is None or hand.labels.shape != found.particles.labels.shape:
        commit(session, item, state, name, merge=again, beside=beside)
        return ""
    from napari_temseg.engine.particles.carry_over import carry_over

    carried = carry_over(hand, found.particles.labels)
    state = _with(state, carried)
    by_hand = item.history.by_hand_before if again else item.corrections
    commit(session, item, state, name, merge=again, corrections=max(by_hand - len(carried.clashing), 0), beside=beside)
    if carried.clashing:
        _ask(session, item, hand, carried.clashing)
    return _told(carried)


def _corrections_of(state: ResultState) -> Corrections | None:
    """What was done by hand on a result; None where nothing was."""
    particles, measurement = state.particles, state.measurement
    if particles is None or measurement is None:
        return None
    from napari_temseg.engine.measure.measurement import flags_of

    excluded, reviewed = flags_of(measurement)
    if not state.found and not state.restored and not excluded and not reviewed:
        return None
    from napari_temseg.engine.particles.carry_over import Corrections

    classes = dict(zip(particles.table.index.astype(int), particles.table["class_id"].astype(int), strict=True))
    return Corrections(particles.labels, None if state.restored else state.found, excluded, frozenset(reviewed), classes)


def _with(state: ResultState, carried: CarriedOver) -> ResultState:
    """A result with what is carried over to it; its labels as they were found are kept, to know the corrections by."""
    from napari_temseg.engine.measure.measurement import with_flags
    from napari_temseg.engine.particles.remeasure import corrected, remeasure

    particles, measurement = state.particles, state.measurement
    if particles is None or measurement is None:
        return state
    pages, planes = particles.planes(), {patch.plane for patch in carried.patches}
    found = {plane: pages[plane].copy() for plane in planes} | dict(state.found)
    for patch in carried.patches:
        particles = corrected(particles, patch, carried.classes)
        measurement = remeasure(measurement, particles, patch)
    alive = set(particles.table.index)
    excluded = {number: why for number, why in carried.excluded.items() if number in alive}
    measurement = with_flags(measurement, excluded, alive.intersection(carried.reviewed))
    reviewed = len(measurement.table) > 0 and bool(measurement.table["reviewed"].all())
    return replace(state, particles=particles, measurement=measurement, found=found, reviewed=reviewed)


def _told(carried: CarriedOver) -> str:
    n, left = carried.taken, len(carried.clashing)
    parts = [f"{n} correction{'s' if n != 1 else ''} by hand carried over"] if n else []
    if left:
        parts.append(f"{left} that {'do' if left != 1 else 'does'} not match: see above")
    return f"{'; '.join(parts)}." if parts else ""


@dataclass(frozen=True)
class _Clash:
    """Corrections that do not match what was found."""

    session: Session
    item: Item
    hand: Corrections
    labels: Collection[int]

    def keep(self) -> None:
        """Put them back all the same, in the place of the new particles there."""
        from napari_temseg.engine.particles.carry_over import carry_over

        session, item = self.session, self.item
        session.settle(item)
        if item.particles is None or item.particles.labels.shape != self.hand.labels.shape:
            return
        state = ResultState.of(item)
        own = replace(item.particles, labels=copied(item.particles.labels))  # the state that Undo brings back keeps its own
        carried = carry_over(self.hand, own.labels, same=0, only=self.labels)
        commit(session, item, _with(replace(state, particles=own), carried), KEPT_STEP)
        session.say(f"{item.name}: {carried.taken} of your corrections are back. Ctrl+Z or U takes it back.")


def _ask(session: Session, item: Item, hand: Corrections, labels: Collection[int]) -> None:
    n = len(labels)
    many = n != 1
    what, match = f"{n} particle{'s' if many else ''}", "do" if many else "does"
    text = f"{what} that you corrected, deleted or excluded {match} not match what was found now."
    clash = _Clash(session, item, hand, frozenset(labels))
    answers = (
        Answer("Keep mine", "Put your corrections in the place of what was found there. Can be undone.", clash.keep),
        Answer(
            "Take the new", "Leave the particles as they were found now; Undo brings the earlier ones back.", partial(_leave, session, item)
        ),
    )
    session.part(Questions).ask(item, CLASHES, text, answers)


def _leave(session: Session, item: Item) -> None:
    session.say(f"{item.name}: the particles are as they were found now.")
