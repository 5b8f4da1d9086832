"""Scale bars: found where they are drawn, to a fraction of a pixel, not where there are none; what is burnt in is masked."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, gaussian_filter

from napari_temseg.engine.burntin.letters import data_bands
from napari_temseg.engine.burntin.scale_bar import ScaleBar, find_scale_bar, overlay_mask
from napari_temseg.engine.simulate.micrographs import Simulation, simulate
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.errors import TemsegError

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)  # every example is a whole picture: shrinking would take minutes
PLAIN = SimulateConfig(height=256, width=320, count=25, diameter=24, seed=3)


def noise(height: int = 240, width: int = 320, level: float = 120.0, sigma: float = 12.0, seed: int = 0) -> np.ndarray:
    """A grey, noisy plane."""
    return np.random.default_rng(seed).normal(level, sigma, (height, width)).clip(0, 255).astype(np.float32)


def drawn(plane: np.ndarray, top: int, left: int, thickness: int, length: int, ink: float) -> np.ndarray:
    """The plane with a solid bar."""
    result = plane.copy()
    result[top : top + thickness, left : left + length] = ink
    return result


def check(bar: ScaleBar | None, top: float, left: float, thickness: float, length: float, tolerance: float = 1.0) -> None:
    """The bar is the one with these first row and column."""
    assert bar is not None
    expected = (top + (thickness - 1) / 2, left - 0.5), (top + (thickness - 1) / 2, left + length - 0.5)
    np.testing.assert_allclose([bar.start, bar.end], expected, atol=tolerance)
    assert abs(bar.length - length) <= tolerance
    assert 0 < bar.confidence <= 1


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(
    top=st.integers(150, 215),
    left=st.integers(8, 180),
    thickness=st.integers(2, 12),
    length=st.integers(36, 120),
    white=st.booleans(),
    sigma=st.floats(0, 20),
    seed=st.integers(0, 99),
)
@example(top=164, left=139, thickness=2, length=57, white=True, sigma=0.03, seed=16)  # the ground is two neighbouring grey levels
@example(top=160, left=152, thickness=2, length=48, white=False, sigma=0.19, seed=38)
def test_a_bar_on_noise_is_found(top: int, left: int, thickness: int, length: int, white: bool, sigma: float, seed: int) -> None:
    bar = find_scale_bar(drawn(noise(sigma=sigma, seed=seed), top, left, thickness, length, 255.0 * white).astype(np.uint8))
    check(bar, top, left, thickness, length)
    assert bar is not None
    assert bar.bright is white
    assert bar.thickness == pytest.approx(thickness, abs=1)


@settings(max_examples=12, deadline=None, phases=UNSHRUNK)
@given(seed=st.integers(0, 99), left=st.integers(20, 200), length=st.integers(40, 90), hidden=st.booleans())
@example(seed=78, left=160, length=61, hidden=True)  # an end on a bright particle that itself ends 3 px further
@example(seed=97908, left=130, length=43, hidden=True)
@example(seed=26257, left=35, length=90, hidden=False)
@example(seed=72061, left=183, length=61, hidden=False)
def test_a_bar_on_a_micrograph_is_found(seed: int, left: int, length: int, hidden: bool) -> None:
    config = replace(PLAIN, seed=seed, mode="HAADF" if hidden else "bright field")
    image = simulate(config).micrograph.data
    check(find_scale_bar(drawn(image, 235, left, 6, length, 0 if not hidden else 255)), 235, left, 6, length)


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(start=st.floats(30, 80), length=st.floats(60, 150), blur=st.floats(0.5, 1.5), white=st.booleans())
def test_blurred_ends_are_found_at_half_level(start: float, length: float, blur: float, white: bool) -> None:
    fine = np.zeros((240, 3200), np.float32)  # ten columns a pixel
    fine[200:206, round(10 * start) : round(10 * (start + length))] = 1
    cover = gaussian_filter(fine, (blur, 10 * blur)).reshape(240, 320, 10).mean(2)
    bar = find_scale_bar(noise(sigma=2) * (1 - cover) + cover * 255 * white)
    assert bar is not None
    assert bar.start[1] == pytest.approx(round(10 * start) / 10 - 0.5, abs=0.3)
    assert bar.end[1] == pytest.approx(round(10 * (start + length)) / 10 - 0.5, abs=0.3)
    assert (bar.start[0] + bar.end[0]) / 2 == pytest.approx(202.5, abs=0.3)


@settings(max_examples=10, deadline=None, phases=UNSHRUNK)
@given(seed=st.integers(0, 999), mode=st.sampled_from(["HAADF", "bright field"]), touching=st.floats(0, 0.8))
def test_without_a_bar_none_is_found(seed: int, mode: str, touching: float) -> None:
    shapes = ("sphere", "ellipsoid", "faceted", "rod")
    assert find_scale_bar(simulate(replace(PLAIN, seed=seed, mode=mode, touching=touching, shapes=shapes)).micrograph.data) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_any_type_and_contrast_gives_the_same_bar(dtype: type[np.generic]) -> None:
    plane = drawn(noise(), 210, 30, 7, 80, 255)
    largest = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.int16): 32000.0}.get(np.dtype(dtype), 1e-9)
    check(find_scale_bar((plane / 255 * largest).astype(dtype)), 210, 30, 7, 80)


def test_ink_far_beyond_the_grey_levels_of_the_micrograph() -> None:
    plane = noise(level=2000, sigma=1, seed=4)
    counts = (np.random.default_rng(4).normal(2000, 60, plane.shape)).astype(np.uint16)
    check(find_scale_bar(drawn(counts, 210, 30, 7, 80, 65535)), 210, 30, 7, 80)


def test_nan_is_no_ink_and_no_obstacle() -> None:
    plane = drawn(noise(), 190, 30, 7, 80, 255)
    plane[225:] = np.nan
    plane[:20, :50] = np.nan
    check(find_scale_bar(plane), 190, 30, 7, 80)


def test_a_bool_plane() -> None:
    check(find_scale_bar(drawn(np.zeros((200, 300), bool), 180, 30, 6, 80, True)), 180, 30, 6, 80)


def test_a_large_picture_is_measured_in_full_resolution() -> None:
    check(find_scale_bar(drawn(noise(900, 1100), 811, 101, 5, 233, 255).astype(np.uint8)), 811, 101, 5, 233, 0.3)


def test_a_bar_that_slopes_by_a_degree() -> None:
    y, x = np.mgrid[:240, :320]
    along = (x - 60) / 150
    plane = np.where((np.abs(y - 200 - 0.0175 * (x - 60)) <= 3) & (along >= 0) & (along <= 1), 255, noise()).astype(np.float32)
    bar = find_scale_bar(plane)
    assert bar is not None
    assert bar.length == pytest.approx(151, abs=1.5)
    assert bar.end[0] - bar.start[0] == pytest.approx(0.0175 * 150, abs=1)


def test_end_caps_belong_to_the_bar() -> None:
    plane = np.zeros((240, 320), np.uint8)
    plane[:200] = noise(200).astype(np.uint8)
    plane[220:222, 40:140] = 255
    plane[214:228, 40:42] = plane[214:228, 138:140] = 255
    check(find_scale_bar(plane), 220, 40, 2, 100)


def test_a_line_broken_by_its_label_is_one_bar() -> None:
    plane = np.zeros((240, 320), np.uint8)
    plane[:200] = noise(200).astype(np.uint8)
    plane[219:221, 100:150] = plane[219:221, 190:240] = 255
    plane[214:226, 100:102] = plane[214:226, 238:240] = 255
    plane[213:226, 160:163] = plane[213:226, 168:171] = plane[213:226, 176:179] = 255
    check(find_scale_bar(plane), 219, 100, 2, 140)


def test_the_bar_in_a_box_is_the_bar_not_the_box() -> None:
    plane = noise().astype(np.uint8)
    plane[190:230, 40:150] = 255
    plane[215:221, 55:135] = 0
    check(find_scale_bar(plane), 215, 55, 6, 80)


def test_a_row_of_eleven_ticks_is_a_bar() -> None:
    plane = np.zeros((240, 320), np.uint8)
    plane[:210] = noise(210).astype(np.uint8)
    for k in range(11):
        plane[220 : 226 + 3 * (k % 5 == 0), 100 + 12 * k : 102 + 12 * k] = 255
    bar = find_scale_bar(plane)
    assert bar is not None
    assert (bar.start[1], bar.end[1]) == pytest.approx((100.5, 220.5), abs=0.3)


def test_rule_lines_and_frames_are_no_bars() -> None:
    plane = noise().astype(np.uint8)
    plane[200:202] = 255
    plane[:3] = plane[-3:] = 0
    plane[:, :3] = plane[:, -3:] = 0
    assert find_scale_bar(plane) is None
    gradient = np.linspace(0, 255, 240)[:, None] + np.zeros((1, 320))
    assert find_scale_bar(gradient) is None


@pytest.mark.parametrize(
    "plane", [np.zeros((64, 64)), np.full((3, 500), 7, np.uint8), np.full((40, 40), np.nan), np.zeros((0, 5)), np.eye(5)]
)
def test_nothing_in_empty_tiny_or_constant_planes(plane: np.ndarray) -> None:
    assert find_scale_bar(plane) is None
    mask = overlay_mask(plane)
    assert mask.shape == plane.shape
    assert not mask.any()


@pytest.mark.parametrize("plane", [np.zeros((4, 64, 64)), np.zeros(64), np.zeros((64, 64), complex), np.array([["a", "b"]])])
def test_only_planes_are_taken(plane: np.ndarray) -> None:
    with pytest.raises(TemsegError, match="plane"):
        find_scale_bar(plane)
    with pytest.raises(TemsegError, match="plane"):
        overlay_mask(plane)


@cache
def burnt(seed: int, **what: bool) -> Simulation:
    """A micrograph with marks; several tests look at the same ones."""
    return simulate(replace(PLAIN, height=384, width=384, pixel_size=0.4, seed=seed, **what))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("what", ["scale_bar", "data_bar", "panel_letter"])
def test_what_is_burnt_in_is_masked_and_little_else(what: str, seed: int) -> None:
    simulation = burnt(seed, **{what: True})
    mask = overlay_mask(simulation.micrograph.data)
    near = binary_dilation(simulation.overlays, np.ones((3, 3)), iterations=4)
    assert (mask & ~near).sum() <= 0.02 * mask.sum()


@pytest.mark.parametrize(("what", "least"), [("scale_bar", 0.7), ("data_bar", 0.95)])
def test_most_of_what_is_burnt_in_is_masked(what: str, least: float) -> None:
    simulations = [burnt(seed, **{what: True}) for seed in range(8)]
    covered = [(overlay_mask(s.micrograph.data) & s.overlays).sum() / s.overlays.sum() for s in simulations]
    assert np.mean(covered) > least


@pytest.mark.parametrize("seed", range(6))
def test_without_marks_nothing_is_masked(seed: int) -> None:
    config = replace(PLAIN, seed=seed, mode=("HAADF", "bright field")[seed % 2], shapes=("sphere", "rod", "faceted"), touching=0.5)
    assert not overlay_mask(simulate(config).micrograph.data).any()


def test_a_known_bar_is_masked_with_two_pixels_round_it() -> None:
    plane = noise()
    mask = overlay_mask(plane, ScaleBar((200.0, 49.5), (200.0, 109.5), 5.0, True, 1.0))
    expected = np.zeros_like(mask)
    expected[196:205, 48:112] = True
    np.testing.assert_array_equal(mask, expected)


def test_bars_of_real_micrographs(data: Path) -> None:
    """Eight in ten of the marked ones of the part for choosing; `benchmarks/scale_bars.py` has the figures."""
    table = Path(__file__).parents[3] / "benchmarks" / "scale_bars.csv"
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "tune" and row["left"]]
    right = 0
    for row in rows:
        image = iio.imread(data / "emps" / "images" / row["name"])
        bar = find_scale_bar(image)
        right += bar is not None and max(abs(bar.start[1] - float(row["left"])), abs(bar.end[1] - float(row["right"]))) <= 2
    assert right >= 0.8 * len(rows)


def test_a_data_bar_below_a_dark_support_is_seen_whole() -> None:
    rng = np.random.default_rng(0)
    plane = np.clip(rng.normal(30, 5, (384, 512)), 8, 255).astype(np.uint8)
    plane[180:200, 200:230] = 250
    plane[350:382] = 0
    for left in range(20, 480, 12):
        plane[360:372, left : left + 6] = 255
    rows = data_bands(plane.astype(np.float32))[:, 0]
    assert rows[352:].all()
    assert not rows[:348].any()
