"""A run with a manifest: samples by themselves, their settings, one against another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.pipeline.samples.settings import as_first, is_told
from napari_temseg.pipeline.samples.summaries import deviating


def picture(radius: int, seed: int) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(20, 40, (96, 160)).astype(np.uint8)
    for y in (24, 70):
        for x in (24, 70, 116):
            pixels[disk((y, x + seed), radius, shape=pixels.shape)] = 200
    return pixels


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    lines = ["file,sample,grid,pixel_size"]
    for index in range(8):
        name, radius = f"p{index}.tif", 10 if index < 4 else 13
        write_tiff(tmp_path / name, picture(radius, index), Calibration())
        lines.append(f"{name},{'A' if index < 4 else 'B'},grid {index % 2},0.5 nm")
    path = tmp_path / "samples.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_samples_stand_by_themselves_and_against_one_another(manifest: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    pictures = sorted(tmp_path.glob("p*.tif"))
    result = temseg.run(pictures, tmp_path / "out", model=bright, manifest=manifest, count_twice=True)
    first, second = result.summary["samples"]
    assert (first["sample"], first["n"], first["grids"], first["deviating"]) == ("A", 24, ["grid 0", "grid 1"], [])
    assert second["d50"] / first["d50"] == pytest.approx(1.3, rel=0.05)
    (compared,) = result.summary["sample_comparisons"]
    assert compared["ratios"]["d50"]["ratio"] == pytest.approx(second["d50"] / first["d50"])
    assert "cancels" in compared["calibration"]
    assert not result.summary["distributions"]["nm"]["usable"]  # two samples in one
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert table.groupby("sample").size().to_dict() == {"A": 24, "B": 24}
    assert list(table.columns[:3]) == ["image", "sample", "grid"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Samples</h2>" in page
    assert "D50 of B over A" in page
    assert page.index("<h2>Samples</h2>") < page.index("<h2>Uncertainty budget of D50</h2>")  # before anything that pools them
    assert "Found, not to be stated" not in page
    assert "The D50 found is" not in page
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["manifest"][0]["sample"] == "A"
    again = temseg.run(pictures, tmp_path / "out", model=bright, manifest=manifest, count_twice=True)
    assert again.notes[0].startswith("8 of 8 were done before")
    moved = [item if index else replace(item, splitting={**item.splitting, "strength": 0.9}) for index, item in enumerate(result.items)]
    assert deviating(moved[:3]) == ["p0"]


def test_the_scale_of_the_first_picture_is_that_of_its_sample(manifest: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    result = temseg.run(sorted(tmp_path.glob("p[01].tif")), tmp_path / "out", model=bright, manifest=manifest)
    first = replace(result.items[0], scales=(2.0,), size=0.0)
    finer = temseg.Micrograph(np.zeros((8, 8)), calibration=Calibration((0.25, 0.25)))
    config = temseg.PredictConfig()
    assert not is_told(config)
    assert as_first(config, first, finer.calibration).scales == (1.0,)
    assert as_first(config, replace(first, size=20.0), finer.calibration).typical_size == 40.0
    assert is_told(temseg.PredictConfig(typical_size=30.0))
