"""The typical part of a picture and the worst, at full resolution."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_temseg import Micrograph, measure
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.large_arrays import PackedMask
from napari_temseg.engine.types.thumbnails import as_jpeg, taken_apart, thumbnail
from napari_temseg.pipeline.report.crops import bar_place, crops_of
from napari_temseg.pipeline.run_result import Crop


@pytest.fixture
def alone_and_in_contact() -> tuple[np.ndarray, Measurement]:
    """Discs that stand alone in the left three quarters of a picture, and a block of squares side by side at its right."""
    labels = np.zeros((400, 800), np.int32)
    y, x = np.mgrid[:400, :800]
    for number in range(60):
        row, column = 40 * (number // 12) * 2 + 30, 48 * (number % 12) + 30
        labels[np.hypot(y - row, x - column) < 12] = number + 1
    for number in range(16):
        row, column = 150 + 24 * (number // 4), 680 + 24 * (number % 4)
        labels[row : row + 24, column : column + 24] = 100 + number
    return labels, measure(labels)


def crops(labels: np.ndarray, measured: Measurement) -> tuple[Crop, Crop]:
    typical, worst = crops_of(np.where(labels > 0, 200, 50).astype(np.uint8), labels, measured)
    return typical, worst


def test_the_worst_part_is_where_outlines_border_others(alone_and_in_contact: tuple[np.ndarray, Measurement]) -> None:
    typical, worst = crops(*alone_and_in_contact)
    assert typical.typical
    assert not worst.typical
    assert typical.doubt < 0.2 < 0.5 < worst.doubt


def test_every_pixel_of_a_crop_is_shown(alone_and_in_contact: tuple[np.ndarray, Measurement]) -> None:
    for crop in crops(*alone_and_in_contact):
        drawn = Image.open(io.BytesIO(crop.jpeg())).size
        assert drawn[0] in (crop.width, 2 * crop.width)
        assert drawn[0] == drawn[1]


def test_a_picture_without_particles_has_no_crop() -> None:
    labels = np.zeros((30, 40), np.int32)
    assert crops_of(labels.astype(np.uint8), labels, measure(labels)) == ()


def test_a_crop_is_never_larger_than_its_picture(tmp_path: Path) -> None:
    labels = np.zeros((50, 70), np.int32)
    labels[10:40, 5:30] = 1
    for crop in crops(labels, measure(Micrograph(labels).data)):
        assert crop.width == 70


def test_typical_and_worst_do_not_overlap_and_keep_off_a_data_bar(alone_and_in_contact: tuple[np.ndarray, Measurement]) -> None:
    labels, _ = alone_and_in_contact
    valid = np.ones(labels.shape, bool)
    valid[300:] = False
    measured = measure(np.where(valid, labels, 0))
    measured = replace(measured, mask=PackedMask.of(valid))
    plane = np.where(labels > 0, 200, 50).astype(np.uint8)
    plane[300:] = 120  # as a data bar would be
    for crop in crops_of(plane, labels, measured):
        shown = np.asarray(Image.open(io.BytesIO(crop.jpeg())).convert("L"))
        assert not ((shown > 110) & (shown < 130)).all(axis=1).any()


@given(seed=st.integers(0, 100_000))
@settings(max_examples=60, deadline=None)
def test_whatever_is_left_out_there_are_two_crops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(40, 700, 2))
    labels = np.zeros((height, width), np.int32)
    for number in range(1, int(rng.integers(1, 14)) + 1):
        y, x, side = int(rng.integers(0, height - 8)), int(rng.integers(0, width - 8)), int(rng.integers(2, 40))
        labels[y : y + side, x : x + side] = number
    valid = np.ones(labels.shape, bool)
    for _ in range(int(rng.integers(0, 4))):  # data bars, scale bars and letters, with particles close by
        y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
        valid[y : y + int(rng.integers(5, 80)), x : x + int(rng.integers(5, 300))] = False
    labels = np.where(valid, labels, 0)
    if not labels.any():
        return
    measured = replace(measure(labels), mask=PackedMask.of(valid))
    typical, worst = crops_of(np.where(labels > 0, 200, 50).astype(np.uint8), labels, measured)
    assert typical.typical
    assert not worst.typical
    assert np.isfinite([typical.doubt, worst.doubt]).all()


def test_a_scale_bar_keeps_off_the_data_bar_of_its_picture(alone_and_in_contact: tuple[np.ndarray, Measurement]) -> None:
    labels, _ = alone_and_in_contact
    lone = np.zeros((400, 800), np.int32)
    lone[40:60, 300:320] = 1
    assert [crop.bar_place for crop in crops(lone, measure(lone))] == ["", ""]
    valid = np.ones(labels.shape, bool)
    valid[-60:] = False  # so high that no crop keeps off it
    tall = labels[-200:], replace(measure(labels[-200:]), mask=PackedMask.of(valid[-200:]))
    assert all("above" in crop.bar_place for crop in crops(*tall))
    assert bar_place(valid, None) == "above"
    assert bar_place(valid[::-1], None) == ""
    assert bar_place(None, None) == ""


def test_the_outlines_of_particles_are_no_letters() -> None:
    grey, labels = np.full((300, 400), 60.0), np.zeros((300, 400), int)
    labels[262:292, 20:60] = 1  # at the bottom left
    grey[labels > 0] = 200
    grey[10:40, 20:25] = grey[10:40, 40:45] = 255  # a letter at the top left
    for top, left in product((15, 262), range(300, 390, 12)):  # and others at the right
        grey[top : top + 20, left : left + 4] = 255
    assert bar_place(None, grey, labels) == ""
    assert bar_place(None, *taken_apart(as_jpeg(thumbnail(grey, labels)))) == ""


@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_a_scale_bar_keeps_off_a_panel_letter_and_a_data_bar(noise: float) -> None:
    valid = np.ones((480, 480), bool)
    valid[-60:] = False
    grey = 150 + noise * np.random.default_rng(1).normal(size=valid.shape)
    assert bar_place(None, grey) == ""
    assert bar_place(valid, grey) == "above"
    for column in (20, 36, 52):  # strokes of a letter at the top left
        grey[10:70, column : column + 8] = 0
    assert bar_place(valid, grey) == "above right"
    assert bar_place(None, grey) == ""
    assert bar_place(None, grey[::-1]) == "above"
    with_outlines = as_jpeg(thumbnail(grey, np.zeros(grey.shape, int)))
    assert bar_place(valid, *taken_apart(with_outlines)) == "above right"
    assert bar_place(valid, grey[::4, ::4]) == "above right"  # as small as the sketch that a run keeps
