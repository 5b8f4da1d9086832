"""Fits against populations they were drawn from, and against those that none of them describes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_temseg.engine.measure.fits import MATTERS, FittedCurve, best, fitted

RNG = np.random.default_rng(0)
SHARES = np.array([0.1, 0.5, 0.9])


def fits_of(x, lowest=0.0, pictures=1):
    x = np.sort(x)
    return fitted(x, np.ones(len(x)), RNG.integers(0, pictures, len(x)), lowest)


def two(n):
    narrow = RNG.random(n) < 0.4
    return np.where(narrow, 15 * np.exp(RNG.normal(0, 0.2, n)), 40 * np.exp(RNG.normal(0, 0.22, n)))


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("lognormal", 30 * np.exp(RNG.normal(0, 0.4, 800))),
        ("normal", RNG.normal(40, 6, 800)),
        ("Weibull", 30 * RNG.weibull(2.0, 800) + 1e-3),
        ("two lognormals", two(800)),
    ],
)
def test_the_right_curve_is_chosen_and_runs_through_the_data(name, x):
    fits = fits_of(x)
    assert best(fits, len(x)) == name
    curve = FittedCurve(name, fits[name])
    assert curve.quantiles(SHARES) == pytest.approx(np.quantile(x, SHARES), rel=0.06)
    grid = np.linspace(0.1, 400, 4000)
    assert curve.density(grid).sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=0.01)
    for parameter, (low, high) in fits[name]["intervals"].items():
        assert low <= fits[name][parameter] <= high


def test_weibull_agrees_with_scipy():
    x = 30 * RNG.weibull(2.5, 400)
    shape, _, scale = stats.weibull_min.fit(x, floc=0)
    found = fits_of(x)["Weibull"]
    assert (found["shape"], found["scale"]) == pytest.approx((shape, scale), rel=1e-3)


def test_what_lies_below_the_limit_is_made_up_for():
    x = 6 * np.exp(RNG.normal(0, np.log(1.5), 6000))
    kept = x[x >= 4]
    told, untold = fits_of(kept, lowest=4.0)["lognormal"], fits_of(kept)["lognormal"]
    assert told["median"] == pytest.approx(6, rel=0.03)
    assert told["gsd"] == pytest.approx(1.5, rel=0.03)
    assert untold["median"] > 6.4


def test_nothing_is_drawn_through_what_no_curve_describes():
    x = np.concatenate([RNG.uniform(10, 11, 300), RNG.uniform(30, 31, 300), RNG.uniform(60, 61, 300)])
    fits = fits_of(x)
    assert best(fits, len(x)) is None
    assert all(fit["largest_difference"] > MATTERS for fit in fits.values())


def test_large_numbers_alone_reject_nothing():
    x = 30 * np.exp(RNG.normal(0, 0.4, 60_000)) + 0.5
    fit = fits_of(x)["lognormal"]
    assert fit["adequate"]
    assert fit["largest_difference"] < MATTERS


def test_few_pictures_that_differ_reject_less_than_as_many_particles():
    shift = np.repeat(np.exp(RNG.normal(0, 0.25, 6)), 100)
    x = shift * 30 * np.exp(RNG.normal(0, 0.05, 600))
    order = np.argsort(x)
    by_picture = fitted(x[order], np.ones(600), np.repeat(np.arange(6), 100)[order])
    by_particle = fitted(x[order], np.ones(600), np.zeros(600, int))
    assert by_picture["lognormal"]["p"] >= by_particle["lognormal"]["p"]
