"""How often a model is right about a particle of which it says so much: learnt on outlines drawn by hand, and kept with the model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_CERTAIN = 1e-3  # probabilities this near to 0 and 1 are alike: half precision tells no more


@dataclass(frozen=True)
class Confidence:
    """P(right) = 1 / (1 + exp(−(`intercept` + `slope` · logit p))), p the mean foreground probability of a particle (Platt's scaling).

    Right is a particle that shares more than half of its union with one outlined by hand, or whose middle lies in a box of its size.
    """

    intercept: float
    slope: float

    def of(self, mean_probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Of mean probabilities (n,); NaN stays NaN."""
        odds: npt.NDArray[np.float64] = self.intercept + self.slope * logit(mean_probability)
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


def logit(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ln(p / (1 − p)) of probabilities (n,), those next to 0 and 1 kept off."""
    p = np.clip(np.asarray(probability, np.float64), _CERTAIN, 1 - _CERTAIN)
    return np.asarray(np.log(p / (1 - p)), np.float64)
