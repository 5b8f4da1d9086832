"""What is said of invented curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from napari_temseg.engine.training.selection import MATERIAL_IOU, NOISE_IOU
from napari_temseg.engine.types.wording import RIGHT_ALREADY, STAYS, TIME_SUFFICED
from napari_temseg.widgets.improve.curve_advice import advise, tuned_sentence, tuned_table, verdict
from napari_temseg.widgets.improve.not_kept import BETTER, MATERIAL, not_kept

HELD = {
    "validation_regions": 8,
    "validation_regions_1": 4,
    "validation_regions_2": 4,
    "pixels_1": 900,
    "pixels_2": 800,
    "background_share": 0.5,
}


def curve(
    ious: list[float], losses: list[float] | None = None, train: list[float] | None = None, accuracy: float = 0.9
) -> list[dict[str, Any]]:
    losses = losses or [1 - iou for iou in ious]
    train = train or losses
    return [
        {
            "step": 10.0 * index,
            "train_loss": math.nan if index == 0 else train[index],
            "train_accuracy": accuracy,
            "train_iou": iou,
            "validation_loss": losses[index],
            "validation_accuracy": accuracy,
            "validation_iou": iou,
        }
        for index, iou in enumerate(ious)
    ]


def unjudged(losses: list[float]) -> list[dict[str, Any]]:
    return [{"step": 10.0 * (n + 1), "train_loss": loss, "train_accuracy": 0.9, "train_iou": 0.5} for n, loss in enumerate(losses)]


def test_nothing_is_said_before_there_is_anything_to_say() -> None:
    assert advise([], {}) == ""
    assert advise(curve([0.5, 0.6]), HELD) == ""


def test_a_rising_curve_is_left_alone_and_a_flat_one_ended() -> None:
    assert advise(curve([0.5, 0.6, 0.7, 0.8]), HELD) == "Still getting better."
    assert advise(curve([0.5, 0.8, 0.8, 0.801, 0.799, 0.8, 0.8]), HELD) == "It gets no better any more: finish now."


def test_learning_by_heart_is_told_from_a_plateau() -> None:
    said = advise(curve([0.5, 0.8, 0.79, 0.78, 0.78], [0.5, 0.2, 0.25, 0.3, 0.4], [0.5, 0.3, 0.2, 0.1, 0.05]), HELD)
    assert "by heart" in said


def test_a_broken_loss_comes_first() -> None:
    assert "learning rate" in advise(unjudged([0.5, math.nan]), {})
    assert "learning rate" in advise(unjudged([0.5, 0.6, 0.7, 0.9]), {})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"validation_regions": 0, "background_share": 0.5}, "No labels are kept back to try the model on"),
        (
            {**HELD, "validation_regions_2": 1},
            "Only one region of “particle” is kept back to try the model on: do not trust the orange curves, look at the outlines.",
        ),
        ({**HELD, "background_share": 0.95}, "Accuracy is high because 95 % of the labelled pixels are background: look at the IoU."),
    ],
)
def test_what_a_curve_cannot_tell(facts: dict[str, float], words: str) -> None:
    points = curve([0.3, 0.4, 0.5], accuracy=0.97)
    assert words in advise(points, facts, {1: "background", 2: "particle"})
    assert words not in advise(points, HELD)


def test_the_end_names_the_better_one() -> None:
    assert "made nothing better" in advise(curve([0.8, 0.7, 0.75]), HELD, ended=True)
    said = advise(curve([0.5, 0.7, 0.6]), HELD, ended=True)
    assert "0.700 at step 10" in said
    assert "0.500" in said
    believed = [{**point, "best_step": 20.0} for point in curve([0.6, 0.7, 0.6])]
    assert "your strokes say that the model before is wrong" in advise(believed, HELD, ended=True)
    assert "labels that it was not shown agree no better (IoU 0.600 at step 20, before 0.600)" in advise(believed, HELD, ended=True)
    assert "your strokes say" not in advise(believed, {**HELD, "mistaken": 0.0}, ended=True)
    stays, slow = "the model stays as it was: that is why", "the time sufficed for 8 of 40 steps"
    said = advise(believed, {**HELD, "validation_regions": 0}, ended=True, notes=[slow, stays])
    assert said.startswith("The model stays as it was: that is why. The time sufficed for 8 of 40 steps. No labels are kept back")
    assert "your strokes say" not in said, "which was the outcome by the curves alone"
    fresh = advise(curve([0.9, 0.7, 0.6]), HELD, fresh=True, ended=True)
    assert "0.700" in fresh
    assert "before" not in fresh


def test_what_a_search_of_the_settings_tried_is_told() -> None:
    tried = [
        {"learning_rate": 2e-3, "batch": 8, "rounds": 2, "step": 12.0, "validation_iou": 0.912, "validation_loss": 0.2},
        {"learning_rate": 5e-4, "batch": 4, "rounds": 2, "step": 14.0, "validation_iou": 0.905, "validation_loss": 0.2},
        {"learning_rate": 5e-3, "batch": 4, "rounds": 1, "step": 6.0, "validation_iou": 0.853, "validation_loss": 0.4},
    ]
    assert tuned_sentence(tried) == (
        "Of 3 settings tried, learning rate 0.002 with batch 8 did best (IoU 0.912 after 12 steps, the others 0.853 to 0.905)."
    )
    assert tuned_table(tried).splitlines()[1:] == ["0.002 · 8 · 12 · 0.912", "0.0005 · 4 · 14 · 0.905", "0.005 · 4 · 6 · 0.853"]
    assert tuned_sentence("no tuning: it needs more") == "No tuning: it needs more."
    assert tuned_sentence(()) == tuned_table("no tuning") == ""


def test_the_verdict_of_a_training_has_no_figures() -> None:
    plain = [
        verdict(curve([0.5, 0.7, 0.6]), "mine"),
        verdict([{**point, "best_step": 20.0} for point in curve([0.6, 0.7, 0.6])], "mine"),
        verdict(curve([0.5, 0.9]), "mine", fresh=True),
        verdict(unjudged([0.5, 0.4]), "mine"),
        verdict(curve([0.8, 0.7]), ""),
    ]
    assert plain[0] == "Better: “mine” is in use now, right on more of the labels that it was not shown."
    assert "agrees with labels that it was not shown" in plain[2]
    for words in ("IoU", "validation", "held out", "untouched", "0."):
        assert not any(words in each for each in plain), words


def test_a_training_that_is_not_kept_says_why_and_what_to_do() -> None:
    assert (MATERIAL, BETTER) == (MATERIAL_IOU, NOISE_IOU)
    for ious, why in (
        ([0.5, 0.4, 0.5], "no better than before"),
        ([0.5, 0.504], "the gain may be chance"),
        ([0.5, 0.9, 0.5], "the gain did not last"),
        ([0.5], "nothing to try it on"),
    ):
        told = verdict(curve(ious), "")
        assert told.startswith(f"Not kept: {why}")
        assert len(told) <= 64, "two lines of the dock hold it"


REFUSED = f"{STAYS}: too much would have changed; stroke some that are right"
LIVE = "too much else changed; for this image Use this result"
SHORT = "time for 112 of 240 steps only; allow more time"


@pytest.mark.parametrize(
    ("notes", "twice", "words", "step"),
    [
        ([REFUSED], False, "too much else changed; stroke right particles too", "Stroke right particles too and train again."),
        ([f"{STAYS}: so much; {RIGHT_ALREADY}"], False, LIVE, "For this image Use this result: it takes what Live shows."),
        ([REFUSED], True, LIVE, "For this image Use this result: it takes what Live shows."),
        ([REFUSED, TIME_SUFFICED.format(112, 240) + ": allow more"], True, SHORT, "Allow more time and train again."),
        (
            ["making ready took 25 s, 30 s are allowed in all, so that 3 steps were taken: allow more"],
            False,
            "making ready took most of the time; allow more time",
            "Allow more time and train again.",
        ),
    ],
)
def test_one_advice_comes_of_a_training_that_was_refused_or_was_too_short(notes: list[str], twice: bool, words: str, step: str) -> None:
    points = curve([0.5, 0.7])
    told = verdict(points, "", notes, twice=twice)
    assert told == f"Not kept: {words}."
    assert len(told) <= 64, "two lines of the dock hold it"
    assert not_kept(points, notes, twice=twice).next_step() == step
    said = advise(points, HELD, ended=True, notes=notes)
    assert "stroke" not in said.lower().replace("strokes", ""), "what to do is told once"
