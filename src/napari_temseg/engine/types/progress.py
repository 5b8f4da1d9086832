"""A generator is a job: it yields `Progress`, can be finished early or cancelled, and returns its result."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, cast

from napari_temseg.engine.types.errors import Cancelled

ENOUGH_DONE, LONG_ENOUGH = 0.1, 60.0  # share of a job, or seconds, from which on its pace tells how long the rest takes
PIXELS_SHOWN = "pixels shown"  # the metric of a prediction that tells how many px the network is shown in all
T = TypeVar("T")
S = TypeVar("S")
P = TypeVar("P")
Q = ParamSpec("Q")


@dataclass(frozen=True)
class Progress:
    """Where a job stands. `fraction` of its `stage` is in [0, 1]; `metrics` holds the newest figures by name.

    `rest` are the seconds left of the whole job, where it knows them better than by the fraction; `paced` is False where neither that nor
    the pace so far tells how much is left.
    """

    stage: str
    fraction: float
    message: str = ""
    elapsed: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    preview: Any = None
    rest: float | None = None
    paced: bool = True

    @property
    def share(self) -> float:
        """How much of the whole job is done, in [0, 1]."""
        return self.fraction if self.rest is None else self.elapsed / max(self.elapsed + self.rest, 1e-6)

    @property
    def remaining(self) -> float | None:
        """Estimated seconds left, or None before anything is known: the first steps of a job are cheaper, or dearer, than the rest."""
        if self.rest is not None:
            return self.rest
        if not self.paced or self.fraction <= 0 or (self.fraction < ENOUGH_DONE and self.elapsed < LONG_ENOUGH):
            return None
        return self.elapsed * (1 - self.fraction) / self.fraction


class Control:
    """The two ways out of a job, set from any thread: flags only, so no lock is needed; and its time, by a clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.finishing = False
        self.cancelling = False
        self.go_by(clock)

    def go_by(self, clock: Callable[[], float]) -> None:
        """Count the time from now on, by this clock."""
        self.clock, self.started = clock, clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the job was made."""
        return self.clock() - self.started


class Pace:
    """How fast this very job goes, on this machine as busy as it is: seconds a px that a network is shown, and seconds a step of training.

    What was measured last counts half, what came before it the other half.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.pixel = self.step = 0.0

    @contextmanager
    def looking(self, pixels: float) -> Iterator[None]:
        """Measure a look at so many px."""
        began = self.clock()
        yield
        self.pixel = _newest(self.pixel, (self.clock() - began) / max(pixels, 1.0))

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Measure a step."""
        began = self.clock()
        yield
        self.step = _newest(self.step, self.clock() - began)

    def affords(self, seconds: float) -> float:
        """Pixels that can be looked at in so many seconds."""
        return max(0.0, seconds) / self.pixel if self.pixel else math.inf


def _newest(before: float, now: float) -> float:
    return (before + now) / 2 if before else now


class Job(Generic[T]):
    """Iterate it for `Progress`, or `drain()` it for the result.

    `finish()` asks the job to stop at the next step and keep the best so far; `cancel()` discards it. Both may be
    called from another thread. `result` is there once the iteration has ended.
    """

    def __init__(self, steps: Callable[[Control], Generator[Progress, None, T]]) -> None:
        self.control = Control()
        self._generator = steps(self.control)
        self._done = False
        self._result: T | None = None

    def __iter__(self) -> Iterator[Progress]:
        return self

    def __next__(self) -> Progress:
        if self.control.cancelling and not self._done:
            self._generator.close()
            raise StopIteration
        try:
            return next(self._generator)
        except StopIteration as stop:
            # An ended generator, asked again, has nothing to say; and what ends after a cancel is discarded.
            if not self._done and not self.control.cancelling:
                self._done = True
                self._result = stop.value
            raise

    def finish(self) -> None:
        """Stop at the next step and keep the best so far."""
        self.control.finishing = True

    def cancel(self) -> None:
        """Stop at the next step and discard everything."""
        self.control.cancelling = True

    @property
    def result(self) -> T:
        """The result; `Cancelled` when there is none."""
        if not self._done:
            raise Cancelled("the job was cancelled before it had a result" if self.control.cancelling else "the job is not done")
        return self._result  # type: ignore[return-value]

    def drain(self, report: Callable[[Progress], None] | None = None) -> T:
        """Run to the end and return the result, handing each `Progress` to `report`."""
        for progress in self:
            if report is not None:
                report(progress)
        return self.result


def mapped(steps: Generator[S, None, T], change: Callable[[S], P]) -> Generator[P, None, T]:
    """Yield what `steps` yields, changed; return what it returns."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        yield change(step)


def returned(steps: Generator[Any, None, T]) -> T:
    """What `steps` returns, none of them being told."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def with_parameters_of(job: Callable[Q, Job[Any]]) -> Callable[[Callable[..., T]], Callable[Q, T]]:
    """Of a function that takes whatever `job` takes: its parameters are the same, for `help()`, editors and type checkers."""

    def told(function: Callable[..., T]) -> Callable[Q, T]:
        own = inspect.signature(function)
        function.__signature__ = inspect.signature(job).replace(return_annotation=own.return_annotation)  # type: ignore[attr-defined]
        return cast(Callable[Q, T], function)

    return told
