"""Samples of a run, each by itself and one against another; samples are made of grids, these of pictures, these of particles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from napari_temseg.api import size_distribution
from napari_temseg.engine.measure.audit.carrying import Audit, audited
from napari_temseg.engine.measure.samples.effects import effects
from napari_temseg.engine.measure.samples.populations import populations_of
from napari_temseg.engine.types.wording import FEWEST, d50_words, rounded

if TYPE_CHECKING:
    import pandas as pd

    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.pipeline.run_result import RunItem

MOST_COMPARED = 8  # samples beyond which not each is compared with each other


def with_sample(measurement: Measurement) -> pd.DataFrame:
    """The table with columns "sample" and "grid" after the picture's name, where a sample is told."""
    table = measurement.table
    if measurement.sample:
        table = table.copy(deep=False)
        table.insert(1, "sample", measurement.sample)
        table.insert(2, "grid", measurement.grid)
    return table


Key = tuple[str, str, str]  # sample, unit of length, population ("" where there is one size)


def by_sample(items: Sequence[RunItem]) -> dict[Key, list[RunItem]]:
    """The items that count, by sample, unit of length and population; those without a sample are in none."""
    found: dict[Key, list[RunItem]] = {}
    for item in items:
        if item.counted:
            for key in _keys_of(item.measurement):
                found.setdefault(key, []).append(item)
    return found


def measurements_by_sample(measurements: Sequence[Measurement]) -> dict[Key, list[Measurement]]:
    """The same of measurements that all count."""
    found: dict[Key, list[Measurement]] = {}
    for each in measurements:
        for key in _keys_of(each):
            found.setdefault(key, []).append(each)
    return found


def _keys_of(measurement: Measurement) -> list[Key]:
    sample = measurement.sample
    return [(sample, measurement.length_unit, population) for population in populations_of(measurement)] if sample else []


def distributions_of(items: Sequence[RunItem], audits: Sequence[Audit] = ()) -> dict[Key, SizeDistribution]:
    """The distribution of each sample, of two populations each by itself, of one with what its audits say."""
    return distributions_by_sample({key: [item.measurement for item in each] for key, each in by_sample(items).items()}, audits)


def distributions_by_sample(grouped: Mapping[Key, Sequence[Measurement]], audits: Sequence[Audit] = ()) -> dict[Key, SizeDistribution]:
    """The same of measurements by sample."""
    found = {}
    for key, there in grouped.items():
        sizes = {"": size_distribution(there, population=key[2])}
        found[key] = (sizes if key[2] else audited(sizes, audits, there))[""]
    return found


def sample_summaries(items: Sequence[RunItem], audits: Sequence[Audit] = ()) -> list[dict[str, Any]]:
    """Of each sample: pictures, grids, particles, D50 with interval and verdict, and pictures whose settings differ from the others'."""
    grouped, sizes = by_sample(items), distributions_of(items, audits)
    found = []
    for key, each in grouped.items():
        sample, unit, population = key
        summary = sizes[key].summary()
        found.append(
            {
                "sample": sample,
                "unit": unit,
                **({"population": population} if population else {}),
                "images": [item.name for item in each],
                "grids": sorted({item.measurement.grid for item in each} - {""}),
                "deviating": deviating(each),
                **{name: summary[name] for name in ("n", "n_images", "d10", "d50", "d90", "gsd", "intervals", "d50_interval")},
                **{
                    name: summary[name]
                    for name in ("interval_basis", "segmentation", "corrected", "audited", "verdict", "usable", "why_not")
                },
            }
        )
    return found


def comparisons(items: Sequence[RunItem], audits: Sequence[Audit] = ()) -> list[dict[str, Any]]:
    """Each sample against each other (of many: each against the first), second over first; units and populations are not mixed."""
    grouped = {key: [item.measurement for item in each] for key, each in by_sample(items).items()}
    return compared(grouped, distributions_by_sample(grouped, audits))


