"""Merge, cut, delete, redraw and brush strokes: what they do to pixels, and what they must never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_temseg import TemsegError
from napari_temseg.engine.particles.edits import Patch, cut, delete, difference, fill_traced, merge, new_id, redraw, tidy

EIGHT = np.ones((3, 3), bool)
ANYTHING = settings(max_examples=30, deadline=None)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) < radius


def one_disc(radius: float = 20, size: int = 64, label: int = 1) -> np.ndarray:
    return np.where(disc((size, size), (size / 2, size / 2), radius), label, 0).astype(np.int32)


def packed(seed: int, size: int = 48, n: int = 14) -> np.ndarray:
    """Blobs that touch and do not, in one piece each, numbered with gaps; connected by 8 neighbours."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    y, x = np.indices(labels.shape)
    centres, reach = rng.uniform(0, size, (n, 2)), rng.uniform(4, 9, n)
    apart = np.stack([np.hypot(y - cy, x - cx) / r for (cy, cx), r in zip(centres, reach, strict=True)])
    labels[apart.min(axis=0) < 1] = 3 * (1 + apart.argmin(axis=0)[apart.min(axis=0) < 1])
    patch = tidy(labels, 0, np.unique(labels[labels > 0]))
    if patch:
        patch.apply(labels)
    return labels


def applied(labels: np.ndarray, patch: Patch | None) -> np.ndarray:
    result = labels.copy()
    if patch is not None:
        patch.apply(result)
    return result


def pieces(labels: np.ndarray, number: int) -> int:
    return ndimage.label(labels == number, EIGHT)[1]


def through(labels: np.ndarray, number: int, angle: float) -> np.ndarray:
    """A line through the middle of a particle, right across the picture."""
    middle = np.array(ndimage.center_of_mass(labels == number))
    return middle + 100 * np.array([[-np.sin(angle), -np.cos(angle)], [np.sin(angle), np.cos(angle)]])


# merge


def test_particles_that_touch_become_one_under_the_smallest_number():
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:10], labels[5:15, 10:15], labels[5:15, 15:20], labels[5:15, 20:25] = 9, 4, 7, 2
    patch = merge(labels, 0, [9, 7, 4])
    after = applied(labels, patch)
    assert patch.ids().tolist() == [4, 7, 9]
    assert (after[5:15, 5:20] == 4).all()
    assert (after == 4).sum() == 150
    assert np.array_equal(after == 2, labels == 2)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("angle", [0, 90, 45, 20, 110])
def test_a_watershed_line_closes_without_a_trace(width, angle):
    whole = one_disc(20)
    y, x = np.indices(whole.shape) - 32
    across = x * np.cos(np.radians(angle)) - y * np.sin(np.radians(angle))
    labels = np.where(across < 0, 3 * whole, 8 * whole)
    labels[(across >= -0.5) & (across < width - 0.5)] = 0
    after = applied(labels, merge(labels, 0, [3, 8]))
    assert set(np.unique(after)) == {0, 3}
    assert ((after == 3) & (whole == 0)).sum() == 0  # no bump at the ends of the line
    assert ((after == 0) & (whole == 1)).sum() <= 2  # at most its very last pixels stay open


def test_a_watershed_line_at_the_edge_of_the_picture_closes_too():
    labels = np.zeros((12, 21), np.int32)
    labels[:, :10], labels[:, 11:] = 1, 2
    assert (applied(labels, merge(labels, 0, [1, 2])) == 1).all()


@pytest.mark.parametrize("shift", [(2, 1), (2, 2), (1, 2), (3, 0)])
def test_corners_that_are_near_are_bridged(shift):
    labels = np.zeros((20, 20), np.int32)
    labels[4:8, 4:8] = 1
    labels[7 + shift[0] : 12 + shift[0], 7 + shift[1] : 12 + shift[1]] = 2
    after = applied(labels, merge(labels, 0, [1, 2]))
    assert pieces(after, 1) == 1
    assert (after == 2).sum() == 0


def test_what_lies_between_stays_and_keeps_particles_apart():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 2:8], labels[5:15, 10:16], labels[4:16, 8:10] = 1, 2, 5
    with pytest.raises(TemsegError, match="Particles 1 and 2 do not touch; draw the bridge"):
        merge(labels, 0, [1, 2])
    assert (applied(labels, merge(labels, 0, [1, 2, 5])) == 1).sum() == (labels > 0).sum()


