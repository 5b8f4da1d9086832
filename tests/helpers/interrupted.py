"""A signal such as that of Ctrl+C, at a moment that the test chooses, to a command that runs in the process of the tests."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupted(when: Callable[[], bool], sent: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Send it once as soon as `when` holds; what comes after the command has ended stops nobody else."""
    over, before = threading.Event(), signal.signal(sent, lambda *_: None)

    def wait() -> None:
        while not over.wait(0.02):
            if when():
                os.kill(os.getpid(), sent)
                return

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(sent, before)