def compared(grouped: Mapping[Key, Sequence[Measurement]], sizes: Mapping[Key, SizeDistribution]) -> list[dict[str, Any]]:
    """The same of measurements by sample, and their distributions."""
    found = []
    for unit, population in dict.fromkeys(key[1:] for key in grouped):
        keys = [key for key in grouped if key[1:] == (unit, population)]
        pairs = list(combinations(keys, 2))
        for one, other in pairs[: len(keys) - 1] if len(keys) > MOST_COMPARED else pairs:
            apart, stated = _calibration_apart(grouped[one], grouped[other])
            effect = effects(sizes[one], sizes[other], apart)
            told = {"population": population} if population else {}
            found.append({"one": one[0], "other": other[0], "unit": unit, **told, "calibration": stated, **effect})
    return found


def deviating(items: Sequence[RunItem]) -> list[str]:
    """Names of the pictures of a sample that were searched or split with other settings than most of it."""
    settings = [_settings(item) for item in items]
    usual = Counter(settings).most_common(1)[0][0] if settings else ""
    return [item.name for item, each in zip(items, settings, strict=True) if each != usual]


def _settings(item: RunItem) -> str:
    """What pictures of a sample share: model, splitting, and the size at which the model saw a nanometre (a px where none is known)."""
    length = item.measurement.calibration.nanometres or 1.0
    seen = [size * length for size in (item.size, item.other_size) if size] if item.size else [scale / length for scale in item.scales]
    return str([item.measurement.model_hash, sorted(item.splitting.items()), [f"{value:.3g}" for value in seen]])


def _calibration_apart(one: Sequence[Measurement], other: Sequence[Measurement]) -> tuple[float, str]:
    """What two samples do not share of the uncertainty of the calibration (relative, standard), and in words."""
    kinds = [{m.calibration.row or m.calibration.scale for m in each} for each in (one, other)]
    if kinds[0] == kinds[1]:
        return 0.0, "the same calibration on both sides, which cancels"
    each = [max(m.calibration.uncertainty for m in pool) for pool in (one, other)]
    if not all(each):
        return 0.0, "different calibrations, whose uncertainty is not stated: it is not in the intervals"
    return float(sum(value**2 for value in each) ** 0.5), "different calibrations, whose uncertainties are in the intervals"


def sample_name(sample: dict[str, Any]) -> str:
    """A sample, with the population where it holds two: "A, small"."""
    return ", ".join(filter(None, (sample["sample"], sample.get("population", ""))))


def sample_line(sample: dict[str, Any]) -> str:
    """A sample in a line, for a terminal."""
    head = f"{sample_name(sample)}: N = {sample['n']} in {len(sample['images'])} image{'' if len(sample['images']) == 1 else 's'}"
    grids = f" of {len(sample['grids'])} grids" if len(sample["grids"]) > 1 else ""
    if sample["n"] < FEWEST or sample["d50"] is None:
        return f"{head}{grids}: too few for a D50"
    verdict = "" if sample["usable"] else "; not usable as it is"
    return f"{head}{grids}: D50 {d50_words(sample)}{verdict}"


def comparison_line(effect: dict[str, Any]) -> str:
    """Two samples in a line, for a terminal and a report: of which D50, those found or those that audits correct."""
    which = f" ({effect['population']} particles)" if effect.get("population") else ""
    about = " as audits correct it" if effect["audited"] == "both" else " as found" if effect["audited"] else ""
    head = f"D50 of {effect['other']} over {effect['one']}{which}{about}"
    only = f"; an audit corrects that of {effect[effect['audited']]} alone, so audit both" if effect["audited"] in ("one", "other") else ""
    d50 = effect["ratios"].get("d50")
    if d50 is None:
        return f"{head}: none, {effect['why_none'] or 'there is nothing to compare'}"
    if d50["interval"] is None:
        why = effect["why_none"] or "pictures differ too much"
        return f"{head}: {d50['ratio']:.3g}, no interval ({why}){only}"
    low, high = d50["interval"]
    told = "differ" if d50["differs"] else "no difference is shown"
    half = (high - low) / 2
    return f"{head}: {rounded(d50['ratio'], half)} (95 %: {rounded(low, half)} to {rounded(high, half)}), {told}{only}"
