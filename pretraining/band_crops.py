"""Crops for the network of one band: a size is told, the picture brought to it, spoilt, flattened; targets and where they teach."""

from __future__ import annotations

import math
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from band_samples import Labels, Sample, inner_distance
from marks import burn_marks
from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.model.flattening import flatten
from napari_temseg.engine.types.results import BAND

MARGIN = 32  # px round a crop that the flattening sees
UNSURE = 1.15  # as a ratio to an edge of the band: whether these are meant is anybody's guess
EMPTY = 0.33  # share of crops without the flattened plane
TOLD = 0.45  # share of crops of which the polarity is told
ELSEWHERE = 0.14  # share of crops at a size at which there is nothing to find: the size is looked for where nobody tells it
WHOLE = 0.6  # share of crops, of those that hold a whole picture, that show it as it will be shown: with its own edges
FEW_PIXELS = 6.0  # × by which the pixels of a picture that fills a small part of its crop count at most
JITTER = 0.4  # standard deviation of the logarithm of the size that is told
COARSE = 0.4  # share of crops that are shown as if the particles had been recorded on few pixels
COARSEST = 4.5  # × by which pixels are coarser there at most: particles 5 px wide
SIDES, SIDE_SHARES = (96, 160, 224), (0.3, 0.5, 0.2)  # px of crops, of which a batch holds as many as make up the same area
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop: input (3, S, S); targets (5, S, S) in the order of the outputs; weights (S, S) of the foreground and of the rest."""

    image: Floats
    target: Floats
    seen: Floats
    inner: Floats


@dataclass(frozen=True)
class _Rectangle:
    """Part of a picture: first pixel and length (source px), its length in the window (working px) and where it lies there, by axis."""

    first: tuple[int, int]
    length: tuple[int, int]
    scaled: tuple[int, int]
    at: tuple[int, int]


def _rectangle(
    shape: tuple[int, ...], centre: npt.NDArray[np.float64], zoom: float, window: int, corner: int | None, rng: np.random.Generator
) -> _Rectangle:
    """A picture smaller than the window begins at `corner`, or anywhere."""
    parts = []
    for n, c in zip(shape, centre, strict=True):
        length = round(window / zoom)
        if length <= n:
            parts.append((int(np.clip(round(c - length / 2), 0, n - length)), length, window, 0))
        else:
            scaled = max(8, min(window, round(n * zoom)))
            parts.append((0, n, scaled, int(rng.integers(0, window - scaled + 1)) if corner is None else corner))
    first, length_, scaled_, at = zip(*parts, strict=True)
    return _Rectangle(first, length_, scaled_, at)


def told_size(entry: Sample, rng: np.random.Generator, any_size: bool = False) -> float:
    """The size that is told: a typical one, off by as much as people are, now and then one at which there is nothing to find."""
    size = entry.sizes[int(rng.integers(len(entry.sizes)))]
    if any_size:
        return size * math.exp(rng.uniform(-1, 1) * math.log(8))
    if rng.random() < ELSEWHERE:
        # Far above the size what is meant is texture, far below it a support: of few pixels there is neither.
        return size / rng.uniform(3.6, 8) if size > 24 and rng.random() < 0.6 else size * rng.uniform(3.6, 8)
    return size * math.exp(float(np.clip(rng.normal(0, JITTER), -1.0, 1.0)))


def _meant(entry: Sample, size: float, polarity: int, band: float = BAND) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which particles are meant, and of which nobody can say; (n + 1,)."""
    ratio = entry.width / size
    inside = (ratio >= UNSURE / band) & (ratio <= band / UNSURE)
    unsure = ~inside & (ratio >= 1 / (band * UNSURE)) & (ratio <= band * UNSURE)
    if polarity:
        unsure |= inside & (entry.sign == 0)
        inside &= entry.sign == polarity
    inside[0] = unsure[0] = False
    return inside, unsure & ~inside


def _polarity(entry: Sample, rng: np.random.Generator) -> int:
    """1 or −1 where it is told: always in pictures that hold both, never where it is unknown."""
    present = {int(sign) for sign in np.unique(entry.sign[1:])} - {0}
    if not present or (len(present) == 1 and rng.random() > TOLD):
        return 0
    return int(rng.choice(sorted(present)))


@dataclass(frozen=True, eq=False)
class Chosen:
    """A part of a picture at a told size, `margin` px wider on each side than its crop, not yet spoilt.

    `image` float32 (W, W), normalised and brighter where particles are when the polarity is told; `labels` int32 (W, W); `inside` bool
    (n + 1,), the particles that are meant; `counts` float32 (W, W), what a pixel counts; `where` the picture lies in the window.
    """

    image: Floats
    labels: Labels
    inside: npt.NDArray[np.bool_]
    counts: Floats
    where: _Rectangle
    margin: int
    told: bool


