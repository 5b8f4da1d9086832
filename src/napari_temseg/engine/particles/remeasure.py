"""What a correction by hand changes in the tables: only the rows of the particles it touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import binary_erosion
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_temseg.engine.measure.measurement import Measurement, describe, measure, rows_of, tabulate
from napari_temseg.engine.measure.shape.edges import SEEN_FROM
from napari_temseg.engine.measure.shape.geometry import contacts
from napari_temseg.engine.measure.shape.neighbours import among_neighbours
from napari_temseg.engine.particles.kept_contours import KnownRows, contour_columns
from napari_temseg.engine.particles.label_changes import Patch, Window, page_of, window_of
from napari_temseg.engine.types.confidence import STANDING_OUT
from napari_temseg.engine.types.populations import SMALL, are_populations, nearer_populations
from napari_temseg.engine.types.results import FIRST_CLASS, PARTICLE_CLASSES, Particles

Ids = npt.NDArray[np.int64]


def corrected(
    particles: Particles,
    patch: Patch,
    class_of: Mapping[int, int] | None = None,
    population_of: Mapping[int, str] | None = None,
    standing_of: Mapping[int, float] | None = None,
) -> Particles:
    """The particles after a correction, with a table that fits.

    `particles.labels` are changed in place, not copied, and shared by the result; where the viewer has made the change in them already,
    making it again does nothing. `particles` keeps its table: to undo, revert the patch and go back to it.

    The class of a new label is that of `class_of` (label → class number), else the one of the particle that most of its pixels belonged
    to, else the first class. Of two populations it is of that of `population_of`, else of the one whose size it is nearer to by ratio.
    `standing_of` tells how far labels that come back stand out of the picture, which nobody can tell of new ones.
    """
    patch.apply(particles.labels)
    classes = _inherited(particles.table, patch) | dict(class_of or {})
    names = particles.prediction.class_names if particles.prediction else {}
    nearer = nearer_populations(particles, np.setdiff1d(patch.ids(), particles.table.index)) if are_populations(particles) else {}
    populations = nearer | dict(population_of or {})
    table = retable(particles.table, particles.labels, patch, particles.micrograph.valid, classes, names, populations)
    back = [label for label in standing_of or {} if label in table.index]
    if standing_of and back:
        table.loc[back, STANDING_OUT] = [standing_of[label] for label in back]
    after = replace(particles, table=table)
    if "pixels_by_label" in vars(particles):  # a stack is not counted through at every stroke
        vars(after)["pixels_by_label"] = _counted(particles.pixels_by_label, patch)
    return after


def _counted(before: npt.NDArray[np.int64], patch: Patch) -> npt.NDArray[np.int64]:
    """Pixels by label after a patch."""
    after = np.zeros(max(len(before), int(patch.after.max(initial=0)) + 1), np.int64)
    after[: len(before)] = before
    np.subtract.at(after, patch.before.ravel(), 1)
    np.add.at(after, patch.after.ravel(), 1)
    return after


def retable(
    table: pd.DataFrame,
    labels: npt.NDArray[np.integer[Any]],
    patch: Patch,
    valid: npt.NDArray[np.bool_] | None = None,
    class_of: Mapping[int, int] | None = None,
    names: Mapping[int, str] | None = None,
    population_of: Mapping[int, str] | None = None,
) -> pd.DataFrame:
    """A copy of the table of `Particles` (without `valid`: of a picture that is all valid) that fits `labels` after a patch.

    Rows of labels that vanished are dropped, new labels get rows, of the class in `class_of` or else the first. `frame` is found anew for
    labels that changed, `cut` for these and their neighbours, `aggregate` for those whose group may have changed. Groups that are
    joined take the smallest of their ids; of one that falls apart, the part with the smallest label keeps the id. All other rows stay.
    Particles of two populations do not touch: one lies on the other.
    """
    page = page_of(labels, patch.plane)
    changed = patch.ids()
    rows, columns = (slice(max(span.start - 1, 0), span.stop + 1) for span in (patch.rows, patch.columns))
    near = np.union1d(changed, pd.unique(page[rows, columns].ravel()))
    here = table[table["plane"] == patch.plane]
    groups = here.loc[here.index.isin(near), "aggregate"]
    members = np.union1d(changed, here.index[here["aggregate"].isin(groups)])
    window = window_of(page, members, margin=1)
    crop = page[window]
    pairs = contacts(crop)
    alive = np.unique(crop[np.isin(crop, changed)]).astype(np.int64)
    present = np.union1d(np.setdiff1d(members, changed), alive)
    new = np.setdiff1d(present, table.index)
    table = table[~table.index.isin(np.setdiff1d(changed, present))]
    table = _with_rows(table, new, patch.plane, class_of or {}, names or {}, population_of or {})
    if "population" in table and len(pairs):
        sides = [table["population"].reindex(side).to_numpy() for side in pairs.T]
        pairs = pairs[sides[0] == sides[1]]
    met = np.intersect1d(near, present)
    _set(table, "frame", alive, np.isin(alive, _beside_nothing(page, window, valid)))
    _set(table, "cut", met, np.isin(met, pairs))
    _set(table, "aggregate", present, _groups(table, present, pairs))
    return table


def remeasure(measurement: Measurement, particles: Particles, patch: Patch) -> Measurement:
    """The measurement after a correction, as `measure` would have it, by measuring only what the patch changed.

    `measurement` is the one before, `particles` are those after (see `corrected`). Particles whose pixels stayed keep `excluded` and
    `reviewed`; those that changed count again and are not reviewed. Neighbours are measured anew too, as the free part of their outlines
    may have changed. `TemsegError` when the two are not of the same particles.
    """
    if are_populations(particles):
        return _measured_anew(measurement, particles, patch)
    old, page = measurement.table, page_of(particles.labels, patch.plane)
    changed, anew = patch.ids(), measured_anew(particles, patch)
    stale = (old["plane"] == patch.plane) & old["particle"].isin(anew)
    window = _reach(patch, old[stale], page)
    crop = page[window]
    alone = np.where(np.isin(crop, anew), crop, 0)
    origin = (window[0].start, window[1].start)
    columns = describe(alone, patch.plane, particles, measurement.calibration.scale, origin, measurement.frame)
    fresh = tabulate(columns, particles, measurement.image, measurement.calibration, measurement.frame)
    untouched = old[stale & ~old["particle"].isin(changed)]
    fresh = _with_flags_of(fresh, untouched)
    if particles.prediction is None:
        fresh = _with_contours_of(fresh, untouched, measurement)
    table = pd.concat([old[~stale], fresh]).sort_values(["plane", "particle"], ignore_index=True)
    flags = rows_of(particles, table["particle"].to_numpy())
    for name in ("cut", "aggregate"):
        table[name] = flags[name].to_numpy()
    return replace(measurement, table=among_neighbours(table, measurement.calibration, measurement.frame))


def measured_anew(particles: Particles, patch: Patch) -> Ids:
    """The labels that `remeasure` measures after a patch: those that it changes and those so near that their free outline may be another.

    Of two populations they are all.
    """
    if are_populations(particles):
        return np.union1d(patch.ids(), particles.table.index.to_numpy())
    rows, columns = (slice(max(span.start - SEEN_FROM, 0), span.stop + SEEN_FROM) for span in (patch.rows, patch.columns))
    near = pd.unique(page_of(particles.labels, patch.plane)[rows, columns].ravel())
    return np.union1d(patch.ids(), near[near > 0]).astype(np.int64)


def _measured_anew(measurement: Measurement, particles: Particles, patch: Patch) -> Measurement:
    """The measurement of two populations after a correction: what lies on others changes these too, so that all are measured."""
    picture = particles.micrograph.with_calibration(measurement.calibration)
    fresh = measure(replace(particles, micrograph=picture)).table.assign(image=measurement.image)
    untouched = measurement.table[~measurement.table["particle"].isin(patch.ids())]
    fresh = _with_flags_of(fresh, untouched)
    if particles.prediction is None:
        fresh = _with_contours_of(fresh, untouched, measurement)
    return replace(measurement, table=fresh)


def _with_flags_of(fresh: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Rows measured anew, with what a person said of those particles that stayed as they were."""
    place = pd.Index(before["particle"]).get_indexer(pd.Index(fresh["particle"]))
    stayed = place >= 0
    said = {}
    for name in ("excluded", "reviewed"):
        values = fresh[name].to_numpy(copy=True)
        values[stayed] = before[name].to_numpy()[place[stayed]]
        said[name] = pd.Series(values, fresh.index, fresh[name].dtype)
    return fresh.assign(**said)


