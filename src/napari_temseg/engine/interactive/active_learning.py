"""Where a stroke would teach most: places where the answer is unsure over an area that a stroke could settle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import FIRST_CLASS, Prediction

Floats = npt.NDArray[np.float32]

LEAST_SIGMA, MOST_SIGMA = 4.0, 32.0  # px: neighbourhood of a stroke, chosen on EMPS tune
APART = 6.0  # neighbourhoods between two places
WORTH = 0.25  # of the best place's gain: what is less is not worth going to
LEAST_GAIN = 0.02  # gain under which everything is as sure as it will be
MOST_PLACES = 8  # places of a plane


@dataclass(frozen=True)
class Place:
    """A pixel of a plane to stroke; `gain` in [0, 1] is how unsure its neighbourhood of `reach` px is, as far as no stroke settled it."""

    plane: int
    y: int
    x: int
    gain: float
    reach: float


def uncertainty(prediction: Prediction) -> Floats:
    """Entropy of the class probabilities of a plane, float32 (Y, X): 0 sure, 1 all classes alike; 0 where nobody shall look."""
    probability = prediction.probability.astype(np.float32)
    if probability.ndim != 3:
        raise TemsegError(f"{prediction.micrograph.name}: uncertainty is told one plane at a time; give one plane of the stack.")
    entropy = np.zeros(probability.shape[1:], np.float32)
    for share in probability:
        entropy -= share * np.log(np.maximum(share, 1e-6))
    entropy = np.clip(entropy / np.float32(np.log(max(len(probability), 2))), 0, 1)
    valid = prediction.micrograph.valid
    return entropy if valid is None else np.where(valid, entropy, np.float32(0))


def neighbourhood(prediction: Prediction) -> float:
    """SD (px) of the area that a stroke speaks for: a quarter of the median particle's radius, within bounds."""
    labels, count = ndimage.label(prediction.classes >= FIRST_CLASS)
    area = np.bincount(labels.ravel())[1:] if count else np.zeros(0, np.int64)
    area = area[area >= 12]
    return float(np.clip(np.sqrt(np.median(area) / np.pi) / 4, LEAST_SIGMA, MOST_SIGMA)) if area.size else LEAST_SIGMA


def planes_by_uncertainty(prediction: Prediction, planes: Sequence[int]) -> list[int]:
    """Planes of a stack, that of the highest mean uncertainty first."""
    mean = {plane: float(uncertainty(prediction.at(plane)).mean()) for plane in planes}
    return sorted(planes, key=lambda plane: -mean[plane])


def places(
    prediction: Prediction,
    strokes: npt.NDArray[np.uint8] | None = None,
    *,
    plane: int = 0,
    most: int = MOST_PLACES,
    avoid: Iterable[Place] = (),
) -> list[Place]:
    """Up to `most` places of one plane, the best first, none of them near another, near a stroke or near those to `avoid`.

    `prediction` has axes "YX", `strokes` are uint8 (Y, X) as `answer` takes them; `plane` is the number the places get.
    """
    unsure, sigma = uncertainty(prediction), neighbourhood(prediction)
    side = max(1, round(sigma / 4))
    gain = ndimage.gaussian_filter(_pooled(unsure, side), sigma / side, mode="constant")
    if strokes is not None and strokes.any():
        away = ndimage.distance_transform_edt(_pooled(strokes > 0, side) == 0) * side
        gain *= 1 - np.exp(-0.5 * (away / (2 * sigma)) ** 2)
    if prediction.micrograph.valid is not None:
        gain[_pooled(prediction.micrograph.valid, side) < 1] = 0
    least = max(LEAST_GAIN, WORTH * float(gain.max(initial=0)))
    rows, columns = (values * side + side // 2 for values in np.ogrid[: gain.shape[0], : gain.shape[1]])

    def clear(place: Place) -> None:
        gain[(rows - place.y) ** 2 + (columns - place.x) ** 2 < (APART * sigma) ** 2] = 0

    for place in avoid:
        clear(place)
    found: list[Place] = []
    while len(found) < most and (best := float(gain.max(initial=0))) >= least:
        cell = np.unravel_index(gain.argmax(), gain.shape)
        y, x = (min(int(v) * side + side // 2, n - 1) for v, n in zip(cell, unsure.shape, strict=True))
        found.append(Place(plane, y, x, best, max(24.0, 4 * sigma)))
        clear(found[-1])
    return found


def _pooled(values: npt.NDArray[np.generic], side: int) -> Floats:
    """Means of blocks of `side` px; those at the lower and right edge are filled up with the edge."""
    if side == 1:
        return values.astype(np.float32)
    height, width = (-(-n // side) for n in values.shape)
    padded = np.pad(values, ((0, height * side - values.shape[0]), (0, width * side - values.shape[1])), mode="edge")
    means: Floats = padded.reshape(height, side, width, side).mean(axis=(1, 3), dtype=np.float32)
    return means
