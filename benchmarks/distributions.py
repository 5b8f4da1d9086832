"""Intervals and fits of size distributions on populations that are known.

    python benchmarks/distributions.py coverage [--repeats 1000]
    python benchmarks/distributions.py fits [--repeats 100]

`coverage`: how often 95 % intervals of counting hold the truth: three populations, 1 to 30 pictures of unequal counts that differ by 0 or
10 %; in brackets how often none was given, as too wide. Peer: plain percentiles of the same bootstrap, D50. `fits`: which curve is drawn
through 50 to 1,000 sizes, how often none. Peer: the lognormal that was always drawn: its largest difference from the population's
cumulative curve, beside that of what is drawn now.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np

from napari_temseg.engine.measure.fits import FAMILIES, best, fitted, parameters
from napari_temseg.engine.measure.intervals import counting
from napari_temseg.engine.measure.resampling import resampled
from napari_temseg.engine.measure.weighted import statistics_of

Draw = Callable[[np.random.Generator, int], np.ndarray]
NAMES = ("mean", "d10", "d50", "d90", "dv50", "gsd", "d43")


def bimodal(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two lognormals of 15 and 40, four and six parts in ten."""
    low = rng.random(n) < 0.4
    return np.where(low, 15 * np.exp(rng.normal(0, np.log(1.2), n)), 40 * np.exp(rng.normal(0, np.log(1.25), n)))


def truncated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Lognormal of median 6 and GSD 1.5, seen from 4 on."""
    x = 6 * np.exp(rng.normal(0, np.log(1.5), 3 * n))
    return x[x >= 4][:n]


def lognormal(gsd: float) -> Draw:
    """Of median 30."""
    return lambda rng, n: 30 * np.exp(rng.normal(0, np.log(gsd), n))


COVERED: dict[str, Draw] = {
    "lognormal 1.3": lognormal(1.3),
    "lognormal 1.6": lognormal(1.6),
    "Weibull 3": lambda rng, n: 30 * rng.weibull(3, n),
}
FITTED: dict[str, tuple[Draw, float]] = {
    "lognormal 1.4": (lognormal(1.4), 0.0),
    "normal": (lambda rng, n: np.maximum(rng.normal(40, 6, n), 0.1), 0.0),
    "bimodal": (bimodal, 0.0),
    "Weibull 2": (lambda rng, n: 30 * rng.weibull(2, n) + 1e-3, 0.0),
    "truncated at 4": (truncated, 4.0),
    "wide (GSD 2.2)": (lognormal(2.2), 0.0),
    "three peaks": (lambda rng, n: rng.choice([10.0, 30.0, 60.0], n) * np.exp(rng.normal(0, 0.03, n)), 0.0),
}


def pictures(rng: np.random.Generator, draw: Draw, count: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Ascending sizes of pictures of some 50 particles each, and the picture of each."""
    n = rng.poisson(np.exp(rng.normal(np.log(50), 0.5, count))) + 2
    group = np.repeat(np.arange(count), n)
    x = draw(rng, int(n.sum())) * np.exp(rng.normal(0, effect, count))[group]
    order = np.argsort(x)
    return x[order], group[order]


def coverage(repeats: int, seed: int) -> None:
    """A row a population, effect and number of pictures."""
    rng = np.random.default_rng(seed)
    print("| population | pictures differ by | pictures | " + " | ".join(NAMES) + " | D50, plain percentiles |\n" + "|---" * 11 + "|")
    for title, draw in COVERED.items():
        for effect in (0.0, 0.1):
            many = np.sort(draw(rng, 1_000_000) * np.exp(rng.normal(0, effect, 1_000_000)))
            truth = {name: float(value[0]) for name, value in statistics_of(many, np.ones((1, len(many)))).items()}
            for count in (1, 3, 5, 10, 30):
                held: dict[str, list[bool]] = {name: [] for name in (*NAMES, "plain")}
                for _ in range(repeats):
                    x, group = pictures(rng, draw, count, effect)
                    weights = np.ones(len(x))
                    found, estimates = counting(x, weights, group), statistics_of(x, weights[None])
                    for name in NAMES:
                        interval = found.around(name, float(estimates[name][0]))
                        if interval is not None:
                            held[name].append(interval[0] <= truth[name] <= interval[1])
                    drawn = resampled(x, weights, group if count > 1 else None, 400)
                    low, high = np.quantile(statistics_of(drawn.x, drawn.draws)["d50"], [0.025, 0.975])
                    held["plain"].append(bool(low <= truth["d50"] <= high))
                told = " | ".join(_held(each, repeats) for each in held.values())
                print(f"| {title} | {effect:.0%} | {count} | {told} |", flush=True)


def _held(held: list[bool], repeats: int) -> str:
    """The share of intervals that held, and in brackets how many were refused as too wide to tell anything."""
    refused = 1 - len(held) / repeats
    return f"{np.mean(held):.1%}" + (f" ({refused:.0%} none)" if refused >= 0.005 else "")


def fits(repeats: int) -> None:
    """A row a population and number of sizes."""
    rng = np.random.default_rng(2)
    print("| population | n | drawn | largest difference: drawn | always lognormal |\n" + "|---" * 5 + "|")
    for title, (draw, lowest) in FITTED.items():
        many = np.sort(draw(rng, 200_000))[::100]
        shares = (np.arange(len(many)) + 0.5) / len(many)
        for n in (50, 200, 1000):
            chosen: Counter[str] = Counter()
            off: dict[str, list[float]] = {"drawn": [], "lognormal": []}
            for _ in range(repeats):
                x = np.sort(draw(rng, n))
                found = fitted(x, np.ones(n), np.zeros(n, int), lowest)
                name = best(found, n)
                chosen[name or "none"] += 1
                for key, which in (("drawn", name), ("lognormal", "lognormal")):
                    if which is not None:
                        p = parameters(which, found[which])
                        below = float(FAMILIES[which].cdf(np.array([lowest]), p)[0, 0]) if lowest else 0.0
                        off[key].append(float(np.abs((FAMILIES[which].cdf(many, p)[0] - below) / (1 - below) - shares).max()))
            told = ", ".join(f"{name} {count / repeats:.0%}" for name, count in chosen.most_common())
            means = " | ".join(f"{np.mean(each):.3f}" if each else "–" for each in off.values())
            print(f"| {title} | {n} | {told} | {means} |", flush=True)


def main() -> None:
    """Choose the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("coverage", "fits"))
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--seed", type=int, default=1, help="of the pictures of `coverage`")
    args = parser.parse_args()
    if args.part == "coverage":
        coverage(args.repeats or 1000, args.seed)
    else:
        fits(args.repeats or 100)


if __name__ == "__main__":
    sys.exit(main())
