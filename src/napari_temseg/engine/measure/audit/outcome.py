"""What an audit says: precision, recall by size, agreement of diameters (Bland and Altman), and D50 corrected by it.

Sampled particles stand for their stratum; missed particles that were found in fields for the area of all pictures. The corrected D50 is the
found one times a ratio: the median of the auditor's diameters (of what was not rejected, and of what was missed) over that of the
program's diameters of all that was looked at. Several in one count as often as the one that was measured goes into their area; where
that is once, what is left of the area is the other one. A part of one counts as the share that it is. The interval comes from resampling
within strata, and fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.audit.sampling import AuditSample
from napari_temseg.engine.measure.weighted import quantile
from napari_temseg.engine.types.errors import TemsegError

Floats = npt.NDArray[np.float64]
ACCEPT, REJECT, SEVERAL, PIECE = "accept", "reject", "split", "part"
DECISIONS = (ACCEPT, REJECT, SEVERAL, PIECE)  # one particle, well outlined; none; several in one; a piece of one
ENOUGH = 30  # judged particles from which an audit corrects a result
LEAST_OTHER = 0.5  # diameter of the second of two in one, of that of the first, at least
_NONE_SEEN = 3.0  # of what was never seen, so many may be expected at most (95 %: the rule of three)
_REPLICATES = 400
_SIZES = 3  # ranges of recall


@dataclass(frozen=True)
class Answers:
    """What one auditor said: `decisions` and `lengths` (px, measured blind) by the number of the particle in the sample, and by that of
    each field the lengths (px) of the particles missed in it; who, and when (ISO 8601)."""

    auditor: str
    finished: str
    decisions: Mapping[int, str]
    lengths: Mapping[int, float]
    missed: Mapping[int, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = sorted(set(self.decisions.values()) - set(DECISIONS))
        if wrong:
            raise TemsegError(f"An audit knows no decision “{wrong[0]}”; it is one of {', '.join(DECISIONS)}.")


def outcome(sample: AuditSample, answers: Answers, d50: float | None) -> dict[str, Any]:
    """The result of an audit as plain values, lengths in the unit of the sample; `d50` is the one found."""
    judged = [number for number in sorted(answers.decisions) if number < len(sample.particles)]
    if not judged:
        raise TemsegError(f"The audit of {answers.auditor or 'nobody'} judges no particle; judge some before it is taken.")
    data = _Data.of(sample, answers, judged)
    everything = np.arange(len(judged))
    fields = np.array(sorted(answers.missed), np.intp)
    found = _figures(data, everything, fields, d50)
    rng = np.random.default_rng(0)
    again = [
        _figures(data, data.resampled(rng), rng.choice(fields, len(fields)) if len(fields) else fields, d50) for _ in range(_REPLICATES)
    ]
    enough = len(judged) >= ENOUGH
    told: dict[str, Any] = {
        "auditor": answers.auditor,
        "finished": answers.finished,
        "judged": len(judged),
        "fields": len(fields),
        "decisions": {name: int((data.decision == name).sum()) for name in DECISIONS},
        "missed": sum(len(each) for each in answers.missed.values()),
        **{name: value for name, value in found.items() if name != "corrected_d50"},
        "precision_interval": [1 - min(_NONE_SEEN / len(judged), 1), 1.0] if found["precision"] == 1 else _ends_of("precision", again),
        "recall_interval": _perfect_recall(data) if found["recall"] == 1 else _ends_of("recall", again),
        "agreement": _agreement(data),
        "recall_by_size": _by_size(data, fields),
        "corrected_d50": found["corrected_d50"] if enough else None,
        "corrected_d50_interval": _ends_of("corrected_d50", again) if enough else None,
    }
    return told


@dataclass(frozen=True, eq=False)
class _Data:
    """The judged particles as arrays: program's and auditor's diameters (unit), decision, stratum, weight; missed ones by field."""

    ecd: Floats
    length: Floats
    decision: npt.NDArray[np.str_]
    stratum: npt.NDArray[np.intp]
    weight: Floats
    missed: dict[int, Floats]
    missed_weight: float
    population: int

    @classmethod
    def of(cls, sample: AuditSample, answers: Answers, judged: Sequence[int]) -> _Data:
        rows = [sample.particles[number] for number in judged]
        scale = np.array([row.scale for row in rows])
        length = np.array([answers.lengths.get(number, math.nan) for number in judged]) * scale
        stratum = np.array([row.stratum for row in rows])
        count = np.bincount(stratum, minlength=len(sample.population))
        weight = np.asarray(sample.population, float)[stratum] / count[stratum]
        seen = sum(sample.fields[k].side ** 2 * sample.fields[k].scale ** 2 for k in answers.missed if k < len(sample.fields))
        missed = {k: np.asarray(each, float) * sample.fields[k].scale for k, each in answers.missed.items() if k < len(sample.fields)}
        decision = np.array([answers.decisions[number] for number in judged])
        ecd = np.array([row.ecd for row in rows]) * scale
        return cls(ecd, length, decision, stratum, weight, missed, sample.area / seen if seen else 0.0, sum(sample.population))

    @property
    def times(self) -> Floats:
        """How many particles of the diameter measured each judged one stands for, by its area."""
        with np.errstate(divide="ignore", invalid="ignore"):
            goes = np.nan_to_num((self.ecd / self.length) ** 2, nan=1.0, posinf=1.0)
        several, part = self.decision == SEVERAL, self.decision == PIECE
        return np.select([several, part], [np.maximum(np.floor(goes), 1.0), np.minimum(goes, 1.0)], 1.0)

    @property
    def other(self) -> Floats:
        """Diameter of the second of several in one, of which the measured one takes more than half; NaN where there is none."""
        left = np.sqrt(np.maximum(self.ecd**2 - self.length**2, (LEAST_OTHER * self.length) ** 2))
        return np.where((self.decision == SEVERAL) & (self.times < 2), left, np.nan)

    def resampled(self, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Indices drawn again within each stratum."""
        drawn = [rng.choice(here, len(here)) for s in np.unique(self.stratum) if len(here := np.flatnonzero(self.stratum == s))]
        return np.concatenate(drawn)


