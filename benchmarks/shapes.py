"""Descriptors of shapes whose truth is known, on what a model may say of them, and the time that measuring takes; scikit-image beside both.

    python benchmarks/shapes.py [--maps coverage blurred noisy mask] [--repeats 24]
    python benchmarks/shapes.py speed [--side 4096] [--particles 10000]
    python benchmarks/shapes.py linear [--labels 10000 100000 1000000]

Discs, ellipses, squares and rods at random sub-pixel places and angles, 6 to 80 px: mean error in % of the truth, the spread of one
particle in brackets. As a map: the exact share of each pixel that is covered, the same blurred (σ 1 px), with noise added to that (σ 0.1),
and its mask at one half. `speed`: `split` and `measure` of one prediction, against a watershed of the distance transform and
`regionprops_table`, in processor seconds: with the columns that it has, and with those that it lacks made by SciPy, region by region.
`linear`: time and memory of `measure` for more and more labels.

Tried for corners, which the contour cuts (squares of 20, 40, 80 px feret_max −2.1, −1.0, −0.6 %, rods 4:1 aspect ratio +4.8, +2.5, +1.2 %
on coverage), and left out: a rectangle fitted to the middles of the four sides, where residual (0.2 px), area and retreat of the contour
at the corners (0.75 px) allow one (0.0 % for both on coverage, discs, ellipses, hexagons untouched; on blurred and noisy maps it is never
allowed, and corners rounded by 1 px, which retreat no further than sharp ones, become +3 instead of −0.8 % at 20 px); the rectangle of
equal second moments (within 0.7 % for squares on every map, rods of 20 px −1.0 and +3.7 %, but +8 % for squares rounded by 0.15 of their
side); corners where long runs of the hull meet (no effect: the hull of a contour has few runs of 4 px).
"""

from __future__ import annotations

import argparse
import math
import resource
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, cKDTree
from skimage.feature import peak_local_max
from skimage.measure import regionprops_table
from skimage.segmentation import find_boundaries, watershed

import napari_temseg as temseg

Shape = tuple[Callable[[np.ndarray, np.ndarray, float], np.ndarray], Callable[[float], dict[str, float]]]
KINDS = ("coverage", "blurred", "noisy", "mask")
FINE = 8  # sub-pixels of a side
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


def covered(member: Callable[[np.ndarray, np.ndarray, float], np.ndarray], d: float, rng: np.random.Generator) -> np.ndarray:
    """The share of each pixel that a shape at a random place and angle covers."""
    n = int(1.5 * d + 12)
    grid = (np.arange(n * FINE) + 0.5) / FINE - 0.5 - (n - 1) / 2
    y, x = np.meshgrid(*(grid - each for each in rng.uniform(-0.5, 0.5, 2)), indexing="ij")
    angle = rng.uniform(0, np.pi)
    inside = member(np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x, d)
    return inside.reshape(n, FINE, n, FINE).mean(axis=(1, 3))


def said(share: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """What a model might say of a covered share."""
    if kind in ("coverage", "mask"):
        return share if kind == "coverage" else (share >= 0.5).astype(float)
    blurred = ndimage.gaussian_filter(share, 1.0)
    return blurred if kind == "blurred" else np.clip(blurred + rng.normal(0, 0.1, share.shape), 0, 1)


def predicted(foreground: np.ndarray) -> temseg.Prediction:
    """A map as a prediction."""
    image = temseg.Micrograph(np.zeros(foreground.shape, np.uint8))
    probability = np.stack([1 - foreground, foreground]).astype(np.float16)
    classes = (foreground >= 0.5).astype(np.uint8) + 1
    return temseg.Prediction(probability, (1, 2), {1: "background", 2: "particle"}, classes, image)


def accuracy(repeats: int, kinds: list[str]) -> None:
    """A row a map, shape, size and descriptor."""
    rng = np.random.default_rng(0)
    whole = temseg.SplitConfig(strength=0.0, certainty=0.0, min_diameter=2.0)
    print("| map | shape | px | descriptor | ours | scikit-image |\n" + "|---" * 6 + "|")
    for kind, (title, (member, truth_of)) in product(kinds, SHAPES.items()):
        for d in (6, 10, 20, 40, 80):
            truth, ours, theirs = truth_of(d), [], []
            for _ in range(repeats):
                particles = temseg.split(predicted(said(covered(member, d, rng), kind, rng)), whole)
                table = temseg.measure(particles).table
                if not len(table):
                    continue
                largest = int(table["area_px2"].argmax())
                ours.append(table.iloc[largest])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = regionprops_table(particles.labels, properties=tuple(PEER.values()))
                theirs.append({key: value[largest] for key, value in found.items()})
            for name, true in truth.items():
                unit = name if name in ("aspect_ratio", "rect_ratio", "solidity") else f"{name}_px"
                told = [_told([row[unit] for row in ours], true)]
                told.append(_told([row[PEER[name]] for row in theirs], true) if name in PEER else "–")
                print(f"| {kind} | {title} | {d} | {name} | {' | '.join(told)} |", flush=True)


def _told(values: list[float], true: float) -> str:
    if not values:
        return "not found"
    errors = 100 * (np.array(values, float) / true - 1)
    return f"{errors.mean():+.1f} ({errors.std():.1f})"


def hull_columns(mask: np.ndarray) -> np.ndarray:
    """Smallest Feret diameter, sides of the rectangle of least area, perimeter of the hull and inscribed diameter of a region."""
    padded = np.pad(mask, 1)
    inscribed = 2 * ndimage.distance_transform_edt(padded).max() - 1
    points = np.argwhere(padded ^ ndimage.binary_erosion(padded))
    corners = (points[:, None] + np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])).reshape(-1, 2)
    hull = ConvexHull(corners)
    normal = hull.equations[:, :2]
    at = corners[hull.vertices]
    wide, long = np.ptp(at @ normal.T, axis=0), np.ptp(at @ np.stack([-normal[:, 1], normal[:, 0]]), axis=0)
    least = int((wide * long).argmin())
    return np.array([wide.min(), *sorted((wide[least], long[least])), hull.area, inscribed])


