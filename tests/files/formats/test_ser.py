"""TIA's SER and EMI: images, stacks, their pixel size, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mangled import survives

from napari_temseg import TemsegError
from napari_temseg.files.formats.ser import read_ser

GREY = np.arange(12 * 9).reshape(12, 9)
KINDS = {"u1": 1, "u2": 2, "u4": 3, "i1": 4, "i2": 5, "i4": 6, "f4": 7, "f8": 8, "c8": 9, "c16": 10}
PIXEL = 0.5e-9


def element(pixels: np.ndarray, x: float = PIXEL, y: float | None = None) -> bytes:
    """An image (rows counted from below) or a spectrum with its header."""
    axes = struct.pack("<ddi", 0.0, x, 0)
    if pixels.ndim == 2:
        axes += struct.pack("<ddi", 0.0, x if y is None else y, 0)
    kind = KINDS[pixels.dtype.str[1:]]
    content = pixels[::-1] if pixels.ndim == 2 else pixels
    return axes + struct.pack(f"<H{pixels.ndim}I", kind, *reversed(pixels.shape)) + np.ascontiguousarray(content).tobytes()


def write(path: Path, *elements: bytes, version: int = 2, planned: int = 0, gaps: tuple[int, ...] = (), spectra: bool = False) -> Path:
    """Offsets first, then each element with a time tag (and more bytes where `gaps` says so) behind it."""
    wide = "Q" if version == 2 else "I"
    dimension = struct.pack("<iddi", len(elements), 0.0, 1.0, 0) + struct.pack("<I", 6) + b"Number" + struct.pack("<I", 0)
    start = 22 + struct.calcsize("<" + wide) + 4 + len(dimension)
    count = max(planned, len(elements))
    position = start + 2 * count * struct.calcsize("<" + wide)
    offsets, body = [], b""
    for index, content in enumerate(elements):
        offsets.append(position + len(body))
        body += content + struct.pack("<HxxI", 0x4152, 1_400_000_000) + bytes(gaps[index] if gaps else 0)
    offsets += [0] * (count - len(elements))
    kind = 0x4120 if spectra else 0x4122
    header = struct.pack("<HHHIIII", 0x4949, 0x197, 0x220 if version == 2 else 0x210, kind, 0x4152, count, len(elements))
    path.write_bytes(
        header + struct.pack(f"<{wide}I", start, 1) + dimension + struct.pack(f"<{2 * count}{wide}", *offsets, *offsets) + body
    )
    return path


@pytest.mark.parametrize("code", [code for code in KINDS if "c" not in code])
@pytest.mark.parametrize("version", [1, 2])
def test_pixels_of_every_type_and_version(tmp_path: Path, code: str, version: int) -> None:
    (series,) = read_ser(write(tmp_path / "a_1.ser", element(GREY.astype(code)), version=version))
    assert (series.name, series.axes, series.obstacle, series.notes) == ("a_1", "YX", "", ())
    assert series.data.dtype == np.dtype(code)
    np.testing.assert_array_equal(series.data, GREY)
    assert series.calibration.pixel_size == pytest.approx((0.5, 0.5))
    assert series.calibration.origin == "tag"


@pytest.mark.parametrize("gaps", [(), (0, 7, 1)])
def test_stack_is_read_plane_by_plane(tmp_path: Path, gaps: tuple[int, ...]) -> None:
    stack = np.stack([GREY, GREY + 1, GREY + 2]).astype("i2")
    (series,) = read_ser(write(tmp_path / "a.ser", *(element(plane) for plane in stack), gaps=gaps))
    assert series.axes == ""
    assert series.data.chunks[0] == (1, 1, 1)
    np.testing.assert_array_equal(series.data[2], stack[2])
    np.testing.assert_array_equal(series.data, stack)
    assert np.asarray(series.data[1]).flags.c_contiguous


def test_images_of_several_sizes_are_series_of_their_own(tmp_path: Path) -> None:
    small, large = GREY[:5].astype("u2"), GREY.astype("u2")
    found = read_ser(write(tmp_path / "a{}.ser", element(small), element(large), element(small + 1)))
    assert [series.data.shape for series in found] == [(2, 5, 9), (12, 9)]
    assert len({series.name for series in found}) == 2
    np.testing.assert_array_equal(found[0].data, np.stack([small, small + 1]))
    np.testing.assert_array_equal(found[1].data, large)


def test_emi_opens_the_ser_files_of_its_name_in_order(tmp_path: Path) -> None:
    emi = tmp_path / "Grid [7].EMI"
    emi.write_bytes(b"whatever TIA writes")
    with pytest.raises(TemsegError, match=r"EMI: its pixels are in files called Grid \[7\]_1\.ser"):
        read_ser(emi)
    for number in (10, 1, 2):
        write(tmp_path / f"Grid [7]_{number}.ser", element((GREY + number).astype("u2")))
    write(tmp_path / "Grid [7]_b_1.ser", element(GREY.astype("u1")))
    found = read_ser(emi)
    assert [series.name for series in found] == ["Grid [7]_1", "Grid [7]_2", "Grid [7]_10"]
    np.testing.assert_array_equal(found[2].data, GREY + 10)


def test_images_come_before_what_cannot_be_measured(tmp_path: Path) -> None:
    (tmp_path / "a.emi").write_bytes(b"whatever TIA writes")
    write(tmp_path / "a_1.ser", element(GREY[0].astype("f4"), 10.0), spectra=True)
    write(tmp_path / "a_2.ser", element(GREY.astype("f4")))
    found = read_ser(tmp_path / "a.emi")
    assert [series.name for series in found] == ["a_2", "a_1"]
    assert "spectrum (9 channels)" in found[1].obstacle


def test_what_is_no_micrograph_is_named(tmp_path: Path) -> None:
    (pattern,) = read_ser(write(tmp_path / "a.ser", element(GREY.astype("u2"), 2.5e7)))
    assert "diffraction pattern (its pixels are 1/m" in pattern.obstacle
    (wave,) = read_ser(write(tmp_path / "b.ser", element(GREY.astype("c8"))))
    assert "complex" in wave.obstacle
    assert pattern.calibration.pixel_size is wave.calibration.pixel_size is None


@pytest.mark.parametrize(
    ("x", "y", "size", "told"),
    [
        (0.0, 0.0, None, "no pixel size"),
        (float("nan"), PIXEL, None, "no pixel size"),
        (-PIXEL, PIXEL, None, "implausible"),
        (1e-15, 1e-15, None, "implausible"),
        (PIXEL, 2 * PIXEL, (1.0, 0.5), "0.5 nm wide and 1 nm high"),
    ],
)
def test_pixel_sizes_people_should_know_of(tmp_path: Path, x: float, y: float, size: Any, told: str) -> None:
    (series,) = read_ser(write(tmp_path / "a.ser", element(GREY.astype("u2"), x, y)))
    assert series.calibration.pixel_size == (size and pytest.approx(size))
    assert told in series.notes[0]


def test_pixel_size_that_changes_is_not_taken(tmp_path: Path) -> None:
    (series,) = read_ser(write(tmp_path / "a.ser", element(GREY.astype("u2")), element(GREY.astype("u2"), 2 * PIXEL)))
    assert series.calibration.pixel_size is None
    assert "changes within the series" in series.notes[0]


def test_aborted_recording_gives_what_there_is(tmp_path: Path) -> None:
    (series,) = read_ser(write(tmp_path / "a.ser", element(GREY.astype("u2")), element(GREY.astype("u2")), planned=5))
    assert series.data.shape == (2, 12, 9)
    assert "3 of 5 images are missing" in series.notes[0]
    with pytest.raises(TemsegError, match=r"a\.ser: .*holds no image"):
        read_ser(write(tmp_path / "a.ser", planned=5))


def test_counts_that_the_file_cannot_hold_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ser", element(GREY.astype("u2")))
    content = path.read_bytes()
    for place, layout, values, told in [
        (14, "<II", (0xFFFFFFFF, 0xFFFFFFFF), "claims 4294967295 elements"),
        (14, "<II", (1000, 1000), "truncated"),
        (22, "<Q", (2**63,), "truncated"),
        (0, "<H", (0x4D4D,), "damaged"),
        (4, "<H", (0x0230,), "damaged"),
    ]:
        changed = bytearray(content)
        struct.pack_into(layout, changed, place, *values)
        path.write_bytes(changed)
        with pytest.raises(TemsegError, match=told):
            read_ser(path)


@pytest.mark.parametrize("version", [1, 2])
def test_damaged_copies(tmp_path: Path, version: int) -> None:
    stack = [element((GREY + index).astype("u2")) for index in range(4)]
    survives(read_ser, write(tmp_path / "a.ser", *stack, version=version), tmp_path / "copy.ser", flips=200)
    spectra = [element(GREY[0].astype("f8")) for _ in range(4)]
    survives(read_ser, write(tmp_path / "b.ser", *spectra, version=version, spectra=True), tmp_path / "copy.ser")


def test_real_files(data: Path, tmp_path: Path) -> None:
    emi = data / "microscope_files" / "128x128-TEM_search.emi"
    if not emi.exists():
        pytest.skip(f"no {emi.name} among the example data")
    ser = emi.with_name("128x128-TEM_search_1.ser")
    for path in (emi, ser):
        (series,) = read_ser(path)
        assert series.data.shape == (128, 128)
        assert series.calibration.pixel_size == pytest.approx((5.261214, 5.261214))
        assert (series.obstacle, series.notes) == ("", ())
    survives(read_ser, ser, tmp_path / "copy.ser", flips=50)
    independent = pytest.importorskip("rsciio.tia", reason="rosettasciio is not installed")
    np.testing.assert_array_equal(series.data, independent.file_reader(str(emi))[0]["data"])
