"""Damaged copies of a file, for readers that must not be surprised by any."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from napari_temseg import TemsegError
from napari_temseg.files.formats.series import Series

Reader = Callable[[Path], list[Series]]


def copies(content: bytes, cuts: int = 20, flips: int = 100, seed: int = 5) -> Iterator[bytes]:
    """`content` cut at `cuts` places, half of them early, and with one to eight random bytes changed, mostly early too."""
    rng = np.random.default_rng(seed)
    early = min(len(content), 4096)
    for end in [*np.linspace(0, early - 1, cuts // 2), *np.linspace(early, len(content) - 1, cuts - cuts // 2)]:
        yield content[: int(end)]
    for index in range(flips):
        changed = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(content) if index % 4 == 0 else early, rng.integers(1, 9))
        changed[places] = rng.integers(0, 256, len(places))
        yield changed.tobytes()


def survives(read: Reader, original: Path, copy: Path, **how: int) -> None:
    """Assert that each damaged copy, written to `copy`, gives valid series or a `TemsegError` that names the file."""
    for content in copies(original.read_bytes(), **how):
        copy.unlink(missing_ok=True)
        copy.write_bytes(content)
        try:
            series = read(copy)
            refusal = ""
        except TemsegError as error:
            series, refusal = [], str(error)
        assert bool(series) == (not refusal)
        assert not refusal or (refusal.startswith(f"{copy}: ") and refusal.endswith("."))
        for one in series:
            assert one.data.ndim in (2, 3)
            assert 0 not in one.data.shape
            assert one.obstacle or math.prod(one.data.shape) * one.data.dtype.itemsize <= len(content)
            assert one.data.dtype.isnative
            np.asarray(one.data[-1]).copy()
            assert one.obstacle or one.data.dtype.kind in "iuf"
