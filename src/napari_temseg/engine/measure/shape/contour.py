"""Outlines between pixels: the contour of the foreground probability, of particles round which the map allows one.

A crossing lies on the line from each outermost pixel to its neighbour outside, where the probability, linear in between, passes the
threshold. Crossings give hull and Ferets without being put in order; joined within each square of four pixel centres they give the
perimeter. Of a map that is certain everywhere, noisy, or in contradiction to the labels (edited, cut from a neighbour, at the frame) a
contour is worse than the mask, by measurement: such particles have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.shape.geometry import FOUR_NEIGHBOURS, Foreground, Hulls, hull_lengths, rings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
CERTAIN = 0.9  # mean step of the probability over the outline beyond which a map tells no more than its mask
NOISY = 0.03  # standard deviation of what pixels deep inside are off the mean of their neighbours
CONTRADICTED = 0.02  # share of the outline at which map and label may disagree
_EVERY = 3  # of the pixels deep inside, as many tell the noise well enough


@dataclass(frozen=True, eq=False)
class Crossings:
    """Where contours cross the lines between pixel centres: `code` (n,) of the label, places `y`, `x` in px, and the two squares beside it.

    `cells` (n, 2) number the squares of four pixel centres that the crossing lies on.
    """

    code: Ints
    y: Floats
    x: Floats
    cells: Ints


def contour_lengths(
    pixels: Foreground, background: npt.NDArray[Any], level: float, scale: tuple[float, float]
) -> tuple[npt.NDArray[np.bool_], dict[str, Floats], Crossings]:
    """Which labels have a contour (n,), the columns of `hull_lengths` and "perimeter" from it, and its crossings, for these alone.

    `background` (Y, X) is the probability that a pixel of the whole plane is none of a particle, `level` the foreground probability from
    which it is one.
    """
    found, suits = _crossings(pixels, background, level)
    if suits.any():
        suits &= _noise(pixels, background, suits) <= NOISY
    kept = suits[found.code]
    found = Crossings(found.code[kept], found.y[kept], found.x[kept], found.cells[kept])
    number = np.cumsum(suits) - 1
    n = int(suits.sum())
    among = replace(found, code=number[found.code])
    return suits, {**hull_lengths(_hulls(among, n), scale), "perimeter": _perimeter(among, n, scale)}, found


def _crossings(pixels: Foreground, background: npt.NDArray[Any], level: float) -> tuple[Crossings, npt.NDArray[np.bool_]]:
    """All crossings, and for each label whether map and label agree along its outline, with a map that is not certain everywhere."""
    height, width = background.shape
    parts: list[tuple[Any, ...]] = []
    n = len(pixels)
    bad, steps, count = np.zeros(n), np.zeros(n), np.zeros(n)
    for dy, dx in FOUR_NEIGHBOURS:
        edge = np.flatnonzero(pixels.leaves(dy, dx))
        code, y, x = pixels.code[edge], pixels.y[edge], pixels.x[edge]
        there = (np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1))
        inside, outside = (1 - background[at].astype(np.float64) for at in ((y, x), there))
        agrees = (inside >= level) & (outside < level)
        share = np.divide(inside - level, inside - outside, out=np.full(len(edge), 0.5), where=agrees)
        beyond = (there[0] != y + dy) | (there[1] != x + dx)
        bad += np.bincount(code, ~agrees, n) + np.bincount(code, np.where(beyond, np.inf, 0), n)
        steps += np.bincount(code, inside - outside, n)
        count += np.bincount(code, minlength=n)
        # Squares are numbered by their first pixel; the one before and the one after the line.
        first = (np.minimum(y, y + dy) + 1) * (width + 1) + np.minimum(x, x + dx) + 1
        before = first - ((width + 1) if dx else 1)
        parts.append((code, y + share * dy, x + share * dx, np.stack([before, first], axis=1)))
    joined = Crossings(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    with np.errstate(invalid="ignore"):
        return joined, (bad <= CONTRADICTED * count) & (steps <= CERTAIN * count)


def _noise(pixels: Foreground, background: npt.NDArray[Any], which: npt.NDArray[np.bool_]) -> Floats:
    """Standard deviation (n,) of the map's noise in the labels of `which`, from pixels whose neighbours' neighbours are inside; 0 of labels
    without any."""
    some = np.flatnonzero((pixels.y + pixels.x) % _EVERY == 0)  # by place, so that a window of a plane tells the same
    if not which.all():
        some = some[which[pixels.code[some]]]
    deep = np.ones(len(some), bool)
    for dy, dx in ((-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        deep &= pixels.padded[pixels.place[some] + (dy * pixels.stride + dx)] == pixels.own[some]
    some = some[deep]
    y, x = pixels.y[some], pixels.x[some]
    off = background[y, x].astype(np.float64) - sum(background[y + dy, x + dx].astype(np.float64) for dy, dx in FOUR_NEIGHBOURS) / 4
    count = np.bincount(pixels.code[some], minlength=len(pixels))
    return np.asarray(np.sqrt(np.bincount(pixels.code[some], off**2, len(pixels)) / np.maximum(1.25 * count, 1)))


def _hulls(found: Crossings, n: int) -> Hulls:
    """Convex hulls of the crossings of `n` labels, without a margin."""
    order = np.lexsort((found.x, found.y, found.code))
    y, x, code = found.y[order], found.x[order], found.code[order]
    same = (code[1:] == code[:-1]) & (y[1:] == y[:-1])
    chains = []
    for side, outermost in enumerate((np.append(True, ~same), np.append(~same, True))):
        taken = np.flatnonzero(outermost[: len(code)])
        chains.append((2 * code[taken] + side, y[taken], x[taken]))
    chain, y, x = (np.concatenate(each) for each in zip(*chains, strict=True))
    order = np.argsort(chain, kind="stable")  # of a label first the left chain, then the right one, each downward
    y, x, start = rings(chain[order], y[order], x[order], n)
    return Hulls(y, x, start, np.zeros(n), np.zeros(n))


def _perimeter(found: Crossings, n: int, scale: tuple[float, float]) -> Floats:
    """Length of each contour: crossings of one label in one square are joined, in the rare square with four the nearer two and two."""
    code, y, x = np.repeat(found.code, 2), np.repeat(found.y * scale[0], 2), np.repeat(found.x * scale[1], 2)
    cell = found.cells.ravel()
    order = np.lexsort((cell, code))
    code, cell, y, x = code[order], cell[order], y[order], x[order]
    begins = np.flatnonzero(np.append(True, (code[1:] != code[:-1]) | (cell[1:] != cell[:-1]))[: len(code)])
    size = np.diff(np.append(begins, len(code)))
    two, four = begins[size == 2], begins[size == 4]
    length = np.bincount(code[two], np.hypot(y[two + 1] - y[two], x[two + 1] - x[two]), n)
    if len(four):
        ways = [
            sum(np.hypot(y[four + a] - y[four + b], x[four + a] - x[four + b]) for a, b in pairs)
            for pairs in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))
        ]
        length += np.bincount(code[four], np.min(ways, axis=0), n)
    return np.asarray(length)
