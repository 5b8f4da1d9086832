"""One particle parted into as many as there are centres in it: cut where the way across is short, or runs along an edge of the picture.

Paths inside the particle from each centre, dear where it is narrow, say what certainly belongs to a centre: what is nearer to it than
`NEARER_BY` times as near to any other. Through what lies between the least cut is sought (a minimum cut of the graph of pixels, Y. Boykov
and M.-P. Jolly, ICCV 2001), a border between two pixels costing the less the steeper the picture is there. A centre need not lie in the
middle of its particle: the watershed of the distance to the outline, which asks for that, leaves slivers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, dijkstra, maximum_flow

from napari_temseg.engine.particles.cutting.basins import PAIRS

NEARER_BY = 0.6  # chosen with `ALONG_EDGES` on 240 pairs of touching particles drawn by hand, centres up to a third of their radius off
ALONG_EDGES = 1.0  # how much less a border costs where the picture is as steep as at the steeper quarter of the particle, as an exponent
SMOOTHED = 1.0  # px of smoothing of the picture
LOOKED_AT = 10000  # px of a particle that are looked at: a larger one is on coarser pixels
WHOLE = 1000  # capacities are whole numbers: this is 1
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


def parted(mask: Mask, centres: npt.NDArray[np.intp], image: npt.NDArray[Any] | None = None) -> Ints:
    """Labels 1…n (Y, X) of the pieces of `mask` round the pixels `centres` (n, 2) inside it, 0 elsewhere; each holds its centre.

    `image` (Y, X) shows the creases between particles; without it the shape alone tells.
    """
    step = int(np.ceil(np.sqrt(np.count_nonzero(mask) / LOOKED_AT)))
    if step <= 1:
        return _parted(mask, centres, image)
    ends = [slice(step // 2, None, step)] * 2
    coarse = mask[*ends].copy()
    places = np.minimum(centres // step, np.array(coarse.shape) - 1)
    coarse[tuple(places.T)] = True
    if len(np.unique(places, axis=0)) < len(places):
        return _parted(mask, centres, image)
    pieces = _parted(coarse, places, None if image is None else ndimage.uniform_filter(_grey(image), step)[*ends])
    grid = (np.indices(mask.shape) - step // 2) / step
    shares = [ndimage.map_coordinates(_spread(pieces, n), grid, order=1, mode="nearest") for n in range(1, len(centres) + 1)]
    fine = np.where(mask, np.argmax(shares, axis=0) + 1, 0).astype(np.int32)
    fine[tuple(centres.T)] = np.arange(1, len(centres) + 1)
    return fine


def _spread(pieces: Ints, number: int) -> Floats:
    """1 where a piece is or is nearest, 0 elsewhere, softened so that its border does not show the coarser pixels."""
    nearest = ndimage.distance_transform_edt(pieces == 0, return_distances=False, return_indices=True)
    spread: Floats = ndimage.gaussian_filter((pieces[tuple(nearest)] == number).astype(np.float64), 0.7)
    return spread


def _grey(image: npt.NDArray[Any]) -> Floats:
    return np.nan_to_num(np.asarray(image, np.float64))


def _parted(mask: Mask, centres: npt.NDArray[np.intp], image: npt.NDArray[Any] | None) -> Ints:
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(np.count_nonzero(mask))
    first, second, length = _neighbours(number)
    paths = _paths(mask, first, second, length, number[tuple(centres.T)])
    border = 1 / length
    if image is not None:
        steep = _steepness(image)[mask]
        steep = steep / max(float(np.percentile(steep, 75)), 1e-9)
        border = border * np.exp(-ALONG_EDGES * np.maximum(steep[first], steep[second]))
    capacity = np.maximum(WHOLE * border, 1).astype(np.int32)
    piece = np.full(len(paths[0]), len(centres), np.int32)
    left = np.ones(len(piece), bool)
    for each in range(len(centres) - 1):
        others = paths[each + 1 :].min(axis=0)
        own = left & (paths[each] < NEARER_BY * others)
        theirs = left & (others < NEARER_BY * paths[each])
        among = left[first] & left[second]
        taken = left & _least_cut(first[among], second[among], capacity[among], own, theirs)
        piece[taken] = each + 1
        left &= ~taken
    pieces = np.zeros(mask.shape, np.int32)
    pieces[mask] = piece
    return pieces


def _neighbours(number: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Pairs of the 8 neighbours by their numbers, −1 being none, and how far apart they are (px)."""
    pairs, lengths = [], []
    for (here, there), length in zip(PAIRS, (1.0, np.sqrt(2), 1.0, np.sqrt(2)), strict=True):
        one, other = number[here].ravel(), number[there].ravel()
        both = (one >= 0) & (other >= 0)
        pairs.append(np.stack([one[both], other[both]]))
        lengths.append(np.full(np.count_nonzero(both), length))
    first, second = np.concatenate(pairs, axis=1)
    return first, second, np.concatenate(lengths)


def _paths(mask: Mask, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], length: Floats, centres: npt.NDArray[np.intp]) -> Floats:
    """From each centre to each pixel (n, pixels): length over the distance to the outline, summed up; infinite where no path leads."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][mask]
    graph = sparse.csr_array((length / np.minimum(depth[first], depth[second]), (first, second)), shape=(len(depth), len(depth)))
    paths: Floats = dijkstra(graph, directed=False, indices=centres)
    return paths


def _steepness(image: npt.NDArray[Any]) -> Floats:
    slopes = np.gradient(ndimage.gaussian_filter(_grey(image), SMOOTHED))
    return np.asarray(np.hypot(*slopes), np.float64)


def _least_cut(first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], capacity: Ints, own: Mask, theirs: Mask) -> Mask:
    """The pixels on the side of `own` of the least cut between them and `theirs`."""
    n = len(own)
    source, sink, endless = n, n + 1, np.int32(2**30)
    here, there = np.flatnonzero(own), np.flatnonzero(theirs)
    rows = np.concatenate([first, second, np.full(len(here), source), there]).astype(np.int32)
    columns = np.concatenate([second, first, here, np.full(len(there), sink)]).astype(np.int32)
    values = np.concatenate([capacity, capacity, np.full(len(here) + len(there), endless, np.int32)])
    graph = sparse.csr_array((values, (rows, columns)), shape=(n + 2, n + 2))
    free = graph - maximum_flow(graph, source, sink).flow
    free.data = (free.data > 0).astype(np.int8)
    free.eliminate_zeros()
    reached = breadth_first_order(free, source, return_predecessors=False)
    side = np.zeros(n + 2, bool)
    side[reached] = True
    return side[:n]
