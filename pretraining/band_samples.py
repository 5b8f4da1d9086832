"""What the network of one band is trained on: pictures with the width, middle, depth and polarity of every particle in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from emps import data_folder, entries
from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.simulate.micrographs import randomised, simulate
from napari_temseg.engine.simulate.piles import pile
from napari_temseg.engine.simulate.scene import Scene
from napari_temseg.engine.simulate.specimens import specimen

BOX = 1.4  # boxes of supported_catalysts are this much as wide as what an outline gives
CATALYSTS = ("Pd_silica", "Pd_alumina1", "Cu_silica1", "PtW1", "PtW2", "PtW3")
POWDER_TUNE = ("Sc1Tile_001-002", "Sc2Tile_010-006", "Sc3Tile_010-001", "Sc4Tile_008-004")
CROWDED = 0.3  # share of simulated pictures that hold nothing but particles that touch
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture to be cropped at any size that is told.

    `plane` float32 (Y, X), normalised; `labels` int32 (Y, X), 1…n particles; `ignore` bool (Y, X), where nothing is learnt. By
    particle, entry 0 unused: `width` px, `depth` (largest distance to the edge, px), `centre` (n + 1, 2), `sign` (1 bright, −1 dark, 0
    neither or unknown). `sizes` are the typical sizes that may be told. `teaches`: "instances", "boxes" or "foreground".
    `background` is how much a background pixel counts.
    """

    plane: npt.NDArray[np.float32]
    labels: Labels
    ignore: npt.NDArray[np.bool_]
    width: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    sign: npt.NDArray[np.int8]
    sizes: tuple[float, ...]
    teaches: str = "instances"
    background: float = 1.0


def inner_distance(labels: Labels) -> npt.NDArray[np.float32]:
    """Distance (px) of every particle's pixels to its edge, seams between touching particles being edges too; 0 outside."""
    inside = labels > 0
    for axis in (0, 1):
        for step in (-1, 1):
            moved = np.roll(labels, step, axis)
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            moved[tuple(edge)] = labels[tuple(edge)]
            inside &= moved == labels
    distance = ndimage.distance_transform_edt(inside).astype(np.float32)
    return np.where(labels > 0, distance + np.float32(0.5), np.float32(0))