def test_a_chain_merges_and_a_broken_one_does_not():
    labels = np.zeros((10, 60), np.int32)
    for index in range(4):
        labels[2:8, 12 * index : 12 * index + 11] = index + 1
    assert pieces(applied(labels, merge(labels, 0, [1, 2, 3, 4])), 1) == 1
    with pytest.raises(TemsegError, match="Particles 1 and 4 do not touch"):
        merge(labels, 0, [1, 2, 4])


@given(seed=st.integers(0, 10_000), picks=st.integers(2, 4))
@ANYTHING
def test_merging_never_loses_a_pixel_nor_takes_one_from_others(seed, picks):
    labels = packed(seed)
    ids = np.random.default_rng(seed).permutation(np.unique(labels)[1:])[:picks]
    try:
        patch = merge(labels, 0, ids)
    except TemsegError:
        return
    after = applied(labels, patch)
    taken = np.isin(labels, ids)
    assert (after[taken] == ids.min()).all()
    others = (labels > 0) & ~taken
    assert np.array_equal(after[others], labels[others])
    assert pieces(after, ids.min()) == 1
    assert set(patch.ids()) <= set(ids)


# cut


@given(angle=st.floats(0, np.pi), aside=st.floats(-12, 12), radius=st.floats(14, 24))
@ANYTHING
def test_a_line_parts_a_disc_where_it_was_drawn(angle, aside, radius):
    labels = one_disc(radius, label=7)
    normal = np.array([np.cos(angle), -np.sin(angle)])
    line = through(labels, 7, angle) + aside * normal
    after = applied(labels, cut(labels, 0, line))
    y, x = np.indices(labels.shape)
    side = (y - line[0, 0]) * normal[0] + (x - line[0, 1]) * normal[1]
    one, other = ((labels == 7) & (side > 1e-6)).sum(), ((labels == 7) & (side < -1e-6)).sum()
    on_line = (labels == 7).sum() - one - other
    assert (after == 7).sum() + (after == 8).sum() == (labels == 7).sum()
    assert (after == 7).sum() >= (after == 8).sum()
    assert sorted([(after == 7).sum(), (after == 8).sum()]) == pytest.approx(sorted([one, other]), abs=int(on_line) + 4)
    assert pieces(after, 7) == pieces(after, 8) == 1


@given(seed=st.integers(0, 10_000), angle=st.floats(0, np.pi))
@ANYTHING
def test_cutting_conserves_every_area_and_merging_heals_it(seed, angle):
    labels = packed(seed)
    ids = np.unique(labels)[1:]
    number = ids[seed % len(ids)]
    try:
        patch = cut(labels, 0, through(labels, number, angle), [number])
    except TemsegError:
        return
    after = applied(labels, patch)
    assert np.array_equal(after > 0, labels > 0)
    parts = np.unique(after[labels == number])
    assert len(parts) >= 2
    assert number in parts
    assert set(parts) - {number} == set(range(ids.max() + 1, ids.max() + len(parts)))
    assert all(pieces(after, part) == 1 for part in parts)
    assert np.bincount(after[labels == number])[parts].argmax() == np.flatnonzero(parts == number)[0]
    assert np.array_equal(after[labels != number], labels[labels != number])
    healed = applied(after, merge(after, 0, parts))
    assert (healed[labels == number] == number).all()


@pytest.mark.parametrize("reach", [8.5, 9.5, 10.5])
def test_cut_at_the_waist_and_merged_again_a_particle_is_what_it_was(reach):
    labels = np.where(disc((40, 60), (20, 20), reach) | disc((40, 60), (20, 36), reach), 4, 0).astype(np.int32)
    labels[19:22, 26:31] = 4
    parted = applied(labels, cut(labels, 0, [[0, 28.2], [39, 28.2]]))
    assert np.bincount(parted.ravel())[4:].tolist() == [(labels[:, :29] > 0).sum(), (labels[:, 29:] > 0).sum()]
    assert np.array_equal(applied(parted, merge(parted, 0, [4, 5])), labels)


def test_one_line_cuts_all_it_crosses_and_new_numbers_are_free_in_the_whole_stack():
    labels = np.zeros((3, 40, 60), np.int32)
    labels[1, 10:30, 5:15], labels[1, 10:30, 25:35], labels[1, 10:30, 45:55] = 1, 2, 3
    labels[2, 5, 5] = 40
    after = applied(labels, cut(labels, 1, [[19.7, 0], [19.7, 39], [35, 40]]))
    assert np.unique(after).tolist() == [0, 1, 2, 3, 40, 41, 42]
    assert np.bincount(after[1].ravel())[[1, 2, 3, 41, 42]].tolist() == [100, 100, 200, 100, 100]
    assert np.array_equal(after[[0, 2]], labels[[0, 2]])
    only = applied(labels, cut(labels, 1, [[19.7, 0], [19.7, 59]], ids=[3]))
    assert np.unique(only).tolist() == [0, 1, 2, 3, 40, 41]


