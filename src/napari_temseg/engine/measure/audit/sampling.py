"""What an auditor looks at: particles drawn at random from strata of equal numbers by size, and random fields of the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from napari_temseg.engine.measure.measurement import Measurement

_SAMPLED, _BLANKS, STRATA = 100, 20, 10
_FIELD_SIDE = 6.0  # of the median diameter
_LEAST_SIDE = 48  # px


class AuditParticle(NamedTuple):
    """A particle to be judged: its picture (name, content hash), plane, label, centre and diameter in px, length of a px, and stratum."""

    image: str
    content_hash: str
    plane: int
    particle: int
    y: float
    x: float
    ecd: float
    scale: float
    stratum: int


class AuditField(NamedTuple):
    """A square (px) of a picture to be searched for particles that were missed."""

    image: str
    content_hash: str
    plane: int
    top: int
    left: int
    side: int
    scale: float


class AuditSample(NamedTuple):
    """Everything to be looked at; `population` is the number of particles in each stratum, `area` that of all pictures in unit²."""

    particles: tuple[AuditParticle, ...]
    fields: tuple[AuditField, ...]
    population: tuple[int, ...]
    area: float
    unit: str


def drawn(measurements: Sequence[Measurement], seed: int = 0) -> AuditSample | None:
    """Draw particles that count and fields; the same measurements give the same sample. None without particles, or of mixed units."""
    units = {measurement.length_unit for measurement in measurements}
    if len(units) != 1:
        return None
    rng = np.random.default_rng(seed)
    rows = [_rows(measurement) for measurement in measurements]
    found = [row for each in rows for row in each]
    if not found:
        return None
    order = np.argsort([row.ecd * row.scale for row in found], kind="stable")
    strata = np.array_split(order, min(STRATA, len(order)))
    each = -(-_SAMPLED // len(strata))
    picked = [
        found[index]._replace(stratum=number) for number, stratum in enumerate(strata) for index in rng.permutation(stratum)[:each].tolist()
    ]
    picked = [picked[index] for index in rng.permutation(len(picked)).tolist()]
    area = sum(m.valid_area * m.n_planes * float(np.prod(m.calibration.scale)) for m in measurements)
    middle = float(np.median([row.ecd * row.scale for row in found]))
    return AuditSample(tuple(picked), _fields(measurements, middle, rng), tuple(map(len, strata)), area, units.pop())


def _rows(measurement: Measurement) -> list[AuditParticle]:
    table = measurement.table[(~measurement.table["frame"]) & (measurement.table["excluded"] == "")]
    scale = float(np.sqrt(np.prod(measurement.calibration.scale)))
    columns = ("plane", "particle", "centroid_y_px", "centroid_x_px", measurement.column("ecd"))
    return [
        AuditParticle(measurement.image, measurement.content_hash, int(plane), int(label), float(y), float(x), float(ecd) / scale, scale, 0)
        for plane, label, y, x, ecd in zip(*(table[name] for name in columns), strict=True)
    ]


def _fields(measurements: Sequence[Measurement], middle: float, rng: np.random.Generator) -> tuple[AuditField, ...]:
    """Random squares that lie wholly in areas looked at, pictures chosen by their area."""
    weights = np.array([m.valid_area * m.n_planes * float(np.prod(m.calibration.scale)) for m in measurements])
    masks = [m.valid for m in measurements]
    found: list[AuditField] = []
    for _ in range(20 * _BLANKS):
        index = int(rng.choice(len(measurements), p=weights / weights.sum()))
        m, valid = measurements[index], masks[index]
        scale = float(np.sqrt(np.prod(m.calibration.scale)))
        side = int(min(max(_FIELD_SIDE * middle / scale, _LEAST_SIDE), *m.frame))
        top, left = (int(rng.integers(0, length - side + 1)) for length in m.frame)
        if valid is None or valid[top : top + side, left : left + side].all():
            found.append(AuditField(m.image, m.content_hash, int(rng.integers(m.n_planes)), top, left, side, scale))
        if len(found) == _BLANKS:
            break
    return tuple(found)
