"""Background taken away at one size: what is much larger than the particles that are meant becomes level, light or dark alike.

Local mean over local deviation, both Gaussian: linear but for the division, so that inverting a picture inverts the answer. A second
round leaves out of the mean what stood out in the first, so that particles do not lift their own background: an opening, which
would not either, takes particles of two to three times the size away with it (`benchmarks/flattening.py` compares them).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from napari_temseg.engine.types.errors import TemsegError

Floats = npt.NDArray[np.float32]

WINDOW_REACH = 1.5  # standard deviation of the window, in diameters
LEVEL_ROUNDS = 2  # the second without what stood out in the first
STANDS_OUT = 1.5  # local deviations from the local mean from which a pixel counts little as background
LEAST_DEVIATION = 0.15  # of the deviation of the whole picture: the least by which is divided, or flat parts would be noise blown up
STRONGEST = 8.0  # answers are clipped to ± this
_FINE = 6.0  # px of a diameter that suffice for the background, which is smooth
_KERNEL_REACH = 3.0  # standard deviations of a Gaussian that are summed


def flatten(
    plane: npt.NDArray[Any],
    diameter: float,
    valid: npt.NDArray[np.bool_] | None = None,
    reach: float = WINDOW_REACH,
    rounds: int = LEVEL_ROUNDS,
) -> Floats:
    """Local contrast (Y, X) float32, about 1 local deviation a unit, of a plane (Y, X) of any real type at `diameter` px.

    Pixels that are not finite or not `valid` are 0 and count for no other. A level plane gives zeros. `TemsegError` when the
    diameter is no positive number.
    """
    image = np.asarray(plane, np.float32)
    seen = np.isfinite(image)
    if valid is not None:
        seen &= valid
    values = torch.from_numpy(np.where(seen, image, 0).astype(np.float32))[None, None]
    return flatten_planes(values, diameter, torch.from_numpy(seen.astype(np.float32))[None, None], reach, rounds)[0, 0].numpy()


def flatten_planes(
    planes: torch.Tensor, diameter: float, seen: torch.Tensor | None = None, reach: float = WINDOW_REACH, rounds: int = LEVEL_ROUNDS
) -> torch.Tensor:
    """The same of finite planes (B, 1, Y, X) float32, each by itself, on their device; `seen` (B, 1, Y, X) is 1 or 0 float32.

    In single precision under autocast too, as squares are taken. `TemsegError` when the diameter is no positive number.
    """
    if not 0 < diameter < math.inf:
        raise TemsegError(f"A size of {diameter} px is no length: give a positive number.")
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
        step = max(1, int(diameter / _FINE))
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
    radius = int(_KERNEL_REACH * sigma + 0.5)
    place = torch.arange(-radius, radius + 1, dtype=torch.float32, device=planes.device)
    kernel = torch.exp(-0.5 * (place / sigma) ** 2)
    kernel = kernel / kernel.sum()
    down = F.conv2d(planes, kernel[None, None, :, None], padding=(radius, 0))
    return F.conv2d(down, kernel[None, None, None, :], padding=(0, radius))


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
