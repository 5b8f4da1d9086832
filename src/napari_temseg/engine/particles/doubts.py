"""Which particles look like two, and which pieces look like one: where a person should look first.

Two things have to agree: the landscape that splitting cuts (`splitting`), and the picture. A dent of the landscape has a strength from
which on splitting would cut it; a particle whose deepest dent is cut by little more than the strength in force is in doubt when the
picture shows a seam there (`cutting.seams`), the more so the clearer that is. Where there is no picture the dent alone tells; where no
landscape was learnt either, so does a waist: a narrow place between two wide ones, in an outline that is far from convex. Two pieces that
touch are in doubt when hardly less strength would leave them together and both make one convex outline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.measure.shape.geometry import Foreground, contacts, convex_hulls
from napari_temseg.engine.particles.cutting.basins import FloatArray, Labels, basins_of, joined
from napari_temseg.engine.particles.cutting.dents import Dent, pieces_of
from napari_temseg.engine.particles.cutting.seams import LEAST_SEAM, SeamView
from napari_temseg.engine.particles.edits import renumber
from napari_temseg.engine.particles.label_changes import Mask, Patch, Window, difference, new_id, page_of, window_of
from napari_temseg.engine.particles.splitting import divisible, landscape_of
from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.populations import of_each_population
from napari_temseg.engine.types.results import Particles, Prediction

WITHIN = 0.35  # strength above the one in force up to which a dent is in doubt
AT_LEAST = 0.6  # however little is split, what usual splitting cuts is in doubt, and a little more
BELOW = 0.08  # strength below the one in force from which on two pieces are in doubt
WAIST, HOLLOW = 0.3, 0.92  # a waist narrower by this share of the lesser width, in an outline of less solidity, looks like two
NO_DENT = 0.985  # a strength that needs more than this would cut at noise
CONVEX = 0.94  # solidity from which on two pieces together look like one


def doubts(particles: Particles, config: SplitConfig) -> Doubts:
    """The doubts about all planes of a result; without its `prediction` the dents are those of the outlines."""
    return together(doubts_of_plane(particles, plane, page, config) for plane, page in enumerate(particles.planes()))


def doubts_of_plane(particles: Particles, plane: int, page: Labels, config: SplitConfig) -> Doubts:
    """The doubts about one plane, whose labels (Y, X) are `page`."""
    prediction = None if particles.prediction is None else particles.prediction.at(plane)
    alone = replace(particles, labels=page, table=particles.table[particles.table["plane"] == plane], prediction=prediction)
    image = particles.micrograph
    picture = SeamView.of(image.plane(plane), image.valid)
    return together(
        _of_plane(each.labels, each.prediction, picture, config) for each in of_each_population(alone).values() if each.labels.any()
    )


def together(planes: Iterable[Doubts]) -> Doubts:
    """The doubts of all planes, the most doubtful first."""
    two, one, seams, others = dict[int, float](), dict[tuple[int, int], float](), dict[int, float](), list[float]()
    for found in planes:
        two.update(found.two)
        one.update(found.one)
        seams.update(found.seams)
        others += found.others
    first = sorted(two.items(), key=lambda each: (-seams.get(each[0], 0.0), each[1]))
    return Doubts(dict(first), dict(sorted(one.items(), key=lambda each: -each[1])), seams, tuple(others))


def apart_at(labels: Labels, prediction: Prediction | None, config: SplitConfig) -> npt.NDArray[np.float64]:
    """By label, the strength from which on splitting would cut it: 1 for one without a dent."""
    landscape, learnt = landscape_of(labels > 0, prediction, config)
    return _strengths(_dents(labels, landscape, _unit(prediction, config, learnt), config))


def _unit(prediction: Prediction | None, config: SplitConfig, learnt: bool) -> Dent:
    """The dent that usual splitting cuts."""
    return divisible(prediction, config).dent(0.5) if learnt and prediction is not None and prediction.size else Dent.at(0.5, learnt)


def _of_plane(labels: Labels, prediction: Prediction | None, picture: SeamView | None, config: SplitConfig) -> Doubts:
    landscape, learnt = landscape_of(labels > 0, prediction, config)
    unit = _unit(prediction, config, learnt)
    apart = _strengths(_dents(labels, landscape, unit, config))
    dented = apart < np.clip(config.strength + WITHIN, AT_LEAST, NO_DENT)
    seams = {} if picture is None else _seams(labels, dented, landscape, unit, apart, picture, config)
    doubtful = dented.copy()
    if picture is not None:
        doubtful[[number for number, seam in seams.items() if seam < LEAST_SEAM]] = False
    if not learnt:
        doubtful |= _waisted(labels, config)
    two = {int(n): float(apart[n]) for n in np.flatnonzero(doubtful)}
    others = tuple(apart[dented & ~doubtful].tolist())
    return Doubts(two, _like_one(labels, landscape, unit, config), {n: seam for n, seam in seams.items() if n in two}, others)


def _seams(
    labels: Labels, which: Mask, landscape: FloatArray, unit: Dent, apart: npt.NDArray[np.float64], picture: SeamView, config: SplitConfig
) -> dict[int, float]:
    """By label, how clearly the picture shows a seam where `which` of them come apart (see `SeamView.seam`)."""
    boxes, found = ndimage.find_objects(labels), dict[int, float]()
    for number in np.flatnonzero(which).tolist():
        box = boxes[number - 1]
        mask = labels[box] == number
        dent = unit.times((1 - (strength := min(apart[number] + 1e-3, 1.0))) / strength)
        pieces, _ = pieces_of(mask, landscape[box], dent, np.pi / 4 * config.min_diameter**2)
        found[number] = picture.seam(pieces, (box[0].start, box[1].start))
    return found


def _waisted(labels: Labels, config: SplitConfig) -> Mask:
    """By label, whether its outline has a waist and is far from convex."""
    hulls = convex_hulls(Foreground.of(labels))
    numbers = np.unique(labels[labels > 0])
    width = ndimage.distance_transform_edt(_separate(labels)).astype(np.float32)
    waist = _dents(labels, width, Dent(np.inf, 1.0), config) >= WAIST
    hollow = np.zeros(len(waist), bool)
    hollow[numbers] = np.bincount(labels.ravel())[numbers] / hulls.pixels < HOLLOW
    return hollow & waist


def _separate(labels: Labels) -> npt.NDArray[np.bool_]:
    """Pixels of particles that have no other particle beside them, so that no path leads from one into another."""
    inside = labels > 0
    for here, there in (
        (np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1]), (np.s_[1:, 1:], np.s_[:-1, :-1]), (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ):  # fmt: skip
        border = (labels[here] != labels[there]) & (labels[here] > 0) & (labels[there] > 0)
        inside[here] &= ~border
        inside[there] &= ~border
    return inside


def _dents(labels: Labels, landscape: FloatArray, unit: Dent, config: SplitConfig) -> npt.NDArray[np.float64]:
    """By label, its deepest dent as a multiple of what `unit` asks for, 0 where it has none with enough on both sides."""
    mask = _separate(labels)
    deepest = np.zeros(int(labels.max()) + 1)
    if not mask.any():
        return deepest
    basins = basins_of(mask, landscape)
    label_of = np.zeros(len(basins.summit), np.int64)
    label_of[basins.of_pixel] = labels[mask]
    least_area = np.pi / 4 * config.min_diameter**2

    def noted(basin: int, summit: float, rise: float, area: int) -> bool:
        if area >= least_area:
            label = label_of[basin]
            deepest[label] = max(deepest[label], rise / max(unit.least(summit), 1e-6))
        return False  # all of a label joins: how deep its passes are is asked

    joined(basins, noted)
    return deepest


def _strengths(depth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The strength at which a dent of that multiple of the usual one is cut: the inverse of what `Dent.at` does to it."""
    strengths: npt.NDArray[np.float64] = 1 / (1 + np.maximum(depth, 0))
    return strengths


