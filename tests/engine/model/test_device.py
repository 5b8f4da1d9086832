"""Where it runs is said with the reason."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from napari_temseg import TemsegError
from napari_temseg.engine.model import device
from napari_temseg.engine.model.device import choose_device, cpu_has_bfloat16, out_of_memory, release


def test_the_processor_is_always_there():
    found = choose_device("cpu", "float32")
    assert (found.kind, found.dtype, found.torch) == ("cpu", torch.float32, torch.device("cpu"))
    assert found.describe() == "cpu, float32 (as asked)"


def test_auto_says_why():
    device = choose_device()
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert device.kind == "cpu"
        assert "no GPU found" in device.reason
        assert device.dtype == (torch.bfloat16 if cpu_has_bfloat16() else torch.float32)
        assert ("no bfloat16" in device.reason) != cpu_has_bfloat16()


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_that_is_not_there(kind):
    there = torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available()
    if there:
        pytest.skip(f"{kind} is here")
    with pytest.raises(TemsegError, match=f"{kind}” is not available on this machine: choose auto or one of"):
        choose_device(kind)


def test_mixed_precision_only_where_asked():
    exact = choose_device("cpu", "float32")
    with exact.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    mixed = choose_device("cpu", "auto")
    with mixed.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == mixed.dtype


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("sizes of tensors must match"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, short):
    assert out_of_memory(error) is short


def test_releasing_frees_what_only_a_cycle_holds_where_a_gpu_is_in_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)  # emptying a cache that is not there does nothing

    class Held(list[object]):
        pass

    held = Held()
    held.append(held)
    there = weakref.ref(held)
    gc.disable()
    try:
        del held
        assert there() is not None
        release()
        assert there() is None
    finally:
        gc.enable()


def _worked(choice: device.ThreadChoice, clock: list[float], seconds: dict[int, float], times: int) -> list[int]:
    """How many threads so many pieces of work were done on."""
    numbers = []
    for _ in range(times):
        with choice.working():
            numbers.append(torch.get_num_threads())
            clock[0] += seconds[numbers[-1]]
    return numbers


def test_threads_that_wait_for_one_another_are_given_up_and_tried_again():
    before, clock = torch.get_num_threads(), [0.0]
    choice = device.ThreadChoice(lambda: clock[0], most=2)
    quiet, busy = {1: 1.7, 2: 1.0}, {1: 1.7, 2: 9.0}
    assert _worked(choice, clock, quiet, 12) == [2, 2, 1, *[2] * 9]  # one is tried once: what comes out is the same every time
    assert _worked(choice, clock, busy, 6) == [2, 1, 1, 1, 1, 1]
    with choice.chosen():
        assert torch.get_num_threads() == 1
    assert 2 in _worked(choice, clock, quiet, 60)
    assert choice.now == 2
    assert torch.get_num_threads() == before


def test_one_thread_has_nothing_to_choose():
    clock = [0.0]
    assert set(_worked(device.ThreadChoice(lambda: clock[0], most=1), clock, {1: 1.0}, 5)) == {1}
