"""Boxes round what is burnt into a picture, and the label of its bar as ink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.scale_bar import ScaleBar

Box = tuple[int, int, int, int]  # top, left, bottom, right in px; the last two lie behind the box
GAP = 0.02  # of the width of a picture: letters that are nearer to each other share a box
MARGIN = 2  # px round a box, for the soft rim of letters
STROKE = 4  # px that hang together: where labels differ by more, they are not the same text


def boxes_of(mask: npt.NDArray[np.bool_]) -> list[Box]:
    """Few boxes that hold all True pixels, with a small margin: what lies near each other shares one."""
    from scipy.ndimage import binary_dilation, find_objects, label

    height, width = mask.shape
    if not mask.any():
        return []
    reach = max(2, round(GAP * width))
    # A row and a column in turn are a square, at a fraction of its cost.
    wide = binary_dilation(binary_dilation(mask, np.ones((1, 2 * reach + 1))), np.ones((2 * reach + 1, 1)))
    groups, _ = label(wide)
    boxes = []
    for rows, columns in find_objects(np.where(mask, groups, 0)):
        top, left = max(rows.start - MARGIN, 0), max(columns.start - MARGIN, 0)
        boxes.append((top, left, min(rows.stop + MARGIN, height), min(columns.stop + MARGIN, width)))
    return _merged(boxes)


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap become one, until none do."""
    rest = list(boxes)
    merged: list[Box] = []
    while rest:
        box = rest.pop()
        other = next((each for each in rest if _overlap(box, each)), None)
        if other is None:
            merged.append(box)
            continue
        rest.remove(other)
        rest += [*merged, (min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]))]
        merged = []
    return sorted(merged)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def beside_bar(mask: npt.NDArray[np.bool_], bar: ScaleBar | None) -> bool:
    """Whether more than the bar is burnt in."""
    if bar is None:
        return bool(mask.any())
    (top, left), (bottom, right) = bar.start, bar.end
    reach = int(bar.thickness / 2) + 2 * MARGIN + 2
    rest = mask.copy()
    rows = slice(max(0, int(min(top, bottom)) - reach), int(max(top, bottom)) + reach + 1)
    rest[rows, max(0, int(left) - 2 * MARGIN - 2) : int(right) + 2 * MARGIN + 3] = False
    return bool(rest.any())


def outermost(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Boxes without those that lie in another."""
    found: list[Box] = []
    for box in sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True):
        if not any(o[0] <= box[0] and o[1] <= box[1] and box[2] <= o[2] and box[3] <= o[3] for o in found):
            found.append(box)
    return tuple(found)


def with_text(boxes: Sequence[Box], text: Box) -> tuple[Box, ...]:
    """Boxes and one round the text beside a bar; a data bar, or what else holds its middle line, holds all of it."""
    top, left, bottom, right = text
    middle = (top + bottom) // 2
    if any(box[0] <= middle < box[2] and box[1] <= left and right <= box[3] for box in boxes):
        return tuple(boxes)
    return outermost((*boxes, text))


def bar_label(plane: npt.NDArray[Any], mask: npt.NDArray[np.bool_], bar: ScaleBar) -> npt.NDArray[np.bool_]:
    """Ink as bright (or dark) as the bar, above and below it, or about it where there is none; the bar itself is left out."""
    from scipy.ndimage import binary_erosion

    y, x, length = round(bar.start[0]), round(bar.start[1] + 0.5), round(bar.length)
    reach = round(max(10 * bar.thickness, 0.06 * plane.shape[0]))
    half = int(np.ceil(bar.thickness / 2)) + 1
    level = float(np.median(_crop(plane, y, y + 1, x + 1, x + max(length - 1, 2))))
    # The rim of the mask, past letters and data bars, shows the picture itself.
    core, ink = binary_erosion(mask, np.ones((3, 3), bool), iterations=MARGIN, border_value=1), np.zeros((0, 0), bool)
    for side in (length // 10, 3 * length // 4):
        where = (y - reach, y + reach + 1, x - side, x + length + side)
        window = _crop(plane, *where)
        ground = float(np.median(window))
        limit = level + (ground - level) / 4
        ink = np.asarray((window >= limit if bar.bright else window <= limit) & _crop(core, *where).astype(bool))
        ink[reach - half : reach + half + 1, side - 2 : side + length + 2] = False
        if ink.any():
            break
    return ink


def _crop(plane: npt.NDArray[Any], top: int, bottom: int, left: int, right: int) -> npt.NDArray[np.float32]:
    """A window of a plane; what lies outside is as its nearest pixel."""
    rows = np.clip(np.arange(top, bottom), 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, plane.shape[1] - 1)
    return np.asarray(plane[np.ix_(rows, columns)], np.float32)


def labels_differ(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
    """Whether two labels are not the same text, wherever they lie to a pixel: more than rims differ."""
    from scipy.ndimage import label

    rows, columns = (max(a, b) + 2 for a, b in zip(one.shape, other.shape, strict=True))
    first, second = (np.pad(each, ((1, rows - 1 - each.shape[0]), (1, columns - 1 - each.shape[1]))) for each in (one, other))
    shifted = [first ^ np.roll(second, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    best = min(shifted, key=np.count_nonzero)
    groups, n = label(best, np.ones((3, 3)))
    return n > 0 and int(np.bincount(groups.ravel())[1:].max()) >= STROKE
