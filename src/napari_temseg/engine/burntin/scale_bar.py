"""The scale bar that is burnt into a picture, its length in px, and what else is burnt in beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.burntin.bar_strips import WHITE, far_strips, flat_strips, grey_levels, strips
from napari_temseg.engine.burntin.letters import data_bands, letters, panel_letters
from napari_temseg.engine.burntin.strip_edges import Strip
from napari_temseg.engine.burntin.ticks import tick_row
from napari_temseg.engine.types.errors import TemsegError

_CERTAIN = 0.25  # confidence from which a strip is taken for a bar
_SHORTEST = 14.0  # px; shorter ones are strokes of letters
_MARGIN = 2  # px round what is burnt in
_TICKS_CONFIDENCE = 0.9  # eleven like marks at equal distances are hardly ever anything else
# A logistic regression on strips of the *train* and *tune* parts of EMPS: how far each raises the odds (see `_confidence`).
_WEIGHTS = (1.1, 9.0, 0.75, 0.7, 2.4, 4.8, 3.1, -3.7)
_BIAS = -14.6


@dataclass(frozen=True)
class ScaleBar:
    """A burnt-in scale bar; positions (y, x) in px, where pixel i covers i − 0.5 … i + 0.5.

    `start` (left) and `end` (right) lie on the outer edges, at half level where these are blurred, on the line through the middle of the
    bar; of a row of ticks, in the middle of the first and the last. `bright`: lighter than what surrounds it. `confidence` 0…1.
    `outline`: width in px of a line of the other polarity drawn round it, which `start` and `end` leave out; 0 when there is none.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    thickness: float
    bright: bool
    confidence: float
    outline: float = 0.0

    @property
    def length(self) -> float:
        """Horizontal distance of the outer edges in px."""
        return self.end[1] - self.start[1]


def find_scale_bar(plane: npt.ArrayLike) -> ScaleBar | None:
    """The horizontal scale bar of a picture (Y, X) of whole numbers, floats (NaN: nothing there) or bools; None when there is none.

    Solid bars, lighter or darker than what surrounds them, with or without outline, box or end caps, lines broken by their label, and
    rows of eleven ticks; sloped by 1° at most. Of several the likeliest. `TemsegError` when `plane` is no plane.
    """
    grey = grey_levels(_plane(plane))
    if grey is None or min(grey.shape) < 8:
        return None
    rated = _rated(strips(grey), grey.shape)
    ticks = tick_row(grey)
    if ticks is not None and (not rated or rated[0][0] < _TICKS_CONFIDENCE):
        return ScaleBar((ticks.y, ticks.left), (ticks.y, ticks.right), ticks.height, True, _TICKS_CONFIDENCE)
    for otherwise in (far_strips, flat_strips):
        if not rated or rated[0][0] < _CERTAIN:
            rated = _rated(otherwise(grey), grey.shape)
    if not rated or rated[0][0] < _CERTAIN:
        return None
    # An outline or the strips of a box round the bar are as straight as the bar itself.
    inner = (pair for pair in rated[1:] if pair[0] > 0.5 * rated[0][0] and _lies_within(pair[1], rated[0][1]))
    confidence, best = next(inner, rated[0])
    outline = _outline(best, [strip for odds, strip in rated if odds > 0.5 * confidence])
    return ScaleBar((best.y_left, best.left), (best.y_right, best.right), best.thickness, best.bright, confidence, outline)


def _rated(found: list[Strip], shape: tuple[int, ...]) -> list[tuple[float, Strip]]:
    """The strips with their confidence, the likeliest first."""
    return sorted(((_confidence(strip, shape), strip) for strip in found), key=lambda pair: -pair[0])


def _plane(plane: npt.ArrayLike) -> npt.NDArray[Any]:
    data = np.asarray(plane)
    if data.ndim != 2 or data.dtype.kind not in "buif":
        raise TemsegError(
            f"A scale bar is looked for in one grey plane (Y, X), not in an array of {data.ndim} axes of {data.dtype}: choose a plane."
        )
    return data


