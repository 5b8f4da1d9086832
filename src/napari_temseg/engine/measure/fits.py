"""Normal, lognormal, Weibull and two lognormals, fitted to weighted sizes, and whether any of them describes the sizes.

Maximum likelihood with the weights as if they were counts, above a size `lowest` below which nothing is looked at (left-truncated). A
fit is inadequate only where two things hold: the bootstrap says that sizes drawn from it would not lie so far from it (largest difference
of the cumulative curves, recentred, fitted anew; pictures are resampled where there are enough of them), and that difference is one
that matters, `MATTERS`. Large numbers alone reject nothing. Nor does a small number excuse anything: beyond `TOO_FAR` no fit is adequate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special  # not stats, which takes longer to import than most pictures to measure

from napari_temseg.engine.measure.histogram_bins import around
from napari_temseg.engine.measure.resampling import resampled
from napari_temseg.engine.measure.weighted import effective
from napari_temseg.engine.types.wording import FEWEST, percent

Floats = npt.NDArray[np.float64]
MATTERS = 0.05  # largest difference of two cumulative curves that nobody minds
TOO_FAR = 0.1  # that of a curve which is never drawn, even where chance could explain it
SIGNIFICANT = 0.05
MOST_OF_ALL = 0.5  # share of the particles that a curve is of, where it is drawn
CLUSTERS = 5  # pictures from which on they are resampled
ENOUGH_FOR_TWO = 50  # particles from which on two lognormals are tried
_BETTER = 6.0  # by the Bayesian criterion: what two lognormals must gain on one curve that is adequate
_REPLICATES = 100
_NARROWEST = 0.01  # standard deviation of ln x that each of two lognormals has at least
_ROUNDS = 60
_BINS = 400


@dataclass(frozen=True)
class Family:
    """A family of curves: names of its parameters, how rows of weights are fitted, its cumulative curve, density and quantiles.

    Parameters are (rows, p), weights (rows, k), sizes (k,); `fit` takes sizes, weights, `lowest` and starting values or None.
    """

    names: tuple[str, ...]
    fit: Callable[[Floats, Floats, float, Floats | None], Floats]
    cdf: Callable[[Floats, Floats], Floats]
    logpdf: Callable[[Floats, Floats], Floats]


def _normal_fit(z: Floats, w: Floats, lowest: float, _: Floats | None) -> Floats:
    """Mean and standard deviation of normal values above `lowest`: those below are expected and counted (EM)."""
    total = w.sum(axis=1)
    first, second = w @ z / total, w @ z**2 / total
    mean, sd = first, np.sqrt(np.maximum(second - first**2, 1e-12))
    if not np.isfinite(lowest):
        return np.column_stack([mean, sd])
    for _round in range(4 * _ROUNDS):
        alpha = (lowest - mean) / sd
        below = np.minimum(special.ndtr(alpha), 0.9)
        missing = below / (1 - below)
        hazard = np.exp(-(alpha**2) / 2) / np.sqrt(2 * np.pi) / np.maximum(special.ndtr(alpha), 1e-300)
        there = mean - sd * hazard
        spread = sd**2 * (1 - alpha * hazard - hazard**2) + there**2
        mean = (first + missing * there) / (1 + missing)
        sd = np.sqrt(np.maximum((second + missing * spread) / (1 + missing) - mean**2, 1e-12))
    return np.column_stack([mean, sd])


def _log(lowest: float) -> float:
    return float(np.log(lowest)) if lowest > 0 else -np.inf


def _lognormal_fit(x: Floats, w: Floats, lowest: float, start: Floats | None) -> Floats:
    return _normal_fit(np.log(x), w, _log(lowest), start)


def _normal_bounded(x: Floats, w: Floats, lowest: float, start: Floats | None) -> Floats:
    return _normal_fit(x, w, lowest if lowest > 0 else -np.inf, start)


def _weibull_fit(x: Floats, w: Floats, lowest: float, _: Floats | None) -> Floats:
    """Scale and shape: the scale in closed form, the shape by halving an interval of its logarithm."""
    unit = x.max()
    u, floor = x / unit, max(lowest, 0.0) / unit
    logs, total = np.log(u), w.sum(axis=1)
    middle = w @ logs / total

    def slope(shape: Floats) -> Floats:
        """Derivative of the profile likelihood by the shape, over the total weight."""
        powers = np.exp(shape[:, None] * logs)
        scaled = (w * powers).sum(axis=1) / total - floor**shape
        weighted = (w * powers * logs).sum(axis=1) / total - (floor**shape * np.log(floor) if floor > 0 else 0.0)
        return np.asarray(1 / shape + middle - weighted / np.maximum(scaled, 1e-300))

    low, high = np.full(len(w), np.log(0.1)), np.full(len(w), np.log(200.0))
    for _round in range(40):
        half = (low + high) / 2
        up = slope(np.exp(half)) > 0
        low, high = np.where(up, half, low), np.where(up, high, half)
    shape = np.exp((low + high) / 2)
    scaled = (w * np.exp(shape[:, None] * logs)).sum(axis=1) / total - floor**shape
    return np.column_stack([unit * np.maximum(scaled, 1e-300) ** (1 / shape), shape])


def _two_fit(x: Floats, w: Floats, lowest: float, start: Floats | None) -> Floats:
    """Share of the first, then mean and standard deviation of ln x of each, by EM; started at the halves of the sizes."""
    z = np.log(x)
    rows = len(w)
    if start is None:
        start = max((_two_from(z, w[:1], share) for share in (0.2, 0.5, 0.8)), key=lambda p: float((w[:1] * _two_logpdf(x, p)).sum()))
    found = np.tile(start, (rows, 1)) if len(start) == 1 else start.copy()
    for _round in range(4 * _ROUNDS if rows == 1 else _ROUNDS):
        found = _two_step(z, w, found)
    del lowest  # what lies below is little beside what two curves leave open
    return found


def _two_from(z: Floats, w: Floats, share: float) -> Floats:
    cumulated = np.cumsum(w[0]) / w[0].sum()
    lower = cumulated <= share
    found = [share]
    for part in (lower, ~lower):
        weight = w[0] * part + 1e-12
        mean = float((weight * z).sum() / weight.sum())
        found += [mean, float(np.sqrt((weight * (z - mean) ** 2).sum() / weight.sum())) + 0.02]
    return np.array([found])


def _two_step(z: Floats, w: Floats, p: Floats) -> Floats:
    first, second = (_weighted_density(z, p, j) for j in (0, 1))
    mine = w * first / np.maximum(first + second, 1e-300)
    found = [mine.sum(axis=1) / w.sum(axis=1)]
    for part in (mine, w - mine):
        total = np.maximum(part.sum(axis=1), 1e-9)
        mean = part @ z / total
        found += [mean, np.sqrt(np.maximum(part @ z**2 / total - mean**2, _NARROWEST**2))]
    return np.column_stack(found)


def _weighted_density(z: Floats, p: Floats, j: int) -> Floats:
    share = p[:, 0] if j == 0 else 1 - p[:, 0]
    mean, sd = p[:, 1 + 2 * j, None], p[:, 2 + 2 * j, None]
    return np.asarray(share[:, None] / sd * np.exp(-((z - mean) ** 2) / (2 * sd**2)))


def _two_logpdf(x: Floats, p: Floats) -> Floats:
    z = np.log(x)
    both = _weighted_density(z, p, 0) + _weighted_density(z, p, 1)
    return np.asarray(np.log(np.maximum(both, 1e-300)) - z - np.log(2 * np.pi) / 2)


def _two_cdf(x: Floats, p: Floats) -> Floats:
    z = np.log(x)
    parts = [special.ndtr((z - p[:, 1 + 2 * j, None]) / p[:, 2 + 2 * j, None]) for j in (0, 1)]
    return np.asarray(p[:, :1] * parts[0] + (1 - p[:, :1]) * parts[1])


def _weibull_logpdf(x: Floats, p: Floats) -> Floats:
    scale, shape = p[:, :1], p[:, 1:]
    u = np.log(x) - np.log(scale)
    with np.errstate(over="ignore"):
        return np.asarray(np.log(shape) - np.log(scale) + (shape - 1) * u - np.exp(shape * u))


def _weibull_cdf(x: Floats, p: Floats) -> Floats:
    with np.errstate(over="ignore"):  # far above sizes that are all alike, where the shape is in the hundreds: it is 1 there
        return np.asarray(-np.expm1(-np.exp(p[:, 1:] * (np.log(x) - np.log(p[:, :1])))))


def _gauss_logpdf(z: Floats, p: Floats) -> Floats:
    return np.asarray(-(((z - p[:, :1]) / p[:, 1:]) ** 2) / 2 - np.log(p[:, 1:]) - np.log(2 * np.pi) / 2)


FAMILIES: dict[str, Family] = {
    "normal": Family(("mean", "sd"), _normal_bounded, lambda x, p: np.asarray(special.ndtr((x - p[:, :1]) / p[:, 1:])), _gauss_logpdf),
    "lognormal": Family(
        ("median", "gsd"),
        _lognormal_fit,
        lambda x, p: np.asarray(special.ndtr((np.log(x) - p[:, :1]) / p[:, 1:])),
        lambda x, p: _gauss_logpdf(np.log(x), p) - np.log(x),
    ),
    "Weibull": Family(("scale", "shape"), _weibull_fit, _weibull_cdf, _weibull_logpdf),
    "two lognormals": Family(("share", "median", "gsd", "median_2", "gsd_2"), _two_fit, _two_cdf, _two_logpdf),
}


def fitted(x: Floats, w: Floats, group: npt.NDArray[np.intp], lowest: float = 0.0) -> dict[str, dict[str, Any]]:
    """Every fit by name: parameters (medians, not logarithms) with 95 % intervals, log-likelihood, AICc, whether it is adequate.

    `x` (n,) ascending sizes, `w` their weights, `group` the picture of each; `lowest` the size below which sizes were not taken.
    """
    taken = x >= lowest
    x, w, group = x[taken], w[taken], group[taken]
    if len(np.unique(x)) < 2 or not (np.ptp(np.log(x)) > 1e-9):
        return {}
    pictures, group = np.unique(group, return_inverse=True)
    drawn = resampled(x, w, group if len(pictures) >= CLUSTERS else None, _REPLICATES, _BINS)
    empirical, there = _curve(drawn.weights[None]), _curve(drawn.draws)
    return {
        name: _fit(shape, drawn.x, drawn.weights, drawn.draws, (empirical, there), len(x), lowest)
        for name, shape in FAMILIES.items()
        if name != "two lognormals" or len(x) >= ENOUGH_FOR_TWO
    }


def _curve(w: Floats) -> Floats:
    """Cumulative share in the middle of each size's weight."""
    cumulated = np.cumsum(w, axis=1)
    return np.asarray((cumulated - w / 2) / cumulated[:, -1:])


