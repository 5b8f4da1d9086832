"""The thread code: what is delivered, what is not, and that nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any

import pytest
from leftovers_of_windows import settle
from napari.utils.notifications import notification_manager

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.jobs.runner import Jobs


def counting(n: int, seconds: float = 0.01, result: Any = "done") -> Job[Any]:
    def steps(control: Control) -> Generator[Progress, None, Any]:
        for index in range(n):
            if control.finishing:
                return "finished early"
            time.sleep(seconds)
            yield Progress("count", (index + 1) / n, f"{index + 1}", control.elapsed)
        return result

    return Job(steps)


def failing(error: Exception) -> Job[Any]:
    def steps(control: Control) -> Generator[Progress, None, Any]:
        yield Progress("fail", 0.5)
        raise error

    return Job(steps)


@pytest.fixture
def jobs(qtbot: Any) -> Any:
    made = Jobs()
    yield made
    made.close()
    settle()


def said() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def test_progress_and_result_arrive_in_the_main_thread(jobs: Any, qtbot: Any) -> None:
    threads, steps, results = set(), [], []
    jobs.progressed.connect(lambda new: (threads.add(threading.current_thread()), steps.extend(new)))
    jobs.start("count", lambda: counting(20), lambda result: (threads.add(threading.current_thread()), results.append(result)))
    assert jobs.running
    qtbot.waitUntil(lambda: not jobs.running)
    assert results == ["done"]
    assert [step.message for step in steps] == [str(n) for n in range(1, 21)]
    assert threads == {threading.main_thread()}


def test_jobs_are_made_in_the_worker_thread(jobs: Any, qtbot: Any) -> None:
    made_in = []

    def make() -> Job[Any]:
        made_in.append(threading.current_thread())
        return counting(1)

    jobs.start("count", make, lambda result: None)
    qtbot.waitUntil(lambda: not jobs.running)
    assert made_in[0] is not threading.main_thread()


def test_one_long_job_at_a_time(jobs: Any, qtbot: Any) -> None:
    jobs.start("first", lambda: counting(50), lambda result: None)
    with pytest.raises(TemsegError, match="first"):
        jobs.start("second", lambda: counting(1), lambda result: None)
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.running)


@pytest.mark.parametrize(("action", "expected"), [("finish", ["finished early"]), ("cancel", [])])
def test_finish_keeps_and_cancel_discards(jobs: Any, qtbot: Any, action: str, expected: list[str]) -> None:
    results: list[Any] = []
    gone: list[bool] = []
    jobs.start("count", lambda: counting(1000), results.append, failed=lambda: gone.append(True), can_finish=True)
    with qtbot.waitSignal(jobs.progressed):
        pass
    getattr(jobs, action)()
    assert jobs.stopping
    qtbot.waitUntil(lambda: not jobs.running, timeout=2000)
    assert results == expected
    assert gone == ([] if expected else [True])


def test_cancel_before_the_job_is_made(jobs: Any, qtbot: Any) -> None:
    results: list[Any] = []

    cancelled = threading.Event()

    def slow() -> Job[Any]:
        assert cancelled.wait(180)
        return counting(1000)

    jobs.start("slow", slow, results.append)
    jobs.cancel()
    cancelled.set()
    qtbot.waitUntil(lambda: not jobs.running, timeout=2000)
    assert results == []


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), TemsegError("a.tif: is empty; export it again."), ValueError("odd")])
def test_every_error_is_told_and_frees_the_way(jobs: Any, qtbot: Any, error: Exception) -> None:
    notification_manager.records.clear()
    gone: list[bool] = []
    jobs.start("Training", lambda: failing(error), lambda result: None, failed=lambda: gone.append(True))
    qtbot.waitUntil(lambda: not jobs.running, timeout=2000)
    assert gone == [True]
    assert len(said()) == 1
    assert str(error) in said()[0]
    assert "Traceback" not in said()[0]
    jobs.start("again", lambda: counting(1), lambda result: None)
    qtbot.waitUntil(lambda: not jobs.running)


@pytest.mark.parametrize("at_once", [True, False])
def test_the_newest_preview_wins(jobs: Any, qtbot: Any, at_once: bool) -> None:
    results: list[Any] = []
    begun: list[int] = []
    for number in range(5):
        jobs.look(lambda number=number: counting(30, result=number), results.append, seen=lambda _, number=number: begun.append(number))
        qtbot.waitUntil(lambda number=number: at_once or number in begun)
    qtbot.waitUntil(lambda: not jobs.looking)
    assert results == [4]


def test_a_preview_runs_beside_a_long_job(jobs: Any, qtbot: Any) -> None:
    order: list[str] = []
    jobs.start("long", lambda: counting(60, result="long"), order.append)
    jobs.look(lambda: counting(2, result="look"), order.append)
    qtbot.waitUntil(lambda: not jobs.running and not jobs.looking, timeout=5000)
    assert order == ["look", "long"]


def test_nothing_is_delivered_after_close(qtbot: Any) -> None:
    jobs, results, begun = Jobs(), [], []
    jobs.start("long", lambda: counting(20), results.append)
    jobs.look(lambda: counting(20), results.append, seen=begun.append)
    qtbot.waitUntil(lambda: bool(begun))
    jobs.close()
    settle()
    assert results == []


def test_chores_are_done_in_order_and_before_the_end(qtbot: Any, caplog: Any) -> None:
    jobs, order = Jobs(), []
    for number in range(5):
        jobs.later(lambda number=number: (time.sleep(0.01), order.append(number), {}[number]))
    jobs.close()
    assert order == list(range(5))
    assert [record.message for record in caplog.records] == ["a chore failed"] * 5  # whatever it was


def test_the_result_comes_last(jobs: Any, qtbot: Any) -> None:
    heard: list[str] = []
    jobs.progressed.connect(lambda steps: heard.extend(step.message for step in steps))
    jobs.start("count", lambda: counting(5, 0.03), heard.append)
    qtbot.waitUntil(lambda: not jobs.running)
    settle()
    assert heard == ["1", "2", "3", "4", "5", "done"]
