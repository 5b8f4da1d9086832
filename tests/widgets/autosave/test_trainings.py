"""A training that closing the window, a kill or an error stopped is offered in the next window, and goes on there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import leftovers_of_windows
import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_temseg.engine.training import checkpoint
from napari_temseg.widgets.autosave import trainings
from napari_temseg.widgets.session.change import Change

SMALL = {"max_seconds": 600.0, "max_steps": 100_000, "patience": 10_000, "evaluate_every": 2, "crop": 64, "batch": 1}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_REST", 0.0)


@pytest.fixture
def start(make_napari_viewer: Any, open_bench: Any, picture: Any) -> Any:
    """Open pictures in a viewer of its own: `bench = start("grid", …)`; each name has its own pixels."""
    opened: list[Any] = []

    def started(*names: str) -> Any:
        viewer = make_napari_viewer()
        for name in names:
            viewer.add_image(picture.micrograph.data[:192, :192] + (name != "grid"), name=name)
        opened.append(open_bench(viewer))
        opened[-1].go(2)
        return opened[-1]

    yield started
    for bench in opened:
        bench.session.close()


def annotate(bench: Any, picture: Any, qtbot: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    session.current.annotation.data[...] = np.where(picture.instances[:192, :192] > 0, 2, 1)
    session.item_changed.emit(session.current, Change.ANNOTATION)
    qtbot.waitUntil(panel.train.isEnabled, timeout=10_000)


def progress() -> dict[str, Any]:
    found = list(trainings.trainings_folder().glob("*/progress.json"))
    return json.loads(found[0].read_text()) if found else {"steps": 0}


def train(bench: Any, qtbot: Any, steps: int = 4) -> None:
    """Train until so many steps are on disk."""
    panel = bench.panel(2)
    for name, value in SMALL.items():
        panel.form.fields[name].value = value
    panel.train.click()
    qtbot.waitUntil(lambda: progress()["steps"] >= steps, timeout=120_000)


def stop(bench: Any) -> None:
    """Close the window; whatever its job still writes is written."""
    bench.session.close()
    leftovers_of_windows.settle()


def offered(bench: Any, qtbot: Any) -> Any:
    bar = bench.stopped
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    return bar


def test_a_training_goes_on_in_the_next_window(start: Any, picture: Any, qtbot: Any, wait_jobs: Any, wait_chores: Any) -> None:
    bench = start("grid")
    annotate(bench, picture, qtbot)
    train(bench, qtbot)
    assert bench.stopped.isHidden()
    bench.session.current.annotation.data[...] = 0  # whatever is painted meanwhile
    stop(bench)
    done = progress()["steps"]

    bench = start("renamed")  # other pixels: nothing is known of them
    wait_chores(bench.session)
    assert bench.stopped.isHidden()
    bench.session.close()

    bench = start("grid")
    said: list[str] = []
    bench.session.said.connect(said.append)
    panel, bar = bench.panel(2), offered(bench, qtbot)
    assert bar.text.text().startswith("Training on grid stopped ")
    assert bar.text.text().endswith(f" s of 10 min, step {done}.")
    assert any("it can go on" in each for each in said)
    points = []
    bench.session.jobs.progressed.connect(lambda steps: points.extend(step.metrics for step in steps if "step" in step.metrics))
    bar.go_on.click()
    assert bar.isHidden()
    qtbot.waitUntil(lambda: bool(points) and points[-1]["step"] > done, timeout=120_000)
    bench.session.jobs.finish()
    wait_jobs(bench.session)
    wait_jobs(bench.session)
    steps = [point["step"] for point in panel.trainer.points]
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    qtbot.waitUntil(lambda: list(trainings.trainings_folder().iterdir()) == [], timeout=10_000)
    assert bar.isHidden()
    for model in bench.session.models.values():
        assert f"went on at step {done} after a stop" in model.history[-1]["notes"]


def test_cancel_discards_and_so_does_discard(start: Any, picture: Any, qtbot: Any, wait_jobs: Any) -> None:
    bench = start("grid")
    annotate(bench, picture, qtbot)
    train(bench, qtbot, 1)
    bench.session.jobs.cancel()
    wait_jobs(bench.session)
    qtbot.waitUntil(lambda: list(trainings.trainings_folder().iterdir()) == [], timeout=10_000)
    train(bench, qtbot, 1)
    stop(bench)
    bench = start("grid")
    bar = offered(bench, qtbot)
    bar.discard.click()
    assert bar.isHidden()
    qtbot.waitUntil(lambda: list(trainings.trainings_folder().iterdir()) == [], timeout=10_000)


def test_it_waits_for_all_its_pictures_and_tells_what_is_wrong(start: Any, picture: Any, qtbot: Any, wait_jobs: Any) -> None:
    bench = start("grid", "other")
    for item in bench.session.items:
        bench.session.set_current(item)
        annotate(bench, picture, qtbot)
    train(bench, qtbot, 1)
    stop(bench)
    bench = start("grid")
    bar = offered(bench, qtbot)
    assert bar.text.text().startswith("Training on 2 images stopped ")
    assert bar.text.text().endswith(" To go on, open other too.")
    assert not bar.go_on.isEnabled()
    bench.session.viewer.add_image(picture.micrograph.data[:192, :192] + 1, name="called otherwise")
    qtbot.waitUntil(bar.go_on.isEnabled, timeout=10_000)

    (file,) = trainings.trainings_folder().glob("*/" + trainings.CHECKPOINT)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: len(content) // 2])
    notification_manager.records.clear()
    bar.go_on.click()
    wait_jobs(bench.session)
    assert "cannot be read; discard it" in notification_manager.records[-1].message
    assert not offered(bench, qtbot).discard.isHidden()  # an error discards nothing


def test_one_that_runs_elsewhere_is_not_offered(tmp_path: Path, picture: Any) -> None:
    import psutil

    from napari_temseg.engine.types.config import TrainConfig
    from napari_temseg.widgets.autosave.store import Picture

    known = Picture(picture.micrograph.data)
    store = trainings.KeptTraining(trainings.TrainingPlan("grid", "particles", TrainConfig(), False), [known])
    store.path.mkdir(parents=True)
    about = {
        "plan": {"what": "grid", "base": "particles", "config": {}, "tune": False},
        "classes": {},
        "pictures": [{"key": known.key, "name": "grid"}],
    }
    np.savez(store.path / trainings.INPUT, about=np.array(json.dumps(about)))
    parent = psutil.Process(os.getppid())
    told = {"spent": 60, "steps": 9, "time": "2026-11-20T10:00:00", "pid": parent.pid, "began": parent.create_time()}

    def found() -> list[str]:
        (store.path / trainings.PROGRESS).write_text(json.dumps(told))
        return [each.plan.title for each in trainings.look_up({"it": known})[0]]

    assert found() == []
    told["began"] += 100  # the number belongs to another process by now
    assert found() == ["Training on grid"]
    told["pid"] = os.getpid()
    store.hold()
    assert found() == []
    store.let_go()
    assert found() == ["Training on grid"]

    (stopped,), _ = trainings.look_up({"it": known})
    stopped.hold()  # it goes on here: another window has to know at once, not with the next checkpoint only
    signed = json.loads((store.path / trainings.PROGRESS).read_text())
    assert (signed["pid"], signed["spent"], signed["steps"]) == (os.getpid(), 60.0, 9)
    stopped.let_go()
    told |= {"pid": parent.pid, "began": parent.create_time()}  # … nor does one that was offered it before discard what goes on there
    assert found() == []
    stopped.remove()
    assert (store.path / trainings.INPUT).exists()
    told["began"] += 100
    assert found() == ["Training on grid"]
    (store.path / trainings.INPUT).write_bytes(b"no such file")
    assert found() == []
