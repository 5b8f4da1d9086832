"""ROI sets of ImageJ: what is written comes back to the pixel, what others draw is read as they meant it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roifile import ROI_TYPE, ImagejRoi, roiwrite
from skimage.measure import label

import napari_temseg as temseg
from napari_temseg.files.rois import read_rois, write_rois


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_there_and_back_to_the_pixel(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    labels = label(rng.random((40, 55)) > 0.45, connectivity=2).astype(np.int32)  # ragged, with holes, at the frame
    path = tmp_path_factory.mktemp("rois") / "a.zip"
    assert write_rois(path, labels) == labels.max()
    np.testing.assert_array_equal(read_rois(path, labels.shape), labels)


def test_a_stack_and_pieces(tmp_path: Path) -> None:
    labels = np.zeros((3, 30, 40), np.int64)
    labels[0, 2:9, 3:8] = 1
    labels[2, 10:20, 10:30] = labels[2, 25:28, 2:5] = 2
    write_rois(tmp_path / "a.zip", labels)
    np.testing.assert_array_equal(read_rois(tmp_path / "a.zip", labels.shape), labels)
    with pytest.raises(temseg.TemsegError, match="of plane 3, and the picture has 2 planes"):
        read_rois(tmp_path / "a.zip", (2, 30, 40))


def test_what_people_draw(tmp_path: Path) -> None:
    square = ImagejRoi(roitype=ROI_TYPE.RECT, left=2, top=3, right=7, bottom=9, name="rectangle")
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, left=20, top=10, right=30, bottom=26, name="oval")
    traced = ImagejRoi.frompoints(np.array([[40, 5], [44, 5], [44, 9], [40, 9]]), name="polygon")
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=30, y2=30, name="line")
    roiwrite(tmp_path / "drawn.zip", [square, line, oval, traced])
    labels = read_rois(tmp_path / "drawn.zip", (32, 48))
    assert np.bincount(labels.ravel())[1] == 30
    assert np.bincount(labels.ravel())[2] == pytest.approx(np.pi / 4 * 160, rel=0.02)
    assert np.bincount(labels.ravel())[3] == 16
    assert set(np.argwhere(labels == 1).min(0)) == {2, 3}
    traced.tofile(tmp_path / "one.roi")
    assert (read_rois(tmp_path / "one.roi", (32, 48)) > 0).sum() == 16
    part = read_rois(tmp_path / "drawn.zip", (6, 5))  # cut by the edge
    assert (part == 1).sum() == 9


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as content:
        content.writestr("a.txt", "hello")
    with zipfile.ZipFile(tmp_path / "broken.zip", "w") as content:
        content.writestr("a.roi", b"Iout" + b"\xff" * 40)
    ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=9, y2=9).tofile(tmp_path / "line.roi")
    ImagejRoi(roitype=ROI_TYPE.RECT, left=90, top=90, right=99, bottom=99).tofile(tmp_path / "away.roi")
    for name in ("text.zip", "other.zip", "broken.zip", "line.roi", "away.roi", "missing.roi"):
        with pytest.raises(temseg.TemsegError, match=name) as caught:
            read_rois(tmp_path / name, (20, 20))
        assert "\n" not in str(caught.value)


def test_any_flipped_byte_gives_labels_or_a_sentence(tmp_path: Path) -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[3:9, 3:9], labels[15:25, 12:20], labels[18:20, 14:16] = 1, 2, 0
    write_rois(tmp_path / "a.zip", labels)
    content, rng = (tmp_path / "a.zip").read_bytes(), np.random.default_rng(0)
    sentences: set[str] = set()
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= int(rng.integers(1, 256))
        (tmp_path / "b.zip").write_bytes(flipped)
        try:
            assert read_rois(tmp_path / "b.zip", (30, 30)).shape == (30, 30)
        except temseg.TemsegError as error:
            sentences.add(str(error))
    assert all("b.zip" in sentence and "\n" not in sentence for sentence in sentences)
