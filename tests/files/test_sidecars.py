"""Text files that microscopes leave beside a picture: read, named, and never taken for the picture's own or for another's."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.engine.types.units import is_reciprocal, spelt, to_nanometres
from napari_temseg.files.readers import read_noted

GREY = np.random.default_rng(0).normal(120, 20, (96, 128)).clip(1, 250).astype(np.uint8)
HITACHI = "[SemImageFile]\r\nInstructName=SU8000\r\nImageName={name}\r\nDataSize=128x96\r\nPixelSize={size}\r\nMagnification=20000\r\n"
JEOL = "$SEM_DATA_VERSION 1\r\n$CM_MAG 20000\r\n$CM_FULL_SIZE 128 80\r\n$$SM_MICRON_BAR 50\r\n$$SM_MICRON_MARKER 100nm\r\n"
TESCAN = "[MAIN]\r\nDevice=VEGA3 TESCAN\r\nPixelSizeX=7.5e-009\r\nPixelSizeY=7.5e-009\r\n[SEM]\r\nStageTilt=30\r\n"
EPU = "<MicroscopeImage><SpatialScale><pixelSize><x><numericValue>2E-10</numericValue></x></pixelSize></SpatialScale></MicroscopeImage>"


@pytest.mark.parametrize(
    ("name", "text", "nanometres", "encoding"),
    [
        ("a.txt", HITACHI.format(name="a.tif", size=4.96), 4.96, "ascii"),
        ("a.txt", HITACHI.format(name="a.tif", size=4.96), 4.96, "utf-16"),
        ("a.TXT", JEOL, 2.0, "ascii"),
        ("a.txt", JEOL.replace("100nm", "0.1µm"), 2.0, "latin-1"),
        ("a.txt", JEOL.replace("100nm", "0.1μm"), 2.0, "shift_jis"),
        ("a-tif.hdr", TESCAN, 7.5, "ascii"),
        ("a.hdr", TESCAN, 7.5, "ascii"),
        ("a.xml", EPU, 0.2, "utf-8"),
    ],
)
def test_a_side_car_is_read_and_named(tmp_path: Path, name: str, text: str, nanometres: float, encoding: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    calibration = temseg.read(tmp_path / "a.tif").calibration
    assert calibration.pixel_size == pytest.approx((nanometres, nanometres))
    assert name in calibration.origin


def test_a_side_car_of_a_png_and_the_tilt_in_it(tmp_path: Path) -> None:
    (tmp_path / "a-png.hdr").write_text(TESCAN)
    iio.imwrite(tmp_path / "a.png", GREY)
    reading = read_noted(tmp_path / "a.png")
    assert reading.image.calibration.pixel_size == pytest.approx((7.5, 7.5))
    assert "tilted by 30°" in reading.notes[0]
    assert reading.image.notes == reading.notes


def test_the_length_of_jeols_bar_is_as_uncertain_as_its_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(JEOL)
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    calibration = temseg.read(tmp_path / "a.tif").calibration
    assert calibration.reading_uncertainty == pytest.approx(0.29 / 50)
    assert read_noted(tmp_path / "a.tif").notes == ()


def test_a_side_car_and_the_tag_of_the_picture(tmp_path: Path) -> None:
    for size, kept in ((3.0, (3.0, 3.0)), (5.0, None)):
        (tmp_path / "a.txt").write_text(HITACHI.format(name="a.tif", size=size))
        tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(1 / 3, 1 / 3), metadata={"unit": "nm"})
        reading = read_noted(tmp_path / "a.tif")
        assert reading.image.calibration.pixel_size == (None if kept is None else pytest.approx(kept))
        assert bool(reading.notes) is (kept is None)
    assert "3 nm" in reading.notes[0]
    assert "Hitachi file a.txt gives 5 nm" in reading.notes[0]


def test_a_side_car_of_another_picture(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HITACHI.format(name="b.tif", size=5.0))
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    renamed = read_noted(tmp_path / "a.tif")
    assert renamed.image.calibration.pixel_size == (5.0, 5.0)
    assert "was written for “b.tif”" in renamed.notes[0]
    tifffile.imwrite(tmp_path / "b.tif", GREY)
    other = temseg.read(tmp_path / "a.tif")
    assert other.calibration.pixel_size is None
    assert other.notes == ("The Hitachi file a.txt was written for “b.tif”, which is there, and was not used.",)


def test_a_side_car_of_a_larger_picture(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HITACHI.format(name="a.tif", size=5.0))
    tifffile.imwrite(tmp_path / "a.tif", GREY[::2, ::2])
    reading = read_noted(tmp_path / "a.tif")
    assert reading.image.calibration.pixel_size == pytest.approx((10.0, 10.0))
    assert "128 px wide" in reading.notes[0]


@pytest.mark.parametrize("content", [b"", b"my notes: PixelSize = 5", bytes(2**21), b"\xff\xfe\x00", b"<broken", b"<html><body/></html>"])
def test_other_text_beside_a_picture_gives_no_size_and_is_named(tmp_path: Path, content: bytes) -> None:
    for name in ("a.txt", "a.xml", "a.hdr"):
        (tmp_path / name).write_bytes(content)
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    reading = read_noted(tmp_path / "a.tif")
    assert reading.image.calibration.pixel_size is None
    (note,) = reading.notes
    assert note.startswith("What lies beside the picture in a.txt, a.hdr, a.xml is not known to give a pixel size, or is damaged")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "[SemImageFile]\nPixelSize=much"),
        ("a.txt", "$CM_FORMAT JEOL-SEM\n$$SM_MICRON_BAR 0\n"),
        ("a.hdr", "[MAIN]\nPixelSize"),
        ("a.xml", '<FeiImage><pixelWidth unit="nm">12.5</pix'),
    ],
)
def test_a_side_car_without_a_size_is_told(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    image = temseg.read(tmp_path / "a.tif")
    assert image.calibration.pixel_size is None
    assert f"file {name} holds no pixel size that can be read" in image.notes[0]


def test_tescans_tag(tmp_path: Path) -> None:
    content = b"\0\1\2binary" + TESCAN.encode("latin-1") + b"\0"
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(50431, 1, len(content), content, True)])
    calibration = temseg.read(tmp_path / "a.tif").calibration
    assert calibration.pixel_size == pytest.approx((7.5, 7.5))
    assert calibration.origin == "TESCAN tag"


@pytest.mark.parametrize("text", ["XpixCal=655.69\nYpixCal=655.69\nUnit=micron\n##fv3", "AMT XpixCal=655.69YpixCal=655.69Unit=micron##fv3"])
def test_amts_description(tmp_path: Path, text: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, description=text, metadata=None)
    assert temseg.read(tmp_path / "a.tif").calibration.pixel_size == pytest.approx((1.5251, 1.5251), rel=1e-4)


@pytest.mark.parametrize(
    ("spellings", "unit", "nanometres"),
    [
        (("pm", "picometer", "picometres"), "pm", 1e-3),
        (("Å", "\u212b", "A\u030a", "A", "angstrom", "Ångström", "Angstroms", "Ã…"), "Å", 0.1),
        (("nm", "NM", "nanometre", "Nanometers", "nm\0"), "nm", 1),
        (("µm", "\u03bcm", "um", "?m", "\ufffdm", "Âµm", "\\u00B5m", "micron", "microns", "micrometre", "&#181;m"), "µm", 1e3),
        (("mm", "millimetres"), "mm", 1e6),
        (("m", "Meters"), "m", 1e9),
    ],
)
def test_units_are_spelt_in_many_ways(spellings: tuple[str, ...], unit: str, nanometres: float) -> None:
    for spelling in spellings:
        assert spelt(spelling) == unit
        assert to_nanometres(1, spelling) == nanometres


@pytest.mark.parametrize("unit", ["Mm", "PM", "M", "furlong", "pixel", ""])
def test_what_is_no_unit_of_length(unit: str) -> None:
    with pytest.raises(temseg.TemsegError, match="not a unit"):
        to_nanometres(1, unit)


def test_reciprocal_units() -> None:
    assert all(map(is_reciprocal, ("1/nm", "nm^-1", "nm⁻¹", "1/Å", "mrad", "\u03bcrad")))
    assert not any(map(is_reciprocal, ("nm", "", "Å", "m")))
