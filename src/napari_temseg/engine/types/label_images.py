"""What the numbers of label images may mean: one a particle, anew in each plane, through planes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.errors import TemsegError

_FEWEST = 3  # numbers from which one piece each is a sign
_WHOLE = 0.95  # of the pixels of a number are in its largest piece: the rest are specks
_MOSTLY = 0.8  # the same: with less the pieces are more than what a crack or a stray stroke leaves
_THROUGH = 0.5  # of the numbers on two neighbouring planes lie over themselves: they mean the same particle

Labels = npt.NDArray[np.integer[Any]]


def one_a_particle(arrays: Iterable[Labels]) -> int:
    """How many numbers an image holds where each is in one piece in every plane, as if every particle had its own; 0 where not.

    Arrays are (…, Y, X). Fewer than three numbers say nothing.
    """
    most = 0
    for array in arrays:
        for plane in array.reshape((-1, *array.shape[-2:])):
            numbers, share = _largest_shares(plane)
            if (share < _WHOLE).any():
                return 0
            most = max(most, len(numbers))
    return most if most >= _FEWEST else 0


def is_mask(labels: Labels) -> bool:
    """Whether an image (…, Y, X) holds one number for all its particles: on some plane that is in several pieces of like size."""
    planes = labels.reshape((-1, *labels.shape[-2:]))
    numbers = [_largest_shares(plane) for plane in planes]
    return len({int(n) for values, _ in numbers for n in values}) == 1 and any((share < _MOSTLY).any() for _, share in numbers)


def _largest_shares(plane: Labels) -> tuple[Labels, npt.NDArray[np.float64]]:
    """The numbers above 0 of a plane, and which share of the pixels of each is in its largest piece (8-connected)."""
    from skimage.measure import label

    values, codes = np.unique(plane, return_inverse=True)
    codes = codes.reshape(plane.shape) + 1
    pieces = label(codes, connectivity=2)  # neighbours of another number are another piece
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), np.intp)
    owner[pieces.ravel()] = codes.ravel()
    largest = np.zeros(len(values) + 1, np.intp)
    np.maximum.at(largest, owner, sizes)
    shares = largest[1:] / np.bincount(codes.ravel(), minlength=len(values) + 1)[1:]
    return values[values > 0], shares[values > 0]


def check_planes(labels: Labels, found: npt.NDArray[np.int64], name: str) -> None:
    """`TemsegError` where a number of a stack (P, Y, X) is on more than one plane, with what can be done about it.

    `found` holds the numbers of each plane, one plane after the other.
    """
    numbers, count = np.unique(found, return_counts=True)
    if not (count > 1).any():
        return
    number = numbers[count > 1][0]
    if go_through_planes(labels):
        on = np.flatnonzero([(plane == number).any() for plane in labels])
        raise TemsegError(
            f"{name}: label {number} goes on from plane {on[0]} to plane {on[-1]}, as for particles in 3-D or followed in time, which "
            "are not measured as wholes; --labels-per-plane measures their sections one by one (in Python labels_per_plane=True), or "
            "give one plane."
        )
    raise TemsegError(
        f"{name}: label {number} is on more than one plane; if numbers start anew in each, say so with --labels-per-plane "
        "(in Python labels_per_plane=True), else number the particles through the whole stack."
    )


def go_through_planes(labels: Labels) -> bool:
    """Whether numbers of a stack (P, Y, X) mean the same particle on neighbouring planes: most lie over themselves there."""
    over = shared = 0
    for lower, upper in pairwise(labels):
        both = np.intersect1d(lower[lower > 0], upper[upper > 0])
        shared += len(both)
        over += len(np.unique(lower[(lower == upper) & (lower > 0)]))
    return shared > 0 and over >= _THROUGH * shared


def numbered_through(labels: Labels) -> npt.NDArray[np.int64]:
    """Labels (P, Y, X) whose numbers start anew in each plane, each plane's moved up by the highest of those before."""
    through, top = np.zeros(labels.shape, np.int64), 0
    for index, plane in enumerate(labels):
        through[index] = np.where(plane > 0, plane + np.int64(top), 0)
        top = max(top, int(through[index].max(initial=0)))
    return through
