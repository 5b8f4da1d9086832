"""What travels after a micrograph: `Prediction` and `Particles`. Free of torch, so that windows and tables load fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.types.confidence import Confidence, Doubts
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import areas, fits_on_disk, zeros
from napari_temseg.engine.types.micrograph import Micrograph

UNLABELLED, BACKGROUND, FIRST_CLASS = 0, 1, 2
BY_LABELS = "labels"  # in the place of a model's hash: of what labels said, painted or filled, and no model
PARTICLE_CLASSES = {BACKGROUND: "background", FIRST_CLASS: "particle"}
BAND = 3.0  # sizes from a third of the one that is meant to three times it are answered for
CENTRED_BY = 1.7  # × by which a size that is told moves at most to the typical one of what is found near it
NEAR_END = 1.25  # ratio to an end of the band from which on a particle is near it
LEAST_OFFERED = 3  # particles of a size beside another that are worth a question: one or two are no population


@dataclass(frozen=True)
class SizeCandidate:
    """A size (median width in px) that particles of a picture may be meant to have, and about how many of it there are."""

    size: float
    count: int


@dataclass(frozen=True)
class BandEnds:
    """How many of `count` particles are as small, or as large, as what was looked for may be; the ends of the band in px.

    `seen` is about how many smaller ones, of `seen_size` px, were seen when the size was looked for: 0 where they are few.
    """

    smallest: float
    largest: float
    near_smallest: int
    near_largest: int
    count: int
    seen: int = 0
    seen_size: float = 0.0

    @property
    def near(self) -> tuple[float, float]:
        """The diameters (px) below which, and above which, particles are near the lower and the upper end."""
        return self.smallest * NEAR_END, self.largest / NEAR_END

    @property
    def touched(self) -> tuple[bool, bool]:
        """Whether enough particles lie at the lower end, and at the upper, for the distribution to go on beyond it: 3, and 5 %.

        Those that were `seen` count too.
        """
        return bool(self.seen) or self.near_smallest >= self.least, self.near_largest >= self.least

    @property
    def least(self) -> float:
        """How many near an end are enough."""
        return max(3, 0.05 * self.count)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of a micrograph.

    `probability` float16 (…, K, Y, X): channel k belongs to `class_ids[k]`, background first, sums to one. `auxiliary`:
    name → float16 (…, Y, X) in [0, 1], what the model learnt for splitting ("distance": depth inside a particle, 0 at its edge,
    1 at its middle); `depth_taught` is False for a model that never learnt it, as strokes alone do not show it: it is not used then.
    `classes` uint8 (…, Y, X): the most probable class of each pixel. Leading axes are the micrograph's.
    `pixel_ratio` is the picture's pixel size ÷ that of the model's training where the working scale was moved by it, else 1.
    `size` is the width (px) of the particles that were looked for by a model that answers for one band of sizes, 0 of another;
    `candidates` are sizes far apart that they could be meant to have, where nobody told one and more than one has evidence.
    `smaller` are particles about as many as those of that size, and several times smaller; `larger` those beyond the band (`iter_larger`).
    `confidence` says how often the model is right about a particle, None of one that was never judged by outlines; `doubted` is the share
    of particles that it rather doubted in the search that strokes were made on.
    `parted` bool (…, Y, X) or None: where somebody drew that there is background, which keeps particles on either side apart.
    `vouched` bool (…, Y, X) or None: where somebody drew that there is a particle, which stays however unsure the model is of it.
    `other` is what was said of the same picture when particles of a second, larger size were looked for, where those of both are meant
    (`size` is the smaller then); `alone` is True where both were asked for and only one size has evidence.
    `unlike` tells of each plane in what it is unlike the model's training ("texture"), "" where it is not; () when the model cannot tell.
    `computed_with` is what ran the network: backend and version, device, precision.
    """

    probability: npt.NDArray[np.float16]
    class_ids: tuple[int, ...]
    class_names: dict[int, str]
    classes: npt.NDArray[np.uint8]
    micrograph: Micrograph
    auxiliary: dict[str, npt.NDArray[np.float16]] = field(default_factory=dict)
    model_hash: str = ""
    working_scale: tuple[float, ...] = (1.0,)
    depth_taught: bool = True
    pixel_ratio: float = 1.0
    unlike: tuple[str, ...] = ()
    size: float = 0.0
    candidates: tuple[SizeCandidate, ...] = ()
    smaller: SizeCandidate | None = None
    larger: SizeCandidate | None = None
    confidence: Confidence | None = None
    doubted: float = 0.0
    parted: npt.NDArray[np.bool_] | None = None
    vouched: npt.NDArray[np.bool_] | None = None
    other: Prediction | None = None
    alone: bool = False
    computed_with: str = ""

    def __repr__(self) -> str:
        classes = ", ".join(self.class_names[number] for number in self.class_ids)
        scales = ", ".join(f"{scale:.3g}" for scale in self.working_scale)
        return f"<Prediction of {self.micrograph.name}: {self.micrograph.extent}, classes {classes}, working scale {scales}>"

    def _repr_html_(self) -> str:
        classes = self.classes.reshape((-1, *self.micrograph.frame))[0]
        return _outlined(self.micrograph, np.where(classes > BACKGROUND, classes, 0), repr(self)[1:-1])

    def suits(self, told: float) -> bool:
        """Whether what was looked for is what a size (px) that is told may move to."""
        return 1 / CENTRED_BY <= self.size / told <= CENTRED_BY

    def foreground(self) -> npt.NDArray[np.float16]:
        """Probability of any particle (…, Y, X), of either size where two are meant; a view where there is one class and one size."""
        own = self.probability[..., 1, :, :] if self.probability.shape[-3] == 2 else 1 - self.probability[..., 0, :, :]
        return own if self.other is None else np.maximum(own, self.other.foreground())

    def all_classes(self) -> npt.NDArray[np.uint8]:
        """`classes`, and where they say background, those of the larger size where two are meant."""
        return self.classes if self.other is None else np.maximum(self.classes, self.other.classes)

    def planes(self) -> npt.NDArray[np.float16]:
        """`probability` as (P, K, Y, X), one entry a plane, whatever the axes."""
        return self.probability.reshape((-1, *self.probability.shape[-3:]))

    def at(self, index: int) -> Prediction:
        """One plane as a prediction of its own (axes "YX"), whose arrays are views of these. `TemsegError` for no such plane."""
        micrograph = self.micrograph.at(index)
        if self.micrograph.axes == "YX":
            return self
        maps = {name: depth[index] for name, depth in self.auxiliary.items()}
        arrays: dict[str, Any] = {"probability": self.probability[index], "classes": self.classes[index], "auxiliary": maps}
        parted, vouched = (None if drawn is None else drawn[index] for drawn in (self.parted, self.vouched))
        arrays |= {"parted": parted, "vouched": vouched, "other": None if self.other is None else self.other.at(index)}
        return replace(self, micrograph=micrograph, unlike=self.unlike[index : index + 1], **arrays)

    def within(self, window: tuple[slice, slice]) -> Prediction:
        """Rows and columns of one plane as a prediction of their own, whose arrays are views of these."""
        valid = None if self.micrograph.valid is None else self.micrograph.valid[window]
        return replace(
            self,
            probability=self.probability[:, *window],
            classes=self.classes[window],
            auxiliary={name: depth[window] for name, depth in self.auxiliary.items()},
            micrograph=replace(self.micrograph, data=self.micrograph.plane(0)[window], valid=valid),
            parted=None if self.parted is None else self.parted[window],
            vouched=None if self.vouched is None else self.vouched[window],
            other=None if self.other is None else self.other.within(window),
        )

    @classmethod
    def blank(cls, micrograph: Micrograph, class_names: dict[int, str], auxiliary: Sequence[str] = (), **facts: Any) -> Prediction:
        """A prediction whose arrays are still to be filled, plane by plane through `at`; those of more than 256 MiB are kept in a file.

        `facts` are the remaining fields. The file has no name that others see and goes with the arrays.
        """
        shape = tuple(int(n) for n in micrograph.data.shape)
        channels = (*shape[:-2], len(class_names), *shape[-2:])
        size = 2 * math.prod(channels) + (2 * len(auxiliary) + 1) * math.prod(shape)
        on_disk = fits_on_disk(size)
        return cls(
            zeros(channels, np.float16, on_disk),
            tuple(sorted(class_names)),
            dict(class_names),
            zeros(shape, np.uint8, on_disk),
            micrograph,
            {name: zeros(shape, np.float16, on_disk) for name in auxiliary},
            **facts,
        )

    @classmethod
    def of_classes(cls, classes: npt.NDArray[np.integer[Any]], micrograph: Micrograph) -> Prediction:
        """Class numbers (…, Y, X) that somebody is certain of: probabilities 0 and 1. What is unlabelled counts as background."""
        whole = np.maximum(classes, BACKGROUND).astype(np.uint8)
        ids = tuple(range(BACKGROUND, max(FIRST_CLASS, int(whole.max(initial=0))) + 1))
        probability = np.stack([whole == number for number in ids], axis=-3).astype(np.float16)
        return cls(probability, ids, {n: PARTICLE_CLASSES.get(n, f"class {n}") for n in ids}, whole, micrograph)

    @classmethod
    def gathered(cls, planes: Sequence[Prediction], micrograph: Micrograph) -> Prediction:
        """The stack (or single picture) that single-plane predictions make, in order: the inverse of `at`.

        `TemsegError` when they are not those of every plane of `micrograph`, or not all of one model at one working scale.
        """
        if len(planes) != micrograph.n_planes or any(plane.classes.shape != micrograph.frame for plane in planes):
            raise TemsegError(
                f"{micrograph.name}: the predictions are not one for each of its {micrograph.n_planes} planes; predict it again."
            )
        first = planes[0]
        if any(plane._made_by != first._made_by for plane in planes):
            raise TemsegError(f"{micrograph.name}: its planes were predicted by different models or at different scales; predict it again.")
        facts = {
            name: getattr(first, name)
            for name in (
                "model_hash",
                "working_scale",
                "depth_taught",
                "pixel_ratio",
                "size",
                "candidates",
                "smaller",
                "larger",
                "confidence",
                "doubted",
                "alone",
                "computed_with",
            )
        }
        unlike = tuple(reason for plane in planes for reason in plane.unlike or ("",)) if any(plane.unlike for plane in planes) else ()
        others = [plane.other for plane in planes if plane.other is not None]
        other = cls.gathered(others, micrograph) if others else None
        whole = cls.blank(micrograph, first.class_names, tuple(first.auxiliary), **facts, unlike=unlike, other=other)
        for index, plane in enumerate(planes):
            target = whole.at(index)
            target.probability[...], target.classes[...] = plane.probability, plane.classes
            for name, depth in plane.auxiliary.items():
                target.auxiliary[name][...] = depth
        return whole

    @property
    def _made_by(self) -> tuple[Any, ...]:
        return self.model_hash, self.class_names, tuple(self.auxiliary), self.working_scale, self.depth_taught, self.pixel_ratio, self.size


