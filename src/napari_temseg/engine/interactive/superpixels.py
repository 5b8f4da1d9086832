"""A plane as a grid of small square cells: what strokes say spreads over it, to where the picture looks the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

Floats = npt.NDArray[np.float32]

CELL = 4  # px: finer gained nothing on micrographs of emps tune, superpixels neither
MOST_SUPERPIXELS = 60_000  # cells of a plane; a larger picture gets larger cells
ALIKE = 8.0  # how fast neighbours that look different stop listening to each other
TRUST = 0.03  # how strongly a cell of one CELL² stays with what the model said, against a neighbour that looks the same
DRAWN = 3.0  # how strongly a cell crossed by a stroke goes with it
REACH = 3.0  # × the half width of what a stroke on a particle lies in, from the stroke to where that particle may end


def cell_side(frame: tuple[int, int]) -> int:
    """Side in px of the cells for a picture (Y, X)."""
    return max(CELL, int(np.ceil(np.sqrt(frame[0] * frame[1] / MOST_SUPERPIXELS))))


@dataclass(frozen=True, eq=False)
class Superpixels:
    """`prior` (K, cy, cx): class probabilities by the model, summing to one; `look` (cy, cx, L): what tells edges, in SDs."""

    prior: Floats
    look: Floats
    side: int

    @cached_property
    def _bonds(self) -> sparse.csr_matrix:
        """Laplacian of the grid: the more alike two neighbours, the stronger their bond."""
        height, width = self.look.shape[:2]
        number = np.arange(height * width).reshape(height, width)
        pairs, weights = [], []
        for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
            apart = ((self.look[one] - self.look[other]) ** 2).sum(axis=-1)
            pairs.append((number[one].ravel(), number[other].ravel()))
            weights.append(np.exp(-ALIKE * apart.ravel().astype(np.float64)))
        i, j, w = np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]), np.concatenate(weights)
        bonds = sparse.coo_matrix((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), (number.size, number.size)).tocsr()
        laplacian: sparse.csr_matrix = sparse.diags(np.asarray(bonds.sum(axis=1)).ravel()) - bonds
        return laplacian

    def tally(self, strokes: npt.NDArray[np.uint8], n_classes: int) -> Floats:
        """Stroked pixels (K, cy, cx) of classes 1 … K in each cell."""
        height, width = self.prior.shape[1:]
        y, x = np.nonzero(strokes)
        cell = (y // self.side) * width + x // self.side
        counts = np.bincount((strokes[y, x].astype(np.int64) - 1) * (height * width) + cell, minlength=n_classes * height * width)
        return counts[: n_classes * height * width].reshape(n_classes, height, width).astype(np.float32)

    def spread(self, prior: Floats, tally: Floats) -> Floats:
        """Class probabilities (K, cy, cx) that agree with the strokes and stay near `prior` elsewhere.

        The random walker with priors (Grady 2005, "Multilabel random walker image segmentation using prior models", CVPR): minimises
        the sum of bond · (x_i − x_j)², trust · (x − prior)² and drawn · (x − stroke)². A cell that a stroke only grazes is held less.
        """
        drawn = tally.sum(axis=0)
        pull = (DRAWN * np.minimum(1.0, drawn / self.side) ** 2).ravel().astype(np.float64)
        sure = np.abs(2 * prior.max(axis=0) - 1) if len(prior) == 2 else prior.max(axis=0)
        stay = (TRUST * (self.side / CELL) ** 2 * (0.1 + sure)).ravel().astype(np.float64)
        system = (self._bonds + sparse.diags(stay + pull)).tocsr()
        jacobi = sparse.diags(1.0 / system.diagonal())
        found = np.empty_like(prior)
        for k in range(1, len(prior)):
            said = tally[k].ravel() / np.maximum(drawn.ravel(), 1)
            start = prior[k].ravel().astype(np.float64)
            x, _ = sparse.linalg.cg(system, stay * start + pull * said, x0=start, rtol=1e-4, maxiter=300, M=jacobi)
            found[k] = x.reshape(prior.shape[1:])
        found[1:] = np.clip(found[1:], 0, 1)
        found[0] = np.clip(1 - found[1:].sum(axis=0), 0, 1)
        shares: Floats = found / np.maximum(found.sum(axis=0), 1e-6)
        return shares

    def within_reach(self, before: Floats, found: Floats, tally: Floats) -> Floats:
        """Class probabilities (K, cy, cx) that strokes made of those `before`, these put back where a particle was gained out of reach of
        the strokes on particles (`tally`, as for `spread`): further off than `REACH` half widths of what they lie in.

        In a gap between particles nothing stops what a stroke says: a small particle that is stroked there would fill it whole.
        """
        drawn, inside = tally[1:].sum(axis=0) > 0, found[0] < 0.5
        gained = inside & (before[0] >= 0.5)
        if not drawn.any() or not gained.any():
            return found
        away, nearest = ndimage.distance_transform_edt(~drawn, return_indices=True)
        strokes, count = ndimage.label(drawn, np.ones((3, 3)))
        half = np.zeros((2, count + 1))
        for found_half, region in zip(half, (gained, inside), strict=True):
            depth = ndimage.distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1]
            np.maximum.at(found_half, strokes.ravel(), depth.ravel())
        reach = REACH * np.where(half[0] > 0, half[0], half[1])  # by what was gained: beside it other particles may lie
        beyond = gained & (away > reach[strokes[tuple(nearest)]] + 1)
        return np.where(beyond, before, found)
