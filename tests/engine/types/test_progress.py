"""A job ends in one of three ways: done, finished early, cancelled."""

from __future__ import annotations

import pytest

from napari_temseg import Cancelled, Job, Progress


def counting(upto: int = 5) -> Job[int]:
    def steps(control):
        total = 0
        while total < upto and not control.finishing:
            total += 1
            yield Progress("count", total / upto, elapsed=control.elapsed)
        return total

    return Job(steps)


def test_drain_reports_every_step_and_gives_the_result():
    seen: list[float] = []
    assert counting().drain(lambda progress: seen.append(progress.fraction)) == 5
    assert seen == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_the_result_stays_when_the_job_is_asked_again():
    job = counting()
    assert [progress.stage for progress in job] == ["count"] * 5
    assert list(job) == []
    assert job.drain() == 5
    assert job.result == 5


def test_finish_keeps_what_there_is():
    job = counting()
    next(job)
    job.finish()
    assert job.drain() == 1


def test_cancel_leaves_nothing():
    job = counting()
    next(job)
    job.cancel()
    assert list(job) == []
    with pytest.raises(Cancelled, match="cancelled"):
        _ = job.result


def test_cancel_before_the_start_and_during_the_last_step():
    early = counting()
    early.cancel()
    with pytest.raises(Cancelled):
        early.drain()

    def last_step(control):
        yield Progress("only", 0.5)
        control.cancelling = True
        return 1

    with pytest.raises(Cancelled):
        Job(last_step).drain()


def test_cancel_closes_what_the_job_holds():
    closed = []

    def steps(control):
        try:
            while True:
                yield Progress("hold", 0.0)
        finally:
            closed.append(True)

    job = Job(steps)
    next(job)
    job.cancel()
    list(job)
    assert closed == [True]


def test_cancel_after_the_end_changes_nothing():
    job = counting()
    job.drain()
    job.cancel()
    assert job.drain() == 5


def test_no_result_before_the_end_nor_after_an_error():
    job = counting()
    with pytest.raises(Cancelled, match="not done"):
        _ = job.result

    def steps(control):
        yield Progress("fail", 0.0)
        raise RuntimeError("broken")

    failing = Job(steps)
    with pytest.raises(RuntimeError, match="broken"):
        failing.drain()
    with pytest.raises(Cancelled):
        _ = failing.result


def test_remaining_time_follows_the_fraction():
    assert Progress("x", 0.25, elapsed=10).remaining == pytest.approx(30)
    assert Progress("x", 1.0, elapsed=10).remaining == 0
    assert Progress("x", 0.0, elapsed=10).remaining is None
    assert Progress("x", 0.02, elapsed=10).remaining is None  # one cheap step, or the start, is no pace
    assert Progress("x", 0.02, elapsed=100).remaining == pytest.approx(4900)
