"""Prediction → particles: each class cut where its landscape dips between two summits.

The landscape is the model's learnt distance map where there is one, else the distance transform of the class (px). Every pixel
climbs to the summit above it, which gives basins; two neighbouring basins stay apart when the lower summit rises at least h
above the pass between them. Their number is that of the h-maxima transform (P. Soille, Morphological Image Analysis, 2nd ed.
2003, ch. 6), found without its repeated reconstruction, and more strength only ever refines the particles.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from napari_temseg.engine.measure.shape.distances import distances
from napari_temseg.engine.particles.cutting.basins import Basins, FloatArray, Labels, basins_of
from napari_temseg.engine.particles.cutting.dents import Dent, grouped
from napari_temseg.engine.particles.cutting.holes import Holes
from napari_temseg.engine.particles.populations import merged, renumbered
from napari_temseg.engine.particles.standing_out import Seen
from napari_temseg.engine.particles.weighing import Kept, Weighed, default_certainty, disc_area, weighed
from napari_temseg.engine.types.confidence import STANDING_OUT
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import zeros
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BAND, Particles, Prediction
from napari_temseg.engine.types.wording import at_plane

MOST_SMOOTHING = 20.0  # px
FINE_SIZE = 22.0  # px of the size that is meant up to which the smoothing is what it says; of larger particles it grows with them
CROWDED = 0.35  # of what is asked of a dent, as much less where all particles touch another: there it is more often a seam …
FEW = 10  # … which a few particles do not tell: the share counts as many more that stand apart

EIGHT = np.ones((3, 3), bool)


class Numbering:
    """Numbers the particles and aggregates of planes, each counted from 1, through a stack; hand it the planes in order."""

    def __init__(self) -> None:
        self.last = self.aggregates = 0

    def next(self, labels: Labels, table: pd.DataFrame) -> tuple[Labels, pd.DataFrame]:
        """Labels and table (index: label; column "aggregate") of the next plane, under their numbers in the stack."""
        numbered = table.assign(aggregate=table["aggregate"] + self.aggregates).set_index(table.index + self.last)
        labels = np.where(labels > 0, labels + np.int32(self.last), 0)
        if len(numbered):
            self.last, self.aggregates = int(numbered.index.max()), int(numbered["aggregate"].max())
        return labels, numbered


def split(prediction: Prediction, config: SplitConfig) -> Particles:
    """Run `iter_split` to its end."""
    return iter_split(prediction, config).drain()


def iter_split(prediction: Prediction, config: SplitConfig) -> Job[Particles]:
    """The job that separates touching particles: plane by plane, class by class, labels int32 (…, Y, X) unique over the whole stack.

    A pixel belongs to a particle where the foreground probability reaches `threshold`, and there to its most probable class;
    pixels outside `micrograph.valid` never do. Pieces under `min_diameter` join the piece of their component across the highest
    pass, and are dropped where there is none. Yields `Progress` after each plane; there is no finishing early. `TemsegError` when
    it is not given a `Prediction`.
    """
    if not isinstance(prediction, Prediction):
        raise TemsegError(f"split takes what temseg.predict returns, not {type(prediction).__name__}; predict the picture first.")
    if config.certainty is None:
        config = replace(config, certainty=default_certainty(prediction))
    return Job(lambda control: _steps(prediction, config, control))


def split_of(plane: Splittable, config: SplitConfig) -> Particles:
    """As `split` of the prediction of a single plane, of which other splittings may follow."""
    if config.certainty is None:
        config = replace(config, certainty=default_certainty(plane.prediction))
    return Job(lambda control: _steps(plane.prediction, config, control, plane)).drain()


def _steps(
    prediction: Prediction, config: SplitConfig, control: Control, single: Splittable | None = None
) -> Generator[Progress, None, Particles]:
    micrograph = prediction.micrograph
    n = micrograph.n_planes
    labels = zeros(prediction.classes.shape, np.int32)
    tables: list[pd.DataFrame] = []
    uncertain, doubted, numbers = 0, 0, Numbering()
    for index in range(n):
        plane, table, unsure, faint = split_plane(prediction.at(index), config, single)
        uncertain, doubted = uncertain + unsure, doubted + faint
        table.insert(2, "plane", index)
        labels.reshape((n, *micrograph.frame))[index], table = numbers.next(plane, table)
        tables.append(table)
        message = f"{micrograph.name}: {at_plane(index, n) or 'splitting'}"
        yield Progress("split", (index + 1) / n, message, control.elapsed, {"plane": index, "particles": numbers.last})
    table = pd.concat(tables).rename_axis("particle")
    return Particles(labels, table, micrograph, prediction, config.to_dict(), uncertain, faint=doubted)


def split_plane(prediction: Prediction, config: SplitConfig, plane: Splittable | None = None) -> tuple[Labels, pd.DataFrame, int, int]:
    """Labels 1…n of one `plane`, their table without the plane's number, how many were dropped as uncertain, and how many of these the
    usual certainty would keep and the model doubts.

    Where two sizes are meant, what was found for either is split and both are merged (see `populations`).
    """
    if prediction.other is not None:
        small, of_small, *left_out = split_plane(replace(prediction, other=None), config)
        large, of_large, *others = split_plane(_beside(prediction.other, prediction), config)
        both = merged((small, of_small), (large, of_large), (prediction.size, prediction.other.size))
        return *both, left_out[0] + others[0], left_out[1] + others[1]
    pieces, least = (plane or Splittable(prediction)).pieces(config), config.certainty or 0.0
    kept = pieces.kept(least)
    table = _table(kept, prediction.micrograph.valid, prediction.class_names, config.exclude_frame)
    return *table, kept.unsure, pieces.faint(least, prediction, config.threshold)


def _beside(other: Prediction, prediction: Prediction) -> Prediction:
    """What was said of the other size, with what was drawn and left out of the picture."""
    return replace(other, parted=prediction.parted, vouched=prediction.vouched, micrograph=prediction.micrograph)


@dataclass(frozen=True, eq=False)
class Divisible:
    """What a plane is split from, the same for every strength and certainty: number, pixels (Y, X) and basins of each class that is there,
    whether their landscape was learnt, what is asked of a dent beside the usual (1); probability of the foreground and the learnt depth,
    (Y, X)."""

    classes: tuple[tuple[int, npt.NDArray[np.bool_], Basins], ...]
    learnt: bool
    asked: float
    foreground: FloatArray
    depth: FloatArray | None
    _holes: list[Holes] = field(default_factory=list)

    def dent(self, strength: float) -> Dent:
        """The dent that splits at a strength."""
        return Dent.at(strength, self.learnt, self.asked)

    def holes(self, pieces: Labels, prediction: Prediction) -> Holes:
        """Those of its pieces, which cover the same pixels at every strength."""
        if not self._holes:
            self._holes.append(Holes.of(pieces == 0, prediction.micrograph.valid, prediction.parted))
        return self._holes[0]


class Splittable:
    """One plane that is split under several settings: what two of them share, one after the other, is found once."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction, self._seen = prediction, seen_of(prediction)
        self._ground: tuple[SplitConfig, Landscape] | None = None
        self._parts: tuple[SplitConfig, Divisible] | None = None
        self._pieces: tuple[SplitConfig, Weighed] | None = None

    def pieces(self, config: SplitConfig) -> Weighed:
        """All its pieces, which are the same for every certainty."""
        for_pieces = replace(config, certainty=None)
        if self._pieces is None or self._pieces[0] != for_pieces:
            found = weighed_pieces(self._divisible(for_pieces), self.prediction, config, self._seen)
            self._pieces = for_pieces, found
        return self._pieces[1]

    def _divisible(self, config: SplitConfig) -> Divisible:
        usual = SplitConfig()
        for_parts = replace(config, strength=usual.strength)
        for_ground = replace(for_parts, threshold=usual.threshold)
        if self._ground is None or self._ground[0] != for_ground:
            self._ground = for_ground, Landscape.of(self.prediction, config)
        if self._parts is None or self._parts[0] != for_parts:
            self._parts = for_parts, divisible(self.prediction, config, self._ground[1])
        return self._parts[1]


