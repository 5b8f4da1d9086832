"""What two searches of one picture found, one for small and one for large particles, becomes one result with two populations.

Each search answers for sizes from a third to three times its own, so that what lies between both is found twice. A particle belongs to the
size that its width (the minor axis of its ellipse) is nearer to by ratio, and is kept once. Small ones on large ones are particles of their
own, and hide what is beneath them in the label image. What looks large and is but a cluster of small ones is left to these; what looks
small and is but the pieces of a large one is left to that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.shape.geometry import Foreground
from napari_temseg.engine.measure.shape.pixel_columns import moments
from napari_temseg.engine.types.populations import LARGE, SMALL
from napari_temseg.engine.types.results import BAND

SAME_OUTLINE = 0.5  # intersection over union beyond which two outlines are of the same particle
LEEWAY = 1.25  # ratio by which a width may lie beyond the middle of both sizes in the eyes of one search
UNCOVERED = 0.1  # share of a particle up to which those of the other search cover none of it
FILLED_BY_SMALL = 0.6  # share of a large particle that small ones cover from which on both are one thing, seen coarsely and finely
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Found = tuple[Labels, pd.DataFrame]  # labels 1…n of a plane, and their table


def merged(small: Found, large: Found, sizes: tuple[float, float]) -> Found:
    """One plane (Y, X) from what was found for both `sizes` (px, ascending), that of the second one first, with a column "population"."""
    (of_small, small_table), (of_large, large_table) = small, large
    keep_small, keep_large = kept_of_both(of_small, of_large, sizes)
    first, n = renumbered(of_large, keep_large)
    second, _ = renumbered(of_small, keep_small)
    labels = np.where(second > 0, second + np.int32(n), first)
    large_table = large_table[keep_large[1:]].assign(population=LARGE)
    wide = _whole_widths(of_small)[keep_small] > math.sqrt(sizes[0] * sizes[1]) * LEEWAY
    small_table = small_table[keep_small[1:]].assign(population=np.where(wide, LARGE, SMALL))
    small_table["aggregate"] += int(large_table["aggregate"].max()) if len(large_table) else 0
    table = pd.concat([large_table, small_table])
    return labels, table.set_index(pd.RangeIndex(1, len(table) + 1))


def kept_of_both(small: Labels, large: Labels, sizes: tuple[float, float]) -> tuple[Mask, Mask]:
    """Which labels (0 first) of either search are kept."""
    middle = math.sqrt(sizes[0] * sizes[1])
    small_width, large_width = _whole_widths(small), _whole_widths(large)
    keep_small, keep_large = small_width <= middle * LEEWAY, large_width >= middle / LEEWAY
    keep_small[0] = keep_large[0] = False
    one, other, common = _overlaps(small, large)
    small_area, large_area = (
        np.bincount(each.ravel(), minlength=len(width)) for each, width in ((small, small_width), (large, large_width))
    )
    same = common > SAME_OUTLINE * (small_area[one] + large_area[other] - common)
    nearer_small = np.sqrt(small_width[one] * large_width[other]) < middle
    keep_small[one[same]], keep_large[other[same]] = nearer_small[same], ~nearer_small[same]
    covering = keep_small[one] & keep_large[other]
    one, other, common = one[covering], other[covering], common[covering]
    covered = np.bincount(other, common, len(keep_large))
    filled = covered >= FILLED_BY_SMALL * np.maximum(large_area, 1)
    # Of what fills a large one the mean width, by area, tells whether it is small particles or pieces.
    width = np.exp(np.bincount(other, common * np.log(small_width[one]), len(keep_large)) / np.maximum(covered, 1))
    cluster = filled & (width < math.sqrt(sizes[0] * middle))
    keep_large &= ~cluster
    pieces = (filled & ~cluster)[other] & (2 * common > small_area[one])
    keep_small[one[pieces]] = False
    # What the search for small ones answers for stays where that for large ones, to whose size it is nearer, has nothing.
    answered = small_width <= BAND * sizes[0]
    there = np.bincount(small.ravel(), keep_large[large].ravel(), len(keep_small))
    keep_small |= answered & (small_width > middle * LEEWAY) & (there < UNCOVERED * small_area)
    keep_small[0] = False
    return keep_small, keep_large


def widths(labels: Labels) -> Floats:
    """The width in px of each label 0…n: the minor axis of the ellipse that has its moments."""
    found = np.zeros(int(labels.max(initial=0)) + 1)
    pixels = Foreground.of(labels)
    if len(pixels):
        found[pixels.ids] = np.maximum(moments(pixels, (1.0, 1.0))["ellipse_minor"], 1.0)  # of a line of pixels it is none
    return found


def _whole_widths(labels: Labels) -> Floats:
    """`widths`, where what the frame cuts is as wide as it is long along the frame, but at most twice as wide as is seen of it.

    Half of a large particle at the frame would else be a small one.
    """
    found = widths(labels)
    cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    cut = cut[cut > 0]
    if len(cut):
        pixels = Foreground.of(np.where(np.isin(labels, cut), labels, 0).astype(np.int32))
        found[pixels.ids] = np.minimum(moments(pixels, (1.0, 1.0))["ellipse_major"], 2 * found[pixels.ids])
    return found


def _overlaps(one: Labels, other: Labels) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Pairs of labels that share pixels, and how many."""
    both = (one > 0) & (other > 0)
    pairs, count = np.unique(np.stack([one[both], other[both]]), axis=1, return_counts=True)
    return pairs[0], pairs[1], count


def renumbered(labels: Labels, keep: Mask) -> tuple[Labels, int]:
    """The kept labels as 1…n, and n."""
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return numbers[labels], int(keep.sum())
