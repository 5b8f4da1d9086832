"""Text, boxes and data bars burnt into a picture. Precision comes first: what might be a particle is left alone."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import regionprops

from napari_temseg.engine.burntin.bar_strips import WHITE
from napari_temseg.engine.burntin.strip_edges import Floats

Mask = npt.NDArray[np.bool_]
Area = tuple[slice, slice]

_CORE, _HALF = 215.0, 140.0  # grey levels of sure and of half-covered ink
_ON_BRIGHT = (240.0, 190.0)  # the same of a letter in a corner that lies on something bright, such as a particle
_CRISP, _TALL = 0.65, 16  # least share of sure ink, and least height in px, of a single letter there: highlights are softer, or smaller
_SIDE, _PADDING = 0.6, 0.5  # share of the width in which the rest of a line is looked for, and rows above and below it, of its height
_MARK, _NEAR = 0.6, 0.4  # height of a mark in a line (° or a point) at most, and its gap from a letter, of the height of the line
_SHARP = 0.45  # least share of the half-covered ink that is sure: an edge of a pixel or two
_THICK = 0.38  # widest stroke of a letter, of its height
_SOLID = 0.86  # area of a letter in its convex hull: less, but for l, I and the like
_BAYS = 0.94  # area of a letter, its holes filled, in its convex hull
_MOST = 400  # spots of one colour beyond which a picture is crowded with particles, not with letters
_PAPER, _RECTANGULAR, _WIDEST_BOX = 25.0, 0.93, 0.8  # a label's box: level, share of its bounding box, of the area looked at
_ROUND, _CIRCULAR = 1.1, 0.95  # a label's disc: ratio of its sides, share of its bounding box that is as a circle has it
_CORE_PIXELS, _UNEVEN, _WIDEST_LETTER = 5, 12.0, 1.1  # a single letter: px inside its rim, grey levels that they differ by, width by height
_RIM = 8  # rows of a frame that may lie outside a data bar
_BAND = (0.02, 0.25)  # least and greatest height of a data bar, of the height of the picture


class _Spot(NamedTuple):
    """A letter, perhaps: its box, its pixels in the box, and whether its shape is that of a letter and of nothing simpler."""

    top: int
    bottom: int
    left: int
    right: int
    pixels: Mask
    winding: bool

    @property
    def height(self) -> int:
        return self.bottom - self.top


# How far the paper of a data bar is from black or white, how far the picture beside it at least, and what share of that looks like paper at
# most: of a bar that was blurred or compressed, and of one that is one level exactly, which stands out from a dark support too.
_PAPERS = ((30, 40, 0.35), (2, 8, 0.1))


def data_bands(grey: Floats) -> Mask:
    """True (Y, X) on the even band with text that many microscopes put below, rarely above, their pictures; grey levels 0 to 255."""
    found = np.zeros(grey.shape, bool)
    found[grey.shape[0] - _band_rows(grey[::-1]) :] = True
    found[: _band_rows(grey)] = True
    return found


def _band_rows(grey: Floats) -> int:
    """Rows at the top of a picture that are a data bar; 0 if there is none."""
    height = grey.shape[0]
    deepest = int(_BAND[1] * height) + 6
    part = grey[:deepest]
    for level, (tolerance, least, most) in product((0.0, WHITE), _PAPERS):
        paper = np.abs(part - level) < tolerance
        share = paper.mean(1)
        even = ndimage.median_filter(share, 5, mode="nearest") >= 0.5  # lets rule lines pass
        rim = int(even[:_RIM].argmax())
        other = np.flatnonzero(~even[rim:])
        rows = rim + int(other[0]) if other.size else deepest
        if not _BAND[0] * height <= rows < deepest - 3 or rows < 8:
            continue
        text = (np.abs(part[1 : rows - 1] - level) > 110).mean()
        blank = (share[:rows] > 0.9).mean()
        # The picture begins at once and all along.
        above, below = np.median(np.abs(part[rows + 2 : rows + 6] - level)), share[rows + 2 : rows + 6].mean()
        if text > 0.004 and blank > 0.08 and above > least and below < most:
            return rows
    return 0


def letters(grey: Floats, label: Area | None, level: float | None) -> Mask:
    """True on burnt-in letters: in `label`, the surroundings of a scale bar of grey `level`, and in the corners of the picture."""
    found = np.zeros(grey.shape, bool)
    inks = [(grey, True), (np.float32(WHITE) - grey, True)]
    if label is not None and level is not None and 40 < level < WHITE - 40:
        inks.append((np.float32(WHITE) - 2 * np.abs(grey - np.float32(level)), False))
    for ink, everywhere in inks:
        if label is not None:
            _mark(found, ink, label, _words(_spots(ink[label]), alone=False), boxed=everywhere)
        if everywhere:
            _mark_corners(found, ink, strict=False)
    return found


def panel_letters(grey: Floats) -> Mask:
    """True (Y, X) on letters in the corners of a picture that are hardly anything else, and on the boxes or discs that they stand on.

    Words, with the rest of their line beyond the corner, and single letters of one grey inside. `grey` levels run from 0 to 255. All that
    this finds in 383 micrographs for choosing are letters, none of their 5,178 outlined particles is lost by it; in one of 1,952 parts of
    micrographs without letters it takes a particle for one (`benchmarks/panel_letters.py`).
    """
    found = np.zeros(grey.shape, bool)
    for ink in (grey, np.float32(WHITE) - grey):
        _mark_corners(found, ink, strict=True)
    return found


def _mark_corners(found: Mask, ink: Floats, *, strict: bool) -> None:
    """Mark, in place, letters of an ink in the corners; where one is `strict`, a single one must be of one grey."""
    for area in _corners(ink.shape):
        for core, half in ((_CORE, _HALF), _ON_BRIGHT):
            spots, bright = _words(_spots(ink[area], core, half), alone=True), half != _HALF
            doubted = bright or (strict and len(spots) == 1)
            if not spots or (doubted and not all(_drawn_in_one(ink[area], spot) for spot in spots)):
                continue
            if bright and len(spots) == 1 and not _is_crisp(ink[area], spots[0], core):
                continue
            _mark(found, ink, area, spots, boxed=True)
            line, rest = _rest_of_line(ink, area, spots, core, half)
            _mark(found, ink, line, rest, boxed=False)


def _mark(found: Mask, ink: Floats, area: Area, spots: list[_Spot], *, boxed: bool) -> None:
    """Mark, in place, spots of an area, and where they may be `boxed` the paper on which they stand."""
    for spot in spots:
        found[area][spot.top : spot.bottom, spot.left : spot.right] |= spot.pixels
    if boxed and spots:
        _fill_boxes(found[area], ink[area] < _PAPER, spots)


def _rest_of_line(ink: Floats, area: Area, spots: list[_Spot], core: float, half: float) -> tuple[Area, list[_Spot]]:
    """Where the line of a word runs on beyond its corner, and the letters there that join it, with its small marks."""
    tall = max(spot.height for spot in spots)
    top, bottom = (area[0].start + edge for edge in (min(spot.top for spot in spots), max(spot.bottom for spot in spots)))
    rows = slice(max(round(top - _PADDING * tall), 0), min(round(bottom + _PADDING * tall), ink.shape[0]))
    wide = round(_SIDE * ink.shape[1])
    columns = slice(0, wide) if area[1].start == 0 else slice(ink.shape[1] - wide, ink.shape[1])
    line, down, across = ink[rows, columns], area[0].start - rows.start, area[1].start - columns.start
    kept = [
        each._replace(top=each.top + down, bottom=each.bottom + down, left=each.left + across, right=each.right + across) for each in spots
    ]
    rest = [each for each in _spots(line, core, half) if _is_even(line, each)]
    joined = list(kept)
    while more := [each for each in rest if any(_side_by_side(each, one) for one in joined)]:
        joined += more
        rest = [each for each in rest if not any(each is one for one in more)]
    return (rows, columns), joined + (_marks(line, joined, tall, core, half) if len(joined) > 1 else [])


def _marks(line: Floats, letters: list[_Spot], tall: int, core: float, half: float) -> list[_Spot]:
    """Points, degree signs and the like between and beside the letters of a line."""
    labels, count = ndimage.label(line > half, np.ones((3, 3)))
    if count > _MOST:
        return []
    top, bottom = min(each.top for each in letters), max(each.bottom for each in letters)
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        pixels = labels[box] == number
        mark = _Spot(box[0].start, box[0].stop, box[1].start, box[1].stop, pixels, False)
        beside = any(max(mark.left, each.left) - min(mark.right, each.right) <= _NEAR * tall for each in letters)
        small = mark.height <= _MARK * tall and mark.right - mark.left <= _MARK * tall and top <= mark.top and mark.bottom <= bottom
        if small and beside and np.count_nonzero(line[box][pixels] > core) >= _SHARP * np.count_nonzero(pixels):
            found.append(mark)
    return found


def _drawn_in_one(ink: Floats, spot: _Spot) -> bool:
    """Whether a spot is no wider than a letter and of one grey inside its soft rim."""
    return _is_even(ink, spot) and spot.right - spot.left <= _WIDEST_LETTER * spot.height


def _is_crisp(ink: Floats, spot: _Spot, core: float) -> bool:
    """Whether a spot is nearly all sure ink, and large enough for that to tell."""
    sure = (ink[spot.top : spot.bottom, spot.left : spot.right][spot.pixels] > core).mean()
    return bool(spot.height >= _TALL and sure >= _CRISP)


def _is_even(ink: Floats, spot: _Spot) -> bool:
    """Whether a spot is of one grey inside its soft rim."""
    part = ink[spot.top : spot.bottom, spot.left : spot.right]
    core = ndimage.binary_erosion(spot.pixels)
    greys = part[core if np.count_nonzero(core) >= _CORE_PIXELS else spot.pixels & (part > _CORE)]
    uneven = np.percentile(np.abs(greys - np.median(greys)), 75) if greys.size else np.inf
    return bool(uneven <= _UNEVEN)


def _fill_boxes(found: Mask, paper: Mask, spots: list[_Spot]) -> None:
    """Mark, in place, the rectangles and discs of plain paper that spots of ink stand on."""
    labels, _ = ndimage.label(paper)
    under = {int(i) for spot in spots for i in np.unique(labels[spot.top : spot.bottom, spot.left : spot.right]) if i}
    boxes = ndimage.find_objects(labels)
    for i in under:
        box = boxes[i - 1]
        inside = ndimage.binary_fill_holes(labels[box] == i)
        if not 64 < inside.size < _WIDEST_BOX * paper.size:
            continue
        if inside.mean() > _RECTANGULAR or _is_disc(inside):
            found[box] |= inside


def _is_disc(shape: Mask) -> bool:
    """Whether a shape fills the circle in its square."""
    tall, wide = shape.shape
    y, x = np.indices(shape.shape)
    circle = np.hypot((y - (tall - 1) / 2) / tall, (x - (wide - 1) / 2) / wide) <= 0.5
    return bool(max(tall, wide) <= _ROUND * min(tall, wide) and (circle == shape).mean() > _CIRCULAR)


def _corners(shape: tuple[int, ...]) -> list[Area]:
    """Where panel letters stand: strips at the top and the bottom of the picture, a sixth of it high, at either side."""
    tall, wide = (max(16, round(0.2 * side)) for side in shape)
    rows, columns = (slice(0, tall), slice(shape[0] - tall, shape[0])), (slice(0, wide), slice(shape[1] - wide, shape[1]))
    return [(row, column) for row in rows for column in columns]


def _spots(ink: Floats, core: float = _CORE, half: float = _HALF) -> list[_Spot]:
    """Spots of ink with the sharp edges and narrow strokes of letters."""
    labels, count = ndimage.label(ink > half, np.ones((3, 3)))
    if not 0 < count <= _MOST:
        return []
    sure = np.bincount(labels[ink > core], minlength=count + 1)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    spots = []
    for region in regionprops(labels):
        top, left, bottom, right = region.bbox
        tall, wide = bottom - top, right - left
        cut = top == 0 or left == 0 or bottom == ink.shape[0] or right == ink.shape[1]
        fits = 6 <= tall <= 0.8 * ink.shape[0] and 2 <= wide <= 2.5 * tall and not cut
        if not fits or sure[region.label] < _SHARP * area[region.label]:
            continue
        if 2 * _thickness(region.image) <= max(3.0, _THICK * tall):
            spots.append(_Spot(top, bottom, left, right, region.image, _winding(region)))
    return spots


def _winding(region: Any) -> bool:
    """Whether a shape has the bays of a letter; a ring, which a particle may show, has none."""
    return bool(region.solidity < _SOLID and region.area_filled < _BAYS * region.area_convex)


def _thickness(shape: npt.NDArray[Any]) -> float:
    """Greatest distance of a pixel from the edge."""
    return float(ndimage.distance_transform_edt(np.pad(shape, 1)).max())


def _words(spots: list[_Spot], alone: bool) -> list[_Spot]:
    """The spots that stand in a row with others of their kind or, where they may stand alone, wind like a letter."""
    kept = []
    for one in spots:
        beside = [other for other in spots if other is not one and _side_by_side(one, other)]
        winding = one.winding + sum(other.winding for other in beside)
        if (beside and winding >= min(2, len(beside))) or (alone and one.winding and len(spots) <= 4):
            kept.append(one)
    return kept


def _side_by_side(one: _Spot, other: _Spot) -> bool:
    taller = max(one.height, other.height)
    gap = max(one.left, other.left) - min(one.right, other.right)
    line = abs(one.bottom - other.bottom) <= 0.3 * taller and min(one.height, other.height) >= 0.5 * taller
    return line and gap <= 1.0 * taller
