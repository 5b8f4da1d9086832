"""What counting leaves open: 95 % intervals of a distribution's statistics by the bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from napari_temseg.engine.measure.resampling import resampled
from napari_temseg.engine.measure.weighted import STATISTICS, statistics_of

Floats = npt.NDArray[np.float64]
ENOUGH_IMAGES = 3  # from so many on, how images differ can be told
NORMAL = float(special.ndtri(0.975))  # half width of a 95 % interval in standard deviations
_REPLICATES = 400
_BY_VOLUME = ("dv50", "d32", "d43")
_MANY_PICTURES = 500  # beyond which Student's t is the normal one
TOO_DIFFERENT = "no interval of some statistics"  # how the basis begins where that is so
_WIDEST = 1.0  # half width of the logarithm beyond which an interval tells nobody anything


class Counting(NamedTuple):
    """Half widths of 95 % intervals on the logarithm (of the GSD: on that of ln GSD), by statistic; only where one makes sense.

    `basis` says in words what was resampled, `units` how many; `of_specimen` whether it was pictures, so that the intervals tell of the
    specimen.
    """

    half: dict[str, float]
    basis: str
    of_specimen: bool
    units: int = 0

    def more_for(self, name: str, share: float) -> int | None:
        """How many more of what was resampled (pictures, or particles) bring the half width down to a share of the estimate."""
        half = self.half.get(name)
        return None if half is None else max(0, int(np.ceil(self.units * (half / share) ** 2)) - self.units)

    def around(self, name: str, estimate: float | None, also: float = 0.0) -> list[float] | None:
        """The interval of a statistic, None where there is none; `also` is a further half width that adds in quadrature."""
        half = self.half.get(name)
        return None if half is None or estimate is None else interval(name, estimate, float(np.hypot(half, also)))


def interval(name: str, estimate: float, half: float) -> list[float]:
    """An interval from its half width on the logarithm, so that a length never reaches below zero and a GSD never below 1."""
    factor = float(np.exp(half))
    if name == "gsd":
        return [float(estimate ** (1 / factor)), float(estimate**factor)]
    return [estimate / factor, estimate * factor]


def counting(x: Floats, w: Floats, group: npt.NDArray[np.intp], *, dependent: bool = False, by_grid: bool = False) -> Counting:
    """Resample pictures, the `group` of each particle, from three of them on, else particles.

    Bootstrap error times Student's t for the number of what is resampled: percentiles of the bootstrap itself would cover far less
    than 95 % for a few pictures. `dependent` says that particles are seen again and again (planes over time or depth): of fewer
    than three such stacks there is no interval at all. `by_grid`: groups are grids, whose pictures hang together.
    """
    if len(x) < 2:
        return Counting({}, "none: an interval needs at least two particles", False)
    pictures, group = np.unique(group, return_inverse=True)
    n = len(pictures)
    if n < ENOUGH_IMAGES and dependent:
        return Counting({}, "none: planes over time or depth show the same particles again, which are no new evidence", False)
    if n < ENOUGH_IMAGES:
        which = "one image" if n == 1 else "two images"
        basis = f"bootstrap over the {len(x)} particles of {which}; how images differ is not in it"
        return _judged(_half_widths(x, w, None), basis, f"the particles of {which}")._replace(units=len(x))
    what = "grids" if by_grid else "images"
    basis = f"bootstrap over {n} {what}, t quantiles"
    return _judged(_half_widths(x, w, group), basis, f"the {n} {what} with particles")._replace(of_specimen=True, units=n)


def _judged(half: Mapping[str, float], basis: str, who: str) -> Counting:
    kept = {name: value for name, value in half.items() if value <= _WIDEST}
    return Counting(kept, basis if "mean" in kept and "d50" in kept else f"{TOO_DIFFERENT}: {who} differ too much", False)


def _half_widths(x: Floats, w: Floats, group: npt.NDArray[np.intp] | None) -> dict[str, float]:
    """Half widths on the logarithm from resampled pictures, or from particles without a `group`."""
    drawn = resampled(x, w, group, _REPLICATES)
    found = statistics_of(drawn.x, drawn.draws)
    if group is None:
        factors = dict.fromkeys(STATISTICS, float(special.stdtrit(drawn.units - 1, 0.975) * np.sqrt(drawn.units / (drawn.units - 1))))
    else:
        by_number, by_volume = (_student(np.log(x), each, group) for each in (w, w * x**3))
        factors = {name: by_volume if name in _BY_VOLUME else by_number for name in STATISTICS}
    return {name: factors[name] * _spread(name, found[name]) for name in STATISTICS}


def _student(logs: Floats, w: Floats, group: npt.NDArray[np.intp]) -> float:
    """What the error by resampling pictures is to be multiplied by for a 95 % interval of a mean with particles weighted `w`.

    That error is √Σh²(x − x̄)² over pictures with shares h of the weight: too small on average, as x̄ follows the heavy ones, and with fewer
    degrees of freedom than pictures where these are unequal. Both follow from the variance of each picture's mean (Satterthwaite): of
    the pictures themselves, and of its particles, told apart by the analysis of variance of ln x. Of equal pictures it is
    Student's t of G − 1 times √(G / (G − 1)).
    """
    total = np.bincount(group, w)
    share = total / total.sum()
    two = float((share**2).sum())
    if len(share) > _MANY_PICTURES:
        return float(NORMAL / np.sqrt(1 - two))
    variance = _variances(logs, w, group)
    # (I − h1ᵀ) diag(h²) (I − 1hᵀ), times the variances
    form = np.diag(share**2) - np.outer(share**2, share) - np.outer(share, share**2) + two * np.outer(share, share)
    expected = float((np.diag(form) * variance).sum())
    freedom = expected**2 / float((form**2 * np.outer(variance, variance)).sum())
    return float(special.stdtrit(freedom, 0.975) * np.sqrt((share**2 * variance).sum() / expected))


def _variances(logs: Floats, w: Floats, group: npt.NDArray[np.intp]) -> Floats:
    """Variance of the weighted mean of each picture, but for a factor: between pictures, plus that within over its number of particles."""
    total, square = np.bincount(group, w), np.bincount(group, w**2)
    means = np.bincount(group, w * logs) / total
    n = total**2 / square
    inside = float((w * (logs - means[group]) ** 2).sum() / max(total.sum() * (1 - len(n) / n.sum()), 1e-300))
    middle = float((n * means).sum() / n.sum())
    between = float((n * (means - middle) ** 2).sum()) - (len(n) - 1) * inside
    between = max(between / float(n.sum() - (n**2).sum() / n.sum()), 0.0)
    found = between + inside / n
    return np.asarray(found / found.max() if found.max() > 0 else np.ones(len(n)))


def _spread(name: str, values: Floats) -> float:
    """Standard deviation of the logarithm; of a GSD that of ln GSD."""
    if name == "gsd":
        values = np.log(values)
        values = values[values > 0]
    return float(np.log(values).std()) if len(values) > 1 else float(np.inf)
