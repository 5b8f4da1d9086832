"""The working scale: how large particles look best to the model, found from the micrograph itself."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.outputs import foreground, probabilities, sigmoid

# Typical diameters (px) between which a picture is looked at as it is; chosen on emps tune.
SMALL_PARTICLES, LARGE_PARTICLES = 55.0, 150.0
MANY = 40  # cores: a crowd of small particles is seen better the larger it is shown; a few small ones gain by half an octave at most
HIGHEST = 5  # half octaves up: 5.7 ×
MOST_PIXELS = 60e6  # px of a plane at its largest scale, for the sake of time and memory; half an octave up is always had
DOWN = -2
PART = 320  # px: side of the part that is shown twice as large where few small particles, or none, are seen
CROWD, MORE = 8, 1.3  # cores that the closer look must show at least, and as a multiple of those seen there before
CORE = 0.5  # learnt depth from which a pixel belongs to the core of its particle: half as wide as the particle
SEEN = 4  # px: smaller cores are specks


def typical_diameter(raw: npt.NDArray[np.float32], n_classes: int, valid: npt.NDArray[np.bool_] | None = None) -> tuple[float | None, int]:
    """Typical particle diameter (px, None when nothing is seen) and number of particles, from a raw output (1, C, Y, X).

    Its first auxiliary map is the learnt depth. Cores, where the depth exceeds one half, are apart even where particles touch, and half
    as wide as their particles. The typical one is the median weighted by diameter, which a crowd of specks does not set.
    """
    core = foreground(raw, n_classes)[0] & (sigmoid(raw[0, n_classes - 1]) > CORE)
    if valid is not None:
        core &= valid
    areas = np.bincount(ndimage.label(core)[0].ravel())[1:]
    areas = areas[areas >= SEEN]
    if not len(areas):
        return None, 0
    diameters = np.sort(2 * 2 * np.sqrt(areas / np.pi))
    share = np.cumsum(diameters) / diameters.sum()
    return float(diameters[np.searchsorted(share, 0.5)]), len(areas)


def working_scales(scales: tuple[float, ...], diameter: float | None, pixels: float = 0.0, *, many: bool = True) -> tuple[float, ...]:
    """A model's own scales, moved up for small particles and down for large ones; `diameter` in px, None changes nothing.

    `pixels` is the size of a plane, `many` whether there is a crowd of particles in it.
    """
    if diameter is None or SMALL_PARTICLES <= diameter <= LARGE_PARTICLES:
        return scales
    steps = DOWN
    if diameter < SMALL_PARTICLES:
        steps = min(HIGHEST if many else 1, math.ceil(2 * math.log2(SMALL_PARTICLES / diameter)))
        while steps > 1 and pixels * (max(scales) * 2 ** (steps / 2)) ** 2 > MOST_PIXELS:
            steps -= 1
    factor = 2 ** (steps / 2)
    # 0.7 × √2 is 0.99: the same as 1, and what was computed at 1 is used again.
    return tuple(next((own for own in scales if abs(scale * factor / own - 1) < 0.03), scale * factor) for scale in scales)


def busiest(raw: npt.NDArray[np.float32], n_classes: int, side: int) -> tuple[slice, slice, slice, slice]:
    """The window (…, Y, X) of `side` px, or less, with the most foreground in a raw output (1, C, Y, X)."""
    share = 1 - probabilities(raw, n_classes)[0, 0]
    extent = [min(side, length) for length in share.shape]
    stride = max(1, side // 8)
    upto = np.pad(share.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    rows = upto[extent[0] :][::stride] - upto[: len(upto) - extent[0]][::stride]
    sums = rows[:, extent[1] :][:, ::stride] - rows[:, : rows.shape[1] - extent[1]][:, ::stride]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    y, x = int(row) * stride, int(column) * stride
    return slice(None), slice(None), slice(y, y + extent[0]), slice(x, x + extent[1])
