"""A stack that is predicted, split and measured plane by plane gives what it gives as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.engine.model.runner import made_ready
from napari_temseg.engine.particles.other_splits import with_other_splits
from napari_temseg.files.label_pages import LabelPages
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture
from napari_temseg.pipeline.picture.plane_by_plane import iter_measured

SPLIT = temseg.SplitConfig(min_diameter=4)


def stack(planes: int) -> temseg.Micrograph:
    """Discs, some of which touch; the second plane is empty."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(10, 20, (planes, 96, 128)).astype(np.uint8)
    for index in [index for index in range(planes) if index != 1]:
        for _ in range(6):
            pixels[index][disk(rng.integers(8, (88, 120)), rng.integers(5, 14), shape=(96, 128))] = 200
    return temseg.Micrograph(pixels, "TYX", temseg.Calibration((0.5, 0.5), "typed"), source=temseg.Source("a/stack.tif"))


@pytest.mark.parametrize("planes", [1, 5, 70])
def test_planes_one_by_one_are_the_whole(tmp_path: Path, bright: temseg.Segmenter, planes: int) -> None:
    image, config = stack(planes), temseg.PredictConfig()
    particles = temseg.split(temseg.predict(bright, image, config), SPLIT)
    whole = MeasuredPicture.of(particles, with_other_splits(temseg.measure(particles), particles))
    found = iter_measured(bright, image, config, SPLIT, made_ready(bright, config), None).drain()
    pd.testing.assert_frame_equal(found.measured.table, whole.measured.table)
    assert found.measured.table.attrs == whole.measured.table.attrs
    for one, other in zip(found.measured.other_splits, whole.measured.other_splits, strict=True):
        assert (one.key, one.value) == (other.key, other.value)
        np.testing.assert_array_equal(one.diameter, other.diameter)
        np.testing.assert_array_equal(one.box, other.box)
    of_planes, of_whole = (each.committed(tmp_path / "stack.tif", "stack", imagej=True) for each in (found, whole))
    for name in ("per_class", "uncertain", "unlike", "ends", "candidates", "scales", "size", "splitting", "files"):
        assert getattr(of_planes[0], name) == getattr(of_whole[0], name), name
    for (name, write), (_, expected) in zip(of_planes[1].items(), of_whole[1].items(), strict=True):
        write(tmp_path / f"planes_{name}")
        expected(tmp_path / f"whole_{name}")
        assert (tmp_path / f"planes_{name}").read_bytes() == (tmp_path / f"whole_{name}").read_bytes()


def test_pages_of_labels_are_kept_as_they_are() -> None:
    pages = LabelPages((40, 300, 400), np.int32)
    noise = np.random.default_rng(0).integers(0, 2**31 - 1, (40, 300, 400)).astype(np.int32)  # more than stays in memory
    for plane in noise:
        pages.append(plane)
    assert pages.largest == noise.max()
    np.testing.assert_array_equal(np.stack(list(pages)), noise)
    np.testing.assert_array_equal(pages[7], noise[7])


@pytest.mark.parametrize("order", ["<", ">"])
def test_stored_planes_are_read_as_they_are_asked_for(tmp_path: Path, order: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (6, 20, 30)).astype(f"{order}u2")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", byteorder=order)
    data = temseg.read(tmp_path / "a.tif", axes="time").data
    assert data.chunks[0] == (1,) * 6
    np.testing.assert_array_equal(data, pixels)
    np.testing.assert_array_equal(data[3], pixels[3])
    np.testing.assert_array_equal(data[1:5:2, 3:9, ::2], pixels[1:5:2, 3:9, ::2])
    np.testing.assert_array_equal(data[-1, 5], pixels[-1, 5])
