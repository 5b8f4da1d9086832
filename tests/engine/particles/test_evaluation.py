from __future__ import annotations

import math
import warnings

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from napari_temseg.engine.particles.evaluation import INVENTED, MERGED, MISSED, SPLIT, class_scores, evaluate, mean_score, mistakes
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles

label_images = hnp.arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 6))


def row(*runs: tuple[int, int]) -> np.ndarray:
    """One line of pixels from (label, length) runs."""
    return np.concatenate([np.full(length, label, np.int32) for label, length in runs])[None]


def ecd(area: float) -> float:
    return math.sqrt(4 * area / math.pi)


def test_three_true_and_three_found_worked_by_hand():
    # True: A = px 0–9, B = px 12–15, C = px 18–19. Found: 1 = px 0–7, 2 = px 12–17, 3 = px 22–23.
    truth = row((1, 10), (0, 2), (2, 4), (0, 2), (3, 2), (0, 4))
    found = row((1, 8), (0, 4), (2, 6), (0, 4), (3, 2))
    score = evaluate(found, truth)
    # Pairs: 1–A 8/10 = 0.8; 2–B 4/6 = 0.667; 3 and C have no partner.
    assert score.iou == pytest.approx(12 / (16 + 16 - 12))
    assert score.dice == pytest.approx(2 * 12 / 32)
    assert score.ap50 == pytest.approx(2 / 4)
    assert score.ap75 == pytest.approx(1 / 5)
    assert score.sq == pytest.approx((0.8 + 2 / 3) / 2)
    assert score.rq == pytest.approx(2 / (2 + 0.5 + 0.5))
    assert score.pq == pytest.approx(score.sq * score.rq)
    assert (score.n_found, score.n_true, score.count_error) == (3, 3, 0)
    found_mean, true_mean = (ecd(8) + ecd(6) + ecd(2)) / 3, (ecd(10) + ecd(4) + ecd(2)) / 3
    assert score.mean_diameter_error == pytest.approx(found_mean / true_mean - 1)
    assert score.matched_diameter_error == pytest.approx((math.sqrt(8 / 10) + math.sqrt(6 / 4)) / 2 - 1)


def test_two_welded_particles_are_one_error_of_each_kind():
    truth, found = row((1, 6), (2, 5)), row((1, 11))
    score = evaluate(found, truth)
    assert score.iou == 1
    assert score.ap50 == pytest.approx(1 / 2)  # 6/11 > 0.5 is a match, the second is missed
    assert score.pq == pytest.approx(6 / 11 / 1.5)
    assert score.count_error == pytest.approx(-0.5)


def test_exactly_half_counts_for_ap50_once_and_not_for_pq():
    truth, found = row((1, 10)), row((1, 5), (2, 5))
    score = evaluate(found, truth)
    assert score.ap50 == pytest.approx(1 / 2)  # one match, one false positive: the truth is matched only once
    assert score.pq == 0
    assert score.matched_diameter_error is None


def test_half_overlaps_are_matched_one_to_one_as_well_as_possible():
    # 1 could take either half of its neighbours; the best assignment matches both.
    truth, found = row((1, 4), (2, 4)), row((1, 2), (2, 6))
    score = evaluate(found, truth)  # 1–A 2/4, 2–A 2/8, 2–B 4/6
    assert score.ap50 == 1


@pytest.mark.parametrize(
    ("found", "truth", "quality", "count_error", "diameter_error"),
    [
        (row((0, 4)), row((0, 4)), 1.0, 0.0, 0.0),
        (row((0, 4)), row((1, 4)), 0.0, -1.0, None),
        (row((1, 4)), row((0, 4)), 0.0, None, None),
    ],
)
def test_empty_sides_are_defined(found, truth, quality, count_error, diameter_error):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = evaluate(found, truth)
    for name in ("iou", "dice", "ap50", "ap75", "pq", "sq", "rq"):
        assert getattr(score, name) == quality
    assert score.count_error == count_error
    assert score.mean_diameter_error == score.matched_diameter_error == diameter_error


@given(label_images)
@settings(max_examples=30, deadline=None)
def test_a_result_against_itself_is_perfect(labels):
    score = evaluate(labels, labels)
    assert (score.iou, score.dice, score.ap50, score.ap75, score.pq) == (1, 1, 1, 1, 1)
    assert score.count_error == score.mean_diameter_error == score.matched_diameter_error == 0


