"""A trained model is offered to other images, and no longer than the offer holds."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.improve.going_back import GoingBack
from napari_temseg.widgets.improve.model_offer import ModelOffer
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.improve.training_account import TrainingAccount
from napari_temseg.widgets.session.questions import Questions


@pytest.fixture
def session(viewer: Any, open_bench: Any, tiny: Any) -> Any:
    """Two images, the first of which taught the model “new”."""
    for name, x in (("taught", 0), ("other", 100)):
        viewer.add_image(np.zeros((64, 64), np.uint8), name=name, translate=(0, x))
    session = open_bench(viewer).session
    item = session.items[0]
    session.add_model("new", tiny, [item])
    session.part(ModelOffer).trained("new", [item])
    return session


def asked(session: Any) -> list[bool]:
    """Of each image, whether the model is offered to it."""
    return [session.part(Questions).of(item) is not None for item in session.items]


def test_it_waits_while_another_training_runs(session: Any) -> None:
    offer = session.part(ModelOffer)
    assert asked(session) == [False, True]
    offer.pause()
    session.models_changed.emit()
    assert asked(session) == [False, False]
    offer.go_on()
    assert asked(session) == [False, True]
    question = session.part(Questions).of(session.items[1])
    session.part(Questions).answer(question, question.answers[1])
    offer.pause()
    offer.go_on()
    assert asked(session) == [False, False]  # it was answered


def test_it_warns_where_the_new_model_finds_other_things(session: Any) -> None:
    question = session.part(Questions).of(session.items[1])
    assert "other things" not in question.text
    offer = session.part(ModelOffer)
    offer.pause()
    offer.trained("new", [session.items[0]], ["other"])
    question = session.part(Questions).of(session.items[1])
    assert "It finds other things here than “particles”: compare the outlines." in question.text


@pytest.mark.parametrize("everywhere", [True, False])
def test_it_ends_when_another_model_is_chosen(session: Any, everywhere: bool) -> None:
    if everywhere:
        session.use_model("particles")
    else:
        session.use_model_for(session.items[0], "particles")
    assert asked(session) == [False, False]
    session.use_model_for(session.items[0], "new")
    assert asked(session) == [False, False]


def test_an_answer_that_cannot_be_had_now_changes_nothing_and_can_be_given_again(session: Any, wait_jobs: Any) -> None:
    questions, other, go_on = session.part(Questions), session.items[1], threading.Event()

    def steps(control: Control) -> Generator[Progress, None, bool]:
        while not go_on.is_set() and not control.cancelling:
            go_on.wait(0.02)
            yield Progress("work", 0.0, "working", control.elapsed)
        return True

    session.jobs.start("something long", lambda: Job(steps), lambda _: None)
    question = questions.of(other)
    try:
        with pytest.raises(TemsegError, match="still running"):
            questions.answer(question, question.answers[0])
        assert session.model_of(other) == "particles"
        assert questions.of(other) is question
    finally:
        go_on.set()
    wait_jobs(session)
    questions.answer(question, question.answers[0])
    assert session.model_of(other) == "new"
    session.jobs.cancel()
    wait_jobs(session)


def test_nobody_goes_back_to_a_model_that_was_removed(session: Any, tiny: Any) -> None:
    trainer = session.part(Trainer)
    session.set_current(session.items[0])
    session.add_model("old", tiny, [])
    session.part(GoingBack).note("new", [session.items[0]], {session.items[0]: "old"})
    assert trainer.earlier == "old"
    session.remove_model("old")
    assert trainer.earlier == ""


def test_one_goes_back_only_on_an_image_of_the_training(session: Any) -> None:
    trainer, (taught, other) = session.part(Trainer), session.items
    trainer.made, trainer._before, trainer.ended = "new", "particles", True
    trainer._taught.add(taught)
    session.part(GoingBack).note("new", [taught], {taught: "particles"})
    session.use_model_for(other, "new")
    session.set_current(other)
    assert trainer.earlier == ""
    with pytest.raises(TemsegError, match="no training of this image"):
        trainer.go_back()
    assert session.model_of(taught) == "new"
    assert "choose it" not in TrainingAccount(trainer).verdict  # it is in use here
    session.set_current(taught)
    assert trainer.earlier == "particles"
    trainer.go_back()
    assert session.model_of(taught) == "particles"
    session.use_model_for(other, "particles")
    session.set_current(other)
    assert "choose it" not in TrainingAccount(trainer).verdict  # somebody went back from it


def test_images_of_another_kind_are_not_asked(session: Any) -> None:
    taught, other = session.items
    session.part(ModelOffer).withdraw()
    taught.sample, other.sample = "steel", "catalyst"
    session.part(ModelOffer).trained("new", [taught])
    assert asked(session) == [False, False]
    other.sample = "steel"
    session.items_changed.emit()
    assert session.model_of(other) == "new"  # those of one sample use it unasked
