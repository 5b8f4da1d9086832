"""The laboratory's own calibrations: a row applies where the file says what it says, and its error is shared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.cli import main
from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.files.formats.acquisitions import acquisition, flattened, parsed_time
from napari_temseg.files.laboratory import CalibrationRow, corrected, own_rows, read_table, write_table

TAKEN = Acquisition("Talos F200X", "STEM", 320_000.0, 200.0, "HAADF")
GRATING = {"standard": "cross grating", "date": "2026-01-02"}


def image(taken: Acquisition = TAKEN, size: float | None = 0.25) -> temseg.Micrograph:
    calibration = temseg.Calibration(None if size is None else (size, size), "Velox metadata")
    return temseg.Micrograph(np.zeros((8, 8), np.uint8), calibration=calibration, acquisition=taken)


def test_the_row_that_says_most_applies_along_x_and_y() -> None:
    general = CalibrationRow("Talos F200X", factor_x=1.5, factor_y=1.5)
    row = CalibrationRow("talos  f200x", "stem", 320_000, factor_x=1.02, factor_y=1.05, uncertainty=0.004, **GRATING)
    known = corrected(image(), [general, row]).calibration
    assert known.scale == pytest.approx((0.25 * 1.05, 0.25 * 1.02))
    assert known.uncertainty == pytest.approx(0.004)
    assert (known.standard, known.date) == ("cross grating", "2026-01-02")
    for words in ("1.02 (x), 1.05 (y)", "± 0.4 %", "cross grating, 2026-01-02", "320000 ×"):
        assert words in known.describe()
    labels = np.zeros((40, 40), int)
    labels[10:20, 10:30] = 1
    measured = temseg.measure(labels, pixel_size=known.scale).table
    assert measured.area_nm2[0] == pytest.approx(200 * 0.25**2 * 1.05 * 1.02)


@pytest.mark.parametrize(
    "row",
    [
        CalibrationRow("Titan", factor_x=2),
        CalibrationRow(magnification=310_000, factor_x=2),
        CalibrationRow(kilovolts=80, factor_x=2),
        CalibrationRow("Talos F200X", camera="BF", factor_x=2),
    ],
    ids=lambda row: row.setting,
)
def test_a_row_of_something_else_does_not(row: CalibrationRow) -> None:
    assert corrected(image(), [row]).calibration.factor == 1
    silent = image(Acquisition())  # what a file does not say is not guessed
    assert corrected(silent, [row]) is silent


def test_the_newest_counts_and_two_of_one_day_none() -> None:
    rows = [CalibrationRow("Talos F200X", factor_x=f, factor_y=f, date=day) for f, day in ((1.1, "2025-01-01"), (1.2, "2026-01-01"))]
    assert corrected(image(), rows).calibration.factor == pytest.approx(1.2)
    both = corrected(image(), [*rows, CalibrationRow("Talos F200X", factor_x=1.3, factor_y=1.3, date="2026-01-01")])
    assert both.calibration.factor == 1
    assert "fit equally well" in both.notes[0]
    assert corrected(image(size=None), rows).calibration.pixel_size is None


def test_there_and_back_as_a_file(tmp_path: Path) -> None:
    rows = [
        CalibrationRow("Talos, “old”", "STEM", 320_000, 200, "HAADF", 1.02, 1.05, 0.004, **GRATING),
        CalibrationRow(camera="Ceta", factor_x=0.99, factor_y=0.99),
    ]
    write_table(tmp_path / "a.csv", rows)
    assert read_table(tmp_path / "a.csv") == rows
    (tmp_path / "b.csv").write_text("\ufeffinstrument;factor_x;uncertainty_percent\nTitan;1,02;0,5 %\n\n", encoding="utf-8")
    assert read_table(tmp_path / "b.csv") == [CalibrationRow("Titan", factor_x=1.02, factor_y=1.02, uncertainty=0.005)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,value\n1,2\n", "no column factor_x"),
        ("instrument,factor_x\nTitan,much\n", "line 2: “much” is no number"),
        ("instrument,factor_x\nTitan,0\n", "line 2: The factor along x"),
        ("instrument,factor_x\n,1.1\n", "line 2: A calibration must say what it is for"),
        ("instrument,factor_x,date\nTitan,,\n", "line 2: there is no factor_x"),
        ("instrument,factor_x,date\nTitan,1.1\n", "line 2: holds fewer or more entries"),
        ("instrument,factor_x\nTitan,1,02\n", "line 2: holds fewer or more entries"),
        ("instrument,factor_x,date\nTitan,1.1,tomorrow\n", "line 2: “tomorrow” is no date"),
    ],
)
def test_tables_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(temseg.TemsegError, match=f"t.csv.*{words}"):
        read_table(tmp_path / "t.csv")


def zeiss(path: Path, seed: int = 0) -> Path:
    """A TIFF as SmartSEM writes it, of 10 nm a pixel, 20 000 ×, 5 kV."""
    entries = [("AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 10.0 nm"), ("AP_MAG", "Mag = 20.00 K X"), ("AP_ACTUALKV", "EHT = 5.00 kV")]
    text = "\r\n".join(line for entry in entries for line in entry)
    data = np.random.default_rng(seed).integers(90, 110, (96, 128)).astype(np.uint8)
    data[20:60, 30:70] = 220
    tifffile.imwrite(path, data, extratags=[(34118, "s", 0, text, True)])
    return path


@pytest.mark.usefixtures("known_drawings")
def test_a_run_names_what_it_applied_and_the_recipe_repeats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zeiss(tmp_path / "a.tif")
    plain = temseg.read(tmp_path / "a.tif")
    assert (plain.acquisition.mode, plain.acquisition.magnification, plain.acquisition.kilovolts) == ("SEM", 20_000.0, 5.0)
    add = ["calibrations", "add", "--magnification", "20000", "--kv", "5", "--factor", "1.1", "--factor-y", "1.2", "--uncertainty", "0.5 %"]
    assert main([*add, "--standard", "grating"]) == 0
    assert own_rows()[0].factor_y == 1.2
    assert main(["info", str(tmp_path / "a.tif")]) == 0
    told = capsys.readouterr().out
    for words in ("12 × 11 nm/px", "1.1 (x), 1.2 (y) ± 0.5 %", "grating", "20000 ×"):
        assert words in told
    assert main(["run", str(tmp_path / "a.tif"), "-o", str(tmp_path / "out"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    known = summary["images"][0]["calibration"]
    assert known["row"] == "20000 × · 5 kV"
    assert "grating" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert summary["distributions"]["nm"]["calibration_relative_uncertainty"] == pytest.approx(0.005)
    assert main(["calibrations", "export", str(tmp_path / "lab.csv")]) == 0
    assert main(["calibrations", "remove", "1"]) == 0
    assert temseg.read(tmp_path / "a.tif").calibration.factor == 1
    assert temseg.read(tmp_path / "a.tif", calibrations=tmp_path / "lab.csv").calibration.scale == pytest.approx((12, 11))
    capsys.readouterr()
    for more in (
        ["--recipe", str(tmp_path / "out" / "recipe.json")],
        [str(tmp_path / "a.tif"), "--calibrations", str(tmp_path / "lab.csv")],
    ):
        assert main(["run", *more, "-o", str(tmp_path / "again"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["images"][0]["calibration"] == known
    assert main(["calibrations", "import", str(tmp_path / "lab.csv"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["calibrations"]) == 1
    assert main(["calibrations", "remove", "7"]) == 2
    assert main(["calibrations", "add", "--factor", "1.1"]) == 2
    assert "must say what it is for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("1575540224", "2019-12-05T10:03:44"),
        ("06/13/2016 05:06:40 PM", "2016-06-13T17:06:40"),
        ("23/12/2016 17:06:40", "2016-12-23T17:06:40"),
        ("13.06.2016 17:06:40", "2016-06-13T17:06:40"),
        ("2016-06-13T17:06:40.1234567+02:00", "2016-06-13T17:06:40"),
        ("Date :13 Dec 2012 Time :14:02:33", "2012-12-13T14:02:33"),
        ("yesterday", ""),
    ],
)
def test_times_as_microscopes_write_them(text: str, iso: str) -> None:
    assert parsed_time(text) == iso


def test_makers_call_it_differently() -> None:
    velox = {
        "Optics": {"AccelerationVoltage": "200000"},
        "Instrument": {"InstrumentModel": "Talos"},
        "Stage": {"Position": {"x": "1e-6", "y": "-2e-6"}},
        "CustomProperties": {"StemMagnification": {"type": "double", "value": "320000"}},
    }
    assert acquisition(flattened(velox), "STEM") == Acquisition("Talos", "STEM", 320_000.0, 200.0, "", "", (1.0, -2.0))
    hitachi = {"AcceleratingVoltage": "15000 Volt", "Magnification": "20000", "InstructName": "SU8000", "StagePositionX": "1000"}
    assert acquisition(flattened(hitachi), "SEM") == Acquisition("SU8000", "SEM", 20_000.0, 15.0)
