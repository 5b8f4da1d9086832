"""From which size on particles are found in this very picture: some of known size are put into it, and looked for again.

What is put in are the picture's own particles that stand alone, made smaller, onto places where nothing was found. Their contrast falls
with the diameter as that of the particles found does (in proportion to it where these do not tell: projected thickness). The model looks
at one window of the picture, at the scale at which it looked at the whole.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.transform import resize

from napari_temseg.engine.measure.recovery.limit import RecoveredSize
from napari_temseg.engine.model.prediction import iter_predict
from napari_temseg.engine.particles.splitting import split
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.populations import LARGE, of_each_population
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Particles

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter

Floats = npt.NDArray[np.float64]
Window = tuple[slice, slice]
WINDOW = 768  # px, the side of what is looked at
CHEAP = 4.0  # planes of so many windows cost little more with it
EACH = 24  # particles of a size
FEWEST_PLANTED = 8  # of a size, to tell its recall
STEP = 1.26  # from size to size
_SMALLEST = 4.0  # px
_TEMPLATES = 24
_MARGIN = 3  # px round a particle that are moved along with it
_FREE = 4.0  # px from one to the next


def is_cheap(image: Micrograph) -> bool:
    """Whether looking at a window costs at most a quarter of looking at the picture."""
    return float(np.prod(image.frame)) * image.n_planes >= CHEAP * WINDOW**2


def iter_recovery(model: Segmenter, particles: Particles, config: PredictConfig | None = None) -> Job[tuple[RecoveredSize, ...]]:
    """The job that puts particles into the first plane, and tells by size how many of them are found; () where it cannot be told.

    Of two populations each is told of by itself, the large one from the size on at which a particle is nearer to it than to the small one.
    """

    def steps(control: Control) -> Generator[Progress, None, tuple[RecoveredSize, ...]]:
        prediction = particles.prediction
        if prediction is None:
            return ()
        told: list[RecoveredSize] = []
        middle = 0.0 if prediction.other is None else math.sqrt(prediction.size * prediction.other.size)
        for name, own in of_each_population(particles).items():
            smallest = max(_SMALLEST, middle) if name == LARGE else _SMALLEST
            found = yield from _looked_for(model, own, config or PredictConfig(), particles.planes()[0], smallest, control)
            told += [row._replace(population=name) for row in found]
        if particles.settings.get("as_one"):  # of each search the sizes that it answers for
            told = [row._replace(population="") for row in told if (row.population == LARGE) == (row.diameter >= middle)]
        return tuple(told)

    return Job(steps)


def _looked_for(
    model: Segmenter, particles: Particles, config: PredictConfig, taken: npt.NDArray[Any], smallest: float, control: Control
) -> Generator[Progress, None, tuple[RecoveredSize, ...]]:
    """What is found of particles of one size that are put where nothing is `taken` (labels (Y, X))."""
    prediction = particles.prediction
    planted = None if prediction is None else _planted(particles, taken, smallest)
    if prediction is None or planted is None:
        return ()
    image, places, origin = planted
    if prediction.size:
        at = replace(config.for_size(prediction.size), exact_size=True)
    else:
        at = replace(config, typical_size=None, typical_nm=None, scales=prediction.working_scale)
    job = iter_predict(model, image, at)
    for progress in job:
        if control.finishing:
            job.cancel()
        yield replace(progress, stage="measure", message=f"{particles.micrograph.name}: looking for particles of known size")
    found = split(job.result, SplitConfig.from_dict(particles.settings))
    return _told(found.labels, taken[origin], places)


def _planted(particles: Particles, taken: npt.NDArray[Any], smallest: float) -> tuple[Micrograph, Floats, Window] | None:
    """A window of the first plane with particles from `smallest` on put in, their places (n, 3: y, x, diameter, px), and where it lies."""
    picture, labels = particles.micrograph, particles.planes()[0]
    plane = np.nan_to_num(np.asarray(picture.plane(0), np.float32))
    free = taken == 0 if picture.valid is None else (taken == 0) & picture.valid
    window = _emptiest(free)
    templates = _templates(particles, plane, labels)
    if not templates:
        return None
    power = _contrast_power(templates)
    rng = np.random.default_rng(0)
    data, room = plane[window].copy(), ndimage.distance_transform_edt(np.pad(free[window], 1))[1:-1, 1:-1]
    largest = float(np.median([each[1] for each in templates]))
    sizes = (smallest * STEP ** np.arange(int(np.log(max(largest / smallest, 1.0)) / np.log(STEP)) + 1))[::-1]
    places = []
    for size in sizes:
        for _ in range(EACH):
            place = _free_place(room, size, rng)
            if place is None:
                break
            fitting = [each for each in templates if each[1] >= 0.98 * size]
            patch, diameter = fitting[rng.integers(len(fitting))] if fitting else templates[0]
            _put(data, place, patch, size / diameter, power)
            places.append((*place, size))
            _occupy(room, place, size)
    if not places:
        return None
    valid = None if picture.valid is None else picture.valid[window]
    whole = Micrograph(data, "YX", picture.calibration, valid, replace(picture.source, content_hash=""))
    return whole, np.array(places, np.float64), window


def _emptiest(free: npt.NDArray[np.bool_]) -> Window:
    """The window with most room."""
    height, width = (min(WINDOW, side) for side in free.shape)
    total = np.pad(np.cumsum(np.cumsum(free, 0, dtype=np.int64), 1), ((1, 0), (1, 0)))
    rows, columns = (
        np.unique([*range(0, side - part + 1, 64), side - part]) for side, part in zip(free.shape, (height, width), strict=True)
    )
    top, left = np.meshgrid(rows, columns, indexing="ij")
    room = total[top + height, left + width] - total[top, left + width] - total[top + height, left] + total[top, left]
    y, x = int(top.flat[room.argmax()]), int(left.flat[room.argmax()])
    return slice(y, y + height), slice(x, x + width)


def _templates(particles: Particles, plane: npt.NDArray[Any], labels: npt.NDArray[Any]) -> list[tuple[Floats, float]]:
    """What particles that stand alone add to the background round them, smoothed a little, and the diameter of each (px)."""
    table = particles.table
    alone = table.index[~(table["cut"] | table["frame"]) & (table["plane"] == 0)].to_numpy(np.int64, copy=True)
    boxes = ndimage.find_objects(labels)
    found = []
    order = np.random.default_rng(1).permutation(alone)
    for label in order.tolist():
        box = boxes[label - 1]
        inner = tuple(slice(max(side.start - 2 * _MARGIN, 0), side.stop + 2 * _MARGIN) for side in box)
        crop, here = plane[inner], labels[inner]
        mine = here == label
        near = ndimage.binary_dilation(mine, iterations=_MARGIN)
        ground = crop[~near & (here == 0)]
        if not near.any() or (here[near] != 0).sum() > mine.sum() or ground.size < 20:
            continue
        weight = ndimage.gaussian_filter(near.astype(np.float64), 0.8)
        patch = ndimage.gaussian_filter(crop.astype(np.float64) - float(np.median(ground)), 0.7) * weight
        found.append((patch, float(np.sqrt(4 * mine.sum() / np.pi))))
        if len(found) >= _TEMPLATES:
            break
    middle = np.median([each[1] for each in found]) if found else 0.0
    return [each for each in found if each[1] >= 0.8 * middle]


def _contrast_power(templates: list[tuple[Floats, float]]) -> float:
    """Exponent by which contrast falls with the diameter, 0 to 1, as far as the particles tell; 1 where they do not."""
    sizes = np.log([each[1] for each in templates])
    strength = np.log([max(float(np.abs(each[0]).max()), 1e-9) for each in templates])
    if len(templates) < 12 or np.ptp(sizes) < 0.4:
        return 1.0
    return float(np.clip(np.polyfit(sizes, strength, 1)[0], 0.0, 1.0))


def _free_place(room: Floats, size: float, rng: np.random.Generator) -> tuple[int, int] | None:
    """A random pixel round which a disc of this diameter has room; None where there is none."""
    enough = np.flatnonzero(room > size / 2 + _FREE)
    if not len(enough):
        return None
    y, x = np.unravel_index(int(enough[rng.integers(len(enough))]), room.shape)
    return int(y), int(x)


def _occupy(room: Floats, place: tuple[int, int], size: float) -> None:
    """Less room round what was put in."""
    reach = int(size + 4 * _FREE + room.max()) + 1
    rows, columns = (slice(max(at - reach, 0), at + reach + 1) for at in place)
    y, x = np.ogrid[rows.start : min(rows.stop, room.shape[0]), columns.start : min(columns.stop, room.shape[1])]
    distance = np.hypot(y - place[0], x - place[1]) - size / 2
    room[rows, columns] = np.minimum(room[rows, columns], distance)


def _put(data: npt.NDArray[np.float32], place: tuple[int, int], patch: Floats, ratio: float, power: float) -> None:
    """Add a particle made smaller, its middle at `place`."""
    shape = tuple(max(3, round(side * ratio)) for side in patch.shape)
    small = np.asarray(resize(patch, shape, order=1, anti_aliasing=ratio < 1, mode="constant")) * ratio**power
    top, left = place[0] - shape[0] // 2, place[1] - shape[1] // 2
    rows, columns = slice(max(top, 0), min(top + shape[0], data.shape[0])), slice(max(left, 0), min(left + shape[1], data.shape[1]))
    data[rows, columns] += small[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left].astype(np.float32)


def _told(labels: npt.NDArray[Any], before: npt.NDArray[Any], places: Floats) -> tuple[RecoveredSize, ...]:
    """Of each size: how many were put in and found (half of the union in common), and the median error of the diameter of those found."""
    area = np.bincount(labels.ravel())
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    told = []
    for size in np.unique(places[:, 2]):
        errors, of_size = [], places[places[:, 2] == size]
        for cy, cx, _ in of_size:
            reach = int(size / 2 + 2)
            box = tuple(slice(max(int(c) - reach, 0), int(c) + reach + 1) for c in (cy, cx))
            disc = np.hypot(y[box[0]] - cy, x[:, box[1]] - cx) <= size / 2
            here = labels[box][disc & (before[box] == 0)]
            label = int(np.bincount(here[here > 0]).argmax()) if (here > 0).any() else 0
            common = int((here == label).sum()) if label else 0
            if label and common >= 0.5 * (int(disc.sum()) + int(area[label]) - common):
                errors.append(float(np.sqrt(4 * area[label] / np.pi)) / size - 1)
        if len(of_size) >= FEWEST_PLANTED:
            told.append(RecoveredSize(float(size), len(of_size), len(errors), float(np.median(errors)) if errors else None))
    return tuple(told)
