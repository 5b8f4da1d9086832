"""Exact squared distances to the nearest pixel outside, of shapes that are not thick: several times as fast as a transform for any.

First along columns, then over the columns to either side (T. Saito & J. Toriwaki, Pattern Recognit. 27 (1994) 1551), as far as any pixel
of a strip of rows is deep. Whole numbers all the way, so that the result is that of `scipy.ndimage.distance_transform_edt`, squared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_THICK = 120  # px to the nearest pixel outside from which on the transform for any shape is no slower
_STRIP = 32  # rows that are looked at together: what fits the processor's memory


def squared_distances(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.integer[Any]]:
    """Square of the distance (px) of each pixel of a `mask` (Y, X) to the nearest outside it; what lies beyond the plane is neither."""
    found = _of_thin(mask)
    if found is not None:
        return found
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    row, column = (axis - np.arange(n).reshape(shape) for axis, n, shape in zip(nearest, mask.shape, ((-1, 1), (1, -1)), strict=True))
    return np.asarray(row.astype(np.int64) ** 2 + column.astype(np.int64) ** 2)


def distances(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Distance (px) of each pixel of a `mask` (Y, X) to the nearest pixel outside it."""
    squares = squared_distances(mask)
    # Of whole numbers below 2¹⁶ the root is rounded the same either way.
    return np.asarray(np.sqrt(squares.astype(np.float32 if squares.dtype == np.uint16 else np.float64)), np.float32)


def _of_thin(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16] | None:
    """The same; None where a pixel is deeper than `_THICK`."""
    squares = _along_columns(mask)
    np.multiply(squares, squares, out=squares)
    for top in range(0, len(squares), _STRIP):
        strip = squares[top : top + _STRIP]
        best = strip.copy()
        step = 0
        deepest = int(best.max(initial=0))
        while (step + 1) ** 2 < deepest:
            for _ in range(4):  # the deepest is not asked for each time
                step += 1
                near = strip + np.uint16(step * step)
                np.minimum(best[:, step:], near[:, :-step], out=best[:, step:])
                np.minimum(best[:, :-step], near[:, step:], out=best[:, :-step])
            deepest = int(best.max(initial=0))
        if deepest >= _THICK**2:
            return None
        squares[top : top + _STRIP] = best
    return squares


def _along_columns(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """Distance of each pixel of a mask to the nearest pixel outside it in its column, `_THICK` at most."""
    inside = mask.astype(np.uint16)
    found = np.empty(mask.shape, np.uint16)
    most = np.uint16(_THICK)
    before = np.full(mask.shape[1], most)
    for row, here in enumerate(inside):
        before = np.minimum(before + np.uint16(1), most) * here
        found[row] = before
    before = np.full(mask.shape[1], most)
    for row in range(len(inside) - 1, -1, -1):
        before = np.minimum(before + np.uint16(1), most) * inside[row]
        np.minimum(found[row], before, out=found[row])
    return found