def test_a_line_that_winds_gives_more_than_two_pieces():
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 5:55] = 1
    after = applied(labels, cut(labels, 0, [[5, 15], [35, 20], [35, 35], [5, 40]]))
    assert set(np.unique(after)) == {0, 1, 2, 3}
    assert (after > 0).sum() == 1000


def test_crumbs_join_their_neighbour():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    labels[4, 9] = labels[3, 9] = 1  # a hair of two pixels that the line cuts off as well
    after = applied(labels, cut(labels, 0, [[4, 0], [4, 19], [10, 19], [10, 0]]))
    assert set(np.unique(after)) == {0, 1, 2}
    assert (np.bincount(after.ravel())[1:] > 10).all()
    assert np.array_equal(after > 0, labels > 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([[0, 0], [3, 60]], "meets no particle"),
        ([[32, 0], [32, 40]], "from side to side"),
        ([[32, 30], [32, 40]], "from side to side"),
        ([[-50, -50], [-60, 90]], "meets no particle"),
        ([[32, 0]], "2 points"),
        ([[32, 5], [32, 5]], "2 points"),
        ([[32, np.nan], [32, 60]], "2 points"),
        ([[1, 2, 3], [1, 2, 3]], "2 points"),
    ],
)
def test_a_line_that_cuts_nothing_says_what_to_do(line, message):
    with pytest.raises(TemsegError, match=message):
        cut(one_disc(), 0, line)


def test_a_particle_of_a_few_pixels_is_not_ground_to_crumbs():
    labels = np.zeros((10, 10), np.int32)
    labels[4:6, 4:7] = 1
    with pytest.raises(TemsegError, match="from side to side"):
        cut(labels, 0, [[0, 5], [9, 5]])


# delete, redraw, brush


def test_deleting_leaves_background():
    labels = packed(1)
    ids = np.unique(labels)[1:3]
    patch = delete(labels, 0, ids)
    after = applied(labels, patch)
    assert np.array_equal(after, np.where(np.isin(labels, ids), 0, labels))
    assert patch.ids().tolist() == ids.tolist()


@pytest.mark.parametrize("act", [delete, merge])
@pytest.mark.parametrize(
    ("ids", "message"), [([], "No particle is picked"), ([1, 99], "no particle 99 on plane 0"), ([0], "no particle 0")]
)
def test_particles_that_are_not_there_are_named(act, ids, message):
    with pytest.raises(TemsegError, match=message):
        act(one_disc(), 0, ids)


def test_a_lone_particle_and_a_plane_that_is_not_there_are_refused():
    with pytest.raises(TemsegError, match="only one particle"):
        merge(one_disc(), 0, [1, 1])
    with pytest.raises(TemsegError, match="no plane 1: the particles are on planes 0 to 0"):
        delete(one_disc(), 1, [1])


def test_a_redrawn_particle_is_its_outline_less_what_others_have():
    labels = np.zeros((2, 40, 40), np.int32)
    labels[1, 10:20, 10:20], labels[1, 10:20, 20:30] = 5, 6
    square = [[14, 2], [14, 24], [34, 24], [34, 2]]
    after = applied(labels, redraw(labels, 1, 5, square))
    inside = np.zeros((40, 40), bool)
    inside[14:35, 2:25] = True
    assert np.array_equal(after[1] == 5, inside & (labels[1] != 6))
    assert np.array_equal(after[1] == 6, labels[1] == 6)
    fresh = applied(labels, redraw(labels, 1, new_id(labels), square))
    assert np.array_equal(fresh[1] == 7, inside & (labels[1] == 0))
    assert np.array_equal(fresh[1] == 5, labels[1] == 5)


def test_an_outline_may_leave_the_picture():
    labels = np.zeros((30, 30), np.int32)
    after = applied(labels, redraw(labels, 0, 1, [[-20, -20], [-20, 9.5], [9.5, 9.5], [9.5, -20]]))
    assert (after == 1).sum() == 100


@pytest.mark.parametrize(
    ("number", "polygon", "message"),
    [
        (1, [[1, 1], [5, 5]], "3 points"),
        (1, [[100, 100], [100, 120], [120, 110]], "no free pixel"),
        (9, [[30, 30], [30, 34], [34, 32]], "no free pixel"),
        (0, [[1, 1], [1, 5], [5, 3]], "not a particle"),
        (2, [[1, 1], [1, 5], [5, 3]], "on another plane"),
    ],
)
def test_outlines_that_make_no_particle(number, polygon, message):
    labels = np.stack([one_disc(), one_disc(label=2)])
    with pytest.raises(TemsegError, match=message):
        redraw(labels, 0, number, polygon)


