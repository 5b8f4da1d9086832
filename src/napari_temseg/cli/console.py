"""What commands share with the terminal: progress, Ctrl-C, results as text or JSON, and the log."""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from napari_temseg.engine.types.progress import Job, Progress

T = TypeVar("T")
logger = logging.getLogger("napari_temseg")
RUBBISH = 50_000  # objects more than were let go, from which on cycles of them are looked for
QUIET = 10.0  # seconds between two lines of progress where there is no terminal to draw a bar on


def report(args: argparse.Namespace, text: str, values: Any) -> None:
    """Print a result on stdout: `values` as JSON when `--json` was given, else `text`."""
    from napari_temseg.files.atomic import json_text, printable  # numpy with it, which --help does without

    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may know fewer letters than names have
        sys.stdout.reconfigure(errors="backslashreplace")
    print(json_text(values, indent=2) if args.json else printable(text))


def complain(sentence: str) -> None:
    """One line on stderr."""
    from napari_temseg.files.atomic import printable

    print(f"temseg: {' '.join(printable(sentence).split())}", file=sys.stderr)


def starting() -> None:
    """Tell who watches a terminal that something happens: what a run needs takes seconds to import.

    Rubbish is looked for less often from now on, and not at the end: what libraries make as they are imported stays, and to go through
    it again and again takes a seventh of a small run.
    """
    gc.set_threshold(RUBBISH, *gc.get_threshold()[1:])
    atexit.register(_leave)
    if sys.stderr.isatty():
        print("starting …", end="\r", file=sys.stderr, flush=True)


def _leave() -> None:
    if "torch" not in sys.modules:  # its compiler complains of all that it was not asked to clear away
        gc.freeze()


def drive(job: Job[T], *, keep: bool = True) -> tuple[T, bool]:
    """Run a job with progress on stderr; returns its result and whether Ctrl-C ended it early.

    The first Ctrl-C, or SIGTERM of a cluster, finishes the job, keeping what it has (`keep`), or cancels it, so that `Cancelled` is
    raised; the second stops at once.
    """
    with _interrupting(job, keep) as interrupted, _progress() as show:
        result = job.drain(show)
    return result, bool(interrupted)


@contextmanager
def _interrupting(job: Job[Any], keep: bool) -> Iterator[list[int]]:
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        (job.finish if keep else job.cancel)()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield received
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _progress() -> Iterator[Any]:
    if not sys.stderr.isatty():
        last = [0.0]

        def line(progress: Progress) -> None:
            if progress.elapsed - last[0] >= QUIET:
                last[0] = progress.elapsed
                left = "" if progress.remaining is None else f", {progress.remaining:.0f} s left"
                print(f"{progress.share:4.0%} {progress.elapsed:5.0f} s{left}  {progress.message}", file=sys.stderr, flush=True)

        yield line
        return
    from tqdm import tqdm

    with tqdm(total=1.0, leave=False, bar_format="{percentage:3.0f}% |{bar}| {elapsed}<{remaining} {desc}") as bar:

        def draw(progress: Progress) -> None:
            bar.set_description_str(progress.message, refresh=False)
            bar.update(max(0.0, progress.share - bar.n))

        yield draw


def log_path() -> Path:
    """Where the log lies."""
    from platformdirs import user_log_path

    return user_log_path("napari-temseg", appauthor=False) / "temseg.log"


@contextmanager
def logging_to_file() -> Iterator[None]:
    """Warnings and errors of every library go to the log file and not between the lines a user reads."""
    root, path = logging.getLogger(), log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        handler: logging.Handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", errors="backslashreplace")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    except OSError:
        handler = logging.NullHandler()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()
