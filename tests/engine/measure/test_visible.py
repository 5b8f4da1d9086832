"""How much of a particle is seen, against simulated overlaps whose whole outlines are known."""

from __future__ import annotations

import numpy as np
import pytest

import napari_temseg as temseg


def overlapping(shape: str, seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The column, the true share and whether a particle is partly covered, of those that do not touch the frame."""
    drawn = temseg.simulate(temseg.SimulateConfig(diameter=30.0, count=110, overlapping=0.5, touching=0.3, seed=seed, shapes=(shape,)))
    table = temseg.measure(drawn.instances).table
    truth = drawn.table.iloc[table["particle"].to_numpy() - 1]
    inside = ~table["frame"].to_numpy(bool)
    true = np.minimum(table["area_px2"].to_numpy() / truth["area_px2"].to_numpy(), 1)
    return table["visible_share"].to_numpy()[inside], true[inside], truth["overlapped"].to_numpy(bool)[inside]


def test_the_share_of_round_particles_is_told_where_their_outline_shows_it() -> None:
    share, true, covered = overlapping("sphere")
    told = np.isfinite(share)
    assert told[covered].mean() > 0.2
    assert np.median(abs(share - true)[told]) < 0.02
    assert np.quantile(abs(share - true)[told & covered], 0.9) < 0.1
    assert np.corrcoef(share[told], true[told])[0, 1] > 0.9


def test_outlines_that_are_no_ellipse_tell_nothing() -> None:
    share, _, covered = overlapping("faceted")
    assert np.isfinite(share[covered]).mean() < 0.1


def test_what_stands_alone_is_seen_whole_and_what_the_frame_cuts_is_not_told() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, 10:20], labels[:5, 30:35], labels[28:34, 5:15], labels[28:34, 15:25] = 1, 2, 3, 4
    share = temseg.measure(labels).table["visible_share"].to_numpy()
    assert share[0] == 1
    assert np.isnan(share[1:]).all()


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_it_does_not_hang_on_the_pixel_size(size: float) -> None:
    drawn = temseg.simulate(temseg.SimulateConfig(count=60, touching=0.5, seed=2))
    one, other = (temseg.measure(drawn.instances, pixel_size=each).table["visible_share"] for each in (1.0, size))
    np.testing.assert_array_equal(one, other)
