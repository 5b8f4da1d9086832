"""What outlines drawn by hand said of the models that ship."""

from __future__ import annotations

import pytest

import napari_temseg as temseg
from napari_temseg.files.segmentation import read_segmentation, segmentation_of, write_segmentation


def test_the_model_that_ships_is_calibrated_and_no_other(several_scales):
    known = segmentation_of(temseg.load("particles").content_hash())
    assert known is not None
    assert known.facts["left one specimen out"]["pictures"] >= 15
    assert segmentation_of(several_scales.content_hash()) is None
    assert segmentation_of("0" * 64) is None


def test_it_is_written_and_read_back(tmp_path):
    known = segmentation_of(temseg.load("particles").content_hash())
    write_segmentation(tmp_path / "one.json", known)
    assert read_segmentation(tmp_path / "one.json") == known
    (tmp_path / "one.json").write_text("{}")
    with pytest.raises(temseg.TemsegError, match="install napari-temseg again"):
        read_segmentation(tmp_path / "one.json")
