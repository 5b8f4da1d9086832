"""The share below 100 nm and what it leaves open."""

from __future__ import annotations

import numpy as np

import napari_temseg as temseg
from napari_temseg.engine.measure.nanomaterial import nanomaterial_indicator


def squares(sides):
    labels = np.zeros((1000, 40 * len(sides)), np.int32)
    for index, side in enumerate(sides):
        labels[4 : 4 + side, 40 * index + 4 : 40 * index + 4 + side] = index + 1
    return labels


def test_the_share_counts_the_smallest_dimension_and_says_what_it_cannot_see():
    sides = [8] * 10 + [30] * 10
    found = nanomaterial_indicator([temseg.measure(squares(sides), pixel_size=5.0)])
    assert 0.4 < found["share"] < 0.6
    low, high = found["interval"]
    assert 0 <= low < found["share"] < high <= 1
    assert found["holds"] == ["counting"]
    assert "thickness cannot be seen" in found["caveat"]
    assert nanomaterial_indicator([temseg.measure(squares(sides))]) is None
