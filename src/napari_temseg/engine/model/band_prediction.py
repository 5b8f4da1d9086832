"""The network of one band over a picture: brought to its working scale, cut into even tiles, memory bounded by the tile."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_temseg.engine.model.band import OUTPUTS, WORKING_SIZE, band_inputs
from napari_temseg.engine.model.device import Device, choose_device
from napari_temseg.engine.model.network import for_inference
from napari_temseg.engine.model.prediction import STRIDE, resize
from napari_temseg.engine.types.errors import TemsegError

TILE = 768  # px: the largest side of a tile
HALO = 64  # px that a tile sees beyond what it answers for: the largest particle meant
MOST_ENLARGED = 8.0  # × by which a picture is enlarged at most


@dataclass(frozen=True, eq=False)
class BandAnswer:
    """Raw output float32 (5, h, w) at the working scale, which is `zoom` × that of the picture (Y, X) of `shape`."""

    raw: npt.NDArray[np.float32]
    zoom: float
    shape: tuple[int, int]

    def at(self, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
        """The raw output at another size, linear; offsets stay in working sizes."""
        return resize(torch.from_numpy(self.raw)[None], shape)[0].numpy()


class BandRunner:
    """A network made ready once for many pictures."""

    def __init__(self, network: nn.Module, device: Device | None = None, tile: int = TILE) -> None:
        self.device = device or choose_device()
        self.network = for_inference(network, self.device.torch, self.device.dtype)
        self.tile = max(4 * HALO, tile // STRIDE * STRIDE)

    def answer(self, plane: npt.NDArray[np.float32], size: float, polarity: int = 0, *, flattened: bool = True) -> BandAnswer:
        """What it says of a normalised plane (Y, X) when told that particles are `size` px wide; `polarity` 1 bright, −1 dark, 0 unknown.

        `TemsegError` when the size is no positive number.
        """
        if not 0 < size < math.inf:
            raise TemsegError(f"A size of {size} px is no length: give a positive number.")
        zoom = min(WORKING_SIZE / size, MOST_ENLARGED)
        scaled = tuple(max(1, round(n * zoom)) for n in plane.shape)
        image = resize(torch.from_numpy(plane)[None, None], (scaled[0], scaled[1]))[0, 0].numpy()
        inputs = band_inputs(image, flattened, polarity, size * zoom)
        return BandAnswer(self._tiled(inputs)[0].numpy(), zoom, (plane.shape[0], plane.shape[1]))

    @torch.no_grad()
    def _tiled(self, inputs: torch.Tensor) -> torch.Tensor:
        height, width = inputs.shape[-2:]
        pad = [(-n) % STRIDE for n in (height, width)]
        padded = torch.from_numpy(np.pad(inputs.numpy(), ((0, 0), (0, 0), (0, pad[0]), (0, pad[1])), mode="symmetric"))
        out = torch.zeros(1, len(OUTPUTS), *padded.shape[-2:])
        rows, columns = (even_parts(n, self.tile - 2 * HALO) for n in padded.shape[-2:])
        for top, bottom in rows:
            for left, right in columns:
                above, before = max(0, top - HALO), max(0, left - HALO)
                tile = padded[..., above : bottom + HALO, before : right + HALO]
                ready = tile.to(self.device.torch, self.device.dtype, memory_format=torch.channels_last)
                raw = self.network(ready).float().cpu()
                here = raw[..., top - above : bottom - above, left - before : right - before]
                out[..., top:bottom, left:right] = here
        return out[..., :height, :width]


def even_parts(length: int, longest: int) -> list[tuple[int, int]]:
    """[first, last) of as few parts as needed, each at most `longest`, as equal as multiples of the stride allow; `length` is one."""
    steps = length // STRIDE
    count = max(1, math.ceil(steps / max(1, longest // STRIDE)))
    edges = [STRIDE * (index * steps // count) for index in range(count + 1)]
    return list(itertools.pairwise(edges))
