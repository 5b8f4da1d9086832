"""MRC: pixels, pixel sizes of the cell and of FEI's extended headers, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from mangled import survives
from mrcfile.dtypes import HEADER_DTYPE, get_ext_header_dtype

from napari_temseg import TemsegError
from napari_temseg.files.formats.mrc import read_mrc

GREY = np.arange(12 * 9).reshape(12, 9)


def write(path: Path, pixels: np.ndarray, angstrom: float = 5.0, **fields: Any) -> Path:
    """An MRC file of mrcfile's, with header fields and an extended header of one's own."""
    order, extended = fields.pop("order", "<"), fields.pop("extended", None)
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(pixels)
        mrc.voxel_size = angstrom
        if extended is not None:
            mrc.set_extended_header(np.atleast_1d(extended))
    content = path.read_bytes()
    header = np.frombuffer(content[:1024], HEADER_DTYPE).copy()
    for name, value in fields.items():
        header[name] = value
    changed = np.dtype(order + pixels.dtype.str[1:])
    if order == ">":
        header["machst"] = [0x11, 0x11, 0, 0]
        header = header.astype(HEADER_DTYPE.newbyteorder(">"))
    path.write_bytes(header.tobytes() + content[1024 : len(content) - pixels.nbytes] + pixels.astype(changed).tobytes())
    return path


def fei(kind: bytes, metres: float) -> np.ndarray:
    extended = np.zeros(1, get_ext_header_dtype(kind, "<"))
    extended["Pixel size X"] = extended["Pixel size Y"] = metres
    return extended


@pytest.mark.parametrize("code", ["i1", "i2", "u2", "f4", "f2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_of_every_type_and_byte_order(tmp_path: Path, code: str, order: str) -> None:
    (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype(code), order=order))
    assert (series.name, series.axes, series.obstacle, series.notes) == ("a", "YX", "", ())
    assert series.data.dtype == np.dtype(code)
    np.testing.assert_array_equal(series.data, GREY)
    assert series.calibration.pixel_size == pytest.approx((0.5, 0.5))
    assert series.calibration.origin == "tag"


@pytest.mark.parametrize("order", ["<", ">"])
def test_stack_stays_on_disk_and_does_not_say_what_it_is(tmp_path: Path, order: str) -> None:
    stack = np.stack([GREY, GREY + 1, GREY + 2]).astype("i2")
    (series,) = read_mrc(write(tmp_path / "a.mrc", stack, order=order))
    assert series.axes == ""
    assert not isinstance(series.data, np.ndarray) or isinstance(series.data, np.memmap)
    for index in range(3):
        plane = np.asarray(series.data[index])
        assert plane.dtype == np.dtype("i2")
        np.testing.assert_array_equal(plane, stack[index])


def test_wrong_stamp_and_missing_mark_are_forgiven(tmp_path: Path) -> None:
    for fields in ({"machst": [0x11, 0x11, 0, 0]}, {"machst": [0, 0, 0, 0]}, {"map": b"    "}):
        (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), **fields))
        np.testing.assert_array_equal(series.data, GREY)


def test_bytes_without_sign_where_imod_says_so(tmp_path: Path) -> None:
    mark = (1146047817).to_bytes(4, "little")
    for flags, value in ((0, 200), (1, -56), (5, -56), (16, 200)):
        extra = bytes(40) + mark + flags.to_bytes(4, "little")
        path = write(tmp_path / "a.mrc", np.full((4, 5), -56, "i1"), extra2=extra)
        assert int(read_mrc(path)[0].data[0, 0]) == value


def test_sampling_and_order_of_axes(tmp_path: Path) -> None:
    cell = np.array((90.0, 240.0, 0.0), HEADER_DTYPE["cella"])
    (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), cella=cell))
    assert series.calibration.pixel_size == pytest.approx((2.0, 1.0))
    assert "1 nm wide and 2 nm high" in series.notes[0]
    (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), cella=cell, mapc=2, mapr=1))
    assert series.calibration.pixel_size == pytest.approx((1.0, 2.0))


@pytest.mark.parametrize(("angstrom", "told"), [(0.0, "no pixel size"), (1e-5, "implausible"), (1.0, "exactly 1 Å")])
def test_pixel_sizes_people_should_know_of(tmp_path: Path, angstrom: float, told: str) -> None:
    (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), angstrom))
    assert series.calibration.pixel_size == ((0.1, 0.1) if angstrom == 1 else None)
    assert told in series.notes[0]


@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
def test_fei_extended_header_and_cell(tmp_path: Path, kind: bytes) -> None:
    for metres, angstrom, size in ((2e-9, 20.0, 2.0), (0.0, 5.0, 0.5), (2e-9, 0.0, 2.0), (2e-9, 1.0, 2.0)):
        path = write(tmp_path / "a.mrc", GREY.astype("i2"), angstrom, extended=fei(kind, metres), exttyp=kind)
        (series,) = read_mrc(path)
        assert series.calibration.pixel_size == pytest.approx((size, size))
        assert series.notes == ()
        np.testing.assert_array_equal(series.data, GREY)
    (binned,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), 40.0, extended=fei(kind, 2e-9), exttyp=kind))
    assert binned.calibration.pixel_size == pytest.approx((4.0, 4.0))
    assert "2 nm" in binned.notes[0]
    assert "4 nm" in binned.notes[0]
    (unclear,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), 5.0, extended=fei(kind, 2e-9), exttyp=kind))
    assert unclear.calibration.pixel_size is None
    assert "neither was taken" in unclear.notes[0]
    (series,) = read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), extended=fei(kind, 1e7), exttyp=kind))
    assert "diffraction pattern" in series.obstacle


@pytest.mark.parametrize("order", ["<", ">"])
def test_fei_header_of_before_2014(tmp_path: Path, order: str) -> None:
    numbers = np.zeros(32, order + "f4")
    numbers[11] = 3e-9
    labels = [b"Fei Company (C) Copyright 2003", *[b""] * 9]
    path = write(tmp_path / "a.mrc", GREY.astype("i2"), 1.0, extended=numbers.view("V128"), label=labels, order=order)
    assert read_mrc(path)[0].calibration.pixel_size == pytest.approx((3.0, 3.0))


def test_what_cannot_be_measured_is_named(tmp_path: Path) -> None:
    assert "complex" in read_mrc(write(tmp_path / "a.mrc", GREY.astype("c8")))[0].obstacle
    for mode, told in ((3, "complex"), (16, "colour"), (101, "mode 101")):
        path = write(tmp_path / "a.mrc", GREY.astype("f4"), mode=mode)
        assert told in read_mrc(path)[0].obstacle
        path.write_bytes(path.read_bytes()[:1050])
        with pytest.raises(TemsegError, match="truncated"):
            read_mrc(path)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"nx": 0}, "damaged"),
        ({"ny": -3}, "damaged"),
        ({"mode": 99}, "damaged"),
        ({"nz": 1 << 23}, "truncated"),
        ({"nx": 1 << 23, "ny": 1 << 23, "nz": 1 << 23}, "truncated"),
        ({"nsymbt": 2**31 - 1}, "truncated"),
        ({"nsymbt": -1}, "damaged"),
    ],
)
def test_header_that_the_file_cannot_hold(tmp_path: Path, fields: dict[str, int], told: str) -> None:
    with pytest.raises(TemsegError, match=rf"a\.mrc.*{told}"):
        read_mrc(write(tmp_path / "a.mrc", GREY.astype("i2"), **fields))


@pytest.mark.parametrize("order", ["<", ">"])
def test_damaged_copies(tmp_path: Path, order: str) -> None:
    stack = np.stack([GREY, GREY]).astype("f4")
    survives(read_mrc, write(tmp_path / "a.mrc", stack, order=order), tmp_path / "copy.mrc", flips=200)
    path = write(tmp_path / "b.mrc", GREY.astype("i2"), extended=fei(b"FEI2", 1e-9), exttyp=b"FEI2")
    survives(read_mrc, path, tmp_path / "copy.mrc")


def test_real_file(data: Path, tmp_path: Path) -> None:
    path = data / "microscope_files" / "HAADFscan.mrc"
    if not path.exists():
        pytest.skip(f"no {path.name} among the example data")
    (series,) = read_mrc(path)
    assert series.data.shape == (16, 16)
    assert series.calibration.pixel_size == pytest.approx((5.679131, 5.679131))
    assert (series.obstacle, series.notes) == ("", ())
    survives(read_mrc, path, tmp_path / "copy.mrc", flips=20)
    independent = pytest.importorskip("rsciio.mrc", reason="rosettasciio is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves the file open
        expected = np.array(independent.file_reader(str(path))[0]["data"])
    np.testing.assert_array_equal(series.data, expected)
