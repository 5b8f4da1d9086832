"""What strokes say of what a search found: which of them it contradicts, and how large the particles are that it does not look for."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.interactive.active_learning import Place
from napari_temseg.engine.interactive.under_stroke import EIGHT, LIES_ON, UnderStrokes
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, BAND, FIRST_CLASS, Prediction

NEARLY_ALL = 0.75  # of those that were looked under, from which on the others are taken to be like them
MOST_ASKED = 12  # strokes of which the size is looked for
FAR_BEYOND = 1.5  # × the end of the band, within which what is outlined was found well enough
OF_STROKED = 0.25  # share of the strokes on particles that lie on such of another size, from which on that size is asked about
THROUGH = 0.6  # of the depth of a particle, from which on a stroke through it goes through its middle
SCRAPS = 4  # px that a piece of a stroke is widened by on every side: those that touch then are one
LEAST_REACH = 8.0  # px round a stroke that is shown
REGIONS = 0.3  # share of a plane that is labelled, from which on its labels are regions, as by a filling, and no strokes
SPECK = 0.05  # × the area of a typical particle: what is smaller in labels that are regions is none
Strokes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Contradicted:
    """How many strokes on particles there are, and how many of them lie on none: `unsure` where what is there was left out as uncertain;
    and how many strokes on background, and how many of these lie on a particle or go through the middle of one. `places` are those that
    are contradicted.

    Where labels are `regions`, as by a filling, `particles` and `missed` are regions of particles, `background` is how many particles were
    found and `covered` how many of these lie on background."""

    particles: int = 0
    missed: int = 0
    unsure: int = 0
    background: int = 0
    covered: int = 0
    places: tuple[Place, ...] = ()
    regions: bool = False

    @property
    def any(self) -> bool:
        """Whether any stroke is contradicted."""
        return self.missed + self.covered > 0


def contradicted(strokes: Strokes, labels: Labels, said: Prediction | None = None) -> Contradicted:
    """Count strokes (uint8 (…, Y, X): 1 background, 2 … particles) that particles (`labels`, of the same shape) contradict.

    `said` tells what the model takes for particles, of which some are left out as uncertain.
    """
    tally = np.zeros(5, int)
    places: list[Place] = []
    frame = strokes.shape[-2:]
    seen = None if said is None else said.all_classes().reshape((-1, *frame))
    drawn_pages = strokes.reshape((-1, *frame))
    regions = max((np.count_nonzero(page) for page in drawn_pages), default=0) >= REGIONS * frame[0] * frame[1]
    for plane, (drawn, found) in enumerate(zip(drawn_pages, labels.reshape((-1, *frame)), strict=True)):
        if not drawn.any():
            continue
        on, count = _regions_in(drawn >= FIRST_CLASS, found) if regions else _strokes_in(drawn >= FIRST_CLASS)
        missed = _share(on, count, found > 0) < LIES_ON
        taken = np.zeros(count, bool) if seen is None else _share(on, count, seen[plane] >= FIRST_CLASS) >= LIES_ON
        if regions:
            beside, others, covered = _on_background(drawn, found)
        else:
            beside, others = _strokes_in(drawn == BACKGROUND)
            covered = _share(beside, others, found > 0) >= LIES_ON
            covered[_through_a_middle(beside, found) - 1] = True
        tally += count, missed.sum(), (missed & taken).sum(), others, covered.sum()
        places += [*_places(on, missed, plane), *_places(beside, covered, plane)]
    of = [int(each) for each in tally]
    return Contradicted(of[0], of[1], of[2], of[3], of[4], tuple(places), bool(regions))


def _regions_in(particle: npt.NDArray[np.bool_], found: Labels) -> tuple[npt.NDArray[Any], int]:
    """Numbers (Y, X) of labelled particles, and how many there are; specks beside what was found are none."""
    near, count = ndimage.label(particle, EIGHT)
    areas, sizes = np.bincount(near.ravel(), minlength=count + 1), np.bincount(found.ravel())[1:]
    typical = np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    kept = areas >= SPECK * typical
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers[near], int(kept.sum())


def _on_background(drawn: Strokes, found: Labels) -> tuple[npt.NDArray[Any], int, npt.NDArray[np.bool_]]:
    """What was found, as far as it lies on labelled background, how many particles that are, and which lie there for the most part."""
    beside = np.where(drawn == BACKGROUND, found, 0)
    top = int(found.max(initial=0))
    areas, on = (np.bincount(each.ravel(), minlength=top + 1)[1:] for each in (np.where(drawn > 0, found, 0), beside))
    return beside, int(np.count_nonzero(np.bincount(found.ravel())[1:])), (areas > 0) & (on >= LIES_ON * areas)


def _strokes_in(drawn: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[Any], int]:
    """Numbers (Y, X) of strokes, and how many there are: what the eraser has left of one is one still."""
    near, count = ndimage.label(ndimage.maximum_filter(drawn.astype(np.uint8), 2 * SCRAPS + 1), EIGHT)
    return np.where(drawn, near, 0), count


def _places(regions: npt.NDArray[Any], which: npt.NDArray[np.bool_], plane: int) -> list[Place]:
    """The chosen ones of some regions, each at the pixel of it that is nearest to its middle, and as far as it reaches from there."""
    found: list[Place] = []
    boxes = ndimage.find_objects(regions)
    for number in np.flatnonzero(which) + 1:
        box = boxes[number - 1]
        pixels = np.argwhere(regions[box] == number) + np.asarray([box[0].start, box[1].start])
        y, x = pixels[np.argmin(((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1))]
        reach = max(LEAST_REACH, float(np.abs(pixels - (y, x)).max()) + 1)
        found.append(Place(plane, int(y), int(x), 1.0, reach))
    return found


def _share(regions: npt.NDArray[Any], count: int, of: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    area = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    return np.asarray(np.bincount(regions[of], minlength=count + 1)[1:] / np.maximum(area, 1))


def _through_a_middle(regions: npt.NDArray[Any], labels: Labels) -> npt.NDArray[np.intp]:
    """Numbers of the strokes, `regions` (Y, X), that go through the middle of a particle, however small it is beside them."""
    under = np.unique(labels[(regions > 0) & (labels > 0)])
    boxes, through = ndimage.find_objects(labels), [np.zeros(0, np.intp)]
    for number in under:
        box = boxes[number - 1]
        depth = ndimage.distance_transform_edt(np.pad(labels[box] == number, 1))[1:-1, 1:-1]
        through.append(np.unique(regions[box][depth >= THROUGH * depth.max()]).astype(np.intp))
    numbers = np.unique(np.concatenate(through))
    return np.asarray(numbers[numbers > 0])


def iter_stroked_size(model: Segmenter, said: Prediction, strokes: Strokes, labels: Labels) -> Job[float | None]:
    """The job that finds the typical size (px) of particles that are stroked and that a search did not look for; None where there are none.

    `said` and `labels` (Y, X) are what the search said and found of a plane with `strokes` (Y, X), for particles of one size. Round every
    stroke that lies on no particle the model is shown the plane as it shows itself for smaller and larger ones; where it sees one under the
    stroke then, outside of what was looked for, that is its size. A stroke on a particle that is outlined though it is beyond the band
    of sizes, as *Live* does, tells its size as well. The answer is the median of those on the side where most are; a few of many strokes,
    which may lie on what was welded, tell none.
    """

    def steps(control: Control) -> Generator[Progress, None, float | None]:
        if not said.size or said.other is not None:
            return None
        under = UnderStrokes(model, said.micrograph, said.size)
        found = [size for size in _outlined(strokes, labels) if max(size / said.size, said.size / size) > FAR_BEYOND * BAND]
        missed = _missed(strokes, labels)
        for window, stroke in missed[:MOST_ASKED]:
            yield Progress("find", 0.0, f"{said.micrograph.name}: how large what was stroked is", control.elapsed)
            if control.finishing:
                break
            found.append(under.size_under(window, stroke))
        larger = [size for size in found if size > said.size]
        smaller = [size for size in found if 0 < size < said.size]
        most = max(larger, smaller, key=len)
        asked = _strokes_in(strokes >= FIRST_CLASS)[1] - max(0, len(missed) - MOST_ASKED)
        return float(np.median(most)) if most and len(most) >= OF_STROKED * asked else None

    return Job(steps)


def beyond_band(model: Segmenter, said: Prediction, strokes: Strokes) -> Generator[float, None, npt.NDArray[np.bool_]]:
    """Where (Y, X) strokes lie on particles beyond the sizes for which a plane was looked at when the model `said` that of it.

    Yields the share done between strokes. At the scale of that look such a particle is none, and nothing that looks like it is.
    """
    under, beyond = UnderStrokes.of(model, said, PredictConfig()), np.zeros(strokes.shape, bool)
    if under is None:
        return beyond
    places, far = under.asked(said, strokes, most=None), 0
    looked = places[:MOST_ASKED]
    for done, (window, stroke) in enumerate(looked):
        yield done / len(looked)
        size = under.size_under(window, stroke)
        if size and max(size / said.size, said.size / size) > BAND:
            beyond[window] |= stroke
            far += 1
    if far >= NEARLY_ALL * MOST_ASKED:  # where so many are looked at, the others are like them
        for window, stroke in places[MOST_ASKED:]:
            beyond[window] |= stroke
    return beyond


def _outlined(strokes: Strokes, labels: Labels) -> list[float]:
    """The diameters (px) of particles on which strokes lie that say so."""
    under = np.unique(labels[strokes >= FIRST_CLASS])
    areas = np.bincount(labels.ravel())[under[under > 0]]
    return [float(each) for each in np.sqrt(4 / np.pi * areas)]


def _missed(strokes: Strokes, labels: Labels) -> list[tuple[tuple[slice, slice], npt.NDArray[np.bool_]]]:
    """Strokes on particles that lie on none: where each is, and its pixels there."""
    regions, count = ndimage.label(strokes >= FIRST_CLASS, EIGHT)
    missed = np.flatnonzero(_share(regions, count, labels > 0) < LIES_ON) + 1
    where = ndimage.find_objects(regions)
    return [((where[n - 1][0], where[n - 1][1]), regions[where[n - 1]] == n) for n in missed]