@dataclass(frozen=True, eq=False)
class Landscape:
    """What a plane is split from at every threshold: probability of the foreground, the learnt depth, and that as it is cut, smoothed."""

    foreground: FloatArray
    depth: FloatArray | None
    learnt: FloatArray | None

    @classmethod
    def of(cls, prediction: Prediction, config: SplitConfig) -> Landscape:
        """Of one plane."""
        depth = cut = _learnt_depth(prediction, config)
        if depth is not None and prediction.parted is not None:  # a gorge: what a stroke does not quite cut through comes apart too
            cut = np.where(prediction.parted, np.float32(0), depth)
        learnt = None if cut is None else _smooth(cut, _smoothing(prediction, config))
        return cls(1 - prediction.probability[0].astype(np.float32), depth, learnt)


def divisible(prediction: Prediction, config: SplitConfig, ground: Landscape | None = None) -> Divisible:
    """The classes of one plane with their basins."""
    probability, valid = prediction.probability, prediction.micrograph.valid
    ground = ground or Landscape.of(prediction, config)
    foreground, learnt = ground.foreground, ground.learnt
    classes = _classes(probability, foreground >= config.threshold, valid, prediction.class_ids)
    if config.fill_holes:  # only pinholes yet: the gap that a ring of particles encloses is no hole
        classes = Holes.of(classes == 0, valid, prediction.parted, disc_area(config.min_diameter)).filled(classes)
    found = []
    for number in prediction.class_ids[1:]:
        mask = classes == number
        if prediction.parted is not None:
            mask &= ~prediction.parted
        if mask.any():
            found.append((number, mask, basins_of(mask, _shape(mask, config) if learnt is None else learnt)))
    # Of a model for any size dents were chosen without, and where no depth was learnt few of them are seams however close particles lie.
    asked = 1 - CROWDED * _touching(found, prediction, config) if learnt is not None and prediction.size else 1.0
    return Divisible(tuple(found), learnt is not None, asked, foreground, ground.depth)


