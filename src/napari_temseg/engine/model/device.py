"""Where a network runs, at which precision, and why."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from napari_temseg.engine.types.errors import TemsegError


@dataclass(frozen=True)
class Device:
    """A torch device, the precision to compute in, and the reason for both in words."""

    kind: str
    dtype: torch.dtype
    reason: str

    @property
    def torch(self) -> torch.device:
        """The torch device."""
        return torch.device(self.kind)

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision where `dtype` is not float32; nothing otherwise."""
        return torch.autocast(self.kind, self.dtype, enabled=self.dtype != torch.float32)

    def describe(self) -> str:
        """For people: "cpu, bfloat16 (no GPU found; …)"."""
        return f"{self.kind}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"

    def plain(self) -> str:
        """For people who only want to know where it runs: "on the processor (no GPU found)"."""
        where = "on the processor" if self.kind == "cpu" else "on the GPU"
        return f"{where} ({self.reason.split(';')[0]})"


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX-512 BF16 or AMX); emulated bfloat16 is slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, check, bool)()) for check in checks)


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """CUDA before MPS before CPU for "auto"; `TemsegError` when the one asked for is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(name for name in available if available[name]) if device == "auto" else device
    if not available.get(kind, False):
        found = ", ".join(name for name in available if available[name])
        raise TemsegError(f"Device “{kind}” is not available on this machine: choose auto or one of {found}.")
    if device != "auto":
        reason = "as asked"
    elif kind == "cpu":
        reason = "no GPU found"
    else:
        reason = torch.cuda.get_device_name() if kind == "cuda" else "Apple GPU found"
    if precision == "float32" or kind == "mps":
        return Device(kind, torch.float32, reason)
    native = torch.cuda.is_bf16_supported() if kind == "cuda" else cpu_has_bfloat16()
    return Device(kind, torch.bfloat16 if native else torch.float32, f"{reason}; {'' if native else 'no '}bfloat16 in hardware")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice: only CUDA has a type of its own for it."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        said in text for said in ("out of memory", "allocate memory", "not enough memory")
    )


def release() -> None:
    """Hand cached memory of the GPU back, to be called when a job has ended and its network is no longer held; nothing on the CPU."""
    cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    mps = torch.backends.mps.is_available()
    if not (cuda or mps):
        return  # collecting would hold up every thread, and there is nothing to hand back
    gc.collect()  # networks and errors are often held by cycles alone
    if cuda:
        torch.cuda.empty_cache()
    if mps:
        torch.mps.empty_cache()
