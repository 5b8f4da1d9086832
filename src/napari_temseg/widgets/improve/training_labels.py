"""What training takes from each micrograph: strokes, its corrected particles, or somebody's layer of instances; and how much that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.engine.types.annotations import Annotation, Annotations, ClassCount, default_name
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import copied
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, UNLABELLED, Particles
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.improve.alike import alike

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item

STROKES, PARTICLES, TRUTH = "strokes", "particles", "truth"
SOURCE_TITLES = {STROKES: "strokes", PARTICLES: "corrected particles", TRUTH: "layer of instances"}
SOME = 4097  # px, of which one is looked at before all are
MOST_BESIDE = 4  # pictures without labels that a training holds on to or watches
Counts = Mapping[int, ClassCount]


def sources(item: Item) -> list[str]:
    """What there is to learn from on a micrograph."""
    found = [STROKES] if item.annotation is not None and not item.unpainted else []
    if item.particles is not None and (item.reviewed or item.corrections):
        found.append(PARTICLES)
    if Role.TRUTH in item.made:
        found.append(TRUTH)
    return found


def source(item: Item) -> str:
    """What training takes: as chosen where that is there, else strokes, else what was reviewed; "" where there is nothing."""
    found = sources(item)
    if item.teaches in found:
        return item.teaches
    if STROKES not in found and PARTICLES in found and not item.reviewed:
        found.remove(PARTICLES)  # half corrected is no truth unless somebody says so
    return found[0] if found else ""


def teaches(item: Item, current: Item | None) -> bool:
    """Whether a micrograph that holds labels takes part in a training: as somebody said, else where it is like the one in hand. That
    one does unless it was in hand too when somebody said no: left out beside another kind it is not from a training of its own."""
    own = item is current and item.trains_beside is not item
    return alike(item, current) if item.trains is None or own else item.trains


def classes_taught(item: Item) -> frozenset[int]:
    """Classes that corrected particles or a layer of instances teach."""
    if source(item) == PARTICLES and item.particles is not None:
        table = item.particles.table
        out = set() if item.measurement is None else set(item.measurement.table.query("excluded != ''")["particle"])
        return frozenset({BACKGROUND, *table.loc[~table.index.isin(out), "class_id"].astype(int)})
    if source(item) != TRUTH:
        return frozenset()
    labels = layers.values(item.made[Role.TRUTH])
    part = labels.reshape(-1)[::SOME]
    told = ((BACKGROUND, (part == 0).any() or (labels == 0).any()), (FIRST_CLASS, part.any() or labels.any()))
    return frozenset(number for number, there in told if there)


def taken(item: Item) -> Callable[[], Annotation]:
    """The labels of a micrograph as they are now; the function that is returned makes them ready, in the thread of a job."""
    micrograph, kind = item.micrograph(), source(item)
    if kind == PARTICLES and item.particles is not None:
        labels = copied(item.particles.labels)
        return partial(_from_particles, micrograph, labels, class_of_particle(item))
    layer = item.made[Role.TRUTH] if kind == TRUTH else item.annotation
    return partial(Annotation.imported, micrograph, layers.snapshot(layer), "instances" if kind == TRUTH else "classes")


def open_beside(items: Iterable[Item], chosen: Iterable[Item]) -> tuple[list[Micrograph], list[Micrograph]]:
    """Pictures open beside those trained on, searched and not annotated; some, where they are many. Nobody waits for others.

    On those of another sample, what the model finds shall stay. On the others it may well become better by what is learnt here, so
    that they are only watched.
    """
    taught = set(chosen)
    others = [
        item
        for item in items
        if item not in taught and item.prediction is not None and not (source(item) or item.ignored or item.asks_axes)
    ]
    samples = {item.sample for item in taught}
    held: list[Micrograph] = []
    watched: list[Micrograph] = []
    for item in others[:: max(1, -(-len(others) // MOST_BESIDE))]:
        try:
            (watched if item.sample in samples else held).append(item.micrograph())
        except TemsegError:  # a picture in colours: nothing finds anything there
            continue
    return held, watched


def collected(
    parts: Iterable[Callable[[], Annotation]], names: Mapping[int, str], held: Iterable[Micrograph] = (), watched: Iterable[Micrograph] = ()
) -> Annotations:
    """A training set; classes above the highest that is labelled are left out, and those without a name get one."""
    items = tuple(part() for part in parts)
    top = max((int(item.labels.max(initial=0)) for item in items), default=0)
    return Annotations(
        items,
        {number: names.get(number, default_name(number)) for number in range(BACKGROUND, max(top, 2) + 1)},
        tuple(held),
        tuple(watched),
    )


def counter(item: Item, names: Mapping[int, str]) -> Callable[[], Counts]:
    """Counts labelled pixels and objects by class, in another thread; areas that are left out count too."""
    shape, kind = layers.shape(item.layer), source(item)
    if not kind:
        return dict
    blank = Micrograph(np.broadcast_to(np.uint8(0), shape), "YX" if len(shape) == 2 else "NYX")
    part: Callable[[], Annotation]
    if kind == PARTICLES and item.particles is not None:
        part = partial(_from_particles, blank, item.particles.labels, class_of_particle(item))
    elif kind == TRUTH:
        part = partial(Annotation.imported, blank, layers.values(item.made[Role.TRUTH]), "instances")
    else:
        part = partial(Annotation, blank, layers.values(item.annotation))
    return lambda: collected([part], names).counts()


def holds_strokes(item: Item) -> Callable[[], bool]:
    """Whether anything is painted on a micrograph, to be asked in another thread."""
    strokes = None if item.annotation is None else layers.values(item.annotation)
    return lambda: strokes is not None and bool(strokes.any())


def class_of_particle(item: Item) -> Any:
    """Class number by label (uint8, 0 for the background and for particles that are excluded)."""
    particles: Particles | None = item.particles
    if particles is None:
        return np.zeros(1, np.uint8)
    table = particles.table
    numbers = np.zeros(int(max(table.index.max() if len(table) else 0, particles.labels.max(initial=0))) + 1, np.uint8)
    numbers[table.index.to_numpy(int)] = table["class_id"].to_numpy(np.uint8)
    if item.measurement is not None:
        rows = item.measurement.table
        numbers[rows.loc[rows["excluded"] != "", "particle"].to_numpy(int)] = UNLABELLED
    return numbers


def classes_of(labels: Any, class_of: Any) -> Any:
    """Class numbers (uint8) of particle labels: background where there is none, nothing where one is excluded."""
    numbers = class_of.copy()
    numbers[0] = BACKGROUND
    return numbers[labels]


def _from_particles(micrograph: Micrograph, labels: Any, class_of: Any) -> Annotation:
    classes = classes_of(labels, class_of)
    return Annotation(micrograph, classes, np.where(classes > BACKGROUND, labels, 0).astype(np.int32))
