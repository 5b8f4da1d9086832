"""Distributions against populations whose sizes are known, and against what statistics has closed formulas for."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from napari_temseg import Calibration, Measurement, TemsegError, measure, size_distribution
from napari_temseg.engine.measure.fits import FAMILIES, FittedCurve
from napari_temseg.engine.measure.plots import draw
from napari_temseg.engine.types.large_arrays import PackedMask

MEDIAN, GSD = 20.0, 1.49


def measured(
    diameters,
    *,
    frame=(10_000, 10_000),
    box=None,
    touching=None,
    excluded="",
    plane=0,
    n_planes=1,
    axes="YX",
    calibration=None,
    valid=None,
    **more,
):
    """A measurement of particles that are not painted: diameters in px, and their bounding boxes unless these are discs."""
    diameters = np.asarray(diameters, float)
    calibration = calibration or Calibration()
    height, width = (diameters, diameters) if box is None else box
    table = pd.DataFrame(
        {
            "plane": np.broadcast_to(plane, len(diameters)),
            f"ecd_{calibration.unit}": diameters * calibration.scale[0],
            "bbox_top_px": 0.0,
            "bbox_left_px": 0.0,
            "bbox_bottom_px": height,
            "bbox_right_px": width,
            "frame": np.zeros(len(diameters), bool) if touching is None else touching,
            "excluded": np.broadcast_to(excluded, len(diameters)),
        }
    )
    area = frame[0] * frame[1] if valid is None else int(valid.sum())
    return Measurement(
        table,
        "grid",
        "batch",
        frame,
        area,
        n_planes,
        axes,
        calibration,
        "label mask",
        None if valid is None else PackedMask.of(valid),
        **more,
    )


def population(rng, frame=256, planes=200, density=2e-3, calibration=None):
    """Lognormal discs thrown over an area larger than the frame; those that reach into it are seen, those cut by it flagged."""
    margin = 100
    side = frame + 2 * margin
    n = rng.poisson(density * side**2 * planes)
    d = np.exp(rng.normal(np.log(MEDIAN), np.log(GSD), n))
    y, x = rng.uniform(-margin, frame + margin, (2, n))
    plane = rng.integers(0, planes, n)
    # Pixel centres are at 0 … frame − 1; a disc beyond the first or the last at the edge.
    reach = np.minimum(np.minimum(y, x), frame - 1 - np.maximum(y, x))
    seen = reach > -d / 2
    return measured(
        d[seen],
        frame=(frame, frame),
        touching=(reach < d / 2)[seen],
        plane=plane[seen],
        n_planes=planes,
        axes="NYX",
        calibration=calibration,
    )


def quantile(share):
    return MEDIAN * np.exp(stats.norm.ppf(share) * np.log(GSD))


def test_frame_weights_recover_the_population_and_nothing_else_does():
    measurement = population(np.random.default_rng(0), planes=500)
    summary = size_distribution([measurement]).summary()
    for name, share in (("d10", 0.1), ("d50", 0.5), ("d90", 0.9)):
        assert summary[name] == pytest.approx(quantile(share), rel=0.01), name
    assert summary["mean"] == pytest.approx(MEDIAN * np.exp(np.log(GSD) ** 2 / 2), rel=0.01)
    assert summary["gsd"] == pytest.approx(GSD, rel=0.01)
    assert summary["dv50"] == pytest.approx(MEDIAN * np.exp(3 * np.log(GSD) ** 2), rel=0.02)  # Hatch and Choate
    table = measurement.table
    whole, every = table.ecd_px[~table.frame], table.ecd_px
    assert np.quantile(whole, 0.9) < 0.975 * quantile(0.9)
    assert np.quantile(every, 0.9) > 1.02 * quantile(0.9)


def test_unequal_frames_and_magnifications_are_pooled():
    rng = np.random.default_rng(2)
    near = population(rng, frame=150, planes=400)
    far = population(rng, frame=400, planes=50)
    summary = size_distribution([near, far]).summary()
    assert summary["d90"] == pytest.approx(quantile(0.9), rel=0.01)
    assert summary["n_images"] == 450
    # The same scene again, with every pixel twice as wide in half as many of them: nm count, not px.
    fine = population(np.random.default_rng(3), frame=400, planes=50, calibration=Calibration((1.0, 1.0)))
    coarse = measured(
        fine.table.ecd_nm / 2,
        frame=(200, 200),
        touching=fine.table.frame.to_numpy(),
        plane=fine.table.plane,
        n_planes=50,
        axes="NYX",
        calibration=Calibration((2.0, 2.0)),
    )
    one, both = (size_distribution(pool).summary() for pool in ([fine], [fine, coarse]))
    assert both["d50"] == pytest.approx(one["d50"], rel=0.005)
    assert both["d90"] == pytest.approx(one["d90"], rel=0.005)


def test_weights_follow_miles_and_lantuejoul():
    sizes = size_distribution([measured([10, 40], frame=(100, 80), box=(np.array([10, 30]), np.array([10, 50])))])
    expected = np.array([1 / (89 * 69), 1 / (69 * 29)])
    assert np.allclose(sizes.weights, 2 * expected / expected.sum())


def test_a_data_bar_and_an_excluded_corner_narrow_the_frame():
    box = (np.array([10.0, 30.0]), np.array([10.0, 30.0]))
    bar = np.ones((120, 80), bool)
    bar[100:] = False
    with_bar = size_distribution([measured([10, 30], frame=(120, 80), box=box, valid=bar)])
    without = size_distribution([measured([10, 30], frame=(100, 80), box=box)])
    assert np.allclose(with_bar.weights, without.weights)
    corner = np.ones((100, 80), bool)
    corner[:40, :40] = False
    places = []
    for side in (10, 30):  # every place where the square and its neighbours stay inside, counted
        windows = np.lib.stride_tricks.sliding_window_view(corner, (side + 2, side + 2))
        places.append(windows.all(axis=(2, 3)).sum())
    expected = 1 / np.array(places)
    cut = size_distribution([measured([10, 30], frame=(100, 80), box=box, valid=corner)])
    assert np.allclose(cut.weights, 2 * expected / expected.sum(), rtol=0.03)


def test_a_picture_without_particles_counts():
    alone = size_distribution([measured([10, 40], frame=(60, 60))])
    beside = size_distribution([measured([10, 40], frame=(60, 60)), measured([], frame=(500, 500))])
    nothing_to_see = measured([], frame=(500, 500), valid=np.zeros((500, 500), bool))
    assert beside.n_images == 2
    assert np.allclose(size_distribution([measured([10, 40], frame=(60, 60)), nothing_to_see]).weights, alone.weights)
    assert beside.weights[1] / beside.weights[0] < alone.weights[1] / alone.weights[0]


def test_the_summary_of_a_few_equal_weights_is_worked_by_hand():
    summary = size_distribution(
        [measured([1, 2, 3, 4], touching=[False] * 4, frame=(10**7, 10**7)), measured([9], touching=[True])]
    ).summary()
    assert summary["n"] == 4
    assert summary["n_images"] == 2
    assert summary["n_left_out"] == {"at the edge": 1}
    assert summary["mean"] == pytest.approx(2.5, rel=1e-5)
    assert summary["sd"] == pytest.approx(np.std([1, 2, 3, 4], ddof=1), rel=1e-5)
    assert summary["median"] == summary["d50"] == pytest.approx(2.5, rel=1e-5)
    assert summary["geometric_mean"] == pytest.approx(24**0.25, rel=1e-5)
    assert summary["gsd"] == pytest.approx(np.exp(np.std(np.log([1, 2, 3, 4]), ddof=1)), rel=1e-5)
    assert summary["d32"] == pytest.approx(100 / 30, rel=1e-5)
    assert summary["d43"] == pytest.approx(354 / 100, rel=1e-5)
    assert summary["span"] == pytest.approx((summary["d90"] - summary["d10"]) / 2.5, rel=1e-5)
    assert summary["n_eff"] == pytest.approx(4, rel=1e-5)
    assert summary["n_eff_volume"] == pytest.approx(100**2 / (1 + 64 + 729 + 4096), rel=1e-4)
    assert (summary["unit"], summary["column"], summary["share_below_100nm"]) == ("px", "ecd", None)
    assert summary["calibration_relative_uncertainty"] is None


def test_excluded_particles_are_left_out_and_counted_by_reason():
    reasons = ["", "overlapping", "debris", "", "overlapping", "debris"]
    touching = [False, False, False, False, False, True]
    some = measured([10, 90, 20, 30, 80, 70], excluded=reasons, touching=touching)
    sizes = size_distribution([some, measured([5, 50], excluded=["debris", ""])])
    kept = size_distribution([measured([10, 30]), measured([50])])
    assert sizes.left_out == {"at the edge": 1, "excluded: overlapping": 2, "excluded: debris": 2}
    assert sizes.summary()["n_left_out"] == sizes.left_out
    assert np.array_equal(sizes.values, [10, 30, 50])
    assert np.allclose(sizes.weights, kept.weights)
    assert sizes.summary()["d50"] == pytest.approx(kept.summary()["d50"])
    assert len(size_distribution([measured([10, 20], excluded="debris")])) == 0


def test_share_below_100_nm_and_calibration_uncertainty():
    calibration = Calibration((2.0, 2.0), reading_uncertainty=0.03, factor_uncertainty=0.04)
    summary = size_distribution([measured([30, 40, 45, 60], calibration=calibration)]).summary()
    assert summary["share_below_100nm"] == pytest.approx(0.75, rel=0.01)
    assert summary["calibration_relative_uncertainty"] == pytest.approx(0.05)
    low, high = summary["mean_interval"]
    wide_low, wide_high = summary["mean_interval_with_calibration"]
    counting, both = np.log(high / low) / 2, np.log(wide_high / wide_low) / 2
    assert both == pytest.approx(np.hypot(counting, 1.96 * 0.05), rel=1e-3)
    unstated = size_distribution([measured([30, 40], calibration=Calibration((2.0, 2.0)))]).summary()
    assert unstated["calibration_relative_uncertainty"] is None
    assert unstated["mean_interval_with_calibration"] is None


def test_intervals_are_those_of_the_images_when_there_are_several():
    rng = np.random.default_rng(4)
    shifts = [-4, -1, 0, 2, 3]
    images = [measured(50 + shift + rng.normal(0, 1, 200), frame=(10**6, 10**6)) for shift in shifts]
    summary = size_distribution(images).summary()
    means = [image.table.ecd_px.mean() for image in images]
    exact = stats.t.ppf(0.975, 4) * np.std(means, ddof=1) / np.sqrt(5)
    low, high = summary["mean_interval"]
    assert (high - low) / 2 == pytest.approx(exact, rel=0.15)
    assert "5 images" in summary["interval_basis"]
    assert "Only 5 images" in summary["caution"]


def test_one_image_has_intervals_of_its_particles_and_says_so():
    rng = np.random.default_rng(5)
    d = rng.normal(50, 5, 400)
    summary = size_distribution([measured(d, frame=(10**6, 10**6))]).summary()
    low, high = summary["mean_interval"]
    assert (high - low) / 2 == pytest.approx(1.97 * d.std() / 20, rel=0.15)
    low, high = summary["d50_interval"]
    assert (high - low) / 2 == pytest.approx(1.97 * 1.253 * d.std() / 20, rel=0.3)
    assert "400 particles of one image" in summary["interval_basis"]


@pytest.mark.parametrize(("axes", "meaning"), [("TYX", "time"), ("ZYX", "depth")])
def test_planes_over_time_or_depth_are_no_new_images(axes, meaning):
    stack = measured([10, 11, 12, 13], plane=[0, 1, 2, 3], n_planes=4, axes=axes)
    summary = size_distribution([stack]).summary()
    assert summary["n_images"] == 1
    assert meaning in summary["caution"]
    assert summary["d50_interval"] is None
    assert summary["interval_basis"].startswith("none: planes over time or depth")
    fields = size_distribution([measured([10, 11, 12, 13], plane=[0, 1, 2, 3], n_planes=4, axes="NYX")]).summary()
    assert fields["n_images"] == 4
    assert "4 images" in fields["interval_basis"]


def test_fits_find_what_the_sizes_were_drawn_from():
    rng = np.random.default_rng(6)
    lognormal = size_distribution([measured(np.exp(rng.normal(np.log(30), np.log(1.5), 3000)))]).fits
    assert lognormal["lognormal"]["median"] == pytest.approx(30, rel=0.03)
    assert lognormal["lognormal"]["gsd"] == pytest.approx(1.5, rel=0.02)
    assert lognormal["lognormal"]["aicc"] < lognormal["normal"]["aicc"] - 100
    normal = size_distribution([measured(rng.normal(100, 20, 3000))]).fits
    assert normal["normal"]["mean"] == pytest.approx(100, rel=0.02)
    assert normal["normal"]["sd"] == pytest.approx(20, rel=0.04)
    assert normal["normal"]["aicc"] < normal["lognormal"]["aicc"] - 20


def test_likelihoods_agree_with_scipy_where_weights_are_equal():
    d = np.array([10.0, 12, 15, 11, 20])
    fits = size_distribution([measured(d, frame=(10**8, 10**8))]).fits
    shape, _, scale = stats.lognorm.fit(d, floc=0)
    assert fits["lognormal"]["log_likelihood"] == pytest.approx(stats.lognorm.logpdf(d, shape, 0, scale).sum(), rel=1e-5)
    assert fits["normal"]["log_likelihood"] == pytest.approx(stats.norm.logpdf(d, *stats.norm.fit(d)).sum(), rel=1e-5)
    assert fits["normal"]["aicc"] == pytest.approx(4 - 2 * fits["normal"]["log_likelihood"] + 12 / 2)


@pytest.mark.parametrize("diameters", [[], [12.0], [12.0, 12.0]])
def test_none_one_and_equal_particles(diameters):
    sizes = size_distribution([measured(diameters)])
    content = json.loads(sizes.to_json())
    summary = content["summary"]
    assert summary["n"] == len(diameters)
    assert summary["d50"] == (pytest.approx(12) if diameters else None)
    assert summary["sd"] == (0 if len(diameters) == 2 else None)
    assert (summary["mean_interval"] is None) == (len(diameters) < 2)
    assert content["fits"] == {}
    assert f"N = {len(diameters)}" in sizes.plot().axes[0].get_title()


def test_sizes_that_differ_by_less_than_arithmetic_can_tell_have_no_fit():
    assert size_distribution([measured([1.0, 1.0 + 2e-16], calibration=Calibration((0.125, 0.125)))]).fits == {}


@given(st.lists(st.floats(1, 1000), min_size=2, max_size=40), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_order_and_unit_of_length(diameters, size):
    bare = size_distribution([measured(diameters)])
    nm = size_distribution([measured(diameters[::-1], calibration=Calibration((size, size)))])
    one, other = bare.summary(), nm.summary()
    for name in ("mean", "d10", "d50", "d90", "dv50", "d32", "d43"):
        assert other[name] == pytest.approx(size * one[name])
        assert min(diameters) * 0.999 <= one[name] <= max(diameters) * 1.001
    assert one["d10"] <= one["d50"] <= one["d90"]
    assert one["geometric_mean"] <= one["mean"] * (1 + 1e-9) <= one["d43"] * (1 + 1e-8)
    assert bare.weights.sum() == pytest.approx(len(diameters))
    assert 1 <= one["n_eff"] <= len(diameters) * (1 + 1e-9)
    json.loads(nm.to_json())


def test_other_lengths_and_names_with_their_unit():
    labels = np.zeros((60, 60), np.int32)
    labels[5:15, 5:25], labels[30:40, 20:40] = 1, 2
    measurement = measure(labels, pixel_size=2.0)
    sizes = size_distribution([measurement], "feret_min")
    assert sizes.summary()["mean"] == pytest.approx(20, rel=0.01)
    assert np.array_equal(size_distribution(measurement, "feret_min_nm").values, sizes.values)


def test_the_plot_says_what_it_shows():
    rng = np.random.default_rng(7)
    calibration = Calibration((0.5, 0.5))
    sizes = size_distribution([measured(rng.normal(40, 5, 100), calibration=calibration) for _ in range(3)])
    figure = sizes.plot()
    axes, below = figure.axes
    assert below.get_xlabel() == "Equivalent circular diameter (nm)"
    assert axes.get_title() == "N = 300 particles, 3 images"
    assert any("D50 = " in text.get_text() for text in figure.legends[0].get_texts())  # below the axes: over no bar
    heights = [patch.get_height() for patch in axes.patches]
    assert sum(heights) == pytest.approx(100)
    (mark,) = (line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o")
    assert mark > max(heights)  # nothing lies over the bars
    target = io.BytesIO()
    figure.savefig(target, format="svg")
    assert target.getbuffer().nbytes > 1000
    own = Figure()
    assert sizes.plot(own.subplots()) is own


def test_images_that_differ_wildly_have_no_number_in_common():
    rng = np.random.default_rng(7)
    one, other = rng.lognormal(4, 0.25, 120), rng.lognormal(6.5, 0.3, 120)
    calibration = Calibration((0.5, 0.5))
    sizes = size_distribution([measured(each, calibration=calibration) for each in (one, one[:60], other, [900.0], [15.0], [])])
    summary = sizes.summary()
    assert not summary["usable"]
    assert summary["why_not"][0].startswith("one number for all these images means little: their medians go from 7.500 to 450")
    assert "the 5 images with particles differ too much" in summary["interval_basis"]
    assert not any("differ so much" in each for each in summary["cautions"])  # the verdict says so
    alike = size_distribution([measured(rng.lognormal(4, 0.25, 60), calibration=calibration) for _ in range(3)]).summary()
    assert alike["usable"]
    axes = sizes.plot().axes[0]
    assert axes.get_xscale() == "log"
    assert len(axes.patches) >= 9
    assert all(max(line.get_ydata()) <= 100 for line in axes.lines if line.get_linestyle() == "-" and len(line.get_ydata()) == 300)


def test_a_curve_is_what_a_bin_holds_and_never_more_than_all():
    rng = np.random.default_rng(7)
    sizes = size_distribution([measured(np.concatenate([rng.normal(20, 0.3, 200), rng.uniform(40, 150, 60)])) for _ in range(3)])
    curve = FittedCurve("lognormal", {"median": 20.0, "gsd": 1.02, "n": 200})
    figure = draw(sizes.values, sizes.weights, "ecd", "px", 3, curve)
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "lognormal")
    assert 80 < max(line.get_ydata()) <= 100


def test_px_and_nm_are_never_pooled():
    with pytest.raises(TemsegError, match=r"in px, .* in nm: they cannot be pooled"):
        size_distribution([measured([10]), measured([10], calibration=Calibration((1.0, 1.0)))])
    bare = [replace(measured([10]), image=name) for name in "abcd"]
    with pytest.raises(TemsegError, match=r"^a, b, c and 1 more are measured in px, .*give those in px"):
        size_distribution([*bare, measured([10], calibration=Calibration((1.0, 1.0)))])


def test_requests_that_make_no_distribution():
    with pytest.raises(TemsegError, match="nothing to pool"):
        size_distribution([])
    with pytest.raises(TemsegError, match="“solidity”; use one of ecd"):
        size_distribution([measured([10])], "solidity")


def test_intervals_of_two_unlike_images_stay_positive():
    images = [measure(np.pad(np.ones((side, side), int), 20), pixel_size=1.0) for side in (40, 60, 50, 45)]
    summary = size_distribution(images).summary()
    for name in ("mean", "d50"):
        low, high = summary[f"{name}_interval"]
        assert 0 < low < summary[name] < high


def test_a_few_images_that_have_nothing_in_common_give_no_interval():
    few = [measure(_squares(side, 12)) for side in (4, 9, 80)]
    summary = size_distribution(few).summary()
    assert summary["d50_interval"] is None
    assert "differ too much" in summary["interval_basis"]


def _squares(side: int, count: int) -> np.ndarray:
    labels = np.zeros((side + 4, count * (side + 4)), np.int32)
    for number in range(count):
        start = number * (side + 4) + 2
        labels[2 : 2 + side, start : start + side] = number + 1
    return labels


def test_no_curve_runs_through_pictures_that_have_no_interval_in_common():
    rng = np.random.default_rng(3)
    near = [
        measured(rng.normal(12, 1, 210)),
        measured(rng.normal(220, 25, 40)),
        measured(rng.normal(60, 6, 12)),
        measured(rng.normal(25, 3, 7)),
    ]
    sizes = size_distribution(near)
    assert not sizes.usability.usable
    assert sizes.shown_fit == (None, "the images differ too much to be pooled", None)
    assert sizes.best_fit is None
    assert not any(line.get_label() in FAMILIES for line in sizes.plot().axes[0].lines)
    assert sizes.plot_quantiles().axes[0].get_title() == "no fit"
    alike = size_distribution([measured(rng.normal(12, 1, 60)) for _ in range(4)])
    assert alike.best_fit == alike.shown_fit.curve.name is not None


def test_the_curve_lies_on_the_bars_above_the_detection_limit():
    x = np.exp(np.random.default_rng(4).normal(np.log(30), 0.3, 4000))
    sizes = replace(size_distribution([measured(x)]), limit=28.0)  # 41 % are smaller
    axes = sizes.plot().axes[0]
    curve = next(line for line in axes.lines if line.get_label() == sizes.best_fit)
    bars = [(each.get_x() + each.get_width() / 2, each.get_height()) for each in axes.patches if each.get_width() < 20]
    high = [(at, height) for at, height in bars if at > 32 and height > 1]
    assert np.interp([at for at, _ in high], *curve.get_data()) == pytest.approx([height for _, height in high], rel=0.25)
    assert sum(np.interp([at for at, _ in high], *curve.get_data())) == pytest.approx(sum(height for _, height in high), rel=0.06)
