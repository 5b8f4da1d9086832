"""From ImageJ and back: ROI sets as truth and as labels, measurement tables to compare with, and results as ImageJ opens them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from roifile import ROI_TYPE, ImagejRoi

import napari_temseg as temseg
from napari_temseg.cli import main
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.rois import read_rois, write_rois
from napari_temseg.files.tables import write_labels_tiff


def json_of(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def drawn(tmp_path: Path) -> np.ndarray:
    """Five discs of 10 nm at 0.5 nm a pixel: a.tif, its labels found.tif, the same as outlines.zip."""
    y, x = np.mgrid[:96, :130]
    labels = np.zeros((96, 130), np.uint8)
    for number, (cy, cx) in enumerate([(20, 20), (20, 60), (60, 30), (70, 80), (30, 100)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= 10**2] = number
    calibration = temseg.Calibration((0.5, 0.5), "typed")
    noise = np.random.default_rng(0).normal(0, 6, labels.shape)
    write_tiff(tmp_path / "a.tif", (170 - 90 * (labels > 0) + noise).clip(0, 255).astype(np.uint8), calibration)
    write_labels_tiff(tmp_path / "found.tif", labels, calibration)
    write_rois(tmp_path / "outlines.zip", labels)
    return labels


def test_outlines_are_a_truth(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = json_of(capsys, "evaluate", tmp_path / "found.tif", tmp_path / "outlines.zip")
    assert (score["iou"], score["pq"], score["n_true"]) == (1.0, 1.0, 5)
    both = json_of(capsys, "evaluate", tmp_path / "outlines.zip", tmp_path / "outlines.zip", "--image", tmp_path / "a.tif")
    assert both["pq"] == 1.0
    assert main(["evaluate", str(tmp_path / "outlines.zip"), str(tmp_path / "outlines.zip")]) == 2
    assert "name that with --image" in capsys.readouterr().err


def test_outlines_are_measured_and_learnt_from(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("measure", tmp_path / "outlines.zip", "-o", tmp_path / "t.csv", "--image", tmp_path / "a.tif", "--imagej")
    measured = json_of(capsys, *line)
    assert measured["distributions"]["nm"]["mean"] == pytest.approx(10, rel=0.03)
    results = pd.read_csv(tmp_path / "outlines_results.csv")
    assert results["Area"].sum() == pytest.approx((drawn > 0).sum() * 0.25)
    assert results["X"].iloc[0] == pytest.approx(20.5 * 0.5)
    assert (read_rois(tmp_path / "outlines_rois.zip", drawn.shape) == drawn).all()
    few = ("--max-steps", "2", "--max-seconds", "3600", "--crop", "64")
    trained = json_of(capsys, "train", "-i", tmp_path / "a.tif", "-l", tmp_path / "outlines.zip", "-o", tmp_path / "m.temseg", *few)
    assert trained["classes"] == {"1": "background", "2": "particle"}


def test_a_measurement_table_is_compared_with(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    areas = np.full(4, np.pi / 4 * 11**2)
    table = pd.DataFrame({" ": range(1, 5), "Area": areas, "Mean": 3})
    table.to_csv(tmp_path / "Results.csv", index=False)
    table.to_csv(tmp_path / "german.csv", index=False, sep=";")
    for name in ("Results.csv", "german.csv"):
        errors = json_of(capsys, "evaluate", tmp_path / "found.tif", tmp_path / name)
        assert (errors["n_found"], errors["n_true"], errors["count_error"]) == (5, 4, 0.25)
        assert errors["mean_diameter_true"] == pytest.approx(11)
        assert errors["d50_diameter_error"] == pytest.approx(10.05 / 11 - 1, abs=0.01)
    json_of(capsys, "measure", tmp_path / "found.tif", "-o", tmp_path / "ours.csv")
    assert json_of(capsys, "evaluate", tmp_path / "ours.csv", tmp_path / "ours.csv")["mean_diameter_error"] == 0
    write_labels_tiff(tmp_path / "px.tif", drawn, temseg.Calibration())
    assert main(["evaluate", str(tmp_path / "px.tif"), str(tmp_path / "ours.csv")]) == 2
    assert "are in px" in capsys.readouterr().err
    (tmp_path / "none.csv").write_text("Mean\n3\n")
    assert main(["evaluate", str(tmp_path / "found.tif"), str(tmp_path / "none.csv")]) == 2
    assert "no column of areas" in capsys.readouterr().err


def test_a_run_writes_for_imagej_and_goes_on(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    json_of(capsys, "run", tmp_path / "a.tif", "-o", out, "--imagej")
    labels = tifffile.imread(out / "a_particles.tif")
    assert (read_rois(out / "a_rois.zip", labels.shape) > 0).sum() == (labels > 0).sum()
    assert len(pd.read_csv(out / "a_results.csv")) == labels.max()
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("a_*")}
    again = json_of(capsys, "run", "--recipe", out / "recipe.json", "-o", out)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("a_*")} == times
    assert "1 of 1 were done before." in again["notes"]
    json_of(capsys, "split", out / "a_classes.tif", "-o", tmp_path, "--imagej")
    assert (tmp_path / "a_rois.zip").exists()


def test_a_label_in_pieces_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros((60, 60), np.uint16)
    labels[10:30, 10:30] = 4
    labels[40, 40] = 4
    tifffile.imwrite(tmp_path / "stray.tif", labels)
    assert main(["measure", str(tmp_path / "stray.tif"), "-o", str(tmp_path / "p.csv")]) == 0
    assert "stray: label 4 in several pieces, as by stray pixels; the largest piece is measured" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "p.csv")["area_px2"].tolist() == [400]


def test_what_gives_no_particle_in_a_roi_set_is_told(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ImagejRoi.frompoints(np.array([[10, 70], [40, 75]]))
    line.roitype = ROI_TYPE.POLYLINE
    outside = ImagejRoi.frompoints(np.array([[500, 500], [520, 500], [520, 520]]))
    with zipfile.ZipFile(tmp_path / "outlines.zip", "a") as content:
        content.writestr("line.roi", line.tobytes())
        content.writestr("outside.roi", outside.tobytes())
    assert main(["measure", str(tmp_path / "outlines.zip"), "-o", str(tmp_path / "t.csv"), "--image", str(tmp_path / "a.tif")]) == 0
    assert "outlines.zip: 2 of its 7 regions give no particle and are left out" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "t.csv")) == 5


def test_a_mask_is_not_measured_as_one_particle(drawn: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", ((drawn > 0) * 255).astype(np.uint8))
    assert main(["measure", str(tmp_path / "mask.tif"), "-o", str(tmp_path / "t.csv")]) == 2
    assert "holds one number for pieces apart from each other, as a mask does" in capsys.readouterr().err
