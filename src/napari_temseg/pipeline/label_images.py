"""Particles that no model made or that shall not be found again: a label image as particles, and areas cut out of what was found."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import copied
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, BY_LABELS, FIRST_CLASS, Particles, Prediction
from napari_temseg.engine.types.wording import at_plane
from napari_temseg.pipeline.find import Found, Stack, measured

Measured = tuple[Particles, Any]  # and their Measurement

_COLUMNS = {"class": object, "class_id": np.int64, "plane": np.int64, "aggregate": np.int64, "frame": bool, "cut": bool}


def iter_adopt(pairs: Sequence[tuple[npt.NDArray[np.integer[Any]], Micrograph]]) -> Job[list[Measured]]:
    """Particles and their measurement for each pair of labels and their image, of one shape.

    The same number on two planes is two particles. Where all particles have one number, what hangs together (8-connected) is a
    particle. What lies in a left-out area is none. `TemsegError` where the shapes differ.
    """

    def steps(control: Control) -> Generator[Progress, None, list[Measured]]:
        results = []
        for done, (labels, image) in enumerate(pairs):
            if tuple(labels.shape) != tuple(image.data.shape):
                raise TemsegError(
                    f"{image.name}: the labels have shape {tuple(labels.shape)}, the image {tuple(image.data.shape)}; they must agree."
                )
            yield Progress("measure", done / len(pairs), f"measuring {image.name}", control.elapsed)
            pages = labels.reshape((-1, *labels.shape[-2:]))
            numbers = pages.max(initial=0), pages[pages > 0].min(initial=np.iinfo(pages.dtype).max)
            planes = Stack(image)
            for index, page in enumerate(pages):
                planes.put(index, _particles_of(page, image, mask=numbers[0] == numbers[1]))
                yield Progress("measure", (done + (index + 1) / len(pages)) / len(pairs), "", control.elapsed)
            particles = planes.whole(None)
            results.append((particles, measured(particles)))
        return results

    return Job(steps)


def iter_labelled(labels: npt.NDArray[np.uint8], names: Mapping[int, str], image: Micrograph, config: SplitConfig) -> Job[Found]:
    """Particles as somebody labelled a picture (class numbers of its shape, 1 background, 2 … particles), split and measured.

    What is not labelled is background. `names` are those of the classes. The prediction that goes with it is certain of all, and by no
    model (`BY_LABELS`). `TemsegError` where less than half of a plane is labelled.
    """

    def steps(control: Control) -> Generator[Progress, None, Found]:
        from napari_temseg.engine.particles.splitting import split

        pages = labels.reshape((-1, *image.frame))
        for index, page in enumerate(pages):
            if 2 * np.count_nonzero(page) < page.size:
                where = f" {at_plane(index, image.n_planes)}" if image.n_planes > 1 else ""
                raise TemsegError(
                    f"{image.name}:{where} less than half is labelled, and what is not counts as background; fill the rest first "
                    "(Fill from strokes, Fill from result)."
                )
        n = max(FIRST_CLASS, int(labels.max()))
        said = _said_by(labels, {number: names.get(number, default_name(number)) for number in range(BACKGROUND, n + 1)}, image)
        planes = Stack(image)
        for index in range(image.n_planes):
            yield Progress("split", index / image.n_planes, at_plane(index, image.n_planes) or image.name, control.elapsed)
            planes.put(index, split(said.at(index), config))
        particles = planes.whole(said)
        yield Progress("measure", 1.0, f"measuring {image.name}", control.elapsed)
        return Found(0, said, particles, measured(particles))

    return Job(steps)


def _said_by(labels: npt.NDArray[np.uint8], names: dict[int, str], image: Micrograph) -> Prediction:
    classes = np.maximum(labels, BACKGROUND)
    ids = tuple(names)
    probability = np.stack([classes == number for number in ids], axis=-3).astype(np.float16)
    facts: dict[str, Any] = {"model_hash": BY_LABELS, "depth_taught": False, "computed_with": "no model"}
    return Prediction(probability, ids, names, classes, image, parted=labels == BACKGROUND, **facts)  # a hole that is painted stays one


def iter_cut_out(particles: Particles, image: Micrograph) -> Job[Measured]:
    """A copy of particles without what `image` leaves out, and its measurement; for particles that were corrected by hand."""

    def steps(control: Control) -> Generator[Progress, None, Measured]:
        from napari_temseg.engine.particles.label_changes import difference
        from napari_temseg.engine.particles.remeasure import corrected

        prediction = particles.prediction and replace(particles.prediction, micrograph=image)
        rest = replace(particles, labels=copied(particles.labels), micrograph=image, prediction=prediction)
        smallest = float(particles.settings.get("min_diameter", SplitConfig().min_diameter))
        for index, page in enumerate(particles.planes()):
            yield Progress("split", index / image.n_planes, at_plane(index, image.n_planes), control.elapsed)
            kept = page if image.valid is None else _cut(page, image.valid, smallest)
            patch = difference(page, kept, index)
            if patch is not None:
                rest = corrected(rest, patch)
        return rest, measured(rest)

    return Job(steps)


def _cut(page: npt.NDArray[np.integer[Any]], valid: npt.NDArray[np.bool_], smallest: float) -> npt.NDArray[np.integer[Any]]:
    """Labels without what is not valid, and without what that leaves of a particle where it is smaller than any (diameter in px)."""
    kept = np.where(valid, page, 0)
    before, after = np.bincount(page.ravel()), np.bincount(kept.ravel(), minlength=int(page.max(initial=0)) + 1)
    crumbs = (after < before) & (after < np.pi / 4 * smallest**2)
    return np.where(crumbs[kept], 0, kept)


def _particles_of(page: npt.NDArray[np.integer[Any]], image: Micrograph, mask: bool) -> Particles:
    from skimage.measure import label
    from skimage.segmentation import relabel_sequential

    from napari_temseg.engine.particles.label_changes import difference
    from napari_temseg.engine.particles.remeasure import corrected

    page = np.where((page > 0) if image.valid is None else (page > 0) & image.valid, page, 0)
    found = (label(page > 0) if mask else relabel_sequential(page)[0]).astype(np.int32)
    index = pd.Index([], dtype=np.int64, name="particle")
    table = pd.DataFrame({name: pd.Series([], index, kind) for name, kind in _COLUMNS.items()})
    single = replace(image, data=np.broadcast_to(np.uint8(0), image.frame), axes="YX")
    blank = Particles(np.zeros(image.frame, np.int32), table, single)
    patch = difference(blank.labels, found, 0)
    return blank if patch is None else corrected(blank, patch)
