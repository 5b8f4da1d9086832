"""Two looks at a picture become one answer, by how large what they show is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg.engine.model.looks import Looks

SIZE = 22.0  # px of the first look
STRONG = 6.0


def raw(side: int, scale: float, discs: list[tuple[float, float, float]]) -> np.ndarray:
    """Foreground and depth logits (1, 2, Y, X) of discs (y, x, diameter, in px of the first look) at a scale."""
    y, x = np.mgrid[: round(side * scale), : round(side * scale)]
    depth = np.full(y.shape, -1.0)
    for row, column, diameter in discs:
        away = np.hypot((y + 0.5) / scale - row, (x + 0.5) / scale - column)
        depth = np.maximum(depth, 1 - away / (diameter / 2))
    maps = np.stack([np.where(depth > 0, STRONG, -STRONG), np.log(np.clip(depth, 1e-3, 0.99) / (1 - np.clip(depth, 1e-3, 0.99)))])
    return maps.astype(np.float32)[None]


def found(joined: np.ndarray, row: float, column: float, enlarged: float) -> bool:
    return bool(joined[0, 0, int(row * enlarged), int(column * enlarged)] > 0)


@pytest.mark.parametrize("diameter", [1.7 * SIZE, 2.5 * SIZE])
def test_what_is_too_large_for_the_closer_look_is_not_lost(diameter: float) -> None:
    small, large = (30.0, 30.0, SIZE), (100.0, 100.0, diameter)
    first, closer = raw(160, 1.0, [small, large]), raw(160, 1.6, [small])
    joined = Looks(2, SIZE).joined([first, closer], (320, 320))
    assert joined.shape == (1, 2, 320, 320)
    assert found(joined, *large[:2], 2)
    assert found(joined, *small[:2], 2)
    area = float((joined[0, 0, 110:, 110:] > 0).sum()) / 4
    assert area == pytest.approx(np.pi / 4 * diameter**2, rel=0.04)


def test_of_what_both_can_see_the_closer_look_has_its_say() -> None:
    there, gone = (30.0, 30.0, SIZE), (100.0, 100.0, 0.9 * SIZE)
    first, closer = raw(160, 1.0, [there, gone]), raw(160, 1.6, [there])
    closer[:, 0, 140:, 140:] = -2 * STRONG
    joined = Looks(2, SIZE).joined([first, closer], (160, 160))
    assert found(joined, *there[:2], 1)
    assert not found(joined, *gone[:2], 1)


def test_touching_particles_are_as_wide_as_each_of_them() -> None:
    chain = [(30.0, 20.0 + SIZE * k, SIZE) for k in range(5)]
    first, closer = raw(160, 1.0, chain), raw(160, 1.6, chain)
    closer[:, 0] -= 4 * STRONG
    assert not (Looks(2, SIZE).joined([first, closer], (160, 160))[0, 0] > 0).any()


def test_scales_of_a_model_of_several_are_averaged() -> None:
    maps = [np.full((1, 2, 8, 8), 1.0, np.float32), np.full((1, 2, 16, 16), 4.0, np.float32), np.full((1, 2, 4, 4), -2.0, np.float32)]
    np.testing.assert_allclose(Looks(2).joined(maps, (16, 16)), np.ones((1, 2, 16, 16)))


def test_nothing_found_is_an_average_too() -> None:
    empty = [np.full((1, 2, 8, 8), -4.0, np.float32), np.full((1, 2, 12, 12), -6.0, np.float32)]
    np.testing.assert_allclose(Looks(2, SIZE).joined(empty, (8, 8)), np.full((1, 2, 8, 8), -5.0, np.float32))
