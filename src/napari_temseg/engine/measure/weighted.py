"""Statistics of weighted sizes, and the same of many resampled weights at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.units import to_nanometres

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


def moments(x: Floats, w: Floats, unit: str) -> dict[str, float | None]:
    """Means and moments of sizes (n,) in `unit` with their weights, as `DISTRIBUTION_STATISTICS` defines them; None of none."""
    names = ("mean", "sd", "geometric_mean", "gsd", "d32", "d43", "n_eff", "n_eff_volume", "share_below_100nm")
    figures: dict[str, float | None] = dict.fromkeys(names)
    if not len(x):
        return figures
    volume = w * x**3
    mean, sd = mean_sd(x, w)
    log_mean, log_sd = mean_sd(np.log(x), w)
    figures |= {
        "mean": mean,
        "sd": sd,
        "geometric_mean": float(np.exp(log_mean)),
        "gsd": None if log_sd is None else float(np.exp(log_sd)),
    }
    figures |= {"d32": float(volume.sum() / (w * x**2).sum()), "d43": float((volume * x).sum() / volume.sum())}
    figures |= {"n_eff": effective(w), "n_eff_volume": effective(volume)}
    if unit != "px":
        figures["share_below_100nm"] = float(w[x * to_nanometres(1, unit) < 100].sum() / w.sum())
    return figures


def quantiles(x: Floats, w: Floats) -> dict[str, float | None]:
    """Quantiles of sizes (n,), ascending, by number, surface and volume, and their spans; None where there are no sizes."""

    def at(share: float, power: int = 0) -> float | None:
        return quantile(x, w * x**power, share) if len(x) else None

    figures: dict[str, float | None] = {"median": at(0.5)}
    for name, power in (("d", 0), ("ds", 2), ("dv", 3)):
        low, middle, high = (at(share, power) for share in (0.1, 0.5, 0.9))
        figures |= {f"{name}10": low, f"{name}50": middle, f"{name}90": high}
        span = None if low is None or middle is None or high is None else (high - low) / middle
        figures["span" if power == 0 else f"{name}_span"] = span
    return figures
