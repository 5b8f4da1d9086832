"""What people do in the window, as many tests do it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils.notifications import notification_manager


def find(bench: Any, wait_jobs: Callable[[Any], None]) -> Any:
    """Find particles in the image in hand, which is returned."""
    heard: list[Any] = []
    bench.session.jobs.progressed.connect(lambda steps: heard.extend(step.message for step in steps))
    bench.session.said.connect(heard.append)
    bench.panel(1).one.click()
    heard.append(bench.session.jobs.running)
    wait_jobs(bench.session)
    assert bench.session.current.particles is not None, heard
    return bench.session.current


def told(word: str) -> list[str]:
    """The notifications with this word."""
    return [record.message for record in notification_manager.records if word in record.message]
