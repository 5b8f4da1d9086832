"""F8 while something runs is not lost: what was asked for is searched afterwards, and that is said."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

from napari_temseg.engine.types.progress import Control, Job, Progress


def test_f8_while_a_job_runs_is_told_and_done_after_it(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, item = bench.session, bench.session.current
    told = list[str]()
    session.said.connect(told.append)
    go_on = threading.Event()

    def steps(control: Control) -> Generator[Progress, None, bool]:
        yield Progress("measure", 0.0, "", 0.0)
        go_on.wait()
        return True

    session.jobs.start("Scale bar of grid", lambda: Job(steps), lambda _: None)
    try:
        bench.panel(1).key.press()
        assert told[-1] == "grid is searched as soon as this is done: Scale bar of grid."
        assert item.particles is None
    finally:
        go_on.set()
    qtbot.waitUntil(lambda: item.particles is not None)
    wait_jobs(session)
    assert len(item.history) <= 1  # once
