"""What is said of invented curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from napari_temseg.engine.training.selection import MATERIAL_IOU, NOISE_IOU
from napari_temseg.engine.types.wording import ENOUGH_SECONDS, FINISHED_AFTER, STAYS, TIME_SUFFICED
from napari_temseg.widgets.improve.curve_advice import advise, by_heart, tuned_sentence, tuned_table, verdict
from napari_temseg.widgets.improve.not_kept import BETTER, MATERIAL, not_kept

HELD = {
    "validation_regions": 8,
    "validation_regions_1": 4,
    "validation_regions_2": 4,
    "pixels_1": 900,
    "pixels_2": 800,
    "background_share": 0.5,
    "telling": 1.0,
}
ONE = {**HELD, "validation_regions_2": 1, "telling": 0.0}


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
    points = curve([0.5, 0.8, 0.79, 0.78, 0.78], [0.5, 0.2, 0.25, 0.3, 0.4], [0.5, 0.3, 0.2, 0.1, 0.05])
    points[-1]["best_step"] = 40.0
    assert by_heart(points, HELD).startswith("It knows these labels by heart")  # and is kept all the same
    points[-1]["best_step"] = 10.0
    assert by_heart(points, HELD) == ""


@pytest.mark.parametrize("ious", [[0.5, 0.6, 0.7, 0.8], [1.0] * 7, [0.5, 0.8, 0.79, 0.78, 0.78]])
def test_nothing_is_concluded_from_one_region(ious: list[float]) -> None:
    points = curve(ious, [0.5, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6][: len(ious)], [0.5, 0.3, 0.2, 0.1, 0.05, 0.04, 0.03][: len(ious)])
    names = {1: "background", 2: "particle"}
    assert advise(points, ONE, names) == ""  # as it runs the caption says so
    for kept in (True, False):
        assert advise(points, ONE, names, kept=kept).startswith("Only one region of “particle” is kept back")
    assert by_heart(points, ONE) == ""
    assert verdict(points, "mine", ONE) == "“mine” is in use now; too few labels to try it on: look at the outlines."
    told = not_kept(points, [], {**ONE, "mistaken": 0.0}).words()
    assert told == "Not kept: the model is right on most of what you stroked; stroke what is wrong."
    assert not_kept(points, [], ONE).why == "the few labels kept back do not speak for it"


def test_where_strokes_say_that_the_model_is_wrong_a_filling_of_them_is_advised() -> None:
    flat, gain = curve([0.5, 0.5, 0.5]), curve([0.5, 0.503, 0.502])
    refused = ["the model stays as it was: it would lose 3 of 9 particles beside your strokes; stroke some particles that are right"]
    for points, notes in ((flat, []), (gain, []), (flat, refused)):
        wrong, right = (not_kept(points, notes, {**HELD, "mistaken": said}) for said in (1.0, 0.0))
        assert (wrong.why, wrong.way) == (right.why, "Fill from strokes, correct that, then train")
        assert right.way.startswith("stroke ")
    assert not_kept(flat, refused, {**HELD, "mistaken": 1.0}, twice=True).way.endswith("for this image alone, Use this result")
    short = "the time sufficed for 3 of the 9 steps that these labels are worth; about 60 s would do"
    assert not_kept(flat, [short], {**HELD, "mistaken": 1.0}).seconds == 60
    early = not_kept(flat, [FINISHED_AFTER.format(5, 42)], {**HELD, "mistaken": 1.0})
    assert early.words() == "Not kept: you finished it after 5 of 42 steps; train again and let it end by itself."
    for notes in ([], [short], refused):  # nor would more time teach what is known
        assert not_kept(flat, notes, {**HELD, "agreed": 1.0}).why == "the model agrees with your strokes"


def test_a_broken_loss_comes_first() -> None:
    assert "learning rate" in advise(unjudged([0.5, math.nan]), {})
    assert "learning rate" in advise(unjudged([0.5, 0.6, 0.7, 0.9]), {})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"validation_regions": 0, "background_share": 0.5}, "No labels are kept back to try the model on"),
        (
            ONE,
            "Only one region of “particle” is kept back to try the model on: that tells nothing, the outlines tell more.",
        ),
        ({**HELD, "background_share": 0.95}, "Accuracy is high because 95 % of the labelled pixels are background: look at the IoU."),
    ],
)
def test_what_a_curve_cannot_tell(facts: dict[str, float], words: str) -> None:
    points = curve([0.3, 0.4, 0.5], accuracy=0.97)
    assert words in advise(points, facts, {1: "background", 2: "particle"}, kept=False)
    assert words not in advise(points, HELD, kept=False)


def test_the_end_names_the_better_one() -> None:
    said = advise(curve([0.5, 0.7, 0.6]), HELD, kept=True)
    assert "0.700 at step 10" in said
    assert "0.500" in said
    believed = [{**point, "best_step": 20.0} for point in curve([0.6, 0.7, 0.6])]
    assert "your strokes say that the model before is wrong" in advise(believed, HELD, kept=True)
    assert "labels that it was not shown agree no better (IoU 0.600 at step 20, before 0.600)" in advise(believed, HELD, kept=True)
    assert "your strokes say" not in advise(believed, {**HELD, "mistaken": 0.0}, kept=True)
    fresh = advise(curve([0.9, 0.7, 0.6]), HELD, fresh=True, kept=True)
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
        verdict(curve([0.5, 0.7, 0.6]), "mine", HELD),
        verdict([{**point, "best_step": 20.0} for point in curve([0.6, 0.7, 0.6])], "mine", HELD),
        verdict(curve([0.5, 0.9]), "mine", HELD, fresh=True),
        verdict(unjudged([0.5, 0.4]), "mine", HELD),
        not_kept(curve([0.8, 0.7]), [], HELD).words(),
    ]
    assert plain[0] == "Better: “mine” is in use now, right on more of the labels that it was not shown."
    assert "agrees with labels that it was not shown" in plain[2]
    for words in ("IoU", "validation", "held out", "untouched", "0."):
        assert not any(words in each for each in plain), words


def test_a_training_that_is_not_kept_says_why_and_what_to_do() -> None:
    assert (MATERIAL, BETTER) == (MATERIAL_IOU, NOISE_IOU)
    for ious, why in (
        ([0.5, 0.4, 0.5], "no better than before on labels that it was not shown"),
        ([0.5, 0.504], "the gain may be chance"),
        ([0.5, 0.9, 0.5], "the gain did not last"),
        ([0.5], "nothing to try it on"),
    ):
        assert not_kept(curve(ious)).words().startswith(f"Not kept: {why}; ")


REFUSED = f"{STAYS}: it would lose 9 of 31 particles; stroke some particles that are right"
SHORT = TIME_SUFFICED.format(112, 240)


@pytest.mark.parametrize(
    ("notes", "twice", "words", "seconds"),
    [
        ([REFUSED], False, "it would lose 9 of 31 particles; stroke some particles that are right.", 0),
        (
            [REFUSED],
            True,
            "it would lose 9 of 31 particles; stroke some particles that are right; for this image alone, Use this result.",
            0,
        ),
        ([REFUSED, f"{SHORT}: {ENOUGH_SECONDS.format(130)}"], True, "time for 112 of 240 steps only; about 130 s would do.", 130),
        (
            ["making ready took 25 s, 30 s are allowed in all, so that 3 steps were taken: allow more"],
            False,
            "making ready took most of the time; allow more time.",
            0,
        ),
    ],
)
def test_one_reason_is_told_once_of_a_training_that_was_refused_or_was_too_short(
    notes: list[str], twice: bool, words: str, seconds: int
) -> None:
    points = curve([0.5, 0.7])
    told = not_kept(points, notes, HELD, twice=twice)
    assert (told.words(), told.seconds) == (f"Not kept: {words}", seconds)
    assert advise(points, HELD, kept=False, notes=[*notes, "another thing"]) == "Another thing."
