"""Background taken away at one size: what is much larger than the particles that are meant becomes level, light or dark alike.

Local mean over local deviation, both Gaussian: linear but for the division, so that inverting a picture inverts the answer. A second
round leaves out of the mean what stood out in the first, so that particles do not lift their own background: an opening, which
would not either, takes particles of two to three times the size away with it (`benchmarks/flattening.py` compares them).

`band_network.flatten_planes` is the same on the device where a network trains.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.tiles import enlarged
from napari_temseg.engine.types.errors import TemsegError

Floats = npt.NDArray[np.float32]

WINDOW_REACH = 1.5  # standard deviation of the window, in diameters
LEVEL_ROUNDS = 2  # the second without what stood out in the first
STANDS_OUT = 1.5  # local deviations from the local mean from which a pixel counts little as background
LEAST_DEVIATION = 0.15  # of the deviation of the whole picture: the least by which is divided, or flat parts would be noise blown up
STRONGEST = 8.0  # answers are clipped to ± this
FINE = 6.0  # px of a diameter that suffice for the background, which is smooth
KERNEL_REACH = 3.0  # standard deviations of a Gaussian that are summed


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
    checked_diameter(diameter)
    image = np.asarray(plane, np.float32)
    seen = np.isfinite(image)
    if valid is not None:
        seen &= valid
    weight, count = seen.astype(np.float32), max(1, int(seen.sum()))
    # About the mean and in units of the deviation, squares lose no digits.
    image = np.where(seen, image, np.float32(0))
    mean = image.sum(dtype=np.float64) / count
    values = np.empty_like(image)
    np.subtract(image, mean, out=values, dtype=np.float64, casting="same_kind")
    values *= weight
    spread = math.sqrt(float((values * values).sum(dtype=np.float64)) / count)
    if spread <= 1e-6 * max(abs(mean), 1.0):
        return np.zeros(image.shape, np.float32)
    values /= np.float32(spread)
    step = max(1, int(diameter / FINE))
    level, deviation = background(values, weight, reach * diameter, step, rounds)
    values -= level
    values /= deviation
    np.clip(values, -STRONGEST, STRONGEST, out=values)
    values *= weight
    return values


def checked_diameter(diameter: float) -> None:
    """`TemsegError` for what is no length."""
    if not 0 < diameter < math.inf:
        raise TemsegError(f"A size of {diameter} px is no length: give a positive number.")


def background(values: Floats, seen: Floats, sigma: float, step: int, rounds: int) -> tuple[Floats, Floats]:
    """Local mean and deviation (Y, X), found on a grid `step` times as coarse: sums of values, squares and weights of each block."""
    weight, first, second = (_binned(plane, step) for plane in (seen, values, values * values))
    smooth = sigma / step
    all_weight, all_first, all_second = (_smooth(each, smooth) for each in (weight, first, second))
    found = all_weight, all_first, all_second
    for left in reversed(range(rounds)):
        total = found[0] + np.float32(1e-6)
        level = found[1] / total
        if left:
            variance = found[2] / total - level * level
            deviation = np.sqrt(np.maximum(variance, 0)) + np.float32(1e-6)
            block = first / np.maximum(weight, np.float32(1e-6))
            apart = (block - level) / (np.float32(STANDS_OUT) * np.maximum(deviation, np.float32(LEAST_DEVIATION)))
            trust = 1 / (1 + apart**4)
            found = _smooth(trust * weight, smooth), _smooth(trust * first, smooth), _smooth(trust * second, smooth)
    # The deviation counts everything, particles too: by it particles are as strong on a rough support as on a smooth one.
    total = all_weight + np.float32(1e-6)
    variance = (all_second - 2 * level * all_first) / total + level * level
    deviation = np.sqrt(np.maximum(variance, np.float32(LEAST_DEVIATION**2)))
    return enlarged(level, step, values.shape), enlarged(deviation, step, values.shape)


def _smooth(plane: Floats, sigma: float) -> Floats:
    """Gaussian along both axes, nothing beyond the edge: these are weighted means."""
    radius = int(KERNEL_REACH * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    down = ndimage.correlate1d(plane, kernel, 0, mode="constant")
    return np.asarray(ndimage.correlate1d(down, kernel, 1, mode="constant"), np.float32)


def _binned(plane: Floats, step: int) -> Floats:
    """Sums over blocks of step × step px; the last ones may be incomplete."""
    if step == 1:
        return plane
    lacking = [(0, -n % step) for n in plane.shape]
    whole = np.pad(plane, lacking) if any(n for _, n in lacking) else plane
    rows = np.add.reduce([whole[first::step] for first in range(step)])
    return np.asarray(np.add.reduce([rows[:, first::step] for first in range(step)]), np.float32)
