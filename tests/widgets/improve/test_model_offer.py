"""A trained model is offered to other images, and no longer than the offer holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_temseg.widgets.improve.model_offer import ModelOffer
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


@pytest.mark.parametrize("everywhere", [True, False])
def test_it_ends_when_another_model_is_chosen(session: Any, everywhere: bool) -> None:
    if everywhere:
        session.use_model("particles")
    else:
        session.use_model_for(session.items[0], "particles")
    assert asked(session) == [False, False]
    session.use_model_for(session.items[0], "new")
    assert asked(session) == [False, False]
