"""An audit of a run: drawn by size, answered, kept by the content of pictures, and in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.engine.measure.audit.carrying import Audit, audited, carried, outcomes
from napari_temseg.engine.measure.audit.outcome import ACCEPT, PIECE, REJECT, SEVERAL, Answers, between, outcome
from napari_temseg.engine.measure.audit.sampling import drawn
from napari_temseg.engine.measure.segmentation import Segmentation
from napari_temseg.engine.types.wording import d50_words
from napari_temseg.files.audits import audit_of, sample_digest
from napari_temseg.files.formats.tiff import write_tiff

NM = temseg.Calibration((0.5, 0.5), "tag")


def discs(rng: np.random.Generator, n: int = 400) -> temseg.Measurement:
    labels = np.zeros((1000, 1000), int)
    for index in range(n):
        y, x = 25 + 48 * (index // 20), 25 + 48 * (index % 20)
        labels[disk((y, x), rng.uniform(6, 20))] = index + 1
    return replace(temseg.measure(labels, pixel_size=0.5), content_hash="abc")


def answered(sample, *, shrink: float = 1.0, rejected: float = 0.0, missed: int = 0, who: str = "A", seed: int = 0) -> Answers:
    """An auditor who measures `shrink` times the diameter and rejects a share of the particles."""
    rng = np.random.default_rng(seed)
    decisions = {k: REJECT if rng.random() < rejected else ACCEPT for k in range(len(sample.particles))}
    lengths = {k: each.ecd * shrink * float(np.exp(rng.normal(0, 0.03))) for k, each in enumerate(sample.particles)}
    fields = {k: [10.0] * (missed if k == 0 else 0) for k in range(len(sample.fields))}
    return Answers(who, "2026-01-02T10:00:00Z", decisions, lengths, fields)


def test_every_size_is_drawn_equally_often_and_fields_lie_in_the_picture() -> None:
    measured = discs(np.random.default_rng(0))
    sample = drawn([measured])
    assert sample is not None
    assert len(sample.particles) == 100
    assert np.bincount([each.stratum for each in sample.particles]).tolist() == [10] * 10
    assert sum(sample.population) == int((~measured.table["frame"]).sum())
    assert len(sample.fields) == 20
    assert all(field.top + field.side <= 1000 and field.left + field.side <= 1000 for field in sample.fields)
    assert drawn([measured]) == sample


def test_a_bias_that_the_auditor_sees_is_corrected() -> None:
    measured = discs(np.random.default_rng(0))
    sample, d50 = drawn([measured]), temseg.size_distribution(measured).quantile(0.5)
    assert sample is not None
    assert d50 is not None
    told = outcome(sample, answered(sample, shrink=0.9, rejected=0.2), d50)
    assert told["precision"] == pytest.approx(0.8, abs=0.1)
    assert told["precision_interval"][0] < told["precision"] < told["precision_interval"][1]
    assert told["recall"] == 1.0
    assert 0.9 < told["recall_interval"][0] < 1.0  # none missed in twenty fields is not none anywhere
    assert told["agreement"]["bias"] == pytest.approx(1 / 0.9 - 1, abs=0.02)
    assert told["agreement"]["limits"][0] < told["agreement"]["bias"] < told["agreement"]["limits"][1]
    assert told["corrected_d50"] == pytest.approx(0.9 * d50, rel=0.03)
    assert told["corrected_d50_interval"][0] < 0.9 * d50 < told["corrected_d50_interval"][1]
    few = Answers("A", "", {0: ACCEPT, 1: SEVERAL}, {0: 10.0})
    assert outcome(sample, few, d50)["corrected_d50"] is None  # too few


def test_a_corrected_median_enters_number_interval_plot_and_verdict() -> None:
    measured = discs(np.random.default_rng(0))
    found, sample = temseg.size_distribution(measured), drawn([measured])
    assert sample is not None
    audits = [Audit(sample, answered(sample, shrink=0.8), {})]
    splits = {key: {"value": value, "n": 300.0, "d50": d50} for key, value, d50 in (("as found", None, 13.0), ("strength less", 0.4, 20.0))}
    hanging = replace(found, segmentation=Segmentation(splits, {"strength": 0.43}, refused=True))
    told = audited({"nm": hanging}, audits, [measured])["nm"]
    summary = told.summary()
    corrected, low, high = summary["corrected"]["d50"], *summary["corrected"]["interval"]
    assert low < corrected < high < found.quantile(0.5)  # type: ignore[operator]
    assert f"corrected by the audit; these particles, 95 %: {low:.2f} to {high:.2f}; found: {summary['d50']:.2f}" in d50_words(summary)
    assert list(told.budget) == ["counting", "audit", "calibration"]
    marks = {text.split(" = ")[0]: text for text in told.plot().axes[0].get_legend_handles_labels()[1]}
    assert f"{corrected:.2f}" in marks["D50"]
    assert "audited; these particles" in marks["D50"]
    assert f"{summary['d50']:.2f}" in marks["as found"]
    assert not hanging.usability.usable
    assert (summary["usable"], summary["verdict"]) == (True, "usable with the audit")
    assert "how touching particles are split" in summary["mended_by_audit"][0]
    assert audited({"nm": found}, audits, [measured])["nm"].usability.headline == "usable"
    two = audited({"nm small": found, "nm large": found}, audits, [measured])
    assert [each.corrected for each in two.values()] == [None, None]  # no D50 in common


def test_several_in_one_count_by_their_area_and_parts_as_shares() -> None:
    measured = discs(np.random.default_rng(0))
    sample, d50 = drawn([measured]), temseg.size_distribution(measured).quantile(0.5)
    assert sample is not None
    assert d50 is not None
    n = len(sample.particles)
    halves = Answers("A", "", dict.fromkeys(range(n), SEVERAL), {k: each.ecd / np.sqrt(2) for k, each in enumerate(sample.particles)})
    assert outcome(sample, halves, d50)["corrected_d50"] == pytest.approx(d50 / np.sqrt(2), rel=0.05)
    large_and_small = Answers("A", "", dict.fromkeys(range(n), SEVERAL), {k: 0.9 * each.ecd for k, each in enumerate(sample.particles)})
    every = np.array([each.ecd for each in sample.particles]) * sample.particles[0].scale
    told = outcome(sample, large_and_small, d50)["corrected_d50"]
    assert told / d50 == pytest.approx(np.median(np.r_[0.9 * every, np.sqrt(1 - 0.81) * every]) / np.median(every), rel=0.1)
    parts = Answers("A", "", dict.fromkeys(range(n), PIECE), {k: 2 * each.ecd for k, each in enumerate(sample.particles)})
    assert outcome(sample, parts, d50)["corrected_d50"] == pytest.approx(2 * d50, rel=0.05)


def test_what_counting_and_calibration_leave_open_adds_to_the_audit() -> None:
    measured = [replace(discs(np.random.default_rng(k)), image=str(k), content_hash=str(k)) for k in range(4)]
    sample, sizes = drawn(measured), temseg.size_distribution(measured)
    assert sample is not None
    told = outcomes([Audit(sample, answered(sample, shrink=0.9), {})], measured, sizes)
    assert told is not None
    low, high = told["corrected"]["d50"]
    alone = told["corrected_d50_interval"]
    assert told["corrected"]["holds"] == ["audit", "counting"]
    assert told["corrected"]["name"] == "this specimen"
    assert low < alone[0] < told["corrected_d50"] < alone[1] < high
    assert "corrected" not in outcome(sample, answered(sample), sizes.quantile(0.5))


def test_what_was_missed_lowers_recall_at_its_size() -> None:
    measured = discs(np.random.default_rng(0))
    sample = drawn([measured])
    assert sample is not None
    told = outcome(sample, answered(sample, missed=12), 13.0)
    searched = sum((field.side * 0.5) ** 2 for field in sample.fields)
    assert told["missed"] == 12
    assert told["recall"] == pytest.approx(400 / (400 + 12 * 500**2 / searched), rel=0.05)
    smallest, *larger = told["recall_by_size"]
    assert smallest["recall"] < 1
    assert all(each["recall"] == 1 for each in larger)


def test_two_auditors_are_held_against_each_other() -> None:
    sample = drawn([discs(np.random.default_rng(0))])
    assert sample is not None
    told = between(answered(sample), answered(sample, shrink=1.1, who="B", seed=1))
    assert told is not None
    assert told["equal_decisions"] == 1.0
    assert told["bias"] == pytest.approx(0.1, abs=0.02)


def test_answers_hold_for_a_new_result_where_the_same_particles_are_found() -> None:
    measured = discs(np.random.default_rng(0))
    sample = drawn([measured])
    assert sample is not None
    said = answered(sample)
    plain = {"sample": sample_digest(sample), "auditor": "A", "decisions": said.decisions, "lengths": said.lengths}
    audit = audit_of(sample, {**plain, "missed": {"0": [[500.0, 500.0, 9.0]]}})
    assert len(carried(audit, [measured]).answers.decisions) == 100
    fewer = replace(measured, table=measured.table[measured.table["particle"] % 2 == 0])
    kept = carried(audit, [fewer])
    assert 30 < len(kept.answers.decisions) < 70
    assert sum(kept.sample.population) == int((~fewer.table["frame"]).sum())
    assert not carried(audit, [replace(measured, content_hash="other")]).answers.decisions
    with pytest.raises(temseg.TemsegError, match="another gallery"):
        audit_of(sample, {**plain, "sample": "else"})


@pytest.fixture
def run(tmp_path: Path, bright: temseg.Segmenter) -> Path:
    """A run of a picture with 25 discs."""
    pixels = np.random.default_rng(0).integers(28, 34, (260, 260)).astype(np.uint8)
    for index in range(25):
        pixels[disk((30 + 50 * (index // 5), 30 + 50 * (index % 5)), 8 + index % 5)] = 200
    write_tiff(tmp_path / "a.tif", pixels, NM)
    temseg.run(tmp_path / "a.tif", tmp_path / "out", model=bright)
    return tmp_path / "out"


def answers_to(folder: Path, **changes: Any) -> Path:
    sample = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    numbers = range(len(sample["particles"]))
    said = {
        "sample": sample["sample"],
        "auditor": "Ada",
        "finished": "2026-01-02T10:00:00Z",
        "decisions": {str(k): "accept" for k in numbers},
        "lengths": {str(k): 0.95 * sample["particles"][k]["ecd"] for k in numbers},
        "missed": {str(k): [] for k in range(len(sample["fields"]))},
    }
    path = folder.parent / "audit_answers.json"
    path.write_text(json.dumps(said | changes), encoding="utf-8")
    return path


@pytest.mark.usefixtures("log_elsewhere")
def test_a_run_writes_the_gallery_and_takes_its_answers(run: Path, bright: temseg.Segmenter, capsys: pytest.CaptureFixture[str]) -> None:
    page = (run / "audit.html").read_text(encoding="utf-8")
    assert page.count('"kind": "particle"') == 25
    assert "http" not in page.replace("http-equiv", "")
    assert "not audited" in (run / "report.html").read_text(encoding="utf-8")
    assert main(["audit", str(run), str(answers_to(run))]) == 0
    assert "Audited by Ada, 2026-01-02: 25 particles" in capsys.readouterr().out
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "not audited" not in report
    assert "Precision 100 %" in report
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["audit"]["agreement"]["bias"] == pytest.approx(1 / 0.95 - 1, abs=0.001)
    again = temseg.run(run.parent / "a.tif", run, model=bright, split=temseg.SplitConfig(strength=0.4))
    assert again.summary["audit"]["judged"] == 25  # the same particles of the same picture


@pytest.mark.usefixtures("log_elsewhere")
def test_wrong_answers_are_refused_in_one_sentence(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for changes, words in (({"sample": "else"}, "another gallery"), ({"decisions": {"0": "maybe"}}, "no decision “maybe”")):
        assert main(["audit", str(run), str(answers_to(run, **changes))]) == 2
        assert words in capsys.readouterr().err
    assert main(["audit", str(tmp_path), str(answers_to(run))]) == 2
    assert "holds no run with a gallery" in capsys.readouterr().err
