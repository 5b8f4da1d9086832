"""Background taken away at one size: what is much larger than the particles that are meant becomes level, light or dark alike.

Local mean over local deviation, both Gaussian: linear but for the division, so that inverting a picture inverts the answer. A second
round leaves out of the mean what stood out in the first, so that particles do not lift their own background: an opening, which
would not either, takes particles of two to three times the size away with it (`benchmarks/flattening.py` compares them).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError

Floats = npt.NDArray[np.float32]

WINDOW_REACH = 1.5  # standard deviation of the window, in diameters
LEVEL_ROUNDS = 2  # the second without what stood out in the first
STANDS_OUT = 1.5  # local deviations from the local mean from which a pixel counts little as background
LEAST_DEVIATION = 0.15  # of the deviation of the whole picture: the least by which is divided, or flat parts would be noise blown up
STRONGEST = 8.0  # answers are clipped to ± this
_FINE = 6.0  # px of a diameter that suffice for the background, which is smooth


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
    if not 0 < diameter < np.inf:
        raise TemsegError(f"A size of {diameter} px is no length: give a positive number.")
    image = np.asarray(plane, np.float32)
    seen = np.isfinite(image)
    if valid is not None:
        seen &= valid
    if not seen.any():
        return np.zeros(image.shape, np.float32)
    # About the mean and in units of the deviation, squares lose no digits.
    mean = float(image[seen].mean(dtype=np.float64))
    spread = float((image[seen] - np.float32(mean)).std(dtype=np.float64))
    if spread <= 1e-6 * max(1.0, abs(mean)):
        return np.zeros(image.shape, np.float32)
    values = np.where(seen, (image - np.float32(mean)) / np.float32(spread), 0).astype(np.float32)
    step = max(1, int(diameter / _FINE))
    level, deviation = _background(values, seen.astype(np.float32), reach * diameter, step, rounds)
    flat: Floats = np.clip((values - level) / deviation, -STRONGEST, STRONGEST)
    flat[~seen] = 0
    return flat


def _background(values: Floats, seen: Floats, sigma: float, step: int, rounds: int) -> tuple[Floats, Floats]:
    """Local mean and deviation (Y, X), found on a grid `step` times as coarse: sums of values, squares and weights of each block."""
    weight, first, second = (_binned(plane, step) for plane in (seen, values, values * values))
    smooth = sigma / step
    trust = np.ones_like(weight)
    for _ in range(rounds):
        total = _smooth(trust * weight, smooth) + np.float32(1e-6)
        level = _smooth(trust * first, smooth) / total
        variance = _smooth(trust * second, smooth) / total - level * level
        deviation = np.sqrt(np.maximum(variance, 0)) + np.float32(1e-6)
        block = first / np.maximum(weight, 1e-6)
        apart = (block - level) / (np.float32(STANDS_OUT) * np.maximum(deviation, np.float32(LEAST_DEVIATION)))
        trust = (1 / (1 + apart**4)).astype(np.float32)
    # The deviation counts everything, particles too: by it particles are as strong on a rough support as on a smooth one.
    total = _smooth(weight, smooth) + np.float32(1e-6)
    variance = (_smooth(second, smooth) - 2 * level * _smooth(first, smooth)) / total + level * level
    deviation = np.sqrt(np.maximum(variance, np.float32(LEAST_DEVIATION**2)))
    return _spread(level, step, values.shape), _spread(deviation, step, values.shape)


def _smooth(plane: Floats, sigma: float) -> Floats:
    smooth: Floats = ndimage.gaussian_filter(plane, sigma, mode="constant", truncate=3.0)  # weighted means: nothing beyond the edge
    return smooth


def _binned(plane: Floats, step: int) -> Floats:
    """Sums over blocks of step × step px; the last ones may be incomplete."""
    if step == 1:
        return plane
    pad = [(0, -n % step) for n in plane.shape]
    padded = np.pad(plane, pad)
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    sums: Floats = blocks.sum((1, 3), dtype=np.float32)
    return sums


def _spread(coarse: Floats, step: int, shape: tuple[int, ...]) -> Floats:
    """Back to full size, linear between the middles of the blocks."""
    if step == 1:
        return coarse
    for axis in (0, 1):
        place = np.clip((np.arange(shape[axis], dtype=np.float32) + 0.5) / step - 0.5, 0, coarse.shape[axis] - 1)
        low = np.minimum(place.astype(np.intp), max(coarse.shape[axis] - 2, 0))
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        share = (place - low)[:, None] if axis == 0 else (place - low)[None]
        coarse = np.take(coarse, low, axis) * (1 - share) + np.take(coarse, high, axis) * share
    return coarse.astype(np.float32, copy=False)
