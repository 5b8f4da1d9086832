"""Files as other programs and people make them: misnamed, with decimal commas, with half a size, of another picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_temseg as temseg
from napari_temseg.files.formats.sizes import number
from napari_temseg.files.tables import read_labels

GREY = np.random.default_rng(0).normal(120, 20, (60, 80)).clip(1, 250).astype(np.uint8)
_SIDES = 'Type="uint8" SizeX="80" SizeY="60" SizeC="1" SizeZ="1" SizeT="1"'
OME = f'<OME><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" {_SIDES} {{}}/></Image></OME>'
ZEISS = "1\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = {} nm\r\nAP_WIDTH\r\nWidth = {} nm\r\nDP_IMAGE_STORE\r\nStore resolution = 80 * 60"
HITACHI = "[SemImageFile]\nImageName={}\nDataSize={}\nPixelSize={}\n"
TESCAN = "[MAIN]\nDevice=MIRA\nPixelSizeX={0}\nPixelSizeY={0}\n"


def tiff(path: Path, description: str | None = None, **how: Any) -> temseg.Micrograph:
    tifffile.imwrite(path, GREY, description=description, metadata=None, **how)
    return temseg.read(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0,002", 0.002), ("2,5", 2.5), ("-1,25e-9", -1.25e-9), ("2,0e-009", 2e-9), ("2,0001", 2.0001), ("2,000", None), ("1,234.5", None)],
)
def test_a_comma_is_that_of_decimals_only_where_it_can_be_no_other(text: str, value: float | None) -> None:
    assert number(text) == value if value is not None else np.isnan(number(text))


def test_decimal_commas_of_every_maker(tmp_path: Path) -> None:
    (tmp_path / "h.txt").write_text(HITACHI.format("h.tif", "80x60", "2,0"))
    (tmp_path / "t-tif.hdr").write_text(TESCAN.format("2,0e-009"))
    pictures = [
        tiff(tmp_path / "o.ome.tif", OME.format('PhysicalSizeX="0,002" PhysicalSizeY="0,002"')),
        tiff(tmp_path / "z.tif", extratags=[(34118, 7, None, ZEISS.format("2,00", "160,0").encode(), True)]),
        tiff(tmp_path / "h.tif"),
        tiff(tmp_path / "t.tif"),
    ]
    for image in pictures:
        assert image.calibration.pixel_size == pytest.approx((2, 2)), image.name
    unclear = tiff(tmp_path / "y.tif", extratags=[(34118, 7, None, ZEISS.format("2,000", "1,600").encode(), True)])
    assert "pixel size in the Zeiss tag cannot be read" in unclear.notes[0]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"description": OME.format('PhysicalSizeY="2" PhysicalSizeYUnit="nm"')}, "the height of a pixel and not its width"),
        ({"description": "ImageJ=1.53t\nmin=0\n", "resolution": (0.5, 0.5), "resolutionunit": 1}, "without a unit"),
        ({"resolution": (5e6, 5e6), "resolutionunit": 3}, "a pixel is 2 nm: if so, type it"),
        ({"resolution": (12700000, 12700000), "resolutionunit": 2}, "a pixel is 2 nm: if so, type it"),
    ],
)
def test_half_a_size_is_none_and_told(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    image = tiff(tmp_path / "a.tif", **how)
    assert image.calibration.pixel_size is None
    assert words in image.notes[0]


def test_the_resolution_of_print_is_not_worth_a_word(tmp_path: Path) -> None:
    assert tiff(tmp_path / "a.tif", resolution=(300, 300), resolutionunit=2).notes == ()
    for dpi, count in ((300, 0), (12700000, 1)):
        Image.fromarray(GREY).save(tmp_path / "a.png", dpi=(dpi, dpi))
        assert len(temseg.read(tmp_path / "a.png").notes) == count


def test_a_side_car_of_another_picture_of_another_size_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HITACHI.format("other.tif", "1280x960", "2"))
    image = tiff(tmp_path / "a.tif")
    assert image.calibration.pixel_size is None
    assert "was written for “other.tif”, a picture of another size, and was not used" in image.notes[0]


def test_files_are_read_as_what_they_are_not_as_they_are_called(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "png.tif", format="PNG")
    Image.fromarray(GREY).save(tmp_path / "jpeg.png", format="JPEG")
    tifffile.imwrite(tmp_path / "tif.tif", GREY, imagej=True, resolution=(0.5, 0.5), metadata={"unit": "nm"})
    (tmp_path / "tif.tif").rename(tmp_path / "tif.png")
    for name, kind in (("png.tif", ".png"), ("tif.png", ".tif")):
        image = temseg.read(tmp_path / name)
        np.testing.assert_array_equal(image.data, GREY)
        assert f"the file is one of {kind}, and was read as that" in image.notes[0]
    assert image.calibration.pixel_size == pytest.approx((2, 2))
    assert temseg.read(tmp_path / "jpeg.png").source.lossy
    iio.imwrite(tmp_path / "l.jpg", GREY)
    (tmp_path / "l.jpg").rename(tmp_path / "l.tif")
    with pytest.raises(temseg.TemsegError, match="JPEG changes the numbers"):
        read_labels(tmp_path / "l.tif")


def test_an_ome_document_that_says_too_little_is_no_damage(tmp_path: Path) -> None:
    image = tiff(tmp_path / "a.ome.tif", OME.replace(' SizeT="1"', "").format('PhysicalSizeX="2" PhysicalSizeXUnit="nm"'))
    np.testing.assert_array_equal(image.data, GREY)
    assert image.calibration.pixel_size == pytest.approx((2, 2))
    assert "The OME document is damaged or says too little of the pages" in image.notes[0]
