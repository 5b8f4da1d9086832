"""A training ends when it was asked to, on a machine that is busy too, and says so honestly. Its time is counted, not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from napari_temseg import Micrograph, Segmenter, TrainConfig, iter_train, predict
from napari_temseg.engine.training import preview, schedule, selection
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.types.progress import Job, Progress

MOST = 20.0  # s
CONFIG = TrainConfig(max_seconds=MOST, max_steps=40, crop=64, batch=2, device="cpu", precision="float32")
Slow = Callable[..., list[Progress]]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Runs a training where a look, of a learner or for a preview, takes so many seconds a px, and a step a second."""

    def run(job: Job[Segmenter], a_pixel: float, later: float = 1.0) -> list[Progress]:
        clock, step, look, ask = [0.0], Learner.step, Learner.said, preview.iter_predict
        evaluate = Learner._evaluate

        def slower() -> float:
            return a_pixel * (later if clock[0] > MOST / 2 else 1.0)

        def a_step(own: Learner, *how: Any) -> None:
            with own.pace.stepping():
                clock[0] += 1.0
                step(own, *how)

        def counted(own: Learner, window: Any, method: Any, *how: Any) -> Any:
            with own.pace.looking(own.pixels(window.image.shape)):
                clock[0] += slower() * window.image.size
            found = own.pace.pixel
            result = method(own, window, *how)
            own.pace.pixel = found
            return result

        def asked(model: Any, micrograph: Micrograph, *how: Any) -> Any:
            clock[0] += slower() * micrograph.data.size
            return ask(model, micrograph, *how)

        monkeypatch.setattr(Learner, "step", a_step)
        monkeypatch.setattr(Learner, "said", lambda own, window, *how: counted(own, window, look, *how))
        monkeypatch.setattr(Learner, "_evaluate", lambda own, window, *how: counted(own, window, evaluate, *how))
        monkeypatch.setattr(preview, "iter_predict", asked)
        job.control.go_by(lambda: clock[0])
        return list(job)

    return run


@pytest.fixture
def knowing(tiny: Segmenter) -> Segmenter:
    """A model that has learnt something: what strokes teach it is weighed against that."""
    return replace(tiny, history=[{"kind": "pretrained"}])


@pytest.fixture(scope="module")
def strokes() -> tuple[Micrograph, np.ndarray]:
    """Strokes here and there on a picture of 384 px."""
    labels = np.zeros((384, 384), np.uint8)
    for at in range(20, 360, 80):
        labels[at : at + 4, at : at + 20], labels[at : at + 4, 300 - at : 320 - at] = 2, 1
    return Micrograph(np.random.default_rng(0).normal(size=labels.shape).astype(np.float32)), labels


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("later", [1.0, 2.0])
def test_where_a_look_at_the_picture_takes_a_third_of_the_time_it_ends_in_time_all_the_same(
    slow: Slow, knowing: Segmenter, strokes: tuple[Micrograph, np.ndarray], seen: bool, later: float
) -> None:
    image, labels = strokes
    job = iter_train([image], [labels], base=knowing, config=CONFIG, look=(lambda: image) if seen else None)
    told = slow(job, MOST / 3 / image.data.size, later)
    assert told[-1].elapsed <= (1.25 if later == 1 else 1.6) * MOST
    assert job.result.history[-1]["steps"] >= 8


@pytest.mark.parametrize("a_pixel", [0.0, 1e-6, 5e-5])
def test_what_is_left_never_becomes_more(slow: Slow, knowing: Segmenter, strokes: tuple[Micrograph, np.ndarray], a_pixel: float) -> None:
    image, labels = strokes
    told = slow(iter_train([image], [labels], base=knowing, config=CONFIG, look=lambda: image), a_pixel)
    assert {step.stage for step in told} == {"prepare", "train", "check"}
    ends = [step.elapsed + step.remaining for step in told if step.remaining]
    assert len(ends) > 10
    assert all(after <= before + 1e-6 for before, after in pairwise(ends))
    shares = [step.share for step in told]
    assert shares == sorted(shares)


