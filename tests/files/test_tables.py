"""Results on disk, and label images back."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.files.atomic import json_text, replacing
from napari_temseg.files.tables import (
    mapped_labels,
    read_calibration,
    read_labels,
    read_prediction,
    write_labels_tiff,
    write_particles,
    write_particles_csv,
    write_probability_tiff,
)


@pytest.mark.parametrize(
    ("count", "dtype"), [(9, "uint8"), (255, "uint8"), (256, "uint16"), (65_535, "uint16"), (65_536, "float32"), (100_000, "float32")]
)
def test_labels_come_back_whatever_their_number(tmp_path: Path, count: int, dtype: str) -> None:
    labels = np.zeros((320, 320), np.int32)
    labels.flat[:count] = np.arange(1, count + 1)
    path = tmp_path / "p.tif"
    write_labels_tiff(path, labels, temseg.Calibration((0.5, 0.25), "typed"))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.series[0].dtype == np.dtype(dtype)
        assert tif.imagej_metadata["unit"] == "nm"
    np.testing.assert_array_equal(read_labels(path), labels)
    assert read_labels(path).dtype.kind in "iu"
    assert read_calibration(path).pixel_size == pytest.approx((0.5, 0.25))


def test_too_many_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(temseg.TemsegError, match=r"p\.tif.*cut the image"):
        write_labels_tiff(tmp_path / "p.tif", np.array([[2**24 + 1]]), temseg.Calibration())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("axes", ["NYX", "TYX", "ZYX"])
def test_stack_of_labels(tmp_path: Path, axes: str) -> None:
    labels = np.arange(3 * 20 * 30).reshape(3, 20, 30)
    write_labels_tiff(tmp_path / "p.tif", labels, temseg.Calibration(), axes)
    np.testing.assert_array_equal(read_labels(tmp_path / "p.tif"), labels)
    assert read_calibration(tmp_path / "p.tif").pixel_size is None


def test_masks_and_labels_from_elsewhere(tmp_path: Path) -> None:
    labels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    iio.imwrite(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), labels)
    rgb = np.repeat((labels % 250).astype(np.uint8)[..., None], 3, axis=-1)
    iio.imwrite(tmp_path / "rgb.png", rgb)
    np.testing.assert_array_equal(read_labels(tmp_path / "rgb.png"), rgb[..., 0])
    tifffile.imwrite(tmp_path / "bits.tif", labels > 300)
    np.testing.assert_array_equal(read_labels(tmp_path / "bits.tif"), labels > 300)


def _colour(path: Path) -> None:
    rgb = np.zeros((9, 9, 3), np.uint8)
    rgb[4, 4, 0] = 1
    iio.imwrite(path, rgb)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("f.tif", lambda p: tifffile.imwrite(p, np.full((9, 9), 0.5, np.float32)), "fractions.*whole numbers"),
        ("nan.tif", lambda p: tifffile.imwrite(p, np.full((9, 9), np.nan, np.float32)), "fractions.*whole numbers"),
        ("c.png", _colour, "colour.*grey"),
        ("n.tif", lambda p: tifffile.imwrite(p, np.full((9, 9), -1, np.int16)), "negative"),
        ("j.jpg", lambda p: iio.imwrite(p, np.zeros((9, 9), np.uint8)), "JPEG changes the numbers.*TIFF or PNG"),
        ("m.tif", lambda p: None, "no such file"),
    ],
)
def test_what_is_no_label_image(tmp_path: Path, name: str, make, words: str) -> None:
    make(tmp_path / name)
    with pytest.raises(temseg.TemsegError, match=words) as caught:
        read_labels(tmp_path / name)
    assert name in str(caught.value)


def test_csv_keeps_px_and_nm_apart(tmp_path: Path) -> None:
    nm = pd.DataFrame({"image": ["µ-grid"], "plane": [0], "particle": [1], "ecd_nm": [12.5]})
    px = pd.DataFrame({"image": ["b"], "plane": [0], "particle": [1], "ecd_px": [7.0]})
    write_particles_csv(tmp_path / "t.csv", [nm, px, nm.iloc[:0]])
    back = pd.read_csv(tmp_path / "t.csv", encoding="utf-8")
    assert list(back["image"]) == ["µ-grid", "b"]
    assert back["ecd_nm"].notna().tolist() == [True, False]
    assert back["ecd_px"].notna().tolist() == [False, True]


def test_csv_without_particles_keeps_its_columns(tmp_path: Path) -> None:
    empty = pd.DataFrame({"image": pd.Series(dtype=str), "ecd_nm": pd.Series(dtype=float)})
    write_particles_csv(tmp_path / "t.csv", [empty, empty])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "image,ecd_nm\n"


def test_a_table_for_excel_is_a_workbook(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["µ-grid", "=1+1"], "particle": [1, 2], "ecd_nm": [12.5, np.nan], "cut": [True, False]})
    write_particles(tmp_path / "t.xlsx", [table])
    with zipfile.ZipFile(tmp_path / "t.xlsx") as book:
        names, sheet = book.namelist(), book.read("xl/worksheets/sheet1.xml").decode()
        shared = book.read("xl/sharedStrings.xml").decode()
    assert "[Content_Types].xml" in names
    assert "<v>12.5</v>" in sheet
    assert "µ-grid" in shared
    assert "=1+1" in shared  # a name, no formula
    with pytest.raises(temseg.TemsegError, match=r"t\.ods: tables are written as \.xlsx or \.csv"):
        write_particles(tmp_path / "t.ods", [table])


def test_without_its_library_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(temseg.TemsegError, match="XlsxWriter; install it"):
        write_particles(tmp_path / "t.xlsx", [pd.DataFrame({"a": [1]})])
    assert not list(tmp_path.iterdir())


def test_csv_with_semicolons_has_a_mark_and_decimal_commas(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["µ-grid"], "particle": [1], "ecd_nm": [12.5]})
    write_particles(tmp_path / "t.csv", [table], semicolons=True)
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfimage;particle;ecd_nm\n")
    back = pd.read_csv(tmp_path / "t.csv", sep=";", decimal=",", encoding="utf-8-sig")
    assert back.to_dict("list") == table.to_dict("list")


def _prediction(planes: int) -> temseg.Prediction:
    rng = np.random.default_rng(0)
    leading = () if planes == 1 else (planes,)
    foreground = rng.random((*leading, 1, 24, 30))
    probability = np.concatenate([1 - foreground, foreground * 0.75, foreground * 0.25], axis=-3).astype(np.float16)
    image = temseg.Micrograph(np.zeros((*leading, 24, 30)), "YX" if planes == 1 else "ZYX", temseg.Calibration((2.0, 2.0), "typed"))
    classes = (probability.argmax(axis=-3) + 1).astype(np.uint8)
    names = {1: "background", 2: "particle", 3: "rod"}
    return temseg.Prediction(probability, (1, 2, 3), names, classes, image, {"distance": rng.random((*leading, 24, 30)).astype(np.float16)})


@pytest.mark.parametrize("planes", [1, 2])
def test_probability_comes_back(tmp_path: Path, planes: int) -> None:
    written = _prediction(planes)
    write_probability_tiff(tmp_path / "a_probability.tif", written)
    back = read_prediction(tmp_path / "a_probability.tif", axes="depth")
    np.testing.assert_array_equal(back.probability, written.probability)
    np.testing.assert_array_equal(back.classes, written.classes)
    np.testing.assert_array_equal(back.auxiliary["distance"], written.auxiliary["distance"])
    assert back.class_names == written.class_names
    assert back.micrograph.calibration.pixel_size == pytest.approx((2.0, 2.0))
    assert back.micrograph.axes == written.micrograph.axes


def test_prediction_from_classes_and_masks(tmp_path: Path) -> None:
    classes = np.ones((20, 20), np.uint8)
    classes[3:8, 3:8], classes[10:15, 10:15], classes[0] = 2, 3, 0
    write_labels_tiff(tmp_path / "c.tif", classes, temseg.Calibration((2.0, 2.0)), content="classes")
    prediction = read_prediction(tmp_path / "c.tif")
    assert prediction.class_ids == (1, 2, 3)
    np.testing.assert_array_equal(prediction.probability[2], classes == 3)
    np.testing.assert_array_equal(prediction.classes, np.maximum(classes, 1))
    iio.imwrite(tmp_path / "m.png", np.where(classes > 1, 255, 0).astype(np.uint8))
    with pytest.raises(temseg.TemsegError, match="--labels-mean mask"):
        read_prediction(tmp_path / "m.png")
    apart = np.zeros((20, 30), np.uint8)
    apart[2:6, 2:6], apart[2:6, 10:14], apart[10:15, 3:9] = 1, 2, 3
    iio.imwrite(tmp_path / "p.png", apart)
    with pytest.raises(temseg.TemsegError, match=r"3 numbers, each in one piece, .* measure them as they are"):
        read_prediction(tmp_path / "p.png")
    assert read_prediction(tmp_path / "p.png", meaning="classes").class_ids == (1, 2, 3)
    np.testing.assert_array_equal(read_prediction(tmp_path / "m.png", meaning="mask").classes, np.where(classes > 1, 2, 1))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "t.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(temseg.TemsegError, match=r"t\.csv.*cannot be written"):
        write_particles_csv(tmp_path / "file" / "t.csv", [])


def test_json_has_no_nan():
    assert json.loads(json_text({"a": float("nan"), "b": [1.5, float("inf")], 2: (Path("x"),)})) == {
        "a": None,
        "b": [1.5, None],
        "2": ["x"],
    }


@pytest.mark.parametrize("top", [200, 70_000])
def test_labels_of_ours_are_read_as_they_are_looked_at(tmp_path: Path, top: int) -> None:
    labels = np.zeros((3, 40, 50), np.int32)
    labels[:, 5, 7] = 1, 2, top
    write_labels_tiff(tmp_path / "l.tif", labels, temseg.Calibration(), "TYX")
    mapped = mapped_labels(tmp_path / "l.tif")
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, read_labels(tmp_path / "l.tif"))
    tifffile.imwrite(tmp_path / "packed.tif", labels, compression="zlib", photometric="minisblack")
    assert np.array_equal(mapped_labels(tmp_path / "packed.tif"), labels)
