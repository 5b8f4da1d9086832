"""The length that is written beside a scale bar, read to be confirmed, by a small network of our own.

The network looks at the surroundings of the bar at several sizes and says, of every line in which text may stand, what letters are where.
What is read must be a length that people put beside bars, stand by itself, and be near the bar. Whatever is not sure is not read.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.burntin.boxes import Box
from napari_temseg.engine.burntin.label_network import COLUMN_STEP, DIGIT_ROWS, LETTERS, ROW_STEP, ROWS, letter_odds, spelt_odds

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.scale_bar import ScaleBar

Floats = npt.NDArray[np.float32]

_SURE = 0.5  # probability of a label from which it is read
_LOOKED_AT, _POSSIBLE = 0.3, 0.05  # the same, from which it counts for where the label stands, and at all
_AHEAD = 3.0  # times the votes of the next reading that is as near
_SMALLEST, _SMALLEST_SHARE, _TALLEST_SHARE = 5.5, 0.0055, 0.17  # height of digits, px, and of the picture
_SIZE_STEP = 1.25  # between the sizes at which the picture is looked at
_FARTHEST, _AS_NEAR = 4.0, 1.0  # heights of digits between a label and its bar, and by which another label is as near
_RIM, _TAIL, _HALF_LETTER = 0.25, 0.3, 0.7  # heights of digits, by which letters go on above and below digits, and about the middle of an m
_APART = 1.35  # heights of digits from the middle of a letter to that of the next which is of another word
_SPACE = 2.9  # the same for number and unit, which a wide space may part
# Two digits that differ from 0 at the most, as on bars.
_LABEL = re.compile(r"([1-9]\d?0*|[1-9]\.\d{1,2}|[1-9]\d\.0|[1-9]00\.0|0\.[1-9]|0\.[1-9][05]|0\.0[1-9])(nm|µm|mm)")
_LONGEST = {"nm": 5000.0, "µm": 2000.0, "mm": 20.0}


@dataclass(frozen=True)
class BarValue:
    """What is written beside a bar: "200 nm", how sure that is, 0…1, and a `box` round it."""

    text: str
    confidence: float
    box: Box = field(default=(0, 0, 0, 0), compare=False)


class _Letter(NamedTuple):
    """A letter of a line, and the first and last of its places."""

    name: str
    first: int
    last: int

    @property
    def middle(self) -> float:
        return (self.first + self.last) / 2


class _Reading(NamedTuple):
    """What may be written, how sure, and how far from the bar, in heights of digits."""

    text: str
    odds: float
    distance: float
    box: tuple[float, float, float, float]  # top, left, bottom, right, px


def read_bar_value(plane: npt.NDArray[Any], bar: ScaleBar) -> BarValue | None:
    """The length written beside a bar of a plane (Y, X); None where there is none, or it is not sure."""
    from napari_temseg.engine.burntin.bar_strips import WHITE, grey_levels

    grey = grey_levels(plane)
    if grey is None:
        return None
    window, where = _window(np.clip(grey, 0, WHITE), bar)
    found = [each for size in _sizes(grey.shape[0]) for each in _readings(window, where, bar, size)]
    return _chosen([each for each in found if each.distance <= _FARTHEST])


def _chosen(found: list[_Reading]) -> BarValue | None:
    """What is read most surely, at several sizes and heights together, near the bar; None where it is not sure, or another is nearly so."""
    possible = [each for each in found if each.odds >= _LOOKED_AT]
    if not possible:
        return None
    near = min(each.distance for each in possible) + _AS_NEAR
    votes, best = defaultdict[str, float](float), defaultdict[str, float](float)
    for each in found:
        if each.distance <= near:
            votes[each.text] += each.odds**2  # the square, as many doubtful readings are not a sure one
            best[each.text] = max(best[each.text], each.odds)
    (text, most), *others = sorted(votes.items(), key=lambda one: -one[1])
    if best[text] < _SURE or (others and most < _AHEAD * others[0][1]):
        return None
    surest = max((each for each in found if each.text == text and each.distance <= near), key=lambda each: each.odds)
    return BarValue(text, best[text], _round_box(surest.box))


def _round_box(box: tuple[float, float, float, float]) -> Box:
    """A box that holds letters whose digits and middles `box` tells: their rims, the tail of a µ, half a letter at each end."""
    top, left, bottom, right = box
    side = bottom - top
    ends = (top - _RIM * side, left - _HALF_LETTER * side, bottom + _TAIL * side, right + _HALF_LETTER * side)
    return (math.floor(ends[0]), math.floor(ends[1]), math.ceil(ends[2]), math.ceil(ends[3]))


def _sizes(height: int) -> Iterator[float]:
    """Heights of digits, px, that are looked for in a picture."""
    size = max(_SMALLEST, _SMALLEST_SHARE * height)
    while size <= _TALLEST_SHARE * height:
        yield size
        size *= _SIZE_STEP


def _window(grey: Floats, bar: ScaleBar) -> tuple[Floats, tuple[int, int]]:
    """The surroundings of a bar in which its label may stand, and where they begin."""
    height, width = grey.shape
    y = round((bar.start[0] + bar.end[0]) / 2)
    up = round(0.2 * height + bar.thickness)
    side = round(max(0.9 * bar.length, 0.25 * width))
    top, left = max(0, y - up), max(0, round(bar.start[1]) - side)
    return grey[top : min(height, y + up + 1), left : min(width, round(bar.end[1]) + side + 1)], (top, left)


def _readings(window: Floats, where: tuple[int, int], bar: ScaleBar, size: float) -> Iterator[_Reading]:
    """What may be written in a window in digits of about this height."""
    from PIL import Image

    zoom = DIGIT_ROWS / size
    shape = [max(1, round(side * zoom)) for side in window.shape]
    image = Image.fromarray(window).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    margin = (ROWS - DIGIT_ROWS) // 2
    seen = np.pad(np.asarray(image), ((margin, margin + ROW_STEP), (margin, margin)), mode="edge")
    odds = letter_odds(seen)
    steps = [side / full for side, full in zip(window.shape, shape, strict=True)]  # px of the picture a px that was seen
    for line in np.flatnonzero((odds.argmax(2) == 1 + LETTERS.index("m")).any(1)) if odds.size else ():
        for text, sure, first, last in _labels(odds[line]):
            top, bottom = (where[0] + (line * ROW_STEP + row - margin) * steps[0] for row in (margin, margin + DIGIT_ROWS))
            left, right = (where[1] + (COLUMN_STEP * place - margin) * steps[1] for place in (first, last))
            yield _Reading(text, sure, _distance(bar, top, bottom, left, right) / size, (top, left, bottom, right))


def _distance(bar: ScaleBar, top: float, bottom: float, left: float, right: float) -> float:
    """Between a box and a bar, px; 0 where they touch."""
    y, half = (bar.start[0] + bar.end[0]) / 2, bar.thickness / 2
    return max(0.0, y - half - bottom, top - y - half, bar.start[1] - right, left - bar.end[1])


def _labels(odds: Floats) -> Iterator[tuple[str, float, int, int]]:
    """The labels of a line (places, 1 + letters): text, probability, and the places of its first and its last letter."""
    for word in _words(_letters(odds)):
        match = _LABEL.fullmatch("".join(letter.name for letter in word))
        if match is None or float(match[1]) > _LONGEST[match[2]]:
            continue
        first, last = word[0].first, word[-1].last
        part = odds[max(0, first - 2) : last + 3]
        sure = float(np.exp(spelt_odds(part, match[0])))
        if sure >= _POSSIBLE:
            yield f"{float(match[1]):g} {match[2]}", sure, first, last


def _letters(odds: Floats) -> list[_Letter]:
    """The likeliest letter of each place, those that go on joined."""
    said = odds.argmax(1)
    starts = np.flatnonzero(np.diff(said, prepend=0))
    ends = [*starts[1:], len(said)]
    return [_Letter(LETTERS[said[a] - 1], int(a), int(b) - 1) for a, b in zip(starts, ends, strict=True) if said[a]]


def _words(letters: list[_Letter]) -> Iterator[list[_Letter]]:
    """Letters that stand together; a space between a digit and a unit may be wide."""
    word: list[_Letter] = []
    for letter in letters:
        if word:
            apart = (letter.middle - word[-1].middle) * COLUMN_STEP / DIGIT_ROWS
            if apart > (_SPACE if word[-1].name.isdigit() and letter.name in "nµm" else _APART):
                yield word
                word = []
        word.append(letter)
    if word:
        yield word
