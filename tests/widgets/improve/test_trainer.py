"""The search of learning rate and batch in a real viewer: switched on, run, and told."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.widgets.session.change import Change


def test_the_search_is_told_after_the_training(viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any) -> None:
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid")
    bench = open_bench(viewer)
    bench.go(2)
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    item = session.current
    item.annotation.data[...] = np.where(picture.instances[:192, :192] > 0, 2, 1)
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(lambda: panel.train.isEnabled(), timeout=10_000)
    for name, value in {"max_seconds": 3600, "max_steps": 6, "evaluate_every": 3, "crop": 64, "batch": 1}.items():
        panel.form.fields[name].value = value
    panel.tune.setChecked(True)
    said: list[str] = []
    session.jobs.progressed.connect(lambda steps: said.extend(step.message for step in steps))
    panel.train.click()
    wait_jobs(session)
    wait_jobs(session)
    assert any(message.startswith("trying learning rate") for message in said)
    tried = panel.trainer.tuned
    assert len(tried) == 6
    assert f"learning rate {tried[0]['learning_rate']:g} with batch {tried[0]['batch']}" in panel.advice.text()
    assert len(panel.advice.toolTip().rpartition("\n\n")[2].splitlines()) == 1 + len(tried)
    steps = [point["step"] for point in panel.trainer.points]
    assert steps == sorted(set(steps))
    assert session.settings.get("tune") is True


def test_a_picture_that_taught_nothing_keeps_what_was_found_in_it(
    viewer: Any, open_bench: Any, picture: Any, adopt: Any, wait_jobs: Any, idle: Any, qtbot: Any
) -> None:
    viewer.add_image(picture.micrograph.data[:96, :96], name="other")
    bench = open_bench(viewer)
    panel, session = bench.panel(2), bench.session
    other = session.current
    adopt(session, other, picture.instances[:96, :96])
    viewer.add_image(picture.micrograph.data[:96, :96].copy(), name="grid")
    item = session.items[-1]
    session.set_current(item)
    bench.go(2)
    panel.labelling.new.click()
    item.annotation.data[...] = np.where(picture.instances[:96, :96] > 0, 2, 1)
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(panel.train.isEnabled)
    for name, value in {"max_seconds": 3600, "max_steps": 3, "evaluate_every": 3, "crop": 64, "batch": 1}.items():
        panel.form.fields[name].value = value
    found = other.particles
    panel.train.click()
    session.set_current(other)  # another picture in hand changes nothing of what is learnt, nor of what is told of it
    box = panel.set.boxes[item]
    assert (box.isChecked(), box.isEnabled()) == (True, False)
    assert panel.verdict.text().startswith("Training on grid; ")
    assert panel.trainer.elsewhere == "grid"
    viewer.layers.remove("grid")
    idle()
    wait_jobs(session)
    assert panel.trainer.ended
    assert session.current is other
    assert other.particles is found
    assert [layer.name for layer in viewer.layers if layer.name.startswith("grid")] == []
