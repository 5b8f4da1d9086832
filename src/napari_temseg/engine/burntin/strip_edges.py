"""A strip of a picture measured to a fraction of a pixel: its edges, its evenness, its contrast."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SLOPE = 0.0175  # 1°
_INWARD = 6  # px by which the search may have missed the flat part of a strip
_REACH = 8  # px looked at beyond the ends of a strip
_LONGEST = 14  # px over which an edge may fall


class Strip(NamedTuple):
    """A measured strip; lengths and positions in px (pixel centres are whole numbers), grey levels from 0 to 255, or beyond."""

    left: float
    right: float
    y_left: float
    y_right: float
    thickness: float
    bright: bool
    level: float
    contrast: float  # against what lies beyond its ends, above and below: the least of the four
    step: float  # against what touches its long edges: what three quarters of them exceed
    roughness: float  # mean deviation of the inside from the median of its row
    straightness: float  # share of the columns in which both edges lie where they should
    blur: float  # px over which the blurrier end goes from 85 to 50 %
    skew: float  # px by which the ends wander from row to row
    cut: bool  # it runs into the frame

    @property
    def length(self) -> float:
        """Distance of the outer edges in px."""
        return self.right - self.left


def _crossing(profile: Floats, start: int, level: float, step: int) -> tuple[float, bool]:
    """Where a profile, walked from `start` in steps of ±1, first falls below `level` (linear between samples), and whether it does.

    It does not either when it lies below from the first.
    """
    walked = profile[start::step] if step > 0 else profile[start::-1]
    below = walked < level
    first = int(below.argmax())
    if not below[first]:
        return start + step * (walked.size - 0.5), False
    if first == 0:
        return float(start), False
    high, low = float(walked[first - 1]), float(walked[first])
    return start + step * (first - 1 + (high - level) / (high - low)), True


class _Edge(NamedTuple):
    """One side: position of half level, the level beyond it, whether it lies within the picture, and px over which it falls."""

    at: float
    outside: float
    seen: bool
    fall: int


def _edge(profile: Floats, start: int, level: float, step: int, longest: int = _LONGEST) -> _Edge:
    """One side of a strip.

    From the first departure from `level` the profile is followed down until its slope has fallen to a fifth of the steepest, `longest` px
    at most: what it has come down to is the level beyond, be the end blurred, or over something nearly as bright as the bar.
    """
    walked = profile[start::step] if step > 0 else profile[start::-1]
    away = walked < level - max(3.0, 0.15 * (level - float(walked.min())))
    first = int(away.argmax())
    if not away[first]:
        return _Edge(start + step * (walked.size - 0.5), 0.0, False, 0)
    tail = walked[max(first - 1, 0) : first + _LONGEST]
    drops = tail[:-3] - tail[3:]
    if drops.size == 0:
        return _Edge(start + step * float(first), 0.0, False, 0)
    steepest = int(drops[:4].argmax())
    gentle = drops[steepest:] < 0.2 * drops[steepest]
    foot = min(steepest + int(gentle.argmax()) if gentle.any() else drops.size, longest)
    outside = float(np.median(tail[foot : foot + 3]))
    at, seen = _crossing(profile, start, (level + outside) / 2, step)
    return _Edge(at, outside, seen, foot)


def measured(ink: Floats, box: Ints, bright: bool, factor: int) -> Strip | None:
    """Measure the strip in a box of a picture in which ink is bright; None when it has no edges."""
    top, bottom, left, right = (int(side) for side in box)
    reach, above = _REACH + 2 * factor, max(8, bottom - top + 4 + 2 * factor)
    first_row, first_column = max(0, top - above), max(0, left - reach)
    window = ink[first_row : bottom + above + 1, first_column : right + reach + 1]
    top, bottom, left, right = top - first_row, bottom - first_row, left - first_column, right - first_column
    inset = max(2, (right - left) // 10) + factor - 1
    if right - left - 2 * inset < 3:
        return None
    core = window[:, left + inset : right + 1 - inset]
    across = np.median(core, axis=1)
    peak = float(across[top : bottom + 1].max())
    high = np.flatnonzero(across[top : bottom + 1] >= peak - 0.25 * (peak - float(across.min())))
    middle = top + int(high[high.size // 2])
    level = float(np.median(core[middle]))
    upper, lower = _edge(across, middle, level, -1), _edge(across, middle, level, 1)
    thickness = lower.at - upper.at
    if not (upper.seen or lower.seen) or thickness < 0.5:
        return None
    y_left, y_right = _centres(core, (upper, lower), middle, level, left + inset, (left, right))
    reach_rows = max(0.0, thickness / 2 - 1)
    ends = _ends(window, ((y_left, left + inset, -1), (y_right, right - inset, 1)), reach_rows, level)
    if len(ends) < 2:
        return None
    contrast = level - max(upper.outside, lower.outside, ends[0].outside, ends[1].outside)
    trim = max(1.0, 0.15 * (ends[1].at - ends[0].at))  # end caps
    inner = window[:, max(0, math.ceil(ends[0].at + trim)) : math.floor(ends[1].at - trim) + 1]
    if inner.shape[1] < 3 or contrast <= 0:
        return None
    rough, step, straight = _evenness(inner, middle, (upper.at, lower.at), level, contrast)
    return Strip(
        ends[0].at + first_column,
        ends[1].at + first_column,
        y_left + first_row,
        y_right + first_row,
        thickness,
        bright,
        level,
        contrast,
        step,
        rough,
        straight,
        max(ends[0].blur, ends[1].blur),
        max(ends[0].skew, ends[1].skew),
        not (ends[0].seen and ends[1].seen),
    )


def _centres(
    core: Floats, outer: tuple[_Edge, _Edge], middle: int, level: float, offset: int, ends: tuple[int, int]
) -> tuple[float, float]:
    """y of the centre line at both ends: between the `outer` edges, sloped as its two halves tell."""
    half = core.shape[1] // 2
    centres = []
    for part in (core[:, :half], core[:, half:]):
        across = np.median(part, axis=1)
        centres.append([_crossing(across, middle, (level + edge.outside) / 2, step)[0] for edge, step in zip(outer, (-1, 1), strict=True)])
    shifts = sorted((end - start for start, end in zip(*centres, strict=True)), key=abs)
    # Letters and particles move one edge; a slope moves both.
    slope = shifts[0] / max(1.0, core.shape[1] / 2) if shifts[0] * shifts[1] > 0 else 0.0
    slope = min(max(slope, -SLOPE), SLOPE)
    x_middle, y_middle = offset + (core.shape[1] - 1) / 2, (outer[0].at + outer[1].at) / 2
    return y_middle + slope * (ends[0] - x_middle), y_middle + slope * (ends[1] - x_middle)


class _End(NamedTuple):
    at: float
    outside: float
    seen: bool
    fall: int
    blur: float
    skew: float


def _ends(window: Floats, places: tuple[tuple[float, int, int], ...], reach: float, level: float) -> list[_End]:
    """Both ends (left, right) of a strip, looked for from `places` (y, x, direction); fewer where there are none.

    They are equally sharp: one that falls at first as the other does, then much more slowly, lies over something that ends there.
    """
    ends = [_end(window, y, reach, start, level, step) for y, start, step in places]
    found = [end for end in ends if end is not None and end.seen]
    if len(found) == len(ends):
        sharp = max(1, min(end.fall for end in found))
        middle = (places[0][1] + places[1][1]) // 2  # the search may have begun beyond the end
        for side, ((y, _, step), end) in enumerate(zip(places, found, strict=True)):
            again = _end(window, y, reach, middle, level, step, sharp) if end.fall > sharp + 1 else None
            if again is None or not again.seen or not 1 < abs(again.at - end.at) < _LONGEST:
                continue
            if (level - again.outside) / sharp > (again.outside - end.outside) / (end.fall - sharp):
                ends[side] = again
    return [end for end in ends if end is not None]


def _end(window: Floats, y: float, reach: float, start: int, level: float, step: int, longest: int = _LONGEST) -> _End | None:
    """Measure one end from the rows `y` ± `reach`; None when `start` lies outside the strip."""
    first = min(max(math.ceil(y - reach), 0), window.shape[0] - 1)
    last = max(first, min(math.floor(y + reach), window.shape[0] - 1))
    if reach < 0.5:
        pair = np.clip([math.floor(y), math.ceil(y)], 0, window.shape[0] - 1)
        first = last = int(pair[window[pair, start].argmax()])
    rows = window[first : last + 1]
    along = rows.mean(0)
    for _ in range(_INWARD):  # out of a blurred end
        if along[start] >= level - 0.05 * (level - float(along.min())):
            break
        start = min(max(start - step, 0), along.size - 1)
    if along[start] < (level + float(along.min())) / 2:
        return None
    at, outside, seen, fall = _edge(along, start, level, step, longest)
    if not seen and along[start] < (level + outside) / 2:
        return None
    # Near the level of the bar what lies behind it disturbs least.
    shoulder = _crossing(along, start, outside + 0.85 * (level - outside), step)[0]
    crossings = [_crossing(row, start, outside + 0.7 * (level - outside), step)[0] for row in rows]
    low, high = np.quantile(crossings, (0.15, 0.85))
    return _End(at, outside, seen, fall, abs(at - shoulder), float(high - low))


def _evenness(inner: Floats, middle: int, edges: tuple[float, float], level: float, contrast: float) -> tuple[float, float, float]:
    """Roughness, step and straightness (see `Strip`) of the columns between the ends."""
    first, last = min(math.ceil(edges[0] + 1.2), middle), max(math.floor(edges[1] - 1.2), middle)
    flat = inner[first : last + 1]
    rough = float(np.abs(flat - np.median(flat, axis=1, keepdims=True)).mean())
    above = inner[max(0, math.floor(edges[0] - 0.5))]
    below = inner[min(inner.shape[0] - 1, math.ceil(edges[1] + 0.5))]
    step = level - max(float(np.quantile(above, 0.75)), float(np.quantile(below, 0.75)))
    solid = inner > level - max(contrast, 10.0) / 2
    up = np.logical_and.accumulate(solid[middle::-1], axis=0).sum(0)
    down = np.logical_and.accumulate(solid[middle:], axis=0).sum(0)
    drift = 1 + SLOPE / 2 * inner.shape[1]
    good = [(side > 0) & (np.abs(side - np.median(side)) <= drift) for side in (up, down)]
    return rough, step, float((good[0] & good[1]).mean())
