"""DM3 and DM4: which image is taken, its pixels, its calibration, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mangled import survives

from napari_temseg import TemsegError
from napari_temseg.files.formats.dm import read_dm

GREY = np.arange(12 * 9).reshape(12, 9)
KINDS = {"i2": 1, "f4": 2, "c8": 3, "u1": 6, "i4": 7, "i1": 9, "u2": 10, "u4": 11, "f8": 12, "c16": 13, "i8": 39, "u8": 40}
ELEMENTS = {"i2": 2, "f4": 6, "u1": 10, "i4": 3, "i1": 9, "u2": 4, "u4": 5, "f8": 7, "i8": 11, "u8": 12}


class Writer:
    """Writes a tree of groups (dict or list), numbers, texts and arrays."""

    def __init__(self, version: int = 4, order: str = "<") -> None:
        self.version, self.order, self.count = version, order, ">Q" if version == 4 else ">I"

    def file(self, tree: dict[str, Any]) -> bytes:
        root = self.group(tree)
        return struct.pack(">I", self.version) + struct.pack(self.count, len(root)) + struct.pack(">I", self.order == "<") + root + bytes(8)

    def group(self, tree: dict[str, Any] | list[Any]) -> bytes:
        tags = list(tree.items()) if isinstance(tree, dict) else [("", value) for value in tree]
        return b"\1\0" + struct.pack(self.count, len(tags)) + b"".join(self.tag(name, value) for name, value in tags)

    def tag(self, name: str, value: Any) -> bytes:
        inner = isinstance(value, (dict, list))
        content = self.group(value) if inner else self.value(value)
        size = struct.pack(">Q", len(content)) if self.version == 4 else b""
        return struct.pack(">BH", 20 if inner else 21, len(name)) + name.encode("latin-1") + size + content

    def value(self, value: Any) -> bytes:
        if isinstance(value, str):
            value = np.array([ord(letter) for letter in value], "u2")
        if isinstance(value, int):
            return self.described([5], struct.pack(self.order + "I", value))
        if isinstance(value, float):
            return self.described([6], struct.pack(self.order + "f", value))
        if isinstance(value, tuple):  # a record of two short numbers
            return self.described([15, 0, 2, 0, 2, 0, 2], struct.pack(self.order + "2h", *value))
        code = value.dtype.str[1:]
        element = [15, 0, 2, 0, 6, 0, 6] if code == "c8" else [15, 0, 2, 0, 7, 0, 7] if code == "c16" else [ELEMENTS[code]]
        return self.described([20, *element, value.size], value.astype(value.dtype.newbyteorder(self.order)).tobytes())

    def described(self, layout: list[int], content: bytes) -> bytes:
        counts = "".join(self.count[1] for _ in range(len(layout) + 1))
        return b"%%%%" + struct.pack(">" + counts, len(layout), *layout) + content


def an_image(
    pixels: np.ndarray, units: str | tuple[str, ...] = "nm", scale: float | tuple[float, ...] = 0.5, **more: Any
) -> dict[str, Any]:
    """An entry of ImageList; units and scales, as the file has them, start with the columns."""
    units = (units,) * pixels.ndim if isinstance(units, str) else units
    scales = (scale,) * pixels.ndim if isinstance(scale, float) else scale
    described = {
        "Calibrations": {"Dimension": [{"Origin": 0.0, "Scale": s, "Units": u} for s, u in zip(scales, units, strict=True)]},
        "Data": pixels,
        "DataType": more.pop("kind", KINDS[pixels.dtype.str[1:]]),
        "Dimensions": more.pop("lengths", list(reversed(pixels.shape))),
        "PixelDepth": pixels.itemsize,
    }
    return {"ImageData": described, "ImageTags": {"Where": (3, 4), "Operator": "nobody"}, **more}


def write(path: Path, *images: dict[str, Any], thumbnails: tuple[int, ...] = (), **how: Any) -> Path:
    tree: dict[str, Any] = {"ApplicationBounds": (0, 7), "ImageList": list(images)}
    tree["Thumbnails"] = [{"ImageIndex": index} for index in thumbnails]
    path.write_bytes(Writer(**how).file(tree))
    return path


@pytest.mark.parametrize("code", [code for code in KINDS if "c" not in code])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_of_every_type_version_and_byte_order(tmp_path: Path, code: str, version: int, order: str) -> None:
    path = write(tmp_path / "a.dm4", an_image(GREY.astype(code), Name="HAADF"), version=version, order=order)
    (series,) = read_dm(path)
    assert (series.name, series.axes, series.obstacle, series.notes) == ("HAADF", "YX", "", ())
    assert series.data.dtype == np.dtype(code)
    np.testing.assert_array_equal(series.data, GREY)
    assert series.calibration.pixel_size == (0.5, 0.5)
    assert series.calibration.origin == "tag"


@pytest.mark.parametrize(("unit", "nanometres"), [("nm", 0.5), ("µm", 500.0), ("μm", 500.0), ("Å", 0.05), ("pm", 0.0005 * 1.0)])
def test_units_of_length(tmp_path: Path, unit: str, nanometres: float) -> None:
    (series,) = read_dm(write(tmp_path / "a.dm3", an_image(GREY.astype("u2"), unit), version=3))
    if nanometres < 1e-3:
        assert series.calibration.pixel_size is None
        assert "implausible" in series.notes[0]
    else:
        assert series.calibration.pixel_size == pytest.approx((nanometres, nanometres))


def test_pixel_that_is_not_square_is_told(tmp_path: Path) -> None:
    (series,) = read_dm(write(tmp_path / "a.dm4", an_image(GREY.astype("u2"), scale=(0.5, 0.25))))
    assert series.calibration.pixel_size == (0.25, 0.5)
    assert "0.5 nm wide and 0.25 nm high" in series.notes[0]
    (series,) = read_dm(write(tmp_path / "b.dm4", an_image(GREY.astype("u2"), scale=(0.5, 0.5002))))
    assert series.notes == ()


@pytest.mark.parametrize(
    ("unit", "scale", "told"), [("", 1.0, "no pixel size"), ("pixels", 1.0, "“pixels”, not in a unit"), ("nm", -0.5, "implausible")]
)
def test_no_usable_pixel_size_is_told_and_leaves_pixels(tmp_path: Path, unit: str, scale: float, told: str) -> None:
    (series,) = read_dm(write(tmp_path / "a.dm4", an_image(GREY.astype("u2"), unit, scale)))
    assert series.calibration.pixel_size is None
    assert told in series.notes[0]
    assert "scale bar" in series.notes[0]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (an_image(GREY.astype("i4"), "1/nm"), "diffraction pattern (its pixels are 1/nm"),
        (an_image(GREY.astype("i4"), "mrad"), "diffraction pattern"),
        (an_image(GREY[0].astype("f4"), "eV"), "spectrum"),
        (an_image(GREY[0].astype("f4"), ""), "line of numbers"),
        (an_image(np.zeros((3, 4, 5), "f4"), ("nm", "nm", "eV")), "an axis in eV"),
        (an_image(GREY.astype("c8")), "complex"),
        (an_image(GREY.astype("f4"), kind=5), "complex"),
        (an_image(np.zeros((2, 3, 4, 5), "u2")), "4 axes"),
        (an_image(GREY.astype("u4"), kind=77), "unknown type (77)"),
    ],
)
def test_what_is_no_micrograph_is_named(tmp_path: Path, image: dict[str, Any], told: str) -> None:
    (series,) = read_dm(write(tmp_path / "a.dm3", image, version=3))
    assert told in series.obstacle
    assert series.calibration.pixel_size is None
    assert series.data.ndim in (2, 3)


def test_thumbnail_is_left_out_and_the_largest_usable_image_comes_first(tmp_path: Path) -> None:
    thumbnail = an_image(np.zeros((40, 40), "u4"), kind=23)
    small, large = an_image(GREY[:4].astype("u1"), Name="small"), an_image(GREY.astype("u1"), Name="large")
    pattern = an_image(np.zeros((50, 50), "u1"), "1/nm", Name="pattern")
    path = write(tmp_path / "a.dm4", thumbnail, pattern, small, large, thumbnails=(0,))
    assert [series.name for series in read_dm(path)] == ["large", "small", "pattern"]
    (only,) = read_dm(write(tmp_path / "b.dm4", an_image(GREY.astype("u1")), thumbnails=(0,)))
    np.testing.assert_array_equal(only.data, GREY)


def test_picture_of_four_equal_channels_is_grey_and_another_is_refused(tmp_path: Path) -> None:
    channels = np.repeat(GREY.astype("u1")[..., None], 4, axis=-1)
    (series,) = read_dm(write(tmp_path / "a.dm4", an_image(channels.view("u4")[..., 0], kind=23)))
    np.testing.assert_array_equal(series.data, GREY)
    assert series.calibration.pixel_size == (0.5, 0.5)
    channels[..., 0] += 90
    (series,) = read_dm(write(tmp_path / "b.dm4", an_image(channels.view("u4")[..., 0], kind=23)))
    assert "colour" in series.obstacle


@pytest.mark.parametrize(("unit", "axes"), [("s", "TYX"), ("", ""), ("nm", "")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_stack_stays_on_disk_and_says_time_only_where_the_file_does(tmp_path: Path, unit: str, axes: str, order: str) -> None:
    stack = np.stack([GREY, GREY + 1, GREY + 2]).astype("u2")
    path = write(tmp_path / "a.dm4", an_image(stack, ("nm", "nm", unit), (0.5, 0.5, 0.1)), order=order)
    (series,) = read_dm(path)
    assert series.axes == axes
    assert not series.data.flags.owndata if isinstance(series.data, np.ndarray) else series.data.chunks[0] == (1, 1, 1)
    for index in range(3):
        plane = np.asarray(series.data[index])
        assert plane.dtype == np.dtype("u2")
        np.testing.assert_array_equal(plane, stack[index])
    assert series.calibration.pixel_size == (0.5, 0.5)


def test_file_without_an_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TemsegError, match=r"a\.dm4: the DigitalMicrograph file holds no image"):
        read_dm(write(tmp_path / "a.dm4"))
    with pytest.raises(TemsegError, match="no image"):
        read_dm(write(tmp_path / "a.dm4", {"Name": "nothing"}))


def test_sizes_that_do_not_agree_are_damage(tmp_path: Path) -> None:
    for lengths in ([9, 13], [0, 12], [1 << 31, 1 << 31], [2**30, 2**30, 2**30]):
        with pytest.raises(TemsegError, match="damaged"):
            read_dm(write(tmp_path / "a.dm4", an_image(GREY.astype("u2"), lengths=lengths)))
        with pytest.raises(TemsegError, match="damaged"):
            read_dm(write(tmp_path / "a.dm4", an_image(GREY.astype("u2"), kind=23, lengths=lengths)))


def test_endless_nesting_and_endless_tags_are_refused(tmp_path: Path) -> None:
    path, writer = tmp_path / "a.dm3", Writer(version=3)
    start = struct.pack(">III", 3, 0, 1)
    path.write_bytes(start + (b"\1\0" + struct.pack(">I", 1) + struct.pack(">BH", 20, 0)) * 5000)
    with pytest.raises(TemsegError, match="damaged"):
        read_dm(path)
    path.write_bytes(start + b"\1\0" + struct.pack(">I", 0xFFFFFFFF) + writer.tag("", []) * 210_000)
    with pytest.raises(TemsegError, match="damaged"):
        read_dm(path)


def test_truncated_file_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dm4", an_image(GREY.astype("f8")))
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(TemsegError, match=r"a\.dm4: the file is truncated \(700 of at least \d+ bytes\)"):
        read_dm(path)


@pytest.mark.parametrize("how", [{"version": 3, "order": "<"}, {"version": 4, "order": ">"}])
def test_damaged_copies(tmp_path: Path, how: dict[str, Any]) -> None:
    thumbnail = an_image(np.zeros((4, 4), "u4"), kind=23)
    path = write(tmp_path / "a.dm4", thumbnail, an_image(GREY.astype("f4"), Name="one"), an_image(np.zeros((2, 3, 4), "i2")), **how)
    survives(read_dm, path, tmp_path / "copy.dm4", flips=200)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"Format": "Spectrum image", "Signal": "CL"}, "spectrum image of cathodoluminescence"),
        ({"Format": "Spectrum"}, "a spectrum"),
        ({"Format": "Diffraction pattern"}, "a diffraction pattern"),
        ({"Format": "Image", "Signal": "HAADF"}, ""),
    ],
)
def test_what_the_file_declares_counts(tmp_path: Path, declared: dict[str, str], words: str) -> None:
    image = an_image(GREY.astype("f4"), ImageTags={"Meta Data": declared})
    (series,) = read_dm(write(tmp_path / "a.dm3", image, version=3))
    assert words in series.obstacle
    assert bool(series.obstacle) is bool(words)


REAL = {
    "jeol_haadf.dm4": ((112, 112), 1.2490136, ""),
    "08_carbon.dm3": ((1, 2048), None, "eV"),
    "test_diffraction_pattern.dm3": ((87, 87), None, "1/nm"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(data: Path, name: str, tmp_path: Path) -> None:
    path = data / "microscope_files" / name
    if not path.exists():
        pytest.skip(f"no {name} among the example data")
    shape, nanometres, obstacle = REAL[name]
    series = read_dm(path)[0]
    assert series.data.shape == shape
    assert obstacle in series.obstacle
    assert bool(obstacle) == bool(series.obstacle)
    assert series.calibration.pixel_size == (None if nanometres is None else pytest.approx((nanometres, nanometres)))
    survives(read_dm, path, tmp_path / "copy.dm4", flips=50)
    independent = pytest.importorskip("rsciio.digitalmicrograph", reason="rosettasciio is not installed")
    np.testing.assert_array_equal(series.data, independent.file_reader(str(path))[0]["data"])
