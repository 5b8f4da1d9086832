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
