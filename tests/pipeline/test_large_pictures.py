"""A plane that is searched piece by piece gives what it gives as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.engine.model.runner import made_ready
from napari_temseg.files.tables import read_labels
from napari_temseg.pipeline.picture import piece_by_piece, pieces
from napari_temseg.pipeline.picture.label_file import LabelFile
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture
from napari_temseg.pipeline.picture.plane_by_plane import iter_measured

SPLIT, EXACT = temseg.SplitConfig(min_diameter=4), temseg.PredictConfig(typical_size=16.0, exact_size=True)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures are large."""
    monkeypatch.setattr(piece_by_piece, "LARGE_PLANE", 1000)
    monkeypatch.setattr(pieces, "CORE_SIDE", 96)
    monkeypatch.setattr(pieces, "HALO_PX", (48, 48))
    monkeypatch.setattr(pieces, "NEAR_SIZES", 0.0)
    monkeypatch.setattr(pieces, "NEAR_PX", 12)


def picture() -> temseg.Micrograph:
    """Discs everywhere, many of which touch, some across the borders of pieces; a part is left out."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(10, 20, (250, 330)).astype(np.uint8)
    for _ in range(90):
        pixels[disk(rng.integers(0, (250, 330)), rng.integers(4, 10), shape=pixels.shape)] = 200
    valid = np.ones(pixels.shape, bool)
    valid[230:] = False
    return temseg.Micrograph(pixels, "YX", temseg.Calibration((0.5, 0.5), "typed"), valid, temseg.Source("a/large.tif"))


def searched(model: temseg.Segmenter, image: temseg.Micrograph) -> MeasuredPicture:
    return iter_measured(model, image, EXACT, SPLIT, made_ready(model, EXACT), False).drain()


@pytest.mark.parametrize("near", [48, 30, 2])  # px round a core that are split: all that is seen, enough, and too little
def test_piece_by_piece_is_the_whole(
    bright: temseg.Segmenter, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, near: int
) -> None:
    image = picture()
    whole = searched(bright, image)
    request.getfixturevalue("cut")
    monkeypatch.setattr(pieces, "NEAR_PX", near)
    found = searched(bright, image)
    np.testing.assert_array_equal(np.asarray(found.labels) > 0, whole.labels[0] > 0)
    np.testing.assert_array_equal(np.asarray(found.classes), whole.classes[0] if whole.classes is not None else None)
    by_place = ["centroid_y_px", "centroid_x_px"]
    one, other = (each.measured.table.sort_values(by_place, ignore_index=True) for each in (found, whole))
    assert len(one) == len(other) > 40
    numbered = {"particle", "aggregate"}
    for column in [name for name in other if name not in numbered]:
        if other[column].dtype.kind == "f":
            np.testing.assert_allclose(one[column], other[column], rtol=1e-5, atol=1e-6, err_msg=column)
        else:
            assert one[column].tolist() == other[column].tolist(), column
    assert sorted(one.groupby("aggregate").size()) == sorted(other.groupby("aggregate").size())
    assert (found.measured.frame, found.measured.valid_area) == (whole.measured.frame, whole.measured.valid_area)
    np.testing.assert_array_equal(found.measured.valid, image.valid)
    for a, b in zip(found.measured.other_splits, whole.measured.other_splits, strict=True):
        assert a.key == b.key
        np.testing.assert_allclose(np.sort(a.diameter), np.sort(b.diameter))


@pytest.mark.usefixtures("cut")
def test_label_images_of_a_large_picture_are_those_of_its_table(tmp_path: Path, particles: temseg.Segmenter) -> None:
    item, labels = searched(particles, picture()).committed(tmp_path / "large.tif", "large", imagej=True)
    for name, write in labels.items():
        write(tmp_path / name)
    image, table = read_labels(tmp_path / "large_particles.tif"), item.measurement.table
    areas = np.bincount(image.ravel(), minlength=len(table) + 1)[1:]
    np.testing.assert_array_equal(areas[table["particle"] - 1], (table["area_nm2"] / 0.25).round())
    assert table["particle"].tolist() == list(range(1, len(table) + 1))
    assert item.picture()[:2] == item.crops[0].jpeg()[:2] == b"\xff\xd8"


def test_each_place_lies_in_one_core() -> None:
    seen = np.zeros((3000, 5001), int)
    for piece in pieces.pieces((3000, 5001), 30.0):
        seen[piece.core] += 1
        assert all(w.start <= c.start < c.stop <= w.stop for w, c in zip(piece.window, piece.core, strict=True))
    assert (seen == 1).all()


def test_numbers_in_a_file_are_kept_where_they_are_put() -> None:
    file = LabelFile((70, 50), np.int32)
    file.put((slice(60, 65), slice(10, 12)), np.full((5, 2), 7, np.int32))
    assert file.window((slice(59, 61), slice(9, 12))).tolist() == [[0, 0, 0], [0, 7, 7]]
    assert int(file.whole().sum()) == 70


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_plane_normalised_in_parts_is_normalised(particles: temseg.Segmenter, kind: type) -> None:
    plane = np.random.default_rng(0).gamma(2, 500, (700, 2000)).astype(kind)
    if kind == np.float32:
        plane[3, 4] = np.nan
    fixed = particles.normalisation.fixed(plane)
    np.testing.assert_allclose(fixed.apply(plane[100:300]), particles.normalisation.apply(plane)[100:300], atol=2e-3)
