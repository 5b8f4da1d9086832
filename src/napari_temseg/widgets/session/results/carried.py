"""A new search, split or live answer takes the place of an older result, with what was corrected by hand on that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_temseg.engine.types.wording import several
from napari_temseg.widgets.session.history import SPLIT_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import Beside, ResultState, commit
from napari_temseg.widgets.session.results.unmatched import UnmatchedQuestions, patched

if TYPE_CHECKING:
    from napari_temseg.engine.particles.carry_over import CarriedOver, Corrections
    from napari_temseg.pipeline.find import Found
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def commit_found(session: Session, item: Item, found: Found, name: str, beside: Beside | None = None, *, merge: bool = True) -> str:
    """Make what was found the result of a micrograph, corrections included; returns what became of these, for people.

    What does not match is kept where it was drawn by hand, and asked about. `beside` is undone with it. Where splits `merge`, one takes the
    place of another just before it.
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
    session.part(UnmatchedQuestions)  # asks
    commit(session, item, state, name, merge=again, corrections=max(by_hand - carried.lost, 0), beside=beside)
    return _told(carried)


def commit_made(session: Session, item: Item, found: Found, pixels: int, maker: tuple[str, str], step: str, again: str) -> str | None:
    """As `commit_found` of what a job made without a search, by a `maker` (hash and name), undoable where nothing was found before too.

    None, and nothing is done, where the item is gone, or its `pixels` were replaced meanwhile: then it is said to do it `again`.
    """
    if item not in session.items:
        return None
    if item.pixels != pixels:
        session.say(f"{item.name}: its pixels were replaced meanwhile; {again} again.")
        return None
    session.model_names[maker[0]] = maker[1]
    none_before = None if item.particles is not None else Beside(_nothing, _nothing)
    return commit_found(session, item, found, step, none_before)


def _nothing() -> None:
    """Nothing else comes or goes with it."""


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

    particles, measurement = state.particles, state.measurement
    if particles is None or measurement is None:
        return state
    pages, planes = particles.planes(), {patch.plane for patch in carried.patches}
    found = {plane: pages[plane].copy() for plane in planes} | dict(state.found)
    particles, measurement = patched(particles, measurement, carried.patches, carried.classes)
    alive = set(particles.table.index)
    excluded = {number: why for number, why in carried.excluded.items() if number in alive}
    measurement = with_flags(measurement, excluded, alive.intersection(carried.reviewed))
    reviewed = len(measurement.table) > 0 and bool(measurement.table["reviewed"].all())
    return replace(state, particles=particles, measurement=measurement, found=found, reviewed=reviewed, unmatched=carried.unmatched)


def _told(carried: CarriedOver) -> str:
    n, kept = carried.taken, carried.drawn
    parts = [f"{several(n, 'corrected particle')} carried over"] if n else []
    if kept:
        parts.append(f"{kept} that {'do' if kept > 1 else 'does'} not match what was found {'are' if kept > 1 else 'is'} kept")
    if met := len(carried.met):
        parts.append(f"{met} found where something else was deleted or excluded")
    return f"{'; '.join(parts)}{': see the question above' if carried.clashing else ''}." if parts else ""
