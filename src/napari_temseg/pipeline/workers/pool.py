"""Pictures side by side in processes of one thread each: what one of them does, or dies of, concerns one picture."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.workers.in_turn import Said, Take
from napari_temseg.pipeline.workers.picture_task import ReadyModel, Work
from napari_temseg.pipeline.workers.process import DONE, FAILED, GOING, READY, work

GB = 1e9
OF_A_WORKER = 1.0 * GB  # bytes that a worker may hold with pictures of 2048²; measured 0.6 to 0.9
TRIES = 2  # of a picture whose worker died
TICK = 0.2  # seconds after which it is seen to whether somebody stopped the run


def number_of(workers: int | str) -> int:
    """How many processes are meant: a number, or 0 and "auto" for as many as there are cores and memory suffices for."""
    if workers in (0, "auto", "0"):
        return max(1, min(_cores(), int(_free() / OF_A_WORKER)))
    try:
        number = int(workers)
    except ValueError:
        number = -1
    if number < 1:
        raise TemsegError(f"“{workers}” is no number of workers; use 1 and more, or auto.")
    return number


def memory_note(count: int) -> str:
    """A sentence where so many workers may need more memory than is free, or ""."""
    free = _free()
    if count * OF_A_WORKER <= free:
        return ""
    return f"{count} workers may hold {count * OF_A_WORKER / GB:.0f} GB and {free / GB:.1f} GB are free; use fewer if pictures fail."


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free() -> float:
    import psutil

    return float(psutil.virtual_memory().available)


class _Worker:
    """A process, what it works at, and whether it ever said that it is there."""

    def __init__(self, model: Path) -> None:
        context = multiprocessing.get_context("spawn")  # a copy of this process would hold its threads' locks for ever
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, model), daemon=True)
        with _deaf_to_interrupts():
            self.process.start()
        theirs.close()
        self.work: Work | None = None
        self.came_up = False

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()

    def died_of(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        if code is None:
            return "it does not answer"
        return f"it ended with {code}" if code >= 0 else f"{signal.Signals(-code).name}"


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile never hears Ctrl-C, not even before it could say so itself."""
    if threading.current_thread() is not threading.main_thread():  # only there can it be said
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class WorkerPool:
    """At most `count` processes, started when there is work for them. A picture whose worker dies is tried once more by another."""

    def __init__(self, count: int, model: ReadyModel) -> None:
        self._count, self._folder = count, Path(tempfile.mkdtemp(prefix="temseg-"))
        self._model = self._folder / "model"
        with self._model.open("wb") as stream:
            pickle.dump(model.segmenter, stream)
        self._workers: list[_Worker] = []
        self._again: list[Work] = []
        self._tries: dict[str, int] = {}
        self._ended_early, self._most, self._warning = 0, 0, memory_note(count)

    def each(self, take: Take) -> Generator[Said, None, None]:
        """As `Crew` says."""
        try:
            while self._hand_out(take):
                yield Said()
                busy = {worker.connection: worker for worker in self._workers if worker.work is not None}
                for connection in wait(list(busy), TICK):
                    said = self._heard(busy[connection])  # type: ignore[index]
                    if said is not None:
                        yield said
        except GeneratorExit:
            self.end()
            raise

    def note(self) -> str:
        """How much memory the largest worker took."""
        held = f"Side by side in {self._count} processes; the largest held {self._most / 1e6:.0f} MB." if self._most else ""
        return " ".join(filter(None, (held, self._warning)))

    def end(self) -> None:
        """End the processes, whatever they are at."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def close(self) -> None:
        """End it."""
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _hand_out(self, take: Take) -> bool:
        """Give work to whoever has none; whether anything is at work then."""
        while len([worker for worker in self._workers if worker.work is not None]) < self._count:
            given = self._again.pop() if self._again else take()
            if given is None:
                break
            self._give(given)
        return any(worker.work is not None for worker in self._workers)

    def _give(self, given: Work) -> None:
        idle = next((worker for worker in self._workers if worker.work is None), None)
        if idle is None:
            idle = _Worker(self._model)
            self._workers.append(idle)
        idle.work = given
        with suppress(OSError):  # when it is gone, that is heard in a moment
            idle.connection.send(given)

    def _heard(self, worker: _Worker) -> Said | None:
        given = worker.work
        if given is None:
            return None
        try:
            kind, value, peak = worker.connection.recv()
        except (EOFError, OSError):
            return self._lost(worker, given)
        stem = given.task.stem
        self._most = max(self._most, peak)
        if kind == READY:
            worker.came_up, self._ended_early = True, 0
            return None
        if kind == GOING:
            return Said(stem, value)
        worker.work = None
        self._tries.pop(stem, None)
        return Said(stem, value=value) if kind == DONE else Said(stem, error=value if kind == FAILED else RuntimeError(kind))

    def _lost(self, worker: _Worker, given: Work) -> Said | None:
        """A worker died: its picture is tried again, or refused."""
        why, path = worker.died_of(), given.task.path
        worker.end()
        self._workers.remove(worker)
        if not worker.came_up:
            self._ended_early += 1
            if self._ended_early > TRIES:
                raise TemsegError(
                    f"The processes of the workers end as they begin ({why}): run it with one worker. In a script of your own, call "
                    "run(…, workers=…) below “if __name__ == '__main__':”."
                )
        else:
            self._tries[given.task.stem] = self._tries.get(given.task.stem, 0) + 1
        if self._tries.get(given.task.stem, 0) < TRIES:
            self._again.append(given)
            return None
        return Said(
            given.task.stem,
            error=TemsegError(
                f"{path}: the process that searched it was lost twice ({why}), perhaps for want of memory; try it with fewer workers, "
                "alone, or in parts if it is large."
            ),
        )
