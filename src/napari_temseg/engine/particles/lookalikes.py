"""Particles that look like those somebody deleted: what was corrected in a part of a picture tells what is wrong in the rest of it.

In the part every particle is an example of a right one, and everything deleted of a wrong one. Where hardly any was left there, all
others of the plane stand for the right ones, though some are not: what was deleted is told from them as a whole. A logistic regression on
how they look (size, shape, what the model said, contrast, texture, blob strength at several scales) judges what lies outside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.particles.label_changes import Ints, Mask, Window
from napari_temseg.engine.types.errors import TemsegError

SCALES = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)  # of blobs that are looked for, in usual diameters
LEAST_RIGHT = 3  # particles that a part must hold, or else the rest of the plane, to be an example
REGULARISATION = 0.1  # its inverse strength: examples are few
WRONG_BELOW = 0.3  # probability of being right: rather one left than one too many taken
JUDGED_AGAIN = 4  # of judging by the rest of the plane, each without what looked wrong in the one before
# Where the rest of the plane stands for the right ones, what a share f of it is like the deleted ones has f / (1 + f), at most a half.
UNLIKE_REST_BELOW = 0.5
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CorrectedPlane:
    """A plane as it is and as it was found, all (Y, X): `image`, `labels`, `found` (labels before any correction), `foreground`
    (probability of any particle; None where nobody knows it) and `depth` (learnt distance, or None). `carriers` are labels that get
    back what lies beneath a particle that is deleted: the large ones of two populations."""

    image: npt.NDArray[np.float32]
    labels: Ints
    found: Ints
    foreground: npt.NDArray[np.float32] | None = None
    depth: npt.NDArray[np.float32] | None = None
    carriers: Collection[int] = ()

    def given_up(self) -> Mask:
        """Pixels (Y, X) of what was found and is no particle any more."""
        back = np.isin(self.labels, list(self.carriers)) & (self.labels != self.found)
        gone: Mask = (self.found > 0) & ((self.labels == 0) | back)
        return gone


def like_the_deleted(plane: CorrectedPlane, parts: Sequence[Window], wrong: Collection[int] = ()) -> list[int]:
    """Labels outside `parts`, rows and columns that were corrected, which look like what was deleted there; the surest first.

    `wrong` are labels that were not deleted and are no particles either. `TemsegError` where the parts hold too little to tell by.
    """
    here = np.zeros(plane.labels.shape, bool)
    for part in parts:
        here[part] = True
    inside, spoilt = _mostly(plane.labels, here), np.asarray(list(wrong), np.int64)
    free = plane.given_up()
    gone, right = _mostly(plane.found, free & here), np.setdiff1d(inside, spoilt)
    if not len(gone) + len(np.intersect1d(inside, spoilt)):
        raise TemsegError("Nothing was deleted in that part: delete what is no particle there first, then draw the box round it.")
    by_rest = len(right) < LEAST_RIGHT
    if by_rest:
        right = np.setdiff1d(np.unique(plane.labels[plane.labels > 0]), spoilt)
    if len(right) < LEAST_RIGHT:
        few = f"{len(right)} particle{'' if len(right) == 1 else 's'}"
        raise TemsegError(f"Only {few} would be left in the image, too few to tell what was deleted from: delete the others one by one.")
    examples, last = plane.labels.copy(), int(plane.labels.max())
    number = np.zeros(int(plane.found.max()) + 1, np.int32)
    number[gone] = last + 1 + np.arange(len(gone))
    back = free & (number[plane.found] > 0)
    examples[back] = number[plane.found[back]]
    areas = _Areas.of(examples)
    known = np.isin(areas.numbers, inside) | (areas.numbers > last)
    taught = known | np.isin(areas.numbers, right)
    looks = _looks(plane, examples, areas, float(np.sqrt(4 / np.pi * np.median(areas.count[np.isin(areas.numbers, right)]))))
    from sklearn.linear_model import LogisticRegression

    judge = LogisticRegression(C=REGULARISATION, max_iter=1000, class_weight="balanced" if by_rest else None)
    wrong_below, is_right = (UNLIKE_REST_BELOW if by_rest else WRONG_BELOW), np.isin(areas.numbers, right)
    for _ in range(JUDGED_AGAIN if by_rest else 1):
        chance = judge.fit(looks[taught], is_right[taught]).predict_proba(looks)[:, 1]
        stays = taught & (known | (chance >= UNLIKE_REST_BELOW))  # what looks wrong is no example of a right one any more
        if not (stays & is_right).any():
            break
        taught = stays
    alike = np.flatnonzero(~known & (chance < wrong_below) & ~np.isin(areas.numbers, [*spoilt, *_too_large(plane, areas, last)]))
    return [int(n) for n in areas.numbers[alike[np.argsort(chance[alike])]]]


def _too_large(plane: CorrectedPlane, areas: _Areas, last: int) -> Collection[int]:
    """The carriers, where all that was deleted, numbers above `last`, is smaller than they: the others' like is sought among the others."""
    deleted, carriers = areas.count[areas.numbers > last], areas.count[np.isin(areas.numbers, list(plane.carriers))]
    return plane.carriers if len(deleted) and len(carriers) and deleted.max() < carriers.min() else ()