def _outlined(micrograph: Micrograph, labels: npt.NDArray[np.integer[Any]], caption: str) -> str:
    """The first plane with outlines, for a notebook."""
    from napari_temseg.engine.types.thumbnails import NOTEBOOK, as_html, thumbnail

    return as_html(caption, thumbnail(micrograph.plane(0), labels, NOTEBOOK))


@dataclass(frozen=True, eq=False)
class PlanePrediction:
    """A finished plane of a running prediction: its `index` in the stack, and what was found on it (axes "YX")."""

    index: int
    prediction: Prediction


@dataclass(frozen=True)
class Origin:
    """The model that found particles, by its hash and name, the scales that it worked at, and what it held to be unlike its training.

    `confidence`, `doubted` and `smaller` are as of its prediction. `doubts` are about the particles as they came from it, None where
    not known.
    """

    model_hash: str = ""
    model: str = ""
    scales: tuple[float, ...] = (1.0,)
    unlike: tuple[str, ...] = ()
    confidence: Confidence | None = None
    doubts: Doubts | None = None
    smaller: SizeCandidate | None = None
    doubted: float = 0.0


@dataclass(frozen=True, eq=False)
class Particles:
    """Separate particles: `labels` int32 (…, Y, X), unique over the whole stack, never across classes.

    `table` has one row a label (index name `particle`) with columns `class` (name), `class_id`, `plane`, `aggregate` (id shared
    by touching particles), `frame` (touches the edge of the picture or an invalid area) and `cut` (bounded by a watershed line).
    Where two sizes are meant it has a column `population` ("small" or "large") too, and where a small one lies on a large one, the pixels
    are the small one's (see `populations`). `uncertain` counts what was dropped for want of certainty, `faint` those of it that the
    model doubts and the usual certainty would keep. `origin` tells what found them where `prediction` is not at hand any more.
    """

    labels: npt.NDArray[np.int32]
    table: pd.DataFrame
    micrograph: Micrograph
    prediction: Prediction | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    uncertain: int = 0
    origin: Origin | None = None
    faint: int = 0

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        kinds = [name for name in ("class", "population") if name in self.table and self.table[name].nunique() > 1]
        counts = "; ".join(", ".join(f"{count} {kind}" for kind, count in self.table[name].value_counts().items()) for name in kinds)
        which = f" ({counts})" if counts else ""
        found = f"{len(self)} particle{'' if len(self) == 1 else 's'}{which}"
        return f"<Particles of {self.micrograph.name}: {found} in {self.micrograph.extent}, {self.micrograph.calibration.describe()}>"

    def _repr_html_(self) -> str:
        return _outlined(self.micrograph, self.planes()[0], repr(self)[1:-1])

    @property
    def unlike(self) -> dict[int, str]:
        """In what a plane is unlike what its model was trained on, by plane; planes without particles are left out."""
        by = self.prediction or self.origin
        reasons = {} if by is None else {plane: reason for plane, reason in enumerate(by.unlike) if reason}
        found = set(self.table["plane"].unique().tolist()) if reasons else set()
        return {plane: reason for plane, reason in reasons.items() if plane in found}

    @property
    def wider(self) -> bool:
        """Whether smaller particles, about as many, seem to be there too, which the search finds in part at most."""
        by = self.prediction or self.origin
        return by is not None and by.smaller is not None and not (self.prediction is not None and self.prediction.other is not None)

    @property
    def doubted(self) -> float:
        """The share of particles that the model rather doubted in the search that strokes were made on."""
        by = self.prediction or self.origin
        return 0.0 if by is None else by.doubted

    @cached_property
    def pixels_by_label(self) -> npt.NDArray[np.int64]:
        """How many pixels each label has, (highest label + 1,) at least; a correction changes those that it changes alone."""
        return areas(self.labels)

    @cached_property  # a correction makes new particles; the window asks at every turn
    def band_ends(self) -> BandEnds | None:
        """What lies near the ends of the band that was looked for; None where sizes were not limited, or nobody knows."""
        size = self.prediction.size if self.prediction is not None else 0.0
        if not size:
            return None
        area = self.pixels_by_label[1:]
        diameter = np.sqrt(4 / np.pi * area[area > 0])
        other = self.prediction.other if self.prediction is not None else None
        low, high = size / BAND, (size if other is None else other.size) * BAND
        near = (int((diameter < low * NEAR_END).sum()), int((diameter > high / NEAR_END).sum()))
        seen = None if self.prediction is None or other is not None else self.prediction.smaller
        beside = () if seen is None else (seen.count, seen.size)
        return BandEnds(low, high, *near, len(diameter), *beside)

    @cached_property
    def outlines(self) -> dict[int, npt.NDArray[np.float64]]:
        """The outline (n, 2) of every particle by its label: y and x in px of its plane, 0 at the centre of the first pixel, sub-pixel.

        What others cover is completed where the free part of the outline is an ellipse; elsewhere an outline follows the seam.
        """
        from napari_temseg.engine.types.outlines import whole_outlines

        return {number: outline for plane in self.planes() for number, outline in whole_outlines(plane).items()}

    def planes(self) -> npt.NDArray[np.int32]:
        """`labels` as (P, Y, X)."""
        return self.labels.reshape((-1, *self.labels.shape[-2:]))