def _like_one(labels: Labels, landscape: FloatArray, unit: Dent, config: SplitConfig) -> dict[tuple[int, int], float]:
    top = np.zeros(int(labels.max()) + 1, np.float32)
    np.maximum.at(top, labels.ravel(), landscape.ravel())
    boxes = ndimage.find_objects(labels)
    found: dict[tuple[int, int], float] = {}
    for a, b in np.unique(np.sort(contacts(labels), axis=1), axis=0).tolist():
        one, other = boxes[a - 1], boxes[b - 1]
        window = tuple(slice(max(min(s.start, t.start) - 1, 0), max(s.stop, t.stop) + 1) for s, t in zip(one, other, strict=True))
        page, ground = labels[window], landscape[window]
        first, second = page == a, page == b
        meet = ndimage.binary_dilation(first, np.ones((3, 3), bool)) & second
        lower = float(min(top[a], top[b]))
        depth = (lower - float(ground[meet].max(initial=0))) / max(unit.least(lower), 1e-6)
        strength = float(_strengths(np.asarray(depth)))
        if strength < config.strength - BELOW:
            continue
        both = first | second
        hull = convex_hulls(Foreground.of(both.astype(np.int32)))
        if np.count_nonzero(both) / float(hull.pixels[0]) >= CONVEX:
            found[a, b] = strength
    return found


