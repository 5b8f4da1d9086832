"""An audit as it holds of a result: of the one that was judged, or of a new one of the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from napari_temseg.engine.measure.audit.outcome import Answers, between, outcome
from napari_temseg.engine.measure.audit.sampling import STRATA, AuditSample
from napari_temseg.engine.measure.distribution import SizeDistribution
from napari_temseg.engine.measure.measurement import Measurement

_ALIKE = 1.25  # ratio of diameters up to which a particle of a new result is the one that was judged


@dataclass(frozen=True)
class Audit:
    """A sample and the answers of one auditor; `missed` are, by number of the field, places (y, x) and lengths in px of its picture."""

    sample: AuditSample
    answers: Answers
    missed: dict[int, list[tuple[float, float, float]]]


def outcomes(audits: Sequence[Audit], measurements: Sequence[Measurement], sizes: SizeDistribution | None) -> dict[str, Any] | None:
    """What the newest audit says of measurements and their `sizes`, with "others" of further auditors, "between" them.

    `sizes` are None of two populations, which have no D50 in common to be corrected.
    "corrected" names the interval of the D50 that it corrects, which holds what counting and calibration leave open too. None without an
    audit that fits.
    """
    fitting = [carried(audit, measurements) for audit in audits]
    d50 = None if sizes is None else sizes.quantile(0.5)
    told = [outcome(audit.sample, audit.answers, d50) for audit in fitting if audit.answers.decisions]
    if not told:
        return None
    judged = [audit for audit in fitting if audit.answers.decisions]
    pairs = [between(one.answers, judged[-1].answers) for one in judged[:-1] if one.sample == judged[-1].sample]
    return {
        **told[-1],
        "corrected": _corrected(told[-1], sizes),
        "not_fitting": len(audits[-1].answers.decisions) - told[-1]["judged"],
        "others": told[:-1],
        "between": [p for p in pairs if p],
    }


def audited(
    sizes: Mapping[str, SizeDistribution], audits: Sequence[Audit], measurements: Sequence[Measurement]
) -> dict[str, SizeDistribution]:
    """Distributions of `measurements`, by any name, with what their audits say: that corrects the D50 of a single one."""
    only = next(iter(sizes.values())) if len(sizes) == 1 else None
    one_unit = len({each.unit for each in sizes.values()}) == 1
    told = outcomes(audits, measurements, only) if audits and one_unit else None
    return {name: replace(each, audit=told) for name, each in sizes.items()} if told else dict(sizes)


def _corrected(told: dict[str, Any], sizes: SizeDistribution | None) -> dict[str, Any] | None:
    if sizes is None or told["corrected_d50"] is None or told["corrected_d50_interval"] is None:
        return None
    name, found = sizes.audited(told["corrected_d50"], told["corrected_d50_interval"])
    return {"name": name, **found}


def carried(audit: Audit, measurements: Sequence[Measurement]) -> Audit:
    """The audit as it holds of measurements of the same pictures, found by their content: of the same result all of it.

    A judged particle is the nearest of the new result whose middle lies within it, if its diameter is about the same; what was missed is
    missed no more where a particle is now.
    """
    particles, fields, decisions, kept_missed = list(audit.sample.particles), list(audit.sample.fields), {}, {}
    trees = {(m.content_hash, m.image if not m.content_hash else ""): _Finder(m) for m in measurements}
    sizes = np.concatenate([each.diameter * each.scale for each in trees.values()]) if trees else np.zeros(0)
    if not len(sizes):
        return Audit(audit.sample, Answers(audit.answers.auditor, audit.answers.finished, {}, {}), {})
    edges = np.quantile(sizes, np.linspace(0, 1, min(STRATA, len(sizes)) + 1))[1:-1]
    for number, decision in audit.answers.decisions.items():
        old = particles[number]
        new = _finder(trees, old.content_hash, old.image)
        at = None if new is None else new.at(old.plane, old.y, old.x, old.ecd)
        if new is None or at is None:
            continue
        diameter = float(new.diameter[at])
        particles[number] = old._replace(ecd=diameter, scale=new.scale, stratum=int(np.searchsorted(edges, diameter * new.scale)))
        decisions[number] = decision
    for number, places in audit.missed.items():
        field = audit.sample.fields[number]
        new = _finder(trees, field.content_hash, field.image)
        if new is not None:
            fields[number] = field._replace(scale=new.scale)
            kept_missed[number] = [(y, x, length) for y, x, length in places if new.at(field.plane, y, x, None) is None]
    population = np.bincount(np.searchsorted(edges, sizes), minlength=len(edges) + 1).tolist()
    area = sum(m.valid_area * m.n_planes * float(np.prod(m.calibration.scale)) for m in measurements)
    unit = measurements[0].length_unit if measurements else audit.sample.unit
    sample = AuditSample(tuple(particles), tuple(fields), tuple(population), area, unit)
    lengths = {number: audit.answers.lengths[number] for number in decisions if number in audit.answers.lengths}
    missed = {number: [length for _, _, length in each] for number, each in kept_missed.items()}
    answers = Answers(audit.answers.auditor, audit.answers.finished, decisions, lengths, missed)
    return Audit(sample, answers, kept_missed)


class _Finder:
    """The particles of a measurement that count, by place."""

    def __init__(self, measurement: Measurement) -> None:
        table = measurement.table[(~measurement.table["frame"]) & (measurement.table["excluded"] == "")]
        self.scale = float(np.sqrt(np.prod(measurement.calibration.scale)))
        self.diameter = table[measurement.column("ecd")].to_numpy(np.float64) / self.scale
        self.plane = table["plane"].to_numpy()
        self.places = table[["centroid_y_px", "centroid_x_px"]].to_numpy(np.float64)
        self.tree = cKDTree(self.places) if len(table) else None

    def at(self, plane: int, y: float, x: float, diameter: float | None) -> int | None:
        """The particle within whose radius the place lies, about as large as `diameter` where that is given."""
        if self.tree is None:
            return None
        for index in np.atleast_1d(self.tree.query((y, x), k=min(4, len(self.places)))[1]).tolist():
            near = float(np.hypot(*(self.places[index] - (y, x)))) <= self.diameter[index] / 2
            alike = diameter is None or 1 / _ALIKE <= self.diameter[index] / diameter <= _ALIKE
            if near and alike and self.plane[index] == plane:
                return int(index)
        return None


def _finder(trees: dict[tuple[str, str], _Finder], content_hash: str, image: str) -> _Finder | None:
    return trees.get((content_hash, "" if content_hash else image))
