from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.simulate.detector import counted, jpeg, scan_distorted, with_lines
from napari_temseg.engine.simulate.piles import Powder, pile
from napari_temseg.engine.simulate.scene import Body, Scene, SceneCanvas, drop_invisible, outline_of
from napari_temseg.engine.simulate.specimens import SpecimenRecipe, specimen
from napari_temseg.engine.simulate.supports import SUPPORTS, power_noise, support

SHAPE = (160, 192)
Draw = Callable[[float, tuple[int, int], np.random.Generator], Scene]
PLAIN = SpecimenRecipe(
    size=20, spread=1.0, count=12, kinds=("sphere",), haadf=True, supported=False, grain=100, contrast=1.0, scatter=1.0, clumped=0.0,
    overlap=0.0, crystalline=0.0, shells=0.0, voids=0.0, others=0.0, blur=0.3, dose=500.0,
)  # fmt: skip


@pytest.mark.parametrize("draw", [specimen, pile])
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.floats(8, 45))
def test_the_same_seed_draws_the_same_scene(draw: Draw, seed: int, size: float) -> None:
    one, two = (draw(size, SHAPE, np.random.default_rng(seed)) for _ in range(2))
    for name in ("plane", "instances", "ignore", "signs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.plane.dtype == np.uint8
    assert one.instances.dtype == np.int32
    assert one.plane.shape == one.instances.shape == one.ignore.shape == SHAPE
    assert one.instances.max() < len(one.signs)
    assert not (one.ignore & (one.instances > 0)).any()


@pytest.mark.parametrize("name", list(SUPPORTS))
def test_every_support_is_a_thickness(name: str) -> None:
    thick = SUPPORTS[name](SHAPE, 90.0, np.random.default_rng(3))
    assert thick.shape == SHAPE
    assert np.isfinite(thick).all()
    assert thick.min() >= 0
    assert thick.max() > 0.05


def test_supports_are_larger_than_what_lies_on_them() -> None:
    for seed in range(6):
        thick = support(SHAPE, 120.0, np.random.default_rng(seed))
        coarse = thick.reshape(SHAPE[0] // 8, 8, SHAPE[1] // 8, 8).mean((1, 3))
        assert coarse.std() > 0.35 * thick.std()


def test_truth_of_plain_discs_is_exact() -> None:
    scene = specimen(20, SHAPE, np.random.default_rng(1), PLAIN)
    areas = np.bincount(scene.instances.ravel())[1:]
    inner = [i + 1 for i, a in enumerate(areas) if a and not _cut(scene.instances == i + 1)]
    assert len(inner) >= 3
    assert np.sqrt(4 / np.pi * areas[np.array(inner) - 1]) == pytest.approx(20, rel=0.03)
    assert (scene.signs[1:] == 1).all()
    assert scene.plane[scene.instances > 0].mean() > scene.plane[scene.instances == 0].mean() + 40


def _cut(mask: np.ndarray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def test_bright_field_particles_are_dark_and_holes_are_not() -> None:
    scene = specimen(20, SHAPE, np.random.default_rng(1), replace(PLAIN, haadf=False))
    assert (scene.signs[1:] == -1).all()
    assert scene.plane[scene.instances > 0].mean() < scene.plane[scene.instances == 0].mean() - 40
    mixed = specimen(20, (320, 320), np.random.default_rng(1), replace(PLAIN, voids=0.5, count=30, contrast=0.5))
    assert {-1, 1} <= set(mixed.signs.tolist())


def test_nobody_is_asked_for_what_nobody_sees() -> None:
    faint = replace(PLAIN, contrast=0.02, dose=5.0)
    scene = specimen(20, SHAPE, np.random.default_rng(1), faint)
    assert not scene.instances.any()
    assert scene.ignore.any()
    clear = specimen(20, SHAPE, np.random.default_rng(1), PLAIN)
    assert not clear.ignore.any()


def test_overlapping_discs_add_up_and_the_uppermost_wins() -> None:
    crowded = replace(PLAIN, overlap=0.7, count=60, clumped=0.9, dose=2000.0)
    scene = specimen(20, SHAPE, np.random.default_rng(2), crowded)
    areas = np.bincount(scene.instances.ravel())[1:]
    assert (areas[areas > 0] < 0.9 * np.pi * 100).any()
    touching = scene.instances[:, 1:] != scene.instances[:, :-1]
    assert (touching & (scene.instances[:, 1:] > 0) & (scene.instances[:, :-1] > 0)).any()


def test_piles_hide_what_lies_beneath() -> None:
    powder = replace(Powder.drawn(24, np.random.default_rng(0)), layers=3.0, spread=1.1, kinds=("sphere",), depth=0.6, dose=200.0)
    scene = pile(24, SHAPE, np.random.default_rng(0), powder)
    areas = np.bincount(scene.instances.ravel())[1:]
    shown = areas[areas > 0]
    assert (scene.instances > 0).mean() > 0.7
    assert shown.max() <= 1.6 * np.pi * 144
    # Whoever keeps his number shows a quarter of himself at least, or is cut by the frame.
    inside = [i + 1 for i, a in enumerate(areas) if a and not _cut(scene.instances == i + 1)]
    assert min(areas[np.array(inside) - 1]) >= 0.25 * 0.6 * np.pi * 144 * 0.5


def test_shares_and_visibility_of_a_canvas() -> None:
    canvas = SceneCanvas(np.zeros((20, 20), np.int32))
    for where in (slice(0, 10), slice(2, 12)):
        window = (where, slice(0, 10))
        mask = np.ones((10, 10), bool)
        assert canvas.covered(window, mask) == pytest.approx(0.8 if canvas.bodies else 0.0)
        canvas.add(Body(window, mask, mask.astype(np.float32), 10.0))
    np.testing.assert_allclose(canvas.visible(), [1, 0.2, 1])
    labels, ignore = drop_invisible(canvas, np.array([True, True, True]))
    assert set(np.unique(labels)) == {0, 2}
    assert ignore[0, 0]
    labels, ignore = drop_invisible(canvas, np.array([True, True, False]), 0.1)
    assert set(np.unique(labels)) == {0, 1}
    assert ignore[5, 5]
    assert not (ignore & (labels > 0)).any()


@pytest.mark.parametrize("kind", ["sphere", "rod"])
def test_width_is_that_of_the_short_side(kind: str) -> None:
    outline = outline_of(18, (kind,), np.random.default_rng(0))
    assert outline.feret_min == pytest.approx(18, rel=0.6)
    assert outline.feret_max < 200


def test_the_detector_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    signal = np.full((200, 200), 1.0, np.float32)
    for dose in (5.0, 200.0):
        noisy = counted(signal, dose, rng)
        assert noisy.mean() == pytest.approx(1, abs=0.02)
        assert noisy.std() == pytest.approx(dose**-0.5, rel=0.05)
    assert with_lines(signal, 0.1, rng).std(axis=1).max() < 1e-6
    np.testing.assert_allclose(scan_distorted(signal, 0.4, rng), 1, atol=1e-5)
    grey = np.full((32, 32), 90, np.uint8)
    assert abs(int(jpeg(grey, 80).mean()) - 90) <= 2


def test_noise_has_no_wavelength_outside_its_band() -> None:
    field = power_noise((128, 128), 8.0, 40.0, 1.0, np.random.default_rng(0))
    assert field.std() == pytest.approx(1, rel=1e-3)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    assert power[frequency > 1 / 8].sum() < 1e-3 * power.sum()
