"""From a micrograph to measured particles in one job, plane by plane, as a window wants it: what is shown comes first."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.burntin.boxes import outermost
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import zeros
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import Particles, Prediction
from napari_temseg.engine.types.wording import LOADING, at_plane, several
from napari_temseg.pipeline.burnt_in import areas_left_out, marked_area, with_bar_text, without_areas

if TYPE_CHECKING:
    import pandas as pd

    from napari_temseg.engine.burntin.boxes import Box
    from napari_temseg.engine.measure.measurement import Measurement

C = TypeVar("C", PredictConfig, SplitConfig)


@dataclass(frozen=True, eq=False)
class PlaneFound:
    """One plane of picture number `image` is done: prediction (None when only split again) and particles, both single planes."""

    image: int
    plane: int
    particles: Particles
    prediction: Prediction | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """Picture number `image` is done; `left_out` are boxes round what is burnt into it, where that was to be left out."""

    image: int
    prediction: Prediction
    particles: Particles
    measurement: Measurement
    left_out: tuple[Box, ...] = ()


def outward(n: int, first: int) -> list[int]:
    """Plane numbers 0…n−1, beginning with `first`, then its neighbours, then theirs."""
    return sorted(range(n), key=lambda plane: (abs(plane - first), plane))


def iter_find(
    model: Any,
    images: Sequence[Micrograph],
    predict: PredictConfig | Sequence[PredictConfig] | None = None,
    split: SplitConfig | Sequence[SplitConfig] | None = None,
    first: Sequence[int] | None = None,
    parted: Sequence[npt.NDArray[np.bool_] | None] = (),
    bars: Sequence[bool] = (),
) -> Job[list[Found]]:
    """Predict, split and measure pictures one after another; `model` is a `Segmenter`, a shipped name or a file.

    Model and settings are those of all pictures, or, in a list, one for each.
    `first` gives for each picture the plane to begin with, `parted` where somebody drew background (see `Prediction`), `bars` whether what
    is burnt into it is to be left out where that is certain, as a run does it. A `Progress` has a
    `PlaneFound` or a `Found` as its preview whenever one is done. `finish()` stops after the picture in work, `cancel()` at the next
    tile; what was handed over before stays good.
    """

    def steps(control: Control) -> Generator[Progress, None, list[Found]]:
        from napari_temseg.api import load  # torch comes with it

        yield Progress("find", 0.0, LOADING, control.elapsed)
        of_each = list(model) if isinstance(model, list) else [model] * len(images)
        named = {name: load(name) for name in dict.fromkeys(each for each in of_each if isinstance(each, str))}
        cost = np.cumsum([0.0, *(image.n_planes * float(np.prod(image.frame)) for image in images)])
        left_out = yield from _bars_of(images, bars, control)
        found: list[Found] = []
        for index, (image, boxes) in enumerate(zip(map(without_areas, images, left_out), left_out, strict=True)):
            if control.finishing:
                break
            start, share = cost[index] / cost[-1], (cost[index + 1] - cost[index]) / cost[-1]
            begin = first[index] if first else 0
            settings = of_one(predict, index) or PredictConfig(), of_one(split, index) or SplitConfig()
            segmenter = named[of_each[index]] if isinstance(of_each[index], str) else of_each[index]
            one = _find_one(segmenter, image, index, *settings, begin, parted[index] if parted else None)
            overall = partial(_overall, start=float(start), share=float(share), control=control)
            result = replace((yield from mapped(one, overall)), left_out=boxes)
            found.append(result)
            yield Progress(
                "find", float(start + share), f"{image.name}: {several(len(result.particles), 'particle')}", control.elapsed, preview=result
            )
        return found

    return Job(steps)


def _bars_of(images: Sequence[Micrograph], bars: Sequence[bool], control: Control) -> Generator[Progress, None, list[tuple[Box, ...]]]:
    """The boxes that each picture loses; of all of them first, as those of one camera lose the same area."""
    areas = {}
    for index in (index for index, wanted in enumerate(bars) if wanted):
        yield Progress("find", 0.0, f"{images[index].name}: looking for what is burnt in", control.elapsed)
        areas[index] = marked_area(images[index])
    found = dict(zip(areas, areas_left_out(list(areas.values()), everything=False), strict=True))
    return [outermost(with_bar_text(image, found.get(index, ()))) for index, image in enumerate(images)]


def of_one(settings: C | Sequence[C] | None, index: int) -> C | None:
    """The settings of one picture, of those that all share or that each has."""
    return settings[index] if isinstance(settings, Sequence) else settings


def _overall(progress: Progress, start: float, share: float, control: Control) -> Progress:
    """The progress of one picture as that of the whole job."""
    paced = progress.paced or start > 0  # what went before tells how long a picture takes
    return replace(progress, stage="find", fraction=start + share * progress.fraction, elapsed=control.elapsed, paced=paced)


def _find_one(
    model: Any,
    image: Micrograph,
    index: int,
    predict: PredictConfig,
    config: SplitConfig,
    first: int,
    parted: npt.NDArray[np.bool_] | None,
) -> Generator[Progress, None, Found]:
    from napari_temseg.engine.model.prediction import iter_predict
    from napari_temseg.engine.particles.splitting import split
    from napari_temseg.engine.types.results import PlanePrediction
    from napari_temseg.pipeline.picture.course import LARGER_TAKES, MEASURING_TAKES, SPLITTING_TAKES, SearchCourse
    from napari_temseg.pipeline.picture.larger import iter_larger

    planes, middle, course = Stack(image), None, SearchCourse(image, SPLITTING_TAKES + MEASURING_TAKES, LARGER_TAKES)
    job = iter_predict(model, image, predict, outward(image.n_planes, first))
    for progress in job:
        ready = progress.preview
        if not isinstance(ready, PlanePrediction):
            yield course.looked(progress)
        else:
            plane = replace(ready.prediction, parted=None if parted is None else parted.reshape((-1, *image.frame))[ready.index])
            found = split(plane, config)
            planes.put(ready.index, found)
            middle = found if ready.index == image.n_planes // 2 else middle
            course.did(SPLITTING_TAKES)
            yield course.looked(replace(progress, preview=PlaneFound(index, ready.index, found, plane)))
    larger = None
    if middle is not None:
        beyond = iter_larger(model, middle, predict)
        for progress in beyond:
            seen = replace(progress, stage="predict", message=f"{image.name}: looking for larger particles")
            yield course.at(seen, LARGER_TAKES / 2 * progress.fraction)
        larger = beyond.result
    whole = replace(job.result, parted=parted, larger=larger)
    particles = planes.whole(whole)
    course.did(LARGER_TAKES)
    yield course.at(Progress("find", 0.0, f"{image.name}: measuring {several(len(particles), 'particle')}"))
    return Found(index, whole, particles, measured(particles))


def iter_resplit(prediction: Prediction, config: SplitConfig, first: int = 0) -> Job[Found]:
    """Split a prediction anew and measure it; the first `Progress` with a preview is the plane `first`."""

    def steps(control: Control) -> Generator[Progress, None, Found]:
        from napari_temseg.engine.particles.splitting import split

        n = prediction.micrograph.n_planes
        planes = Stack(prediction.micrograph)
        for done, plane in enumerate(outward(n, first), start=1):
            found = split(prediction.at(plane), config)
            planes.put(plane, found)
            yield Progress("split", done / n, at_plane(done - 1, n), control.elapsed, preview=PlaneFound(0, plane, found))
        particles = planes.whole(prediction)
        return Found(0, prediction, particles, measured(particles))

    return Job(steps)


def iter_resplit_all(predictions: Sequence[Prediction], config: SplitConfig) -> Job[list[Found]]:
    """Split many predictions anew, one after another."""

    def steps(control: Control) -> Generator[Progress, None, list[Found]]:
        found: list[Found] = []
        for index, prediction in enumerate(predictions):
            overall = partial(_overall, start=index / len(predictions), share=1 / len(predictions), control=control)
            job = iter_resplit(prediction, config)
            for step in job:
                yield replace(overall(step), preview=None)
            found.append(replace(job.result, image=index))
        return found

    return Job(steps)


def measured(particles: Particles) -> Measurement:
    """The measurement of particles."""
    from napari_temseg.engine.measure.measurement import measure

    return measure(particles)


class Stack:
    """Particles of a picture from those of its planes, which come in any order and are not held: labels and aggregates are numbered
    through, as `split` does."""

    def __init__(self, image: Micrograph) -> None:
        self.image = image
        self._labels = zeros((image.n_planes, *image.frame), np.int32)
        self._tables: dict[int, pd.DataFrame] = {}
        self._settings: dict[str, Any] = {}
        self._uncertain = self._faint = 0

    def put(self, plane: int, found: Particles) -> None:
        """What was found on a plane."""
        self._labels[plane] = found.labels
        self._tables[plane] = found.table
        self._settings = dict(found.settings)
        self._uncertain += found.uncertain
        self._faint += found.faint

    def whole(self, prediction: Prediction | None) -> Particles:
        """All of them, once, when every plane is there; `TemsegError` of a picture without planes."""
        import pandas as pd  # half a second that the window does not spend before it opens

        from napari_temseg.engine.particles.splitting import Numbering

        if not self._tables:
            raise TemsegError(f"{self.image.name}: there are no planes to put together.")
        numbers = Numbering()
        tables: list[pd.DataFrame] = []
        for plane, page in enumerate(self._labels):
            page[...], table = numbers.next(page, self._tables[plane].assign(plane=plane))
            tables.append(table)
        table = pd.concat(tables).rename_axis("particle")
        labels = self._labels.reshape(tuple(self.image.data.shape))
        return Particles(labels, table, self.image, prediction, self._settings, self._uncertain, faint=self._faint)
