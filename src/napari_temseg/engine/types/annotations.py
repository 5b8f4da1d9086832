"""Strokes or dense masks for any number of micrographs of different sizes and types.

Numbers: 0 says nothing, 1 background, 2… the classes by name. Masks drawn elsewhere are imported with an explicit meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.label_images import one_a_particle
from napari_temseg.engine.types.micrograph import Micrograph, as_micrograph
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, PARTICLE_CLASSES, UNLABELLED

LABEL_MEANINGS = {
    "classes": "0 unlabelled, 1 background, 2 and more: classes",
    "mask": "0 background, anything else: particle",
    "instances": "0 background, each other number: one particle",
}
MANY_CLASSES = 16  # a class above, with numbers missing below, is no class: the labels are of another kind
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Annotation:
    """Labels of one micrograph: `labels` uint8, `instances` int32 (or None where particles were not told apart), of its shape."""

    micrograph: Micrograph
    labels: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32] | None = None

    def __repr__(self) -> str:
        share = float(np.mean(self.labels != UNLABELLED))
        return f"<Annotation of {self.micrograph.name}: {self.micrograph.extent}, {share:.1%} labelled>"

    @classmethod
    def imported(cls, image: Any, array: Any, meaning: str = "") -> Annotation:
        """From an integer or bool array of the image's shape and a `meaning` (see `LABEL_MEANINGS`).

        Without one the numbers are classes, and those that look like one a particle a `TemsegError` that asks.
        """
        micrograph = as_micrograph(image)
        if not meaning:
            check_said(array, micrograph.name)
            meaning = "classes"
        values = np.asarray(array)
        name = micrograph.name
        if meaning not in LABEL_MEANINGS:
            raise TemsegError(f"{name}: labels cannot mean “{meaning}”; use one of {', '.join(LABEL_MEANINGS)}.")
        if values.shape != tuple(micrograph.data.shape):
            raise TemsegError(
                f"{name}: labels of shape {values.shape} do not fit the image {tuple(micrograph.data.shape)}; draw them on this image."
            )
        if values.dtype.kind not in "bui":
            raise TemsegError(f"{name}: labels must be whole numbers, not {values.dtype}; save them as an integer image.")
        if values.dtype.kind == "i" and values.size and int(values.min()) < 0:
            raise TemsegError(f"{name}: labels hold negative numbers; use 0 for unlabelled or background.")
        if meaning == "classes":
            return cls(micrograph, _class_labels(values, name))
        labels = np.where(values > 0, FIRST_CLASS, BACKGROUND).astype(np.uint8)
        instances = None
        if meaning == "instances":
            if values.size and int(values.max()) > np.iinfo(np.int32).max:
                raise TemsegError(f"{name}: instance numbers above 2147483647 cannot be kept; number the particles from 1.")
            instances = values.astype(np.int32)
        return cls(micrograph, labels, instances)

    def planes(self) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.int32] | None]]:
        """Planes that hold any label: (index, labels (Y, X), instances (Y, X) or None); nothing is labelled outside `valid`."""
        frame = self.micrograph.frame
        labels = self.labels.reshape((-1, *frame))
        instances = None if self.instances is None else self.instances.reshape((-1, *frame))
        valid = self.micrograph.valid
        for index, plane in enumerate(labels):
            seen = plane if valid is None else np.where(valid, plane, UNLABELLED).astype(np.uint8)
            if seen.any():
                yield index, seen, None if instances is None else instances[index]


def check_said(arrays: Any, name: str = "The labels") -> None:
    """`TemsegError` where nobody said what labels mean (an array, or a list of them) and they look like one number a particle."""
    found = [np.asarray(array) for array in (arrays if isinstance(arrays, (list, tuple)) else [arrays])]
    numbers = one_a_particle(found) if all(array.dtype.kind in "ui" and array.ndim > 1 for array in found) else 0
    if numbers:
        raise TemsegError(
            f"{name}: hold {numbers} numbers, each in one piece, as where every particle has its own; say which they are: "
            "--labels-mean instances, or --labels-mean classes (in Python meaning=…)."
        )


def _class_labels(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    present = np.unique(values)
    if values.dtype.kind == "b" or (present.max(initial=0) == 255 and len(present) <= 2):
        raise TemsegError(
            f"{name}: these labels look like a 0/255 or true/false mask; import them with the meaning “mask” (--labels-mean mask)."
        )
    if present.max(initial=0) > 254:
        raise TemsegError(
            f"{name}: class numbers above 254; if each particle has its own number, "
            "import them with the meaning “instances” (--labels-mean instances)."
        )
    return values.astype(np.uint8)


def default_name(number: int) -> str:
    """What a class is called that nobody named."""
    return PARTICLE_CLASSES.get(number, f"class {number}")


@dataclass(frozen=True)
class ClassCount:
    """How much of a class is labelled: pixels, and objects (instances where known, else connected strokes or regions)."""

    name: str
    pixels: int
    objects: int


@dataclass(frozen=True, eq=False)
class Annotations:
    """A training set: annotations and the names of their classes (1 is always the background).

    On `unlabelled` micrographs, whose pixels have no say, a model that is trained on shall go on saying what it says. Those that are
    `watched` teach nothing: it is told on which of them it says something else in the end.
    """

    items: tuple[Annotation, ...]
    class_names: dict[int, str] = field(default_factory=lambda: dict(PARTICLE_CLASSES))
    unlabelled: tuple[Micrograph, ...] = ()
    watched: tuple[Micrograph, ...] = ()

    def __repr__(self) -> str:
        n = len(self.items)
        return f"<Annotations of {n} micrograph{'' if n == 1 else 's'}: classes {', '.join(self.class_names.values())}>"

    @classmethod
    def collect(cls, images: Any, labels: Any, meaning: str = "", class_names: dict[int, str] | None = None) -> Annotations:
        """From images and label arrays, one each; a single image and array may be given bare. Classes without a name get one.

        `meaning` as for `Annotation.imported`; what nobody said is judged by all arrays together. Where every number above the first class
        has a name in `class_names`, they are classes.
        """
        if not isinstance(images, (list, tuple)):
            images = [images]
        if not isinstance(labels, (list, tuple)):
            labels = [labels]
        if len(images) != len(labels) or not images:
            raise TemsegError(f"{len(images)} images and {len(labels)} label arrays do not pair up; give one label array for each image.")
        named = max([FIRST_CLASS, *(class_names or {})])
        if not meaning and not (class_names and all(np.max(array, initial=0) <= named for array in labels)):
            check_said(list(labels))
        items = tuple(Annotation.imported(image, array, meaning or "classes") for image, array in zip(images, labels, strict=True))
        top = max(int(item.labels.max(initial=0)) for item in items)
        names = {**PARTICLE_CLASSES, **(class_names or {})}
        used = {*names, *(number for item in items for number in np.unique(item.labels).tolist())}
        gap = next((number for number in range(BACKGROUND, top) if number not in used), None)
        if top > MANY_CLASSES and gap is not None:
            raise TemsegError(
                f"The labels hold class {top} but no class {gap}; number the classes without gaps (1 background, 2 particle, 3 …), "
                "or import labels whose numbers mean something else as “mask” or “instances” (--labels-mean)."
            )
        return cls(items, {number: names.get(number, default_name(number)) for number in range(BACKGROUND, max(top, max(names)) + 1)})

    def counts(self) -> dict[int, ClassCount]:
        """Labelled pixels and objects of every class, over all micrographs."""
        pixels, objects = dict.fromkeys(self.class_names, 0), dict.fromkeys(self.class_names, 0)
        for item in self.items:
            for _, labels, instances in item.planes():
                for number in self.class_names:
                    here = labels == number
                    pixels[number] += int(here.sum())
                    objects[number] += _count_objects(here, instances if number != BACKGROUND else None)
        return {number: ClassCount(name, pixels[number], objects[number]) for number, name in self.class_names.items()}

    def check(self) -> None:
        """`TemsegError` unless at least two classes are labelled."""
        counts = self.counts()
        if all(count.pixels == 0 for count in counts.values()):
            raise TemsegError("Nothing is labelled: paint a few strokes on particles and on background first.")
        missing = [counts[number].name for number in (BACKGROUND, FIRST_CLASS) if counts[number].pixels == 0]
        if sum(count.pixels > 0 for count in counts.values()) < 2:
            raise TemsegError(
                f"Only one class is labelled: paint “{missing[0]}” too; "
                "if 0 means background in these labels, import them with the meaning “mask” (--labels-mean mask)."
            )


def _count_objects(here: npt.NDArray[np.bool_], instances: npt.NDArray[np.int32] | None) -> int:
    if instances is not None:
        return int(np.count_nonzero(np.unique(instances[here])))
    return int(ndimage.label(here, _EIGHT)[1])


def distance_map(instances: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """Depth inside each particle, 0 at its edge to 1 at its deepest point: the distance transform of each divided by its maximum.

    `instances` (Y, X) integer, 0 background. The edge of the picture is not an edge of a particle.
    """
    result = np.zeros(instances.shape, np.float32)
    if int(instances.max(initial=0)) > instances.size:  # numbers far apart: one slot a number would not fit in memory
        instances = relabel_sequential(instances)[0]
    for number, box in enumerate(ndimage.find_objects(instances), start=1):
        if box is None:
            continue
        grown = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        inside = instances[grown] == number
        # A particle that fills its whole window has no edge in it, so no distance: it is all middle.
        depth = np.ones(inside.shape) if inside.all() else ndimage.distance_transform_edt(inside)
        result[grown][inside] = (depth[inside] / depth.max()).astype(np.float32)
    return result