def _with_contours_of(fresh: pd.DataFrame, before: pd.DataFrame, measurement: Measurement) -> pd.DataFrame:
    """Rows measured anew without what the model said: with that, and the contours that those had whose free outline is as it was."""
    free = before.set_index("particle")["cut_share"].reindex(fresh["particle"]).to_numpy()
    same = fresh.loc[fresh["cut_share"].to_numpy() == free, "particle"]
    known = KnownRows.of(replace(measurement, table=before), before["particle"].tolist())
    contours = contour_columns(replace(measurement, table=before[before["particle"].isin(same)]))
    return replace(known, contours=contours).put_into(replace(measurement, table=fresh)).table


def _inherited(table: pd.DataFrame, patch: Patch) -> dict[int, int]:
    """Class number of each new label whose pixels, most of them, belonged to a particle."""
    new = np.setdiff1d(patch.ids(), table.index)
    pixels = np.isin(patch.after, new) & np.isin(patch.before, table.index)
    pairs = pd.DataFrame({"now": patch.after[pixels], "was": patch.before[pixels]}).value_counts().reset_index()
    most = pairs.drop_duplicates("now")  # the counts descend
    classes = table["class_id"].to_numpy()[table.index.get_indexer(pd.Index(most["was"]))]
    return dict(zip(most["now"].tolist(), classes.tolist(), strict=True))