def _figures(data: _Data, which: npt.NDArray[np.intp], fields: npt.NDArray[np.intp], d50: float | None) -> dict[str, float | None]:
    """Precision, recall and the corrected D50 of a resampled audit."""
    weight, decision = data.weight[which], data.decision[which]
    precision = float(weight[decision == ACCEPT].sum() / weight.sum())
    real = decision != REJECT
    missed = np.concatenate([data.missed[k] for k in fields.tolist()]) if len(fields) else np.zeros(0)
    there = float(weight[real].sum())
    recall = there / (there + len(missed) * data.missed_weight) if len(fields) and there else None
    measured = real & np.isfinite(data.length[which])
    times, other = data.times[which], data.other[which]
    second = measured & np.isfinite(other)
    lengths = np.concatenate([data.length[which][measured], other[second], missed])
    weights = np.concatenate([(weight * times)[measured], weight[second], np.full(len(missed), data.missed_weight)])
    corrected = None
    if d50 is not None and measured.any():
        corrected = d50 * _median(lengths, weights) / _median(data.ecd[which], weight)
    return {"precision": precision, "recall": recall, "corrected_d50": corrected}


def _median(x: Floats, w: Floats) -> float:
    order = np.argsort(x, kind="stable")
    return quantile(x[order], w[order], 0.5)


def _perfect_recall(data: _Data) -> list[float]:
    """Where nothing was missed in the fields resampling tells nothing: three could have been, at most."""
    there = float(data.weight[data.decision != REJECT].sum())
    return [there / (there + _NONE_SEEN * data.missed_weight), 1.0]


def _ends_of(name: str, again: Sequence[Mapping[str, float | None]]) -> list[float] | None:
    values = [each[name] for each in again]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return [float(low), float(high)]


def _agreement(data: _Data) -> dict[str, Any] | None:
    """Bland and Altman on the logarithm: the program's diameter over the auditor's, of accepted particles; bias and limits as shares."""
    good = (data.decision == ACCEPT) & np.isfinite(data.length) & (data.length > 0)
    if good.sum() < 2:
        return None
    difference, weight = np.log(data.ecd[good] / data.length[good]), data.weight[good]
    mean = float((weight * difference).sum() / weight.sum())
    sd = float(np.sqrt((weight * (difference - mean) ** 2).sum() / weight.sum() * good.sum() / (good.sum() - 1)))
    pairs = [[float(a), float(b)] for a, b in zip(data.length[good], data.ecd[good], strict=True)]
    return {
        "n": int(good.sum()),
        "bias": math.expm1(mean),
        "limits": [math.expm1(mean - 1.96 * sd), math.expm1(mean + 1.96 * sd)],
        "pairs": pairs,
    }


def _by_size(data: _Data, fields: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
    """Recall in ranges of size that hold equally many particles found."""
    if not len(fields):
        return []
    real = data.decision != REJECT
    edges = np.quantile(data.ecd[real], np.linspace(0, 1, _SIZES + 1)) if real.any() else np.zeros(_SIZES + 1)
    edges[0], edges[-1] = 0.0, math.inf
    missed = np.concatenate([data.missed[k] for k in fields.tolist()])
    told = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        there = float(data.weight[real & (data.ecd >= low) & (data.ecd < high)].sum())
        gone = float(((missed >= low) & (missed < high)).sum() * data.missed_weight)
        recall = there / (there + gone) if there + gone else None
        told.append({"from": low, "to": high if math.isfinite(high) else None, "recall": recall})
    return told


def between(one: Answers, other: Answers) -> dict[str, Any] | None:
    """How two auditors agree on what both measured and judged: n, equal decisions (a share), bias and limits of their lengths."""
    both = sorted(set(one.decisions) & set(other.decisions))
    if not both:
        return None
    same = float(np.mean([one.decisions[number] == other.decisions[number] for number in both]))
    pairs = [(one.lengths[n], other.lengths[n]) for n in both if one.lengths.get(n) and other.lengths.get(n)]
    told: dict[str, Any] = {"auditors": [one.auditor, other.auditor], "n": len(both), "equal_decisions": same, "bias": None, "limits": None}
    if len(pairs) > 1:
        difference = np.log([b / a for a, b in pairs])
        mean, sd = float(difference.mean()), float(difference.std(ddof=1))
        told |= {"bias": math.expm1(mean), "limits": [math.expm1(mean - 1.96 * sd), math.expm1(mean + 1.96 * sd)]}
    return told
