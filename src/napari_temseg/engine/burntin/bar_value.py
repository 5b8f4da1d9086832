"""The length that is written beside a scale bar, read to be confirmed: digits and unit, by a small network of our own.

The label is a row of spots of ink: digits (and a point) of one height, then the unit. Each digit, and the unit as a whole, is brought to a
fixed frame (from the top of the digits to a third of their height below the line) and rated; what is read must be a length that people
put beside bars. Whatever is not sure is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.scale_bar import ScaleBar

Floats = npt.NDArray[np.float32]

DIGITS, WRITTEN_UNITS = "0123456789x", ("nm", "µm", "mm", "x")  # "x": anything else
DIGIT_FRAME, UNIT_FRAME = (20, 14), (20, 32)  # rows and columns
DESCENT = 0.33  # of the height of digits: what hangs below the line, as µ does
_SURE = 0.5  # probability of all of a label together from which it is read
_POSSIBLE = 0.2
_AHEAD = 3.0  # times the probability of the next reading
_TALLEST, _SMALLEST = 0.16, 5  # height of digits, of the picture, and in px
_MOST_SPOTS = 120
_INK = 0.45  # from which a pixel belongs to a letter
# Two digits that differ from 0 at the most, as on bars.
_LIKELY = re.compile(r"(?:[1-9]\d?0*|[1-9]\.\d{1,2}|[1-9]\d\.0|[1-9]00\.0|0\.[1-9]|0\.[1-9][05]|0\.0[1-9])")
_LONGEST = {"nm": 5000.0, "µm": 2000.0, "mm": 20.0}
_STRANGE = 0.15  # how much what the network holds for anything else is worth, beside a letter
_RARE = 0.5
_USUAL = {"nm": 1.0, "µm": 1.0, "mm": 0.4}  # a bar of millimetres wants more certainty


@dataclass(frozen=True)
class BarValue:
    """What is written beside a bar: "200 nm", and how sure that is, 0…1."""

    text: str
    confidence: float


@dataclass(frozen=True)
class _Spot:
    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top


def read_bar_value(plane: npt.NDArray[Any], bar: ScaleBar) -> BarValue | None:
    """The length written beside a bar of a plane (Y, X); None where there is none, or it is not sure."""
    from napari_temseg.engine.burntin.bar_strips import WHITE, grey_levels

    grey = grey_levels(plane)
    if grey is None:
        return None
    window, where = _window(np.clip(grey, 0, WHITE), bar)
    found: dict[str, float] = {}
    for ink in _inks(window, bar, where):
        for text, odds in _readings(ink, grey.shape[0]):
            found[text] = max(found.get(text, 0.0), odds)
    rated = sorted(found.items(), key=lambda one: -one[1])
    if not rated or rated[0][1] < _SURE or (len(rated) > 1 and rated[0][1] < _AHEAD * rated[1][1]):
        return None
    return BarValue(*rated[0])


def _window(grey: Floats, bar: ScaleBar) -> tuple[Floats, tuple[int, int]]:
    """The surroundings of a bar in which its label may stand, and where they begin."""
    height, width = grey.shape
    y = round((bar.start[0] + bar.end[0]) / 2)
    up = round(0.2 * height + bar.thickness)
    side = round(max(0.9 * bar.length, 0.25 * width))
    top, left = max(0, y - up), max(0, round(bar.start[1]) - side)
    return grey[top : min(height, y + up + 1), left : min(width, round(bar.end[1]) + side + 1)], (top, left)


def _inks(window: Floats, bar: ScaleBar, where: tuple[int, int]) -> Iterator[Floats]:
    """The window as ink, 0 to 1, of what is as bright as the bar, and of the other extreme; the bar itself left out."""
    top, bottom = (round(end[0] - where[0] + side * (bar.thickness / 2 + 1)) for end, side in ((bar.start, -1), (bar.end, 1)))
    left, right = round(bar.start[1] - where[1]), round(bar.end[1] - where[1])
    middle = window[min(max((top + bottom) // 2, 0), len(window) - 1), max(left, 0) : max(right, 1)]
    level = float(np.median(middle)) if middle.size else 255.0 * bar.bright
    for bright, full in dict.fromkeys(((bar.bright, level), (True, 255.0), (False, 0.0))):
        ground = _ground(window, 30 if bright else 70)
        spread = full - ground if bright else ground - full
        ink = (window - ground if bright else ground - window) / np.maximum(spread, 24.0)
        ink = np.clip(ink, 0, 1).astype(np.float32)
        ink[max(0, top) : bottom + 1, max(0, left - 1) : right + 2] = 0
        yield ink


def _ground(window: Floats, share: int) -> Floats:
    """What lies under letters, which may be the picture in one place and a box round the label in another."""
    coarse = window[::3, ::3]
    size = tuple(max(3, n // 5) for n in coarse.shape)
    ground = ndimage.percentile_filter(coarse, share, size=size, mode="nearest")
    filled: Floats = np.repeat(np.repeat(ground, 3, 0), 3, 1)[: window.shape[0], : window.shape[1]]
    return filled


def _readings(ink: Floats, picture_height: int) -> Iterator[tuple[str, float]]:
    """What may be written in a window of ink, each with its probability."""
    labels, count = ndimage.label(ink > _INK, np.ones((3, 3)))
    if not 0 < count <= 40 * _MOST_SPOTS:
        return
    boxes = [_Spot(y.start, y.stop, x.start, x.stop) for y, x in filter(None, ndimage.find_objects(labels))]
    tall = [box for box in boxes if _SMALLEST <= box.height <= _TALLEST * picture_height + 4 and box.right - box.left <= 5 * box.height]
    for first in sorted(tall, key=lambda box: -box.height)[:_MOST_SPOTS]:
        if not _before(first, tall):
            found = list(_line(ink, first, boxes))
            sure = [one for one in found if one[1] >= _POSSIBLE]
            # The digits before the unit are all of the number: the last reading of a line holds most of them.
            yield from sure[-1:] or found


def _before(first: _Spot, tall: list[_Spot]) -> bool:
    """Whether a spot of the same height stands close before this one, so that the label begins there."""
    return any(
        box is not first
        and abs(box.bottom - first.bottom) <= 0.15 * first.height
        and abs(box.height - first.height) <= 0.15 * first.height
        and 0 <= first.left - box.right <= 0.35 * first.height
        for box in tall
    )


def _line(ink: Floats, first: _Spot, boxes: list[_Spot]) -> Iterator[tuple[str, float]]:
    """The readings of a label that begins with this digit."""
    h = first.height
    row = sorted(
        (box for box in boxes if box.left >= first.left and first.top - 0.2 * h <= box.top and box.bottom <= first.bottom + 0.45 * h),
        key=lambda box: box.left,
    )
    line: list[_Spot] = []
    for box in row:
        if line and box.left - max(each.right for each in line) > 1.1 * h:
            break
        line.append(box)
    # Small spots apart from the point are dust, or parts of µ's dots: they have no say.
    line = [box for box in line if box.height >= 0.35 * h or (box.bottom > first.bottom - 0.3 * h and box.height >= 0.08 * h)]
    line = _whole(line)
    while line and line[-1].height < 0.35 * h:
        line.pop()
    if not 2 <= len(line) <= 12:
        return
    number, odds = "", 1.0
    for place, box in enumerate(line[:-1]):
        if place and number:
            unit, sure = _unit(ink, first, line[place:])
            if unit and _is_likely(number, unit):
                yield f"{float(number):g} {unit}", _odds(number, odds, unit, sure)
        if box.height < 0.35 * h:
            if not number or "." in number:
                return
            number += "."
            continue
        for part in _parts(ink, box, h):
            digit, sure = _digit(ink, first, part)
            if digit == "x":
                return
            number, odds = number + digit, odds * sure
    if number:
        unit, sure = _unit(ink, first, line[-1:])
        if unit and _is_likely(number, unit):
            yield f"{float(number):g} {unit}", _odds(number, odds, unit, sure)


def _whole(line: list[_Spot]) -> list[_Spot]:
    """Spots that stand above each other as one: a letter whose strokes do not quite meet."""
    joined: list[_Spot] = []
    for box in line:
        last = joined[-1] if joined else None
        if last is not None and min(last.right, box.right) - box.left > 0.5 * min(last.right - last.left, box.right - box.left):
            joined[-1] = _Spot(min(last.top, box.top), max(last.bottom, box.bottom), last.left, max(last.right, box.right))
        else:
            joined.append(box)
    return joined


def _odds(number: str, odds: float, unit: str, sure: float) -> float:
    """How sure a reading is: millimetres, and numbers such as 46, are rare beside bars and want more certainty."""
    rare = len(number.replace(".", "").strip("0")) > 1 and not number.endswith("5")
    return odds * sure * _USUAL[unit] * (_RARE if rare else 1.0)


def _is_likely(number: str, unit: str) -> bool:
    return bool(_LIKELY.fullmatch(number)) and float(number) <= _LONGEST[unit]


def _parts(ink: Floats, box: _Spot, h: int) -> list[_Spot]:
    """A spot, or where it is too wide for one digit the two or three that touch, cut where there is least ink."""
    wide = box.right - box.left
    n = max(1, round(wide / (0.62 * h))) if wide > 0.95 * h else 1
    if n == 1:
        return [box]
    profile = ink[box.top : box.bottom, box.left : box.right].sum(0)
    cuts = [0]
    for k in range(1, n):
        near = slice(max(1, round(k * wide / n - 0.12 * h)), round(k * wide / n + 0.12 * h) + 1)
        cuts.append(near.start + int(profile[near].argmin()))
    cuts.append(wide)
    return [_Spot(box.top, box.bottom, box.left + a, box.left + b) for a, b in pairwise(cuts) if b > a]


def _digit(ink: Floats, first: _Spot, box: _Spot) -> tuple[str, float]:
    return _best(_network("digit"), framed(ink, first.top, first.bottom, box.left, box.right, DIGIT_FRAME), DIGITS)


def _unit(ink: Floats, first: _Spot, rest: list[_Spot]) -> tuple[str, float]:
    rest = [box for box in rest if box.height >= 0.35 * first.height]
    left, right = min(box.left for box in rest), max(box.right for box in rest)
    if right - left > 2.7 * first.height:
        return "", 0.0
    unit, sure = _best(_network("unit"), framed(ink, first.top, first.bottom, left, right, UNIT_FRAME), WRITTEN_UNITS)
    return ("", 0.0) if unit == "x" else (unit, sure)


def framed(ink: Floats, top: int, bottom: int, left: int, right: int, frame: tuple[int, int]) -> Floats:
    """Columns `left` to `right` from the top of the digits to below their line, at the size of a frame, with width over height behind."""
    low = bottom + max(1, round(DESCENT * (bottom - top)))
    rows = np.linspace(top - 0.5, low - 0.5, 2 * frame[0] + 1)[1::2]
    columns = np.linspace(left - 0.5, right - 0.5, 2 * frame[1] + 1)[1::2]
    padded = np.pad(ink[max(0, top) : low, left:right], ((0, max(0, low - max(ink.shape[0], 0))), (0, 0)))
    inside = ndimage.map_coordinates(padded, np.meshgrid(rows - max(0, top), columns - left, indexing="ij"), order=1, mode="nearest")
    return np.append(inside.ravel(), (right - left) / max(bottom - top, 1)).astype(np.float32)


def _best(network: list[npt.NDArray[Any]], values: Floats, names: Any) -> tuple[str, float]:
    """The likeliest name and its probability: one hidden layer of rectified sums."""
    hidden = np.maximum(values @ network[0] + network[1], 0)
    logits = hidden @ network[2] + network[3]
    odds = np.exp(logits - logits.max())
    odds /= odds.sum()
    odds[-1] *= _STRANGE  # in the row of a label few spots are no letters
    odds /= odds.sum()
    best = int(odds.argmax())
    return names[best], float(odds[best])


@cache
def _network(kind: str) -> list[npt.NDArray[Any]]:
    with (files("napari_temseg") / "models" / "bar_labels.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        return [content[f"{kind}{index}"].astype(np.float32) for index in range(4)]
