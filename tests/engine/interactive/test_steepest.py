from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_temseg.engine.interactive.draft import iter_draft
from napari_temseg.engine.interactive.steepest import at_steepest
from napari_temseg.engine.types.config import DraftConfig
from napari_temseg.engine.types.micrograph import Micrograph

NO_STROKES = np.zeros((160, 160), np.uint8)


def from_centre(y: float = 80.0, x: float = 80.0, side: int = 160) -> np.ndarray:
    yy, xx = np.mgrid[:side, :side]
    return np.hypot(yy - y, xx - x)


def seen(mask: np.ndarray, contrast: float, noise: float, seed: int = 0) -> np.ndarray:
    """A picture of it, out of focus by 1.5 px."""
    grey = contrast * ndimage.gaussian_filter(mask.astype(np.float32), 1.5) + np.random.default_rng(seed).normal(0, noise, mask.shape)
    return grey.astype(np.float32)


def diameter(mask: np.ndarray) -> float:
    return 2 * float(np.sqrt(mask.sum() / np.pi))


@settings(max_examples=30, deadline=None)
@given(
    radius=st.floats(8, 40),
    off=st.floats(-0.15, 0.25),  # of the radius
    contrast=st.sampled_from((-1.0, 1.0)),
    offset=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_a_filling_that_is_fat_or_thin_gets_the_diameter_of_what_is_seen(
    radius: float, off: float, contrast: float, offset: float, seed: int
) -> None:
    away = from_centre(80 + offset, 80)
    filled = np.where(away < radius * (1 + off), 2, 1).astype(np.uint8)
    moved = at_steepest(seen(away < radius, contrast, 0.05, seed), filled, NO_STROKES)
    assert abs(diameter(moved == 2) - 2 * radius) < 1.8
    assert abs(diameter(moved == 2) - 2 * radius) <= abs(diameter(filled == 2) - 2 * radius) + 1.0


@given(seed=st.integers(0, 99), noise=st.floats(1, 30))
@settings(max_examples=10, deadline=None)
def test_where_no_edge_is_seen_nothing_moves(seed: int, noise: float) -> None:
    filled = np.where(from_centre() < 30, 2, 1).astype(np.uint8)
    np.testing.assert_array_equal(at_steepest(seen(filled == 2, 0.0, noise, seed), filled, NO_STROKES), filled)


def test_of_two_particles_the_clear_one_moves_and_the_gap_between_two_stays() -> None:
    clear, faint = from_centre(40, 40), from_centre(120, 120)
    picture = seen(clear < 20, 1.0, 0.05)
    filled = np.where((clear < 24) | (faint < 24), 2, 1).astype(np.uint8)
    moved = at_steepest(picture, filled, NO_STROKES)
    assert diameter((moved == 2) & (clear < 40)) < 41.5
    np.testing.assert_array_equal((moved == 2) & (faint < 40), faint < 24)
    left, right = from_centre(80, 55), from_centre(80, 105)
    pair = (left < 24) | (right < 24)  # 2 px apart, and not to be seen in the picture
    filled = np.where(pair, 2, 1).astype(np.uint8)
    whole = ndimage.binary_closing(pair, iterations=4)
    assert ndimage.label(at_steepest(seen(whole, 1.0, 0.02), filled, NO_STROKES) == 2)[1] == 2


def test_strokes_other_classes_and_what_is_unlabelled_stay() -> None:
    away = from_centre()
    picture = seen(away < 20, 1.0, 0.05)
    filled = np.where(away < 25, 2, 1).astype(np.uint8)
    filled[:, 80:][away[:, 80:] < 25] = 3
    filled[:, :10] = 0
    strokes = NO_STROKES.copy()
    strokes[78:82, 100:104] = 3  # beyond the edge
    moved = at_steepest(picture, np.where(strokes > 0, strokes, filled).astype(np.uint8), strokes)
    assert (moved[strokes > 0] == 3).all()
    assert not moved[:, :10].any()
    assert moved[:, 10:].all()
    assert set(np.unique(moved[:, :72])) == {0, 1, 2}
    assert abs(diameter((moved >= 2) & (strokes == 0)) - 40) < 2


def test_strokes_from_edge_to_edge_do_not_fill_the_dark_rim_beside_the_particles() -> None:
    """Bright particles with a rim darker than what lies about: its blurred flank is like neither, as nobody strokes it."""
    middles = [(y, x) for y in range(30, 300, 60) for x in range(30, 300, 60)]
    away = np.min([from_centre(y, x, 300) for y, x in middles], axis=0)
    grey = np.where(away < 9, 1.0, np.where(away < 13, -0.6, 0.0))
    picture = ndimage.gaussian_filter(grey, 1.2) + np.random.default_rng(0).normal(0, 0.08, grey.shape)
    drawn = np.zeros(grey.shape, np.uint8)
    for y, x in middles[:4]:
        drawn[y - 1 : y + 2, x - 8 : x + 9] = 2
        drawn[y + 29 : y + 31, x - 10 : x + 11] = 1
    filled = iter_draft(Micrograph(picture.astype(np.float32)), drawn, DraftConfig()).drain() == 2
    regions, _ = ndimage.label(filled)
    found = [2 * np.sqrt((regions == regions[y, x]).sum() / np.pi) for y, x in middles]
    assert abs(np.median(found) / 18 - 1) < 0.07
