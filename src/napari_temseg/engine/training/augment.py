"""Random crops for training: geometry by one resampling for image and targets alike, then brightness, contrast, gamma and noise.

The amplitudes are those of `TrainConfig`; zero switches one off.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from napari_temseg.engine.types.config import TrainConfig


def sampling_grid(
    shape: tuple[int, int], centre: tuple[float, float], size: int, how: TrainConfig, rng: np.random.Generator, zoom: float = 1.0
) -> torch.Tensor:
    """Where a crop of `size` px looks in a picture of `shape` (Y, X): (1, size, size, 2) in the coordinates of `grid_sample`.

    Scale is log-uniform in `zoom` ÷(1 + scaling) … ×(1 + scaling); flips and quarter turns are exact; elastic displacement is a smooth
    random field (Simard et al. 2003) of 4 × 4 control points. The window is moved inside the picture where it fits.
    """
    scale = zoom * float(np.exp(rng.uniform(-1, 1) * np.log1p(how.scaling)))
    half = size / scale / 2
    # The window starts on a whole pixel, so that a crop that is neither scaled nor bent is an exact copy, not a blurred one.
    middle = [
        round(float(np.clip(c - half, min(0.0, n / 2 - half), max(n - 2 * half, n / 2 - half)))) + half
        for c, n in zip(centre, shape, strict=True)
    ]
    steps = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    offset = torch.stack([y, x])
    if how.elastic > 0:
        field = torch.from_numpy(rng.normal(size=(1, 2, 4, 4)).astype(np.float32))
        offset = offset + how.elastic / 2 * F.interpolate(field, size=(size, size), mode="bicubic", align_corners=True)[0]
    if how.flips:
        if rng.random() < 0.5:
            offset = offset.flip(0)
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=(2, 1, 1)).astype(np.float32))
        offset = offset * signs
    # grid_sample (align_corners=False) puts pixel i of n at (2 i + 1) / n − 1; `middle` is a position between pixel edges.
    places = [(2 * (offset[axis] / scale + middle[axis])) / shape[axis] - 1 for axis in (1, 0)]
    return torch.stack(places, dim=-1)[None]


def resample(grid: torch.Tensor, smooth: torch.Tensor, exact: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Look up one crop: `smooth` (C, Y, X) float, linear and reflected at the edge; `exact` (D, Y, X) float, nearest and 0 outside."""
    soft = F.grid_sample(smooth[None], grid, mode="bilinear", padding_mode="reflection", align_corners=False)[0]
    hard = F.grid_sample(exact[None], grid, mode="nearest", padding_mode="zeros", align_corners=False)[0]
    return soft, hard


def vary_intensity(images: torch.Tensor, how: TrainConfig, rng: np.random.Generator) -> torch.Tensor:
    """Gain, offset, gamma and noise, one draw a crop, on normalised images (B, 1, Y, X)."""

    def draw(amplitude: float) -> torch.Tensor:
        return torch.from_numpy((rng.uniform(-1, 1, size=(len(images), 1, 1, 1)) * amplitude).astype(np.float32))

    if how.gamma > 0:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        span = (high - low).clamp_min(1e-6)
        power = torch.exp(draw(float(np.log1p(how.gamma))))
        images = low + span * ((images - low) / span).clamp(0, 1) ** power
    images = images * torch.exp(draw(float(np.log1p(how.contrast)))) + draw(how.brightness)
    if how.noise > 0:
        amplitude = draw(how.noise).abs()
        images = images + amplitude * torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return images
