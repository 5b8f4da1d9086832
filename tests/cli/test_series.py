"""The command line on files that hold several pictures, on what is burnt into pictures, and on JPEG."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.cli.main import main, parser
from napari_temseg.engine.burntin.boxes import boxes_of
from napari_temseg.files.readers import other_pictures, read_noted

pytestmark = pytest.mark.usefixtures("log_elsewhere")


@pytest.fixture
def emd(tmp_path: Path) -> Path:
    """A Velox file with two detectors whose pictures differ."""
    path = tmp_path / "grid.emd"
    with h5py.File(path, "w") as file:
        for key, detector, level in (("0", "BF", 50), ("1", "HAADF", 150)):
            noise = np.random.default_rng(level).normal(level, 8, (96, 96, 1))
            file[f"Data/Image/{key}/Data"] = noise.astype(np.uint16)
            result = {"Detector": detector, "PixelSize": {"width": "2e-10", "height": "2e-10"}, "PixelUnitX": "m", "PixelUnitY": "m"}
            text = json.dumps({"BinaryResult": result}).encode()
            file[f"Data/Image/{key}/Metadata"] = np.frombuffer(text, np.uint8)[:, None]
    return path


def test_every_command_that_reads_micrographs_takes_a_series() -> None:
    top = parser()
    for line in (
        "run a.emd -o x",
        "predict a.emd -o x",
        "train -i a.emd -l b.tif -o m.temseg",
        "draft a.emd -l b.tif -o d.tif",
        "gui a.emd",
    ):
        assert top.parse_args([*line.split(), "--series", "BF"]).series == "BF"


def test_draft_reads_the_series_that_is_named(emd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strokes = np.zeros((96, 96), np.uint8)
    strokes[10:20, 10:40], strokes[60:70, 10:40] = 1, 2
    tifffile.imwrite(tmp_path / "strokes.tif", strokes)
    command = ["draft", str(emd), "-l", str(tmp_path / "strokes.tif"), "-o", str(tmp_path / "d.tif"), "--series"]
    assert main([*command, "BF"]) == 0
    assert main([*command, "DF"]) == 2
    assert "no series “DF”; the file holds “HAADF”, “BF”" in capsys.readouterr().err


def test_other_pictures_are_told(emd: Path) -> None:
    reading = read_noted(emd)
    assert reading.others == ("BF",)
    assert other_pictures(reading) == "“HAADF” was read; the file also holds “BF”."


def labelled(tmp_path: Path) -> Path:
    """A picture with a black data bar and a white scale bar in it."""
    plane = np.random.default_rng(0).normal(120, 12, (240, 256)).clip(20, 230).astype(np.uint8)
    plane[200:] = 0
    plane[220:226, 40:160] = 255
    iio.imwrite(tmp_path / "bar.png", plane)
    return tmp_path / "bar.png"


def test_run_leaves_out_what_is_burnt_in_and_says_so(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = labelled(tmp_path)
    command = ["run", str(picture), "-m", str(model), "--json", "-o"]
    assert main([*command, str(tmp_path / "plain"), "--no-mask-overlays"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["left_out_share"] is None
    assert main([*command, str(tmp_path / "masked")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["mask_overlays"] is None
    assert 0.1 < summary["images"][0]["left_out_share"] < 0.3
    assert "Burnt-in scale bars" in (tmp_path / "masked" / "report.html").read_text(encoding="utf-8")
    assert "Burnt-in scale bars" not in (tmp_path / "plain" / "report.html").read_text(encoding="utf-8")
    recipe = tmp_path / "masked" / "recipe.json"
    assert main(["run", "--recipe", str(recipe), "-o", str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["left_out_share"] == summary["images"][0]["left_out_share"]


def test_jpeg_is_flagged_in_table_summary_and_report(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plane = np.random.default_rng(0).normal(120, 12, (96, 96)).clip(0, 255).astype(np.uint8)
    iio.imwrite(tmp_path / "a.jpg", plane)
    assert temseg.read(tmp_path / "a.jpg").source.lossy
    assert main(["run", str(tmp_path / "a.jpg"), "-m", str(model), "-o", str(tmp_path / "out"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["images"][0]["lossy"]
    assert any("JPEG is lossy" in sentence for sentence in summary["cautions"])
    assert "JPEG is lossy" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert "lossy" in table
    assert table["lossy"].all()


def test_boxes_are_few_and_hold_all() -> None:
    mask = np.zeros((200, 300), bool)
    mask[180:184, 20:80] = mask[170:176, 40:60] = mask[10:20, 10:18] = True
    boxes = boxes_of(mask)
    assert boxes == [(8, 8, 22, 20), (168, 18, 186, 82)]
    assert boxes_of(np.zeros((20, 20), bool)) == []
    assert boxes_of(np.ones((20, 20), bool)) == [(0, 0, 20, 20)]
