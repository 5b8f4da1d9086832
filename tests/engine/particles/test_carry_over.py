"""What was corrected by hand holds for the particles of a new search where these match, and is named where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg import TemsegError
from napari_temseg.engine.particles.carry_over import Corrections, Unmatched, as_found, carry_over
from napari_temseg.engine.particles.edits import cut, delete, merge


def discs(*places: tuple[int, int, int], size: int = 120) -> np.ndarray:
    """Labels 1… of discs (y, x, radius)."""
    labels = np.zeros((size, size), np.int32)
    y, x = np.indices(labels.shape)
    for number, (cy, cx, radius) in enumerate(places, 1):
        labels[np.hypot(y - cy, x - cx) <= radius] = number
    return labels


PAIR, ALONE, OTHER = (30, 40, 12), (80, 80, 10), (90, 25, 9)


def applied(fresh: np.ndarray, carried: object) -> np.ndarray:
    after = fresh.copy()
    for patch in carried.patches:
        patch.apply(after)
    return after


def split_by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Found as three particles, of which the first was then cut down the middle."""
    found = discs(PAIR, ALONE, OTHER)
    labels = found.copy()
    cut(labels, 0, [(30, 20), (30, 60)], [1]).apply(labels)
    return found, labels


def test_a_split_is_carried_over_to_outlines_that_moved_a_little() -> None:
    found, labels = split_by_hand()
    fresh = discs((31, 40, 13), (80, 81, 10), OTHER)
    carried = carry_over(Corrections(labels, {0: found}), fresh)
    after = applied(fresh, carried)
    assert len(np.unique(after)) == 5
    np.testing.assert_array_equal(after == 2, fresh == 2)
    pieces = {int(number) for number in np.unique(after[labels == 1]) if number}
    assert len(pieces) == 1
    assert carried.taken == 2
    assert not carried.clashing


def test_a_merge_and_a_deletion_are_carried_over() -> None:
    found = discs((30, 30, 12), (30, 55, 13), ALONE, OTHER)
    labels = found.copy()
    merge(labels, 0, [1, 2]).apply(labels)
    delete(labels, 0, [3]).apply(labels)
    fresh = discs((30, 31, 12), (30, 55, 12), (81, 80, 9), OTHER)
    after = applied(fresh, carry_over(Corrections(labels, {0: found}), fresh))
    assert len(np.unique(after[fresh < 3])) == 2  # background and the one merged
    assert not after[fresh == 3].any()
    np.testing.assert_array_equal(after == 4, fresh == 4)


def test_a_particle_drawn_by_hand_is_there_though_the_search_misses_it() -> None:
    found = discs(PAIR)
    labels = discs(PAIR, ALONE)
    after = applied(found, carry_over(Corrections(labels, {0: found}), found))
    np.testing.assert_array_equal(after > 0, labels > 0)


def test_outlines_by_hand_that_do_not_match_stay_until_somebody_takes_what_was_found() -> None:
    found, labels = split_by_hand()
    fresh = discs((38, 40, 32), (80, 81, 10), OTHER)  # something much larger lies there now
    carried = carry_over(Corrections(labels, {0: found}), fresh)
    assert carried.clashing == {1, 4}
    after = applied(fresh, carried)
    assert not (after == 1).any()
    np.testing.assert_array_equal(np.isin(after, (4, 5)), np.isin(labels, (1, 4)))
    assert len(np.unique(after)) == 5
    assert carried.unmatched == Unmatched(2, frozenset({4, 5}), frozenset({1}))
    patches, pages = as_found(after, {0: fresh}, carried.unmatched)
    for patch in patches:
        patch.apply(after)
    np.testing.assert_array_equal(after, fresh)
    np.testing.assert_array_equal(pages[0], fresh)


