"""Pictures on many machines: the same work, handed to the workers of a dask scheduler, which share the file system of this process."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Job
from napari_temseg.pipeline.workers.in_turn import Said, Take
from napari_temseg.pipeline.workers.picture_task import Learning, ReadyModel, Work
from napari_temseg.pipeline.workers.process import loaded_from

AHEAD = 2  # pictures a thread of the cluster has before it: the next is there when one is done
FOUND_WITHIN = 30  # seconds within which a scheduler answers
TICK_OF_CLUSTER = 0.2  # seconds after which it is seen to whether somebody stopped the run
_ready: dict[Path, ReadyModel] = {}  # in a process of the cluster: each model once


def do_here(work: Work, model: Path) -> Any:
    """What a process of the cluster does: the whole work at a picture; `model` is a file that holds the pickled model."""
    ready = _ready.setdefault(model, ReadyModel(partial(loaded_from, model)))
    return Job[Any](lambda control: work.steps(ready)).drain()


class Cluster:
    """The workers of a scheduler. One that is lost costs nothing but time: its pictures are done by others, each thrice at most."""

    def __init__(self, address: str, model: ReadyModel, state: Path) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise TemsegError(
                'A scheduler needs dask.distributed, which is not installed: pip install "napari-temseg[distributed]".'
            ) from error
        try:
            self._client = Client(address, timeout=FOUND_WITHIN, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise TemsegError(
                f"{address}: no scheduler of dask answers there ({error}); start one (dask scheduler) and name its address, "
                "such as tcp://node17:8786."
            ) from error
        self._model = state.absolute() / f"model-{secrets.token_hex(4)}"
        with self._model.open("wb") as stream:
            pickle.dump(model.segmenter, stream)
        self._most = 0

    def each(self, take: Take) -> Generator[Said, None, None]:
        """As `Crew` says."""
        from distributed import wait

        at_work: dict[Any, Work] = {}
        try:
            while True:
                threads = sum(self._client.nthreads().values())
                self._most = max(self._most, threads)
                while len(at_work) < max(1, AHEAD * threads) and (given := take()) is not None:
                    at_work[self._submitted(given)] = given
                if not at_work:
                    return
                yield Said()
                try:
                    with self._client.as_current():
                        ended = wait(list(at_work), timeout=TICK_OF_CLUSTER, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    continue
                for future in ended:
                    yield self._said(future, at_work.pop(future))
        finally:
            self._client.cancel(list(at_work), force=True)

    def _submitted(self, given: Work) -> Any:
        task = replace(given.task, path=given.task.path.absolute())
        if isinstance(given, Learning):
            there: Work = replace(given, task=task)
        else:
            there = replace(given, task=task, staging=given.staging.absolute(), output=given.output.absolute())
        return self._client.submit(do_here, there, self._model, key=f"temseg-{secrets.token_hex(8)}", retries=1, pure=False)

    def _said(self, future: Any, given: Work) -> Said:
        from distributed.scheduler import KilledWorker

        stem, path = given.task.stem, given.task.path
        try:
            return Said(stem, value=future.result())
        except KilledWorker as error:
            said = f"{path}: every process of the cluster that searched it was lost, perhaps for want of memory; give each more."
            lost = TemsegError(said)
            lost.__cause__ = error
            return Said(stem, error=lost)
        except Exception as error:  # noqa: BLE001  whoever asked decides what to do about it
            return Said(stem, error=error)

    def note(self) -> str:
        """How many worked at it."""
        return f"On a cluster of up to {self._most} threads." if self._most else ""

    def close(self) -> None:
        """Leave the cluster as it was."""
        self._client.close()
        self._model.unlink(missing_ok=True)
