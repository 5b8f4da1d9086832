"""Statistics of weighted sizes, and the same of many resampled weights at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
STATISTICS = ("mean", "gsd", "d10", "d50", "d90", "dv50", "d32", "d43")  # those that get intervals
_NUMBERS, _VOLUMES = {"d10": 0.1, "d50": 0.5, "d90": 0.9}, {"dv50": 0.5}


def effective(weights: Floats) -> float:
    """(Σw)² / Σw²: how many equally weighted particles tell as much."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def mean_sd(x: Floats, w: Floats) -> tuple[float, float | None]:
    """Weighted mean and standard deviation, unbiased for weights that say how much, not how often; no deviation of one value."""
    total = w.sum()
    mean = (w * x).sum() / total
    rest = total - (w**2).sum() / total
    return float(mean), float(np.sqrt((w * (x - mean) ** 2).sum() / rest)) if len(x) > 1 else None


def quantile(x: Floats, w: Floats, share: float) -> float:
    """Weighted quantile of ascending values, each standing at the middle of its weight, linear in between."""
    cumulated = np.cumsum(w)
    return float(np.interp(share * cumulated[-1], cumulated - w / 2, x))


def statistics_of(x: Floats, w: Floats) -> dict[str, Floats]:
    """`STATISTICS` of ascending sizes `x` (n,) under each row of weights `w` (draws, n): name → (draws,); the GSD without n − 1."""
    total = w.sum(axis=1)
    powers = {power: w @ x**power for power in (1, 2, 3, 4)}
    logs = np.log(x) - np.log(x).mean()  # squares of small numbers lose nothing
    middle = w @ logs / total
    spread = np.maximum(w @ logs**2 / total - middle**2, 0)
    found = {"mean": powers[1] / total, "gsd": np.exp(np.sqrt(spread)), "d32": powers[3] / powers[2], "d43": powers[4] / powers[3]}
    for names, weights in ((_NUMBERS, w), (_VOLUMES, w * x**3)):
        cumulated = np.cumsum(weights, axis=1)
        middles = cumulated - weights / 2
        found |= {name: _crossing(x, middles, share * cumulated[:, -1]) for name, share in names.items()}
    return {name: found[name] for name in STATISTICS}


def _crossing(x: Floats, middles: Floats, level: Floats) -> Floats:
    """Where each ascending row of `middles`, as a function of `x`, reaches its `level`: linear in between, constant beyond its ends."""
    above = np.clip((middles < level[:, None]).sum(axis=1), 1, max(len(x) - 1, 1))
    if len(x) == 1:
        return np.full(len(level), x[0])
    rows = np.arange(len(level))
    low, high = middles[rows, above - 1], middles[rows, above]
    share = np.divide(level - low, high - low, out=np.zeros(len(level)), where=high > low)
    return np.asarray(x[above - 1] + np.clip(share, 0, 1) * (x[above] - x[above - 1]))