def split_more(particles: Particles, plane: int, ids: Collection[int], config: SplitConfig) -> tuple[Patch | None, list[int]]:
    """Split some particles of a plane where their deepest dents are, each by just the strength that it needs; and those without a dent.

    The patch is None when none comes apart. The largest piece keeps the label. Of two populations, those of each are split by what the
    search for it found; what lies on a particle stays where it is.
    """
    numbers = np.unique(np.asarray(list(ids), np.int64))
    page, whole, fresh = page_of(particles.labels, plane), list[int](), new_id(particles.labels)
    window = window_of(page, numbers, margin=2)
    before = page[window]
    after = before.copy()
    for alone in of_each_population(particles).values():
        own = np.intersect1d(numbers, alone.table.index)
        if len(own):
            seen = page_of(alone.labels, plane)
            prediction = None if alone.prediction is None else alone.prediction.at(plane)
            pieces, left, fresh = _pieces(seen, window, own, prediction, config, fresh)
            after = np.where(before == seen[window], pieces, after)
            whole += left
    return difference(before, after, plane, (window[0].start, window[1].start)), whole


def _pieces(
    page: Labels, window: Window, numbers: npt.NDArray[np.int64], prediction: Prediction | None, config: SplitConfig, fresh: int
) -> tuple[Labels, list[int], int]:
    """A window of a plane with some particles split, new labels from `fresh` on; those without a dent, and the next free label."""
    before = page[window]
    mask = np.isin(before, numbers)
    own = np.where(mask, before, 0).astype(np.int32)
    landscape, learnt = landscape_of(page > 0, prediction, config)
    landscape = landscape[window]
    ways = [(landscape, learnt)]
    if learnt:  # what the model does not see, the shape may tell
        ways.append((landscape_of(mask, None, config)[0], False))
    after, whole = before.copy(), numbers.tolist()
    for ground, taught in ways:
        strength = _strengths(_dents(own, ground, Dent.at(0.5, taught), config))
        for number in list(whole):
            if strength[number] < NO_DENT:
                dent = Dent.at(min(float(strength[number]) + 1e-3, 1.0), taught)
                pieces, count = pieces_of(own == number, ground, dent, np.pi / 4 * config.min_diameter**2)
                if count > 1:
                    fresh = renumber(after, pieces, number, fresh)
                    whole.remove(number)
    return after, whole, fresh
