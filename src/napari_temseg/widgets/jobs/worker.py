"""One job on its way through a worker thread, which makes it: so that torch loads there and not while the window waits."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

from qtpy.QtCore import QObject, Signal, Slot
from superqt.utils import GeneratorWorker

from napari_temseg.engine.types.errors import Cancelled
from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.widgets.jobs.preload import load_compiler

# On Linux: how far a job's threads stand behind the window's when both want the processor. They stand behind those of other programs too:
# with 10 a search on a busy machine got a tenth of a core and took minutes.
NICE = 4

Make = Callable[[], Job[Any]]


class JobError(Exception):
    """A failure inside a job; superqt's workers lose a bare RuntimeError, which torch raises for nearly everything."""


class Run(QObject):
    """One job on its way through a worker thread; its signals arrive in the main thread, where it was made."""

    ended = Signal(object, object)  # the run, its result or None
    failed = Signal(object, object)  # the run, the exception

    def __init__(
        self,
        make: Make,
        done: Callable[[Any], None],
        failed: Callable[[], None] | None = None,
        seen: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__()
        self.make, self.done, self.stopped, self.seen = make, done, failed, seen
        self.job: Job[Any] | None = None
        self.cancelled = self.finishing = False
        self.arrived: list[Progress] = []

    def launch(self) -> None:
        """Start in a thread of Qt's pool."""
        _alive.add(self)
        worker: Any = GeneratorWorker(_steps, self)
        worker.yielded.connect(self._take)
        worker.returned.connect(self._return)
        worker.errored.connect(self._fail)
        worker.start()

    def cancel(self) -> None:
        """Stop at the next step and discard."""
        self.cancelled = True
        if (job := self.job) is not None:
            job.cancel()

    def finish(self) -> None:
        """Stop at the next step and keep the best so far."""
        self.finishing = True
        if (job := self.job) is not None:
            job.finish()

    @Slot(object)
    def _take(self, step: Progress) -> None:
        if self.seen is None:
            self.arrived.append(step)
        elif not self.cancelled:
            self.seen(step)

    @Slot(object)
    def _return(self, result: Any) -> None:
        _alive.discard(self)
        self.ended.emit(self, None if self.cancelled else result)

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        _alive.discard(self)
        self.failed.emit(self, error)


_alive: set[Run] = set()  # a run is never collected in its worker thread, nor before its last signal is delivered


def _steps(run: Run) -> Generator[Progress, None, Any]:
    """In the worker thread: make the job and drive it; one that was stopped returns None, torch's errors leave as `JobError`."""
    try:
        stand_back()
        load_compiler()
        run.job = job = run.make()
        # What was said while the job was being made holds for it too.
        if run.cancelled:
            job.cancel()
        if run.finishing:
            job.finish()
        yield from job
        return job.result
    except Cancelled:
        return None
    except (RuntimeError, MemoryError) as error:
        raise JobError(first_line(error)) from error
    finally:
        run.job = None
        _release()


def first_line(error: BaseException) -> str:
    """What an error says, on one line of 200 characters at most; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def stand_back() -> None:
    """Let the window go first: this thread, and those that torch starts from it, take what it leaves."""
    if sys.platform == "linux" and os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICE:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _release() -> None:
    """Give GPU memory back, if torch was loaded at all."""
    if "torch" in sys.modules:
        from napari_temseg.engine.model.device import release

        release()
