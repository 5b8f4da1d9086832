"""Lengths as people read them: one unit for all of them, and the same numbers in it as in nm."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_temseg import measure, size_distribution
from napari_temseg.engine.measure.audit.carrying import Audit, outcomes
from napari_temseg.engine.measure.audit.outcome import Answers
from napari_temseg.engine.measure.audit.sampling import drawn
from napari_temseg.engine.measure.calibrated import in_shown_unit, in_unit, shown_unit
from napari_temseg.engine.measure.descriptors import DISTRIBUTION_STATISTICS
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.measure.recovery.limit import RecoveredSize
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import length_words, size_words

RELATIVE = ("usable", "verdict", "budget", "other_edge", "gsd", "span", "n_eff", "share_below_100nm", "more_for_5_percent", "n_left_out")


@pytest.fixture(scope="module")
def powder() -> Measurement:
    """Discs of 8 to 30 px, of 1000 nm each, with another splitting, sizes that were put in and a stated pixel size."""
    labels, rng = np.zeros((400, 400), np.int32), np.random.default_rng(0)
    y, x = np.mgrid[:400, :400]
    for number, radius in enumerate(rng.uniform(4, 15, 60)):
        row, column = 25 + 48 * (number // 8), 25 + 48 * (number % 8)
        labels[np.hypot(y - row, x - column) < radius] = number + 1
    calibration = Calibration((1000.0, 1000.0), "tag", reading_uncertainty=0.01)
    found = replace(measure(labels, pixel_size=1000.0), calibration=calibration, smallest=5.0)
    ecd = found.table["ecd_nm"].to_numpy() / 1000
    box = np.column_stack([ecd, ecd])
    splits = (OtherSplit("as found", "", 0.0, ecd, box), OtherSplit("less", "strength", 0.4, 1.1 * ecd, box))
    return replace(found, other_splits=splits, recovered=(RecoveredSize(10.0, 20, 20, 0.1),))


def test_all_lengths_of_a_sample_are_in_the_unit_of_its_median(powder: Measurement) -> None:
    small = in_unit(replace(powder, calibration=Calibration((1000.0, 1000.0))), "nm")
    fine = measure((np.arange(400)[:, None] // 20 % 2 * 1 + np.zeros(400, int)).astype(np.int32), pixel_size=0.1)
    bare = measure(np.ones((9, 9), np.int32))
    assert shown_unit([powder]) == shown_unit([powder, bare]) == "µm"
    assert shown_unit([bare]) == shown_unit([]) == "px"
    assert shown_unit([fine]) == "nm"
    assert in_shown_unit([fine, bare])[0] is fine
    told = in_shown_unit([powder, fine, bare])
    assert [each.length_unit for each in told] == ["µm", "µm", "px"], "one unit for all of a table"
    assert told[2] is bare
    pd.testing.assert_frame_equal(in_unit(told[0], "nm").table, powder.table)
    assert told[0].calibration.describe() == powder.calibration.describe() == "1 µm/px · tag"
    assert small.length_unit == "nm"
    assert in_shown_unit(told) == told


def test_a_distribution_says_the_same_in_either_unit(powder: Measurement) -> None:
    told = size_distribution(in_shown_unit([powder])).summary()
    known = size_distribution([powder]).summary()
    assert told["unit"] == "µm"
    for name in RELATIVE:
        assert _nearly(told[name]) == _nearly(known[name]), name
    for name, each in DISTRIBUTION_STATISTICS.items():
        if each.kind == "length" and name not in ("intervals", "pieces", "d50_left_out") and known[name] is not None:
            assert np.asarray(told[name]) * 1000 == pytest.approx(np.asarray(known[name])), name
    ends = [summary["intervals"]["these particles"]["lacks"] for summary in (told, known)]
    assert ends[0] == ends[1]
    assert told["segmentation"]["splits"]["strength less"]["d50"] * 1000 == pytest.approx(
        known["segmentation"]["splits"]["strength less"]["d50"]
    )
    assert told["detection"]["limit"] * 1000 == pytest.approx(known["detection"]["limit"])
    assert told["per_area"] == pytest.approx(known["per_area"] * 1e6)
    fits = [size_distribution(each).fits["lognormal"]["median"] for each in (in_shown_unit([powder]), [powder])]
    assert fits[0] * 1000 == pytest.approx(fits[1], rel=1e-4)
    areas = [size_distribution(each).specific_surface(4.2) for each in (in_shown_unit([powder]), [powder])]
    assert areas[0] == pytest.approx(areas[1])


def _nearly(value: object) -> object:
    return json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.6g}"))


@pytest.mark.parametrize(
    ("nanometres", "words"),
    [(0.35, "0.35 nm"), (999.4, "999 nm"), (999.6, "1 µm"), (8300.0, "8.3 µm"), (28546.0, "28.5 µm"), (999.9e3, "1 mm"), (2.5e6, "2.5 mm")],
)
def test_a_length_is_told_in_its_unit_without_an_exponent(nanometres: float, words: str) -> None:
    assert length_words(nanometres) == words
    assert length_words(nanometres / 1000, "µm") == words
    assert size_words(nanometres / 2, 2.0) == words


def test_a_size_in_px_has_no_exponent() -> None:
    assert size_words(1634.2, 0.0) == "1634 px"
    assert size_words(1634.2, 0.0, 2) == "1634 px"
    assert size_words(4.0, 0.0) == "4 px"


def test_an_audit_says_the_same_in_either_unit(powder: Measurement) -> None:
    sample = drawn([powder])
    assert sample is not None
    lengths = {number: 1.02 * each.ecd for number, each in enumerate(sample.particles)}
    missed = {number: [(1.0, 1.0, 12.0)] for number in range(len(sample.fields))}
    answers = Answers("A", "2026-01-02", dict.fromkeys(lengths, "accept"), lengths, {number: [12.0] for number in missed})
    found = [outcomes([Audit(sample, answers, missed)], each, size_distribution(each)) for each in ([powder], in_shown_unit([powder]))]
    known, told = (each for each in found if each is not None)
    assert told["corrected_d50"] * 1000 == pytest.approx(known["corrected_d50"])
    assert told["recall"] == pytest.approx(known["recall"])
    assert known["recall"] < 1, "by the area of the fields, in the same unit as that of the pictures"