def _fit(shape: Family, x: Floats, w: Floats, draws: Floats, curves: tuple[Floats, Floats], n: int, lowest: float) -> dict[str, Any]:
    found = shape.fit(x, w[None], lowest, None)
    again = shape.fit(x, draws, lowest, found)

    def above(p: Floats) -> Floats:
        """The fitted cumulative curve of what lies above `lowest`."""
        below = shape.cdf(np.array([lowest]), p) if lowest > 0 else np.zeros((len(p), 1))
        return np.asarray((shape.cdf(x, p) - below) / np.maximum(1 - below, 1e-9))

    differing = curves[0] - above(found)
    far = float(np.abs(differing).max())
    by_chance = np.abs((curves[1] - above(again)) - differing).max(axis=1)
    p_value = float((1 + (by_chance >= far).sum()) / (1 + len(by_chance)))
    below = float(shape.cdf(np.array([lowest]), found)[0, 0]) if lowest > 0 else 0.0
    likelihood = float((w * shape.logpdf(x, found)[0]).sum() - w.sum() * np.log(1 - below))
    k = len(shape.names)
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    readable = {name: _readable(name, float(value)) for name, value in zip(shape.names, found[0], strict=True)}
    ends = {name: [_readable(name, float(a)), _readable(name, float(b))] for name, a, b in zip(shape.names, low, high, strict=True)}
    return {
        **readable,
        "log_likelihood": likelihood,
        "aicc": 2 * k - 2 * likelihood + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else None,
        "intervals": ends,
        "largest_difference": far,
        "p": p_value,
        "adequate": far <= TOO_FAR and not (far > MATTERS and p_value < SIGNIFICANT) and not (_spiked(found) or _no_size(ends)),
    }


