"""The validation part: about a fifth of the labels, never within a training crop, or none where the labels do not suffice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.runner import LEAST_VIEW
from napari_temseg.engine.training.dataset import LabelledPlane
from napari_temseg.engine.types.wording import percent

MANY_PLANES = 5  # labelled planes, from which whole planes are held out
CONTEXT = 96  # px that the network may see beside a held-out strip
VALIDATION_WINDOW = 512  # px, side of the windows in which the validation part is judged
WHOLE_WINDOW = 256  # px, side of those in which strokes are weighed against what is round them
LEAST_WINDOW = 128  # px, side below which they are not made smaller where time is short
VALIDATION_PIXELS = 1 << 20  # px of validation windows at most: an evaluation must stay cheap beside the training
FINE_SCALE = 2.0  # working scale beyond which windows and their number shrink: at 5× a window is looked at as one of 25 times its px
STROKE_MOST = 4096  # px: a smaller labelled region is a stroke and is never judged half
TELLING_REGIONS, OF_SO_MANY = 2, 8  # regions of a class by which validation tells something, where so many are labelled
_LEAST = 16  # px of each class in either part
_NARROWEST = 32  # px across either part
_WIDTHS = (0.15, 0.2, 0.25, 0.3, 0.4)  # of strips that are tried, as shares of a side
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class ValidationSplit:
    """Training planes, validation windows (empty: none held out), a sentence that says what was done, and all that is held out."""

    training: list[LabelledPlane]
    validation: list[LabelledPlane]
    sentence: str
    held_out: tuple[LabelledPlane, ...] = ()

    def thinned(self, budget: float, zoom: float = 1.0, why: str = "the time suffices to look at") -> ValidationSplit:
        """Less of what is held out, about `budget` px of it, and a sentence that says so and `why`; `zoom` is as for `windows`."""
        classes = {int(n) for part in self.held_out for n in np.unique(part.labels) if n > 0}
        fewer = windows(self.held_out, classes, budget, zoom)
        before, after = (sum(int((part.labels > 0).sum()) for part in parts) for parts in (self.held_out, fewer))
        share = percent(after / max(before, 1))
        told = (f", of which {share} {why}" if why.startswith("are") else f", of which {why} {share}") if after < before else ""
        return replace(self, validation=fewer, sentence=self.sentence + told)


def hold_out(planes: list[LabelledPlane], share: float, seed: int, zoom: float = 1.0) -> ValidationSplit:
    """Split labelled planes; whole planes where there are many, else a strip along one side of each. Training planes are cut before use.

    `zoom` is as for `windows`.
    """
    if share <= 0:
        return ValidationSplit(planes, [], "none of the labels kept back to try the model on, as asked")
    classes = {int(n) for plane in planes for n in np.unique(plane.labels) if n > 0}
    parts = _whole_planes(planes, share, classes, seed) if len(planes) >= MANY_PLANES else None
    parts = parts or _strips(planes, share, classes)
    if parts is None:
        few = "fewer than two separate regions of a class are labelled"
        return ValidationSplit(planes, [], f"none of the labels kept back to try the model on: {few}")
    return ValidationSplit(parts.training, windows(parts.validation, classes, zoom=zoom), parts.sentence, tuple(parts.validation))


def _pixels(planes: Sequence[LabelledPlane], number: int) -> int:
    return sum(int((plane.labels == number).sum()) for plane in planes)


def _whole_planes(planes: list[LabelledPlane], share: float, classes: set[int], seed: int) -> ValidationSplit | None:
    rng = np.random.default_rng(seed)
    count = max(1, round(share * len(planes)))
    for _ in range(50):
        chosen = set(rng.permutation(len(planes))[:count].tolist())
        held = [plane.bare for index, plane in enumerate(planes) if index in chosen]
        kept = [plane for index, plane in enumerate(planes) if index not in chosen]
        if all(min(_pixels(held, number), _pixels(kept, number)) >= _LEAST for number in classes):
            return ValidationSplit(kept, held, f"{count} of {len(planes)} labelled planes kept back to try the model on")
    return None


def _strips(planes: list[LabelledPlane], share: float, classes: set[int]) -> ValidationSplit | None:
    training, validation = [], []
    for plane in planes:
        regions, numbers = _regions(plane.labels)
        size = np.bincount(regions.ravel(), minlength=len(numbers))
        strips = [strip for side in range(4) for width in _WIDTHS if (strip := _strip(plane.labels.shape, side, width)) is not None]
        found = [(_distance(regions, numbers, size, strip, share), index) for index, strip in enumerate(strips)]
        distance, index = min(found, default=(np.inf, 0))
        if not np.isfinite(distance):
            training.append(plane)
            continue
        strip = strips[index]
        judged = np.zeros(regions.shape, bool)
        judged[strip.judged] = ~_cut(np.bincount(regions[strip.judged].ravel(), minlength=len(numbers)), size)[regions[strip.judged]]
        training.append(plane.cut(*strip.kept))
        validation.append(plane.only(judged).cut(*strip.seen))
    if not validation or any(_pixels(validation, number) < _LEAST for number in classes):
        return None
    held = sum(_pixels(validation, number) for number in classes)
    part = held / (held + sum(_pixels(training, number) for number in classes))
    return ValidationSplit(
        training,
        validation,
        f"{percent(part)} of the labels kept back to try the model on, a strip of {_count(len(validation), 'micrograph')}",
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


@dataclass(frozen=True)
class _Strip:
    """Windows (y, x): what is judged, what is trained on, and what the network may see beside the judged part."""

    judged: tuple[slice, slice]
    kept: tuple[slice, slice]
    seen: tuple[slice, slice]


def _strip(shape: tuple[int, ...], side: int, width: float) -> _Strip | None:
    """A strip of a share `width` along one of four sides; None where either part would be too narrow."""
    axis, far = divmod(side, 2)
    length = shape[axis]
    border = round(length * (1 - width)) if far else round(length * width)
    if min(border, length - border) < _NARROWEST:
        return None
    near_part, far_part = slice(0, border), slice(border, length)
    seen = slice(max(0, border - CONTEXT), length) if far else slice(0, min(length, border + CONTEXT))

    def window(along: slice) -> tuple[slice, slice]:
        return (along, slice(None)) if axis == 0 else (slice(None), along)

    judged, kept = (far_part, near_part) if far else (near_part, far_part)
    return _Strip(window(judged), window(kept), window(seen))


def _regions(labels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Connected labelled regions (int32, 0: unlabelled) and the class of each by its number."""
    regions, numbers = np.zeros(labels.shape, np.int32), [0]
    for number in np.unique(labels[labels > 0]).astype(int).tolist():
        here = labels == number
        found, count = ndimage.label(here, _EIGHT)
        regions[here] = found[here] + len(numbers) - 1
        numbers += [number] * count
    return regions, np.asarray(numbers)


