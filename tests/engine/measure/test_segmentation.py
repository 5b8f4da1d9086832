"""What other splittings say of a size, and when a result is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.measure.pooling import size_distribution
from napari_temseg.engine.measure.segmentation import MOST_HANGING, SegmentationCalibration, hanging
from napari_temseg.engine.types.wording import bias_words, d50_words, rounded, verdict_words

HASH = "abc"
CALIBRATION = SegmentationCalibration(HASH, bias=-0.02, floor=0.02, factor=1.5, refused=0.1, facts={"pictures": 40})


def discs(diameters, **facts):
    """A measurement of discs apart in one wide picture."""
    side = 2 + int(max(diameters))
    labels = np.zeros((side + 8, side * len(diameters) + 8), np.int32)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    for index, diameter in enumerate(diameters):
        labels[4 : 4 + side, 4 + index * side : 4 + (index + 1) * side] = np.where(np.hypot(y, x) <= diameter / 2, index + 1, 0)
    return replace(temseg.measure(labels, pixel_size=2.0), model_hash=HASH, **facts)


def split(step, setting, value, diameters):
    sizes = np.asarray(diameters, float)
    return OtherSplit(step, setting, value, sizes, np.column_stack([sizes, sizes]))


def with_drift(share, diameters=None):
    sizes = np.linspace(18, 22, 30) if diameters is None else diameters
    found = discs(sizes)
    steps = [split("as found", "", 0.0, sizes), split("less", "strength", 0.4, sizes * (1 + share)), split("more", "strength", 0.6, sizes)]
    return replace(found, other_splits=(*steps, split("much less", "strength", 0.3, 3 * sizes), split("none", "certainty", 0.0, sizes / 2)))


def test_a_calm_splitting_gives_an_interval_with_its_bias_taken_off():
    sizes = size_distribution([with_drift(0.03)], calibration=CALIBRATION)
    summary = sizes.summary()
    low, high = summary["intervals"]["these particles"]["d50"]
    half = 1.5 * (0.02 + math.log(1.03))
    assert math.log(high / low) / 2 == pytest.approx(half, rel=0.03)
    assert math.sqrt(low * high) == pytest.approx(summary["d50"] * math.exp(-0.02))
    assert summary["usable"]
    assert summary["budget"]["segmentation"] == pytest.approx(half / 1.96, rel=0.03)
    assert summary["intervals"]["this specimen"]["d50"] is None  # one picture
    assert "takes three" in summary["intervals"]["this specimen"]["why_none"]
    json.loads(sizes.to_json())


def test_images_of_several_models_are_not_said_to_be_of_one_that_nobody_compared():
    other = replace(with_drift(0.03), model_hash="another")
    summary = size_distribution([with_drift(0.03), other], calibration=CALIBRATION).summary()
    assert "nobody has compared" not in str(summary["intervals"])
    assert "not all found by one model" in str(summary["intervals"]["these particles"]["lacks"])
    assert "not all found by one model" in bias_words(summary["segmentation"], unlike=False)


@pytest.mark.parametrize(("share", "usable"), [(0.05, True), (0.2, False)])
def test_where_the_model_doubts_many_of_its_particles_others_may_be_missed(share, usable):
    found = with_drift(0.03)
    confidence = np.where(np.arange(len(found.table)) < share * len(found.table), 0.4, 0.9)
    found = replace(found, table=found.table.assign(confidence=confidence))
    sizes = size_distribution([found], calibration=CALIBRATION)
    assert sizes.usability.usable is usable
    assert usable or "may be missed" in sizes.usability.why[0]
    seen = replace(found, table=found.table.assign(reviewed=True))
    assert size_distribution([seen], calibration=CALIBRATION).usability.usable


def test_a_result_that_hangs_on_the_splitting_is_refused_and_says_what_to_do():
    for calibration in (CALIBRATION, None):
        summary = size_distribution([with_drift(0.5)], calibration=calibration).summary()
        assert not summary["usable"]
        assert "how touching particles are split" in summary["why_not"][0]
        assert "64.13 nm (strength 0.4)" in summary["why_not"][0], "by the step that counts, not by what lies beyond it"
        assert "0.3" not in summary["why_not"][0]
        assert summary["next_steps"]
        assert summary["intervals"]["these particles"]["d50"] is None


def test_where_somebody_changed_a_result_the_d50_of_the_search_is_not_told_as_that_of_what_is_shown():
    found = discs(np.linspace(18, 22, 30))
    ecd = found.table["ecd_nm"].to_numpy() / 2
    box = found.table[["bbox_bottom_px", "bbox_right_px"]].to_numpy() - found.table[["bbox_top_px", "bbox_left_px"]].to_numpy()
    as_found = OtherSplit("as found", "", 0.0, ecd, box.astype(float))
    found = replace(found, other_splits=(as_found, split("less", "strength", 0.4, 1.5 * ecd)))
    assert "D50 (equivalent diameter) is 40" in size_distribution([found]).summary()["why_not"][0]
    table = found.table.assign(excluded=np.where(ecd < 19, "damaged", ""))
    told = size_distribution([replace(found, table=table)]).summary()["why_not"][0]
    assert "D50 (equivalent diameter), without changes by hand, is 40" in told


def test_where_many_hang_on_the_splitting_a_learnt_share_of_them_is_taken_off():
    sizes = np.linspace(18, 22, 30)
    fewer = replace(with_drift(0.0), other_splits=(split("as found", "", 0.0, sizes), split("less", "strength", 0.4, sizes[5:-5])))
    welded = replace(CALIBRATION, bias=0.0, welded=-0.2)
    found = size_distribution([fewer], calibration=welded)
    low, high = found.summary()["intervals"]["these particles"]["d50"]
    assert math.sqrt(low * high) == pytest.approx(found.quantile(0.5) * (20 / 30) ** 0.2)
    assert hanging({"as found": {"n": 30.0}, "strength less": {"n": 0.0}}) == MOST_HANGING
    assert hanging({"as found": {"n": 30.0}, "strength less": {"n": 31.0}}) == 0
    assert hanging({"as found": {"n": 30.0}}) == 0


@pytest.mark.parametrize("welded", [0.0, -0.2])
@pytest.mark.parametrize("other", [{"model_hash": "own"}, {"convention": "half contrast"}])
def test_a_model_that_nobody_compared_is_never_surer_than_the_one_that_was(other, welded):
    calibration, found = replace(CALIBRATION, welded=welded), replace(with_drift(0.03), calibration=temseg.Calibration((2.0, 2.0), "typed"))
    summary = size_distribution([replace(found, **other)], calibration=calibration).summary()
    shipped = size_distribution([found], calibration=calibration).summary()["intervals"]["these particles"]["d50"]
    own = summary["intervals"]["these particles"]
    assert summary["usable"]
    assert not summary["segmentation"]["calibrated"]
    assert own["d50"][0] <= shipped[0]
    assert own["d50"][1] >= shipped[1]
    assert own["holds"][0] == "segmentation (at least as much as with the shipped model)"
    assert any("what more this model leaves open" in each for each in own["lacks"])
    assert "95 %, at least: " in d50_words(summary)
    assert "not compared with outlines" in verdict_words(summary)
    assert "the least that is in the intervals" in bias_words(summary["segmentation"], unlike=False)
    assert ("half contrast" in str(own["lacks"])) == ("convention" in other)


@pytest.mark.parametrize("uncertainty", [0.0, 0.01])
def test_without_segmentation_the_words_say_that_only_counting_is_in_an_interval(uncertainty):
    known = temseg.Calibration((2.0, 2.0), "typed", reading_uncertainty=uncertainty)
    summary = size_distribution([replace(discs(np.linspace(18, 22, 30)), calibration=known)], calibration=CALIBRATION).summary()
    assert summary["intervals"]["these particles"]["d50"] is None, "the pixel size alone would look surer than a result that is known"
    low, high = summary["d50_interval"]
    half = (high - low) / 2
    assert f"(counting alone, 95 %: {rounded(low, half)} to {rounded(high, half)}; how particles are outlined and split is not in it)" in (
        d50_words(summary)
    )
    assert verdict_words(summary) == "Usable · only counting is in its interval · not audited"
    pictures = [replace(discs(np.linspace(18 + shift, 22 + shift, 20)), calibration=known) for shift in (-1, 0, 1.5)]
    words = d50_words(size_distribution(pictures, calibration=CALIBRATION).summary())
    assert f"counting{' and calibration' if uncertainty else ''} alone, how particles are outlined and split is not in it" in words


def test_from_three_pictures_on_the_specimen_has_an_interval_that_holds_both():
    pictures = [with_drift(0.03, np.linspace(18 + shift, 22 + shift, 20)) for shift in (-1, 0, 1.5)]
    named = size_distribution(pictures, calibration=CALIBRATION).summary()["intervals"]
    assert named["this specimen"]["holds"] == ["counting", "segmentation"]
    widths = [math.log(named[name]["d50"][1] / named[name]["d50"][0]) for name in ("these particles", "this specimen")]
    assert widths[1] > widths[0]


def test_nothing_left_at_another_setting_is_no_number():
    found = with_drift(0.03)
    empty = split("more", "certainty", 0.7, [])
    summary = size_distribution([replace(found, other_splits=(*found.other_splits, empty))]).summary()
    assert summary["segmentation"]["drift"]["certainty"] is None
    assert summary["segmentation"]["splits"]["certainty more"]["n"] == 0


def test_those_the_model_is_unsure_of_stand_beside_what_was_found_not_beside_what_was_corrected():
    bare = discs(np.linspace(18, 22, 30))
    exact = bare.table["ecd_nm"] / 2
    made = replace(bare, other_splits=(split("as found", "", 0.0, exact), split("none", "certainty", 0.0, exact)))
    whats = [each["what"] for each in size_distribution([made]).pieces]
    assert whats[-1] == "with those the model is unsure of"
    assert "as found, without changes by hand" not in whats
    corrected = replace(made, table=made.table.iloc[1:])
    pieces = {each["what"]: each["n"] for each in size_distribution([corrected]).pieces}
    assert pieces["as found, without changes by hand"] == pieces["all"] + 1
    assert "as found, with those the model is unsure of" in pieces


def test_parts_stand_side_by_side_and_few_particles_have_no_d50():
    labels = np.zeros((60, 120), np.int32)
    labels[10:20, 10:20], labels[10:20, 20:40], labels[40:44, 60:64] = 1, 2, 3
    sizes = temseg.size_distribution(temseg.measure(labels))
    pieces = {each["what"]: each for each in sizes.pieces}
    assert pieces["all"]["n"] == 3
    assert pieces["standing alone"]["n"] == 1
    assert pieces["standing alone"]["d50"] == pytest.approx(math.sqrt(4 * 16 / math.pi))
    assert not sizes.usability.usable
    assert "a D50 needs 20" in sizes.usability.why[0]
    assert not any("D50" in text.get_text() for text in sizes.plot().axes[0].texts)


def test_rods_and_spheres_have_no_diameter_in_common():
    labels = np.zeros((500, 800), np.int32)
    y, x = np.indices(labels.shape)
    for number in range(50):
        row, column = 40 + 100 * (number // 10), 40 + 75 * (number % 10)
        rod, disc = (np.abs(y - row) <= 5) & (np.abs(x - column) <= 25), (y - row) ** 2 + (x - column) ** 2 <= 12**2
        labels[rod if number % 2 else disc] = number + 1
    sizes = temseg.size_distribution(temseg.measure(labels))
    assert sizes.usability.headline == "not usable as it is"
    assert "25 rods and 25 spheres are pooled" in sizes.usability.why[0]
    assert [piece["n"] for piece in sizes.pieces if piece["what"].startswith("shape")] == [25, 25]
    spheres = temseg.size_distribution(temseg.measure(np.where((labels > 0) & (labels % 2 == 1), labels, 0)))
    assert spheres.usability.usable


def test_magnifications_err_independently_and_one_magnification_together():
    def picture(size, uncertainty):
        calibration = temseg.Calibration((size, size), "typed", reading_uncertainty=uncertainty)
        return replace(discs([20.0] * 5), calibration=calibration)

    same = size_distribution([picture(2.0, 0.02), picture(2.0, 0.02)])
    other = size_distribution([picture(2.0, 0.02), picture(2.5, 0.02)])
    assert same.calibration_uncertainty == pytest.approx(0.02)
    assert other.calibration_uncertainty == pytest.approx(0.02 / math.sqrt(2))
    assert size_distribution([picture(2.0, 0.02), picture(2.0, 0.0)]).calibration_uncertainty is None
