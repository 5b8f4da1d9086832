"""A picture that is done is not decoded again, whatever its format, as long as nothing that it is made of has changed."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from skimage.draw import disk

import napari_temseg as temseg

AXES = [{"scale": 0.5, "units": "nm"}] * 2


def picture(*radii: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(10, 20, (96, 128)).astype(np.uint8)
    for k, radius in enumerate(radii):
        pixels[disk((50, 30 + 40 * k), radius)] = 200
    return pixels


def write(path: Path, pixels: np.ndarray) -> Path:
    if path.suffix == ".zarr":
        import zarr

        zarr.open_array(str(path), mode="w", shape=pixels.shape, dtype=pixels.dtype, chunks=(48, 128))[...] = pixels
    elif path.suffix == ".ndata":
        stream = io.BytesIO()
        np.save(stream, pixels)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", stream.getvalue())
            archive.writestr("metadata.json", json.dumps({"title": "x", "spatial_calibrations": AXES}))
    elif path.suffix == ".emi":
        start = struct.pack("<HHHIIIIIII", 0x4949, 0x197, 0x210, 0x4122, 0x4152, 1, 1, 26, 34, 0)
        axes = 2 * struct.pack("<ddi", 0.0, 5e-10, 0) + struct.pack("<HII", 1, *pixels.shape[::-1])
        path.with_name(f"{path.stem}_1.ser").write_bytes(start + axes + pixels[::-1].tobytes())
        path.write_bytes(b"<ObjectInfo></ObjectInfo>")
    else:
        with h5py.File(path, "w") as file:
            file["data"] = pixels
    return path


def spoilt(paths: Iterator[Path]) -> None:
    """What is no picture any more, but looks untouched."""
    for path in [path for path in paths if path.is_file()]:
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("name", ["a.h5", "a.hspy", "a.ndata", "a.emi", "a.zarr"])
def test_what_is_done_is_not_decoded_again(tmp_path: Path, bright: temseg.Segmenter, name: str) -> None:
    if name == "a.zarr" and find_spec("zarr") is None:
        pytest.skip("zarr is an extra")

    def go(path: Path) -> Any:
        return temseg.run([path], tmp_path / "out", model=bright, split=temseg.SplitConfig(strength=0.0))

    source = tmp_path / "pictures"
    source.mkdir()
    path = write(source / name, picture(12, 15))
    first = go(path)
    spoilt(source.rglob("*"))
    again = go(path)
    assert again.notes[0] == "1 of 1 were done before."
    assert again.summary == first.summary
    assert go(write(path, picture(9))).summary["images"][0]["particles"] == 1
