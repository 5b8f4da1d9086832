"""What a worker does: a process with one thread that works at one picture after another, until nobody is there to give it one.

Nothing heavy is imported before the number of threads is set.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import traceback
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.pipeline.workers.picture_task import ReadyModel, Work

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
READY, GOING, DONE, FAILED = "ready", "going", "done", "failed"


def work(connection: Connection, model: Path) -> None:
    """Work at what comes through `connection`, as long as its other end is open; `model` is a file that holds the pickled model."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal: the first of them decides
    os.environ.update(dict.fromkeys(THREADS, "1"))
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be known of a failure is sent
    logging.captureWarnings(True)
    try:
        connection.send((READY, None, 0))
        from napari_temseg.pipeline.workers.picture_task import ReadyModel

        ready = ReadyModel(partial(loaded_from, model))
        while True:
            given: Work = connection.recv()
            _do(given, ready, connection)
    except (EOFError, OSError):  # whoever gave the work is gone
        return


def loaded_from(path: Path) -> Segmenter:
    """The model of a file."""
    with path.open("rb") as stream:
        model: Segmenter = pickle.load(stream)
    return model


def _do(given: Work, model: ReadyModel, connection: Connection) -> None:
    steps = given.steps(model)
    try:
        while True:
            step = replace(next(steps), preview=None)
            connection.send((GOING, step, 0))
    except StopIteration as stop:
        connection.send((DONE, stop.value, peak_memory()))
    except (BrokenPipeError, ConnectionError):
        raise
    except Exception as error:  # noqa: BLE001  whatever one picture does, the others are done
        connection.send((FAILED, portable(error), peak_memory()))


def portable(error: Exception) -> Exception:
    """The error as it can go to another process, with where it came from as a note."""
    told = "".join(traceback.format_exception(error))
    try:
        same: Exception = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  an error may hold anything
        same = RuntimeError(f"{type(error).__name__}: {error}")
    same.add_note(told)
    return same


def peak_memory() -> int:
    """The most bytes that this process held resident; 0 where the system does not tell."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else 1024 * most)
