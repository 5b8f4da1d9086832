"""What a test may leave behind in its process for the tests after it: how it is seen, named and put back."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

TOLD = 300  # characters of a difference
OTHERS = ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_", "KMP_")  # variables that pytest, torch and OpenMP set
LOGGERS = ("", "napari_temseg", "py.warnings")
LIBRARIES = ("torch", "torch.onnx", "matplotlib", "dask", "distributed")  # some set their loggers when they are imported


@dataclass(frozen=True)
class Trace:
    """One kind of leftover: `read` gives what is there now, None while that cannot be asked; `restore` puts back what was there before."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


class Untold(tuple[Any, ...]):
    """What is too long to be printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "another"


@contextmanager
def nothing_left(*traces: Trace, settle: Callable[[], object] = lambda: None, allowed: tuple[Trace, ...] = ()) -> Iterator[None]:
    """Fail the test that leaves any of these traces; all, and what is `allowed`, is put back. `settle` lets end what is about to end."""
    before = [(trace, trace.read()) for trace in (*traces, *allowed)]
    yield
    settle()
    left = []
    for trace, old in before:
        if old is not None and (now := trace.read()) != old:
            trace.restore(old)
            if trace in traces:
                left.append(f"{trace.name}: {difference(old, now)}")
    if left:
        pytest.fail("left behind for the tests after it:\n  " + "\n  ".join(left), pytrace=False)


def difference(old: Any, new: Any) -> str:
    """What is new, for people; of a mapping only the keys that changed."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if old.get(key, ...) != new.get(key, ...)]
        return ", ".join(f"{key}: {new.get(key, 'gone')!r} (was {old.get(key, 'not there')!r})" for key in keys)[:TOLD]
    return f"{new!r} (was {old!r})"[:TOLD]


def replaced(target: Any) -> Callable[[Any], None]:
    """Puts the old content into a mapping or list that others hold."""

    def restore(value: Any) -> None:
        target.clear()
        (target.extend if isinstance(value, list) else target.update)(value)

    return restore


def loaded(module: str, question: Callable[[Any], Any]) -> Callable[[], Any]:
    """Asks a module, where somebody has loaded it."""
    return lambda: None if module not in sys.modules else question(sys.modules[module])


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


def _put_environment(value: dict[str, str]) -> None:
    for name in set(_environment()) - set(value):
        del os.environ[name]
    os.environ.update(value)


def _numpy_state() -> Untold:
    name, key, *rest = np.random.get_state()  # noqa: NPY002  the global generator is what this is about
    return Untold((name, key.tobytes(), *rest))


def _put_numpy_state(state: Untold) -> None:
    name, key, *rest = state
    np.random.set_state((name, np.frombuffer(key, np.uint32), *rest))  # noqa: NPY002


def _put_torch_state(state: Untold) -> None:
    import torch

    torch.set_rng_state(torch.frombuffer(bytearray(state[0]), dtype=torch.uint8))


def _torch_settings(torch: Any) -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _put_torch_settings(value: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(value["threads"])
    torch.set_default_dtype(value["dtype"])
    torch.set_grad_enabled(value["gradients"])
    torch.use_deterministic_algorithms(value["deterministic"])


def _loggers(*names: str) -> dict[str, tuple[int, list[logging.Handler]]]:
    return {name: (logging.getLogger(name).level, [*logging.getLogger(name).handlers]) for name in names}


def _put_loggers(value: dict[str, tuple[int, list[logging.Handler]]]) -> None:
    for name, (level, handlers) in value.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers


def _put_signal(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


def _put_drawing(value: dict[str, Any]) -> None:
    dict.update(sys.modules["matplotlib"].rcParams, value)


def _close_figures(_: Any) -> None:
    sys.modules["matplotlib.pyplot"].close("all")


def _own_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("temseg"))


# Filters of warnings are missing here: pytest itself puts them back after every test.
PROCESS = (
    Trace("environment", _environment, _put_environment),
    Trace("working directory", os.getcwd, os.chdir),
    Trace("sys.path", lambda: [*sys.path], replaced(sys.path)),
    Trace("numpy's errors", np.geterr, lambda value: np.seterr(**value)),
    Trace("numpy's printing", np.get_printoptions, lambda value: np.set_printoptions(**value)),
    Trace("torch", loaded("torch", _torch_settings), _put_torch_settings),
    Trace("loggers", lambda: _loggers(*LOGGERS), _put_loggers),
    *(Trace(f"loggers of {name}", loaded(name, lambda _, name=name: _loggers(name)), _put_loggers) for name in LIBRARIES),
    Trace("log of warnings", lambda: getattr(logging, "_warnings_showwarning") is not None, logging.captureWarnings),  # noqa: B009
    Trace("handler of Ctrl+C", lambda: signal.getsignal(signal.SIGINT), _put_signal),
    Trace("threads", _own_threads, lambda _: None),
    Trace("matplotlib", loaded("matplotlib", lambda matplotlib: dict(dict.items(matplotlib.rcParams))), _put_drawing),
    Trace("figures", loaded("matplotlib.pyplot", lambda pyplot: pyplot.get_fignums()), _close_figures),
)
RANDOM = (
    Trace("random", lambda: Untold(random.getstate()), random.setstate),
    Trace("numpy.random", _numpy_state, _put_numpy_state),
    Trace("torch.random", loaded("torch", lambda torch: Untold([torch.get_rng_state().numpy().tobytes()])), _put_torch_state),
)
