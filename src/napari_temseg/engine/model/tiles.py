"""Pictures brought to another scale and cut into tiles that divide them evenly and overlap."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

STRIDE = 32  # of every encoder used here; tiles start at its multiples, so that a tile samples the same grid as the whole


def resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(B, C, Y, X) float32 to another size, linear and antialiased; untouched when the size is right."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)


def scaled(maps: torch.Tensor, scale: float) -> torch.Tensor:
    """(B, C, Y, X) float32 at `scale` times its size, a pixel at least."""
    return resize(maps, (max(1, round(maps.shape[-2] * scale)), max(1, round(maps.shape[-1] * scale))))


def padded(image: torch.Tensor) -> torch.Tensor:
    """Mirror the lower and right edge to the next multiple of the stride; mirrors as often as a tiny image needs."""
    pad = [(-n) % STRIDE for n in image.shape[-2:]]
    if not any(pad):
        return image
    return torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (0, pad[0]), (0, pad[1])), mode="symmetric"))


def surrounded(image: torch.Tensor, least: int) -> tuple[torch.Tensor, tuple[slice, slice]]:
    """Mirror a small image beyond all its edges until it is `least` px long, as often as that needs; and where it lies in the result."""
    lacking = [max(0, least - n) for n in image.shape[-2:]]
    where = tuple(slice(n // 2, n // 2 + length) for n, length in zip(lacking, image.shape[-2:], strict=True))
    if any(lacking):
        image = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), *((n // 2, n - n // 2) for n in lacking)), mode="symmetric"))
    return image, (where[0], where[1])


def tiles(length: int, longest: int, overlap: int) -> tuple[list[int], int]:
    """Where tiles start along an axis, and how long they are, all multiples of the stride as `length` is.

    As few as can be of at most `longest`, as short as these allow: they cover the axis and overlap by at least `overlap`.
    """
    if length <= longest:
        return [0], length
    count = math.ceil((length - overlap) / (longest - overlap))
    side = math.ceil((length + (count - 1) * overlap) / count / STRIDE) * STRIDE
    last = (length - side) // STRIDE
    return [STRIDE * (index * last // (count - 1)) for index in range(count)], side


def ramp(length: int, overlap: int) -> torch.Tensor:
    """Blending weight along a tile: rises over the overlap, almost 0 at the outermost quarter, where zero padding bends the result."""
    distance = torch.minimum(torch.arange(length), torch.arange(length).flip(0)).float() + 0.5
    if overlap == 0:
        return torch.ones(length)
    return ((distance - overlap / 4) / (overlap / 2)).clamp(1e-4, 1.0)
