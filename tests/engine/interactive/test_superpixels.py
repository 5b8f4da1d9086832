from __future__ import annotations

import numpy as np

from napari_temseg.engine.interactive.superpixels import Superpixels


def cells(walls: np.ndarray, particle: float, rest: float) -> Superpixels:
    """A plane whose `walls` (cy, cx) look like something else and are particles; the `rest` is hardly doubted to be background."""
    prior = np.where(walls, particle, rest).astype(np.float32)
    look = np.where(walls, 3.0, 0.0).astype(np.float32)[..., None]
    return Superpixels(np.stack([1 - prior, prior]), look, 4)


def test_a_small_particle_stroked_in_a_gap_between_others_does_not_fill_it() -> None:
    walls = np.ones((40, 60), bool)
    walls[12:18, 5:55] = False  # a gap that the model is not sure of
    known = cells(walls, 0.95, 0.4)
    strokes = np.zeros((160, 240), np.uint8)
    strokes[14 * 4 : 16 * 4, 28 * 4 : 31 * 4] = 2
    tally = known.tally(strokes, 2)
    spread = known.spread(known.prior, tally)
    assert (spread[1][~walls] > 0.5).mean() > 0.6  # nothing stops it
    held = known.within_reach(known.prior, spread, tally)
    assert (held[1][14:16, 28:31] > 0.5).all()
    assert (held[1][~walls] > 0.5).mean() < 0.5
    far = np.s_[:, 12:18, 10:15]
    np.testing.assert_array_equal(held[far], known.prior[far])
    assert (held[1][walls] > 0.5).all()


def test_a_particle_that_is_stroked_through_its_middle_is_within_reach_of_the_stroke_whole() -> None:
    y, x = np.ogrid[:60, :60]
    disc = (y - 30) ** 2 + (x - 30) ** 2 < 20**2
    known = cells(disc, 0.2, 0.02)  # missed, with clear edges
    strokes = np.zeros((240, 240), np.uint8)
    strokes[29 * 4 : 31 * 4, 20 * 4 : 40 * 4] = 2
    tally = known.tally(strokes, 2)
    spread = known.spread(known.prior, tally)
    np.testing.assert_array_equal(known.within_reach(known.prior, spread, tally), spread)
    background = known.tally(np.where(strokes > 0, np.uint8(1), strokes), 2)
    gone = known.spread(known.prior, background)
    assert known.within_reach(known.prior, gone, background) is gone
