"""Descriptors of digitised shapes whose truth is known, and the time that measuring takes; scikit-image beside both.

    python benchmarks/shapes.py [--repeats 24]
    python benchmarks/shapes.py speed [--side 4096] [--particles 10000]

Discs, ellipses, squares and rods at random sub-pixel places and angles, 6 to 80 px: mean error in % of the truth, the spread of one
particle in brackets. The outline is the mask. `speed`: `split` and `measure` of one prediction, against a watershed of the distance
transform and `regionprops_table` with the same columns where the peer has them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

import napari_temseg as temseg

Shape = tuple[Callable[[np.ndarray, np.ndarray, float], np.ndarray], Callable[[float], dict[str, float]]]
PEER = {"ecd": "equivalent_diameter_area", "feret_max": "feret_diameter_max", "perimeter": "perimeter_crofton", "solidity": "solidity"}


def ellipse_perimeter(a: float, b: float) -> float:
    """Ramanujan's approximation, for half axes."""
    h = ((a - b) / (a + b)) ** 2
    return float(np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))


def box(length: float, width: float) -> dict[str, float]:
    """The truth of a rectangle."""
    return {
        "ecd": float(np.sqrt(4 * length * width / np.pi)),
        "feret_max": float(np.hypot(length, width)),
        "feret_min": width,
        "aspect_ratio": width / float(np.hypot(length, width)),
        "rect_ratio": width / length,
        "perimeter": 2 * (length + width),
        "solidity": 1.0,
    }


def oval(a: float, b: float) -> dict[str, float]:
    """The truth of an ellipse of axes a and b."""
    truth = {"ecd": float(np.sqrt(a * b)), "feret_max": a, "feret_min": b, "aspect_ratio": b / a, "rect_ratio": b / a}
    return truth | {"perimeter": ellipse_perimeter(a / 2, b / 2), "solidity": 1.0}


SHAPES: dict[str, Shape] = {
    "disc": (lambda y, x, d: np.hypot(y, x) <= d / 2, lambda d: oval(d, d)),
    "ellipse 0.6": (lambda y, x, d: np.hypot(y / 0.6, x) <= d / 2, lambda d: oval(d, 0.6 * d)),
    "square": (lambda y, x, d: (abs(y) <= d / 2) & (abs(x) <= d / 2), lambda d: box(d, d)),
    "rod 4:1": (lambda y, x, d: (abs(y) <= d / 8) & (abs(x) <= d / 2), lambda d: box(d, d / 4)),
}


def painted(member: Callable[[np.ndarray, np.ndarray, float], np.ndarray], d: float, rng: np.random.Generator) -> np.ndarray:
    """One shape at a random place and angle."""
    n = int(1.5 * d + 8)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2 - rng.uniform(-0.5, 0.5, 2)[:, None, None]
    angle = rng.uniform(0, np.pi)
    inside = member(np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x, d)
    return inside.astype(np.int32)


def accuracy(repeats: int) -> None:
    """A row a shape, size and descriptor."""
    rng = np.random.default_rng(0)
    print("| shape | px | descriptor | ours | scikit-image |\n" + "|---" * 5 + "|")
    for title, (member, truth_of) in SHAPES.items():
        for d in (6, 10, 20, 40, 80):
            truth, ours, theirs = truth_of(d), [], []
            for _ in range(repeats):
                labels = painted(member, d, rng)
                if labels.any():
                    ours.append(temseg.measure(labels).table.iloc[0])
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        theirs.append({key: value[0] for key, value in regionprops_table(labels, properties=tuple(PEER.values())).items()})
            for name, true in truth.items():
                unit = name if name in ("aspect_ratio", "rect_ratio", "solidity") else f"{name}_px"
                told = [_told([row[unit] for row in ours], true)]
                told.append(_told([row[PEER[name]] for row in theirs], true) if name in PEER else "–")
                print(f"| {title} | {d} | {name} | {' | '.join(told)} |", flush=True)


def _told(values: list[float], true: float) -> str:
    errors = 100 * (np.array(values, float) / true - 1)
    return f"{errors.mean():+.1f} ({errors.std():.1f})"


def speed(side: int, particles: int) -> None:
    """Seconds of both, the best of three."""
    rng = np.random.default_rng(0)
    cell = int(side / np.sqrt(particles))
    y, x = np.mgrid[:side, :side]
    radius = np.repeat(np.repeat(rng.uniform(0.3, 0.56, (side // cell + 1,) * 2), cell, 0), cell, 1)[:side, :side] * cell
    mask = np.hypot(y % cell - cell / 2, x % cell - cell / 2) <= radius
    image = temseg.Micrograph(rng.integers(0, 255, mask.shape, np.uint8))
    prediction = temseg.Prediction.of_classes(mask + 1, image)
    found: dict[str, list[float]] = {"ours": [], "SciPy and scikit-image": []}
    columns = ("area", "equivalent_diameter_area", "feret_diameter_max", "perimeter_crofton", "solidity", "axis_major_length")
    columns += ("axis_minor_length", "orientation", "centroid", "bbox", "intensity_mean", "intensity_std", "euler_number")
    count = 0
    for _ in range(3):
        start = time.perf_counter()
        count = len(temseg.measure(temseg.split(prediction)))
        found["ours"].append(time.perf_counter() - start)
    start = time.perf_counter()
    depth = ndimage.distance_transform_edt(mask)
    peaks = peak_local_max(ndimage.gaussian_filter(depth, 1), min_distance=5, labels=ndimage.label(mask)[0])
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, seeds, mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regionprops_table(labels, image.plane(0), properties=("label", *columns))
    found["SciPy and scikit-image"].append(time.perf_counter() - start)
    ours = min(found["ours"])
    print(f"{side}², {count} particles\n| | s | × |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {min(seconds):.1f} | {min(seconds) / ours:.1f} |")


def main() -> None:
    """Choose the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("accuracy", "speed"), default="accuracy")
    parser.add_argument("--repeats", type=int, default=24)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--particles", type=int, default=10_000)
    args = parser.parse_args()
    if args.part == "speed":
        speed(args.side, args.particles)
    else:
        accuracy(args.repeats)


if __name__ == "__main__":
    main()