def test_an_outline_that_changes_nothing_says_so():
    labels = np.zeros((20, 20), np.int32)
    labels[5:11, 5:11] = 1
    with pytest.raises(TemsegError, match="nothing changes"):
        redraw(labels, 0, 1, [[5, 5], [5, 10], [10, 10], [10, 5]])


def test_what_a_traced_outline_encloses_is_the_particle_unless_it_is_meant_to_stay():
    before = np.zeros((40, 40), np.int32)
    before[18:22, 18:22] = 1
    after = before.copy()
    after[10:30, 10:30] = 1
    after[12:28, 12:28] = 0
    after[18:22, 18:22] = 2  # what it was before, parted from the outline
    patch = fill_traced(after, 0, 1, before)
    patch.apply(after)
    assert (after[10:30, 10:30] == 1).all()
    assert (after > 0).sum() == 400
    patch.revert(after)
    rubbed, out = np.zeros((40, 40), bool), np.ones((40, 40), bool)
    rubbed[14, 14], out[14, 14] = True, False
    assert fill_traced(after, 0, 1, before, rubbed) is None
    assert fill_traced(after, 0, 1, before, valid=out) is None
    another = np.where(after == 2, 2, before)  # particle 2 was there before: the gap is between two
    assert fill_traced(after, 0, 1, another) is None
    holed = before.copy()
    holed[19, 19] = 0
    assert fill_traced(after, 0, 1, holed) is None
    assert fill_traced(before, 0, 1, before) is None
    assert fill_traced(before, 0, 5, before) is None


def test_tidying_what_a_brush_left():
    labels = np.zeros((2, 30, 30), np.int32)
    labels[0, 2:12, 2:12], labels[0, 2:12, 15:20], labels[0, 15:17, 2:4], labels[0, 20, 20:23] = 4, 4, 4, 4  # 100, 50, 4 and 3 px
    labels[0, 25, 25] = 6
    labels[1, 3:5, 3:5] = 11
    patch = tidy(labels, 0, [4, 6, 99])
    after = applied(labels, patch)
    assert np.bincount(after.ravel())[[4, 6, 11, 12, 13]].tolist() == [100, 1, 4, 50, 4]
    assert (after > 0).sum() == (labels > 0).sum() - 3
    assert tidy(after, 0, np.unique(after)) is None
    assert tidy(after, 0, []) is None


# patches


def corrections(labels: np.ndarray, rng: np.random.Generator) -> list:
    ids = np.unique(labels)[1:]
    one = rng.choice(ids)
    painted = labels.copy()
    painted[disc(labels.shape, rng.uniform(0, labels.shape[0], 2), 6)] = rng.choice([0, one])
    corners = rng.uniform(-5, labels.shape[0] + 5, (5, 2))
    return [
        lambda: merge(labels, 0, rng.permutation(ids)[:2]),
        lambda: cut(labels, 0, through(labels, one, rng.uniform(0, np.pi))),
        lambda: delete(labels, 0, rng.permutation(ids)[:2]),
        lambda: redraw(labels, 0, one, corners),
        lambda: redraw(labels, 0, new_id(labels), corners),
        lambda: difference(labels, painted, 0),
        lambda: tidy(painted, 0, ids),
    ]


@given(seed=st.integers(0, 10_000), kind=st.integers(0, 6))
@ANYTHING
def test_every_correction_can_be_taken_back_and_touches_nothing_itself(seed, kind):
    labels = packed(seed)
    act = corrections(labels, np.random.default_rng(seed))[kind]
    original = labels.copy()
    try:
        patch = act()
    except TemsegError:
        patch = None
    assert np.array_equal(labels, original)
    if patch is None or kind == 6:
        return
    stack = np.stack([np.zeros_like(labels), labels])
    Patch(1, patch.rows, patch.columns, patch.before, patch.after).apply(stack)
    patch.apply(labels)
    assert np.array_equal(stack[1], labels)
    assert set(patch.ids()) == set(np.unique([original[original != labels], labels[original != labels]])) - {0}
    again = labels.copy()
    patch.inverse().apply(again)
    patch.revert(labels)
    assert np.array_equal(labels, original)
    assert np.array_equal(again, original)
    assert patch.before.dtype == patch.after.dtype == np.int32