def _with_rows(
    table: pd.DataFrame, new: Ids, plane: int, class_of: Mapping[int, int], names: Mapping[int, str], population_of: Mapping[int, str]
) -> pd.DataFrame:
    """A copy of the table with rows for new labels, whose aggregate is still 0."""
    known = PARTICLE_CLASSES | dict(names) | dict(zip(table["class_id"], table["class"], strict=True))
    numbers = [class_of.get(int(label), FIRST_CLASS) for label in new]
    columns = {
        "class": [known.get(number, f"class {number}") for number in numbers],
        "class_id": numbers,
        "plane": plane,
        "aggregate": 0,
        "frame": False,
        "cut": False,
        STANDING_OUT: np.nan,  # that was told when the picture was split
        "population": [population_of.get(int(label), SMALL) for label in new],
    }
    added = pd.DataFrame(columns, index=pd.Index(new, name=table.index.name))[list(table.columns)]
    return pd.concat([table, added.astype(table.dtypes.to_dict())]).sort_index()


def _set(table: pd.DataFrame, name: str, ids: Ids, values: npt.NDArray[Any]) -> None:
    """Set a column for these labels."""
    column = table[name].to_numpy(copy=True)
    column[table.index.get_indexer(pd.Index(ids))] = values
    table[name] = column


def _beside_nothing(
    page: npt.NDArray[np.integer[Any]], window: Window, valid: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.integer[Any]]:
    """The labels at the edge of the picture, and those of the window beside what is left out."""
    edges = [page[0], page[-1], page[:, 0], page[:, -1]]
    if valid is not None:
        edges.append(page[window][~binary_erosion(valid[window], border_value=1)])
    return np.concatenate(edges)


def _groups(table: pd.DataFrame, present: Ids, pairs: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """The aggregate of each label of `present`, whose contacts are `pairs` of labels."""
    one, other = np.searchsorted(present, pairs[np.isin(pairs, present).all(axis=1)]).T
    n = len(present)
    count, group = connected_components(coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n)), directed=False)
    old = table["aggregate"].to_numpy(np.int64)[table.index.get_indexer(pd.Index(present))]
    fresh = int(table["aggregate"].max()) + 1 if len(table) else 1
    were: list[set[int]] = [set() for _ in range(count)]
    for index, number in zip(group.tolist(), old.tolist(), strict=True):
        were[index].add(number)
    taken = {0}  # what new rows have
    found = []
    for numbers in were:  # in the order of their first, that is smallest, labels
        found.append(min(numbers - taken, default=fresh))
        fresh += found[-1] == fresh
        taken.add(found[-1])
    return np.array(found, np.int64)[group]


def _reach(patch: Patch, rows: pd.DataFrame, page: npt.NDArray[np.integer[Any]]) -> Window:
    """The window that holds all a patch's labels whole: each lay in its old bounding box, and what it gained is in the patch.

    The bounding box of a label in several pieces is that of the largest, so that the others are looked for.
    """
    broken = rows.loc[rows["pieces"] > 1, "particle"].to_numpy()
    seen = [patch.rows, patch.columns] if not len(broken) else list(window_of(page, broken, margin=0))
    spans = list(zip((patch.rows, patch.columns), seen, ("top", "left"), ("bottom", "right"), strict=True))
    first = [min([span.start, other.start, *rows[f"bbox_{side}_px"]]) for span, other, side, _ in spans]
    last = [max([span.stop, other.stop, *rows[f"bbox_{side}_px"]]) for span, other, _, side in spans]
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))
