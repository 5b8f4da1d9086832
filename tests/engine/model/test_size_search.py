from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.model.size_search import (
    FAR_SIZE,
    MANY_SHARE,
    OFF_BY,
    RIVAL_SHARE,
    SEARCH_PIXELS,
    SECOND_SHARE,
    SIZE_STEP,
    Evidence,
    chosen,
    deciding,
    evidence,
    sizes,
    smaller_too,
    windows,
)
from napari_temseg.engine.types.results import SizeCandidate

WORKING = 22.0


def answer(diameters: list[float], side: int = 400, scale: float = 1.0) -> np.ndarray:
    """Raw output of a network that sees discs of these diameters (picture px) in a picture of `side` px, at `scale`."""
    n = round(side * scale)
    y, x = (np.mgrid[:n, :n] + 0.5) / scale
    depth = np.zeros((n, n))
    pitch = side / math.ceil(math.sqrt(len(diameters)))
    for index, diameter in enumerate(diameters):
        row, column = divmod(index, math.ceil(math.sqrt(len(diameters))))
        distance = np.hypot(y - (row + 0.5) * pitch, x - (column + 0.5) * pitch)
        depth = np.maximum(depth, 1 - distance / (diameter / 2))
    raw = np.stack([np.where(depth > 0, 6.0, -6.0), np.log(np.clip(depth, 1e-3, 0.999) / (1 - np.clip(depth, 1e-3, 0.999)))])
    return raw[None].astype(np.float32)


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 5000), st.integers(8, 5000))
def test_sizes_cover_the_picture_coarse_first(height: int, width: int) -> None:
    tried = sizes((height, width))
    assert tried
    assert all(math.isclose(a / b, SIZE_STEP) for a, b in itertools.pairwise(tried))
    assert tried[0] == pytest.approx(max(5.0, 0.95 * min(height, width)))
    assert 5.0 <= tried[-1] < 5.0 * SIZE_STEP


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 6000), st.integers(8, 6000), st.floats(0.03, 4.4))
def test_windows_lie_in_the_picture_and_cost_what_they_may(height: int, width: int, scale: float) -> None:
    places = windows((height, width), scale)
    assert all(0 <= y.start < y.stop <= height and 0 <= x.start < x.stop <= width for y, x in places)
    assert sum((y.stop - y.start) * (x.stop - x.start) for y, x in places) * scale**2 <= 1.001 * SEARCH_PIXELS or len(places) == 1


def test_a_size_that_is_there_has_evidence_and_others_have_none() -> None:
    raw = answer([20.0] * 25)
    near, far = evidence(20.0, 1.0, [(raw, None)], 400**2), evidence(100.0, 1.0, [(raw, None)], 400**2)
    assert near.count == 25
    assert near.found == pytest.approx(20.0, rel=0.1)
    assert near.weight > 0
    assert far == Evidence(100.0)


def test_what_is_not_valid_does_not_count() -> None:
    raw, valid = answer([20.0] * 25), np.ones((400, 400), bool)
    valid[160:] = False
    assert evidence(20.0, 1.0, [(raw, valid)], 400**2).count == 10


def test_the_best_is_taken_and_a_rival_far_from_it_is_named() -> None:
    small = Evidence(10, 280, 12.0, sure=0.9, purity=0.9, cover=0.1, explained=0.9)
    large = Evidence(10 * FAR_SIZE, 3, 35.0, sure=0.9, purity=0.9, cover=0.3, explained=0.9)
    near = Evidence(16, 90, 15.0, sure=0.9, purity=0.9, cover=0.1, explained=0.9)
    assert small.weight > near.weight > RIVAL_SHARE * small.weight < large.weight < small.weight
    assert chosen([small, near], WORKING) == (12.0, ())
    size, candidates = chosen([large, small, near], WORKING)
    assert size == 12.0
    assert [(each.size, each.count) for each in candidates] == [(12.0, 280), (35.0, 3)]
    assert chosen([Evidence(10), Evidence(16)], WORKING) == (WORKING, ())


def test_one_or_two_of_a_size_are_no_population_unless_both_are_asked_for() -> None:
    many = Evidence(14, 71, 11.2, sure=0.69, purity=0.74, cover=0.009, explained=0.39)
    one = Evidence(148, 1, 131.2, sure=0.61, purity=1.0, cover=0.013, explained=0.52)
    assert one.weight >= RIVAL_SHARE * many.weight
    assert chosen([one, many], WORKING) == (11.2, ())
    assert [each.count for each in chosen([one, many], WORKING, SECOND_SHARE)[1]] == [71, 1]


def test_many_smaller_ones_are_named_with_less_evidence_and_few_are_not() -> None:
    large = Evidence(90, count=13, found=88.0, sure=0.8, purity=0.8, cover=0.2, explained=0.8)
    many = Evidence(9, count=46, found=8.6, sure=0.73, purity=0.6, cover=0.1, explained=0.8)
    few = replace(many, count=15)
    assert MANY_SHARE < few.weight / large.weight < many.weight / large.weight < RIVAL_SHARE
    assert [each.count for each in chosen([large, many], WORKING)[1]] == [46, 13]
    assert chosen([large, few], WORKING)[1] == ()


def test_smaller_ones_about_as_many_are_named_where_they_are_no_specks() -> None:
    large = Evidence(100, 89, 101.0, sure=0.69, purity=0.8, cover=0.5, explained=0.9)
    small = Evidence(36, 104, 38.0, sure=0.69, purity=0.55, cover=0.1, explained=0.2)
    assert 0.06 < small.weight / large.weight < RIVAL_SHARE
    assert chosen([large, small], WORKING) == (101.0, ())
    assert smaller_too([large, small]) == SizeCandidate(38.0, 104)
    assert smaller_too([large]) is None
    assert smaller_too([large, replace(small, count=60)]) is None, "fewer than the others"
    assert smaller_too([large, replace(small, purity=0.1)]) is None, "hardly any evidence"
    assert smaller_too([large, replace(small, size=60)]) is None, "found with the others"
    assert smaller_too([large, replace(small, size=15)]) is None, "another thing"
    assert smaller_too([replace(large, size=36), replace(small, size=14)]) is None, "the texture of a surface looks like it"


def test_what_is_nearly_the_best_or_nearly_a_rival_decides() -> None:
    best = Evidence(10, 280, 12.0, sure=0.9, purity=0.9, cover=0.1, explained=0.9)

    def like(size: float, share: float) -> Evidence:
        """Of another size, with `share` of the best evidence."""
        return replace(best, size=size, purity=best.purity * share**0.5)

    just, short = 1.01 / OFF_BY, 0.99 / OFF_BY
    far = 10 * FAR_SIZE
    sure = [1.0, OFF_BY, OFF_BY]
    assert deciding([best, like(16, just), like(far, RIVAL_SHARE * just)], RIVAL_SHARE, sure) == [0, 1, 2]
    assert deciding([best, like(16, short), like(far, RIVAL_SHARE * short)], RIVAL_SHARE, sure) == [0]
    assert deciding([best, like(16, just)], RIVAL_SHARE, [1.0, 1.0]) == [0]
    assert deciding([Evidence(10), Evidence(16)], RIVAL_SHARE, [1.0, 1.0]) == [0, 1]