def chosen(entry: Sample, side: int, rng: np.random.Generator, margin_of_whole: int = 0, any_size: bool = False) -> Chosen:
    """Where a crop of `side` px lies, at a told size; two times in three on a particle that is meant: all are, of `any_size`."""
    size, polarity = told_size(entry, rng, any_size), _polarity(entry, rng)
    zoom = WORKING_SIZE / size
    whole = zoom * max(entry.plane.shape) <= side and rng.random() < WHOLE
    margin = margin_of_whole if whole else MARGIN
    window = side + 2 * margin
    inside, unsure = _meant(entry, size, polarity, math.inf if any_size else BAND)
    centre = rng.uniform(0, 1, 2) * entry.plane.shape
    if inside.any() and rng.random() < 0.67:
        centre = entry.centre[int(rng.choice(np.flatnonzero(inside)))] + rng.uniform(-0.3, 0.3, 2) * side / zoom
    where = _rectangle(entry.plane.shape, centre, zoom, window, margin if whole else None, rng)
    image, labels, ignore, there = _cut(entry, where, window)
    image = image * (polarity or (1 if rng.random() < 0.75 else -1))
    counts = there * min(FEW_PIXELS, (side if whole else window) ** 2 / max(1, int(there.sum()))) * ~(ignore | unsure[labels])
    return Chosen(image, labels, inside, counts.astype(np.float32), where, margin, polarity != 0)


def crop(entry: Sample, side: int, marked: float, rng: np.random.Generator, empty: float = EMPTY, any_size: bool = False) -> Crop:
    """A crop of `side` px at a told size, spoilt, with what it teaches; `empty` is the share without the flattened plane."""
    part = chosen(entry, side, rng, any_size=any_size)
    target, inner = _targets(entry, part.labels, part.inside, part.where)
    image = _spoilt(part.image, rng)
    if rng.random() < COARSE:
        image = _coarse(image, rng)
    turned = rng.integers(4), rng.random() < 0.5
    tensors = (torch.from_numpy(plane[None]) for plane in (image, target[0], target[1]))
    burnt, exact, distance, teaches = burn_marks(*tensors, rng, marked)
    image, target[0], target[1] = burnt[0].numpy(), exact[0].numpy(), distance[0].numpy()
    target[2] *= target[0]
    seen = np.where(target[0] > 0, 1.0, entry.background) * part.counts * teaches[0].numpy()
    flat = _flattened(image, part.where) if rng.random() >= empty else np.zeros_like(image)
    planes = np.stack([image, flat, np.full_like(image, float(part.told))])
    inner = inner * seen * (target[0] > 0) if entry.teaches != "instances" else inner * seen
    cut = (..., slice(part.margin, part.margin + side), slice(part.margin, part.margin + side))
    out = [_turned(plane[cut], *turned) for plane in (planes, target, seen[None], inner[None])]
    return Crop(*(np.ascontiguousarray(plane, np.float32) for plane in (out[0], _turned_offsets(out[1], *turned), out[2][0], out[3][0])))


def _flattened(image: Floats, where: _Rectangle) -> Floats:
    """Flattened by what is of the picture alone, mirrored beyond, as a whole picture is shown."""
    here = tuple(slice(a, a + m) for a, m in zip(where.at, where.scaled, strict=True))
    pad = [(a, n - a - m) for a, m, n in zip(where.at, where.scaled, image.shape, strict=True)]
    return np.pad(flatten(image[here], WORKING_SIZE), pad, mode="symmetric")


