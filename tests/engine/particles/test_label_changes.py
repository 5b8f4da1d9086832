"""Patches: what they hold, and that they put back what they took."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg import TemsegError
from napari_temseg.engine.particles.label_changes import bounds, difference, new_id, page_of, window_of


def test_the_difference_of_two_planes_is_tight():
    before = np.zeros((40, 40), np.int32)
    before[10:20, 21:30] = 4
    after = before.copy()
    after[7:9, 20:24] = 50
    after[30, 21] = 51
    after[15, 24] = 0
    patch = difference(before, after, 3)
    assert (patch.plane, patch.rows, patch.columns) == (3, slice(7, 31), slice(20, 25))
    assert patch.before.dtype == patch.after.dtype == np.int32
    assert patch.ids().tolist() == [4, 50, 51]
    assert difference(before, before.copy(), 0) is None
    with pytest.raises(TemsegError, match="changed their shape"):
        difference(before, before[1:], 0)


def test_labels_that_merely_lie_in_the_window_are_not_named():
    before = np.zeros((20, 20), np.int32)
    before[5:8, 5:8], before[9, 9], before[12:15, 12:15] = 1, 2, 3
    assert difference(before, np.where(before == 2, 2, 0), 0).ids().tolist() == [1, 3]


@given(seed=st.integers(0, 10_000), top=st.integers(0, 9), left=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_a_patch_makes_and_reverts_its_change_in_planes_and_stacks(seed, top, left):
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 3, (3, 20, 20), dtype=np.int32)
    original = stack.copy()
    changed = stack.copy()
    changed[1, top : top + 9, left : left + 9] = rng.integers(0, 3, (9, 9))
    window = np.s_[top : top + 9, left : left + 9]
    patch = difference(stack[1][window], changed[1][window], 1, (top, left))
    patch.apply(stack)
    assert np.array_equal(stack, changed)
    patch.revert(stack)
    assert np.array_equal(stack, original)
    patch.inverse().revert(stack)
    assert np.array_equal(stack, changed)
    patch.inverse().apply(stack)
    assert np.array_equal(stack, original)


def test_a_patch_keeps_no_hold_of_the_labels_it_came_from():
    before, after = np.zeros((5, 5), np.int32), np.ones((5, 5), np.int32)
    patch = difference(before, after, 0)
    before[:], after[:] = 7, 8
    assert (patch.before == 0).all()
    assert (patch.after == 1).all()


def test_windows_and_free_labels():
    page = np.zeros((20, 30), np.int32)
    page[3:6, 10:12], page[19, 0] = 4, 9
    assert window_of(page, np.array([4])) == np.s_[3:6, 10:12]
    assert window_of(page, np.array([4, 9]), margin=2) == np.s_[1:20, 0:14]
    assert page[window_of(page, np.array([7]), margin=2)].size == 0
    assert page[bounds(page > 99)].size == 0
    assert new_id(page) == 10
    assert new_id(np.zeros((2, 0, 3), np.int32)) == 1


@pytest.mark.parametrize("plane", [-1, 2])
def test_a_plane_that_is_not_there_is_refused(plane):
    stack = np.zeros((2, 5, 5), np.int32)
    assert page_of(stack, 1).base is stack
    with pytest.raises(TemsegError, match=f"no plane {plane}: the particles are on planes 0 to 1"):
        page_of(stack, plane)
