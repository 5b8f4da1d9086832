"""Particles of two sizes in one picture: each population seen by itself, as if the other were not there.

Where a small particle lies on a large one, the label image shows the small one. What is beneath it is the large one's all the same: each
pixel of a small particle is beneath whatever is nearest to it of that which is no small particle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from napari_temseg.engine.types.large_arrays import areas, zeros
from napari_temseg.engine.types.results import Particles, Prediction

SMALL, LARGE = "small", "large"
POPULATIONS = (SMALL, LARGE)
ON = 0.5  # share of a small particle beneath which a large one lies from which on it lies on that
Labels = npt.NDArray[np.int32]


def are_populations(particles: Any) -> bool:
    """Whether particles are of two sizes that are told apart."""
    return isinstance(particles, Particles) and "population" in particles.table


def are_told_apart(particles: Any) -> bool:
    """Whether particles of two sizes are measured as two populations, not as one wide distribution."""
    return are_populations(particles) and not particles.settings.get("as_one", False)


def of_each_population(particles: Particles) -> dict[str, Particles]:
    """Small and large particles by themselves, each as if the others were not there; {"": particles} where there is one size."""
    return {name: of_population(particles, name) for name in POPULATIONS} if are_populations(particles) else {"": particles}


def apart(particles: Any, planes: npt.NDArray[Any]) -> list[tuple[Any, npt.NDArray[Any]]]:
    """What is described by itself, with its planes (P, Y, X): either population where there are two, else what is given."""
    if not are_populations(particles):
        return [(particles, planes)]
    return [(each, each.planes()) for each in of_each_population(particles).values()]


def of_population(particles: Particles, name: str) -> Particles:
    """One population of particles, "small" or "large", under the labels that they have."""
    own = particles.table["population"] == name
    is_small = small_labels(particles)
    seen: Labels = zeros(particles.labels.shape, np.int32)
    for here, page in zip(seen.reshape(particles.planes().shape), particles.planes(), strict=True):
        here[...] = page_of(page, is_small, name)
    return replace(
        particles,
        labels=seen,
        table=particles.table[own].drop(columns="population"),
        prediction=prediction_of(particles.prediction, name),
    )


def prediction_of(prediction: Prediction | None, population: str) -> Prediction | None:
    """What was said of the picture when particles of this population were looked for."""
    if prediction is None or prediction.other is None:
        return prediction
    return prediction.other if population == LARGE else replace(prediction, other=None)


def nearer_populations(particles: Particles, labels: npt.NDArray[np.integer[Any]]) -> dict[int, str]:
    """Of labels, by their diameters, the population whose size they are nearer to by ratio: that which was looked for, or the median."""
    area = areas(particles.labels, minlength=int(np.max(labels, initial=0)) + 1)
    prediction, table = particles.prediction, particles.table
    if prediction is not None and prediction.other is not None:
        middle = np.pi / 4 * prediction.size * prediction.other.size
    else:
        there = table[table.index < len(area)]
        of_each = [area[there.index[there["population"] == name]] for name in POPULATIONS]
        if not all(map(len, of_each)):
            return dict.fromkeys(labels.tolist(), SMALL if len(of_each[0]) else LARGE)
        middle = float(np.sqrt(np.prod([np.median(each) for each in of_each])))
    return {int(label): SMALL if area[label] < middle else LARGE for label in labels}


def of_each_size(prediction: Prediction) -> dict[str, Prediction]:
    """What was said of the picture for small and for large particles; {"": prediction} where there is one size."""
    return (
        {"": prediction} if prediction.other is None else {name: cast(Prediction, prediction_of(prediction, name)) for name in POPULATIONS}
    )


def small_labels(particles: Particles) -> npt.NDArray[np.bool_]:
    """By label, whether it is one of the small particles."""
    table = particles.table
    top = max(int(table.index.max()) if len(table) else 0, int(particles.labels.max(initial=0)))
    is_small = np.zeros(top + 1, bool)
    is_small[table.index[table["population"] == SMALL].to_numpy(np.int64)] = True
    return is_small


def page_of(page: npt.NDArray[np.integer[Any]], is_small: npt.NDArray[np.bool_], name: str) -> Labels:
    """The labels of one population on a plane (Y, X): of the large ones with what lies beneath small ones."""
    small = is_small[page]
    return np.where(small, page, 0).astype(np.int32) if name == SMALL else beneath(page, small)


def beneath(page: npt.NDArray[np.integer[Any]], small: npt.NDArray[np.bool_]) -> Labels:
    """Labels (Y, X) in which small particles (bool (Y, X)) have given their pixels to what is nearest of the rest."""
    if not small.any() or small.all():
        return np.where(small, 0, page).astype(np.int32)
    nearest = ndimage.distance_transform_edt(small, return_distances=False, return_indices=True)
    return np.asarray(page[tuple(nearest)], np.int32)


def without(particles: Particles, plane: int, ids: Collection[int]) -> Labels | None:
    """Labels (Y, X) of a plane as they are where some small particles are not: what is beneath these. None of one size."""
    if not are_populations(particles):
        return None
    page = particles.planes()[plane]
    gone = np.isin(page, list(ids)) & small_labels(particles)[page]
    return np.where(gone, beneath(page, small_labels(particles)[page]), np.where(np.isin(page, list(ids)), 0, page))


def with_populations(table: pd.DataFrame, particles: Particles) -> pd.DataFrame:
    """The table of a measurement (a column "particle") with its columns "population" and "carrier" (see `carriers`)."""
    labels, on = table["particle"].astype(int), carriers(particles)
    table = table.assign(carrier=[on.get(number, 0) for number in labels.tolist()])
    table.insert(list(table.columns).index("class") + 1, "population", particles.table["population"].reindex(labels).to_numpy())
    return table


def carriers(particles: Particles) -> Mapping[int, int]:
    """By label of each small particle that lies on a large one, at least half of it, the label of that one."""
    found: dict[int, int] = {}
    is_small = small_labels(particles)
    for page in particles.planes():
        small = is_small[page]
        if not small.any():
            continue
        own, under = page[small].astype(np.int64), beneath(page, small)[small].astype(np.int64)
        area = np.bincount(own)
        pairs, pixels = np.unique(np.stack([own, under])[:, under > 0], axis=1, return_counts=True)
        on = pixels >= ON * area[pairs[0]]
        found |= dict(zip(pairs[0, on].tolist(), pairs[1, on].tolist(), strict=True))
    return found
