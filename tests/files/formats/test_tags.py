"""Pixel sizes in the tags that microscopes and their programs write into TIFF files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from mangled import survives

import napari_temseg as temseg
from napari_temseg.files.formats.sizes import Size, tagged
from napari_temseg.files.formats.tiff import read_tiff
from napari_temseg.files.readers import read_noted, series_of

GREY = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)
TEXT, DOUBLE, BYTES = 2, 12, 1

FEI = "[User]\r\nUser=me\r\n[Scan]\r\nPixelWidth=3e-09\r\nPixelHeight=3e-09\r\n[Image]\r\nResolutionX={x}\r\nResolutionY=48\r\n"
NAVCAM = "[IRBeam]\r\nHFW=4e-3\r\nVFW=4.8e-3\r\n[Image]\r\nResolutionX=40\r\nResolutionY=48\r\n"
XML = '<Metadata xmlns="urn:fei"><BinaryResult><PixelSize><X unit="m">2e-9</X><Y unit="m">2e-9</Y></PixelSize></BinaryResult></Metadata>'
EPU = (
    "<MicroscopeImage><SpatialScale><pixelSize><x><numericValue>2E-10</numericValue><unit><_x>m</_x></unit></x></pixelSize>"
    "</SpatialScale></MicroscopeImage>"
)
PHENOM = '<FeiImage><pixelWidth unit="nm">12.5</pixelWidth><pixelHeight unit="nm">12.5</pixelHeight></FeiImage>'
ZEISS = "0\r\n0\r\nAP_PIXEL_SIZE\r\nPixel Size = 99.0 nm\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = {size}\r\n"


def write(path: Path, *tags: tuple[int, int, Any], **how: Any) -> Path:
    """A TIFF with tags of its own; 300 dpi, which must never count."""
    described = [(code, kind, 1 if kind == DOUBLE else len(value) + isinstance(value, str), value, True) for code, kind, value in tags]
    tifffile.imwrite(path, GREY, extratags=described, resolution=(300, 300), resolutionunit="INCH", **how)
    return path


def dm(x: float, y: float, unit: str) -> list[tuple[int, int, Any]]:
    """What DigitalMicrograph writes."""
    text = unit.encode("latin-1") + b"\0"
    return [(65003, TEXT, text), (65004, TEXT, text), (65009, DOUBLE, x), (65010, DOUBLE, y)]


def tvips(size: float) -> bytes:
    """A header of EM-Menu, version 2, with a pixel size in nm."""
    one = np.zeros((), np.dtype(tifffile.TIFF.TVIPS_HEADER_V1))
    two = np.zeros((), np.dtype(tifffile.TIFF.TVIPS_HEADER_V2))
    one["Version"], two["Magic"], two["PixelSizeX"], two["PixelSizeY"] = 2, 0xAAAAAAAA, size, size
    return one.tobytes() + two.tobytes()


def olympus(size: float, exponent: int, path: Path) -> Path:
    """A file of Soft Imaging System: a tag that points to a block which the tag's count does not cover."""
    write(path, (33560, BYTES, b"SIS0" + bytes(400)))
    content = bytearray(path.read_bytes())
    start = content.index(b"SIS0")
    head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 42, 19, 15, 10, 118, b"", 1) + struct.pack("<hhI", 1, 1, start + 100)
    body = struct.pack("<10xhdd8xd2x34s32s", exponent, size, size, 6e5, b"", b"")
    content[start : start + len(head)] = head
    content[start + 100 : start + 100 + len(body)] = body
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("tags", "nanometres", "origin"),
    [
        ([(34682, TEXT, FEI.format(x=40))], 3.0, "FEI tag"),
        ([(34680, TEXT, FEI.format(x=40))], 3.0, "FEI tag"),
        ([(34682, TEXT, NAVCAM)], 1e5, "FEI tag"),
        ([(34683, TEXT, XML)], 2.0, "FEI XML tag"),
        ([(34683, TEXT, EPU)], 0.2, "FEI XML tag"),
        ([(34683, TEXT, PHENOM)], 12.5, "FEI XML tag"),
        ([(34118, TEXT, ZEISS.format(size="1.985 nm"))], 1.985, "Zeiss tag"),
        ([(34118, TEXT, ZEISS.format(size="250.0 pm"))], 0.25, "Zeiss tag"),
        ([(37706, BYTES, tvips(1.42))], 1.42, "TVIPS tag"),
        (dm(0.25, 0.25, "nm"), 0.25, "DigitalMicrograph tag"),
        (dm(0.25, 0.25, "µm"), 250, "DigitalMicrograph tag"),
    ],
)
def test_each_tag_calibrates(tmp_path: Path, tags: list[tuple[int, int, Any]], nanometres: float, origin: str) -> None:
    image = temseg.read(write(tmp_path / "a.tif", *tags))
    assert image.calibration.pixel_size == pytest.approx((nanometres, nanometres), rel=1e-6)
    assert image.calibration.origin == origin
    np.testing.assert_array_equal(image.data, GREY)


