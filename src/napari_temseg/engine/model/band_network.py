"""A network for one band of sizes (see `band`).

Given one plane, it makes the other two itself. In training it has five output planes: logits of foreground, of the normalised distance to
the edge and of the border between particles that touch, and the way to the middle of the particle, along y and x, in working sizes; a
model keeps those that its splitting uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from napari_temseg.engine.model.band import INPUTS, WORKING_SIZE
from napari_temseg.engine.model.flattening import (
    FINE,
    KERNEL_REACH,
    LEAST_DEVIATION,
    LEVEL_ROUNDS,
    STANDS_OUT,
    STRONGEST,
    WINDOW_REACH,
    checked_diameter,
)
from napari_temseg.engine.model.unet import WITHOUT_LAST, MobileNetV2, UnetDecoder, levels

OUTPUTS = ("foreground", "distance", "border", "offset_y", "offset_x")
DECODER = (64, 48, 32, 16, 16)
_CHANNELS = (INPUTS, 16, 24, 32, 96, 320)


class BandEncoder(nn.Module):
    """MobileNetV2 without its last convolution, which served to tell a thousand kinds of things apart.

    One plane (B, 1, Y, X) is flattened at `working_size`, three are taken as they are.
    """

    def __init__(self, working_size: float = WORKING_SIZE) -> None:
        super().__init__()
        self.features = MobileNetV2(INPUTS).features[:WITHOUT_LAST]
        self.working_size = working_size

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The input and five levels of features, each half as fine as the one before."""
        if x.shape[1] == 1:
            flat = flatten_planes(x.float(), self.working_size)
            x = torch.cat([x, flat.to(x.dtype), torch.zeros_like(x)], 1)
        return levels(self.features, x)


class BandNetwork(nn.Module):
    """Encoder and the decoder of a U-Net; (B, 1 or 3, Y, X) → (B, outputs, Y, X), sides multiples of 32."""

    def __init__(
        self, decoder_channels: tuple[int, ...] = DECODER, outputs: int = len(OUTPUTS), working_size: float = WORKING_SIZE
    ) -> None:
        super().__init__()
        self.encoder: nn.Module = BandEncoder(working_size)
        self.decoder: nn.Module = UnetDecoder(_CHANNELS, decoder_channels)
        self.segmentation_head: nn.Module = nn.Sequential(nn.Conv2d(decoder_channels[-1], outputs, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw output."""
        return cast(torch.Tensor, self.segmentation_head(self.decoder(self.encoder(x))))


def start_from(network: BandNetwork, tensors: dict[str, torch.Tensor]) -> int:
    """Copy what fits from another U-Net of MobileNetV2 with one input plane or three; how many tensors that were.

    The planes that it did not have start at nothing, so that at first the network sees what the other one saw.
    """
    own = network.state_dict()
    copied = 0
    for name, tensor in tensors.items():
        if name not in own:
            continue
        if name == "encoder.features.0.0.weight" and tensor.shape[1] == 1:
            tensor = torch.cat([tensor, torch.zeros_like(tensor).expand(-1, INPUTS - 1, -1, -1)], 1)
        if own[name].shape == tensor.shape:
            own[name].copy_(tensor)
            copied += 1
    return copied


def flatten_planes(
    planes: torch.Tensor, diameter: float, seen: torch.Tensor | None = None, reach: float = WINDOW_REACH, rounds: int = LEVEL_ROUNDS
) -> torch.Tensor:
    """What `flatten` makes of finite planes (B, 1, Y, X) float32, each by itself, on their device; `seen` (B, 1, Y, X) is 1 or 0 float32.

    In single precision under autocast too, as squares are taken. `TemsegError` when the diameter is no positive number.
    """
    checked_diameter(diameter)
    with torch.autocast(planes.device.type, enabled=False):
        seen = torch.ones_like(planes) if seen is None else seen
        # About the mean and in units of the deviation, squares lose no digits.
        with _one_thread():
            count = seen.sum((2, 3), keepdim=True).clamp_min(1)
            mean = (planes * seen).sum((2, 3), keepdim=True) / count
            values = (planes - mean) * seen
            further = values.sum((2, 3), keepdim=True) / count  # what rounding left of a mean that is large beside the deviation
            values = (values - further) * seen
            spread = ((values * values).sum((2, 3), keepdim=True) / count).sqrt()
        values = values / spread.clamp_min(1e-30)
        step = max(1, int(diameter / FINE))
        level, deviation = _background(values, seen, reach * diameter, step, rounds)
        flat = ((values - level) / deviation).clamp(-STRONGEST, STRONGEST) * seen
        return flat * (spread > 1e-6 * mean.abs().clamp_min(1.0))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order: else the last digit, and with it now and then the size that is found, hangs on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _background(values: torch.Tensor, seen: torch.Tensor, sigma: float, step: int, rounds: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Local mean and deviation (B, 1, Y, X), found on a grid `step` times as coarse: sums of values, squares and weights of each block."""
    weight, first, second = (_binned(plane, step) for plane in (seen, values, values * values))
    smooth = sigma / step
    all_weight, all_first, all_second = (_smooth(each, smooth) for each in (weight, first, second))
    found = all_weight, all_first, all_second
    for left in reversed(range(rounds)):
        total = found[0] + 1e-6
        level = found[1] / total
        variance = found[2] / total - level * level
        deviation = variance.clamp_min(0).sqrt() + 1e-6
        block = first / weight.clamp_min(1e-6)
        apart = (block - level) / (STANDS_OUT * deviation.clamp_min(LEAST_DEVIATION))
        if left:
            trust = 1 / (1 + apart**4)
            found = _smooth(trust * weight, smooth), _smooth(trust * first, smooth), _smooth(trust * second, smooth)
    # The deviation counts everything, particles too: by it particles are as strong on a rough support as on a smooth one.
    total = all_weight + 1e-6
    variance = (all_second - 2 * level * all_first) / total + level * level
    deviation = variance.clamp_min(LEAST_DEVIATION**2).sqrt()
    return _spread(level, step, values), _spread(deviation, step, values)


def _smooth(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian along both axes, nothing beyond the edge: these are weighted means."""
    down, across = (_kernels(n, sigma, planes.device) for n in planes.shape[-2:])
    return down @ planes @ across


@lru_cache(maxsize=8)
def _kernels(length: int, sigma: float, device: torch.device) -> torch.Tensor:
    """The kernel of each place along an axis, in its row: as a product of matrices it takes a tenth of the time of a convolution."""
    radius = int(KERNEL_REACH * sigma + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float32, device=device) / sigma) ** 2)
    place = torch.arange(length, device=device)
    away = place[:, None] - place
    return torch.where(away.abs() <= radius, (kernel / kernel.sum())[(away + radius).clamp(0, 2 * radius)], 0.0)


def _binned(planes: torch.Tensor, step: int) -> torch.Tensor:
    """Sums over blocks of step × step px; the last ones may be incomplete."""
    if step == 1:
        return planes
    return F.avg_pool2d(F.pad(planes, (0, -planes.shape[-1] % step, 0, -planes.shape[-2] % step)), step, divisor_override=1)


def _spread(coarse: torch.Tensor, step: int, like: torch.Tensor) -> torch.Tensor:
    """Back to full size, linear between the middles of the blocks."""
    if step == 1:
        return coarse
    fine = F.interpolate(coarse, scale_factor=step, mode="bilinear", align_corners=False)
    return fine[..., : like.shape[-2], : like.shape[-1]]
