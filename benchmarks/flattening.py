"""How much contrast of a disc each way of taking the background away leaves, by the disc's size.

    python benchmarks/flattening.py

A disc of contrast 1 (and one of −1) lies alone on a tilted, finely grained plane of noise 0.1; told is d = 22 px. Printed: contrast of
its middle against a ring round it after the background is subtracted, for discs of 0.4 to 3 d, and the seconds for 1024².
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import disk

from napari_temseg.engine.model.flattening import background

Floats = npt.NDArray[np.float32]
D = 22.0
SIZES = (0.4, 0.7, 1.0, 1.5, 1.8, 2.0, 2.5, 3.0)


def opening(image: Floats) -> Floats:
    """Minus the grey opening by a disc of 0.9 d, smoothed: for bright particles only."""
    footprint = disk(round(0.45 * D))
    smooth = ndimage.gaussian_filter(image, 0.08 * D)
    return image - ndimage.gaussian_filter(ndimage.grey_opening(smooth, footprint=footprint), 0.5 * D)


def both_openings(image: Floats) -> Floats:
    """Minus the mean of opening and closing by discs of 1.5 d."""
    footprint = disk(round(0.75 * D))
    smooth = ndimage.gaussian_filter(image, 0.08 * D)
    middle = (ndimage.grey_opening(smooth, footprint=footprint) + ndimage.grey_closing(smooth, footprint=footprint)) / 2
    return image - ndimage.gaussian_filter(middle, 0.5 * D)


def linear(reach: float, rounds: int) -> Callable[[Floats], Floats]:
    """Minus the Gaussian mean of `reach` d, the second round without what stood out."""

    def flat(image: Floats) -> Floats:
        values = (image - image.mean()) / image.std()
        return (values - background(values, np.ones_like(values), reach * D, 3, rounds)[0]) * image.std()

    return flat


def median(image: Floats) -> Floats:
    """Minus the median of a window of 4 d."""
    coarse = ndimage.zoom(image, 0.25, order=1)
    level = ndimage.median_filter(coarse, size=int(4 * D / 4))
    return image - ndimage.zoom(level, 4, order=1)[: image.shape[0], : image.shape[1]]


METHODS: dict[str, Callable[[Floats], Floats]] = {
    "opening 0.9 d": opening,
    "opening and closing 1.5 d": both_openings,
    "median 4 d": median,
    **{f"linear {reach} d, {rounds} rounds": linear(reach, rounds) for reach in (1.0, 1.5, 2.0, 3.0) for rounds in (1, 2)},
}


def kept(method: Callable[[Floats], Floats], size: float, sign: float) -> float:
    """Contrast left of a disc of `size` d."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:384, :384] - 192.0
    image = (0.3 * y / 192 + 0.1 * rng.standard_normal(y.shape)).astype(np.float32)
    radius = size * D / 2
    distance = np.hypot(y, x)
    flat = method((image + sign * (distance < radius)).astype(np.float32))
    ring = (distance > radius + 2) & (distance < radius + 8)
    return sign * float(flat[distance < 0.6 * radius].mean() - flat[ring].mean())


def main() -> None:
    """Print the table."""
    print("| method | polarity | " + " | ".join(f"{size} d" for size in SIZES) + " | s, 1024² |")
    print("|---" * (len(SIZES) + 3) + "|")
    large = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    for name, method in METHODS.items():
        start = time.perf_counter()
        method(large)
        spent = time.perf_counter() - start
        for sign, word in ((1.0, "bright"), (-1.0, "dark")):
            print(f"| {name} | {word} | " + " | ".join(f"{kept(method, size, sign):.2f}" for size in SIZES) + f" | {spent:.2f} |")


if __name__ == "__main__":
    main()
