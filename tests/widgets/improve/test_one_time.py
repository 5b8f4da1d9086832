"""What is told of the time that is left: of using a result, and of a training with what follows it as of one job."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.improve.live.pace import STAGE_ANSWER, STAGE_MEASURE, STAGE_SPLIT, UseCourse, UsePace
from napari_temseg.widgets.improve.search_again import iter_after
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.workbench import JobBar


def test_using_a_result_is_told_by_what_was_measured_last() -> None:
    now = [0.0]
    pace, control = UsePace(), Control(lambda: now[0])
    pace.took(STAGE_ANSWER, 2.0, 1000)
    pace.took(STAGE_SPLIT, 4.0, 1000)
    pace.took(STAGE_MEASURE, 2.0, 2000)
    course, told = UseCourse(control, planes=2, pixels=1000, unseen=0, pace=pace), []
    for stage, seconds in ((STAGE_ANSWER, 2.0), (STAGE_ANSWER, 2.0), (STAGE_SPLIT, 4.0), (STAGE_SPLIT, 4.0), (STAGE_MEASURE, 2.0)):
        told.append(course.at("").rest)
        with course.doing(stage):
            now[0] += seconds
    assert told == pytest.approx([14.0, 12.0, 10.0, 6.0, 2.0])
    pace.took(STAGE_SPLIT, 8.0, 1000)
    assert pace.takes(STAGE_SPLIT, 1000) == pytest.approx(6.0), "a machine that is busy now counts half"


def test_using_a_result_says_what_it_does_and_for_how_long_yet(bench: Any, qtbot: Any, idle: Any, wait_jobs: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    panel.labelling.new.click()
    item.annotation.paint((60, 60), 1)
    qtbot.waitUntil(lambda: panel.live.use.isEnabled() and not panel.live.model.coming)
    idle()
    steps: list[Progress] = []
    session.jobs.progressed.connect(steps.extend)
    panel.live.use.click()
    wait_jobs(session)
    own = [step for step in steps if step.message.startswith("grid: ")]
    assert [step.message.split(": ")[1].split()[0] for step in own] == ["answering", "splitting", "measuring"]
    assert all(step.rest is not None and step.rest > 0 for step in own)
    assert [step.fraction for step in own] == sorted(step.fraction for step in own)


def test_the_bar_goes_on_with_the_time_where_it_is_known(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bar, now = bench.findChild(JobBar), [100.0]
    monkeypatch.setattr("napari_temseg.widgets.workbench.time.monotonic", lambda: now[0])
    monkeypatch.setattr(type(bench.session.jobs), "running", property(lambda _: True))
    bar._progressed([Progress("answer", 0.0, "answering", 1.0, rest=9.0)])
    assert bar.bar.value() == 100
    now[0] += 4
    bar._tick()
    assert bar.bar.value() == 500
    assert "5 s left" in bar.bar.text()
    bar._progressed([Progress("check", 0.9, "checking", 10.0, rest=0.0)])
    assert bar.bar.text().startswith("checking the new model")
    assert bar.bar.text().endswith("nearly done")
    now[0] += 9
    bar._tick()
    assert bar.bar.text().endswith("longer than told")
    monkeypatch.undo()


def test_a_last_part_goes_on_in_the_time_of_the_whole() -> None:
    now = [0.0]

    def search(control: Control) -> Generator[Progress, None, str]:
        for fraction in (0.0, 0.1, 0.5, 0.9):
            yield Progress("find", fraction, "looking", now[0])
            now[0] += 2.0
        return "found"

    job = iter_after(Progress("check", 0.9, "", 30.0, rest=6.0), Job(search))
    job.control.go_by(lambda: now[0])
    steps = list(job)
    assert job.result == "found"
    assert [step.elapsed for step in steps] == [30.0, 32.0, 34.0, 36.0]
    assert steps[0].rest == 6.0
    assert steps[1].rest == 4.0
    assert steps[2].rest == pytest.approx(4.0), "by its own pace from here on"
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert steps[0].share > 0.8


def test_training_check_and_search_are_one_to_who_waits(bench: Any, picture: Any, qtbot: Any, wait_jobs: Any, idle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()
    item.annotation.data[...] = np.where(picture.instances[:192, :192] > 0, 2, 1)
    session.item_changed.emit(item, Change.ANNOTATION)
    for name, value in {"max_seconds": 60, "max_steps": 3, "evaluate_every": 1, "crop": 64, "batch": 1, "validation": 0.0}.items():
        panel.form.fields[name].value = value
    steps: list[Progress] = []
    session.jobs.progressed.connect(steps.extend)
    begun: list[int] = []
    bar = bench.findChild(JobBar)
    session.jobs.changed.connect(lambda: begun.append(bar.bar.value()) if session.jobs.title.startswith("After") else None)
    panel.train.click()
    wait_jobs(session)
    wait_jobs(session)
    idle()
    assert {step.stage for step in steps} >= {"train", "find"}
    assert [step.elapsed for step in steps] == sorted(step.elapsed for step in steps)
    assert begun
    assert begun[0] > 0, "the bar does not begin anew"