def test_olympus(tmp_path: Path) -> None:
    calibration = temseg.read(olympus(2.4, -10, tmp_path / "a.tif")).calibration
    assert calibration.pixel_size == pytest.approx((0.24, 0.24))
    assert calibration.origin == "Olympus tag"


@pytest.mark.parametrize(
    "tags",
    [
        [],
        [(34682, TEXT, "[Scan]\r\n[Image]\r\nResolutionX=0\r\n")],
        [(34683, TEXT, "<broken")],
        [(34683, TEXT, '<!DOCTYPE a [<!ENTITY b "c">]><a><pixelWidth unit="nm">&b;</pixelWidth></a>')],
        [(34118, TEXT, "0\r\nAP_PIXEL_SIZE\r\nPixel Size = 99.0 nm\r\n")],
        [(37706, BYTES, tvips(0))],
        [(37706, BYTES, b"too short")],
        [(33560, BYTES, b"SIS9 and more")],
        dm(1.0, 1.0, ""),
    ],
)
def test_without_a_usable_tag_there_are_pixels_whatever_the_dpi(tmp_path: Path, tags: list[tuple[int, int, Any]]) -> None:
    assert temseg.read(write(tmp_path / "a.tif", *tags)).calibration.pixel_size is None


def test_reciprocal_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(temseg.TemsegError, match=r"a\.tif: it is a diffraction pattern.*1/nm"):
        temseg.read(write(tmp_path / "a.tif", *dm(0.1, 0.1, "1/nm")))


@pytest.mark.parametrize("tag", [271, 272])
def test_a_tiff_of_jeol_says_that_its_calibration_lies_elsewhere(tmp_path: Path, tag: int) -> None:
    reading = read_noted(write(tmp_path / "a.tif", (tag, TEXT, "JEOL Ltd.")))
    assert reading.image.calibration.pixel_size is None
    assert any("JEOL" in note and "measure the scale bar" in note for note in reading.notes)
    known = read_noted(write(tmp_path / "b.tif", (tag, TEXT, "JEOL Ltd."), *dm(0.5, 0.5, "nm")))
    assert known.image.calibration.pixel_size == pytest.approx((0.5, 0.5))
    assert known.notes == ()


def test_a_tiff_saved_by_a_program_of_jeol(tmp_path: Path) -> None:
    (note,) = read_noted(write(tmp_path / "a.tif", software="JEOL SightX")).notes
    assert "JEOL" in note


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (Size(2e-4, 2e-4, "nm"), "implausible"),
        (Size(2.0, 2.0, "m"), "implausible"),
        (Size(0.0, 1.0, "nm"), "no usable"),
        (Size(float("nan"), 1.0, "nm"), "no usable"),
        (Size(float("inf"), 1.0, "nm"), "no usable"),
        (Size(1.0, 1.0, "furlong"), "no length"),
    ],
)
def test_what_cannot_be_a_pixel_is_left_out_and_said(size: Size, words: str) -> None:
    found = tagged(size, "FEI tag")
    assert found.calibration.pixel_size is None
    assert words in found.notes[0]
    assert "FEI tag" in found.notes[0]


