"""What a training looks at: planes that are labelled, planes that are held to the starting model, planes that are watched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.types.annotations import Annotation, distance_map
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

SPARSE_SHARE = 0.25  # of the pixels of the labelled planes: where less is labelled, the starting model decides most of a picture
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class StartingAnswer:
    """What the starting model says of a plane: `probability` (K, Y, X) of its classes and `maps` (A, Y, X), its auxiliary ones, float32;
    all 0 where it was not asked."""

    probability: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32]

    @property
    def classes(self) -> npt.NDArray[np.uint8]:
        """The class number of every pixel."""
        classes: npt.NDArray[np.uint8] = (self.probability.argmax(axis=0) + BACKGROUND).astype(np.uint8)
        return classes

    @property
    def asked(self) -> npt.NDArray[np.bool_]:
        """Where it was asked (Y, X)."""
        return np.asarray(self.probability.sum(axis=0) > 0.5)

    def cut(self, y: slice, x: slice) -> StartingAnswer:
        """A copy of a window."""
        return StartingAnswer(self.probability[:, y, x].copy(), self.maps[:, y, x].copy())


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingPlane:
    """A plane: `image` (Y, X) float32, normalised; `name` of its micrograph, empty where it is simulated.

    `pixel_size` is in nm, 0 where it is not known; `scales` are those that suit it best; `start` is None where nobody asked. `index` is
    that of the plane in its micrograph.
    """

    image: npt.NDArray[np.float32]
    name: str = ""
    index: int = 0
    pixel_size: float = 0.0
    scales: tuple[float, ...] = ()
    start: StartingAnswer | None = None

    @property
    def bare(self) -> Self:
        """The plane without what the starting model says."""
        return replace(self, start=None)

    def answered(self, said: Prediction, window: tuple[slice, ...] = (slice(None), slice(None))) -> Self:
        """The plane with what the starting model says of it, or of the picture whose `window` it is, and the scales at which it does."""
        maps = [depth[window].astype(np.float32) for depth in said.auxiliary.values()]
        stacked = np.stack(maps) if maps else np.zeros((0, *self.image.shape), np.float32)
        probability = said.probability[(slice(None), *window)].astype(np.float32)
        return replace(self, start=StartingAnswer(probability, stacked), scales=said.working_scale)


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledPlane(TrainingPlane):
    """A plane to learn from: `labels` (Y, X) uint8, 0 where nothing is said; `distance` (Y, X) float32, the depth, where it is `known`.

    `beyond` counts the strokes that are left out of it, as they lie on particles beyond the sizes that are looked for.
    """

    labels: npt.NDArray[np.uint8]
    known: npt.NDArray[np.bool_]
    distance: npt.NDArray[np.float32]
    beyond: int = 0

    @property
    def whole(self) -> bool:
        """Whether every pixel is labelled, so that there is nothing for a starting model to say."""
        return bool((self.labels > 0).all())

    def only(self, judged: npt.NDArray[np.bool_]) -> LabelledPlane:
        """The plane with labels where they are `judged`, and without what the starting model says."""
        return replace(self, labels=self.labels * judged, known=self.known & judged, start=None)

    def without(self, strokes: npt.NDArray[np.bool_]) -> LabelledPlane:
        """The plane without the labels of some strokes (Y, X), which are counted."""
        return replace(self, labels=self.labels * ~strokes, known=self.known & ~strokes, beyond=int(ndimage.label(strokes, _EIGHT)[1]))

    def cut(self, y: slice, x: slice) -> LabelledPlane:
        """A copy of a window, so that nothing outside it can be seen."""
        parts: dict[str, Any] = {name: getattr(self, name)[y, x].copy() for name in ("image", "labels", "known", "distance")}
        return replace(self, **parts, start=self.start and self.start.cut(y, x))


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldPlane(TrainingPlane):
    """A plane without labels, on which the model learns to go on saying what the starting model says."""


@dataclass(frozen=True, eq=False, kw_only=True)
class WatchedPlane(TrainingPlane):
    """A plane without labels that teaches nothing: in the end it is told where the model says something else than the starting one."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Every plane of one training by its kind, in the order of the annotations; of those that are held, simulated ones come last."""

    labelled: tuple[LabelledPlane, ...]
    held: tuple[HeldPlane, ...] = ()
    watched: tuple[WatchedPlane, ...] = ()

    @classmethod
    def of(cls, planes: Iterable[TrainingPlane]) -> Dataset:
        """From planes of all kinds."""
        every = tuple(planes)
        return cls(
            tuple(plane for plane in every if isinstance(plane, LabelledPlane)),
            tuple(plane for plane in every if isinstance(plane, HeldPlane)),
            tuple(plane for plane in every if isinstance(plane, WatchedPlane)),
        )

    @property
    def whole(self) -> bool:
        """Whether every labelled plane is labelled whole."""
        return all(plane.whole for plane in self.labelled)

    @property
    def sparse(self) -> bool:
        """Whether most pixels of the labelled planes are open, as strokes leave them."""
        labelled = sum(int((plane.labels > 0).sum()) for plane in self.labelled)
        return labelled < SPARSE_SHARE * sum(plane.labels.size for plane in self.labelled)

    def check(self) -> None:
        """`TemsegError` where all strokes on particles are left out."""
        if any(plane.beyond for plane in self.labelled) and not any((plane.labels >= FIRST_CLASS).any() for plane in self.labelled):
            raise TemsegError(
                f"{self.labelled[0].name}: all particles that were stroked are far larger or smaller than what is looked for, and teach "
                "nothing of it; say their size, or both sizes, in step 2 and find again."
            )

    def agreement(self) -> float:
        """Foreground IoU of the starting model on labelled pixels of the planes where it was asked; NaN where nothing is foreground.

        It has seen none of these labels, so all of them can judge it.
        """
        both = either = 0
        for plane in self.labelled:
            if plane.start is None:
                continue
            labels = plane.labels * plane.start.asked
            found, truth = plane.start.classes >= FIRST_CLASS, labels >= FIRST_CLASS
            both += int((found & truth).sum())
            either += int(((found & (labels > 0)) | truth).sum())
        return both / either if either else math.nan


def labelled_planes(item: Annotation, normalisation: Normalisation) -> list[LabelledPlane]:
    """Every labelled plane of a micrograph, in order, bare."""
    micrograph, result = item.micrograph, []
    for index, labels, instances in item.planes():
        whole = complete_objects(labels) if instances is None else instances
        plane = LabelledPlane(
            image=normalisation.apply(micrograph.plane(index), micrograph.valid, micrograph.name),
            labels=labels,
            known=(labels == BACKGROUND) | ((whole > 0) & (labels > 0)),
            distance=distance_map(whole),
            name=micrograph.name,
            index=index,
            pixel_size=micrograph.calibration.nanometres,
        )
        result.append(plane)
    return result


def complete_objects(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Objects (int32) whose whole outline is drawn: connected foreground that no unlabelled pixel touches. A stroke is none."""
    result = np.zeros(labels.shape, np.int32)
    beside_nothing = ndimage.binary_dilation(labels == 0, _EIGHT)
    top = 0
    for number in np.unique(labels[labels >= FIRST_CLASS]):
        objects, count = ndimage.label(labels == number, _EIGHT)
        open_ones = np.unique(objects[beside_nothing])
        keep = np.setdiff1d(np.arange(1, count + 1), open_ones)
        renumber = np.zeros(count + 1, np.int32)
        renumber[keep] = np.arange(top + 1, top + len(keep) + 1)
        result += renumber[objects]
        top += len(keep)
    return result