def test_what_was_found_comes_back_round_what_was_drawn_since_under_a_label_that_is_free() -> None:
    found, labels = split_by_hand()
    fresh = discs((38, 40, 32), (80, 81, 10), OTHER)
    carried = carry_over(Corrections(labels, {0: found}), fresh)
    after = applied(fresh, carried)
    after[after == 4] = 6  # drawn anew
    after[110:118, 60:70] = 1  # the label of what was displaced is another's by now
    drawn = after == 1
    patches, pages = as_found(after, {0: fresh}, carried.unmatched)
    for patch in patches:
        patch.apply(after)
    np.testing.assert_array_equal(after == 1, drawn)
    np.testing.assert_array_equal(pages[0] > 0, fresh > 0)
    whole = int(after[38, 40])
    assert whole > 6
    np.testing.assert_array_equal(after == whole, fresh == 1)


def test_another_thing_where_something_was_deleted_or_excluded_is_there_and_named() -> None:
    found = discs((30, 40, 6), (80, 80, 6), OTHER)
    labels = found.copy()
    delete(labels, 0, [1]).apply(labels)
    fresh = discs((30, 40, 25), (80, 80, 20), OTHER)
    carried = carry_over(Corrections(labels, {0: found}, {2: "damaged"}), fresh)
    np.testing.assert_array_equal(applied(fresh, carried), fresh)
    assert carried.unmatched == Unmatched(0, met={1: "", 2: "damaged"})


def test_exclusions_and_reviews_go_to_the_particle_of_the_same_place() -> None:
    found = discs(PAIR, ALONE, OTHER)
    fresh = discs(OTHER, (30, 41, 13), ALONE)
    carried = carry_over(Corrections(found, {}, {2: "damaged"}, [1, 2]), fresh)
    assert not carried.patches
    assert carried.excluded == {3: "damaged"}
    assert sorted(carried.reviewed) == [2, 3]


def test_an_exclusion_without_its_particle_is_dropped_and_one_that_became_another_is_named() -> None:
    found = discs(PAIR, ALONE)
    assert not carry_over(Corrections(found, {}, {2: "damaged"}), discs(PAIR)).clashing
    larger = discs(PAIR, (80, 80, 30))
    assert carry_over(Corrections(found, {}, {2: "damaged"}), larger).clashing == {2}


def test_every_piece_of_what_was_excluded_is_excluded() -> None:
    found = discs(ALONE, (40, 40, 20))
    fresh = discs(ALONE, (40, 40, 20))
    fresh[(fresh == 2) & (np.indices(fresh.shape)[1] > 50)] = 3  # two thirds and more of it stay one piece
    carried = carry_over(Corrections(found, {}, {2: "overlapping"}), fresh)
    assert not carried.patches
    assert carried.excluded == {2: "overlapping", 3: "overlapping"}


def test_after_a_restart_a_reviewed_split_is_known_as_one() -> None:
    found, labels = split_by_hand()
    carried = carry_over(Corrections(labels, None, {}, [1, 2, 3, 4]), found)
    assert len(np.unique(applied(found, carried))) == 5


def test_labels_of_a_stack_stay_unique_and_each_on_its_plane() -> None:
    found, labels = split_by_hand()
    second = np.where(found > 0, found + 4, 0)
    hand = Corrections(np.stack([labels, second]), {0: found})
    fresh = np.stack([found, np.where(found > 0, found + 3, 0)])
    after = applied(fresh, carry_over(hand, fresh))
    first, other = ({*np.unique(plane)} - {0} for plane in after)
    assert len(first) == 4
    assert len(other) == 3
    assert not first & other


def test_nothing_by_hand_leaves_everything_as_it_is() -> None:
    found = discs(PAIR, ALONE)
    carried = carry_over(Corrections(found, {}), discs((50, 50, 20)))
    assert (carried.patches, carried.taken, carried.clashing) == ([], 0, set())


def test_another_shape_is_refused() -> None:
    with pytest.raises(TemsegError, match="cannot be carried over"):
        carry_over(Corrections(discs(PAIR), None), discs(PAIR, size=60))
