"""Outlines of filled labels are moved to where the picture is steepest, where they lie fat or thin of it and an edge is seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from napari_temseg.engine.types.results import FIRST_CLASS, UNLABELLED

OF_WIDTH, LEAST_FAR, MOST_FAR = 0.4, 2.0, 10.0  # of a region's half width: as far an outline may move, but so many px at least and at most
STAYS_DEEP = 0.5  # of the half width of a region, or of a gap: what is deeper stays what it is, so that no region and no gap is lost
FAR_COUNTS = 0.7  # by so much less the steepness counts at that distance, growing as its square: of edges alike the nearer one is taken
CLEAR_EDGE = 1.4  # × the upper quartile of the steepness away from outlines: less is no edge, ridges of noise are 1.2 ×
EDGE_SCALE = 1.0  # px: Gaussian scale of the gradient
SEES = 64  # px: beyond this margin nothing of a plane changes what is done within

Classes = npt.NDArray[np.uint8]


def at_steepest(pixels: npt.NDArray[np.float32], filled: Classes, strokes: Classes) -> Classes:
    """Labels (Y, X) whose outlines lie at the steepest place near by: watershed of the gradient magnitude (S. Beucher and C. Lantuéjoul,
    1979) from what is deep inside and far outside.

    `filled` and `strokes` are class numbers (0 unlabelled, 1 background, 2… classes) on `pixels`. A classifier that saw strokes in the
    middle of particles and far from them alone puts the outline anywhere between. Strokes, what is unlabelled, and regions that show no
    clear edge stay as they were.
    """
    inside = filled >= FIRST_CLASS
    region, n = ndimage.label(inside)
    if not n:
        return filled
    depth = ndimage.distance_transform_edt(inside)
    gap, (y, x) = ndimage.distance_transform_edt(~inside, return_indices=True)
    deepest = np.r_[0, ndimage.maximum(depth, region, np.arange(1, n + 1))]
    nearest = region[y, x]
    most = np.clip(OF_WIDTH * deepest, LEAST_FAR, MOST_FAR)[nearest]
    narrow = STAYS_DEEP * ndimage.maximum_filter(gap, size=2 * int(MOST_FAR) + 1)
    sure = np.where(inside, depth > np.minimum(most, STAYS_DEEP * deepest[region]), (gap > np.minimum(most, narrow)) | _between(nearest))
    markers = np.where(strokes != UNLABELLED, strokes, np.where(sure, filled, UNLABELLED)).astype(np.int32)
    steep = ndimage.gaussian_gradient_magnitude(pixels, EDGE_SCALE)
    near = np.clip((np.where(inside, depth, gap) - 0.5) / most, 0, 1)
    moved = watershed(steep * (1 - FAR_COUNTS * near**2), markers, mask=filled != UNLABELLED).astype(np.uint8)
    moved[moved == UNLABELLED] = filled[moved == UNLABELLED]  # what unlabelled pixels cut off from all that is sure
    return np.where(_unclear(steep, filled, moved), filled, moved)


def _between(nearest: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """The line between regions, by the `nearest` of each pixel: two never become one."""
    line = np.zeros(nearest.shape, np.bool_)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differs = nearest[one] != nearest[other]
        line[one] |= differs
        line[other] |= differs
    return line


def _unclear(steep: npt.NDArray[np.float32], filled: Classes, moved: Classes) -> npt.NDArray[np.bool_]:
    """The regions, before and after, whose outline is no steeper than what lies about."""
    after = moved >= FIRST_CLASS
    inner, outer = after & ~ndimage.binary_erosion(after, border_value=1), ndimage.binary_dilation(after) & ~after
    away = steep[~ndimage.binary_dilation(inner | outer, iterations=3) & (moved != UNLABELLED)]
    region, n = ndimage.label(after | (filled >= FIRST_CLASS))
    if not away.size or not n:
        return np.zeros(filled.shape, np.bool_)
    edge = np.nan_to_num(ndimage.median(steep, np.where(inner, region, 0), np.arange(1, n + 1)))
    unclear: npt.NDArray[np.bool_] = np.r_[False, edge < CLEAR_EDGE * np.percentile(away, 75)][region]
    return unclear