def _mostly(labels: Ints, here: Mask) -> npt.NDArray[np.int64]:
    """Labels more than half of which lies `here`."""
    whole = np.bincount(labels.ravel())
    most = 2 * np.bincount(labels[here], minlength=len(whole)) > whole
    most[0] = False
    return np.flatnonzero(most)


@dataclass(frozen=True, eq=False)
class _Areas:
    """The pixels of labels, sorted by label: means and maxima over each of `numbers` (ascending)."""

    numbers: Ints
    pixels: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @classmethod
    def of(cls, labels: Ints) -> _Areas:
        pixels = np.flatnonzero(labels)
        pixels = pixels[np.argsort(labels.ravel()[pixels], kind="stable")]
        numbers, starts = np.unique(labels.ravel()[pixels], return_index=True)
        return cls(numbers, pixels, starts)

    @property
    def count(self) -> Floats:
        return np.diff(np.append(self.starts, len(self.pixels))).astype(float)

    def mean(self, values: npt.NDArray[Any]) -> Floats:
        """Mean of `values` (Y, X) over each."""
        return np.asarray(np.add.reduceat(values.ravel()[self.pixels].astype(float), self.starts) / self.count)

    def most(self, values: npt.NDArray[Any]) -> Floats:
        """Maximum of `values` (Y, X) over each."""
        return np.asarray(np.maximum.reduceat(values.ravel()[self.pixels], self.starts), float)

    def spread(self, values: npt.NDArray[Any]) -> Floats:
        """Standard deviation of `values` (Y, X) over each."""
        return np.asarray(np.sqrt(np.maximum(self.mean(values.astype(float) ** 2) - self.mean(values) ** 2, 0)))


def _rings(labels: Ints, usual: float) -> Ints:
    """The number of the nearest label in a ring round it, 0 elsewhere."""
    away, (y, x) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return np.where((away > 1.5) & (away < 1.5 + max(3.0, usual / 3)), labels[y, x], 0)


def _of_all(areas: _Areas, values: Floats, numbers: Ints, otherwise: Floats) -> Floats:
    """Values of the areas for each of `numbers`; a label without an area has that of `otherwise`."""
    whole = otherwise.copy()
    whole[np.searchsorted(numbers, areas.numbers)] = values
    return whole


def _looks(plane: CorrectedPlane, labels: Ints, areas: _Areas, usual: float) -> Floats:
    """What each label looks like, (n, features), each feature of mean 0 and spread 1; `usual` is a diameter in px."""
    image = np.nan_to_num(plane.image)
    image = (image - image.mean()) / max(float(image.std()), 1e-6)
    rings = _Areas.of(_rings(labels, usual))
    sides = np.array([[s.stop - s.start for s in where] for where in ndimage.find_objects(labels) if where is not None], float)
    wide = int(4 * usual) | 1
    local = ndimage.uniform_filter(image, wide)
    rough = areas.mean(np.sqrt(np.maximum(ndimage.uniform_filter(image**2, wide) - local**2, 1e-6)))
    grey = areas.mean(image)
    around = _of_all(rings, rings.mean(image), areas.numbers, areas.mean(local))
    texture = _of_all(rings, rings.spread(image), areas.numbers, rough)
    sigmas = [max(scale * usual / 2 / np.sqrt(2), 0.5) for scale in SCALES]
    blobs = [areas.most(-(sigma**2) * ndimage.gaussian_laplace(image, sigma)) for sigma in sigmas]
    looks = [np.log(areas.count), sides.min(axis=1) / sides.max(axis=1), areas.count / sides.prod(axis=1)]
    looks += [grey, grey - around, areas.spread(image), texture, areas.mean(image - local), areas.most(image - local), rough]
    looks += [*blobs, *(blob / rough for blob in blobs)]
    if plane.foreground is not None:
        likely = areas.mean(plane.foreground)
        looks += [np.log((likely + 1e-3) / (1 - likely + 1e-3)), areas.most(plane.foreground)]
    if plane.depth is not None:
        looks += [areas.mean(plane.depth), areas.most(plane.depth)]
    table = np.stack(looks, axis=1)
    return np.asarray((table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-6))
