"""A change of some labels of one plane, small enough to be kept for undo, and where labels lie.

Labels are (Y, X) or (P, Y, X) and unique over the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError

Labels = npt.NDArray[np.integer[Any]]
Ints = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Window = tuple[slice, slice]
Number = TypeVar("Number", bound=np.integer[Any])


@dataclass(frozen=True, eq=False)
class Patch:
    """A change of the labels of one plane: `before` and `after` int32 (height, width) of the window `rows`, `columns`."""

    plane: int
    rows: slice
    columns: slice
    before: Ints
    after: Ints

    def apply(self, labels: Labels) -> None:
        """Make the change in `labels`, (Y, X) or (P, Y, X), in place."""
        page_of(labels, self.plane)[self.rows, self.columns] = self.after

    def revert(self, labels: Labels) -> None:
        """Take the change back in `labels`, in place."""
        page_of(labels, self.plane)[self.rows, self.columns] = self.before

    def inverse(self) -> Patch:
        """The patch that takes this one back."""
        return Patch(self.plane, self.rows, self.columns, self.after, self.before)

    def ids(self) -> npt.NDArray[np.int64]:
        """The labels that gain or lose pixels, ascending; labels that merely lie in the window are not among them."""
        changed = self.before != self.after
        ids = np.union1d(self.before[changed], self.after[changed]).astype(np.int64)
        return ids[ids > 0]


def page_of(labels: npt.NDArray[Number], plane: int) -> npt.NDArray[Number]:
    """One plane (Y, X) of labels, as a view; `TemsegError` for a plane that is not there."""
    n = 1 if labels.ndim == 2 else len(labels)
    if not 0 <= plane < n:
        raise TemsegError(f"There is no plane {plane}: the particles are on planes 0 to {n - 1}.")
    return labels if labels.ndim == 2 else labels[plane]


def new_id(labels: Labels) -> int:
    """A label that is not in use anywhere in the stack."""
    return int(labels.max(initial=0)) + 1


def window_of(page: Labels, ids: npt.NDArray[np.integer[Any]], margin: int = 0) -> Window:
    """The smallest window with all pixels of these labels, wider by `margin` as far as the plane reaches; empty when there are none."""
    return bounds(np.isin(page, ids), margin)


def difference(before: Labels, after: Labels, plane: int, origin: tuple[int, int] = (0, 0)) -> Patch | None:
    """What turns one version (Y, X) of a plane into another, such as brush strokes; None when nothing does.

    The versions may be of a window of the plane that begins at `origin` (y, x). `TemsegError` when their shapes differ.
    """
    if before.shape != after.shape:
        raise TemsegError(f"The labels changed their shape from {before.shape} to {after.shape}; only pixels can be corrected.")
    tight = bounds(before != after)
    if tight[0].stop <= tight[0].start:
        return None
    rows, columns = (slice(start + span.start, start + span.stop) for start, span in zip(origin, tight, strict=True))
    return Patch(plane, rows, columns, before[tight].astype(np.int32), after[tight].astype(np.int32))


def bounds(mask: Mask, margin: int = 0) -> Window:
    """The smallest window with all that is True, wider by `margin` as far as the mask reaches; empty when nothing is."""
    spans = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (margin, -margin)
        spans.append(slice(max(first - margin, 0), min(max(last + margin, 0), mask.shape[1 - axis])))
    return spans[0], spans[1]
