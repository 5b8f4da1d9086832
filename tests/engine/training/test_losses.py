"""Losses by hand: two pixels, known probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.training.losses import drawn_depth, held, maps, supervised


def logits_of(*foreground: float) -> torch.Tensor:
    """(1, 2, 1, N) with the given probabilities of the foreground."""
    p = torch.tensor(foreground)
    return torch.stack([torch.zeros_like(p), torch.log(p / (1 - p))])[None, :, None]


def labels_of(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)[None, None]


def test_cross_entropy_of_one_pixel_each():
    value = supervised(logits_of(0.8, 0.4), labels_of(2, 1), "cross-entropy")
    assert float(value) == pytest.approx((-math.log(0.8) - math.log(0.6)) / 2)


def test_the_rare_class_counts_by_the_root_of_its_share():
    value = supervised(logits_of(0.8, 0.4, 0.4, 0.4, 0.4), labels_of(2, 1, 1, 1, 1), "cross-entropy")
    assert float(value) == pytest.approx((-math.log(0.8) * 1 - math.log(0.6) * 4 * 0.5) / (1 + 4 * 0.5))


def test_focal_is_cross_entropy_times_what_is_missing_squared():
    value = supervised(logits_of(0.8, 0.4), labels_of(2, 1), "focal")
    assert float(value) == pytest.approx((-math.log(0.8) * 0.2**2 - math.log(0.6) * 0.4**2) / 2)


def test_dice_of_two_pixels():
    value = supervised(logits_of(0.8, 0.4), labels_of(2, 1), "dice")
    assert float(value) == pytest.approx(1 - (2 * 0.8 + 1) / (0.8 + 0.4 + 1 + 1))


def test_sums_are_sums():
    logits, labels = logits_of(0.8, 0.4, 0.9), labels_of(2, 1, 0)
    for pair in ("cross-entropy+dice", "focal+dice"):
        parts = sum(float(supervised(logits, labels, kind)) for kind in pair.split("+"))
        assert float(supervised(logits, labels, pair)) == pytest.approx(parts)


KINDS = st.sampled_from(["cross-entropy", "focal", "dice", "cross-entropy+dice", "focal+dice"])


@settings(max_examples=25, deadline=None)
@given(KINDS, st.integers(0, 1000), st.integers(2, 4))
def test_unlabelled_pixels_neither_count_nor_learn(kind, seed, classes):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 5, 5, generator=draw, requires_grad=True)
    labels = torch.randint(0, classes + 1, (2, 5, 5), generator=draw)
    value = supervised(logits, labels, kind)
    value.backward()
    free = (labels == 0)[:, None].expand_as(logits)
    assert value.isfinite()
    assert value >= 0
    assert (logits.grad[free] == 0).all()
    other = torch.where(free, torch.full_like(logits, 7.0), logits)
    assert torch.allclose(supervised(other, labels, kind), value)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 20))
def test_dice_lies_between_nought_and_one(seed, sharpness):
    draw = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(1, 3, 6, 6, generator=draw)
    labels = torch.randint(0, 4, (1, 6, 6), generator=draw)
    assert 0 <= float(supervised(logits, labels, "dice")) <= 1


def test_nothing_labelled_is_nought_and_can_be_differentiated():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    value = supervised(logits, torch.zeros(1, 3, 3, dtype=torch.long), "cross-entropy+dice")
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("added", [0, 2])
def test_holding_is_least_where_the_student_agrees_with_the_start(added):
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(1, 3, 4, 4, generator=draw).softmax(1)
    student = start.log()
    if added:  # a new class may take from any foreground class, never from the background
        student = torch.cat([student, student[:, 1:2].expand(-1, added, -1, -1)], 1)
        student = torch.cat([start[:, :1].log(), (student[:, 1:].softmax(1) * (1 - start[:, :1])).log()], 1)
    student.requires_grad_(True)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    best = held(student, start, labels)
    best.backward()
    assert student.grad.abs().max() < 1e-6
    for _ in range(10):
        other = student.detach() + 0.3 * torch.randn(student.shape, generator=draw)
        assert held(other, start, labels) > best


def test_holding_by_hand_and_only_where_nobody_labelled():
    start = torch.tensor([0.25, 0.75])[None, :, None, None].expand(1, 2, 1, 2)
    value = held(logits_of(0.5, 0.01), start, labels_of(0, 2))
    assert float(value) == pytest.approx(math.log(2))
    assert held(logits_of(0.5, 0.5), start, labels_of(1, 2)) == 0


def test_maps_by_hand():
    raw = torch.zeros(1, 1, 1, 2)  # probability 1/2 everywhere: log 2 whatever the target
    target, known = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert float(maps(raw, target, known, None)) == pytest.approx(math.log(2))
    sure = torch.tensor([[[[20.0, 20.0]]]])
    assert float(maps(sure, target, known, None)) == pytest.approx(0, abs=1e-6)  # the second is not known
    assert float(maps(sure, target, known, torch.zeros(1, 1, 1, 2))) == pytest.approx(10, rel=1e-3)  # the start says 0 there
    assert maps(sure, target, torch.zeros_like(known), None) == 0
    assert float(maps(sure, target, known, torch.zeros(1, 1, 1, 2), asked=torch.zeros_like(known))) == pytest.approx(0, abs=1e-6)


def test_maps_of_several_outputs_average():
    raw = torch.zeros(2, 3, 4, 4)
    target, known = torch.rand(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert float(maps(raw, target, known, None)) == pytest.approx(math.log(2))
    assert float(maps(raw, target, known, torch.rand(2, 3, 4, 4))) == pytest.approx(math.log(2))


def test_strokes_say_where_there_is_depth_and_where_there_is_none():
    start = torch.full((1, 1, 1, 3), 0.2)
    labels = torch.tensor([[[0, 1, 2]]])
    torch.testing.assert_close(drawn_depth(start, labels), torch.tensor([[[[0.2, 0.0, 0.6]]]]))
    deep = torch.full((1, 1, 1, 3), 0.9)
    torch.testing.assert_close(drawn_depth(deep, labels), torch.tensor([[[[0.9, 0.0, 0.9]]]]))
