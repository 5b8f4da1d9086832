"""A micrograph says what its axes are, how long a pixel is, and refuses what it cannot be."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg import Calibration, Micrograph, Source, TemsegError
from napari_temseg.engine.types.micrograph import as_micrograph
from napari_temseg.engine.types.units import to_nanometres


@pytest.mark.parametrize(
    ("text", "nanometres"),
    [("0.21 nm", 0.21), ("2.1 Å", 0.21), ("2.1A", 0.21), ("1e-3 µm", 1.0), ("350 pm/px", 0.35), ("1 mm", 1e6), (".5 um / px", 500)],
)
def test_a_pixel_size_as_people_write_it(text, nanometres):
    calibration = Calibration.typed(text)
    assert calibration.pixel_size == pytest.approx((nanometres, nanometres))
    assert (calibration.unit, calibration.origin) == ("nm", "typed")


@pytest.mark.parametrize("text", ["px", "", " none "])
def test_no_pixel_size(text):
    calibration = Calibration.typed(text)
    assert (calibration.unit, calibration.scale, calibration.describe()) == ("px", (1.0, 1.0), "not calibrated (px)")


@pytest.mark.parametrize("text", ["0.21", "nm", "1.2.3 nm", "-1 nm", "0 nm", "1e999 nm", "5 bananas", "1 nm 2"])
def test_what_is_no_pixel_size(text):
    with pytest.raises(TemsegError, match=r"pixel size|unit of length|positive"):
        Calibration.typed(text)


def test_factor_uncertainty_and_words():
    calibration = Calibration((2.0, 2.0), "scale bar", reading_uncertainty=0.03, factor=1.5, factor_uncertainty=0.04)
    assert calibration.scale == (3.0, 3.0)
    assert calibration.uncertainty == pytest.approx(0.05)
    assert calibration.describe() == "3 nm/px · scale bar"
    assert Calibration((1.0, 2.0), "tag").describe() == "1 × 2 nm/px · tag"


@pytest.mark.parametrize(
    "wrong", [{"pixel_size": (0, 1)}, {"pixel_size": (1, np.inf)}, {"pixel_size": (1,)}, {"factor": 0}, {"factor": np.nan}]
)
def test_impossible_calibrations(wrong):
    with pytest.raises(TemsegError, match="must be"):
        Calibration(**wrong)


@given(st.floats(0.1, 9), st.sampled_from(["pm", "Å", "nm", "µm", "mm"]))
def test_units_agree_with_what_is_typed(value, unit):
    assert Calibration.typed(f"{value!r} {unit}").pixel_size[0] == pytest.approx(to_nanometres(value, unit))


def test_planes_of_pictures_and_stacks():
    one = as_micrograph(np.zeros((4, 6)))
    assert (one.axes, one.frame, one.n_planes) == ("YX", (4, 6), 1)
    stack = as_micrograph(np.arange(24).reshape(2, 3, 4), "TYX")
    assert (stack.frame, stack.n_planes) == ((3, 4), 2)
    assert (stack.plane(1) == np.arange(12, 24).reshape(3, 4)).all()
    assert as_micrograph(stack) is stack


def test_a_lazy_stack_is_read_plane_by_plane():
    read = []

    def load(block, block_info=None):
        read.append(block_info[None]["array-location"][0])
        return block

    lazy = da.zeros((3, 8, 8), chunks=(1, 8, 8)).map_blocks(load, dtype=float, meta=np.empty((0, 0, 0)))
    stack = Micrograph(lazy, "ZYX")
    assert stack.plane(1).shape == (8, 8)
    assert read == [(1, 2)]


@pytest.mark.parametrize(
    ("array", "axes", "words"),
    [
        (np.zeros((2, 3, 4)), "", "does not say what its first axis means"),
        (np.zeros((2, 3, 4)), "YX", "do not fit"),
        (np.zeros((4, 4)), "XY", "do not fit"),
        (np.zeros((0, 4)), "", "empty"),
        (np.zeros((4, 4), complex), "", "complex128 cannot be segmented"),
        (np.array([["a"]]), "", "cannot be segmented"),
    ],
)
def test_what_is_no_micrograph(array, axes, words):
    with pytest.raises(TemsegError, match=words):
        as_micrograph(array, axes)


def test_a_path_is_not_an_image():
    with pytest.raises(TemsegError, match="read it first"):
        as_micrograph("a.tif")


def test_other_array_types_become_numpy():
    assert as_micrograph(torch.ones(4, 5)).plane().sum() == 20
    assert as_micrograph([[1, 2], [3, 4]]).frame == (2, 2)


def test_the_valid_area_is_boolean_and_fits():
    image = Micrograph(np.zeros((4, 6)), valid=np.full((4, 6), 255, np.uint8))
    assert image.valid.dtype == bool
    assert image.valid.all()
    with pytest.raises(TemsegError, match="valid area has shape"):
        Micrograph(np.zeros((4, 6)), valid=np.ones((6, 4), bool))


def test_grey_colour_is_reduced_and_other_colour_refused():
    grey = np.random.default_rng(0).integers(0, 255, (16, 16), dtype=np.uint8)
    assert (as_micrograph(np.dstack([grey] * 3)).plane() == grey).all()
    assert as_micrograph(np.dstack([grey, grey, grey, np.full_like(grey, 255)])).frame == (16, 16)
    with pytest.raises(TemsegError, match="in colour; convert it to grey"):
        as_micrograph(np.dstack([grey, grey, np.zeros_like(grey)]))


@pytest.mark.parametrize(("path", "name"), [("a/b/grid_07.dm4", "grid_07"), ("C:\\data\\x.y.tif", "x.y"), ("", "image")])
def test_the_name_is_the_stem(path, name):
    assert Micrograph(np.zeros((2, 2)), source=Source(path)).name == name
    assert Micrograph(np.zeros((2, 2)), sample="gold").name == "gold"


def test_the_content_hash_follows_the_pixels_only():
    pixels = np.arange(12).reshape(3, 4)
    first = Micrograph(pixels, source=Source("a.tif")).content_hash()
    assert Micrograph(pixels.copy(), source=Source("b.tif"), sample="x").content_hash() == first
    assert Micrograph(pixels.reshape(4, 3)).content_hash() != first
    assert Micrograph(pixels.astype(np.uint8)).content_hash() != first
    assert Micrograph(pixels, source=Source(content_hash="known")).content_hash() == "known"


def test_another_calibration_keeps_the_pixels():
    image = as_micrograph(np.ones((3, 3)))
    other = image.with_calibration(Calibration.typed("2 nm"))
    assert other.data is image.data
    assert other.calibration.scale == (2.0, 2.0)


def test_a_plane_is_a_micrograph_of_its_own():
    valid = np.eye(8, dtype=bool)
    stack = Micrograph(
        da.from_array(np.arange(192).reshape(3, 8, 8), chunks=(1, 8, 8)),
        "ZYX",
        Calibration.typed("2 nm"),
        valid,
        Source("a.tif", "series 1", "abc"),
        "gold",
    )
    plane = stack.at(2)
    assert (plane.axes, plane.n_planes, plane.frame) == ("YX", 1, (8, 8))
    assert isinstance(plane.data, da.Array)  # not read yet
    assert (plane.plane() == stack.plane(2)).all()
    assert (plane.valid == valid).all()
    assert (plane.calibration, plane.source, plane.sample) == (stack.calibration, stack.source, "gold")
    assert plane.at(0) is plane
    for wrong in (-1, 3):
        with pytest.raises(TemsegError, match=f"a: there is no plane {wrong}; its 3"):
            stack.at(wrong)


def test_a_typed_pixel_size_may_have_its_uncertainty():
    for text in ("0.50 ± 0.01 nm", "0.50±0.01nm/px", "0.50 +- 0.01 nm", "5.0 +/- 0.1 Å"):
        typed = Calibration.typed(text)
        assert typed.pixel_size == pytest.approx((0.5, 0.5))
        assert typed.uncertainty == pytest.approx(0.02)
    assert Calibration.typed("0.5 nm").uncertainty == 0
    with pytest.raises(TemsegError, match="is not a pixel size"):
        Calibration.typed("0.5 ± nm")


@pytest.mark.parametrize("size", [1e300, 1e8, 1e-5, 1e-300])
def test_a_pixel_that_no_micrograph_has_is_refused_in_a_sentence(size):
    for make in (
        lambda: Calibration((size, size)),
        lambda: Calibration.typed(f"{size} nm"),
        lambda: Calibration((1.0, 1.0), factor=size),
        lambda: temseg.measure(np.eye(20, dtype=int), pixel_size=size),
    ):
        with pytest.raises(TemsegError, match=r"^No micrograph has a pixel of .* nm.*: check number and unit\.$"):
            make()
    assert Calibration.typed("500 µm").pixel_size == (5e5, 5e5)  # an overview of a light microscope is only odd
    assert Calibration.typed("500 µm").doubt


def test_an_uncertainty_as_large_as_the_size_is_refused():
    for text in ("0.21 ± 5 nm", "0.21 ± 1e300 nm"):
        with pytest.raises(TemsegError, match="its uncertainty is as large as the size"):
            Calibration.typed(text)
    for text in ("1.02 ± 3", "1.02 ± 100 %"):
        with pytest.raises(TemsegError, match="its uncertainty is as large as the factor"):
            Calibration((1.0, 1.0)).by_standard(text)