def _spiked(found: Floats) -> bool:
    """Whether one of two curves shrank to a few equal sizes: narrower ones than it may get."""
    return found.shape[1] > 2 and bool((found[0, 2::2] <= 1.01 * _NARROWEST).any())


def _no_size(ends: dict[str, list[float]]) -> bool:
    """Whether the mean of a normal curve may be no length at all: it then is a tail through a few sizes above the detection limit."""
    return "mean" in ends and ends["mean"][0] <= 0


def _readable(name: str, value: float) -> float:
    return float(np.exp(value)) if name.startswith(("median", "gsd")) else value


def parameters(name: str, fit: dict[str, Any]) -> Floats:
    """The parameters (1, p) that the curves of `FAMILIES` take, from a fit as it is written."""
    values = [np.log(fit[each]) if each.startswith(("median", "gsd")) else fit[each] for each in FAMILIES[name].names]
    return np.array([values], np.float64)


def best(fits: dict[str, dict[str, Any]], n: float) -> str | None:
    """The name of the adequate fit that is likeliest; two lognormals only where they gain much on any one curve. None: none is adequate."""
    single = [name for name, fit in fits.items() if fit["adequate"] and name != "two lognormals"]
    two = fits.get("two lognormals")
    likeliest = max(single, key=lambda name: float(fits[name]["log_likelihood"]), default=None)
    if two is None or not two["adequate"]:
        return likeliest
    if likeliest is None:
        return "two lognormals"
    gain = 2 * (two["log_likelihood"] - fits[likeliest]["log_likelihood"]) - 3 * np.log(max(n, 2.0))
    return "two lognormals" if gain > _BETTER else likeliest


