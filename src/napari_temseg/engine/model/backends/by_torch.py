"""A network that torch runs: tile by tile on the processor; on a GPU in batches, while what went before is copied and joined."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Self

import numpy as np
import torch

from napari_temseg.engine.model.backends.backend import Backend, Floats
from napari_temseg.engine.model.device import FLOAT32, Device
from napari_temseg.engine.model.network import for_inference
from napari_temseg.engine.model.segmenter import Segmenter

BATCH_PIXELS = 4 * 1024**2  # px of tiles that a GPU is given at once: some GB of what a network holds meanwhile
AHEAD = 2  # batches that it is given before the first of them is waited for


class ByTorch(Backend):
    """A model's network on a device; `batch_pixels` are those of the tiles that run together, `ahead` the batches that are under way."""

    name = "torch"

    def __init__(self, model: Segmenter, device: Device, batch_pixels: int | None = None, ahead: int | None = None) -> None:
        super().__init__(device)
        self._model = model
        self.network = for_inference(model.network, device.torch, device.dtype)
        accelerated = device.kind != "cpu"
        # One tile at a time keeps what a layer hands to the next in the processor's cache.
        self.batch_pixels = (BATCH_PIXELS if accelerated else 0) if batch_pixels is None else batch_pixels
        self.ahead = (AHEAD if accelerated else 0) if ahead is None else ahead
        self._lane = _CudaLane(device.torch) if device.kind == "cuda" else _Lane(device.torch)

    def outputs(self, tiles: Iterable[Floats]) -> Iterator[Floats]:
        """See `Backend`."""
        under_way: deque[Callable[[], torch.Tensor]] = deque()
        for batch in batches(tiles, self.batch_pixels):
            under_way.append(self._begun(batch))
            if len(under_way) > self.ahead:
                yield from _apart(under_way.popleft()())
        while under_way:
            yield from _apart(under_way.popleft()())

    @torch.inference_mode()
    def _begun(self, batch: Floats) -> Callable[[], torch.Tensor]:
        there = self._lane.there(torch.from_numpy(batch)).to(self.device.dtype, memory_format=torch.channels_last)
        return self._lane.back(self.run(there).float())

    def run(self, batch: torch.Tensor) -> torch.Tensor:
        """Raw output of a batch on the device."""
        raw: torch.Tensor = self.network(batch)
        return raw

    def in_float32(self) -> Self:
        """See `Backend`."""
        return type(self)(self._model, replace(self.device, precision=FLOAT32), self.batch_pixels, self.ahead)

    def take_less(self) -> bool:
        """Whether it could stop computing ahead, or halve its batches."""
        if not self.batch_pixels and not self.ahead:
            return False
        self.ahead = 0
        self.batch_pixels = self.batch_pixels // 2 if self.batch_pixels > 256**2 else 0
        return True


class _Lane:
    """The way of tiles to a device and of outputs back."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def there(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch on the device."""
        return batch.to(self._device)

    def back(self, raw: torch.Tensor) -> Callable[[], torch.Tensor]:
        """What waits for an output and gives it on the processor."""
        return raw.cpu


class _CudaLane(_Lane):
    """Copies to and fro have a stream each, and pinned memory, so that the network goes on meanwhile."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._to, self._fro = torch.cuda.Stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def there(self, batch: torch.Tensor) -> torch.Tensor:
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._to):
            there = batch.pin_memory().to(self._device, non_blocking=True)
        computing.wait_stream(self._to)
        there.record_stream(computing)
        return there

    def back(self, raw: torch.Tensor) -> Callable[[], torch.Tensor]:
        self._fro.wait_stream(torch.cuda.current_stream(self._device))
        here = torch.empty(raw.shape, dtype=raw.dtype, pin_memory=True)
        with torch.cuda.stream(self._fro):
            here.copy_(raw, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._fro)
        raw.record_stream(self._fro)

        def waited() -> torch.Tensor:
            done.synchronize()
            return here

        return waited


def batches(tiles: Iterable[Floats], pixels: int) -> Iterator[Floats]:
    """Tiles (1, ·, Y, X) that follow one another and are alike, put together (B, ·, Y, X) as long as they have at most `pixels`."""
    waiting: list[Floats] = []
    for tile in tiles:
        if waiting and (tile.shape != waiting[0].shape or (len(waiting) + 1) * tile[0, 0].size > pixels):
            yield np.concatenate(waiting)
            waiting = []
        waiting.append(np.ascontiguousarray(tile))
    if waiting:
        yield np.concatenate(waiting)


def _apart(outputs: torch.Tensor) -> Iterator[Floats]:
    for index in range(len(outputs)):
        yield outputs[index : index + 1].numpy()