def test_pixels_that_are_not_square_are_kept_and_said() -> None:
    assert tagged(Size(1.0, 1.0005, "nm"), "a tag").notes == ()
    found = tagged(Size(1.0, 1.2, "nm"), "a tag")
    assert found.calibration.pixel_size == (1.0, 1.2)
    assert "not square" in found.notes[0]


def test_a_picture_that_was_resized_after_the_scan_is_noted(tmp_path: Path) -> None:
    (plain,) = series_of(write(tmp_path / "a.tif", (34682, TEXT, FEI.format(x=40))))
    (resized,) = series_of(write(tmp_path / "b.tif", (34682, TEXT, FEI.format(x=80))))
    assert plain.notes == ()
    assert "40 px wide" in resized.notes[0]
    assert "80 px" in resized.notes[0]


def test_imagej_tells_y_in_a_unit_of_its_own(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(4.0, 2.0), metadata={"unit": "nm", "yunit": "micron"})
    assert temseg.read(tmp_path / "a.tif").calibration.pixel_size == pytest.approx((500.0, 0.25))


@pytest.mark.parametrize(
    "tags", [[(34682, TEXT, FEI.format(x=40))], [(34683, TEXT, XML)], dm(0.25, 0.25, "nm"), [(37706, BYTES, tvips(1.4))]]
)
def test_damage_anywhere_is_survived(tmp_path: Path, tags: list[tuple[int, int, Any]]) -> None:
    survives(_read_whole, write(tmp_path / "a.tif", *tags), tmp_path / "damaged.tif")


def _read_whole(path: Path) -> list[Any]:
    found = read_tiff(path)
    for one in found:
        np.asarray(one.data)
    return found


REAL = {
    "TVIPS_bin4.tif": (1.420804, "TVIPS tag"),
    "FEI-Helios-Ebeam-8bits.tif": (3372.4, "FEI tag"),
    "FEI-Helios-Ebeam-16bits.tif": (3372.4, "FEI tag"),
    "FEI-Helios-navcam.tif": (263974, "FEI tag"),
    "FEI-Helios-navcam-with-no-IRBeam.tif": (None, "none"),
    "FEI-Helios-navcam-with-no-IRBeam-bad-floats.tif": (None, "none"),
    "imagej.tif": (168.6747, "ImageJ tag"),
    "imagej_stack.tif": (168.6747, "ImageJ tag"),
    "saved_with_dm.tif": (168.6747, "DigitalMicrograph tag"),
    "olympus_SIS.tif": (0.02392792, "Olympus tag"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(data: Path, tmp_path: Path, name: str) -> None:
    path, (nanometres, origin) = data / "microscope_files" / name, REAL[name]
    image = temseg.read(path, axes="fields")
    assert image.calibration.origin == origin
    expected = None if nanometres is None else pytest.approx((nanometres, nanometres), rel=1e-4)
    assert image.calibration.pixel_size == expected
    survives(_read_whole, path, tmp_path / "damaged.tif", flips=30)
    tiff = pytest.importorskip("rsciio.tiff", reason="rosettasciio, the independent check, is not installed")
    pixels = [np.asarray(one["data"]) for one in tiff.file_reader(str(path))]
    grey = [one for one in pixels if one.dtype.kind != "V" and one.shape == image.data.shape]
    assert any(np.array_equal(one, np.asarray(image.data)) for one in grey)


def test_a_damaged_description_of_imagej_is_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(2, 2), metadata={"unit": "nm"})
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content.replace(b"unit=nm", b"uni\xe1=nm"))
    image = temseg.read(tmp_path / "a.tif")
    assert image.calibration.pixel_size is None
    assert "description of ImageJ is damaged" in image.notes[0]
