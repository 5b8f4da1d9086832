"""A large plane from pixels to what is committed of it: looked for at one size, then piece by piece."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from napari_temseg.engine.measure.measurement import Measurement, measure
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.measure.shape.edges import SEEN_FROM
from napari_temseg.engine.measure.shape.neighbours import among_neighbours
from napari_temseg.engine.particles.other_splits import iter_other_splits
from napari_temseg.engine.particles.recovery import iter_recovery
from napari_temseg.engine.particles.splitting import Splittable, contacts_of, split_of
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.large_arrays import PackedMask
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BandEnds, Particles, PlanePrediction, Prediction
from napari_temseg.pipeline.picture.label_file import LabelFile
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture, all_ends, facts_of_prediction, one_of_each, one_table
from napari_temseg.pipeline.picture.pieces import LARGE_PLANE, Piece, pieces

if TYPE_CHECKING:
    from napari_temseg.engine.measure.recovery.limit import RecoveredSize
    from napari_temseg.engine.model.backends.backend import Backend
    from napari_temseg.engine.model.prediction import Settled
    from napari_temseg.engine.model.segmenter import Segmenter

_STRIP = 1024  # rows that are looked at together for contacts
_SAME = 0.5  # share of its pixels that a particle may lose to those of the pieces before, or it is one of them


def is_large(image: Micrograph) -> bool:
    """Whether it is a single plane that is searched in pieces."""
    return image.axes == "YX" and int(np.prod(image.frame)) > LARGE_PLANE


def iter_large(
    segmenter: Segmenter, image: Micrograph, predict: PredictConfig, config: SplitConfig, network: Backend, recovery: bool | None
) -> Job[MeasuredPicture]:
    """The job that predicts, splits and measures a large plane; `recovery` as of `iter_run`, in the piece in the middle."""

    def steps(control: Control) -> Generator[Progress, None, MeasuredPicture]:
        from napari_temseg.engine.model.prediction import iter_predict_planes, iter_settled

        fixed = replace(segmenter, normalisation=segmenter.normalisation.fixed(image.plane(0), image.valid, image.name))
        settling = iter_settled(fixed, image, predict, network)
        before = 0.0
        for progress in settling:
            before = progress.fraction
            yield progress
        told = settling.result
        plane = _LargePlane(image)
        cut = list(pieces(image.frame, told.largest))
        middle = min(range(len(cut)), key=lambda number: abs(_off_middle(cut[number], image)))
        for done, piece in enumerate(cut):
            said = f"{image.name}: part {done + 1} of {len(cut)}"
            predicting = iter_predict_planes(fixed, _part(piece, image), told.config, network=network, judged=done == middle)
            prediction = yield from _predicted(predicting, said, before + (1 - before) * done / len(cut))
            piece, particles, single = _split(piece, prediction, config, told.largest)
            others = iter_other_splits(particles, piece.inner, single)
            for _ in others:
                yield Progress("predict", before + (1 - before) * (done + 0.8) / len(cut), said, control.elapsed)
            splits = others.result
            del single, others  # what splittings share takes more memory than the piece
            if done == middle:
                plane.unlike = particles.prediction.unlike if particles.prediction is not None else ()
                if recovery is not False:
                    looking = iter_recovery(fixed, particles, told.config)
                    for progress in looking:
                        yield replace(progress, fraction=before + (1 - before) * (done + 0.8) / len(cut))
                    plane.recovered = looking.result
            plane.add(piece, particles, splits)
        return plane.together(told)

    return Job(steps)


def _off_middle(piece: Piece, image: Micrograph) -> float:
    """How far the middle of its core lies from that of the plane, px."""
    return float(np.hypot(*((c.start + c.stop - n) / 2 for c, n in zip(piece.core, image.frame, strict=True))))


def _part(piece: Piece, image: Micrograph) -> Micrograph:
    valid = None if image.valid is None else image.valid[piece.window]
    return replace(image, data=np.ascontiguousarray(image.plane(0)[piece.window]), valid=valid)


def _predicted(job: Job[list[str]], said: str, before: float) -> Generator[Progress, None, Prediction]:
    found: list[Prediction] = []
    for progress in job:
        yield replace(progress, fraction=before, message=said, preview=None)
        if isinstance(progress.preview, PlanePrediction):
            found.append(progress.preview.prediction)
    return found[0]


def _split(piece: Piece, prediction: Prediction, config: SplitConfig, size: float) -> tuple[Piece, Particles, Splittable]:
    """The particles of a piece, or of a smaller one round the same core that holds those whose middle lies there with room.

    What the network needs to see round a core is more than what its particles reach to.
    """
    near = piece.nearer(size)
    plane = Splittable(prediction.within(near.of(piece)))
    particles = split_of(plane, config)
    if not _too_near(near, piece, particles.labels, max(SEEN_FROM, round(size))):
        return near, particles, plane
    plane = Splittable(prediction)
    return piece, split_of(plane, config), plane


def _too_near(near: Piece, piece: Piece, labels: npt.NDArray[np.int32], reach: int) -> bool:
    """Whether a particle whose middle lies in the core is within `reach` (px) of a side of the window that is none of the larger piece."""
    (top, left), (above, before) = near.window, piece.window
    sides = (
        (labels[:reach], top.start, above.start),
        (labels[-reach:], top.stop, above.stop),
        (labels[:, :reach], left.start, before.start),
        (labels[:, -reach:], left.stop, before.stop),
    )
    there = np.unique(np.concatenate([np.zeros(0, np.int32), *(side.ravel() for side, own, other in sides if own != other)]))
    there = there[there > 0]
    return len(there) > 0 and bool(near.own(*np.array(ndimage.center_of_mass(labels > 0, labels, there)).T).any())


class _LargePlane:
    """What was found in the pieces of a plane."""

    def __init__(self, image: Micrograph) -> None:
        self._image = image
        self._labels, self._classes = LabelFile(image.frame, np.int32), LabelFile(image.frame, np.uint8)
        self._tables, self._splits = list[pd.DataFrame](), list[tuple[OtherSplit, ...]]()
        self._last, self._uncertain, self._faint, self._ends = 0, 0.0, 0.0, list[BandEnds]()
        self._first: tuple[Particles, Measurement] | None = None
        self.unlike: tuple[str, ...] = ()
        self.recovered: tuple[RecoveredSize, ...] = ()

    def add(self, piece: Piece, particles: Particles, others: tuple[OtherSplit, ...]) -> None:
        """The particles of a piece whose middle lies in its core, without pixels that pieces before have taken, and its `others`."""
        if particles.prediction is not None:
            self._classes.put(piece.core, particles.prediction.all_classes()[piece.inner])
        before = self._labels.window(piece.window)
        labels, own = _own(piece, particles, before)
        kept = replace(particles, labels=labels, table=particles.table[np.isin(particles.table.index, np.unique(labels))])
        measured = measure(kept)
        table = measured.table[np.isin(measured.table["particle"], own)]
        number = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
        number[own] = self._last + 1 + np.arange(len(own), dtype=np.int32)
        self._labels.put(piece.window, np.where(number[labels] > 0, number[labels], before))
        self._tables.append(_moved(table, piece, number))
        self._splits.append(others)
        self._last += len(own)
        self._uncertain += particles.uncertain * piece.share
        self._faint += particles.faint * piece.share
        alone = replace(kept, labels=np.where(number[labels] > 0, labels, 0), table=kept.table[np.isin(kept.table.index, own)])
        self._ends += [alone.band_ends] if alone.band_ends is not None else []
        if self._first is None:
            facts = replace(particles, labels=labels[:1, :1], prediction=_without_maps(particles.prediction))
            self._first = facts, replace(measured, table=measured.table[:0])

    def together(self, told: Settled) -> MeasuredPicture:
        """The whole plane, of which was `told` at what it is looked at."""
        if self._first is None:
            raise ValueError("a plane has a piece at least")
        first, of_first = self._first
        image, valid = self._image, self._image.valid
        table = one_table(self._tables)
        attrs = dict(table.attrs)
        table = among_neighbours(table.assign(aggregate=self._aggregates(table)), of_first.calibration, image.frame)
        table.attrs = attrs
        strange = {0: self.unlike[0]} if self.unlike and self.unlike[0] and len(table) else {}
        measured = replace(
            of_first,
            table=table,
            frame=image.frame,
            valid_area=int(np.prod(image.frame) if valid is None else np.count_nonzero(valid)),
            mask=None if valid is None else PackedMask.of(valid),
            other_splits=one_of_each(self._splits),
            recovered=self.recovered,
            unlike=strange,
            wider=told.smaller is not None,
            faint=self._faint,
        )
        labels = self._labels.whole()
        facts = {} if first.prediction is None else facts_of_prediction(first.prediction)
        facts |= {"candidates": told.candidates, "alone": told.alone} if facts else {}
        ends = all_ends(self._ends)
        if ends is not None and told.smaller is not None:
            ends = replace(ends, seen=told.smaller.count, seen_size=told.smaller.size)
        return MeasuredPicture(
            image,
            measured,
            labels,
            labels,
            self._classes.whole() if first.prediction is not None else None,
            round(self._uncertain),
            strange,
            ends,
            splitting=dict(first.settings),
            **facts,
        )

    def _aggregates(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Numbers shared by particles that touch, across pieces too; those of two populations do not hang together."""
        n = self._last + 1
        pairs = [np.zeros((2, 0), np.int32)]
        for top in range(0, self._image.frame[0], _STRIP):
            rows = slice(top, min(top + _STRIP + 1, self._image.frame[0]))
            strip = self._labels.window((rows, slice(0, self._image.frame[1])))
            pairs.append(np.stack(contacts_of(strip.astype(np.int32, copy=False))))
        one, other = np.unique(np.concatenate(pairs, axis=1), axis=1)
        if "population" in table:
            which = np.zeros(n, np.int64)
            which[table["particle"].to_numpy()] = pd.factorize(table["population"])[0] + 1
            one, other = one[which[one] == which[other]], other[which[one] == which[other]]
        graph = sparse.coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n))
        group = connected_components(graph, directed=False)[1][table["particle"].to_numpy()]
        return np.unique(group, return_inverse=True)[1].astype(np.int64) + 1


