"""Manifests: what they say of a picture, and what is wrong with those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.files.manifest import read_manifest


def written(folder: Path, text: str) -> Path:
    path = folder / "samples.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_says_all_of_a_picture(tmp_path: Path) -> None:
    head, row = "file;Sample;Preparation;pixel size;uncertainty;size;polarity;notes", "a.tif;A;grid 1;0.5 nm;2 %;12 nm;dark;x"
    path = written(tmp_path, f"\ufeff{head}\n{row}\n\nsub/b.tif;B;;;;;;\n")
    first, second = read_manifest(path)
    image = first.applied(temseg.Micrograph(np.zeros((8, 8))))
    assert (first.file, image.sample, image.grid) == (tmp_path / "a.tif", "A", "grid 1")
    assert image.calibration.pixel_size == (0.5, 0.5)
    assert image.calibration.uncertainty == pytest.approx(0.02)
    assert image.calibration.origin == "manifest"
    config = first.predict(temseg.PredictConfig(tile=512))
    assert (config.typical_nm, config.polarity, config.tile) == (12.0, "dark", 512)
    assert second.file == tmp_path / "sub" / "b.tif"
    assert second.predict(config) == config


def test_an_uncertainty_may_be_a_length_or_follow_the_pixel_size(tmp_path: Path) -> None:
    first, second, third = read_manifest(
        written(tmp_path, "file,pixel_size,uncertainty\na.tif,0.5 nm,0.01 nm\nb.tif,0.50 ± 0.01 nm,\nc.tif,,1 %\n")
    )
    own = temseg.Calibration((2.0, 2.0), "tag")
    assert first.calibration(own).uncertainty == pytest.approx(0.02) == second.calibration(own).uncertainty
    assert third.calibration(own).pixel_size == (2.0, 2.0)
    assert third.calibration(own).uncertainty == pytest.approx(0.01)


def test_a_standard_corrects_the_pixel_size(tmp_path: Path) -> None:
    head = "file,pixel_size,factor,standard,date"
    first, second = read_manifest(written(tmp_path, f"{head}\na.tif,0.5 nm,1.02 ± 0.0051,gold,2026-11-02\nb.tif,,0.98,,\n"))
    told = first.calibration(temseg.Calibration())
    assert told.scale == pytest.approx((0.51, 0.51))
    assert (told.factor_uncertainty, told.standard, told.date) == (pytest.approx(0.005), "gold", "2026-11-02")
    assert second.calibration(temseg.Calibration((2.0, 2.0), "tag")).scale == pytest.approx((1.96, 1.96))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,sample\na.tif,A\n\0\0\0", "zeros where text should be"),
        ("sample\nA\n", "no column “file”"),
        ("file,sampel\na.tif,A\n", "unknown column “sampel”"),
        ("file,sample\n,A\n", "line 2: names no file"),
        ("file\na.tif\na.tif\n", "line 3: .*a.tif is there twice"),
        ("file,size\na.tif,big\n", "line 2: “big” is not a size"),
        ("file,pixel_size\na.tif,0.5\n", "line 2: “0.5” is not a pixel size"),
        ("file,uncertainty\na.tif,much\n", "line 2: “much” is no uncertainty"),
        ("file,polarity\na.tif,grey\n", "line 2: .*polarity"),
        ("file,sample,size\na.tif,A,\nb.tif,B\n", "line 3: has 2 cells where the head has 3"),
        ("file,sample\na.tif,A, 2 nm\n", "line 2: has 3 cells where the head has 2"),
        ("file,factor\na.tif,twice\n", "line 2: “twice” is not a calibration factor"),
        ("file,standard\na.tif,gold\n", "line 2: “gold” says of no factor"),
        ("file\n", "names no picture"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(temseg.TemsegError, match=words):
        read_manifest(written(tmp_path, text))