def _cut(entry: Sample, where: _Rectangle, window: int) -> tuple[Floats, Labels, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Image, labels and what is to be ignored in the window, and where there is a picture at all (mirrored beyond)."""
    part = tuple(slice(a, a + n) for a, n in zip(where.first, where.length, strict=True))
    plane = torch.from_numpy(entry.plane[part])[None, None]
    image = F.interpolate(plane, size=where.scaled, mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy()
    rows, columns = (
        a + np.minimum(((np.arange(m) + 0.5) * n / m).astype(np.intp), n - 1)
        for a, n, m in zip(where.first, where.length, where.scaled, strict=True)
    )
    labels, ignore = (source[rows[:, None], columns[None]] for source in (entry.labels, entry.ignore))
    pad = [(a, window - a - m) for a, m in zip(where.at, where.scaled, strict=True)]
    there = np.pad(np.ones(where.scaled, bool), pad)
    return np.pad(image, pad, mode="symmetric"), np.pad(labels, pad), np.pad(ignore, pad), there


def _targets(entry: Sample, labels: Labels, inside: npt.NDArray[np.bool_], where: _Rectangle) -> tuple[Floats, Floats]:
    """Targets (5, W, W) of the window, and how much distance, border and offsets count there."""
    kept = np.where(inside[labels], labels, 0)
    zoom = math.sqrt(where.scaled[0] * where.scaled[1] / (where.length[0] * where.length[1]))
    foreground = kept > 0
    grid = np.indices(labels.shape, np.float32)
    way = np.zeros((2, *labels.shape), np.float32)
    for axis in (0, 1):
        scale = where.scaled[axis] / where.length[axis]
        middle = ((entry.centre[:, axis] - where.first[axis] + 0.5) * scale - 0.5 + where.at[axis]).astype(np.float32)
        way[axis] = np.where(foreground, (middle[kept] - grid[axis]) / np.float32(WORKING_SIZE), 0)
    depth = (np.maximum(entry.depth, 1e-3) * zoom).astype(np.float32)
    if entry.teaches == "boxes":
        distance = 1 - np.hypot(way[0], way[1]) * np.float32(WORKING_SIZE) / depth[kept]
    else:
        distance = inner_distance(kept) / depth[kept]
    distance = np.where(foreground, np.clip(distance, 0, 1), 0).astype(np.float32)
    high = ndimage.maximum_filter(kept, 3)
    low = ndimage.minimum_filter(np.where(foreground, kept, np.iinfo(np.int32).max), 3)
    border = (high > 0) & (low < high)
    target = np.stack([foreground, distance, border, way[0], way[1]]).astype(np.float32)
    counts = 0.0 if entry.teaches == "foreground" else 1.0
    return target, np.full(labels.shape, counts, np.float32)


def _turned(planes: Floats, quarters: int, mirrored: bool) -> Floats:
    return np.rot90(planes[..., ::-1] if mirrored else planes, quarters, (-2, -1))


def _turned_offsets(target: Floats, quarters: int, mirrored: bool) -> Floats:
    """The components of the offsets turn with the picture: rot90 takes (dy, dx) to (−dx, dy)."""
    out = np.array(target)
    dy, dx = out[3].copy(), out[4].copy()
    if mirrored:
        dx = -dx
    for _ in range(quarters):
        dy, dx = -dx, dy
    out[3], out[4] = dy, dx
    return out


def _coarse(image: Floats, rng: np.random.Generator) -> Floats:
    """Recorded on coarser pixels, with their noise, out of focus or compressed at times; enlarged again, as small particles are."""
    factor = math.exp(rng.uniform(math.log(1.3), math.log(COARSEST)))
    size = tuple(max(8, round(n / factor)) for n in image.shape)
    if rng.random() < 0.5:
        image = ndimage.gaussian_filter(image, rng.uniform(0.2, 0.9) * factor, truncate=3)
    small = F.interpolate(torch.from_numpy(image)[None, None], size=size, mode="bilinear", align_corners=False, antialias=True)[
        0, 0
    ].numpy()
    small = small + np.float32(abs(rng.normal(0, 0.12))) * rng.standard_normal(small.shape, np.float32)
    if rng.random() < 0.3:
        low, high = np.percentile(small, [0.2, 99.8])
        grey = np.clip(255 * (small - low) / max(high - low, 1e-6), 0, 255).astype(np.uint8)
        written = iio.imwrite("<bytes>", grey, extension=".jpg", quality=int(rng.integers(35, 90)))
        small = iio.imread(written, extension=".jpg").astype(np.float32).reshape(small.shape) / 255 * (high - low) + low
    large = F.interpolate(torch.from_numpy(small.astype(np.float32))[None, None], size=image.shape, mode="bilinear", align_corners=False)
    return large[0, 0].numpy()


def _toned(image: Floats, rng: np.random.Generator) -> Floats:
    """A random rising curve of grey levels, as detectors and journals draw it."""
    places = np.linspace(float(image.min()), float(image.max()) + 1e-6, 6)
    steps = np.exp(rng.normal(0, 0.6, 5))
    levels = places[0] + np.concatenate([[0], np.cumsum(steps)]) * (places[-1] - places[0]) / steps.sum()
    return np.interp(image, places, levels).astype(np.float32)


def _spoilt(image: Floats, rng: np.random.Generator) -> Floats:
    """Uneven background, blur, gain, offset, gamma and noise, each at times."""
    image = image.astype(np.float32)
    if rng.random() < 0.4:
        field = torch.from_numpy(rng.normal(size=(1, 1, 3, 3)).astype(np.float32)) * rng.uniform(0, 0.6)
        image = image + F.interpolate(field, size=image.shape, mode="bicubic", align_corners=True)[0, 0].numpy()
    if rng.random() < 0.25:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.4), truncate=3)
    if rng.random() < 0.5:
        low, high = float(image.min()), float(image.max())
        span = max(high - low, 1e-6)
        image = low + span * ((image - low) / span) ** np.float32(math.exp(rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.3:
        image = _toned(image, rng)
    image = image * np.float32(math.exp(rng.uniform(-0.4, 0.4))) + np.float32(rng.uniform(-0.3, 0.3))
    if rng.random() < 0.5:
        image = image + np.float32(abs(rng.normal(0, 0.2))) * rng.standard_normal(image.shape, np.float32)
    return image.astype(np.float32)
