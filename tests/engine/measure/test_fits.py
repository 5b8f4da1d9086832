"""Fits against populations they were drawn from, and against those that none of them describes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_temseg.engine.measure.fits import MATTERS, FittedCurve, best, fitted, shown_fit

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


def test_which_curve_is_drawn_or_why_none_is():
    x, spread = 30 * np.exp(RNG.normal(0, 0.4, 800)), np.repeat([10.0, 11.0, 30.0, 31.0, 60.0, 61.0], 100) + RNG.random(600)
    fits = fits_of(x)
    assert shown_fit(fits, np.sort(x), np.ones(800), 0.0, "").curve == FittedCurve("lognormal", fits["lognormal"])
    assert shown_fit(fits, x[:19], np.ones(19), 0.0, "")[:2] == (None, "fewer than 20 particles")
    assert shown_fit(fits, np.sort(x), np.ones(800), 0.0, "several samples are pooled") == (None, "several samples are pooled", None)
    assert shown_fit(fits_of(spread), np.sort(spread), np.ones(600), 0.0, "")[:2] == (None, "none fits")
    small = np.concatenate([np.full(700, 12.0), x[:100]])
    assert "88 % of the particles are below" in shown_fit(fits, small, np.ones(800), 14.0, "").why
    assert shown_fit({}, np.ones(30), np.ones(30), 0.0, "") == (None, "fewer than two different sizes", None)


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("by_volume", [False, True])
@pytest.mark.parametrize(
    ("name", "x"),
    [("lognormal", 30 * np.exp(RNG.normal(0, 0.4, 40_000))), ("normal", RNG.normal(40, 6, 40_000)), ("two lognormals", two(40_000))],
)
def test_a_curve_lies_on_the_bars_by_number_and_by_volume(name, x, by_volume, logarithmic):
    curve, weights = FittedCurve(name, fits_of(x)[name]), x**3 if by_volume else np.ones(len(x))
    edges = np.geomspace(x.min(), x.max(), 30) if logarithmic else np.linspace(x.min(), x.max(), 30)
    heights = 100 * np.histogram(x, edges, weights=weights)[0] / weights.sum()
    at, drawn = curve.over(edges, 100.0, logarithmic=logarithmic, by_volume=by_volume)
    middle = np.sqrt(edges[1:] * edges[:-1]) if logarithmic else (edges[1:] + edges[:-1]) / 2
    assert np.interp(middle, at, drawn) == pytest.approx(heights, abs=1.0)