def _confidence(strip: Strip, shape: tuple[int, ...]) -> float:
    """How likely a strip is a scale bar, 0…1, from its evenness, its edges, its proportions and its place."""
    height, width = shape
    least = min(strip.step, strip.contrast)
    if least < 3 or strip.length < _SHORTEST:
        return 0.0
    evidence = (
        math.log(least / (strip.roughness + 3)),
        strip.straightness,
        -math.log(0.5 + strip.skew),
        min(math.log(strip.length / strip.thickness), 2.0),
        math.log(strip.length / width),
        min(1.0, strip.y_left / (0.8 * height)),
        min(1.0, strip.level / WHITE),
        float(strip.cut),
    )
    odds = sum(weight * value for weight, value in zip(_WEIGHTS, evidence, strict=True)) + _BIAS
    return 1 / (1 + math.exp(-odds))


def _lies_within(inner: Strip, outer: Strip) -> bool:
    """Whether a strip of the other polarity lies beside `outer`, and is shorter at both ends."""
    near = abs(inner.y_left - outer.y_left) < (inner.thickness + outer.thickness) / 2 + 6
    margins = inner.left - outer.left, outer.right - inner.right
    return near and inner.bright != outer.bright and min(margins) > 0.5 and max(margins) < 0.15 * outer.length


def _outline(bar: Strip, others: list[Strip]) -> float:
    """Width in px of the line round a bar, seen as strips above or below it; what stands further off than it is thick is a box."""
    margins = [
        (strip.length - bar.length) / 2
        for strip in others
        if _lies_within(bar, strip) and strip.length - bar.length < 2.4 * min(strip.thickness, bar.thickness)
    ]
    return max(margins, default=0.0)


def overlay_mask(plane: npt.ArrayLike, bar: ScaleBar | None = None, *, looked_for: bool = False) -> npt.NDArray[np.bool_]:
    """True (Y, X) on what is burnt into a picture: scale bar, its label, panel letters, whole data bars, with 2 px round them.

    `bar` is looked for when it is not given, unless it was `looked_for` before. What might be a particle is left out, so text across
    particles may be missed. `TemsegError` when `plane` is no plane.
    """
    data = _plane(plane)
    found = np.zeros(data.shape, bool)
    grey = band_levels(data)
    if grey is None:
        return found
    bar = bar if bar is not None or looked_for else find_scale_bar(data)
    if bar is None:
        found |= letters(grey, None, None)
    else:
        y, x = (sum(pair) / 2 for pair in zip(bar.start, bar.end, strict=True))
        level = float(grey[min(max(round(y), 0), grey.shape[0] - 1), min(max(round(x), 0), grey.shape[1] - 1)])
        found |= letters(grey, _surroundings(bar, data.shape), level)
        found |= _drawn(bar, data.shape)
    found = ndimage.binary_dilation(found, np.ones((3, 3), np.bool_), iterations=_MARGIN)
    return found | data_bands(grey)


def panel_mask(levels: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """True (Y, X) on letters in the corners that are hardly anything else, with 2 px round them; `levels` as `band_levels` gives them."""
    return np.asarray(ndimage.binary_dilation(panel_letters(levels), np.ones((3, 3), np.bool_), iterations=_MARGIN))


def band_levels(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
    """Grey levels of a plane (Y, X), 0 to 255, as data bars and letters are looked for in; None where there is too little to see."""
    grey = grey_levels(plane)
    return None if grey is None or min(grey.shape) < 8 else np.clip(grey, 0, WHITE)


def _surroundings(bar: ScaleBar, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Where the label of a bar stands: above or below it, hardly longer than the bar, or beside it."""
    y, reach = (bar.start[0] + bar.end[0]) / 2, 0.18 * shape[0] + bar.thickness / 2
    wide = max(0.35 * bar.length, 0.12 * shape[1])
    rows = slice(max(0, round(y - reach)), min(shape[0], round(y + reach) + 1))
    return rows, slice(max(0, round(bar.start[1] - wide)), min(shape[1], round(bar.end[1] + wide) + 1))


def _drawn(bar: ScaleBar, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The pixels of a bar."""
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    slope = (bar.end[0] - bar.start[0]) / max(bar.length, 1.0)
    middle = bar.start[0] + slope * (x - bar.start[1])
    drawn: npt.NDArray[np.bool_] = (np.abs(y - middle) <= bar.thickness / 2) & (x >= bar.start[1]) & (x <= bar.end[1])
    return drawn
