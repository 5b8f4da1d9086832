"""Background that was stroked in one place does not make clear particles elsewhere doubtful."""

from __future__ import annotations

import numpy as np

from napari_temseg.engine.interactive.clear_particles import still_clear

SIDE, PLACES = 4, [(5, 5), (5, 45), (45, 5), (45, 45), (80, 80)]


def said(*probabilities: float) -> np.ndarray:
    """Of squares of 10 px, three classes, the last of which is a fifth of what is foreground."""
    foreground = np.full((100, 100), 0.05, np.float32)
    for (y, x), probability in zip(PLACES, probabilities, strict=True):
        foreground[y : y + 10, x : x + 10] = probability
    return np.stack([1 - foreground, 0.8 * foreground, 0.2 * foreground])


def test_a_clear_particle_is_taken_away_or_stays_as_it_was() -> None:
    before, after = said(0.9, 0.9, 0.9, 0.7, 0.9), said(0.65, 0.3, 0.65, 0.6, 0.95)
    strokes = np.zeros((100, 100), np.uint8)
    assert still_clear(before, after.copy(), strokes, SIDE).tolist() == after.tolist()  # without background nothing is put back
    strokes[60, 20:30] = 1
    strokes[52:57, 9] = 1  # beside the third
    found = still_clear(before, after.copy(), strokes, SIDE)
    means = [1 - found[0, y : y + 10, x : x + 10].mean() for y, x in PLACES]
    # put back; like what was stroked; beside a stroke; not clear before; clearer
    np.testing.assert_allclose(means, [0.9, 0.3, 0.65, 0.6, 0.95], rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(found[2] / found[1], 0.25, rtol=1e-5)


def test_a_stroke_between_two_particles_leaves_both_clear_and_one_through_the_middle_does_not() -> None:
    """Of one region that is two particles: the learnt depth is small where they touch."""
    foreground, depth = np.full((60, 60), 0.05, np.float32), np.zeros((60, 60), np.float32)
    foreground[20:40, 10:50] = 0.9
    depth[22:38, 12:28] = depth[22:38, 32:48] = 0.8
    before = np.stack([1 - foreground, foreground])
    lower = np.where(foreground > 0.5, 0.7, foreground)
    for columns, mean in ((slice(29, 31), 0.9), (slice(19, 21), 0.7)):
        strokes = np.zeros((60, 60), np.uint8)
        strokes[20:40, columns] = 1
        now = np.where(strokes == 1, np.float32(0.02), lower)
        found = still_clear(before, np.stack([1 - now, now]), strokes, SIDE, depth)
        left = (foreground > 0.5) & (strokes == 0)
        np.testing.assert_allclose(found[1][left].mean(), mean, rtol=1e-5)
        assert found[1][strokes == 1].max() < 0.05
