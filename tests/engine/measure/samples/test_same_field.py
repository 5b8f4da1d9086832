"""One field shown twice is noticed, by content, place and time; fields that differ are not taken for one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from napari_temseg.engine.measure.samples.same_field import Field, same_fields, sketch_of
from napari_temseg.engine.types.acquisition import Acquisition


def scene(seed: int, side: int = 256) -> np.ndarray:
    """Blobs on a ramp, with the data bar that all pictures of a microscope share."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    plane = 60.0 + 0.2 * x
    for cy, cx, r in zip(*rng.uniform(0, side, (2, 25)), rng.uniform(5, 14, 25), strict=True):
        plane[(y - cy) ** 2 + (x - cx) ** 2 < r * r] += 90
    plane[-20:] = 0
    plane[-15:-8, 30:90] = 255
    return gaussian_filter(plane, 1)


def seen(plane: np.ndarray, nanometres: float = 1.0, **taken: object) -> Field:
    return Field(Acquisition(**taken), "", 1, plane.shape, partial(sketch_of, plane), nanometres)


def test_fields_that_differ_are_not_one() -> None:
    rng = np.random.default_rng(0)
    planes = [scene(seed) for seed in range(12)] + [rng.normal(size=(200, 300)) for _ in range(3)] + [np.zeros((50, 60))] * 2
    assert same_fields([seen(plane) for plane in planes]) == {}


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda p: p * 3 + 500, "the same acquisition"),
        (lambda p: zoom(p, 0.5, order=1), "the same acquisition"),
        (lambda p: p + np.random.default_rng(1).normal(0, 12, p.shape), "the same acquisition"),
    ],
)
def test_another_format_of_one_acquisition(change, how) -> None:
    assert same_fields([seen(scene(5)), seen(scene(1)), seen(change(scene(1)))]) == {2: (1, how)}


def test_one_content_and_a_third_copy() -> None:
    one = replace(seen(scene(0)), content_hash="ab")
    assert same_fields([one, one, one]) == {1: (0, "the same content"), 2: (0, "the same content")}


def test_two_detectors_and_another_time() -> None:
    at = {"stage": (10.0, -3.0), "time": "2026-01-02T10:00:00"}
    first = seen(scene(0), camera="HAADF", **at)
    inverted = seen(255 - scene(0), camera="BF", **at)
    assert same_fields([first, inverted])[1][1] == "the same position at the same time, with another detector"
    later = at | {"time": "2026-01-02T10:05:00"}
    assert same_fields([first, seen(scene(0) + 3, camera="HAADF", **later)])[1][1] == "the same field at another time"
    assert same_fields([first, seen(scene(3), camera="HAADF", **later)]) == {}  # the beam was shifted
    elsewhere = at | {"stage": (12.0, -3.0)}
    assert same_fields([first, seen(scene(0), camera="HAADF", **elsewhere)]) == {}  # what looks alike at another place is no copy


def test_two_magnifications_of_one_position() -> None:
    wide = scene(2, 512)
    fine = zoom(wide[170:340, 170:340], 3, order=1)
    at = {"stage": (1.0, 2.0), "time": "2026-01-02T10:00:00"}
    near = at | {"time": "2026-01-02T10:01:00"}
    assert same_fields([seen(wide, 3.0, **at), seen(fine, 1.0, **near)]) == {1: (0, "the same position at another magnification")}
    assert same_fields([seen(wide, 3.0, **at), seen(scene(9, 510), 1.0, **near)]) == {}
    assert same_fields([seen(wide, 3.0, **at), seen(fine, 1.0, stage=(900.0, 2.0))]) == {}


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (127, 129), (2048, 33)])
def test_any_size_has_a_sketch(shape) -> None:
    sketch = sketch_of(np.random.default_rng(0).normal(size=shape) * 1e30)
    assert (sketch.shape, sketch.dtype) == ((128, 128), np.uint8)
