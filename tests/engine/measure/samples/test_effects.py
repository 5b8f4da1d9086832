"""One sample against another: intervals from pictures, wide where these differ, none where they are too few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.samples.effects import effects
from napari_temseg.pipeline.samples.summaries import comparison_line


def population(rng, median, pictures, *, image_effect=0.0, n=40, sample="", grids=0):
    """Measurements whose diameters are lognormal, made without labels."""
    found = []
    for index in range(pictures):
        sizes = median * np.exp(rng.normal(0, 0.2, n) + rng.normal(0, image_effect))
        one = temseg.measure(np.eye(4, dtype=int))
        place = np.full(n, 100)
        columns = {"ecd_px": sizes, "bbox_top_px": place, "bbox_left_px": place, "particle": np.arange(1, n + 1)}
        table = one.table.iloc[np.zeros(n, int)].reset_index(drop=True).assign(**columns, frame=False)
        table = table.assign(bbox_bottom_px=place + sizes, bbox_right_px=place + sizes)
        grid = f"grid {index % grids}" if grids else ""
        found.append(replace(one, table=table, frame=(4000, 4000), valid_area=4000**2, image=f"{sample}{index}", sample=sample, grid=grid))
    return temseg.size_distribution(found)


def test_a_real_difference_is_shown_and_held_by_its_interval():
    rng = np.random.default_rng(0)
    compared = effects(population(rng, 50, 6), population(rng, 60, 6))
    d50 = compared["ratios"]["d50"]
    assert d50["interval"][0] < 1.2 < d50["interval"][1]
    assert d50["differs"]
    assert compared["why_none"] == ""


def test_equal_samples_whose_pictures_differ_are_not_told_apart_by_many_particles():
    held = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        one, other = (population(rng, 50, 5, image_effect=0.1, n=300) for _ in range(2))
        held += not effects(one, other)["ratios"]["d50"]["differs"]
    assert held >= 9


def test_fewer_than_three_pictures_have_no_interval():
    rng = np.random.default_rng(0)
    compared = effects(population(rng, 50, 2), population(rng, 60, 6))
    assert compared["ratios"]["d50"]["interval"] is None
    assert "3 pictures" in compared["why_none"]


def test_too_few_particles_have_no_ratio():
    rng = np.random.default_rng(0)
    compared = effects(population(rng, 50, 3), population(rng, 60, 1, n=19))
    assert compared["ratios"] == {}
    line = comparison_line({"one": "a", "other": "b", **compared})
    assert line == "D50 of b over a: none, each sample needs 20 particles at least"


def audited(sizes, factor, half=0.05):
    """The same, as if an audit had corrected its D50 by a factor, leaving so much of its logarithm open."""
    d50 = factor * sizes.quantile(0.5)
    ends = [d50 * np.exp(-half), d50 * np.exp(half)]
    name, found = sizes.audited(d50, ends)
    corrected = {"name": name, **found}
    return replace(sizes, audit={"corrected": corrected, "corrected_d50": d50, "corrected_d50_interval": ends})


def test_what_audits_correct_is_compared_where_both_are_audited():
    rng = np.random.default_rng(0)
    one, other = population(rng, 50, 6), population(rng, 60, 6)
    found = effects(one, other)
    both = effects(audited(one, 0.8), audited(other, 1.0))
    assert both["ratios"]["d50"]["ratio"] == pytest.approx(found["ratios"]["d50"]["ratio"] / 0.8)
    assert both["ratios"]["d90"] == found["ratios"]["d90"]  # which an audit does not correct
    half = [np.log(each["ratios"]["d50"]["interval"][1] / each["ratios"]["d50"]["ratio"]) for each in (found, both)]
    assert half[1] == pytest.approx(np.sqrt(half[0] ** 2 + 2 * 0.05**2))
    assert (found["audited"], both["audited"]) == ("", "both")


def test_where_one_is_audited_sizes_as_found_are_compared_and_that_is_said():
    rng = np.random.default_rng(0)
    one, other = population(rng, 50, 6, sample="A"), population(rng, 60, 6, sample="B")
    compared = effects(one, audited(other, 0.8))
    assert compared["ratios"] == effects(one, other)["ratios"]
    line = comparison_line({"one": "A", "other": "B", "unit": "px", **compared})
    assert line.startswith("D50 of B over A as found: 1.")
    assert line.endswith("an audit corrects that of B alone, so audit both")


def test_what_two_calibrations_do_not_share_widens_the_interval():
    rng = np.random.default_rng(0)
    one, other = population(rng, 50, 6), population(rng, 60, 6)
    narrow, wide = (effects(one, other, apart)["ratios"]["d50"]["interval"] for apart in (0.0, 0.05))
    assert wide[1] / wide[0] > 1.05 * narrow[1] / narrow[0]


def test_from_three_grids_on_these_are_resampled():
    rng = np.random.default_rng(0)
    by_grid, by_picture = population(rng, 50, 8, grids=4), population(rng, 50, 8, grids=2)
    assert by_grid.counted.units == 4
    assert "4 grids" in by_grid.summary()["interval_basis"]
    assert by_picture.counted.units == 8


def test_pooled_samples_are_not_usable_as_they_are():
    rng = np.random.default_rng(0)
    assert population(rng, 50, 3, sample="A").usability.usable
    table = temseg.measure(np.eye(4, dtype=int))
    pooled = temseg.size_distribution([replace(table, sample="A"), replace(table, sample="B")])
    assert "2 samples are pooled (A, B)" in pooled.usability.why