def _cut(inside: npt.NDArray[np.intp], size: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which regions are strokes that lie on both sides of the border, by their pixels inside and in all."""
    return (inside > 0) & (inside < size) & (size < STROKE_MOST)


def _distance(
    regions: npt.NDArray[np.int32], numbers: npt.NDArray[np.intp], size: npt.NDArray[np.intp], strip: _Strip, share: float
) -> float:
    """How far the classes are from the wanted share when this strip is judged; infinite when a part has too little of one.

    A strip with one region of a class of many tells little: any that has more comes before it.
    """
    inside = np.bincount(regions[strip.judged].ravel(), minlength=len(numbers))
    judged = np.where(_cut(inside, size), 0, inside)
    distance = 0.0
    for number in np.unique(numbers[1:]):
        held, kept = int(judged[numbers == number].sum()), int((size - inside)[numbers == number].sum())
        if min(held, kept) < _LEAST:
            return math.inf
        of_class = numbers == number
        few = np.count_nonzero(judged[of_class]) < TELLING_REGIONS and np.count_nonzero(size[of_class]) >= OF_SO_MANY
        distance += abs(held / (held + kept) - share) + int(few)
    return distance


def windows(
    planes: Iterable[LabelledPlane], classes: set[int], budget: float = VALIDATION_PIXELS, zoom: float = 1.0, *, whole: bool = False
) -> list[LabelledPlane]:
    """Windows of at most `VALIDATION_WINDOW`² with labels in them, thinned evenly to about `budget` px; some more where one stroke of a
    class, or none, would be left.

    Both are less, by `zoom` a side, where planes are looked at that much finer than `FINE_SCALE` (see `zoom_at`), and so are windows where
    the budget does not suffice for two. Unless they are to be `whole`, and of at most `WHOLE_WINDOW`², each is cut to its labels and what
    the network wants to see round them.
    """
    cut, budget = [], budget / zoom**2
    most = WHOLE_WINDOW if whole else VALIDATION_WINDOW
    side = round(min(most / zoom, max(LEAST_WINDOW / zoom, math.sqrt(budget / 2))))
    for plane in planes:
        rows, columns = (_even(length, side) for length in plane.labels.shape)
        margin = math.ceil(max(CONTEXT / zoom, LEAST_VIEW / 2 / min(plane.scales, default=1.0)))
        found = ((y, x) for y in rows for x in columns if plane.labels[y, x].any())
        cut += [plane.cut(*(window if whole else _close(plane.labels, window, margin))) for window in found]
    wanted = max(1, int(budget // max(window.labels.size for window in cut)))
    step = max(1.0, len(cut) / wanted)
    chosen = [cut[int(index * step)] for index in range(min(len(cut), wanted))]
    for number in sorted(classes):
        chosen += _further(number, chosen, cut)
    return chosen


def _further(number: int, chosen: Sequence[LabelledPlane], cut: Sequence[LabelledPlane]) -> list[LabelledPlane]:
    """Windows besides those `chosen`, those with most of a class first, until there are `TELLING_REGIONS` of it or a large one."""
    regions, pixels = sum(_count_regions(window, number) for window in chosen), _pixels(chosen, number)
    further: list[LabelledPlane] = []
    for window in sorted(cut, key=lambda window: -_pixels([window], number)):
        if (regions >= TELLING_REGIONS or pixels >= STROKE_MOST) or not (window.labels == number).any():
            break
        if not any(window is each for each in chosen):
            further.append(window)
            regions, pixels = regions + _count_regions(window, number), pixels + _pixels([window], number)
    return further


def _count_regions(window: LabelledPlane, number: int) -> int:
    return int(ndimage.label(window.labels == number, _EIGHT)[1])


def _close(labels: npt.NDArray[np.uint8], window: tuple[slice, slice], margin: int) -> tuple[slice, slice]:
    """The part of a window round the labels in it."""

    def along(side: slice, places: npt.NDArray[np.intp]) -> slice:
        first, last = int(places.min()), int(places.max()) + 1
        return slice(max(side.start, side.start + first - margin), min(side.stop, side.start + last + margin))

    y, x = (along(side, places) for side, places in zip(window, np.nonzero(labels[window]), strict=True))
    return y, x


def zoom_at(planes: Iterable[LabelledPlane]) -> float:
    """How much finer than `FINE_SCALE` the planes are looked at, 1 at the least."""
    return max([1.0, *(max(plane.scales) / FINE_SCALE for plane in planes if plane.scales)])


def _even(length: int, most: int) -> list[slice]:
    """Equal parts of at most so many px: a narrow remainder would be judged without its surroundings."""
    edges = np.linspace(0, length, -(-length // most) + 1).round().astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]