def _own(piece: Piece, particles: Particles, before: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Labels of the piece without the pixels that its own particles lost to those before, and which are its own."""
    labels = particles.labels.copy()
    y, x = np.nonzero(labels)
    here = labels[y, x]
    count = np.bincount(here)
    area = np.maximum(count, 1)
    own = piece.own(np.bincount(here, y) / area, np.bincount(here, x) / area) & (count > 0)
    labels[own[labels] & (before > 0)] = 0
    own &= np.bincount(labels.ravel(), minlength=len(own)) >= _SAME * area
    return labels, np.flatnonzero(own)


def _moved(table: pd.DataFrame, piece: Piece, number: npt.NDArray[np.int32]) -> pd.DataFrame:
    """Rows of a piece as rows of the plane."""
    top, left = piece.origin
    by = {
        "bbox_top_px": top,
        "bbox_bottom_px": top,
        "centroid_y_px": top,
        "bbox_left_px": left,
        "bbox_right_px": left,
        "centroid_x_px": left,
    }
    moved = {name: table[name] + offset for name, offset in by.items()}
    if "carrier" in table:  # the label of another row; one that is not of this piece is not told
        moved["carrier"] = pd.Series(number[table["carrier"].to_numpy()], table.index)
    attrs = dict(table.attrs)
    table = table.assign(particle=number[table["particle"].to_numpy()].astype(np.int64), **moved).reset_index(drop=True)
    table.attrs = attrs
    return table


def _without_maps(prediction: Prediction | None) -> Prediction | None:
    """What is said of the whole, without what is said of pixels."""
    if prediction is None:
        return None
    other = _without_maps(prediction.other)
    return replace(prediction, probability=prediction.probability[:, :1, :1].copy(), auxiliary={}, other=other)
