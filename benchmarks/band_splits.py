"""Ways to part touching particles, compared on one network: by its depth map, by the borders it sees, by its votes for middles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.segmentation import watershed

import napari_temseg as temseg
from napari_temseg.engine.model.band import BAND, WORKING_SIZE
from napari_temseg.engine.model.band_prediction import BandAnswer

Labels = npt.NDArray[np.int32]
Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Splitting:
    """How an answer becomes particles. `way`: depth, border, votes; `sure`: least mean certainty that a particle keeps."""

    way: str = "depth"
    threshold: float = 0.5
    strength: float = 0.5
    sure: float = 0.3
    smoothing: float = 1.0


def sigmoid(x: Maps) -> Maps:
    return (1 / (1 + np.exp(-np.clip(x, -30, 30)))).astype(np.float32)


def particles(answer: BandAnswer, how: Splitting) -> Labels:
    """Labels (Y, X) at the picture's own scale; parted at the finer one of its own and the working scale."""
    fine = answer.zoom > 1
    shape = (answer.raw.shape[1], answer.raw.shape[2]) if fine else answer.shape
    raw = answer.raw if fine else answer.at(shape)
    size = WORKING_SIZE if fine else WORKING_SIZE / answer.zoom
    probability = sigmoid(raw[0])
    labels = WAYS[how.way](raw, probability, size, how)
    labels = within_band(labels, probability, size, how)
    if fine:
        rows, columns = (np.minimum(((np.arange(n) + 0.5) / n * m).astype(int), m - 1) for n, m in zip(answer.shape, shape, strict=True))
        labels = labels[rows[:, None], columns[None]]
    return labels


def within_band(labels: Labels, probability: Maps, size: float, how: Splitting) -> Labels:
    """Without what is too small or too large to be meant, and what the network is not sure of as a whole."""
    n = int(labels.max())
    area = np.bincount(labels.ravel(), minlength=n + 1)
    mean = np.bincount(labels.ravel(), probability.ravel(), n + 1) / np.maximum(area, 1)
    diameter = np.sqrt(4 * area / np.pi)
    # An area's diameter: a rod ten times as long as wide has 3.6 times its width.
    keep = (diameter >= size / BAND / 1.15) & (diameter <= 3.6 * size * BAND) & ((mean - how.threshold) / (1 - how.threshold) >= how.sure)
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def by_depth(raw: Maps, probability: Maps, size: float, how: Splitting) -> Labels:
    """The splitting that ships, on the learnt distance."""
    image = np.zeros(probability.shape, np.uint8)
    p = np.stack([1 - probability, probability]).astype(np.float16)
    auxiliary = {"distance": sigmoid(raw[1]).astype(np.float16)}
    names = {1: "background", 2: "particle"}
    classes = (p.argmax(0) + 1).astype(np.uint8)
    prediction = temseg.Prediction(p, (1, 2), names, classes, temseg.Micrograph(image), auxiliary)
    smoothing = min(how.smoothing * max(1.0, size / WORKING_SIZE), 20.0)
    settings: dict[str, Any] = {"certainty": 0.0, "threshold": how.threshold, "strength": how.strength, "smoothing": smoothing}
    return temseg.split(prediction, temseg.SplitConfig(**settings, min_diameter=size / BAND / 1.15)).labels


def by_border(raw: Maps, probability: Maps, size: float, how: Splitting) -> Labels:
    """Seeds are what is particle and no border; the rest goes to the nearest of them uphill."""
    border = ndimage.gaussian_filter(sigmoid(raw[2]), 0.3 * how.smoothing * max(1.0, size / WORKING_SIZE))
    mask = ndimage.binary_fill_holes(probability >= how.threshold)
    core = (probability - border * 2 * how.strength > how.threshold - 0.15) & mask & (border < 1 - how.strength)
    seeds, n = ndimage.label(core)
    area = np.bincount(seeds.ravel(), minlength=n + 1)
    small = area < 0.2 * np.pi / 4 * (size / BAND) ** 2
    seeds[small[seeds]] = 0
    landscape = border - probability
    return _with_rest(watershed(landscape, seeds, mask=mask).astype(np.int32), mask)


def by_votes(raw: Maps, probability: Maps, size: float, how: Splitting) -> Labels:
    """Every pixel of a particle votes for a middle; peaks of the votes are particles, and take the pixels that voted for them."""
    mask = ndimage.binary_fill_holes(probability >= how.threshold)
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros(mask.shape, np.int32)
    to = [
        np.clip(np.rint(place + raw[axis][rows, columns] * size), 0, n - 1).astype(int)
        for place, axis, n in zip((rows, columns), (3, 4), mask.shape, strict=True)
    ]
    votes = np.zeros(mask.shape, np.float32)
    np.add.at(votes, (to[0], to[1]), probability[rows, columns])
    votes = ndimage.gaussian_filter(votes, max(0.06 * size * how.smoothing, 0.7))
    # A peak of a lone disc of the least size, spread so, is the least that counts.
    peaks = (votes == ndimage.maximum_filter(votes, size=int(2 * round(0.16 * size * (1.5 - how.strength)) + 1))) & (votes > 0.8)
    seeds, _ = ndimage.label(peaks, np.ones((3, 3)))
    basins = watershed(-votes, seeds, mask=votes > 0.02)
    labels = np.zeros(mask.shape, np.int32)
    labels[rows, columns] = basins[to[0], to[1]]
    return _with_rest(_compact(labels), mask)


def _compact(labels: Labels) -> Labels:
    """Only the largest connected part of each label."""
    parts, n = ndimage.label(labels > 0)
    seam = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        ahead = np.diff(labels, axis=axis) != 0
        index = [slice(None), slice(None)]
        index[axis] = slice(0, -1)
        seam[tuple(index)] |= ahead
    parts, n = ndimage.label((labels > 0) & ~seam)
    area = np.bincount(parts.ravel(), minlength=n + 1)
    owner = np.zeros(n + 1, np.int64)
    owner[parts.ravel()] = labels.ravel()
    best = np.zeros(int(labels.max()) + 1, np.int64)
    for part in np.argsort(area[1:], kind="stable") + 1:
        best[owner[part]] = part
    keep = np.zeros(n + 1, bool)
    keep[best[1:]] = True
    keep[0] = False
    return np.where(keep[parts], labels, 0).astype(np.int32)


def _with_rest(labels: Labels, mask: npt.NDArray[np.bool_]) -> Labels:
    """Pixels of the mask without a label join the nearest; pieces without any become particles of their own."""
    grown = watershed(np.zeros(mask.shape, np.uint8), labels, mask=mask).astype(np.int32)
    rest, _ = ndimage.label(mask & (grown == 0))
    return np.where(rest > 0, rest + grown.max(), grown).astype(np.int32)


WAYS = {"depth": by_depth, "border": by_border, "votes": by_votes}


def mean_depth(answer: BandAnswer) -> torch.Tensor:
    """The learnt distance (h, w) at the working scale."""
    return torch.from_numpy(sigmoid(answer.raw[1]))
