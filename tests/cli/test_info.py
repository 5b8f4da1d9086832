"""`temseg info FILE`: what a file holds; and every warning of a reader reaches standard error, report and summary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_temseg.cli.main import main

GREY = np.random.default_rng(0).normal(120, 20, (96, 128)).clip(1, 250).astype(np.uint8)
HITACHI = "[SemImageFile]\r\nImageName=a.tif\r\nDataSize=256x192\r\nPixelSize=5\r\n"

pytestmark = pytest.mark.usefixtures("log_elsewhere")


@pytest.fixture
def resampled(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(HITACHI)
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    return tmp_path / "a.tif"


def test_info_of_a_file(resampled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(resampled)]) == 0
    told = capsys.readouterr().out
    assert "128 × 96 px, uint8" in told
    assert "10 nm/px · Hitachi file a.txt, corrected for resampling · field 1280 × 960 nm" in told
    assert "256 px wide" in told


@pytest.mark.parametrize(("pixel", "field"), [("5", "1280 × 960 nm"), ("50", "12.8 × 9.6 µm"), ("50000", "12.8 × 9.6 mm")])
def test_the_field_has_a_unit_that_suits_it(resampled: Path, pixel: str, field: str, capsys: pytest.CaptureFixture[str]) -> None:
    resampled.with_suffix(".txt").write_text(HITACHI.replace("PixelSize=5", f"PixelSize={pixel}"))
    assert main(["info", str(resampled)]) == 0
    assert f"· field {field}" in capsys.readouterr().out


def test_info_of_series_and_of_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.stack([GREY, GREY]), imagej=True, metadata={"axes": "CYX"})
    (tmp_path / "bad.tif").write_bytes(b"no TIFF")
    assert main(["info", str(tmp_path / "c.tif"), str(tmp_path / "bad.tif"), "--json"]) == 1
    streams = capsys.readouterr()
    (entry,) = json.loads(streams.out)["files"]
    assert [(one["name"], one["read"], one["pixel_size_nm"]) for one in entry["series"]] == [
        ("channel 1", False, None),
        ("channel 2", False, None),
    ]
    assert "bad.tif" in streams.err
    assert main(["info", str(tmp_path / "bad.tif")]) == 2


def test_every_warning_reaches_the_result(resampled: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(resampled), "-m", str(model), "-o", str(tmp_path / "out")]) == 0
    assert "a: The picture is 128 px wide" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert "256 px wide" in summary["images"][0]["notes"][0]
    assert any("256 px wide" in caution for caution in summary["cautions"])
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("256 px wide") >= 2
    assert main(["run", str(resampled), "-m", str(model), "-o", str(tmp_path / "out")]) == 0  # what was done before says it again
    assert "256 px wide" in capsys.readouterr().err


def test_why_a_size_was_refused_and_which_picture_was_read(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as tif:
        for picture in (GREY, GREY[:50]):
            tif.write(picture, metadata={"axes": "YX", "PhysicalSizeX": 1, "PhysicalSizeY": 1})  # µm, where no unit is named
    assert main(["run", str(tmp_path / "a.tif"), "-m", str(model), "-o", str(tmp_path / "out"), "--json"]) == 0
    streams = capsys.readouterr()
    for words in ("exactly 1 µm", "“series 0” was read"):
        assert words in streams.err
        assert any(words in caution for caution in json.loads(streams.out)["cautions"])


def test_info_and_what_a_scale_bar_reads_leave_torch_alone(tmp_path: Path) -> None:
    plane = np.full((300, 400), 90, np.uint8)
    plane[260:268, 230:350] = 255
    iio.imwrite(tmp_path / "a.png", plane)
    code = (
        f"import sys; from napari_temseg.cli.main import main; main(['info', {str(tmp_path / 'a.png')!r}]); print('torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "False"
