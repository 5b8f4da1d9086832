"""Reading micrographs: what the pixels, their axes and their calibration become, and what is refused."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.files.readers import other_pictures, read_noted, series_of
from napari_temseg.files.tables import read_labels

GREY = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_every_type_and_byte_order(tmp_path: Path, dtype: str, order: str) -> None:
    pixels = (GREY % 120).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, byteorder=order)
    image = temseg.read(path)
    assert image.axes == "YX"
    assert image.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.data, pixels)


@pytest.mark.parametrize("compression", ["zlib", "lzma", "lzw"])
def test_compressed_tiff(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    try:
        tifffile.imwrite(path, GREY, compression=compression)
    except (ValueError, KeyError) as error:
        pytest.skip(f"this tifffile cannot write {compression}: {error}")
    np.testing.assert_array_equal(temseg.read(path).data, GREY)


def test_bigtiff_and_tiles(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, bigtiff=True, tile=(16, 16))
    np.testing.assert_array_equal(temseg.read(path).data, GREY)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_stack_is_read_plane_by_plane_and_its_meaning_is_asked(tmp_path: Path, compression: str | None, order: str) -> None:
    path = tmp_path / "stack.tif"
    stack = np.stack([GREY, GREY + 1, GREY + 2])
    tifffile.imwrite(path, stack, compression=compression, byteorder=order, photometric="minisblack")
    with pytest.raises(temseg.TemsegError, match=r"stack\.tif.*--axes fields, time or depth"):
        temseg.read(path)
    for axes, letters in {"fields": "NYX", "TYX": "TYX", "depth": "ZYX"}.items():
        image = temseg.read(path, axes=axes)
        assert image.axes == letters
        assert not isinstance(image.data, np.ndarray)  # lazy
        assert image.data.dtype == np.uint16
        np.testing.assert_array_equal(image.plane(2), GREY + 2)


def test_axes_do_not_harm_a_single_page(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    assert temseg.read(path, axes="fields").axes == "YX"
    with pytest.raises(temseg.TemsegError, match="use fields, time or depth"):
        temseg.read(path, axes="sideways")


def test_grey_saved_as_colour_is_reduced_and_colour_is_refused(tmp_path: Path) -> None:
    grey = np.repeat((GREY % 200).astype(np.uint8)[..., None], 3, axis=-1)
    red = grey.copy()
    red[..., 0] = 255 - red[..., 0]
    for suffix in ("tif", "png", "jpg"):
        tifffile.imwrite(tmp_path / "g.tif", grey, photometric="rgb") if suffix == "tif" else iio.imwrite(tmp_path / f"g.{suffix}", grey)
        tifffile.imwrite(tmp_path / "r.tif", red, photometric="rgb") if suffix == "tif" else iio.imwrite(tmp_path / f"r.{suffix}", red)
        image = temseg.read(tmp_path / f"g.{suffix}")
        assert image.data.shape == GREY.shape
        assert np.abs(image.data.astype(int) - grey[..., 1]).max() <= (40 if suffix == "jpg" else 0)
        with pytest.raises(temseg.TemsegError, match=rf"r\.{suffix}.*colour.*convert it to grey"):
            temseg.read(tmp_path / f"r.{suffix}")


def test_grey_colour_stack(tmp_path: Path) -> None:
    grey = np.repeat(np.stack([GREY % 200, GREY % 100]).astype(np.uint8)[..., None], 3, axis=-1)
    tifffile.imwrite(tmp_path / "g.tif", grey, photometric="rgb")
    image = temseg.read(tmp_path / "g.tif", axes="time")
    assert image.data.shape == (2, *GREY.shape)
    np.testing.assert_array_equal(image.plane(1), grey[1, ..., 0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_keeps_its_depth(tmp_path: Path, dtype: str) -> None:
    pixels = (GREY % 250).astype(dtype)
    iio.imwrite(tmp_path / "a.png", pixels)
    image = temseg.read(tmp_path / "a.png")
    assert image.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.data, pixels)


def test_grey_with_alpha(tmp_path: Path) -> None:
    pixels = np.dstack([GREY % 250, np.full_like(GREY, 255)]).astype(np.uint8)
    iio.imwrite(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.png").data, pixels[..., 0])


@pytest.mark.parametrize(("unit", "nanometres"), [("nm", 1.0), ("micron", 1e3), ("um", 1e3), ("\\u00B5m", 1e3), ("angstrom", 0.1)])
def test_imagej_calibration(tmp_path: Path, unit: str, nanometres: float) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(4.0, 2.0), metadata={"unit": unit})
    calibration = temseg.read(tmp_path / "a.tif").calibration
    assert calibration.origin == "ImageJ tag"
    assert calibration.pixel_size == pytest.approx((0.5 * nanometres, 0.25 * nanometres))


@pytest.mark.parametrize("unit", ["pixel", "inch", "fathom", ""])
def test_imagej_without_a_length_stays_in_pixels(tmp_path: Path, unit: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(4.0, 4.0), metadata={"unit": unit})
    assert temseg.read(tmp_path / "a.tif").calibration.pixel_size is None


def test_ome_calibration(tmp_path: Path) -> None:
    sizes = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, metadata=sizes)
    assert temseg.read(tmp_path / "a.ome.tif").calibration.pixel_size == pytest.approx((0.5, 0.25))
    tifffile.imwrite(tmp_path / "b.ome.tif", GREY, metadata={"axes": "YX", "PhysicalSizeX": 0.002})
    assert temseg.read(tmp_path / "b.ome.tif").calibration.pixel_size == pytest.approx((2.0, 2.0))


def test_dpi_is_never_a_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(300, 300), resolutionunit="INCH")
    iio.imwrite(tmp_path / "a.png", GREY, dpi=(300, 300))
    assert temseg.read(tmp_path / "a.tif").calibration.pixel_size is None
    assert temseg.read(tmp_path / "a.png").calibration.pixel_size is None


def test_thumbnail_is_passed_over(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.zeros((12, 10, 3), np.uint8), photometric="rgb")
        tif.write(GREY)
    image = temseg.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.source.series == "series 1"


def test_source_names_file_and_content(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "grid_07.png", GREY)
    image = temseg.read(str(tmp_path / "grid_07.png"))
    assert image.name == "grid_07"
    assert image.source.content_hash == hashlib.sha256((tmp_path / "grid_07.png").read_bytes()).hexdigest()


def _truncated_tiff(path: Path) -> None:
    tifffile.imwrite(path, GREY)
    path.write_bytes(path.read_bytes()[:-100])


def _truncated_deflate(path: Path) -> None:
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), compression="zlib")
    path.write_bytes(path.read_bytes()[:-100])


def _truncated_stack(path: Path) -> None:
    tifffile.imwrite(path, np.stack([GREY] * 3), imagej=True)
    path.write_bytes(path.read_bytes()[:9000])


def _damaged_deflate(path: Path) -> None:
    tifffile.imwrite(path, GREY, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)


def _jpeg2000(path: Path) -> None:
    """A TIFF that says it is JPEG 2000 compressed, which needs a codec that is not installed with us."""
    tifffile.imwrite(path, GREY, compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].tags["Compression"].valueoffset
    content[offset : offset + 2] = struct.pack("<H", 34712)
    path.write_bytes(content)


def _absurd_png(path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


def _absurd_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8))
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for name in ("ImageWidth", "ImageLength"):
            tag = tif.pages[0].tags[name]
            content[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", 2**20)
            content[tag.offset + 2 : tag.offset + 4] = struct.pack("<H", 4)
    path.write_bytes(content)


def _truncated_png(path: Path) -> None:
    iio.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:400])


def _circular(path: Path) -> None:
    """The last of 110 pages is followed by the 105th again."""
    with tifffile.TiffWriter(path) as tif:
        for _ in range(110):
            tif.write(np.zeros((8, 8), np.uint8), contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        starts = [page.offset for page in tif.pages]
    content = bytearray(path.read_bytes())
    (tags,) = struct.unpack_from("<H", content, starts[-1])
    struct.pack_into("<I", content, starts[-1] + 2 + 12 * tags, starts[104])
    path.write_bytes(content)


BAD = {
    "circular.tif": (_circular, "leads back"),
    "empty.tif": (lambda path: path.write_bytes(b""), "empty"),
    "empty.png": (lambda path: path.write_bytes(b""), "empty"),
    "text.tif": (lambda path: path.write_text("not a picture"), "damaged or not a TIFF"),
    "text.png": (lambda path: path.write_text("not a picture"), "damaged or not a PNG"),
    "text.jpg": (lambda path: path.write_text("not a picture"), "damaged or not a JPG"),
    "header.tif": (lambda path: path.write_bytes(b"II*\0\x08\0\0\0"), "no picture|damaged"),
    "short.tif": (_truncated_tiff, "truncated"),
    "deflate.tif": (_truncated_deflate, "truncated|damaged"),
    "stack.tif": (_truncated_stack, "truncated"),
    "zeros.tif": (_damaged_deflate, "damaged"),
    "jpeg2000.tif": (_jpeg2000, "imagecodecs|damaged"),
    "huge.tif": (_absurd_tiff, "too large|truncated|damaged"),
    "short.png": (_truncated_png, "damaged"),
    "huge.png": (_absurd_png, "too many pixels"),
    "complex.tif": (lambda path: tifffile.imwrite(path, np.ones((8, 8), np.complex64)), "complex64"),
    "hyperstack.tif": (
        lambda path: tifffile.imwrite(path, np.zeros((2, 3, 8, 9), np.uint8), imagej=True, metadata={"axes": "TZYX"}),
        "4 axes",
    ),
    "picture.bmp": (lambda path: path.write_bytes(b"BM"), "damaged or not a BMP picture"),
    "noextension": (lambda path: path.write_bytes(b"BM"), "TIFF, PNG or JPEG"),
    "folder.tif": (lambda path: path.mkdir(), "folder"),
    "missing.tif": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_sentence(tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    make(tmp_path / name)
    with pytest.raises(temseg.TemsegError, match=words) as caught:
        temseg.read(tmp_path / name).plane(0)
    sentence = str(caught.value)
    assert name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize("compression", ["lzw", "packbits", "zlib"])
def test_compressed_tiffs_are_read(tmp_path, compression):
    picture = np.random.default_rng(0).integers(0, 65535, (40, 30), dtype=np.uint16)
    path = tmp_path / "compressed.tif"
    tifffile.imwrite(path, picture, compression=compression)
    np.testing.assert_array_equal(temseg.read(path).plane(), picture)


def test_several_pictures_are_a_choice(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(GREY[:20])
        tif.write(GREY)
    assert [one.name for one in series_of(tmp_path / "a.tif")] == ["series 1", "series 0"]
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.tif", series="series 0").data, GREY[:20])
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.tif", series=0).data, GREY)
    with pytest.raises(temseg.TemsegError, match=r"a\.tif: there is no series “nonsense”; the file holds “series 1”, “series 0”"):
        temseg.read(tmp_path / "a.tif", series="nonsense")
    reading = read_noted(tmp_path / "a.tif")
    assert reading.others == ("series 0",)
    assert "“series 1” was read" in other_pictures(reading)


def test_colour_beside_the_micrograph_is_no_trouble_until_asked_for(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.random.default_rng(0).integers(0, 255, (12, 10, 3), np.uint8), photometric="rgb")
        tif.write(GREY)
    assert read_noted(tmp_path / "a.tif").notes == ()
    with pytest.raises(temseg.TemsegError, match=r"a\.tif: the image is in colour"):
        temseg.read(tmp_path / "a.tif", series="series 0")


def test_jpeg_is_said_to_be_lossy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.jpg", "a.png"):
        iio.imwrite(tmp_path / name, (GREY % 250).astype(np.uint8))
        temseg.read(tmp_path / name)
    (record,) = caplog.records
    assert "a.jpg: JPEG is lossy" in record.getMessage()


def test_a_tiff_of_jpeg_is_read_and_said_to_be_lossy(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    for name, how in {"jpeg": {"compression": "jpeg"}, "zlib": {"compression": "zlib"}}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", np.stack([smooth, smooth[::-1]]), photometric="minisblack", **how)
        tifffile.imwrite(tmp_path / f"{name}_tiles.tif", smooth, tile=(32, 32), photometric="minisblack", **how)
        for path in (tmp_path / f"{name}.tif", tmp_path / f"{name}_tiles.tif"):
            reading = read_noted(path, axes="time")
            assert np.abs(reading.image.plane(0).astype(int) - smooth).max() <= (6 if name == "jpeg" else 0)
            assert reading.image.source.lossy is (name == "jpeg")
            assert any("JPEG is lossy" in note for note in reading.notes) is (name == "jpeg")


def test_a_tile_that_claims_to_be_huge_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, (GREY % 250).astype(np.uint8), tile=(16, 16), compression="lzw")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags["TileLength"].valueoffset
    content[place + 3] = 0x70
    path.write_bytes(content)
    with pytest.raises(temseg.TemsegError, match="truncated or damaged"):
        temseg.read(path)


def test_a_stack_knows_whether_its_meaning_was_said(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY]), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", GREY)
    asked = read_noted(tmp_path / "a.tif", unsaid="NYX")
    assert (asked.image.axes, asked.said) == ("NYX", False)
    assert read_noted(tmp_path / "a.tif", axes="time", unsaid="NYX").said
    assert read_noted(tmp_path / "b.tif", unsaid="NYX").said


def test_a_compressed_plane_may_not_grow_without_bounds(tmp_path: Path) -> None:
    blank = np.zeros((9000, 8000), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", blank, compression="zlib")
    with pytest.raises(temseg.TemsegError, match="truncated or damaged"):
        temseg.read(tmp_path / "a.tif")
    assert read_labels(tmp_path / "a.tif").shape == blank.shape  # label images are that empty


KNOWN = {
    "jeol_haadf.dm4": (112, 112, 1.249),
    "128x128-TEM_search.emi": (128, 128, 5.261214),
    "128x128-TEM_search_1.ser": (128, 128, 5.261214),
    "HAADFscan.mrc": (16, 16, 5.679131),
    "08_carbon.dm3": "spectrum",
    "test_diffraction_pattern.dm3": "diffraction pattern",
}


@pytest.mark.parametrize("name", KNOWN)
def test_real_microscope_files_open_calibrated_or_say_why_not(data: Path, name: str) -> None:
    path, known = data / "microscope_files" / name, KNOWN[name]
    if isinstance(known, str):
        with pytest.raises(temseg.TemsegError, match=f"{name}: .*{known}"):
            temseg.read(path)
        return
    image = temseg.read(path, axes="fields")
    assert image.frame == known[:2]
    assert image.calibration.pixel_size == pytest.approx((known[2], known[2]), rel=1e-3)


def test_a_bitmap_is_a_picture(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (20, 33), np.uint8)
    iio.imwrite(tmp_path / "a.bmp", grey)
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.bmp").plane(), grey)
    (tmp_path / "b.bmp").write_bytes((tmp_path / "a.bmp").read_bytes()[:60])
    with pytest.raises(temseg.TemsegError, match=r"b\.bmp"):
        temseg.read(tmp_path / "b.bmp")


def test_axes_that_tifffile_wrote_count(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (3, 20, 33)).astype(np.uint8)
    for axes, meaning in (("CYX", "YX"), ("TYX", "TYX"), ("ZYX", "ZYX")):
        tifffile.imwrite(tmp_path / f"{axes}.tif", data, photometric="minisblack", metadata={"axes": axes})
        image = temseg.read(tmp_path / f"{axes}.tif", series="channel 2" if axes == "CYX" else "")
        assert image.axes == meaning
    assert len(series_of(tmp_path / "CYX.tif")) == 3
