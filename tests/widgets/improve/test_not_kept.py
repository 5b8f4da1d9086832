"""What a training learnt and was not kept can be looked at all the same, and taken back."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.engine.training import selection
from napari_temseg.engine.training.kept import stroke_worth
from napari_temseg.widgets.improve.search_again import NOT_SEARCHED
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Questions


def test_what_was_not_kept_can_be_tried_and_taken_back(
    viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(selection, "MATERIAL_IOU", 2.0)  # no gain is ever enough
    truth = picture.instances[:192, :192]
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid")
    bench = open_bench(viewer)
    session, item = bench.session, bench.session.current
    bench.panel(1).one.click()
    wait_jobs(session)
    found, before = item.particles, item.prediction.model_hash
    bench.go(2)
    panel = bench.panel(2)
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()
    item.annotation.data[...] = np.where(np.arange(192) % 8 == 0, np.where(truth > 0, 2, 1), 0)
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(panel.train.isEnabled)
    for name, value in {"max_seconds": 3600, "max_steps": 2, "evaluate_every": 1, "crop": 64, "batch": 1}.items():
        panel.form.fields[name].value = value
    assert not panel.try_it.isVisibleTo(panel)
    place = panel.back.mapTo(panel, panel.back.rect().topLeft())
    panel.train.click()
    wait_jobs(session)
    wait_jobs(session)
    assert panel.verdict.text().startswith("Not kept: ")
    assert (session.model, item.particles is found) == ("particles", True)
    assert panel.try_it.isVisibleTo(panel)
    assert not panel.back.isVisibleTo(panel)
    assert panel.try_it.mapTo(panel, panel.try_it.rect().topLeft()) == place  # nothing moves
    viewer.add_image(picture.micrograph.data[:192, :192].copy(), name="other")
    session.set_current(session.items[1])  # it taught nothing
    assert not panel.try_it.isVisibleTo(panel)
    session.set_current(item)

    assert panel.trainer.points[-1]["best_step"] == 0
    panel.try_it.click()
    wait_jobs(session)
    assert panel.trainer.points[-1]["best_step"] == panel.trainer.points[-1]["step"] > 0  # ◆ is the model in use
    assert session.model == "particles+1"
    assert item.prediction.model_hash == session.models["particles+1"].content_hash() != before
    assert panel.verdict.text().startswith(f"“particles+1” is in use: {len(item.particles)} particle")
    assert "stays as it was" not in panel.advice.text()
    assert not panel.try_it.isVisibleTo(panel)
    assert panel.train.text() == "Train on"
    panel.back.click()
    assert (session.model, item.particles is found) == ("particles", True)
    assert panel.verdict.text().startswith("“particles” is in use here; “particles+1”")
    assert session.model_of(session.items[1]) == "particles"

    # One that ends while another image is in hand searches nothing unasked, and says so where it was learnt.
    monkeypatch.setattr(selection, "MATERIAL_IOU", -2.0)  # whatever is learnt is kept …
    monkeypatch.setattr(stroke_worth, "WORTH_IT", -9.0)  # … however much it changes
    panel.train.click()
    session.set_current(session.items[1])
    wait_jobs(session)
    wait_jobs(session)
    questions = session.part(Questions)
    assert item.particles is found
    session.set_current(item)
    made = session.model
    assert made == panel.trainer.made != "particles"
    assert panel.verdict.text() == f"“{made}” is in use now, but these outlines are of “particles”: search it again."
    question = questions.on(item, NOT_SEARCHED)
    questions.answer(question, question.answers[0])
    wait_jobs(session)
    assert item.prediction.model_hash == session.models[made].content_hash()
    assert questions.on(item, NOT_SEARCHED) is None
    panel.trainer.made = ""  # as after one more training that is not kept
    panel.refresh()
    assert panel.trainer.earlier == "particles"
    panel.back.click()
    assert (session.model, item.particles is found) == ("particles", True)
