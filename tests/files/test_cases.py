"""Every line of the README of `cases`, small files that went wrong, with the right answers; two more of each kind are written here."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile
from mrcfile.dtypes import HEADER_DTYPE
from PIL import Image
from scipy.ndimage import label

import napari_temseg as temseg
from napari_temseg.files.readers import Reading, other_pictures, read_noted, series_of
from napari_temseg.files.tables import read_labels

GREY = np.random.default_rng(0).normal(120, 20, (48, 60)).clip(1, 250).astype(np.uint8)


@pytest.fixture(scope="module")
def cases(data: Path) -> Path:
    """The folder of small files; tests that need it are skipped where it is not."""
    folder = data / "cases"
    if not folder.is_dir():
        pytest.skip(f"no folder “cases” in {data}")
    return folder


def sized(path: Path, **how: Any) -> float | None:
    """Pixel size in nm, or None; a square one."""
    size = temseg.read(path, **how).calibration.pixel_size
    assert size is None or size[0] == pytest.approx(size[1], rel=1e-3)
    return None if size is None else size[1]


def particles(picture: np.ndarray) -> int:
    """How many dark particles a picture of `cases` shows."""
    mask = picture < (float(picture.min()) + float(picture.max())) / 2
    found, _ = label(np.asarray(mask))
    return int((np.bincount(found.ravel())[1:] > 50).sum())


# -- the lines of the README


def test_amt(cases: Path) -> None:
    assert sized(cases / "amt" / "amt_description.tif") == pytest.approx(1.5251, rel=1e-4)


@pytest.mark.parametrize("name", ["dm_cl_line.dm3", "dm_cl_si.dm3", "dm_eels_nounit.dm3"])
def test_gatan_data_that_are_declared_spectra(cases: Path, name: str) -> None:
    with pytest.raises(temseg.TemsegError, match="spectrum"):
        temseg.read(cases / "dm_cathodoluminescence" / name)


def test_hitachi(cases: Path) -> None:
    image = temseg.read(cases / "hitachi" / "hitachi.tif")
    assert image.calibration.pixel_size == pytest.approx((4.961, 4.961), rel=1e-3)
    assert "hitachi.txt" in image.calibration.origin


def test_channels_of_imagej(cases: Path) -> None:
    path = cases / "ij_channels" / "ij_composite_CYX.tif"
    assert [one.name for one in series_of(path)] == ["channel 1", "channel 2"]
    assert temseg.read(path, series="channel 2").axes == "YX"
    assert any(particles(temseg.read(path, series=k).plane()) == 4 for k in (0, 1))
    assert "channel 2" in other_pictures(read_noted(path))
    with pytest.raises(temseg.TemsegError, match="holds 2 channels of one field, “channel 1”, “channel 2”; say which"):
        temseg.read(path)


@pytest.mark.parametrize("name", ["mrc_u8_mid.mrc", "mrc_u8_noimod.mrc"])
def test_bytes_of_mrc_without_a_sign(cases: Path, name: str) -> None:
    plane = temseg.read(cases / "mrc_bytes_unsigned" / name).plane()
    assert plane.dtype == np.uint8
    assert plane.max() == 211


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("ome_two_images_different_pixel.ome.tif", {"series 0": 50, "series 1": 1.5}),
        ("ome_two_same_size.ome.tif", {"series 0": 10, "series 1": 2}),
    ],
)
def test_images_of_ome_each_have_their_own(cases: Path, name: str, sizes: dict[str, float]) -> None:
    for series, nanometres in sizes.items():
        assert sized(cases / "ome_two_images" / name, series=series) == pytest.approx(nanometres)


@pytest.mark.parametrize(("name", "nanometres"), [("ome_stale_binned.ome.tif", 4), ("zeiss_stale_downscaled.tif", 10)])
def test_metadata_of_a_larger_picture(cases: Path, name: str, nanometres: float) -> None:
    reading = read_noted(cases / "stale_after_downscale" / name)
    assert reading.image.calibration.pixel_size == pytest.approx((nanometres, nanometres))
    assert "resampling" in reading.image.calibration.origin
    assert any("400 px wide" in note for note in reading.notes)


def test_twelve_bits(cases: Path) -> None:
    path = cases / "tiff_12bit_packed" / "packed12.tif"
    plane = temseg.read(path).plane()
    assert (plane.shape, plane.dtype) == ((160, 200), np.uint16)
    assert 255 < plane.max() < 4096


def test_colour_maps(cases: Path) -> None:
    tiff = temseg.read(cases / "tiff_palette" / "palette_shuffled_grey.tif").plane()
    png = temseg.read(cases / "tiff_palette" / "png_palette_shuffled.png").plane()
    np.testing.assert_array_equal(tiff, png)
    assert particles(tiff) == 4
    with pytest.raises(temseg.TemsegError, match=r"colour.*convert it to grey"):
        temseg.read(cases / "tiff_palette" / "palette_red.tif")
    assert particles(temseg.read(cases / "tiff_palette" / "miniswhite.tif").plane()) == 4


def test_zeiss_with_the_pixel_of_the_display(cases: Path) -> None:
    assert sized(cases / "zeiss_only_pixel_size" / "zeiss_only_AP_PIXEL_SIZE.tif") == pytest.approx(11.65, rel=1e-3)


@pytest.mark.parametrize("name", ["clean.tif", "stray.tif", "restart_each_plane.tif"])
def test_label_images_keep_their_numbers(cases: Path, name: str) -> None:
    """Their reading; what a stray pixel and numbers that start again mean is a question of measuring."""
    labels = read_labels(cases / "labels" / name)
    assert labels.ndim == (3 if name.startswith("restart") else 2)
    assert set(np.unique(labels)) >= {0, 1}


def test_a_stack_whose_numbers_start_anew(cases: Path) -> None:
    labels = read_labels(cases / "labels" / "restart_each_plane.tif")
    with pytest.raises(temseg.TemsegError, match=r"label 1 is on more than one plane; .*--labels-per-plane"):
        temseg.measure(labels)
    measured = temseg.measure(labels, labels_per_plane=True)
    assert len(measured) == sum(len(np.unique(plane)) - 1 for plane in labels)


# -- 1: a calibration belongs to a picture


def ome(path: Path, *images: tuple[str, str]) -> None:
    """An OME-TIFF of one page with a document of these images: pixel size in nm, and the elements that say where their pixels are."""
    blocks = "".join(
        f'<Image ID="Image:{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYCZT" Type="uint8" SizeX="60" SizeY="48" SizeC="1" SizeZ="1" '
        f'SizeT="1" PhysicalSizeX="{size}" PhysicalSizeXUnit="nm"><Channel ID="C:{k}" SamplesPerPixel="1"/>{where}</Pixels></Image>'
        for k, (size, where) in enumerate(images)
    )
    text = f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{path.name}">{blocks}</OME>'
    tifffile.imwrite(path, GREY, description=text.encode(), metadata=None)


def partner(name: str) -> str:
    return f'<TiffData IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'


@pytest.mark.parametrize("present", [True, False])
def test_one_file_of_an_ome_set_gives_its_own_planes_and_names_the_others(tmp_path: Path, present: bool) -> None:
    images = ("2", partner("a.ome.tif")), ("7", partner("b.ome.tif"))
    for name in ("a.ome.tif", "b.ome.tif") if present else ("b.ome.tif",):
        ome(tmp_path / name, *images)
    assert len(series_of(tmp_path / "b.ome.tif")) == 1
    reading = read_noted(tmp_path / "b.ome.tif")
    assert reading.image.calibration.pixel_size == pytest.approx((7, 7))
    assert "“a.ome.tif”" in reading.notes[0]
    assert ("not beside it" in reading.notes[0]) is not present


def test_planes_that_an_ome_document_promises_are_not_made_of_zeros(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([GREY] * 3), metadata={"axes": "TYX", "PhysicalSizeX": 3, "PhysicalSizeXUnit": "nm"})
    content = (tmp_path / "a.ome.tif").read_bytes()
    (tmp_path / "a.ome.tif").write_bytes(content.replace(b'SizeT="3"', b'SizeT="5"').replace(b'PlaneCount="3"', b'PlaneCount="5"'))
    reading = read_noted(tmp_path / "a.ome.tif", axes="time")
    assert reading.image.n_planes == 3
    assert reading.image.calibration.pixel_size == pytest.approx((3, 3))
    assert any("2 more planes" in note for note in reading.notes)


def test_a_document_in_a_file_of_its_own(tmp_path: Path) -> None:
    ome(tmp_path / "set.ome.tif", ("7", partner("a.ome.tif")), ("2", partner("b.ome.tif")))
    with tifffile.TiffFile(tmp_path / "set.ome.tif") as tif:
        (tmp_path / "set.companion.ome").write_text(tif.pages.first.description)
    pointing = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="set.companion.ome" UUID="u"/></OME>'
    )
    tifffile.imwrite(tmp_path / "b.ome.tif", GREY, description=pointing, metadata=None)
    reading = read_noted(tmp_path / "b.ome.tif")
    assert reading.image.calibration.pixel_size == pytest.approx((2, 2))
    (tmp_path / "set.companion.ome").unlink()
    reading = read_noted(tmp_path / "b.ome.tif")
    assert reading.image.calibration.pixel_size is None
    assert "set.companion.ome" in reading.notes[0]


def zeiss(size: str, *more: str) -> tuple[int, int, int, str, bool]:
    text = "\r\n".join(["0\r\n0", "AP_IMAGE_PIXEL_SIZE", f"Image Pixel Size = {size}", *more]) + "\r\n"
    return (34118, 2, len(text) + 1, text, True)


def test_the_tag_of_the_first_page_is_not_given_to_a_page_of_another_width(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(GREY, extratags=[zeiss("8.0 nm")])
        tif.write(np.tile(GREY, (4, 4)))
    assert sized(tmp_path / "a.tif", series="series 0") == pytest.approx(8)
    assert sized(tmp_path / "a.tif", series="series 1") is None


def test_pages_of_different_magnification_are_no_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for size in ("8.0 nm", "2.0 nm"):
            tif.write(GREY, extratags=[zeiss(size)], metadata=None)
    assert [(one.name, one.calibration.pixel_size) for one in series_of(tmp_path / "a.tif")] == [("page 0", (8, 8)), ("page 1", (2, 2))]


# -- 2: sizes are checked against each other


def said(path: Path) -> Reading:
    return read_noted(path, axes="fields")


def test_two_tags_that_disagree_give_none_and_agreeing_ones_the_first(tmp_path: Path) -> None:
    def written(unit: str, size: float) -> Path:
        text = f"[Scan]\r\nPixelWidth={size}\r\nPixelHeight={size}\r\n[Image]\r\nResolutionX=60\r\nResolutionY=48\r\n"
        fei = (34682, 2, len(text) + 1, text, True)
        tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(0.5, 0.5), metadata={"unit": unit}, extratags=[fei])
        return tmp_path / "a.tif"

    assert said(written("nm", 2e-9)).image.calibration.pixel_size == pytest.approx((2, 2))
    assert said(written("nm", 2e-9)).notes == ()
    reading = said(written("nm", 3e-9))
    assert reading.image.calibration.pixel_size is None
    assert "2 nm" in reading.notes[0]
    assert "3 nm" in reading.notes[0]


def test_the_width_of_the_field_is_held_against_the_pixel(tmp_path: Path) -> None:
    field = "AP_WIDTH\r\nWidth = 600.0 nm"
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[zeiss("10.0 nm", field)])
    assert said(tmp_path / "a.tif").notes == ()
    tifffile.imwrite(tmp_path / "b.tif", GREY, extratags=[zeiss("5.0 nm", field)])
    assert said(tmp_path / "b.tif").image.calibration.pixel_size == pytest.approx((10, 10))
    assert "5 nm" in said(tmp_path / "b.tif").notes[0]


def test_the_field_of_fei_is_held_against_the_pixel(tmp_path: Path) -> None:
    for width, size in ((1.2e-7, (2, 2)), (3.6e-7, None)):
        text = f"[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\nHorFieldsize={width}\r\n[Image]\r\nResolutionX=60\r\nResolutionY=48\r\n"
        tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(34682, 2, len(text) + 1, text, True)])
        reading = said(tmp_path / "a.tif")
        assert reading.image.calibration.pixel_size == (None if size is None else pytest.approx(size))
        assert bool(reading.notes) is (size is None)


@pytest.mark.parametrize(
    ("unit", "per_pixel", "nanometres"), [("cm", 2e-7, 2), ("cm", 1 / 118, None), ("inch", 1 / 300, None), ("mm", 5e-6, 5)]
)
def test_imagej_in_any_unit_but_dpi(tmp_path: Path, unit: str, per_pixel: float, nanometres: float | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(1 / per_pixel, 1 / per_pixel), metadata={"unit": unit})
    assert sized(tmp_path / "a.tif") == (None if nanometres is None else pytest.approx(nanometres, rel=1e-3))


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_the_default_of_programs_is_no_pixel_size(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.ome.tif"
    if kind == "ome":
        tifffile.imwrite(path, GREY, metadata={"axes": "YX", "PhysicalSizeX": 1.0, "PhysicalSizeXUnit": "µm"})
    else:
        tifffile.imwrite(path, GREY, imagej=True, resolution=(1, 1), metadata={"unit": "micron"})
    assert said(path).image.calibration.pixel_size is None
    assert "exactly 1 µm" in said(path).notes[0]


def test_a_tilted_specimen_is_noted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[zeiss("10.0 nm", "AP_STAGE_AT_T\r\nStage at T = 52.0 degrees")])
    reading = said(tmp_path / "a.tif")
    assert reading.image.calibration.pixel_size == (10, 10)
    assert "tilted by 52°" in reading.notes[0]


# -- 4: what the file declares, counts


def test_time_and_channels_of_imagej(tmp_path: Path) -> None:
    stack = np.arange(3 * 2 * 8 * 9, dtype=np.uint16).reshape(3, 2, 8, 9)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    image = temseg.read(tmp_path / "a.tif", series="channel 2")
    assert (image.axes, image.n_planes) == ("TYX", 3)
    np.testing.assert_array_equal(image.plane(2), stack[2, 1])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_in_which_white_is_zero(tmp_path: Path, compression: str | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY[::-1]]), photometric="miniswhite", compression=compression)
    image = temseg.read(tmp_path / "a.tif", axes="fields")
    np.testing.assert_array_equal(image.plane(1), 255 - GREY[::-1])


@pytest.mark.parametrize(("limits", "kind"), [((3, 200), np.uint8), ((-100, 90), np.int8), ((0, -1), np.int8), ((3, 100), np.int8)])
def test_minimum_and_maximum_say_whether_bytes_have_a_sign(tmp_path: Path, limits: tuple[int, int], kind: type[np.generic]) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.zeros((8, 9), np.int8))
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    struct.pack_into("<2f", content, HEADER_DTYPE.fields["dmin"][1], *limits)
    (tmp_path / "a.mrc").write_bytes(content)
    assert temseg.read(tmp_path / "a.mrc").plane().dtype == kind


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_bytes_of_which_nothing_says_whether_they_have_a_sign(tmp_path: Path, kind: type[np.generic]) -> None:
    picture = (GREY.astype(int) - (128 if kind is np.int8 else 0)).astype(kind)
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(picture.view(np.int8))
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    struct.pack_into("<2f", content, HEADER_DTYPE.fields["dmin"][1], 0, 0)
    (tmp_path / "a.mrc").write_bytes(content)
    image = temseg.read(tmp_path / "a.mrc")
    np.testing.assert_array_equal(image.plane(), picture)
    assert "does not say whether its bytes have a sign" in image.notes[-1]


# -- 5: "damaged" is said of what is damaged


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits(tmp_path: Path, bits: int) -> None:
    picture = np.random.default_rng(1).integers(1, 1 << bits, (13, 11), np.uint16)
    ones = ((picture[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).reshape(13, -1)
    rows = np.packbits(ones, axis=1).tobytes()
    tags = [(256, 11), (257, 13), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 13), (279, len(rows))]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags) + bytes(4)
    (tmp_path / "a.tif").write_bytes(struct.pack("<2sHI", b"II", 42, 8 + len(rows)) + rows + directory)
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.tif").plane(), picture)


def test_pages_and_tags_that_a_truncated_file_lost_are_told(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        tif.write(np.stack([GREY] * 3), metadata={"axes": "ZYX", "PhysicalSizeX": 2, "PhysicalSizeXUnit": "nm"})
    content = (tmp_path / "a.ome.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        lost = tif.pages.first.tags[270].valueoffset
        first = tif.pages.first.dataoffsets[0] + GREY.size
    for end, words in ((first + 5, "ends before its page 2"), (lost + 9, "ends before what its tags say")):
        (tmp_path / "b.ome.tif").write_bytes(content[:end])
        image = temseg.read(tmp_path / "b.ome.tif", axes="fields")
        assert image.calibration.pixel_size is None
        assert words in image.notes[0]


def test_colours_of_a_label_image_are_no_grey(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:8, 3:9], labels[10:18, 12:20] = 1, 2
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="palette", colormap=colours)
    tifffile.imwrite(tmp_path / "b.tif", labels, photometric="miniswhite")
    for name in ("a.tif", "b.tif"):
        np.testing.assert_array_equal(read_labels(tmp_path / name), labels)


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_colours_of_printing_are_not_taken_for_red_green_and_blue(tmp_path: Path, name: str) -> None:
    inks = np.zeros((*GREY.shape, 4), np.uint8)
    inks[..., 3] = 255 - GREY  # black alone
    if name == "a.tif":
        tifffile.imwrite(tmp_path / name, inks, photometric="separated")
        with pytest.raises(temseg.TemsegError, match=r"colours of printing \(CMYK\), of which no channel is the picture"):
            temseg.read(tmp_path / name)
    else:
        Image.fromarray(inks, "CMYK").save(tmp_path / name, quality=98)
        assert np.corrcoef(temseg.read(tmp_path / name).plane().ravel(), GREY.ravel())[0, 1] > 0.95


def test_pages_of_imagej_that_differ_are_pictures_of_their_own(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(GREY, resolution=(0.5, 0.5), description="ImageJ=1.53k\nunit=nm\n", metadata=None)
        tif.write(np.kron(GREY, np.ones((4, 4), np.uint8)), metadata=None)
    first, second = sorted(series_of(tmp_path / "a.tif"), key=lambda one: one.data.shape)
    assert first.calibration.pixel_size == pytest.approx((2, 2))
    assert second.calibration.pixel_size is None
    np.testing.assert_array_equal(first.data, GREY)
