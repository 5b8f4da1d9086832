"""Results that take each other's place: put into the item and on the screen, undoably."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import FOUND_STEP, Step
from napari_temseg.widgets.session.item_measurement import bring_up_to_date, show_features
from napari_temseg.widgets.session.results.result_layers import show_labels, show_maps

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.particles.carry_over import Unmatched
    from napari_temseg.engine.types.results import Particles, Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


@dataclass(frozen=True)
class Beside:
    """What comes and goes with a state, such as regions that a search has left out."""

    undo: Callable[[], object]
    redo: Callable[[], object]


@dataclass(frozen=True, eq=False)
class ResultState:
    """All that a search or a new split replaces; what undo brings back."""

    prediction: Prediction | None
    particles: Particles | None
    measurement: Measurement | None
    reviewed: bool = False
    found: Mapping[int, npt.NDArray[np.int32]] = field(default_factory=dict)  # planes that were corrected, as they were before
    restored: bool = False  # corrected at an earlier start: what was found is not known any more
    unmatched: Unmatched | None = None  # corrections that somebody has to decide on

    @classmethod
    def of(cls, item: Item) -> ResultState:
        """As it is now."""
        return cls(item.prediction, item.particles, item.measurement, item.reviewed, item.found, item.restored, item.unmatched)


def commit(
    session: Session,
    item: Item,
    state: ResultState,
    name: str,
    *,
    merge: bool = False,
    corrections: int = 0,
    beside: Beside | None = None,
) -> None:
    """Make a state the item's own, undoably when it replaces another; `merge` lets it replace the newest step of the same name.

    `corrections` were made by hand at an earlier start, or on an earlier result; `beside` was done with it, and is undone with it.
    """
    session.settle(item)
    before = ResultState.of(item)
    if merge and item.history.newest is not None:
        before = item.history.newest.before or before
        item.history.drop()
    if before.particles is not None or beside is not None:
        back = _put_back if name == FOUND_STEP else put
        undo: Callable[[], None] = partial(back, session, item, before)
        redo: Callable[[], None] = partial(back, session, item, state)
        if beside is not None:
            undo, redo = partial(_both, beside.undo, undo), partial(_both, beside.redo, redo)
        item.history.add(Step(name, undo, redo, before, corrections))
    else:
        item.history.corrections = corrections
    put(session, item, state)


def put(session: Session, item: Item, state: ResultState) -> None:
    """Put a state on the screen and into the item, without a word to the history. What is not the same particle any more is let go."""
    same = _same(session.selected, item.particles, state.particles) if item is session.current else session.selected
    item.prediction, item.particles, item.measurement = state.prediction, state.particles, state.measurement
    item.reviewed, item.found, item.restored, item.unmatched = state.reviewed, state.found, state.restored, state.unmatched
    if state.particles is None:
        layers.remove(session.viewer, item.made.pop(Role.PARTICLES, None))
    else:
        bring_up_to_date(item)
        show_labels(session, item, state.particles.labels)
        show_features(item)
    if state.prediction is not None:
        show_maps(session, item, state.prediction)
    else:
        for role in (Role.PROBABILITY, Role.CLASSES):
            layers.remove(session.viewer, item.made.pop(role, None))
    session.select(same)
    session.item_changed.emit(item, Change.PREDICTION)
    session.item_changed.emit(item, Change.PARTICLES)


def _same(ids: Collection[int], before: Particles | None, after: Particles | None) -> set[int]:
    """Those of some labels that are the same pixels in another result: numbers are given anew, and would mean other particles."""
    if not ids or before is None or after is None or before.labels.shape != after.labels.shape:
        return set()
    old, new, top = before.labels, after.labels, max(ids) + 1
    area, again, both = (np.bincount(each[(each > 0) & (each < top)], minlength=top) for each in (old, new, old[old == new]))
    return {label for label in ids if area[label] and area[label] == again[label] == both[label]}


def _both(one: Callable[[], object], other: Callable[[], object]) -> None:
    one()
    other()


def _put_back(session: Session, item: Item, state: ResultState) -> None:
    """`put`, and the model that made it is in use again, if it is still at hand."""
    put(session, item, state)
    if state.prediction is not None:
        use_model_of(session, item, state.prediction.model_hash)


def use_model_of(session: Session, item: Item, digest: str, name: str = "") -> None:
    """Have the model in use for a picture that made what is shown of it, if it is still at hand; `name` is its name at an earlier start."""
    known = session.model_names.get(digest, name)
    if known == "particles" or known in session.models or known in session.own:
        session.use_model_for(item, known)
