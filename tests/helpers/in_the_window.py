"""What people do in the window, as many tests do it too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.utils.notifications import notification_manager

from napari_temseg.engine.types.progress import Job, Progress


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


class _HeldJob:
    """A job that waits after so many of its previews."""

    def __init__(self, job: Job[Any], previews: int, go_on: threading.Event) -> None:
        self.job, self.previews, self.go_on = job, previews, go_on
        self.cancel, self.finish = job.cancel, job.finish

    def __iter__(self) -> Iterator[Progress]:
        for step in self.job:
            yield step
            self.previews -= step.preview is not None
            if self.previews <= 0:
                self.go_on.wait()

    @property
    def result(self) -> Any:
        return self.job.result


@contextmanager
def held(jobs: Any, previews: int) -> Iterator[None]:
    """A long job that starts within is still running at the end of it: it waits after so many planes or pictures.

    What tests before have searched is found at once: without this, the search of which a picture is taken away might have ended.
    """
    start, go_on = jobs.start, threading.Event()
    jobs.start = lambda title, make, *others, **settings: start(title, lambda: _HeldJob(make(), previews, go_on), *others, **settings)
    try:
        yield
        assert jobs.running
    finally:
        jobs.start = start
        go_on.set()


def told(word: str) -> list[str]:
    """The notifications with this word."""
    return [record.message for record in notification_manager.records if word in record.message]


def mouse(viewer: Any, path: list[tuple[float, float]], modifiers: tuple[str, ...] = (), layer: Any = None) -> None:
    """Press the left button at a place (world), move, and let go, as napari's canvas tells the viewer, and `layer` after it."""
    from napari.utils._test_utils import read_only_mouse_event as make
    from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

    for index, place in enumerate([*path, path[-1]]):
        kind = "mouse_press" if index == 0 else "mouse_release" if index == len(path) else "mouse_move"
        event = make(type=kind, pos=np.asarray(place) * 4, position=place, modifiers=modifiers, button=1, is_dragging=0 < index < len(path))
        tell = {"mouse_press": mouse_press_callbacks, "mouse_move": mouse_move_callbacks, "mouse_release": mouse_release_callbacks}[kind]
        for each in (viewer, layer):
            if each is not None:
                tell(each, event)
