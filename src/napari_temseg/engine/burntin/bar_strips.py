"""Where a picture may show a scale bar: flat horizontal strips, found by morphology."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.burntin.strip_edges import SLOPE, Floats, Ints, Strip, measured

WHITE = 255.0  # grey levels run from 0 to 255, whatever the picture holds
_STEPS = (20, 40, 80, 140)  # grey levels by which a strip stands out from what is above and below it
_SEARCHED = 400_000  # pixels above which the search looks at a reduced picture
_KEPT = 24  # strips of the first sieve that are measured
_NEAR = 6  # px within which a strip must end: the search cuts it a little short or long
_FAR = 2 * WHITE  # grey levels beyond the picture's from which ink is searched in its own range
_NOISY = 20.0  # usual range of 3 × 3 px, in grey levels, from which an even strip stands out


def grey_levels(plane: npt.ArrayLike) -> Floats | None:
    """A plane (Y, X) of any kind stretched so that the micrograph fills 0…255, float32; None when it shows nothing.

    The stretch leaves out the extreme half per cent at either end, which burnt-in marks alone may fill: these may lie beyond.
    """
    data = np.asarray(plane, np.float32)
    if data.size == 0:
        return None
    finite = np.isfinite(data)
    if not finite.all():
        if not finite.any():
            return None
        data = np.where(finite, data, np.median(data[finite]))
    least, most = float(data.min()), float(data.max())
    low, high = np.percentile(data.ravel()[:: max(1, data.size // 30_000)], (0.5, 99.5)).tolist()
    if high <= low:
        low, high = least, most
    room = 0.15 * (high - low)
    low, high = max(low - room, least), min(high + room, most)
    if not high > low:
        return None
    grey: Floats = (data - np.float32(low)) * np.float32(WHITE / (high - low))
    return grey


def strips(grey: Floats, polarities: tuple[bool, ...] = (True, False)) -> list[Strip]:
    """Everything that might be a bar, bright or dark, measured in full resolution, each once."""
    factor = max(1, math.ceil(math.sqrt(grey.size / _SEARCHED)))
    found: list[Strip] = []
    for bright in polarities:
        ink = grey if bright else np.float32(WHITE) - grey
        boxes = _candidates(_reduced(ink, factor)) * factor
        boxes[:, 1::2] += factor - 1
        found += [strip for box in _promising(ink, boxes) if (strip := measured(ink, box, bright, factor)) is not None]
    unique: list[Strip] = []
    for strip in sorted(found, key=lambda s: -s.contrast):
        if not any(strip.bright == other.bright and _same(strip, other) for other in unique):
            unique.append(strip)
    return _joined(unique)


def far_strips(grey: Floats) -> list[Strip]:
    """Strips of ink far beyond the grey levels of the micrograph, beside which its noise is nothing; none where there is no such ink."""
    least, most = float(grey.min()), float(grey.max())
    if least > -_FAR and most < WHITE + _FAR:
        return []
    return strips((grey - np.float32(least)) * np.float32(WHITE / (most - least)))


def flat_strips(grey: Floats) -> list[Strip]:
    """Strips that only their evenness tells from a noisy picture of the same grey; none where the picture is not noisy."""
    spread = ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3)
    usual = float(np.median(spread[::3, ::3]))
    if usual < _NOISY:
        return []
    evenness = np.float32(WHITE) * np.clip(1 - spread / np.float32(0.6 * usual), 0, 1)
    return [_widened(strip, grey) for strip in strips(evenness, (True,))]


def _widened(strip: Strip, grey: Floats) -> Strip:
    """The strip that holds those even pixels whose neighbours are even too: a pixel larger all round."""
    y, left, right = round((strip.y_left + strip.y_right) / 2), round(strip.left) + 1, round(strip.right)
    level = float(np.median(grey[y, max(left, 0) : right]))
    bright = level > float(np.median(grey[max(0, y - 30) : y + 31, max(0, left - 30) : right + 31]))
    return strip._replace(left=strip.left - 1, right=strip.right + 1, thickness=strip.thickness + 2, bright=bright)


def _joined(found: list[Strip]) -> list[Strip]:
    """Two equal thin lines in a row are the halves of one that its label interrupts: |—— 5 µm ——|."""
    lines = [s for s in found if s.thickness < 6 and s.length > 3 * s.thickness and s.straightness > 0.7 and s.step > 20]
    halves: list[Strip] = []
    wholes: list[Strip] = []
    for one, other in itertools.permutations(lines, 2):
        gap, longer = other.left - one.right, max(one.length, other.length)
        alike = one.bright == other.bright and abs(one.y_right - other.y_left) < 1.5 and abs(one.thickness - other.thickness) < 1.5
        if alike and 0.2 * longer < gap < 2.5 * longer and abs(one.length - other.length) < 0.15 * longer + 3:
            halves += [one, other]
            wholes.append(_whole(one, other))
    return [s for s in found if not any(s is half for half in halves)] + wholes


def _whole(one: Strip, other: Strip) -> Strip:
    """The strip from the left end of one to the right end of the other, as good as the worse of them."""
    return one._replace(
        right=other.right,
        y_right=other.y_right,
        contrast=min(one.contrast, other.contrast),
        step=min(one.step, other.step),
        roughness=max(one.roughness, other.roughness),
        straightness=min(one.straightness, other.straightness),
        blur=max(one.blur, other.blur),
        skew=max(one.skew, other.skew),
        cut=one.cut or other.cut,
    )


def _same(one: Strip, other: Strip) -> bool:
    return abs(one.y_left - other.y_left) < 2 and abs(one.left - other.left) < 2 and abs(one.right - other.right) < 2


def _reduced(ink: Floats, factor: int) -> npt.NDArray[np.uint8]:
    """The picture reduced in such a way that a thin line keeps its contrast: the mean along x of the greatest along y."""
    if factor == 1:
        return np.clip(ink, 0, WHITE).astype(np.uint8)
    height, width = (side - side % factor for side in ink.shape)
    rows = np.clip(ink[:height, :width].reshape(height // factor, factor, width).max(1), 0, WHITE)
    small: npt.NDArray[np.uint8] = rows.reshape(height // factor, width // factor, factor).mean(2).astype(np.uint8)
    return small


def _opened(image: npt.NDArray[np.uint8], size: int, axis: int) -> npt.NDArray[np.uint8]:
    """Opening by a line of an odd number of pixels; outside the picture there is no ink."""
    worn = ndimage.minimum_filter1d(image, size, axis=axis, mode="constant", cval=0)
    opened: npt.NDArray[np.uint8] = ndimage.maximum_filter1d(worn, size, axis=axis, mode="constant", cval=0)
    return opened


def _candidates(ink: npt.NDArray[np.uint8]) -> Ints:
    """Boxes (n, 4: first and last row, first and last column) of the long, thin, horizontal bright parts of a picture.

    An opening along x leaves what is long, the white top-hat of that along y what is thin; steps of several heights cut it into pieces.
    """
    height, width = ink.shape
    shortest, thickest = max(6, round(0.025 * width)) | 1, max(9, round(0.06 * height)) | 1
    long = _opened(ink, shortest, 1)
    thin = long - _opened(long, thickest, 0)
    boxes = []
    for step in _STEPS:
        labels, count = ndimage.label(thin > step)
        if count == 0:
            break
        top, bottom, left, right, area = _boxes(labels, count)
        wide, tall = right - left + 1, bottom - top + 1
        thickness = area / wide
        fits = (wide >= np.maximum(shortest, 2.2 * thickness)) & (wide <= 0.8 * width) & (tall <= 1.5 * thickness + 2 + SLOPE * wide)
        boxes.append(np.stack([top, bottom, left, right], 1)[fits])
    return np.concatenate(boxes) if boxes else np.empty((0, 4), np.int64)


def _boxes(labels: npt.NDArray[Any], count: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """First and last row, first and last column and the pixels of each of the `count` labels."""
    rows, columns = np.nonzero(labels)
    ids = labels[rows, columns] - 1
    top, left = np.full((2, count), max(labels.shape), np.int64)
    bottom, right = np.zeros((2, count), np.int64)
    for places, first, last in ((rows, top, bottom), (columns, left, right)):
        np.minimum.at(first, ids, places)
        np.maximum.at(last, ids, places)
    return top, bottom, left, right, np.bincount(ids, minlength=count)


def _promising(ink: Floats, boxes: Ints) -> Ints:
    """The boxes, each once, whose samples look most like an even strip with steps all round; at most 24."""
    boxes = np.unique(boxes, axis=0)
    top, bottom, left, right = boxes.T
    x = np.rint(left[:, None] + np.linspace(0.06, 0.94, 15) * (right - left)[:, None]).astype(np.intp)
    framed = np.pad(ink, _NEAR)  # no ink outside the picture
    x, top, bottom, left, right = (side + _NEAR for side in (x, top, bottom, left, right))
    middle = (top + bottom) // 2
    inside = framed[middle[:, None], x]
    # An outline may be a single pixel wide: the darkest of the neighbours counts.
    above = np.minimum(framed[top[:, None] - 1, x], framed[top[:, None] - 2, x])
    below = np.minimum(framed[bottom[:, None] + 1, x], framed[bottom[:, None] + 2, x])
    level = np.median(inside, 1)
    rough = np.abs(inside - level[:, None]).mean(1)
    steps = np.partition(np.concatenate([inside - above, inside - below], 1), 7, 1)[:, 7]
    offsets = np.arange(1, _NEAR + 1)[:, None]
    ends = level - np.maximum(framed[middle, left - offsets].min(0), framed[middle, right + offsets].min(0))
    least = np.minimum(steps, ends)
    order = np.argsort(-least / (rough + 6))
    good = (least >= 10) & (least > 0.8 * (rough + 6))
    best: Ints = boxes[order[good[order]][:_KEPT]]
    return best
