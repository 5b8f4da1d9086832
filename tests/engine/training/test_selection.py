"""The end of a training: what of it is kept."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_temseg import Annotations, TrainConfig
from napari_temseg.engine.training import selection, validation
from napari_temseg.engine.training.kept import stroke_worth
from napari_temseg.engine.training.loop import begun
from napari_temseg.engine.training.state import TrainingCourse
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.progress import Job

CONFIG = TrainConfig(max_seconds=1e5, crop=64, batch=2, learning_rate=5e-3, device="cpu", precision="float32")


def drained(steps: Generator[Any, None, Any]) -> Any:
    return Job(lambda _: steps).drain()


@pytest.mark.parametrize("seed", [0, 1])
def test_best_and_last_of_a_new_decoder_are_compared_on_all_that_is_held_out(discs, monkeypatch, seed):
    monkeypatch.setattr(validation, "VALIDATION_WINDOW", 64)
    task = TrainingTask(Annotations.collect(*discs(128, 160), meaning="instances"), None, replace(CONFIG, seed=seed))
    run, _ = Job(lambda control: begun(task, None, control)).drain()
    everything = run.data.split.validation
    assert len(everything) > 1
    data = run.data = replace(run.data, split=replace(run.data.split, validation=everything[:1]))  # the curves see one window
    learner, course, iou = run.learner, run.course, {}
    drained(run.first_point())
    for _ in range(2):
        drained(run.trial(1e5, 4))
        iou[course.steps] = drained(learner.evaluate(everything))["validation_iou"]
        if course.steps == 4:
            best = learner.tensors()
    course.best, course.best_step = best, 4  # whatever the one window says
    before = (dict(course.best), course.best_step, course.best_score, list(course.notes), learner.model.scales)
    kept = drained(selection.select(learner, course, data))
    assert kept.step == (8 if iou[8] >= iou[4] else 4)
    learner.load(kept.tensors)
    assert drained(learner.evaluate(everything))["validation_iou"] == pytest.approx(max(iou.values()))
    # it decides and changes nothing but what is in the network
    assert all(torch.equal(tensor, course.best[name]) for name, tensor in before[0].items())
    assert before[1:] == (course.best_step, course.best_score, course.notes, learner.model.scales)


@pytest.mark.parametrize(
    ("ious", "before", "words"),
    [
        ([0.5, 0.6, 0.7], True, "best so far at step 20, by labels that it is not shown (IoU 0.700, at the start 0.500)"),
        ([0.5, 0.6], False, "best so far at step 10, by labels that it is not shown (IoU 0.600)"),
        ([0.9, 0.5, 0.6], False, "best so far at step 20"),
        ([0.971, 0.951], True, "no better yet, by labels that it is not shown (IoU 0.951, at the start 0.971)"),
        ([0.7, 0.75, 0.7], True, "no better yet"),
        ([0.5, 0.7, 0.68], True, "better than at the start"),
    ],
)
def test_only_what_is_better_is_called_the_best_so_far_and_nothing_is_promised(ious, before, words):
    course = TrainingCourse({})
    course.curve = [{"step": 10.0 * index, "validation_iou": iou} for index, iou in enumerate(ious)]
    course.best_step = 10 * (len(ious) - 1)
    told = selection.standing(course, before=before)
    assert told.startswith(words)
    assert told.endswith("; whether it is kept is checked at the end")


def test_a_stroke_on_a_particle_that_the_model_before_finds_is_right_already():
    strokes, before = np.zeros((20, 20), np.uint8), np.ones((20, 20), np.uint8)
    strokes[2, 2:12] = 1
    strokes[8, 2:12], before[8, 2:8] = 2, 2  # in part
    assert not stroke_worth.right_already(strokes, before)
    assert not stroke_worth.right_already(np.zeros_like(strokes), before)
    strokes[14, 2:12], before[12:17, 2:12] = 2, 2
    assert stroke_worth.right_already(strokes, before)


def probabilities_of(particles: dict[tuple[int, int], float]) -> np.ndarray:
    """Of squares of 6 px at their upper left corners, each with its probability."""
    foreground = np.full((60, 60), 0.1, np.float32)
    for (y, x), probability in particles.items():
        foreground[y : y + 6, x : x + 6] = probability
    return np.stack([1 - foreground, foreground])


def test_what_a_training_makes_the_model_doubt_is_lost_though_its_outlines_stay():
    places = [(y, x) for y in range(2, 60, 10) for x in range(2, 60, 10)]
    before = stroke_worth.sure_classes(probabilities_of(dict.fromkeys(places, 0.9)), selection.KEPT_FROM)
    assert (before == 2).sum() == 36 * len(places)
    nothing = np.zeros((60, 60), np.uint8)
    for doubted, too_many in ((5, False), (12, True)):
        said = probabilities_of({place: 0.6 if index < doubted else 0.9 for index, place in enumerate(places)})
        assert (stroke_worth.sure_classes(said, 0.0) == before).all()
        after = stroke_worth.sure_classes(said, selection.KEPT_FROM)
        assert (after == 2).sum() == 36 * (len(places) - doubted)
        assert stroke_worth.loses_too_many([nothing], [after], [before]) == too_many
    strokes = nothing.copy()
    for y, x in places[:4]:  # on what is wrong, each of which speaks for more of its like …
        strokes[y + 2, x : x + 5] = 1
    assert not stroke_worth.loses_too_many([strokes], [after], [before])
    strokes[:] = 0
    for y, x in places[:4]:  # … but not on what is beside a particle
        strokes[y - 1, x : x + 5] = 1
    assert stroke_worth.loses_too_many([strokes], [after], [before])
    assert not stroke_worth.loses_too_many([nothing], [nothing], [nothing])


def test_right_strokes_never_speak_against_a_change_and_particles_that_were_asked_for_count_for_it():
    before = np.ones((60, 60), np.uint8)
    before[2:8, 2:8] = before[2:8, 22:28] = 2
    found_more = before.copy()
    found_more[22:28, 2:58] = 2  # more than there were
    strokes = np.zeros((60, 60), np.uint8)
    strokes[25, 4:8] = 2  # one that was missed
    assert stroke_worth.best_way([strokes], [[found_more], [before]], [before]) == 0
    for y, x in ((5, 4), (5, 24)):  # right already, as is the background
        strokes[y, x : x + 3] = 2
    strokes[45, 5:55] = 1
    assert stroke_worth.stroke_worth([strokes], [found_more], [before]) == 1.0
    unheard = found_more.copy()
    unheard[22:28, 2:12] = 1  # others came, but not that one
    assert stroke_worth.best_way([strokes], [[unheard], [before]], [before]) == 2
    wrong = found_more.copy()
    wrong[42:48] = 2  # on stroked background too
    assert stroke_worth.best_way([strokes], [[wrong], [found_more]], [before]) == 1
    assert stroke_worth.stroke_worth([strokes], [before], [before]) == 0.0


def test_why_strokes_do_not_speak_for_a_training_is_told_in_figures_with_what_helps_it():
    def picture(*corners):
        classes = np.ones((60, 60), np.uint8)
        for y, x in corners:
            classes[y : y + 6, x : x + 6] = 2
        return classes

    grid = [(y, x) for y in range(2, 60, 20) for x in range(2, 60, 20)]
    before, strokes = picture(*grid), np.zeros((60, 60), np.uint8)
    strokes[4, 2:8] = 1  # the first is none, says a stroke: it is not among those that nothing is said of
    lost_two = picture(*grid[3:], (30, 32))  # and one new
    lost_two[50, 50] = 2  # a crumb
    assert stroke_worth.unasked([strokes], [lost_two], [before]) == stroke_worth.Unasked(there=8, lost=2, came=1, wrong=1)
    assert stroke_worth.why_not([strokes], [lost_two], [before]) == (
        "it would lose 2 of 8 particles and find 1 new particle beside your strokes",
        "stroke some particles that are right",
    )
    strokes[24, 22:28] = 2  # a right one
    assert stroke_worth.why_not([strokes], [picture(*grid[3:])], [before])[1] == "stroke more particles that are right"
    assert stroke_worth.why_not([strokes], [picture(*grid[1:], (12, 12))], [before]) == (
        "it would find 1 new particle beside your strokes",
        "stroke background there",
    )
    assert stroke_worth.why_not([strokes], [before], [before])[0] == "it learnt next to nothing of what you stroked as wrong"
    strokes[4] = 0
    assert stroke_worth.why_not([strokes], [lost_two], [before])[0] == "what you stroked was right already"


def test_many_strokes_on_what_is_wrong_speak_for_more_of_its_kind():
    before = np.ones((120, 120), np.uint8)
    places = [(y, x) for y in range(4, 116, 12) for x in range(4, 116, 12)]
    for y, x in places:
        before[y : y + 6, x : x + 6] = 2
    after, few = before.copy(), np.zeros_like(before)
    for y, x in places[::2]:  # half of all that was found goes
        after[y : y + 6, x : x + 6] = 1
    for y, x in places[:12:2]:
        few[y + 2, x : x + 5] = 1
    many = few.copy()
    for y, x in places[12:48:2]:
        many[y + 2, x : x + 5] = 1
    after[4:10, 4:10] = 2  # one is not heard
    said = [stroke_worth.spoken([strokes], [after], [before]) for strokes in (few, many)]
    assert said[1].elsewhere < said[0].elsewhere / 3
    assert stroke_worth.stroke_worth([many], [after], [before]) > stroke_worth.stroke_worth([few], [after], [before])


def test_one_stroke_that_is_held_out_does_not_outweigh_the_others(discs, particles):
    """Where strokes say that the starting model is wrong, a step may do worse by what one of them is worth, not by more."""
    image, labels = discs(192, 192)
    strokes = np.zeros(labels.shape, np.uint8)
    for number in np.unique(labels)[1:]:
        y, x = np.argwhere(labels == number).mean(axis=0).astype(int)
        strokes[y, x - 2 : x + 3] = 1 + number % 2  # every other one is none, says a stroke
    task = TrainingTask(Annotations.collect([image], [strokes], meaning="classes"), particles, CONFIG)
    run, _ = Job(lambda control: begun(task, None, control)).drain()
    held = sum(run.data.kept_back.values())
    assert run.data.mistaken
    assert held > 2
    course = TrainingCourse({}, steps=10, best_score=(0.6, -1.0))
    worse = [selection.is_better((0.6 - share / held, -1.0), course, run.data) for share in (0.9, 1.1)]
    assert worse == [True, False]
