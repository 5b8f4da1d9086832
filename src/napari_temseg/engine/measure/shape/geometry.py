"""The geometry of every label of a plane at once: perimeters by Crofton's formula, convex hulls, Feret diameters.

Nothing here loops over particles: labels of a plane are numbered 0…n−1 and every figure is a sum or an extreme over that number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ellipe

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
_PAIRS_AT_ONCE = 2_000_000
FOUR_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_FEW_LABELS = 100_000  # a table of so many more numbers than there are pixels is still small
_BORDER = 2  # the longest step that is looked along
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (1, 2), (2, 1), (2, -1), (1, -2))
FOUR_BELOW, EIGHT_ABOVE = 8.0, 16.0  # diameters in px between which the perimeter passes from four directions to eight


@dataclass(frozen=True, eq=False)
class Foreground:
    """The labelled pixels of one plane in raster order.

    `ids` (n,) holds the labels, ascending; for each pixel, `code` is the index of its label in `ids`, `y` and `x` its position,
    and `place` its position in `padded`, the plane with a border of two background pixels, flattened, `stride` pixels a row.
    """

    ids: npt.NDArray[np.int64]
    code: Ints
    y: Ints
    x: Ints
    place: Ints
    padded: npt.NDArray[np.integer[Any]]
    stride: int

    @classmethod
    def of(cls, plane: npt.NDArray[np.integer[Any]], origin: tuple[int, int] = (0, 0)) -> Foreground:
        """Collect the labelled pixels of a plane (Y, X) of integers, or of a window of it whose first pixel lies at `origin` (y, x)."""
        padded = np.pad(plane, _BORDER)
        stride = padded.shape[1]
        flat = padded.ravel()
        place = np.flatnonzero(flat)
        row = np.repeat(np.arange(len(padded)), np.count_nonzero(padded, axis=1))
        y, x = row + (origin[0] - _BORDER), place - row * stride + (origin[1] - _BORDER)
        ids, code = _numbered(flat[place])
        return cls(ids, code, y, x, place, flat, stride)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def runs(self) -> tuple[Ints, Ints, Ints]:
        """The runs of a label along a row: the index of the first pixel of each, how many pixels it has, and the label's number."""
        begins = np.flatnonzero(self.leaves(0, -1))
        return begins, np.diff(np.append(begins, len(self.code))), self.code[begins]

    def total(self, values: npt.NDArray[Any] | None = None) -> Floats:
        """Sum of `values` (one a pixel) over each label; without them, the number of pixels."""
        begins, length, _ = self.runs
        if not len(begins):
            return np.zeros(len(self))
        return self.over_runs(length if values is None else np.add.reduceat(values, begins, dtype=np.float64))

    def over_runs(self, values: npt.NDArray[Any]) -> Floats:
        """Sum of `values` (one a run) over each label."""
        return np.bincount(self.runs[2], values, len(self)).astype(np.float64)

    def neighbour(self, dy: int, dx: int) -> npt.NDArray[np.integer[Any]]:
        """The label at (y + dy, x + dx) of each pixel, 0 outside the plane; dy and dx are −2 … 2."""
        return self.padded[self.place + (dy * self.stride + dx)]

    @cached_property
    def own(self) -> npt.NDArray[np.integer[Any]]:
        """The label of each pixel."""
        return self.padded[self.place]

    @cached_property
    def _left(self) -> dict[tuple[int, int], npt.NDArray[np.bool_]]:
        return {}

    def leaves(self, dy: int, dx: int) -> npt.NDArray[np.bool_]:
        """Whether a step of (dy, dx) leads out of the pixel's own label."""
        if (dy, dx) not in self._left:
            # Shifted planes compared as a whole, and then picked: to pick the neighbours of each pixel would take twice as long.
            step, margin = dy * self.stride + dx, _BORDER * (self.stride + 1)
            end = len(self.padded) - margin
            differs = self.padded[margin:end] != self.padded[margin + step : end + step]
            self._left[dy, dx] = differs[self.place - margin]
        return self._left[dy, dx]


def _numbered(labels: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.int64], Ints]:
    """The labels that occur, ascending, and the index among them of each."""
    highest = int(labels.max(initial=0))
    if highest > len(labels) + _FEW_LABELS:
        code, ids = pd.factorize(labels, sort=True)
        return np.asarray(ids, np.int64), np.asarray(code, np.intp)
    there = np.zeros(highest + 1, bool)
    there[labels] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[labels]


