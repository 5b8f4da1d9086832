"""Where a network runs, at which precision, and why."""

from __future__ import annotations

import gc
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from torch import device as TorchDevice
    from torch import dtype as TorchDtype

FLOAT32, BFLOAT16, FLOAT16 = "float32", "bfloat16", "float16"
FIRST_TRY, TRY_AGAIN = 2, 10  # pieces of work until one thread is tried, and until all are again
BUSY = 1.5  # × as long as one thread: from then on one is better, as what is computed on all is the same every time
_HALF_FROM = (7, 0)  # compute capability of the first GPUs whose matrix units take float16


@dataclass(frozen=True)
class Device:
    """A device as torch names it, the precision to compute in, and the reason for both in words."""

    kind: str
    precision: str
    reason: str

    @property
    def torch(self) -> TorchDevice:
        """The torch device."""
        import torch

        return torch.device(self.kind)

    @property
    def dtype(self) -> TorchDtype:
        """The precision as torch's."""
        import torch

        return {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16, FLOAT16: torch.float16}[self.precision]

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision where it is not float32; nothing otherwise."""
        import torch

        return torch.autocast(self.kind, self.dtype, enabled=self.precision != FLOAT32)

    def describe(self) -> str:
        """For people: "cpu, bfloat16 (no GPU found; …)"."""
        return f"{self.kind}, {self.precision} ({self.reason})"

    def plain(self) -> str:
        """For people who only want to know where it runs: "on the processor (no GPU found)"."""
        where = "on the processor" if self.kind == "cpu" else "on the GPU"
        return f"{where} ({self.reason.split(';')[0]})"


def threads() -> int:
    """Threads that a network runs on: as many as torch takes, whether it is loaded or not."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    with suppress(ValueError):
        if (told := int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])) > 0:
            return told
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ThreadChoice:
    """All threads that torch takes, or one where others keep the processor busy: threads that wait for one another then take several times
    as long as one alone.

    One is tried once, and again when a piece of work takes far longer than it did; all are tried again now and then. `clock` in seconds.
    """

    def __init__(self, clock: Callable[[], float], most: int | None = None) -> None:
        self.clock, self.most = clock, threads() if most is None else most
        self.now = self.most
        self._newest: dict[int, float] = {}  # s of the same work, by the number of threads
        self._quickest = math.inf  # s of it, on all of them
        self._wait = FIRST_TRY  # pieces of work until the other number is tried

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure a piece of work, which is always the same, and choose by it."""
        trying = self.most > 1 and self._wait <= 0
        number = (1 if self.now > 1 else self.most) if trying else self.now
        began = self.clock()
        with _on_threads(number):
            yield
        self._note(number, self.clock() - began)

    def chosen(self) -> AbstractContextManager[None]:
        """Other work, on as many threads as are best now."""
        return _on_threads(self.now)

    def _note(self, number: int, seconds: float) -> None:
        self._newest[number] = seconds
        self._wait -= 1
        if number > 1:
            self._quickest = min(self._quickest, seconds)
        if len(self._newest) < 2:
            return
        if self.now > 1 and self._wait >= 0:  # on all of them, as before: far slower than they were, one is tried
            self._wait = 0 if seconds > BUSY**2 * self._quickest else sys.maxsize
            return
        ratio = self._newest[self.most] / max(self._newest[1], 1e-9)
        if self._wait < 0:  # the other number was tried
            self.now = 1 if ratio > BUSY else self.most
            self._wait = TRY_AGAIN * max(1, round(ratio)) if self.now == 1 else sys.maxsize


@contextmanager
def _on_threads(number: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if number == before:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _told_of_processor() -> dict[str, str]:
    """What Linux tells of the first core; {} on other systems."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
        return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    return {}


def processor() -> str:
    """The processor by its name."""
    return _told_of_processor().get("model name") or platform.processor() or platform.machine()


def _processor_flags() -> set[str]:
    return set(_told_of_processor().get("flags", "").split())


def gpu_driver() -> bool:
    """Whether there may be a GPU, without asking torch: the driver of one is there."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    windows = Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvcuda.dll")
    return any(path.exists() for path in (Path("/dev/nvidiactl"), Path("/dev/kfd"), windows))


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX-512 BF16 or AMX); emulated bfloat16 is slower than float32."""
    if flags := _processor_flags():
        return not flags.isdisjoint(("avx512_bf16", "amx_tile"))
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    import torch

    return any(bool(getattr(torch.cpu, check, bool)()) for check in checks)


def available_devices() -> list[str]:
    """The devices of this machine, the fastest first; torch is asked only where there is the driver of a GPU."""
    if not gpu_driver():
        return ["cpu"]
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name in there if there[name]]


def choose_device(device: str = "auto", precision: str = "auto", *, half: bool = False) -> Device:
    """CUDA before MPS before CPU for "auto"; `TemsegError` when the one asked for is not there.

    `half`: float16 on a GPU that has no bfloat16, which suffices to predict and not to train.
    """
    available = available_devices()
    kind = available[0] if device == "auto" else device
    if kind not in available:
        found = ", ".join(available)
        raise TemsegError(f"Device “{kind}” is not available on this machine: choose auto or one of {found}.")
    if device != "auto":
        reason = "as asked"
    elif kind == "cpu":
        reason = "no GPU found"
    else:
        import torch

        reason = torch.cuda.get_device_name() if kind == "cuda" else "Apple GPU found"
    if precision == FLOAT32 or kind == "mps":
        return Device(kind, FLOAT32, reason)
    if kind == "cpu":
        native = cpu_has_bfloat16()
    else:
        import torch

        native = torch.cuda.is_bf16_supported(including_emulation=False)
        if half and not native and torch.cuda.get_device_capability() >= _HALF_FROM:
            return Device(kind, FLOAT16, f"{reason}; no bfloat16 in hardware")
    return Device(kind, BFLOAT16 if native else FLOAT32, f"{reason}; {'' if native else 'no '}bfloat16 in hardware")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice: only CUDA has a type of its own for it."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or any(
        said in text for said in ("out of memory", "allocate memory", "not enough memory")
    )


def release() -> None:
    """Hand cached memory of the GPU back, to be called when a job has ended and its network is no longer held; nothing on the CPU."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    cuda = torch.cuda.is_initialized()
    mps = torch.backends.mps.is_available()
    if not (cuda or mps):
        return  # collecting would hold up every thread, and there is nothing to hand back
    gc.collect()  # networks and errors are often held by cycles alone
    if cuda:
        torch.cuda.empty_cache()
    if mps:
        torch.mps.empty_cache()
