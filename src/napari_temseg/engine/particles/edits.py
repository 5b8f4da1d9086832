"""Particles corrected by hand: merge, cut, delete, redraw, and what a brush did, each as a small patch of the label image.

Nothing here changes the labels it is given; `Patch.apply` and `Patch.revert` do, in place. Labels are (Y, X) or (P, Y, X) and unique over
the stack; neighbours are the 8 of a pixel. Positions are in px, (y, x), 0 at the centre of the first pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.draw import polygon as polygon_pixels
from skimage.segmentation import watershed

from napari_temseg.engine.particles.cutting.holes import Holes
from napari_temseg.engine.particles.cutting.parting import parted
from napari_temseg.engine.particles.label_changes import Ints, Labels, Mask, Patch, Window, bounds, difference, new_id, page_of, window_of
from napari_temseg.engine.types.errors import TemsegError

__all__ = ["Patch", "cut", "delete", "difference", "fill_traced", "merge", "new_id", "part_at", "redraw", "tidy"]

CRUMB = 4  # px: pieces with less are no particles
REACH = 3.0  # px between the nearest pixels of two particles that still count as parts of one: two pixels lie between
_EIGHT = np.ones((3, 3), bool)


def merge(labels: Labels, plane: int, ids: Collection[int]) -> Patch:
    """Make particles one, under the smallest of their labels, whose class it has.

    Particles that share pixel edges keep all their pixels and gain none. Between others the gap, at most two background pixels wide (a
    watershed line), is filled. `TemsegError` when they do not all hang together that way.
    """
    page = page_of(labels, plane)
    numbers, window = _picked(page, plane, ids)
    if len(numbers) < 2:
        raise TemsegError("There is only one particle to merge; pick the particles that belong together, two or more.")
    before = page[window]
    after = np.where(np.isin(before, numbers), numbers[0], before)
    boxes = dict(zip(numbers.tolist(), _boxes(before, numbers), strict=True))
    joined = []
    for one, other in combinations(numbers.tolist(), 2):
        region = _overlap(boxes[one], boxes[other], 5)
        gap = None if region is None else _gap(before[region], one, other)
        if region is not None and gap is not None:
            after[region][gap] = numbers[0]
            joined.append((one, other))
    _refuse_apart(numbers, joined)
    return _changed(plane, before, after, window)


def cut(labels: Labels, plane: int, line: npt.ArrayLike, ids: Collection[int] | None = None) -> Patch:
    """Cut every particle (of `ids`, if given) that a line crosses from side to side; no pixel is lost.

    `line` is (n, 2), the vertices of a polyline. Drawn a pixel wide, it parts a particle into pieces; each of its own pixels then goes to
    the piece on its side of the line. The largest piece keeps the label, the others get new ones. `TemsegError` when nothing is cut.
    """
    page = page_of(labels, plane)
    pixels, beyond = _track(_vertices(line, 2, "line"), page.shape)
    numbers = np.unique(page[tuple(pixels.T)])
    numbers = numbers[numbers > 0]
    if ids is not None:
        numbers = np.intersect1d(numbers, list(ids))
    if not len(numbers):
        raise TemsegError("The line meets no particle; draw it right across one, from background to background.")
    window = window_of(page, numbers)
    before = page[window]
    after = before.copy()
    fresh = new_id(labels)
    for number, box in zip(numbers, _boxes(before, numbers), strict=True):
        origin = (window[0].start + box[0].start, window[1].start + box[1].start)
        pieces = _parted(before[box] == number, pixels - origin, beyond - origin)
        fresh = renumber(after[box], pieces, number, fresh)
    if np.array_equal(before, after):
        raise TemsegError("The line does not cross a particle from side to side; begin and end it outside the particle.")
    return _changed(plane, before, after, window)


def part_at(labels: Labels, plane: int, centres: npt.ArrayLike, image: Callable[[slice, slice], npt.NDArray[Any]] | None = None) -> Patch:
    """Part the particle that holds all `centres` (n, 2) into one piece for each (see `parting`).

    `image` gives rows and columns of the plane, whose edges tell where a short cut alone does not. `TemsegError` when they do not lie in
    one particle, or on one another.
    """
    page = page_of(labels, plane)
    places = np.rint(_vertices(centres, 2, "split")).astype(np.intp)
    inside = ((places >= 0) & (places < page.shape)).all(axis=1)
    numbers = np.unique(page[tuple(places[inside].T)]) if inside.all() else np.zeros(2, int)
    if 0 in numbers:
        raise TemsegError("A centre lies on the background; click on two centres inside one particle, or draw a line across it.")
    if len(numbers) != 1:
        raise TemsegError("The centres lie in different particles; click on two centres inside one particle, or draw a line across it.")
    window = window_of(page, numbers, margin=1)
    before = page[window]
    mask = before == numbers[0]
    if len(np.unique(places, axis=0)) < len(places):
        raise TemsegError("The centres lie on one another; click on two centres that are apart.")
    grey = None if image is None else image(*window)
    pieces = parted(mask, places - np.array([window[0].start, window[1].start]), grey)
    after = before.copy()
    renumber(after, pieces, int(numbers[0]), new_id(labels))
    return _changed(plane, before, after, window)


def delete(labels: Labels, plane: int, ids: Collection[int], under: Labels | None = None) -> Patch:
    """Turn particles into background, or into what lies `under` them: labels (Y, X) of the plane without those that hide others."""
    page = page_of(labels, plane)
    numbers, window = _picked(page, plane, ids)
    before = page[window]
    return _changed(plane, before, np.where(np.isin(before, numbers), 0 if under is None else under[window], before), window)


def redraw(labels: Labels, plane: int, number: int, polygon: npt.ArrayLike, valid: Mask | None = None) -> Patch:
    """Make particle `number`, one of the plane or a `new_id`, what a polygon (n, 2) encloses; pixels of other particles stay theirs, and
    none that is not `valid` (Y, X) becomes its own.

    Where those part what is free, the largest piece is the particle.
    """
    page = page_of(labels, plane)
    corners = _vertices(polygon, 3, "outline")
    if number < 1:
        raise TemsegError(f"{number} is not a particle; number particles from 1.")
    inside = np.zeros(page.shape, bool)
    inside[polygon_pixels(corners[:, 0], corners[:, 1], page.shape)] = True
    known = page == number
    if labels.ndim == 3 and not known.any() and (labels == number).any():
        raise TemsegError(f"Particle {number} is on another plane; draw it there, or give the new outline a new number.")
    free = _largest(inside & ((page == 0) | known) & (True if valid is None else valid))
    if not free.any():
        raise TemsegError("The outline encloses no free pixel of the picture; draw it over background or over its own particle.")
    window = bounds(free | known)
    before = page[window]
    after = np.where(free[window], number, np.where(known[window], 0, before))
    patch = difference(before, after, plane, _start(window))
    if patch is None:
        raise TemsegError(f"The outline encloses just what particle {number} is already; nothing changes.")
    return patch


def tidy(labels: Labels, plane: int, ids: Collection[int], least: float = CRUMB) -> Patch | None:
    """Put in order what a brush may leave: of a label in several pieces the largest keeps it, others get new ones, crumbs vanish.

    Crumbs have fewer px than `least`, 4 at the fewest. Labels of `ids` that are not on the plane are passed over. None when all is well.
    """
    page = page_of(labels, plane)
    numbers = np.unique(np.asarray(list(ids), np.int64))
    window = window_of(page, numbers)
    before = page[window]
    after = before.copy()
    fresh = new_id(labels)
    numbers = np.intersect1d(numbers[numbers > 0], before)
    for number, box in zip(numbers, _boxes(before, numbers), strict=True):
        pieces, count = ndimage.label(before[box] == number, _EIGHT)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            crumb = sizes < max(least, CRUMB)
            crumb[1 + sizes[1:].argmax()] = False
            after[box][crumb[pieces]] = 0
            fresh = renumber(after[box], np.where(crumb[pieces], 0, pieces), number, fresh)
    return difference(before, after, plane, _start(window))


def fill_traced(
    labels: Labels, plane: int, number: int, before: Labels, erased: Mask | None = None, valid: Mask | None = None
) -> Patch | None:
    """Make particle `number` all that strokes enclosed since the plane was `before` (Y, X): a traced outline means the particle.

    Pieces that got numbers of their own meanwhile, such as what it was before the outline went round that, are it again. Gaps that reach
    the frame, pixels that are not `valid` (Y, X) or what was `erased` (Y, X) stay, and all do where it had a hole before. None when
    nothing is enclosed.
    """
    page = page_of(labels, plane)
    if _holes_in(before, number, valid).any():
        return None
    own = np.append(np.setdiff1d(page, before), number)
    window = window_of(page, own, margin=1)
    is_own = np.isin(page[window], own)
    if not is_own.any():
        return None
    joined = np.where(is_own, number, page[window])
    holes = Holes.of(joined == 0, None if valid is None else valid[window], None if erased is None else erased[window])
    filled = (holes.filled(joined.astype(np.int32)) == number) & ~is_own
    if not filled.any():
        return None
    pieces = ndimage.label(is_own | filled, _EIGHT)[0]
    after = page[window].copy()
    for piece in np.unique(pieces[filled]):
        numbers = np.unique(after[(pieces == piece) & is_own])
        after[pieces == piece] = number if number in numbers else numbers[0]
    return difference(page[window], after, plane, _start(window))


def _holes_in(page: Labels, number: int, valid: Mask | None) -> Mask:
    """Where a particle encloses gaps, in its window with a margin of 1."""
    window = window_of(page, np.array([number]), margin=1)
    inside = page[window]
    if not inside.size:
        return np.zeros(inside.shape, bool)
    holes = Holes.of(inside == 0, None if valid is None else valid[window], None)
    found: Mask = (holes.filled(inside.astype(np.int32)) == number) & (inside != number)
    return found


def _start(window: Window) -> tuple[int, int]:
    return window[0].start, window[1].start


def _boxes(page: Labels, numbers: npt.NDArray[Any]) -> list[Window]:
    """The window of each of these labels, which are ascending and all there."""
    place = np.minimum(np.searchsorted(numbers, page), max(len(numbers) - 1, 0))
    found = ndimage.find_objects(np.where(numbers[place] == page, place + 1, 0)) if len(numbers) else []
    return [(box[0], box[1]) for box in found]


def _overlap(one: Window, other: Window, margin: int) -> Window | None:
    spans = []
    for a, b in zip(one, other, strict=True):
        first, last = max(a.start, b.start) - margin, min(a.stop, b.stop) + margin
        if last <= first:
            return None
        spans.append(slice(max(first, 0), last))
    return spans[0], spans[1]


def _changed(plane: int, before: Labels, after: Labels, window: Window) -> Patch:
    patch = difference(before, after, plane, _start(window))
    if patch is None:
        raise TemsegError("Nothing changes.")
    return patch


def _picked(page: Labels, plane: int, ids: Collection[int]) -> tuple[npt.NDArray[np.int64], Window]:
    """The labels, ascending and once each, and the window that holds them; `TemsegError` for one that is not on the plane."""
    numbers = np.unique(np.asarray(list(ids), np.int64))
    if not len(numbers):
        raise TemsegError("No particle is picked; click the particles meant first.")
    window = window_of(page, numbers)
    missing = np.setdiff1d(numbers, page[window][page[window] > 0])
    if len(missing):
        raise TemsegError(f"There is no particle {missing[0]} on plane {plane}; pick one that is.")
    return numbers, window


def _vertices(points: npt.ArrayLike, least: int, what: str) -> npt.NDArray[np.float64]:
    vertices = np.asarray(points, np.float64)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < least or not np.isfinite(vertices).all():
        raise TemsegError(f"The {what} needs {least} points (y, x) or more; draw it again.")
    return vertices


def _refuse_apart(numbers: npt.NDArray[np.int64], joined: list[tuple[int, int]]) -> None:
    n = len(numbers)
    one, other = np.searchsorted(numbers, np.asarray(joined, np.int64).reshape(-1, 2)).T
    group = connected_components(coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n)), directed=False)[1]
    if group.any():
        raise TemsegError(f"Particles {numbers[0]} and {numbers[group.argmax()]} do not touch; draw the bridge with the brush.")


def _gap(window: Labels, one: int, other: int) -> Mask | None:
    """The background pixels that part two particles which nearly touch: none where they share pixel edges, None where they are apart."""
    # Repeating the outermost pixels lets a gap at the edge of the picture close like any other.
    padded = np.pad(window, 2, mode="edge")
    a, b = padded == one, padded == other
    if not (a.any() and b.any()):
        return None
    if (ndimage.binary_dilation(a) & b).any():
        return np.zeros(window.shape, bool)
    from_a, from_b = ndimage.distance_transform_edt(~a), ndimage.distance_transform_edt(~b)
    nearest = from_a[b].min()
    if nearest > REACH:
        return None
    # Closing both together fills the gap, and closing each alone tells which of it are its own bays; corners need the shortest way too.
    closed = ndimage.binary_closing(a | b, _EIGHT) & ~ndimage.binary_closing(a, _EIGHT) & ~ndimage.binary_closing(b, _EIGHT)
    gap = (padded == 0) & (closed | (from_a + from_b <= nearest + 0.5))
    pieces = ndimage.label(a | b | gap, _EIGHT)[0]
    return gap[2:-2, 2:-2] if np.intersect1d(pieces[a], pieces[b]).size else None


def _track(line: npt.NDArray[np.float64], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The pixels (n, 2) of the plane under a polyline, connected by edges, and for each the neighbour on its own side of the line."""
    steps = np.diff(line, axis=0)
    length = np.hypot(*steps.T)
    steps, starts, length = steps[length > 0], line[:-1][length > 0], length[length > 0]
    if not len(steps):
        raise TemsegError("The line needs 2 points (y, x) or more; draw it again.")
    count = np.ceil(2 * length).astype(np.intp) + 1
    segment = np.repeat(np.arange(len(count)), count)
    share = (np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)) / (count[segment] - 1)
    samples = starts[segment] + share[:, None] * steps[segment]
    path = np.rint(samples).astype(np.intp)
    corner = np.stack([path[1:, 0], path[:-1, 1]], axis=1)  # makes a diagonal step two straight ones
    pixels = np.unique(np.concatenate([path, corner]), axis=0)
    pixels = pixels[((pixels >= 0) & (pixels < shape)).all(axis=1)]
    nearest = cKDTree(samples).query(pixels)[1]
    normal = (steps / length[:, None])[segment[nearest]][:, ::-1] * (-1, 1)
    side = np.sign(((pixels - samples[nearest]) * normal).sum(axis=1).round(9))
    return pixels, pixels + np.rint(side[:, None] * normal).astype(np.intp)


