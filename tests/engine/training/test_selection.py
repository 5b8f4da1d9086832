"""The end of a training: what of it is kept."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from napari_temseg import Annotations, TrainConfig
from napari_temseg.engine.training import selection, validation
from napari_temseg.engine.training.loop import Session
from napari_temseg.engine.types.progress import Control, Job

CONFIG = TrainConfig(max_seconds=1e5, crop=64, batch=2, learning_rate=5e-3, device="cpu", precision="float32")


def drained(steps: Generator[Any, None, Any]) -> Any:
    return Job(lambda _: steps).drain()


@pytest.mark.parametrize("seed", [0, 1])
def test_best_and_last_of_a_new_decoder_are_compared_on_all_that_is_held_out(discs, monkeypatch, seed):
    monkeypatch.setattr(validation, "WINDOW", 64)
    annotations = Annotations.collect(*discs(128, 160), meaning="instances")
    session = Session(annotations, None, replace(CONFIG, seed=seed))
    everything = session.parts.validation
    assert len(everything) > 1
    session.parts = replace(session.parts, validation=everything[:1])  # the curves see one window
    control = Control()
    drained(session.judged(control))
    iou = {}
    for _ in range(2):
        drained(session.trial(control, 1e5, 4))
        iou[session.steps] = drained(session.judge(everything))["validation_iou"]
        if session.steps == 4:
            session.best, session.best_step = session.learner.keep(), 4
        else:
            session.best_step = 4  # whatever the one window says
    drained(selection.reconsider(session))
    assert session.best_step == (8 if iou[8] >= iou[4] else 4)
    session.learner.network.load_state_dict(session.best)
    assert drained(session.judge(everything))["validation_iou"] == pytest.approx(max(iou.values()))
