"""Where it runs is said with the reason."""

from __future__ import annotations

import pytest
import torch

from napari_temseg import TemsegError
from napari_temseg.engine.device import choose_device, cpu_has_bfloat16


def test_the_processor_is_always_there():
    device = choose_device("cpu", "float32")
    assert (device.kind, device.dtype, device.torch) == ("cpu", torch.float32, torch.device("cpu"))
    assert device.describe() == "cpu, float32 (as asked)"


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
