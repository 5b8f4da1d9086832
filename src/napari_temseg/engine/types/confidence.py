"""How often a model is right about a particle of which it says so much: learnt on outlines drawn by hand, and kept with the model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

EVEN = 0.5  # confidence of a particle below which the model rather doubts it
KEPT_FROM = 0.75  # mean foreground probability from which on a piece is kept that a model for one band of sizes found
STANDING_OUT = "standing_out"  # column of how far particles stand out of the picture
Floats = npt.NDArray[np.float64]
_CERTAIN = 1e-3  # probabilities this near to 0 and 1 are alike: half precision tells no more
# On tune parts the odds that a particle is right fall with the 2.0 to 2.5-th power of what it lacks of 0.6, whichever sets are left out.
_ENOUGH, _POWER = 0.6, 2.2


@dataclass(frozen=True)
class Confidence:
    """P(right) = 1 / (1 + exp(−(`intercept` + `slope` · logit p))), p the mean foreground probability of a particle (Platt's scaling), less
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
