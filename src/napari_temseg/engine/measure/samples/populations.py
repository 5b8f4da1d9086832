"""Measurements of two populations: either by itself, and what share of number, area and volume each is of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from napari_temseg.engine.measure.descriptors import POPULATION
from napari_temseg.engine.measure.distribution import SizeDistribution
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.populations import POPULATIONS

SHARE_POWERS = {"number": 0, "area": 2, "volume": 3}  # the power of the diameter that is summed


def populations_of(measurement: Measurement) -> tuple[str, ...]:
    """The populations that a measurement holds: small and large, or "" where it is of one size."""
    return POPULATIONS if "population" in measurement.table else ("",)


def of_population(measurement: Measurement, population: str) -> Measurement:
    """The particles of one population, "small" or "large", as a measurement; "" leaves one of one size as it is.

    `TemsegError` for both at once, and for a population that there is not.
    """
    there = populations_of(measurement)
    if population in there:
        if not population:
            return measurement
        own = measurement.table[measurement.table["population"] == population]
        table = own.drop(columns=list(POPULATION)).reset_index(drop=True)
        splits = tuple(each for each in measurement.other_splits if each.population == population)
        recovered = tuple(each._replace(population="") for each in measurement.recovered if each.population == population)
        return replace(measurement, table=table, other_splits=splits, recovered=recovered)
    if not population:
        raise TemsegError(f'{measurement.image}: holds two populations, which have no size in common; say population="small" or "large".')
    told = "is of one size" if there == ("",) else f"holds the populations {', '.join(there)}"
    raise TemsegError(f"{measurement.image}: {told}; there is no population “{population}”.")


def by_population(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """The measurements that hold a population, by population: those of one size ("") first."""
    found: dict[str, list[Measurement]] = {}
    for population in ("", *POPULATIONS):
        if there := [each for each in measurements if population in populations_of(each)]:
            found[population] = there
    return found


def shares(sizes: Mapping[str, SizeDistribution]) -> dict[str, dict[str, float | None]]:
    """Of distributions of the same pictures, by population: their shares of number, area and volume, per area of the pictures.

    Numbers are those per area, edge correction included; area and volume take particles for spheres of their diameter. None where nothing
    is found at all.
    """
    sums = {name: {what: _per_area(each, power) for what, power in SHARE_POWERS.items()} for name, each in sizes.items()}
    total = {what: sum(each[what] for each in sums.values()) for what in SHARE_POWERS}
    return {name: {what: each[what] / total[what] if total[what] else None for what in SHARE_POWERS} for name, each in sums.items()}


def _per_area(sizes: SizeDistribution, power: int) -> float:
    """The sum of a power of the diameter over particles per area of the pictures."""
    if not len(sizes):
        return 0.0
    mean = float((sizes.weights * sizes.values**power).sum() / sizes.weights.sum())
    return mean * (sizes.per_area or 0.0)


def population_figures(sizes: Mapping[str, SizeDistribution]) -> list[dict[str, Any]]:
    """Each population with its number, D50 and shares; [] of one size."""
    own = {name: each for name, each in sizes.items() if name}
    told = shares(own)
    return [{"population": name, "n": len(each), "d50": each.quantile(0.5), "shares": told[name]} for name, each in own.items()]
