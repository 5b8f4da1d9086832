"""Two searches of one picture become one result: what is kept of both, drawn anew each time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg.engine.particles.doubts import doubts, split_more
from napari_temseg.engine.particles.edits import Patch, delete, redraw
from napari_temseg.engine.particles.populations import FILLED_BY_SMALL, SAME_OUTLINE, kept_of_both, merged, widths
from napari_temseg.engine.particles.remeasure import corrected, remeasure
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.populations import carriers, of_population, without
from napari_temseg.engine.types.results import Particles

SIDE = 160
SIZES = (8.0, 48.0)
Labels = npt.NDArray[np.int32]


def discs(*places: tuple[float, float, float]) -> Labels:
    """Discs (y, x, diameter); a later one takes nothing from an earlier one."""
    labels = np.zeros((SIDE, SIDE), np.int32)
    y, x = np.mgrid[:SIDE, :SIDE]
    for cy, cx, diameter in places:
        free = (np.hypot(y - cy, x - cx) < diameter / 2) & (labels == 0)
        labels[free] = labels.max() + 1 if free.any() else 0
    return labels


def found(labels: Labels) -> tuple[Labels, pd.DataFrame]:
    n = int(labels.max())
    columns = {"class": "particle", "class_id": 2, "plane": 0, "aggregate": range(1, n + 1), "frame": False, "cut": False}
    return labels, pd.DataFrame(columns, index=pd.RangeIndex(1, n + 1))


def both(small: Labels, large: Labels) -> Particles:
    labels, table = merged(found(small), found(large), SIZES)
    return Particles(labels, table.rename_axis("particle"), Micrograph(np.ones(labels.shape, np.float32), "YX"))


def drawn(low: float, high: float, most: int) -> st.SearchStrategy[Labels]:
    place = st.tuples(st.floats(0, SIDE), st.floats(0, SIDE), st.floats(low, high))
    return st.lists(place, max_size=most).map(lambda places: discs(*places))


@given(drawn(4, 26, 30), drawn(14, 90, 6))
def test_nothing_is_kept_twice_and_everything_kept_is_there(small: Labels, large: Labels) -> None:
    particles = both(small, large)
    assert np.array_equal(np.unique(particles.labels[particles.labels > 0]), particles.table.index)
    assert set(particles.table["population"]) <= {"small", "large"}
    assert particles.table["aggregate"].is_unique  # none of these touch in the eyes of either search
    keep_small, keep_large = kept_of_both(small, large, SIZES)
    assert (keep_small.sum(), keep_large.sum()) == tuple((particles.table["population"] == name).sum() for name in ("small", "large"))
    for one in np.flatnonzero(keep_small):
        for other in np.flatnonzero(keep_large):
            common = ((small == one) & (large == other)).sum()
            assert common <= SAME_OUTLINE * ((small == one) | (large == other)).sum()
    # A small particle hides what is beneath it, never the other way round.
    assert np.array_equal(of_population(particles, "small").labels > 0, keep_small[small])


@given(drawn(4, 90, 12))
def test_what_both_searches_found_alike_is_kept_once_in_the_size_that_it_is_nearer_to(labels: Labels) -> None:
    particles = both(labels, labels)
    assert len(particles) == len(np.unique(labels[labels > 0]))
    assert np.array_equal(particles.labels > 0, labels > 0)
    width, middle = widths(particles.labels), math.sqrt(SIZES[0] * SIZES[1])
    nearer = {number: "small" if width[number] < middle else "large" for number in particles.table.index}
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    whole = [number for number in particles.table.index if not np.isin(labels[particles.labels == number], rim).any()]  # see below
    assert particles.table["population"][whole].to_dict() == {number: nearer[number] for number in whole}


def test_a_small_one_on_a_large_one_is_a_particle_of_its_own_and_the_large_one_stays_whole() -> None:
    large = discs((80, 80, 60))
    particles = both(discs((80, 80, 8), (30, 30, 8), (80, 110, 8)), large)
    assert particles.table["population"].tolist() == ["large", "small", "small", "small"]
    assert carriers(particles)[2] == 1
    assert 3 not in carriers(particles)
    whole = of_population(particles, "large").labels
    # Of the one that sits on the rim about half is beneath.
    assert np.count_nonzero(whole) == pytest.approx(np.count_nonzero(large), rel=0.01)
    table = temseg.measure(particles).table
    assert table["carrier"].tolist()[:3] == [0, 1, 0]
    assert table["ecd_px"][0] == pytest.approx(60, rel=0.01)
    assert table["solidity"][0] > 0.99  # no bites where small ones lie
    assert not table["cut"].any()


def test_a_cluster_of_small_ones_is_no_large_one() -> None:
    cluster = [(y, x, 9.0) for y in range(40, 100, 9) for x in range(40, 100, 9)]
    small, large = discs(*cluster), np.zeros((SIDE, SIDE), np.int32)
    large[36:98, 36:98] = 1
    assert np.count_nonzero(small) > FILLED_BY_SMALL * np.count_nonzero(large)
    assert set(both(small, large).table["population"]) == {"small"}


def test_what_the_search_for_small_ones_alone_found_beyond_the_middle_stays_as_a_large_one() -> None:
    sizes = (8.0, 24.0)
    small, large = discs((40, 40, 8), (40, 100, 20), (110, 60, 20)), discs((110, 60, 21))
    labels, table = merged(found(small), found(large), sizes)
    assert table["population"][[labels[40, 40], labels[40, 100], labels[110, 60]]].tolist() == ["small", "large", "large"]
    assert len(table) == 3
    far = merged(found(discs((40, 40, 8), (40, 100, 30))), found(discs((110, 60, 24))), sizes)[1]
    assert len(far) == 2  # that search does not answer for 30 px


def test_pieces_of_a_large_one_are_no_small_ones() -> None:
    large = discs((80, 80, 48))
    pieces = np.where(large > 0, 1 + 2 * (np.arange(SIDE)[:, None] > 80) + (np.arange(SIDE) > 80), 0).astype(np.int32)
    particles = both(pieces, large)
    assert particles.table["population"].tolist() == ["large"]


def test_of_two_populations_no_size_is_pooled() -> None:
    measurement = temseg.measure(both(discs((30, 30, 8), (30, 60, 9)), discs((90, 90, 50))))
    with pytest.raises(temseg.TemsegError, match='population="small" or "large"'):
        temseg.size_distribution([measurement])
    assert len(temseg.size_distribution([measurement], population="small")) == 2
    assert temseg.size_distribution([measurement], population="large").quantile(0.5) == pytest.approx(50, rel=0.02)
    with pytest.raises(temseg.TemsegError, match="is of one size"):
        temseg.size_distribution([temseg.measure(discs((30, 30, 8)))], population="small")


def measured(particles: Particles) -> tuple[Particles, temseg.Measurement]:
    return particles, temseg.measure(particles)


def corrected_by(particles: Particles, measurement: temseg.Measurement, patch: Patch) -> tuple[Particles, temseg.Measurement]:
    after = corrected(replace(particles, labels=particles.labels.copy()), patch)
    return after, remeasure(measurement, after, patch)


def test_a_small_one_that_is_deleted_leaves_the_large_one_whole() -> None:
    particles, measurement = measured(both(discs((80, 80, 8), (30, 30, 8)), discs((80, 80, 60))))
    patch = delete(particles.labels, 0, [2], without(particles, 0, [2]))
    after, anew = corrected_by(particles, measurement, patch)
    assert after.table["population"].tolist() == ["large", "small"]
    assert (after.labels == 0).sum() == (particles.labels == 0).sum()
    pd.testing.assert_frame_equal(anew.table, temseg.measure(after).table)
    assert anew.table["ecd_px"][0] == measurement.table["ecd_px"][0]
    back = corrected(replace(after, labels=after.labels.copy()), patch.inverse())
    assert np.array_equal(back.labels, particles.labels)
    assert back.table["population"][2] == "small"


def test_a_particle_that_is_drawn_is_of_the_size_that_it_is_nearer_to() -> None:
    particles, measurement = measured(both(discs((30, 30, 8)), discs((100, 100, 60))))
    after, anew = corrected_by(particles, measurement, redraw(particles.labels, 0, 3, [(10, 100), (10, 110), (20, 110), (20, 100)]))
    assert after.table["population"].tolist() == ["large", "small", "small"]
    later, _ = corrected_by(after, anew, redraw(after.labels, 0, 4, [(60, 10), (60, 60), (110, 60), (110, 10)]))
    assert later.table["population"][4] == "large"
    assert not later.table["cut"].any()


def test_doubts_and_splitting_see_either_population_by_itself() -> None:
    dumbbell = np.minimum(discs((80, 60, 44), (80, 100, 44)), 1).astype(np.int32)
    particles = both(discs((80, 60, 8), (30, 30, 8)), dumbbell)
    config = temseg.SplitConfig()
    assert set(doubts(particles, config).two) == {1}
    patch, whole = split_more(particles, 0, [1, 2], config)
    assert patch is not None
    assert whole == [2]
    after = corrected(replace(particles, labels=particles.labels.copy()), patch)
    assert after.table["population"].tolist() == ["large", "small", "small", "large"]
    assert (after.labels == 2).sum() == (particles.labels == 2).sum()  # what lies on it stays
    assert after.table["cut"].tolist() == [True, False, False, True]


@pytest.mark.parametrize("place", [(0, 80), (159, 80), (80, -4), (80, 163)])
def test_what_the_frame_leaves_of_a_large_particle_is_no_small_one(place: tuple[float, float]) -> None:
    cut = discs((*place, 30.0))
    assert widths(cut)[1] < math.sqrt(SIZES[0] * SIZES[1])  # as much of it as is seen
    assert both(cut, cut).table["population"].tolist() == ["large"]
    small = discs((place[0], place[1] * 0.99, 12.0)) if place[1] == 80 else discs((80, 0.0 if place[1] < 0 else 159.0, 12.0))
    assert both(small, small).table["population"].tolist() == ["small"]