def _parted(inside: Mask, pixels: npt.NDArray[np.intp], beyond: npt.NDArray[np.intp]) -> Ints:
    """Pieces 1…n of a particle that a track parts, 0 elsewhere; just 1 where it does not."""
    here = ((pixels >= 0) & (pixels < inside.shape)).all(axis=1)
    pixels, beyond = pixels[here], beyond[here]
    rest = inside.copy()
    rest[tuple(pixels.T)] = False
    pieces = _large(rest)
    if pieces.max() < 2 or pieces.max() <= _large(inside).max():
        return inside.astype(np.int32)
    owner = np.pad(pieces, 1)[tuple((beyond + 1).T)]
    own = inside[tuple(pixels.T)]
    pieces[tuple(pixels[own].T)] = owner[own]
    # What is left, on the very line or in crumbs, goes to the piece that is nearest inside the particle, or else to the largest.
    flooded: Ints = watershed(np.zeros(inside.shape, np.uint8), pieces, mask=inside, connectivity=2)
    flooded[inside & (flooded == 0)] = 1 + np.bincount(pieces.ravel())[1:].argmax()
    return flooded


def _large(mask: Mask) -> Ints:
    """Components 1…n of a mask, crumbs left out."""
    pieces = ndimage.label(mask, _EIGHT)[0]
    keep = np.bincount(pieces.ravel()) >= CRUMB
    keep[0] = False
    numbers: Ints = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return numbers[pieces]


def _largest(mask: Mask) -> Mask:
    """The largest component of a mask."""
    pieces, count = ndimage.label(mask, _EIGHT)
    return mask if count < 2 else pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()


def renumber(target: Labels, pieces: Ints, number: int, fresh: int) -> int:
    """Write pieces 1…n into `target`: the largest as `number`, the others from `fresh` on; returns the next free label."""
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = sizes.argmax()
    for piece in np.flatnonzero(sizes):
        target[pieces == piece] = number if piece == largest else fresh
        fresh += int(piece != largest)
    return fresh