@dataclass(frozen=True)
class FittedCurve:
    """One fit as a curve above `lowest`."""

    name: str
    fit: dict[str, Any]
    lowest: float = 0.0

    def density(self, x: Floats) -> Floats:
        """Share of the particles per unit of length at sizes `x`, 0 below `lowest`."""
        inside = (x > 0) & (x >= self.lowest)
        found = np.zeros(len(x))
        found[inside] = np.exp(FAMILIES[self.name].logpdf(x[inside], parameters(self.name, self.fit))[0]) / (1 - self._below())
        return found

    def share_below(self, x: Floats) -> Floats:
        """Share of the particles below sizes `x`, of those above `lowest`."""
        below, at = self._below(), np.maximum(x, max(self.lowest, 1e-12))
        return np.asarray((FAMILIES[self.name].cdf(at, parameters(self.name, self.fit))[0] - below) / (1 - below))

    def volume_below(self, x: Floats) -> Floats:
        """Share of their volume (spheres) in particles below sizes `x`, of those above `lowest`; summed on a fine grid of sizes."""
        grid = self._largest * np.geomspace(1e-4, 1e4, 30_000)
        cumulated = np.cumsum(self.density(grid) * grid**4)
        return np.asarray(np.interp(x, grid, cumulated / cumulated[-1], left=0.0))

    def over(self, edges: Floats, amount: float, *, logarithmic: bool, by_volume: bool = False) -> tuple[Floats, Floats]:
        """The curve over the bins of a histogram: sizes, and what a bin about each holds of the `amount` that lies above `lowest`.

        `edges` in the unit of the sizes, equally wide or, `logarithmic`, in equal ratios; `by_volume` counts each as a sphere.
        """
        x, low, high = around(edges, logarithmic=logarithmic)
        below = self.volume_below if by_volume else self.share_below
        return x, amount * (below(np.maximum(high, 0.0)) - below(np.maximum(low, 0.0)))

    @property
    def _largest(self) -> float:
        return max(float(self.fit.get(key, 0.0)) for key in ("median", "median_2", "scale", "mean"))

    def quantiles(self, shares: Floats) -> Floats:
        """Sizes below which lie these shares; found on a fine grid of the cumulative curve."""
        high = 50 * self._largest
        grid = np.exp(np.linspace(np.log(high / 1e5), np.log(high), 8000))
        below = self._below()
        return np.interp(below + shares * (1 - below), FAMILIES[self.name].cdf(grid, parameters(self.name, self.fit))[0], grid)

    def _below(self) -> float:
        lowest = np.array([self.lowest])
        return float(FAMILIES[self.name].cdf(lowest, parameters(self.name, self.fit))[0, 0]) if self.lowest > 0 else 0.0


class ShownFit(NamedTuple):
    """The curve that window and report draw over the bars; where there is none, `why` in a few words, and the `likeliest` for a look at how
    far the sizes are from it (that of what is drawn; none of a mixture)."""

    curve: FittedCurve | None = None
    why: str = ""
    likeliest: FittedCurve | None = None


def shown_fit(fits: dict[str, dict[str, Any]], values: Floats, weights: Floats, lowest: float, mixture: str) -> ShownFit:
    """Which of the `fits` is drawn over sizes `values` (n,) with their `weights`; none of a `mixture` (see `usability.mixture`).

    Nor is one that was fitted to the lesser part of the particles, those above `lowest`.
    """
    if mixture or not fits:
        return ShownFit(why=mixture or "fewer than two different sizes")
    curves = {name: FittedCurve(name, fit, lowest) for name, fit in fits.items()}
    likeliest = curves[max(fits, key=lambda each: float(fits[each]["log_likelihood"]))]
    taken = values >= lowest
    share = float(weights[taken].sum() / weights.sum())
    if share < MOST_OF_ALL:
        return ShownFit(None, f"{percent(1 - share)} of the particles are below the size from which on all images show them", likeliest)
    if taken.sum() < FEWEST:
        return ShownFit(None, f"fewer than {FEWEST} particles", likeliest)
    name = best(fits, effective(weights[taken]))
    return ShownFit(None, "none fits", likeliest) if name is None else ShownFit(curves[name], "", curves[name])