def among_others(labels: np.ndarray) -> None:
    """Share of each outline that borders others, the aggregate of each, and the distance of the nearest."""
    outline = find_boundaries(labels, mode="inner")
    beside = outline & (ndimage.maximum_filter(labels, 3) != labels)
    numbers = np.arange(1, labels.max() + 1)
    ndimage.mean(beside, np.where(outline, labels, 0), numbers)
    ndimage.label(labels > 0, np.ones((3, 3)))
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers))
    cKDTree(centres).query(centres, k=2)


def speed(side: int, particles: int) -> None:
    """Processor seconds of both, ours the best of three."""
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
        start = time.process_time()
        count = len(temseg.measure(temseg.split(prediction)))
        found["ours"].append(time.process_time() - start)
    start = time.process_time()
    depth = ndimage.distance_transform_edt(mask)
    peaks = peak_local_max(ndimage.gaussian_filter(depth, 1), min_distance=5, labels=ndimage.label(mask)[0])
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, seeds, mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regionprops_table(labels, image.plane(0), properties=("label", *columns))
        found["SciPy and scikit-image"].append(time.process_time() - start)
        regionprops_table(labels, extra_properties=(hull_columns,))
        among_others(labels)
        found["the same with our columns"] = [time.process_time() - start]
    ours = min(found["ours"])
    print(f"{side}², {count} particles\n| | s | × |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {min(seconds):.1f} | {min(seconds) / ours:.1f} |")


def linear(counts: list[int]) -> None:
    """Processor seconds and memory of `measure` on a plane of so many discs of 4 to 7 px, each count in a process of its own."""
    print("| labels | plane | s | µs a label | highest resident, MB | of the labels themselves, MB |\n" + "|---" * 6 + "|", flush=True)
    for count in counts:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            side, seconds, memory, own = pool.submit(_measured, count).result()
        print(f"| {count} | {side}² | {seconds:.1f} | {1e6 * seconds / count:.0f} | {memory:.0f} | {own:.0f} |", flush=True)


def _measured(count: int) -> tuple[int, float, float, float]:
    """Side of the plane, seconds, highest memory of this process and that of the labels (MB)."""
    cell = 9
    n = math.isqrt(count - 1) + 1
    labels = np.zeros((n * cell, n * cell), np.int32)
    middle, y = cell / 2, np.arange(cell)
    for number in range(8):  # as many sizes
        disc = np.hypot(y[:, None] - middle + 0.5, y - middle + 0.5) <= 2 + number * 0.2
        rows = range(number, n, 8)
        for row in rows:
            label = row * n + 1 + np.arange(n)
            label[label > count] = 0
            labels[row * cell : (row + 1) * cell] = (disc[:, None, :] * label[None, :, None]).reshape(cell, -1)
    start = time.process_time()
    measured = temseg.measure(labels)
    seconds = time.process_time() - start
    if len(measured) != count:
        raise RuntimeError(f"{len(measured)} of {count} labels were measured")
    return len(labels), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, labels.nbytes / 2**20


def main() -> None:
    """Choose the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("accuracy", "speed", "linear"), default="accuracy")
    parser.add_argument("--repeats", type=int, default=24)
    parser.add_argument("--maps", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--labels", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()
    if args.part == "speed":
        speed(args.side, args.particles)
    elif args.part == "linear":
        linear(args.labels)
    else:
        accuracy(args.repeats, args.maps)


if __name__ == "__main__":
    main()
