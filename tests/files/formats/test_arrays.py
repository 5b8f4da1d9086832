"""HDF5 of the common layouts, Zarr and OME-Zarr, and what is left to rosettasciio."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mangled import survives

import napari_temseg as temseg
from napari_temseg.files.formats.hdf5 import read_hdf5
from napari_temseg.files.readers import ROSETTA, is_micrograph, read_noted, series_of

GREY = np.random.default_rng(0).normal(120, 20, (48, 60)).clip(1, 250).astype(np.uint8)
STACK = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])


def hyperspy(path: Path, data: np.ndarray, signal: int = 2, unit: str = "nm") -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("Experiments/a picture")
        group["data"] = data
        for k in range(data.ndim):
            axis = group.create_group(f"axis-{k}")
            axis.attrs.update({"scale": 0.5, "units": unit, "navigate": k < data.ndim - signal, "size": data.shape[k]})
    return path


def nexus(path: Path, data: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["y", "x"]})
        group["counts"] = data
        for name, length in zip("yx", data.shape, strict=True):
            group[name] = np.arange(length) * 2e-9
            group[name].attrs["units"] = "m"
    return path


def swift(path: Path, data: np.ndarray) -> Path:
    axis = {"offset": 0.0, "scale": 0.25, "units": "nm"}
    with h5py.File(path, "w") as file:
        file["data"] = data
        file["data"].attrs["properties"] = json.dumps({"data_source": {"dimensional_calibrations": [axis, axis]}})
    return path


def plain(path: Path, data: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("exported_data", data=data, chunks=True, compression="gzip")
        file["exported_data"].attrs["element_size_um"] = [1.0, 0.004, 0.004]
        file["table"] = np.zeros((4, 3))
    return path


def _read_whole(path: Path) -> list[Any]:
    found = read_hdf5(path)
    for one in found:
        np.asarray(one.data)
    return found


@pytest.mark.parametrize(("write", "nanometres"), [(hyperspy, 0.5), (nexus, 2.0), (swift, 0.25), (plain, 4.0)])
def test_layouts_of_hdf5(tmp_path: Path, write: Any, nanometres: float) -> None:
    path = write(tmp_path / "a.h5", GREY)
    image = temseg.read(path)
    np.testing.assert_array_equal(image.data, GREY)
    assert image.calibration.pixel_size == pytest.approx((nanometres, nanometres))
    assert len(series_of(path)) == 1
    survives(_read_whole, path, tmp_path / "damaged.h5", flips=30)


def test_chunks_of_hdf5_that_were_not_written_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", GREY.shape, GREY.dtype, chunks=(12, 60))
        data[:24] = GREY[:24]
    assert temseg.read(tmp_path / "a.h5").notes == (
        "2 of 4 chunks are not stored and read as 0: they are empty, or were not written or copied.",
    )


def test_pixels_in_another_file_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=GREY, external=[(str(tmp_path / "outside.raw"), 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(temseg.TemsegError, match="its pixels lie in other files; export it with its pixels in it"):
        temseg.read(tmp_path / "a.h5")


def test_a_stack_and_a_spectrum_image_of_hyperspy(tmp_path: Path) -> None:
    image = temseg.read(hyperspy(tmp_path / "a.hspy", STACK), axes="time")
    np.testing.assert_array_equal(image.plane(1), STACK[1])
    with pytest.raises(temseg.TemsegError, match="spectrum"):
        temseg.read(hyperspy(tmp_path / "b.hspy", STACK, signal=1))
    with pytest.raises(temseg.TemsegError, match="diffraction"):
        temseg.read(hyperspy(tmp_path / "c.hspy", GREY, unit="1/nm"))


def test_hdf5_without_a_picture(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(9)
    (tmp_path / "b.h5").write_bytes(b"not HDF5")
    for name, words in (("a.h5", "no picture"), ("b.h5", "damaged or not an HDF5")):
        with pytest.raises(temseg.TemsegError, match=words):
            temseg.read(tmp_path / name)


def ndata(path: Path, data: np.ndarray, said: dict[str, Any], compression: int = zipfile.ZIP_STORED) -> Path:
    """A file as Nion Swift keeps or exports it."""
    stream = io.BytesIO()
    np.save(stream, data)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("data.npy", stream.getvalue())
        archive.writestr("metadata.json", json.dumps(said))
    return path


def axes_of(*units: str) -> list[dict[str, Any]]:
    return [{"offset": 0.0, "scale": 0.25, "units": unit} for unit in units]


@pytest.mark.parametrize(
    ("data", "said", "axes"),
    [
        (GREY, {"title": "HAADF", "spatial_calibrations": axes_of("nm", "nm")}, "YX"),
        (GREY.astype(">f4"), {"title": "HAADF", "data_source": [{"dimensional_calibrations": axes_of("nm", "nm")}]}, "YX"),
        (STACK, {"title": "HAADF", "is_sequence": True, "dimensional_calibrations": axes_of("", "nm", "nm")}, "TYX"),
        (np.repeat(GREY[..., None], 3, axis=2), {"title": "HAADF", "spatial_calibrations": axes_of("nm", "nm")}, "YX"),
    ],
)
def test_nion_swift(tmp_path: Path, data: np.ndarray, said: dict[str, Any], axes: str) -> None:
    image = temseg.read(ndata(tmp_path / "a.ndata1", data, said))
    np.testing.assert_array_equal(image.plane(0), data[..., 0] if data.shape[-1] == 3 else data if data.ndim == 2 else data[0])
    assert (image.axes, image.source.series) == (axes, "HAADF")
    assert image.calibration.pixel_size == pytest.approx((0.25, 0.25))
    assert image.calibration.origin == "Swift calibration"


@pytest.mark.parametrize(
    ("data", "said", "words"),
    [
        (STACK, {"datum_dimension_count": 1}, "a spectrum or spectrum image"),
        (GREY, {"dimensional_calibrations": axes_of("nm", "eV")}, "a spectrum or spectrum image"),
        (GREY, {"dimensional_calibrations": axes_of("1/nm", "1/nm")}, "a diffraction pattern"),
        (np.zeros((4, 4, 16, 16), np.uint8), {}, "4 axes .* 4D-STEM scan"),
        (GREY.astype(complex), {}, "complex128 and not grey values"),
        (np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8), {}, "in colour"),
    ],
)
def test_what_swift_holds_beside_pictures(tmp_path: Path, data: np.ndarray, said: dict[str, Any], words: str) -> None:
    with pytest.raises(temseg.TemsegError, match=words):
        temseg.read(ndata(tmp_path / "a.ndata", data, said))


def test_damaged_files_of_swift(tmp_path: Path) -> None:
    good = ndata(tmp_path / "a.ndata", GREY, {"title": "x"}).read_bytes()
    flipped = bytearray(good)
    flipped[1500] ^= 64
    claims = good.replace(b"(48, 60)", b"(480,60)") if b"(48, 60)" in good else good[:-5]
    bomb = ndata(tmp_path / "b.ndata", np.zeros((9000, 9000), np.uint8), {}, zipfile.ZIP_DEFLATED).read_bytes()
    for content in (good[:-9], bytes(flipped), claims, bomb, b"nothing"):
        (tmp_path / "a.ndata").write_bytes(content)
        with pytest.raises(temseg.TemsegError, match="damaged or not a file of Nion Swift"):
            temseg.read(tmp_path / "a.ndata")


def test_a_scan_of_an_empad_is_named(tmp_path: Path) -> None:
    (tmp_path / "scan.xml").write_text(
        '<root><raw_file filename="scan_x64_y32.raw"/><pix_x>64</pix_x><pix_y>32</pix_y><exposure_time>1</exposure_time></root>'
    )
    (tmp_path / "scan.raw").write_bytes(bytes(130 * 128 * 4))
    for name in ("scan.xml", "scan.raw"):
        with pytest.raises(temseg.TemsegError, match=r"a 4D-STEM scan \(32 × 64 diffraction patterns\) of an EMPAD"):
            temseg.read(tmp_path / name)
    (tmp_path / "other.xml").write_text("<root/>")
    with pytest.raises(temseg.TemsegError, match=r"“\.xml” are not read"):
        temseg.read(tmp_path / "other.xml")


@pytest.mark.skipif(find_spec("zarr") is not None, reason="zarr is installed here, so its absence cannot be tried")
def test_zarr_names_its_extra(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(temseg.TemsegError, match=r"napari-temseg\[zarr\]"):
        temseg.read(tmp_path / "a.zarr")


def ngff(path: Path, data: np.ndarray, axes: str, version: int = 2, unit: str | None = "nanometer") -> Path:
    zarr = pytest.importorskip("zarr", reason="zarr is an extra")
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": a, "type": kinds.get(a, "space"), **({"unit": unit} if unit and a in "zyx" else {})} for a in axes]
    sets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [1.0] * (len(axes) - 2) + [0.5 * 2**k] * 2}]}
        for k in (0, 1)
    ]
    scales = [{"axes": named, "datasets": sets, "name": "picture"}]
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    for k in (0, 1):
        step = (slice(None),) * (len(axes) - 2) + (slice(None, None, 2**k),) * 2
        small = data[step]
        array = root.create_array(str(k), shape=small.shape, dtype=small.dtype, chunks=(*(1,) * (len(axes) - 2), 24, 30))
        array[...] = small
    root.attrs.update({"multiscales": scales} if version == 2 else {"ome": {"version": "0.5", "multiscales": scales}})
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path: Path, version: int) -> None:
    path = ngff(tmp_path / "a.ome.zarr", GREY, "yx", version)
    image = temseg.read(path)
    np.testing.assert_array_equal(image.data, GREY)
    assert image.calibration.pixel_size == pytest.approx((0.5, 0.5))
    assert len(series_of(path)) == 1
    assert is_micrograph(path)
    assert len(image.source.content_hash) == 64
    chunk = next(entry for entry in (path / "0").rglob("*") if entry.is_file() and entry.name not in (".zarray", ".zattrs", "zarr.json"))
    chunk.unlink()
    assert any("chunks are not stored" in note for note in read_noted(path).notes)


def test_channels_and_time_of_ome_zarr(tmp_path: Path) -> None:
    path = ngff(tmp_path / "a.zarr", np.stack([STACK, STACK + 1], axis=1)[:, :, None], "tczyx")
    assert [one.name for one in series_of(path)] == ["picture channel 1", "picture channel 2"]
    image = temseg.read(path, series="picture channel 2")
    assert (image.axes, image.n_planes) == ("TYX", 3)
    np.testing.assert_array_equal(image.plane(2), STACK[2] + 1)


def test_plain_zarr_and_no_zarr(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is an extra")
    zarr.save(str(tmp_path / "a.zarr"), STACK)
    image = temseg.read(tmp_path / "a.zarr", axes="fields")
    np.testing.assert_array_equal(image.plane(1), STACK[1])
    assert image.calibration.pixel_size is None
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(temseg.TemsegError, match=r"b\.zarr: is damaged or not a Zarr folder"):
        temseg.read(tmp_path / "b.zarr")


@pytest.mark.skipif(find_spec("rsciio") is not None, reason="rosettasciio is installed here, so its absence cannot be tried")
def test_what_rosettasciio_would_read_names_the_extra(tmp_path: Path) -> None:
    for suffix in ROSETTA:
        (tmp_path / f"a{suffix}").write_bytes(b"anything")
        assert not is_micrograph(tmp_path / f"a{suffix}")
        with pytest.raises(temseg.TemsegError, match=r"GPL-3.*napari-temseg\[formats\]"):
            temseg.read(tmp_path / f"a{suffix}")


def test_rosettasciio_reads_what_ours_do_not(tmp_path: Path) -> None:
    ripple = pytest.importorskip("rsciio.ripple", reason="rosettasciio is an extra")
    axes = [
        {"name": "yx"[k], "size": GREY.shape[k], "scale": 0.5, "offset": 0.0, "units": "nm", "navigate": False, "index_in_array": k}
        for k in (0, 1)
    ]
    picture = {
        "data": GREY,
        "axes": axes,
        "metadata": {"General": {"title": "grid"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
    }
    ripple.file_writer(str(tmp_path / "b.rpl"), picture)
    image = temseg.read(tmp_path / "b.rpl")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.calibration.pixel_size == pytest.approx((0.5, 0.5))
    (tmp_path / "c.bcf").write_bytes(b"nothing")
    with pytest.raises(temseg.TemsegError, match=r"c\.bcf: is damaged, or rosettasciio does not read it"):
        temseg.read(tmp_path / "c.bcf")
