"""Draft labels: a random forest on multi-scale features fills a whole annotation from a few strokes, to be corrected by hand.

The features are scikit-image's Gaussian intensity, gradient and Hessian eigenvalues at several scales; the forest is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from napari_temseg.engine.interactive.specks import Specks
from napari_temseg.engine.interactive.steepest import SEES, at_steepest
from napari_temseg.engine.types.config import DraftConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, UNLABELLED

TRAINING_PIXELS = 20_000
BAND_PIXELS = 1 << 20  # features take about 120 bytes a pixel, so a large plane is worked on in bands of rows
PIECE_PIXELS = 1 << 17  # filled between two words of how far it is
LEARNING, LEARNT, AT_OUTLINES = 0.5, 0.55, 0.9  # share of the time until features and the forest are ready, and outlines are moved

Strokes = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]


def iter_draft(micrograph: Micrograph, labels: npt.NDArray[np.integer[Any]], config: DraftConfig) -> Job[npt.NDArray[np.uint8]]:
    """Fill `labels` (0 unlabelled, 1 background, 2… classes; the micrograph's shape) from their strokes; result uint8, same shape.

    A stack is learnt from all its stroked planes and filled plane by plane; *finish* leaves the remaining ones as they were.
    Outlines lie where the picture is steepest near by, as far as an edge is seen. Strokes are kept as drawn; pixels under `confidence`,
    specks far smaller than what was stroked, NaN pixels and pixels outside `valid` stay 0. `TemsegError` when the labels do not fit the
    picture or show fewer than two classes.
    """
    strokes = _checked(micrograph, labels)
    return Job(lambda control: _steps(micrograph, strokes, config, control))


def _checked(micrograph: Micrograph, labels: Any) -> Strokes:
    name, strokes = micrograph.name, np.asarray(labels)
    if not np.issubdtype(strokes.dtype, np.integer):
        raise TemsegError(
            f"{name}: labels of type {strokes.dtype} are not class numbers; give integers (0 unlabelled, 1 background, 2… classes)."
        )
    if strokes.shape != tuple(micrograph.data.shape):
        raise TemsegError(
            f"{name}: the labels have shape {strokes.shape}, the image {tuple(micrograph.data.shape)}; draw them on this image."
        )
    if strokes.size and not 0 <= int(strokes.min()) <= int(strokes.max()) <= 255:
        raise TemsegError(f"{name}: class numbers must lie from 0 to 255; give classes (1 background, 2… classes), not particle numbers.")
    return strokes.astype(np.uint8)


def _steps(micrograph: Micrograph, strokes: Strokes, config: DraftConfig, control: Control) -> Generator[Progress, None, Strokes]:
    planes = strokes.reshape((-1, *micrograph.frame))
    filled = planes.copy()
    stroked = [index for index, plane in enumerate(planes) if plane.any()]
    last: dict[tuple[int, int], Features] = {}  # one stroked plane of one band: its features serve learning and filling
    features, classes = [], []
    for number, index in enumerate(stroked):
        pixels, usable = _standardised(micrograph, index)
        for rows in _bands(micrograph.frame, BAND_PIXELS):
            here = (planes[index][rows] != UNLABELLED) & usable[rows]
            if here.any():
                last = {(index, rows.start): _features(pixels, rows, config)}
                features.append(last[index, rows.start][here])
                classes.append(planes[index][rows][here])
            done = (number + rows.stop / micrograph.frame[0]) / len(stroked)
            yield Progress("learning the strokes", LEARNING * done, elapsed=control.elapsed)
    forest, specks = _forest(features, classes, micrograph.name, config), Specks()
    yield Progress("learning the strokes", LEARNT, elapsed=control.elapsed)
    for index, plane in enumerate(planes):
        if control.finishing:
            break
        message = f"plane {index + 1} of {len(planes)}"
        pixels, usable = _standardised(micrograph, index)
        for rows in _bands(micrograph.frame, BAND_PIXELS):
            known = last.get((index, rows.start))
            known = _features(pixels, rows, config) if known is None else known
            for piece in _bands(known.shape[:2], PIECE_PIXELS):
                here = slice(rows.start + piece.start, rows.start + piece.stop)
                proposed = _proposed(forest, known[piece], config.confidence)
                filled[index][here] = np.where(plane[here] != UNLABELLED, plane[here], np.where(usable[here], proposed, UNLABELLED))
                if here.stop < micrograph.frame[0]:
                    done = (index + AT_OUTLINES * here.stop / micrograph.frame[0]) / len(planes)
                    yield Progress("filling", LEARNT + (1 - LEARNT) * done, message, control.elapsed)
        before = filled[index].copy()
        for rows in _bands(micrograph.frame, BAND_PIXELS):
            wide = slice(max(0, rows.start - SEES), rows.stop + SEES)
            filled[index][rows] = at_steepest(pixels[wide], before[wide], plane[wide])[rows.start - wide.start :][: rows.stop - rows.start]
            if rows.stop < micrograph.frame[0]:
                done = (index + AT_OUTLINES + (1 - AT_OUTLINES) * rows.stop / micrograph.frame[0]) / len(planes)
                yield Progress("filling", LEARNT + (1 - LEARNT) * done, message, control.elapsed)
        filled[index] = specks.taken_out(index, filled[index], plane)
        yield Progress(
            "filling", 1 - (1 - LEARNT) * (len(planes) - index - 1) / len(planes), message, control.elapsed, preview=filled[index]
        )
    for index in specks.left:
        filled[index] = specks.taken_out(index, filled[index], planes[index])
    return filled.reshape(strokes.shape)


def _standardised(micrograph: Micrograph, index: int) -> tuple[Features, npt.NDArray[np.bool_]]:
    """A plane with mean 0 and SD 1, and which pixels may be looked at (finite and valid); the others are set to the mean."""
    pixels = micrograph.plane(index).astype(np.float32)
    usable = np.isfinite(pixels)
    if micrograph.valid is not None:
        usable &= micrograph.valid
    seen = pixels[usable]
    if not seen.size:
        return np.zeros(pixels.shape, np.float32), usable
    return np.where(usable, (pixels - seen.mean()) / (seen.std() or 1), 0).astype(np.float32), usable


def _bands(frame: tuple[int, int], pixels: int) -> Iterator[slice]:
    height = max(1, pixels // frame[1])
    return (slice(start, min(start + height, frame[0])) for start in range(0, frame[0], height))


def _features(pixels: Features, rows: slice, config: DraftConfig) -> Features:
    """Features (rows, X, F), computed with a margin so that bands join without a seam."""
    margin = int(np.ceil(4 * config.sigma_max))
    start = max(0, rows.start - margin)
    found = multiscale_basic_features(pixels[start : rows.stop + margin], sigma_min=min(0.5, config.sigma_max), sigma_max=config.sigma_max)
    here: Features = found[rows.start - start : rows.stop - start]
    return here


def _forest(features: list[Features], classes: list[Strokes], name: str, config: DraftConfig) -> RandomForestClassifier:
    """Train on at most `TRAINING_PIXELS`, as many of each class as there are."""
    target = np.concatenate(classes) if classes else np.zeros(0, np.uint8)
    numbers = np.unique(target)
    if len(numbers) < 2:
        drawn = (
            "no strokes" if not len(numbers) else "strokes of background only" if numbers[0] == BACKGROUND else "strokes of one class only"
        )
        raise TemsegError(f"{name}: the labels hold {drawn}; draw at least one stroke on the background and one on a particle.")
    random = np.random.default_rng(config.seed)
    share = TRAINING_PIXELS // len(numbers)
    chosen = np.concatenate([random.permutation(np.flatnonzero(target == number))[:share] for number in numbers])
    forest = RandomForestClassifier(config.trees, max_depth=config.depth, class_weight="balanced", n_jobs=-1, random_state=config.seed)
    return forest.fit(np.concatenate(features)[chosen], target[chosen])


def _proposed(forest: RandomForestClassifier, features: Features, confidence: float) -> Strokes:
    """The most probable class of each pixel of (rows, X, F), 0 where its probability is under `confidence`."""
    probability = forest.predict_proba(features.reshape(-1, features.shape[-1]))
    best = forest.classes_[probability.argmax(axis=1)]
    proposed: Strokes = np.where(probability.max(axis=1) >= confidence, best, UNLABELLED).astype(np.uint8).reshape(features.shape[:2])
    return proposed
