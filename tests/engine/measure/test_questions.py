"""An audit while it is answered, without a window."""

from __future__ import annotations

import numpy as np

from napari_temseg import measure
from napari_temseg.engine.measure.audit.questions import AuditQuestions
from napari_temseg.engine.measure.audit.sampling import AuditParticle, AuditSample, drawn


def sample() -> AuditSample:
    labels = np.zeros((200, 200), np.int32)
    for number, (y, x) in enumerate(((y, x) for y in (40, 100, 160) for x in (40, 100, 160)), 1):
        labels[y - 8 : y + 8, x - 8 : x + 8] = number
    found = drawn([measure(labels)])
    assert found is not None
    return found


def test_a_particle_is_measured_before_it_is_judged() -> None:
    asked = AuditQuestions(sample())
    assert isinstance(asked.current, AuditParticle)
    assert not asked.press("A")
    asked.click(10, 10)
    assert not asked.shown
    asked.click(13, 14)
    assert asked.shown
    asked.click(50, 50)  # once the outline is seen nothing is measured
    assert asked.lengths == {0: 5.0}
    assert asked.press("R")
    assert asked.decisions == {0: "reject"}
    assert not asked.press("N")
    assert asked.press("S")
    assert asked.lengths == {0: 5.0}
    assert asked.press("U")
    assert asked.at == 1
    assert 1 not in asked.decisions


def test_fields_take_pairs_of_clicks_and_answers_go_on_where_they_stopped() -> None:
    drawn_sample = sample()
    asked = AuditQuestions(drawn_sample)
    while isinstance(asked.current, AuditParticle):
        asked.press("N")
        asked.press("A")
    for place in ((10, 10), (10, 20), (40, 40)):
        asked.click(*place)
    assert asked.press("N")
    assert asked.missed == {0: [[10.0, 15.0, 10.0]]}  # the single click at the end is no particle
    said = asked.answered("digest", "Ada", "2026-11-27T14:00:00")
    assert said["lengths"] == {}
    again = AuditQuestions(drawn_sample, said)
    assert again.at == asked.at
    while again.current is not None:
        again.press("N")
    assert again.at == again.count
    again.press("A")
    again.click(1, 1)
    assert again.at == again.count
