"""EMD files of Velox and of NCEM: detectors, frames, pixel sizes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mangled import survives

import napari_temseg as temseg
from napari_temseg.files.formats.velox import read_emd
from napari_temseg.files.readers import series_of

GREY = np.arange(12 * 10, dtype=np.int16).reshape(12, 10)


def add_image(
    file: h5py.File, key: str, pixels: np.ndarray, detector: str = "HAADF", size: Any = "2e-10", unit: str = "m", **how: Any
) -> None:
    """A picture (Y, X) or a movie (Y, X, frames) as Velox stores it."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    group = file.create_group(f"Data/Image/{key}")
    group.create_dataset("Data", data=pixels, **how)
    result = {"Detector": detector, "PixelSize": {"width": size, "height": size}, "PixelUnitX": unit, "PixelUnitY": unit}
    text = np.frombuffer(json.dumps({"BinaryResult": result}).encode().ljust(500, b"\0"), np.uint8)
    group.create_dataset("Metadata", data=np.repeat(text[:, None], pixels.shape[-1], axis=1))


@pytest.mark.parametrize(
    "how", [{}, {"chunks": (5, 5, 1)}, {"chunks": (12, 10, 1), "compression": "gzip"}], ids=["plain", "chunks", "gzip"]
)
@pytest.mark.parametrize("dtype", ["<u2", ">i2", "<f4", "u1"])
def test_one_picture_is_calibrated(tmp_path: Path, dtype: str, how: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "f00", GREY.astype(dtype), **how)
    image = temseg.read(tmp_path / "a.emd")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.axes == "YX"
    assert image.data.dtype.isnative
    assert image.source.series == "HAADF"
    assert image.calibration.pixel_size == pytest.approx((0.2, 0.2))
    assert image.calibration.origin == "Velox metadata"


@pytest.mark.parametrize("difference", ["DF4 A-C", "DF4 B - D", "DPCx", "iDPC", "dDPC"])
def test_a_difference_of_signals_is_never_the_default(tmp_path: Path, difference: str) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "f00", np.tile(GREY, (2, 2)), difference)
        add_image(file, "f01", GREY, "BF")
        add_image(file, "f02", GREY, "DF4-A")
    assert temseg.read(tmp_path / "a.emd").source.series == "DF4-A"
    asked = temseg.read(tmp_path / "a.emd", series=difference)
    assert any("difference of signals" in note for note in asked.notes)
    assert temseg.read(tmp_path / "a.emd", series="BF").notes == ()


@pytest.mark.parametrize("how", [{}, {"chunks": (12, 10, 1)}, {"chunks": True, "compression": "gzip"}], ids=["plain", "chunks", "gzip"])
def test_frames_are_lazy_planes_in_time(tmp_path: Path, how: dict[str, Any]) -> None:
    movie = np.stack([GREY, GREY + 1, GREY + 2], axis=-1).astype(">i2")
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "f00", movie, **how)
    image = temseg.read(tmp_path / "a.emd")
    assert image.axes == "TYX"
    assert not isinstance(image.data, np.ndarray)
    assert image.data.shape == (3, 12, 10)
    for plane in range(3):
        np.testing.assert_array_equal(image.plane(plane), GREY + plane)
    assert temseg.read(tmp_path / "a.emd", axes="fields").axes == "NYX"


def test_detectors_are_a_choice_with_haadf_first(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "0", GREY + 1, "BF")
        add_image(file, "1", GREY, "HAADF")
        add_image(file, "2", GREY + 2, "BF")
    assert [one.name for one in series_of(tmp_path / "a.emd")] == ["HAADF", "BF", "BF 2"]
    assert temseg.read(tmp_path / "a.emd").source.series == "HAADF"
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.emd", series="BF 2").data, GREY + 2)
    np.testing.assert_array_equal(temseg.read(tmp_path / "a.emd", series=1).data, GREY + 1)
    with pytest.raises(temseg.TemsegError, match="no series “DF”; the file holds “HAADF”, “BF”, “BF 2”"):
        temseg.read(tmp_path / "a.emd", series="DF")


