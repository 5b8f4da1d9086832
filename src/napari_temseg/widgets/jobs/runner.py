"""What runs beside the window: one long job and one preview at a time (see `run`), and small chores one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from napari.utils.notifications import show_error
from napari.utils.task_status import Status
from qtpy.QtCore import QObject, QTimer, Signal, Slot

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Progress
from napari_temseg.widgets.jobs.worker import Make, Run, first_line, stand_back

logger = logging.getLogger("napari_temseg")
FLUSH = 1000  # ms between two deliveries of progress: every one draws the window, which costs where no GPU draws it
PROVIDER = "TEM particles"  # as napari names who runs a job


class Jobs(QObject):
    """Runs the jobs of one viewer. The dock shows how far they are: napari's own bar has an animation, which would draw the whole window
    anew many times a second.

    `changed` tells that the long job started or ended, `progressed` hands over what it yielded since the last time (a list of
    `Progress`, at most once a second). All signals and callbacks come in the main thread.
    """

    changed = Signal()
    progressed = Signal(object)
    _chore_ended = Signal(object, object)  # what is to be done with it, its result

    def __init__(self, parent: QObject | None = None, window: Any = None) -> None:
        """`window` is napari's: told that something runs, it asks before it closes."""
        super().__init__(parent)
        self.title, self.can_finish, self.lasting, self.cancelled = "", False, False, False
        self.so_far: Progress | None = None  # what the running job goes on from
        self._window = window
        self._long: Run | None = None
        self._look: Run | None = None
        self._next_look: Run | None = None
        self._beside: list[Run] = []
        self._status: Any = None
        self._closed = False
        self._chores: ThreadPoolExecutor | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(FLUSH)
        self._timer.timeout.connect(self._flush)
        self._chore_ended.connect(self._chore_done)

    @property
    def running(self) -> bool:
        """Whether a long job runs."""
        return self._long is not None

    @property
    def wait(self) -> str:
        """What waits for the long job, in a sentence; "" while none runs."""
        return f"Waits until “{self.title}” has ended." if self.running else ""

    @property
    def looking(self) -> bool:
        """Whether a preview runs or waits."""
        return self._look is not None

    @property
    def stopping(self) -> bool:
        """Whether the long job was asked to finish or to stop."""
        return self._long is not None and (self._long.cancelled or self._long.finishing)

    def start(
        self,
        title: str,
        make: Make,
        done: Callable[[Any], None],
        *,
        can_finish: bool = False,
        lasting: bool = False,
        failed: Callable[[], None] | None = None,
        so_far: Progress | None = None,
    ) -> None:
        """Start the long job that `make` makes in the worker thread; `lasting` when it can go on after the window was closed.

        `done` gets its result; `failed` is called when there is none, and `cancelled` then says whether somebody wanted that.
        `so_far` is where a job before it stood that it goes on from, in the eyes of who waits. `TemsegError` while another one runs.
        """
        if self._closed:
            return
        self.check_free()
        self.title, self.can_finish, self.lasting, self.cancelled, self.so_far = title, can_finish, lasting, False, so_far
        self._long = Run(make, done, failed)
        if hasattr(self._window, "_register_task_status"):
            self._status = self._window._register_task_status(PROVIDER, Status.BUSY, title, self._cancelled_by_napari)
        self._timer.start()
        self._launch(self._long, self._long_ended, self._long_failed)
        self.changed.emit()

    def check_free(self) -> None:
        """`TemsegError` while a long job runs: to be asked before anything is changed for another one."""
        if self._long is not None:
            raise TemsegError(f"“{self.title}” is still running; let it finish or cancel it first.")

    def look(
        self,
        make: Make,
        done: Callable[[Any], None],
        *,
        seen: Callable[[Progress], None] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Run a preview; it replaces one that waits, and stops one that runs. `seen` gets every `Progress`, `failed` is as for `start`.

        A preview that another one replaces is not told: `failed` means that nothing comes after it. Returns what stops this one.
        """
        run = Run(make, done, failed, seen)
        if self._closed:
            return run.cancel
        if self._look is not None:
            self._look.cancel()
            self._next_look = run
            return run.cancel
        self._look = run
        self._launch(run, self._look_ended, self._look_failed)
        return run.cancel

    def beside(
        self, title: str, make: Make, done: Callable[[Any], None], *, seen: Callable[[Progress], None], failed: Callable[[], None]
    ) -> None:
        """Run something short that must not wait for the long job, such as opening a file; the arguments are those of `look`."""
        run = Run(make, done, failed, seen)
        if not self._closed:
            self._beside.append(run)
            self._launch(run, self._beside_ended, partial(self._beside_failed, title))

    def later(self, chore: Callable[[], Any], done: Callable[[Any], None] | None = None) -> None:
        """Do something small and slow, such as writing a file, after all chores before it; what fails goes to the log.

        `done` gets what the chore returns, in the main thread; nothing comes after a failure, or once the viewer is closed.
        """
        if self._closed:
            return
        if self._chores is None:
            self._chores = ThreadPoolExecutor(1, "temseg-chores", stand_back)
        self._chores.submit(_logged, chore, None if done is None else partial(self._chore_ended.emit, done))

    def others(self) -> list[str]:
        """What else runs in this window as far as napari knows: the jobs of other plugins."""
        manager = getattr(self._window, "_task_status_manager", None)
        own = f"{PROVIDER}: {self.title}"
        return [task for task in manager.get_status() if task != own] if manager is not None else []

    def finish(self) -> None:
        """Ask the long job to stop and keep the best so far."""
        if self._long is not None:
            self._long.finish()
            self.changed.emit()

    def cancel(self) -> None:
        """Ask the long job to stop and discard what it has."""
        if self._long is not None:
            self._long.cancel()
            self.changed.emit()

    def close(self) -> None:
        """Cancel everything; nothing is delivered any more. Chores that are under way are finished."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        for run in (self._long, self._look, *self._beside):
            if run is not None:
                run.cancel()
        self._next_look = None
        self._end_status(Status.CANCELLED)
        if self._chores is not None:
            self._chores.shutdown(wait=True)

    @Slot(object, object)
    def _chore_done(self, done: Callable[[Any], None], result: Any) -> None:
        if not self._closed:
            guarded(partial(done, result))

    def _launch(self, run: Run, ended: Callable[[Run, Any], None], failed: Callable[[Run, Exception], None]) -> None:
        run.ended.connect(ended)
        run.failed.connect(failed)
        run.launch()

    def _flush(self) -> None:
        run = self._long
        if run is None or not run.arrived:
            return
        steps, run.arrived[:] = list(run.arrived), []
        self.progressed.emit(steps)

    @Slot(object, object)
    def _long_ended(self, run: Run, result: Any) -> None:
        if not self._awaited(run):
            return
        self._flush()
        self._free(Status.CANCELLED if result is None else Status.COMPLETED)
        _hand_over(run, result)
        self.changed.emit()

    @Slot(object, object)
    def _long_failed(self, run: Run, error: Exception) -> None:
        if not self._awaited(run):
            return
        self._free(Status.FAILED)
        if not run.cancelled:
            complain(error, self.title)
        _hand_over(run, None)
        self.changed.emit()

    def _awaited(self, run: Run) -> bool:
        """Whether the end of a run is to be told; once the viewer is closed, it is only noted."""
        if run is not self._long:
            return False
        if self._closed:
            self._long = None
        return not self._closed

    def _free(self, status: Status) -> None:
        self._timer.stop()
        self._end_status(status)
        self.cancelled = self._long is not None and self._long.cancelled
        self._long = None

    def _end_status(self, status: Status) -> None:
        if self._status is not None:
            self._window._update_task_status(self._status, status)
        self._status = None

    @Slot(object, object)
    def _look_ended(self, run: Run, result: Any) -> None:
        if self._closed:
            return
        self._look = None
        if result is not None or self._next_look is None:
            _hand_over(run, result)
        self._follow()

    @Slot(object, object)
    def _look_failed(self, run: Run, error: Exception) -> None:
        if self._closed:
            return
        self._look = None
        if not run.cancelled:
            complain(error, "Preview")
        if self._next_look is None:
            _hand_over(run, None)
        self._follow()

    @Slot(object, object)
    def _beside_ended(self, run: Run, result: Any) -> None:
        if not self._closed:
            self._beside.remove(run)
            _hand_over(run, result)

    def _beside_failed(self, title: str, run: Run, error: Exception) -> None:
        if not self._closed:
            complain(error, title)
            self._beside_ended(run, None)

    def _follow(self) -> None:
        if self._look is None and self._next_look is not None:
            self._look, self._next_look = self._next_look, None
            self._launch(self._look, self._look_ended, self._look_failed)

    def _cancelled_by_napari(self) -> bool:
        self.cancel()
        return True


def _hand_over(run: Run, result: Any) -> None:
    if result is not None:
        guarded(partial(run.done, result))
    elif run.stopped is not None:
        guarded(run.stopped)


def complain(error: Exception, where: str) -> None:
    """One sentence for the user as a notification, everything else to the log."""
    cause = error.__cause__ or error
    if isinstance(error, TemsegError):
        logger.info("%s: %s", where, error)
        show_error(str(error))
        return
    logger.error("%s failed", where, exc_info=(type(cause), cause, cause.__traceback__))
    show_error(f"{where} failed ({first_line(error)}); nothing painted is lost; “temseg info” says where the log with the details lies.")


def guarded(action: Callable[[], Any]) -> Any:
    """Do what a click asked for; a user's mistake becomes a notification. Returns the action's value, None after an error."""
    try:
        return action()
    except TemsegError as error:
        complain(error, "")
        return None


def _logged(chore: Callable[[], Any], ended: Callable[[Any], None] | None = None) -> None:
    try:
        result = chore()
        if ended is not None:
            ended(result)
    except Exception:
        logger.exception("a chore failed")
