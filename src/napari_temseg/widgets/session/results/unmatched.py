"""Corrections by hand that do not match what a search or split found: kept as they were left, and asked about until somebody decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_temseg.engine.types.large_arrays import copied
from napari_temseg.engine.types.wording import several
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import TAKEN_STEP
from napari_temseg.widgets.session.questions import Answer, Questions
from napari_temseg.widgets.session.results.state import ResultState, commit

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.particles.carry_over import Unmatched
    from napari_temseg.engine.particles.label_changes import Patch
    from napari_temseg.engine.types.results import Particles
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

CLASHES = "corrections"  # what the question is about
KEPT_STEP = "keeping corrections"


class UnmatchedQuestions(QObject):
    """Asks what shall become of the corrections of each picture that match nothing, as long as there are any."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.questions = session, session.part(Questions)
        session.item_changed.connect(self._follow)
        for item in session.items:
            self._follow(item, Change.PARTICLES)

    def _follow(self, item: Item, what: Change) -> None:
        if what != Change.PARTICLES:
            return
        known, asked = item.unmatched, self.questions.on(item, CLASHES)
        if known is None:
            self.questions.drop(item, CLASHES)
        elif asked is None or asked.text != _sentence(known):
            answers = (
                Answer("Keep mine", "Your corrections stay as they are. Can be undone.", partial(self._keep, item)),
                Answer("Take the new", "Put what was found there in their place. Can be undone.", partial(self._take, item)),
            )
            self.questions.ask(item, CLASHES, _sentence(known), answers)

    def _keep(self, item: Item) -> None:
        """What is kept stays; what was found where something else was deleted or excluded is so too."""
        known, particles, measurement = item.unmatched, item.particles, item.measurement
        if known is None or particles is None or measurement is None:
            return
        from napari_temseg.engine.measure.measurement import flags_of, with_flags
        from napari_temseg.engine.particles.edits import delete

        self.session.settle(item)
        state, own = ResultState.of(item), replace(particles, labels=copied(particles.labels))  # Undo brings back what has its own
        there = particles.table["plane"]
        deleted = [label for label, reason in known.met.items() if not reason and label in there.index]
        patches = [delete(own.labels, plane, here) for plane, here in _by_plane({label: int(there[label]) for label in deleted}).items()]
        pages = own.planes()
        found = {patch.plane: pages[patch.plane].copy() for patch in patches} | dict(item.found)
        particles, measurement = patched(own, measurement, patches)
        excluded, reviewed = flags_of(measurement)
        alive = set(particles.table.index)
        excluded = {**excluded, **{label: reason for label, reason in known.met.items() if reason and label in alive}}
        state = replace(state, particles=particles, measurement=with_flags(measurement, excluded, reviewed), found=found, unmatched=None)
        commit(self.session, item, state, KEPT_STEP)
        self.session.say(f"{item.name}: your corrections stay. Ctrl+Z or U takes it back.")

    def _take(self, item: Item) -> None:
        """What was found takes the place of what is kept."""
        known, particles, measurement = item.unmatched, item.particles, item.measurement
        if known is None or particles is None or measurement is None:
            return
        from napari_temseg.engine.measure.measurement import flags_of, with_flags
        from napari_temseg.engine.particles.carry_over import as_found

        self.session.settle(item)
        state, own = ResultState.of(item), replace(particles, labels=copied(particles.labels))
        patches, found = as_found(own.labels, item.found, known)
        excluded, reviewed = flags_of(measurement)
        particles, measurement = patched(own, measurement, patches)
        alive = set(particles.table.index)
        excluded, reviewed = {label: why for label, why in excluded.items() if label in alive}, [n for n in reviewed if n in alive]
        measurement = with_flags(measurement, excluded, reviewed)
        pages = particles.planes()
        others = bool(excluded) or any((pages[plane] != page).any() for plane, page in found.items())
        left = max(item.corrections - known.count, 1) if others else 0
        state = replace(state, particles=particles, measurement=measurement, found=found, unmatched=None)
        commit(self.session, item, state, TAKEN_STEP, corrections=left)
        self.session.say(f"{item.name}: the particles are as they were found now. Ctrl+Z or U brings yours back.")


def patched(
    particles: Particles, measurement: Measurement, patches: Sequence[Patch], classes: Mapping[int, int] | None = None
) -> tuple[Particles, Measurement]:
    """Particles and their measurement after changes of labels, which are made in place; `classes` are those of new labels."""
    from napari_temseg.engine.particles.remeasure import corrected, remeasure

    for patch in patches:
        particles = corrected(particles, patch, classes)
        measurement = remeasure(measurement, particles, patch)
    return particles, measurement


def _by_plane(planes: Mapping[int, int]) -> dict[int, list[int]]:
    """Labels of each plane."""
    return {plane: [label for label, at in planes.items() if at == plane] for plane in sorted(set(planes.values()))}


def _sentence(known: Unmatched) -> str:
    n, met = known.count, len(known.met)
    match, kept = ("do", "are") if n > 1 else ("does", "is")
    them = "you left them" if n > 1 else "you left it"
    parts = [f"{several(n, 'particle')} that you corrected {match} not match what was found now, and {kept} kept as {them}."] if n else []
    if met:
        were, lie = ("were", "lie") if met > 1 else ("was", "lies")
        parts.append(f"{several(met, 'particle')} that {were} found now {lie} where you deleted or excluded another.")
    return " ".join(parts)
