from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.simulate.shapes import SHAPES, Capsule, Ellipsoid, Outline, contact_distances, random_outline

seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from(SHAPES)
modest = settings(max_examples=30, deadline=None)


def profile(outline: Outline, centre: tuple[float, float] = (0.0, 0.0), half: int = 0) -> tuple[np.ndarray, np.ndarray]:
    half = half or math.ceil(outline.reach) + 2
    grid = np.arange(-half, half + 1, dtype=float)
    return outline.profile(grid[:, None] - centre[0], grid[None, :] - centre[1])


@modest
@given(shapes, seeds, st.floats(60, 150))
def test_analytic_sizes_agree_with_the_drawn_outline(shape: str, seed: int, ecd: float) -> None:
    outline = random_outline(shape, ecd, np.random.default_rng(seed))
    depth, _ = profile(outline)
    turns = np.linspace(0, np.pi, 3000)
    directions = np.stack([np.sin(turns), np.cos(turns)], 1)
    widths = outline.support(directions) + outline.support(-directions)
    assert outline.ecd == pytest.approx(ecd, rel=1e-9)
    assert np.count_nonzero(depth >= 0) == pytest.approx(outline.area, rel=0.01)
    assert widths.max() == pytest.approx(outline.feret_max, rel=1e-3)
    assert widths.min() == pytest.approx(outline.feret_min, abs=1.1e-3 * outline.feret_max)
    assert outline.inner <= outline.feret_min / 2 + 1e-9
    assert outline.reach >= outline.feret_max / 2 - 1e-9


@modest
@given(shapes, seeds, st.floats(4, 60))
def test_centroid_lies_at_the_origin_and_the_box_holds_everything(shape: str, seed: int, ecd: float) -> None:
    outline = random_outline(shape, ecd, np.random.default_rng(seed))
    turns = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    reach = outline.support(np.stack([np.sin(turns), np.cos(turns)], 1))
    up, down, left, right = outline.box
    assert reach.max() <= outline.reach + 1e-9
    assert reach.min() >= outline.inner - 1e-9
    assert max(up, down, left, right) <= outline.reach + 1e-9
    fine = np.linspace(-outline.reach, outline.reach, 401)
    inside = outline.profile(fine[:, None], fine[None, :])[0] >= 0
    y, x = np.nonzero(inside)
    assert np.hypot(fine[y].mean(), fine[x].mean()) < 0.01 * ecd
    assert fine[y].min() >= -up - 1e-9
    assert fine[y].max() <= down + 1e-9
    assert fine[x].min() >= -left - 1e-9
    assert fine[x].max() <= right + 1e-9


@modest
@given(shapes, seeds)
def test_depth_outside_is_no_more_than_the_true_distance(shape: str, seed: int) -> None:
    outline = random_outline(shape, 40, np.random.default_rng(seed))
    depth, _ = profile(outline, half=45)
    inside = np.argwhere(depth >= 0)
    outside = np.argwhere(depth < -1)[::97]
    true = np.sqrt(((outside[:, None] - inside[None]) ** 2).sum(2).min(1))
    assert np.all(-depth[outside[:, 0], outside[:, 1]] <= true + 1e-9)


@pytest.mark.parametrize("diameter", [8.0, 30.3, 100.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, 0.3)])
def test_thickness_adds_up_to_the_volume(diameter: float, shift: tuple[float, float]) -> None:
    r = diameter / 2
    bodies = {
        Capsule(r, 0.0, 0.0, "sphere"): 4 / 3 * math.pi * r**3,
        Capsule(r, 2 * r, 0.7, "rod"): 4 / 3 * math.pi * r**3 + math.pi * r**2 * 4 * r,
        Ellipsoid(1.5 * r, r, 0.4, 0.8 * r): 4 / 3 * math.pi * 1.5 * r * r * 0.8 * r,
    }
    for body, volume in bodies.items():
        # the edge pixels are met to first order: a rim of half a pixel matters in small particles only
        assert profile(body, shift)[1].sum() == pytest.approx(volume, rel=2 / diameter**2 + 0.002)


def test_a_plate_is_flat_and_a_sphere_is_thickest_in_the_middle() -> None:
    plate = random_outline("faceted", 60, np.random.default_rng(4))
    depth, thickness = profile(plate)
    inner = thickness[depth > 20]
    assert np.ptp(inner) < 1e-9
    depth, thickness = profile(Capsule(30, 0, 0, "sphere"))
    assert thickness.max() == pytest.approx(60)
    assert np.argmax(thickness) == np.argmax(depth)


@modest
@given(shapes, shapes, seeds, st.floats(0, 2 * math.pi), st.floats(0.5, 2))
def test_bodies_touch_at_the_contact_distance(one: str, other: str, seed: int, turn: float, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    lower, upper = random_outline(one, 120, rng), random_outline(other, 120 * ratio, rng)
    direction = np.array([[math.sin(turn), math.cos(turn)]])
    distance = float(contact_distances(lower, upper, direction)[0])
    half = math.ceil(lower.reach + 2 * upper.reach) + 5
    below = profile(lower, half=half)[0] >= 0
    for gap, meet in ((0.5, False), (-4.0, True)):
        y, x = (distance + gap) * direction[0]
        above = profile(upper, (y, x), half)[0] >= 0
        assert bool((below & above).any()) == meet