def described(labels: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Width (the short axis of the ellipse of the same moments), depth and centre of each label 1…n; entry 0 is nothing."""
    n = int(labels.max())
    flat = labels.ravel()
    rows, columns = (grid.ravel().astype(np.float64) for grid in np.indices(labels.shape))

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.bincount(flat, values, n + 1) / np.maximum(np.bincount(flat, minlength=n + 1), 1)

    y, x = mean(rows), mean(columns)
    yy, xx, xy = mean(rows * rows) - y * y, mean(columns * columns) - x * x, mean(rows * columns) - y * x
    small = (yy + xx) / 2 - np.sqrt(((yy - xx) / 2) ** 2 + xy**2) + 1 / 12
    depth = ndimage.maximum(inner_distance(labels), labels, np.arange(n + 1)) if n else np.zeros(1)
    return 4 * np.sqrt(np.maximum(small, 1 / 16)), np.maximum(np.asarray(depth, float), 0.5), np.stack([y, x], 1)


def sample(
    image: npt.NDArray[np.uint8],
    labels: Labels,
    ignore: npt.NDArray[np.bool_] | None = None,
    signs: npt.NDArray[np.int8] | int = 0,
    sizes: tuple[float, ...] = (),
    teaches: str = "instances",
    background: float = 1.0,
) -> Sample:
    """Describe a labelled picture; the median diameter is its size where none is given."""
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32) if np.isscalar(signs) else labels
    width, depth, centre = described(labels)
    if not sizes:
        areas = np.bincount(labels.ravel())[1:]
        sizes = (float(np.median(np.sqrt(4 * areas[areas > 0] / math.pi))),) if (areas > 0).any() else (50.0,)
    sign = np.full(len(width), signs, np.int8) if np.isscalar(signs) else np.asarray(signs, np.int8)[: len(width)]
    ignored = np.zeros(labels.shape, bool) if ignore is None else ignore
    return Sample(Normalisation().apply(image), labels, ignored, width, depth, centre, sign, sizes, teaches, background)


def of_scene(scene: Scene) -> Sample:
    """A simulated scene."""
    return sample(scene.plane, scene.instances, scene.ignore, scene.signs, (scene.size,))


def simulated(rng: np.random.Generator, supports: bool = True) -> Sample:
    """One simulated picture of random kind and size; without supports and piles particles lie on a plain ground."""
    side = int(rng.choice([256, 288, 352]))
    if rng.random() < CROWDED or not supports:
        return crowded(side, rng)
    size = math.exp(rng.uniform(math.log(8), math.log(45)))
    return of_scene((pile if rng.random() < 0.36 else specimen)(size, (side, side), rng))


def crowded(side: int, rng: np.random.Generator) -> Sample:
    """Particles on a plain ground, most of them in contact and many half hidden: what is hidden there is alike in projection."""
    config = replace(randomised(rng, side, side), data_bar=False, scale_bar=False, panel_letter=False)
    config = replace(config, touching=float(rng.uniform(0.2, 1.0)), overlapping=float(rng.choice([0.0, rng.uniform(0.1, 1.0)])))
    if config.diameter > side / 5:
        config = replace(config, diameter=side / 5)
    scene = simulate(config)
    bright = 1 if config.mode == "HAADF" else -1
    return sample(scene.micrograph.data, scene.instances, signs=bright, sizes=(config.diameter,))


def turned(entry: Sample, rng: np.random.Generator) -> Sample:
    """A picture turned by any angle and stretched by up to a quarter; nothing is learnt beyond its edge, where it is mirrored."""
    angle, stretch = rng.uniform(0, 2 * math.pi), math.exp(rng.uniform(-0.22, 0.22))
    along = rng.uniform(0, 2 * math.pi)
    matrix = _rotation(angle) @ _rotation(along) @ np.diag([stretch, 1 / stretch]) @ _rotation(-along)
    middle = (np.array(entry.plane.shape) - 1) / 2
    offset = middle - matrix @ middle
    plane = ndimage.affine_transform(entry.plane, matrix, offset, order=1, mode="mirror")
    labels = ndimage.affine_transform(entry.labels, matrix, offset, order=0, mode="constant")
    ignore = ndimage.affine_transform(entry.ignore.astype(np.uint8), matrix, offset, order=0, mode="constant", cval=1) > 0
    width, depth, centre = described(labels)
    keep, n = len(entry.width), len(width)
    width, depth, centre = (
        np.concatenate([part, old[n:]])[:keep]
        for part, old in zip((width, depth, centre), (entry.width, entry.depth, entry.centre), strict=True)
    )
    return replace(entry, plane=plane, labels=labels, ignore=ignore, width=width, depth=depth, centre=centre)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def emps(part: str = "train", first: int = 0, every: int = 1) -> list[Sample]:
    """EMPS: every particle outlined; the contrast of the index is that of the particles."""
    signs = {"dark_on_bright": -1, "bright_on_dark": 1}
    return [sample(e.image, e.instances, signs=signs.get(e.row["contrast"], 0)) for e in entries(part, first=first, every=every)]


def catalysts() -> list[Sample]:
    """Boxes of supported_catalysts, train part: the middle of each box is particle, the rest of it unknown."""
    folder, found = data_folder() / "supported_catalysts", []
    for path in sorted((folder / "images").glob("*.jpg")):
        if path.stem.startswith(CATALYSTS):
            image = iio.imread(path, mode="L")
            found.append(of_boxes(image, np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2)[:, 1:]))
    return found


def of_boxes(image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float64]) -> Sample:
    """A picture with boxes (n, 4): centre x, y, width, height as shares of the picture."""
    boxes = boxes[boxes[:, 2:].min(1) > 0]  # some are a point
    rows, columns = image.shape
    labels, ignore = np.zeros(image.shape, np.int32), np.zeros(image.shape, bool)
    width, centre = np.zeros(len(boxes) + 1), np.zeros((len(boxes) + 1, 2))
    scaled = boxes * np.array([columns, rows, columns, rows])
    for number, (x, y, w, h) in sorted(enumerate(scaled.tolist(), 1), key=lambda item: -item[1][2] * item[1][3]):
        top, left = max(0, int(y - 0.7 * h)), max(0, int(x - 0.7 * w))
        window = slice(top, int(y + 0.7 * h) + 2), slice(left, int(x + 0.7 * w) + 2)
        v, u = np.ogrid[top : min(rows, int(y + 0.7 * h) + 2), left : min(columns, int(x + 0.7 * w) + 2)]
        radius = np.hypot((v + 0.5 - y) / (h / 2), (u + 0.5 - x) / (w / 2))  # 1 at the middle of a box's side
        ignore[window] |= (radius < 1.15) & (radius >= 0.55)
        ignore[window] &= radius >= 0.55
        labels[window][radius < 0.55] = number
        width[number], centre[number] = math.sqrt(w * h) / BOX, (y - 0.5, x - 0.5)
    depth = np.maximum(width / 2, 0.5)
    size = float(np.median(width[1:]))
    return Sample(Normalisation().apply(image), labels, ignore, width, depth, centre, np.ones(len(width), np.int8), (size,), "boxes", 0.8)


def components(mask: npt.NDArray[np.bool_], least: int) -> Labels:
    """4-connected components of at least `least` px."""
    labels, n = ndimage.label(mask)
    keep = np.bincount(labels.ravel(), minlength=n + 1) >= least
    keep[0] = False
    return np.where(keep[labels], labels, 0).astype(np.int32)


def superalloy(first: int = 0, every: int = 1) -> list[Sample]:
    """Two sizes of precipitates, dark in bright; the first fifteen by name."""
    folder, found = data_folder() / "superalloy_sem", []
    for path in sorted((folder / "classes").glob("*.png"))[:15][first::every]:
        classes = iio.imread(path)
        large, small = components(classes == 100, 30), components(classes == 200, 6)
        labels = np.where(large > 0, large, np.where(small > 0, small + large.max(), 0)).astype(np.int32)
        diameters = [
            float(np.median(np.sqrt(4 / math.pi * np.bincount(part[part > 0])[np.unique(part[part > 0])])))
            for part in (large, small)
            if part.any()
        ]
        # Components too small to count are noise of the annotation.
        found.append(
            sample(iio.imread(folder / "images" / path.name), labels, (classes > 0) & (labels == 0), -1, tuple(diameters), "instances", 0.7)
        )
    return found


def powder(first: int = 0, every: int = 1) -> list[Sample]:
    """Metal powder: its particles, and the satellites on them; what is dark there is blurred and not labelled."""
    folder, found = data_folder() / "powder_sem", []
    for kind in ("particle", "satellite"):
        paths = [*(folder / f"instances_{kind}").glob("training_*.png"), *(folder / f"instances_{kind}").glob("validation_*.png")]
        names = {path.name.split("_", 1)[1]: path for path in sorted(paths)}
        for name, path in islice(((n, p) for n, p in names.items() if not n.startswith(POWDER_TUNE)), first, None, every):
            image, labels = iio.imread(folder / "images" / name), iio.imread(path).astype(np.int32)
            smooth = ndimage.gaussian_filter(image.astype(np.float32), 6)
            dark = (smooth < np.percentile(smooth, 35)) & (labels == 0)
            found.append(sample(image, labels, dark, 1 if kind == "particle" else 0, background=0.7))
    return found


def sintering(first: int = 0, every: int = 1) -> list[Sample]:
    """Dark particles of an in-situ movie; touching ones are merged, so that they teach foreground only."""
    folder, found = data_folder() / "sintering_bf", []
    for path in sorted((folder / "images").glob("*.png"))[first::every]:
        mask = iio.imread(Path(str(path).replace("images", "masks"))) > 0
        labels = components(mask, 60)
        found.append(sample(iio.imread(path), labels, mask & (labels == 0), -1, teaches="foreground", background=0.8))
    return found