def _smoothing(prediction: Prediction, config: SplitConfig) -> float:
    """Of the learnt landscape, px."""
    return min(config.smoothing * max(1.0, prediction.size / FINE_SIZE), MOST_SMOOTHING)


def _touching(classes: list[tuple[int, npt.NDArray[np.bool_], Basins]], prediction: Prediction, config: SplitConfig) -> float:
    """Share of the particles of a plane, as usual splitting leaves them, that touch another; `FEW` more are taken to stand alone."""
    labels, last = np.zeros(prediction.micrograph.frame, np.int32), 0
    for _, mask, basins in classes:
        group = grouped(basins, Dent.at(0.5, True), disc_area(config.min_diameter))
        labels[mask] = group[basins.of_pixel] + last + 1
        last += int(group.max()) + 1
    large = np.bincount(labels.ravel()) >= disc_area(prediction.size / BAND)
    large[0] = False
    pairs = contacts_of(np.where(large[labels], labels, np.int32(0)))
    return len(np.unique(np.concatenate(pairs))) / (int(large.sum()) + FEW)


def pieces_of_plane(parts: Divisible, prediction: Prediction, config: SplitConfig) -> tuple[Labels, list[int]]:
    """Labels of all pieces of one plane, also of those too small or too uncertain, and the class number of each label, 0 first."""
    labels = np.zeros(prediction.micrograph.frame, np.int32)
    class_of = [0]
    for number, mask, basins in parts.classes:
        group = grouped(basins, parts.dent(config.strength), disc_area(config.min_diameter))
        labels[mask] = group[basins.of_pixel] + len(class_of)
        class_of += [number] * (int(group.max()) + 1)
    if prediction.parted is not None and labels.any():
        labels = _given_back(labels, prediction, prediction.parted, config.threshold)
    return (parts.holes(labels, prediction).filled(labels) if config.fill_holes else labels), class_of


def weighed_pieces(parts: Divisible, prediction: Prediction, config: SplitConfig, seen: Seen | None) -> Weighed:
    """All pieces of one plane as its picture is `seen`, weighed: the same for every certainty that is asked."""
    pieces = pieces_of_plane(parts, prediction, config)
    return weighed(*pieces, parts.foreground, parts.depth, prediction, seen, config.threshold, config.min_diameter)


def seen_of(prediction: Prediction) -> Seen | None:
    """One plane as particles stand out of it, where that counts."""
    return Seen.of(prediction.micrograph, prediction.size) if prediction.size else None


def _given_back(labels: Labels, prediction: Prediction, parted: npt.NDArray[np.bool_], threshold: float) -> Labels:
    """What drawn background took from particles goes to the nearest piece: a brush is broader than the gap that it stands for."""
    taken = parted & (1 - prediction.probability[0].astype(np.float32) >= threshold)
    if prediction.micrograph.valid is not None:
        taken &= prediction.micrograph.valid
    strokes, count = ndimage.label(taken, EIGHT)
    beside = np.zeros(count + 1, bool)
    beside[strokes[ndimage.binary_dilation(labels > 0, EIGHT)]] = True
    beside[0] = False  # what a stroke covers whole is no particle
    given = labels.copy()
    for number, box in enumerate(ndimage.find_objects(strokes), start=1):
        if beside[number]:  # its nearest piece lies no further off than it is long: that is looked for there alone
            reach = 2 + sum(span.stop - span.start for span in box)
            window = tuple(slice(max(0, span.start - reach), span.stop + reach) for span in box)
            nearest = ndimage.distance_transform_edt(labels[window] == 0, return_distances=False, return_indices=True)
            own = strokes[window] == number
            given[window][own] = labels[window][tuple(nearest)][own]
    return given