def test_less_of_what_is_held_out_is_looked_at_where_time_is_short_and_that_is_said(
    slow: Slow, tiny: Segmenter, discs: Callable[..., Any]
) -> None:
    image, instances = discs(512, 512)

    def sentence(a_pixel: float) -> str:
        job = iter_train([image], [instances], meaning="instances", base=tiny, config=replace(CONFIG, max_steps=2))
        slow(job, a_pixel)
        return str(job.result.history[-1]["validation"])

    assert "suffices" not in sentence(0.0)
    assert "of which the time suffices to look at" in sentence(1e-4)


def test_the_first_preview_is_what_a_search_has_found(
    slow: Slow, tiny: Segmenter, strokes: tuple[Micrograph, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = strokes
    said, asked = predict(tiny, image), []
    ask = preview.iter_predict
    monkeypatch.setattr(preview, "iter_predict", lambda *how: (asked.append(1), ask(*how))[1])
    job = iter_train([image], [labels], base=tiny, config=replace(CONFIG, max_steps=1), look=lambda: image, searched=[said])
    for step in job:
        if step.preview is not None:
            break
    assert step.preview is said
    assert not asked


def test_a_preview_for_which_the_time_does_not_suffice_is_left_out(
    slow: Slow, tiny: Segmenter, strokes: tuple[Micrograph, np.ndarray]
) -> None:
    image, labels = strokes

    def previews(a_pixel: float) -> int:
        return sum(
            step.preview is not None for step in slow(iter_train([image], [labels], base=tiny, config=CONFIG, look=lambda: image), a_pixel)
        )

    assert previews(1e-7) >= 2
    assert previews(MOST / image.data.size) == 0


def test_what_decides_about_strokes_does_not_hang_on_how_fast_the_machine_is(
    slow: Slow, knowing: Segmenter, strokes: tuple[Micrograph, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = (np.tile(each, (2, 2)) for each in (strokes[0].data, strokes[1]))
    looked: list[tuple[int, ...]] = []
    found = Learner.said

    def noted(a_pixel: float, searched: bool) -> tuple[str, list[tuple[int, ...]], int]:
        looked.clear()
        picture = Micrograph(image)
        said = [predict(knowing, picture)] if searched else []
        config = replace(CONFIG, max_seconds=1e5 if a_pixel == 0 else MOST, max_steps=10)
        job = iter_train([picture], [labels], base=knowing, config=config, searched=said)
        slow(job, a_pixel)
        record = job.result.history[-1]
        return str(record["validation"]), list(looked), int(record["steps"])

    monkeypatch.setattr(Learner, "said", lambda own, part, *how: (looked.append(part.image.shape), found(own, part, *how))[1])
    monkeypatch.setattr(selection, "MATERIAL_IOU", -2.0)  # whatever is learnt is weighed
    monkeypatch.setattr(selection, "TOLERATED_IOU", 2.0)
    told, parts, steps = noted(0.0, searched=True)
    assert steps == 10
    for a_pixel, searched in ((0.0, False), (8e-6, True)):
        assert noted(a_pixel, searched=searched)[:2] == (told, parts)
    assert len(parts) > 6


def test_time_is_left_for_what_follows(slow: Slow, knowing: Segmenter, strokes: tuple[Micrograph, np.ndarray]) -> None:
    image, labels = strokes
    a_pixel = 1e-6

    def ended(afterwards: float) -> tuple[float, float]:
        told = slow(iter_train([image], [labels], base=knowing, config=CONFIG, afterwards=afterwards), a_pixel)
        return told[-1].elapsed, told[-1].remaining or 0.0

    (late, none), (early, left) = ended(0.0), ended(0.2 * MOST / a_pixel)
    assert early <= 0.85 * MOST < late
    assert left >= 0.1 * MOST > none


def test_half_of_the_time_that_is_left_is_for_learning_whatever_follows_it() -> None:
    assert schedule.learning_until(90.0, 200.0, 94.0) == 145.0
    assert schedule.learning_until(10.0, 200.0, 30.0) == 170.0