def contacts(plane: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Pairs (n, 2) of different labels of a plane (Y, X) that are 8-neighbours, one for every two pixels that meet."""
    pairs = []
    for here, there in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ):
        one, other = plane[here], plane[there]
        differ = one != other
        one, other = one[differ], other[differ]
        both = (one != 0) & (other != 0)
        pairs.append(np.stack([one[both], other[both]], axis=1))
    return np.concatenate(pairs)


def crofton_perimeter(pixels: Foreground, scale: tuple[float, float]) -> Floats:
    """Perimeter of each label, holes included, in the unit of `scale` (length of a pixel, y and x).

    Crofton's formula P = Σ_k Δθ_k · δ_k · c_k over lattice directions, with c_k the times a step in direction k leaves the label, δ_k the
    distance of the lattice lines in that direction and Δθ_k the angle it stands for: half the angle between its neighbours. After
    Legland, Kiêu & Devaux, Image Anal. Stereol. 26 (2007) 83. Eight directions, as four are 5 % short on upright squares; their longer
    steps miss short chords, so that small labels go by four directions, and those between by both in turn.
    """
    exits = {step: np.bincount(pixels.code[pixels.leaves(*step)], minlength=len(pixels)) for step in _STEPS}
    four, eight = (_crofton(exits, steps, scale) for steps in (_STEPS[:4], _STEPS))
    diameter = np.sqrt(4 / np.pi * pixels.total())
    share = np.clip((diameter - FOUR_BELOW) / (EIGHT_ABOVE - FOUR_BELOW), 0, 1)
    return np.asarray((1 - share) * four + share * eight)


def _crofton(exits: dict[tuple[int, int], Ints], steps: tuple[tuple[int, int], ...], scale: tuple[float, float]) -> Floats:
    sy, sx = scale
    angles = np.array([np.arctan2(dy * sy, dx * sx) % np.pi for dy, dx in steps])
    order = np.argsort(angles)
    around = np.concatenate([[angles[order[-1]] - np.pi], angles[order], [angles[order[0]] + np.pi]])
    stands_for = (around[2:] - around[:-2]) / 2
    perimeter = np.zeros(len(next(iter(exits.values()))))
    for index, angle in zip(order, stands_for, strict=True):
        dy, dx = steps[index]
        perimeter += angle * sy * sx / np.hypot(dy * sy, dx * sx) * exits[steps[index]]
    return perimeter


def _several_tops(pixels: Foreground) -> npt.NDArray[np.bool_]:
    """Whether a label has several runs that none of its own lies above: only then it can be in several pieces."""
    begins, ends = np.flatnonzero(pixels.leaves(0, -1)), np.flatnonzero(pixels.leaves(0, 1))
    above = pixels.padded[pixels.place - pixels.stride] == pixels.padded[pixels.place]
    hangs = np.add.reduceat(above, begins, dtype=np.intp) > 0 if len(begins) else np.zeros(0, bool)
    for at, dx in ((begins, -1), (ends, 1)):
        corner = pixels.place[at]
        hangs |= pixels.padded[corner - pixels.stride + dx] == pixels.padded[corner]
    return np.bincount(pixels.code[begins[~hangs]], minlength=len(pixels)) > 1


def largest_pieces(plane: npt.NDArray[np.integer[Any]], pixels: Foreground) -> tuple[npt.NDArray[np.integer[Any]], Ints]:
    """The plane (Y, X) with only the largest piece of each label, and the number of pieces (n,) of each; 8 neighbours hang together.

    Runs of a label along a row are what is joined, not pixels: there are far fewer.
    """
    suspects = _several_tops(pixels)
    if not suspects.any():
        return plane, np.ones(len(pixels), np.intp)
    among = np.flatnonzero(suspects[pixels.code])
    pixels = replace(pixels, code=pixels.code[among], y=pixels.y[among], x=pixels.x[among], place=pixels.place[among])
    begins, ends = np.flatnonzero(pixels.leaves(0, -1)), np.flatnonzero(pixels.leaves(0, 1))
    n, code = len(begins), pixels.code[begins]
    number = np.zeros(len(pixels.padded), np.intp)  # of the run that a place belongs to, from 1
    run = np.repeat(np.arange(1, n + 1), ends - begins + 1)
    number[pixels.place] = run
    above: list[Ints] = []
    for dx in (-1, 0, 1):
        there = pixels.place - pixels.stride + dx
        same = pixels.padded[there] == pixels.padded[pixels.place]
        above.append(np.unique(run[same] * (n + 1) + number[there[same]]))
    one, other = np.divmod(np.concatenate(above), n + 1)
    links = coo_array((np.ones(len(one), bool), (one - 1, other - 1)), shape=(n, n))
    count, piece = connected_components(links, directed=False)
    label = np.zeros(count, np.intp)
    label[piece] = code
    pieces = np.maximum(np.bincount(label, minlength=len(pixels)), 1)
    if (pieces == 1).all():
        return plane, pieces
    area = np.bincount(piece, ends - begins + 1, count)
    largest = np.zeros(count, bool)
    order = np.lexsort((-area, label))
    largest[order[np.append(True, np.diff(label[order]) > 0)]] = True
    gone = ~largest[piece[run - 1]]
    cleaned = plane.copy()
    cleaned[np.divmod(pixels.place[gone], pixels.stride)[0] - _BORDER, np.divmod(pixels.place[gone], pixels.stride)[1] - _BORDER] = 0
    return cleaned, pieces


@dataclass(frozen=True, eq=False)
class Hulls:
    """Convex hulls of the pixel centres, or of points between them, in px.

    Vertices `y`, `x` run round each hull in turn, `start` (n + 1,) tells where one begins.

    `pixels` (n,) is the number of pixel centres in or on the hull. `margin` (n,) is the width by which the hull is widened all
    round (its parallel body) so that its area is `pixels`: particles reach beyond the centres of their outermost pixels, by half a
    pixel along rows and columns and by less in other directions, and the margin follows from the hull itself.
    """

    y: npt.NDArray[Any]
    x: npt.NDArray[Any]
    start: Ints
    pixels: Floats
    margin: Floats

    @property
    def label(self) -> Ints:
        """Index of the label of each vertex."""
        return np.repeat(np.arange(len(self.pixels)), np.diff(self.start))

    def next_vertex(self) -> Ints:
        """Index of the vertex that follows each vertex on its hull."""
        after = np.arange(1, len(self.y) + 1)
        after[self.start[1:] - 1] = self.start[:-1]
        return after


def convex_hulls(pixels: Foreground) -> Hulls:
    """The convex hull of each label.

    Of each row only the outermost pixels of a label matter; down its left side and down its right side, points that do not
    stick out of the line through their neighbours are dropped until none is left to drop.
    """
    y, x, side, code = _row_ends(pixels)
    return _measured(*rings(2 * code + side, y, x, len(pixels)), len(pixels))


def rings(chain: Ints, y: npt.NDArray[Any], x: npt.NDArray[Any], n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Ints]:
    """The convex hulls of `n` labels from their chains of points, as `y`, `x` and `start` of `Hulls`.

    `chain` is twice the label's number, plus 1 on its right side; it ascends, and downward each chain has one point a row.
    """
    outward = np.where(chain % 2 == 0, x, -x)
    keep = _sticks_out(chain, y, outward)
    while not keep.all():
        y, x, outward, chain = y[keep], x[keep], outward[keep], chain[keep]
        keep = _sticks_out(chain, y, outward)
    code, side = np.divmod(chain, 2)
    order = np.lexsort((np.where(side == 0, y, -y), chain))
    return y[order], x[order], np.append(0, np.cumsum(np.bincount(code, minlength=n)))


def _row_ends(pixels: Foreground) -> tuple[Ints, Ints, Ints, Ints]:
    """Leftmost (side 0) and rightmost (side 1) pixel of each label in each row, sorted by label, side and row."""
    found = []
    for side, step in enumerate((-1, 1)):
        edge = np.flatnonzero(pixels.leaves(0, step))
        edge = edge[np.argsort(pixels.code[edge], kind="stable")]
        code, y = pixels.code[edge], pixels.y[edge]
        same = (code[1:] == code[:-1]) & (y[1:] == y[:-1])
        outermost = np.append(True, ~same) if side == 0 else np.append(~same, True)
        kept = edge[outermost[: len(edge)]]
        found.append((pixels.y[kept], pixels.x[kept], np.full(len(kept), side), pixels.code[kept]))
    rows, columns, sides, codes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((rows, sides, codes))
    return rows[order], columns[order], sides[order], codes[order]


def _sticks_out(chain: Ints, y: npt.NDArray[Any], outward: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether a point lies outside the line through its two neighbours on its chain; the ends of a chain always do."""
    keep = np.ones(len(y), bool)
    height, width = y[2:] - y[:-2], outward[2:] - outward[:-2]
    cross = (outward[1:-1] - outward[:-2]) * height - width * (y[1:-1] - y[:-2])
    keep[1:-1] = (cross < 0) | (chain[2:] != chain[:-2])
    return keep


def _measured(y: Ints, x: Ints, start: Ints, n: int) -> Hulls:
    """Rings of pixel centres with the pixels in them and the margin that these need."""
    code = np.repeat(np.arange(n), np.diff(start))
    ring = Hulls(y, x, start, np.zeros(n), np.zeros(n))
    after = ring.next_vertex()
    dy, dx = y[after] - y, x[after] - x
    # Relative to a point of the ring itself, so that products stay small and exact.
    ry, rx = y - y[start[code]], x - x[start[code]]
    area = np.abs(np.bincount(code, ry * dx - rx * dy, n)) / 2
    boundary = np.bincount(code, np.gcd(dy, dx), n)
    length = np.bincount(code, np.hypot(dy, dx), n)
    count = area + boundary / 2 + 1  # Pick's theorem
    # Steiner's formula for the area of a parallel body, solved for its width: count = area + length · w + π w².
    margin = (np.sqrt(length**2 + 4 * np.pi * (count - area)) - length) / (2 * np.pi)
    return Hulls(y, x, start, count, margin)


def hull_lengths(hulls: Hulls, scale: tuple[float, float]) -> dict[str, Floats]:
    """Feret diameters (largest, smallest, mean) and the rectangle of least area round each hull widened by its margin.

    Names → lengths in the unit of `scale` (y, x): feret_max, feret_min, feret_mean, rect_length, rect_width, hull_perimeter.

    The largest is the farthest pair of vertices, the smallest the least width across an edge (rotating calipers), the mean the
    perimeter over π (Cauchy). The margin is a circle in px, so an ellipse where pixels are not square.
    """
    sy, sx = scale
    n = len(hulls.pixels)
    if not n:
        return dict.fromkeys(("feret_max", "feret_min", "feret_mean", "rect_length", "rect_width", "hull_perimeter"), np.zeros(0))
    label, after = hulls.label, hulls.next_vertex()
    y, x = hulls.y * sy, hulls.x * sx
    margin = hulls.margin[label]
    ey, ex = y[after] - y, x[after] - x
    edge = np.hypot(ey, ex)
    far, wide, long = _farthest(hulls, label, (y, x), (ey, ex), scale)
    with np.errstate(invalid="ignore", divide="ignore"):  # hulls of a single pixel have no edge
        wide = (wide + 2 * margin * np.hypot(sy * ex, sx * ey)) / edge
        long = (long + 2 * margin * np.hypot(sy * ey, sx * ex)) / edge
    wide, long = np.where(edge > 0, wide, np.inf), np.where(edge > 0, long, np.inf)
    single = 2 * hulls.margin * min(sy, sx)
    least = np.minimum.reduceat(wide, hulls.start[:-1])
    largest = np.maximum.reduceat(far, hulls.start[:-1])
    ellipse = 4 * max(sy, sx) * ellipe(1 - (min(sy, sx) / max(sy, sx)) ** 2)
    perimeter = np.bincount(label, edge, n) + ellipse * hulls.margin
    area = wide * long
    at = np.flatnonzero(area == np.minimum.reduceat(area, hulls.start[:-1])[label])
    at = at[np.unique(label[at], return_index=True)[1]]
    sides = np.sort(np.stack([wide[at], long[at]]), axis=0)
    sides = np.where(np.isfinite(sides), sides, single)
    return {
        "feret_max": largest,
        "feret_min": np.minimum(np.where(np.isfinite(least), least, single), largest),
        "feret_mean": perimeter / np.pi,
        "rect_length": sides[1],
        "rect_width": sides[0],
        "hull_perimeter": perimeter,
    }


def _farthest(
    hulls: Hulls, label: Ints, point: tuple[Any, Any], edge: tuple[Any, Any], scale: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """For each vertex: the largest distance to a vertex of its hull, margins included; how far the hull reaches across and along its edge.

    The latter two are times the length of the edge, without margins.
    """
    (y, x), (ey, ex), (sy, sx) = point, edge, scale
    sizes = np.diff(hulls.start)[label]
    far, wide, long = (np.empty(len(y)) for _ in range(3))
    ends = np.cumsum(sizes)
    first = 0
    while first < len(y):
        last = max(first + 1, int(np.searchsorted(ends, (ends[first - 1] if first else 0) + _PAIRS_AT_ONCE)))
        size = sizes[first:last]
        begin = np.cumsum(size) - size
        i = np.repeat(np.arange(first, last), size)
        j = hulls.start[label[i]] + np.arange(len(i)) - np.repeat(begin, size)
        dy, dx = y[j] - y[i], x[j] - x[i]
        distance = np.hypot(dy, dx)
        apart = distance > 0
        stretch = np.hypot(sy * dy, sx * dx) / np.where(apart, distance, 1)
        reach = distance + 2 * hulls.margin[label[i]] * np.where(apart, stretch, max(sy, sx))
        far[first:last] = np.maximum.reduceat(reach, begin)
        wide[first:last] = np.maximum.reduceat(np.abs(ey[i] * dx - ex[i] * dy), begin)
        along = ey[i] * dy + ex[i] * dx
        long[first:last] = np.maximum.reduceat(along, begin) - np.minimum.reduceat(along, begin)
        first = last
    return far, wide, long