@given(st.data(), label_images, st.permutations(range(1, 7)))
@settings(max_examples=30, deadline=None)
def test_label_numbers_do_not_matter(data, truth, order):
    found = data.draw(hnp.arrays(np.int32, truth.shape, elements=st.integers(0, 6)))
    renamed = np.array([0, *(1_000_000_000 * n for n in order)], np.int64)[found]
    expected, actual = evaluate(found, truth).to_dict(), evaluate(renamed, truth).to_dict()
    assert actual == pytest.approx(expected)


@given(st.data(), label_images)
@settings(max_examples=30, deadline=None)
def test_figures_stay_in_their_range_and_swap_fairly(data, truth):
    found = data.draw(hnp.arrays(np.int32, truth.shape, elements=st.integers(0, 6)))
    one, other = evaluate(found, truth), evaluate(truth, found)
    for name in ("iou", "dice", "ap50", "ap75", "pq", "sq", "rq"):
        assert 0 <= getattr(one, name) <= 1
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert one.ap75 <= one.ap50


def test_stack_labels_may_start_anew_in_each_plane():
    plane = row((1, 4), (0, 2), (2, 4))
    anew, unique = np.stack([plane, plane]), np.stack([plane, plane + np.where(plane > 0, 2, 0)])
    score = evaluate(anew, unique)
    assert (score.n_found, score.n_true, score.ap75, score.pq) == (4, 4, 1, 1)


def test_particles_are_taken_as_their_labels():
    labels = row((1, 4), (0, 2), (2, 4))
    particles = Particles(labels, pd.DataFrame(index=[1, 2]), Micrograph(np.zeros(labels.shape)))
    assert evaluate(particles, labels) == evaluate(labels, particles) == evaluate(labels, labels)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros((3, 4), int), "same size"),
        (np.zeros((4, 4), float), "float64"),
        (np.zeros((4, 4), bool), "skimage.measure.label"),
        (np.full((4, 4), -1), "negative"),
        (np.zeros(4, int), "(Y, X)"),
    ],
)
def test_bad_input_says_what_to_do(found, message):
    with pytest.raises(TemsegError) as error:
        evaluate(found, np.zeros((4, 4), int))
    assert message in str(error.value)


def test_mean_score_counts_what_was_not_found():
    good, nothing = evaluate(row((1, 4)), row((1, 4))), evaluate(row((0, 4)), row((1, 4)))
    summary = mean_score([good, nothing, nothing])
    assert summary["images"] == 3
    assert summary["ap50"] == pytest.approx(1 / 3)
    assert (summary["n_found"], summary["n_true"]) == (1, 3)
    assert summary["median_abs_mean_diameter_error"] == 1
    with pytest.raises(TemsegError):
        mean_score([])


def test_class_scores_worked_by_hand():
    truth = np.array([[0, 0, 1, 1, 2, 2, 2, 3]])
    found = np.array([[2, 1, 1, 2, 2, 2, 1, 1]])
    scores = class_scores(found, truth)
    assert set(scores) == {1, 2, 3}
    assert (scores[1].iou, scores[1].dice, scores[1].pixels) == (1 / 4, 2 / 5, 2)
    assert (scores[2].iou, scores[2].dice, scores[2].pixels) == (2 / 4, 4 / 6, 3)
    assert (scores[3].iou, scores[3].dice, scores[3].pixels) == (0, 0, 1)


def test_class_scores_refuse_other_shapes():
    with pytest.raises(TemsegError, match="same size"):
        class_scores(np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_mistakes_are_told_by_kind():
    truth = row((1, 4), (0, 2), (2, 3), (3, 3), (0, 2), (4, 6), (0, 2), (5, 4))
    found = row((1, 5), (0, 1), (2, 6), (0, 2), (3, 3), (4, 3), (0, 2), (0, 2), (0, 2))
    kinds = mistakes(found, truth).ravel().tolist()
    assert kinds[:6] == [0, 0, 0, 0, INVENTED, 0]
    assert kinds[6:12] == [MERGED] * 6
    assert kinds[12:20] == [0, 0, *[SPLIT] * 6]
    assert kinds[20:] == [0, 0, *[MISSED] * 4]
    assert mistakes(np.zeros((3, 3), int), np.zeros((3, 3), int)).max() == 0
    with pytest.raises(TemsegError, match="same size"):
        mistakes(np.zeros((2, 2), int), np.zeros((2, 3), int))