def test_spectra_transforms_and_diffraction_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "0", GREY, "Ceta", "1e8", "1/m")
        add_image(file, "1", GREY.astype(np.complex64), "FFT")
        file.create_group("Data/SpectrumStream/0")
    found = {one.name: one.obstacle for one in series_of(tmp_path / "a.emd")}
    assert "diffraction pattern" in found["Ceta"]
    assert "complex64" in found["FFT"]
    assert "spectrum" in found["spectrum image"]
    with pytest.raises(temseg.TemsegError, match=r"a\.emd: it is a diffraction pattern"):
        temseg.read(tmp_path / "a.emd", series="Ceta")
    with pytest.raises(temseg.TemsegError, match=r"a\.emd: it"):
        temseg.read(tmp_path / "a.emd")


@pytest.mark.parametrize(
    ("size", "unit", "words"),
    [("0", "m", "no usable"), ("nonsense", "m", "no usable"), ("1e-2", "m", "implausible"), ("2", "", "without a unit")],
)
def test_useless_pixel_sizes_leave_px_and_a_note(tmp_path: Path, size: str, unit: str, words: str) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "0", GREY, size=size, unit=unit)
    (series,) = read_emd(tmp_path / "a.emd")
    assert series.calibration.pixel_size is None
    assert words in " ".join(series.notes)


def test_damaged_metadata_leave_the_pixels(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "0123456789", GREY)
        file["Data/Image/0123456789/Metadata"][:5] = ord("x")
    image = temseg.read(tmp_path / "a.emd")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.calibration.pixel_size is None
    assert image.source.series == "image 01234567"
    assert "description of the picture is damaged, and its pixel size cannot be read" in image.notes[0]


@pytest.mark.parametrize("unit", ["[n_m]", "nm", b"[nm]"])
def test_berkeley_files(tmp_path: Path, unit: str | bytes) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("experiment/particles")
        group.attrs["emd_group_type"] = 1
        group["data"] = np.stack([GREY, GREY + 1])
        for axis, step in (("dim1", 1.0), ("dim2", 0.5), ("dim3", 0.25)):
            group[axis] = np.arange(2) * step
            group[axis].attrs["units"] = unit
    image = temseg.read(tmp_path / "a.emd", axes="depth")
    np.testing.assert_array_equal(image.plane(1), GREY + 1)
    assert image.calibration.pixel_size == pytest.approx((0.5, 0.25))
    (series,) = read_emd(tmp_path / "a.emd")
    assert any("not square" in note for note in series.notes)


def test_other_hdf5_and_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.emd").write_text("not HDF5")
    with h5py.File(tmp_path / "other.emd", "w") as file:
        file["data"] = GREY
    with pytest.raises(temseg.TemsegError, match=r"text\.emd: is damaged or not an EMD file"):
        temseg.read(tmp_path / "text.emd")
    with pytest.raises(temseg.TemsegError, match=r"other\.emd: the EMD file holds no picture"):
        temseg.read(tmp_path / "other.emd")


def test_a_frame_larger_than_the_file_is_not_made(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.create_dataset("Data/Image/0/Data", (60_000, 60_000, 3), "u2", chunks=(100, 100, 1))
        file.create_dataset("Data/Image/1/Data", (60_000, 60_000, 3), "u2", chunks=(100, 100, 1), compression="gzip")
    with pytest.raises(temseg.TemsegError, match="truncated or damaged"):
        temseg.read(tmp_path / "a.emd")


@pytest.mark.parametrize("how", [{}, {"chunks": (5, 5, 1), "compression": "gzip"}], ids=["plain", "gzip"])
def test_damage_anywhere_is_survived(tmp_path: Path, how: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        add_image(file, "0", np.stack([GREY] * 2, axis=-1), **how)
        add_image(file, "1", GREY, "BF", **how)
    survives(_read_whole, tmp_path / "a.emd", tmp_path / "damaged.emd")


def _read_whole(path: Path) -> list[Any]:
    """Planes are read when looked at: damage may only show there."""
    found = read_emd(path)
    for one in found:
        np.asarray(one.data)
    return found


def test_a_real_file(data: Path, tmp_path: Path) -> None:
    path = data / "microscope_files" / "fei_example_tem_stack.emd"
    image = temseg.read(path)
    assert image.axes == "TYX"
    assert image.data.shape == (2, 3, 3)
    assert image.calibration.pixel_size == pytest.approx((8.172883e-3, 8.172883e-3), rel=1e-6)
    assert image.source.series == "BM-Ceta"
    survives(_read_whole, path, tmp_path / "damaged.emd")
    emd = pytest.importorskip("rsciio.emd", reason="rosettasciio, the independent check, is not installed")
    (other,) = emd.file_reader(str(path))
    np.testing.assert_array_equal(np.asarray(image.data), other["data"])