def _learnt_depth(prediction: Prediction, config: SplitConfig) -> FloatArray | None:
    distance = prediction.auxiliary.get("distance") if config.auxiliary and prediction.depth_taught else None
    return None if distance is None else distance.astype(np.float32)


def _shape(mask: npt.NDArray[np.bool_], config: SplitConfig) -> FloatArray:
    """What is cut where no depth was learnt."""
    return _smooth(distances(mask), config.smoothing)


def landscape_of(mask: npt.NDArray[np.bool_], prediction: Prediction | None, config: SplitConfig) -> tuple[FloatArray, bool]:
    """The landscape (Y, X) that splitting cuts, and whether it was learnt; of one plane, whose particles are `mask`."""
    learnt = None if prediction is None else _learnt_depth(prediction, config)
    return (
        (_shape(mask, config), False) if learnt is None or prediction is None else (_smooth(learnt, _smoothing(prediction, config)), True)
    )


def _classes(
    probability: npt.NDArray[np.float16], mask: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_] | None, class_ids: tuple[int, ...]
) -> Labels:
    """Class number of each pixel of a particle, 0 elsewhere."""
    if valid is not None:
        mask = mask & valid
    if len(class_ids) == 2:
        return np.where(mask, np.int32(class_ids[1]), np.int32(0))
    numbers = np.array(class_ids[1:], np.int32)
    return np.where(mask, numbers[np.argmax(probability[1:], axis=0)], np.int32(0))


def _smooth(landscape: FloatArray, sigma: float) -> FloatArray:
    smooth: FloatArray = ndimage.gaussian_filter(landscape, sigma, truncate=3.0) if sigma > 0 else landscape
    return smooth


def _table(kept: Kept, valid: npt.NDArray[np.bool_] | None, names: dict[int, str], exclude_frame: bool) -> tuple[Labels, pd.DataFrame]:
    """The table of labels 1…n; contacts are found before frame-touching particles are left out, as those were really there."""
    labels, count = kept.labels, len(kept.class_ids)
    first, second = contacts_of(labels)
    cut = np.zeros(count + 1, bool)
    cut[first] = cut[second] = True
    graph = sparse.coo_array((np.ones(len(first), bool), (first, second)), shape=(count + 1, count + 1))
    aggregate = connected_components(graph, directed=False)[1]  # label 0 touches nothing: it is component 0
    frame = at_frame(labels, count, valid)
    keep = ~frame if exclude_frame else np.ones(count + 1, bool)
    keep[0] = False
    numbers = kept.class_ids[keep[1:]]
    columns = {
        "class": pd.Series([names.get(int(number), f"class {number}") for number in numbers], dtype=object),
        "class_id": numbers.astype(np.int64),
        "aggregate": np.unique(aggregate[keep], return_inverse=True)[1] + 1,
        "frame": frame[keep],
        "cut": cut[keep],
    }
    if kept.standing is not None:
        columns[STANDING_OUT] = kept.standing[keep[1:]]
    table = pd.DataFrame(columns)
    return renumbered(labels, keep)[0], table.set_index(pd.RangeIndex(1, len(numbers) + 1))


def at_frame(labels: Labels, count: int, valid: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    """Whether each label 0…count touches the edge of the picture or an area that is left out."""
    frame = np.zeros(count + 1, bool)
    edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    if valid is not None:
        edges.append(labels[ndimage.binary_dilation(~valid)])
    frame[np.concatenate(edges)] = True
    return frame


def contacts_of(labels: Labels) -> tuple[Labels, Labels]:
    """Pairs of different labels that are 8-neighbours somewhere, with repeats."""
    shifts = (np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]), (np.s_[:-1, :-1], np.s_[1:, 1:]), (np.s_[:-1, 1:], np.s_[1:, :-1])
    first, second = [], []
    for here, there in shifts:
        a, b = labels[here], labels[there]
        edge = a != b  # few: the rest is asked of these alone
        a, b = a[edge], b[edge]
        touching = (a > 0) & (b > 0)
        first.append(a[touching])
        second.append(b[touching])
    return np.concatenate(first), np.concatenate(second)
