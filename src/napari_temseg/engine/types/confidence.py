"""How sure one may be of particles: how often a model is right about one of which it says so much, and which look like several."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

STROKED = 1.0  # confidence of a particle that somebody stroked as one; none comes of a curve
EVEN = 0.5  # confidence of a particle below which the model rather doubts it
KEPT_FROM = 0.75  # mean foreground probability from which on a piece is kept that a model for one band of sizes found
STANDING_OUT = "standing_out"  # column of how far particles stand out of the picture
CLEAR_SEAM = 7.0  # times the noise: three of four with such a seam are two, of those with a fainter one every third (see `doubts`)
Floats = npt.NDArray[np.float64]
_CERTAIN = 1e-3  # probabilities this near to 0 and 1 are alike: half precision tells no more
# On tune parts the odds that a particle is right fall with the 2.0 to 2.5-th power of what it lacks of 0.6, whichever sets are left out.
_ENOUGH, _POWER = 0.6, 2.2


@dataclass(frozen=True)
class Confidence:
    """Learnt on outlines drawn by hand, and kept with the model.

    P(right) = 1 / (1 + exp(−(`intercept` + `slope` · logit p))), p the mean foreground probability of a particle (Platt's scaling), less
    where it hardly stands out of the picture (see `judged`).

    Right is a particle that shares more than half of its union with one outlined by hand, or whose middle lies in a box of its size.
    """

    intercept: float
    slope: float

    def of(self, mean_probability: Floats, standing_out: Floats | None = None) -> Floats:
        """Of mean probabilities (n,), and how far the particles stand out, where that is known; NaN stays NaN."""
        p = mean_probability if standing_out is None else judged(mean_probability, standing_out)
        odds: Floats = self.intercept + self.slope * logit(p)
        return np.asarray(1 / (1 + np.exp(-odds)), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Its plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Confidence:
        """From `to_dict`; `ValueError` for numbers that can be none."""
        found = cls(float(stored["intercept"]), float(stored["slope"]))
        if not (math.isfinite(found.intercept) and 0 <= found.slope < math.inf):
            raise ValueError("its confidence is no rising curve")
        return found


@dataclass(frozen=True)
class Doubts:
    """`two` gives each particle that looks like several the strength at which it comes apart (1 where no strength is known to), the
    most doubtful first; `one` are pairs of touching labels that look like one particle, with the strength below which they stay together.

    `seams` tells of those in `two` how many times the noise the picture is steep where they would be cut (absent where no picture told).
    `others` are the strengths at which particles would come apart that do not look like several.
    """

    two: dict[int, float] = field(default_factory=dict)
    one: dict[tuple[int, int], float] = field(default_factory=dict)
    seams: dict[int, float] = field(default_factory=dict)
    others: tuple[float, ...] = ()

    @property
    def order(self) -> list[int]:
        """All labels concerned, the most doubtful first."""
        paired = [label for pair in self.one for label in pair]
        return list(dict.fromkeys([*self.two, *paired]))

    @property
    def clear(self) -> list[int]:
        """Those that look like several and show a seam that is hardly anything else."""
        return [label for label in self.two if self.seams.get(label, 0.0) >= CLEAR_SEAM]

    def strength(self, share: float = 0.9) -> float:
        """The strength at which this share of those that look like two, and come apart at all, do."""
        known = sorted(value for value in self.two.values() if value < 1)
        return known[min(len(known) - 1, int(share * len(known)))] if known else 1.0

    def rows(self) -> list[tuple[float, ...]]:
        """As numbers that can be written: label, its partner (0 for one that looks like several), strength, seam (0 where not known)."""
        two = [(label, 0, value, self.seams.get(label, 0.0)) for label, value in self.two.items()]
        return [*two, *((*pair, value, 0.0) for pair, value in self.one.items())]

    @classmethod
    def of_rows(cls, rows: Iterable[Sequence[float]]) -> Doubts:
        """From what `rows` gave, also before it told of seams."""
        read = [(int(first), int(second), value, next(iter(seam), 0.0)) for first, second, value, *seam in rows]
        pairs = {(a, b): value for a, b, value, _ in read if b}
        return cls({a: value for a, b, value, _ in read if not b}, pairs, {a: seam for a, _, _, seam in read if seam})

    def among(self, labels: Collection[int]) -> Doubts:
        """Those that concern these labels alone."""
        kept = set(labels)
        return Doubts(
            {label: value for label, value in self.two.items() if label in kept},
            {pair: value for pair, value in self.one.items() if kept.issuperset(pair)},
            {label: value for label, value in self.seams.items() if label in kept},
            self.others,
        )


def judged(mean_probability: Floats, standing_out: Floats) -> Floats:
    """Mean probabilities (n,) as they count for particles that stand out by `standing_out` (n,; 1: as far as the most certain ones).

    The odds fall where that is not enough, and are what they are where it is not known (NaN).
    """
    missing = np.minimum(np.log(np.nan_to_num(standing_out, nan=1.0) / _ENOUGH), 0.0)
    less = 1 / (1 + np.exp(-logit(mean_probability) - _POWER * missing))
    return np.asarray(np.where(missing < 0, less, mean_probability), np.float64)


def logit(probability: Floats) -> Floats:
    """ln(p / (1 − p)) of probabilities (n,), those next to 0 and 1 kept off."""
    p = np.clip(np.asarray(probability, np.float64), _CERTAIN, 1 - _CERTAIN)
    return np.asarray(np.log(p / (1 - p)), np.float64)
