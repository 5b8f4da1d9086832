"""What the model sees under a stroke where it is shown the plane for particles of other sizes than the one that was looked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.outputs import probabilities, sigmoid
from napari_temseg.engine.model.runner import Runner, band_scales
from napari_temseg.engine.model.scales import CORE
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.model.size_search import LARGEST_SIZE, SIZE_STEP, SMALLEST_SIZE
from napari_temseg.engine.model.tiles import resize
from napari_temseg.engine.types.config import LEAST_APART, PredictConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import returned
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

LIES_ON = 0.5  # share of a stroke that lies on particles from which on it lies on one
MOST_LOOKED = 12  # strokes that are looked under: some seconds
LONGEST_STROKE = 4.0  # × the size of a particle to the length of a stroke on it, as on a rod
WIDER_BY = 2.0  # × the size that was looked for: what is wider may be drawn too small, or be a part of something larger
SHOWN_AROUND = 4.0  # × a size on either side of a stroke, that is looked at
ITS_SIZE = 2.0  # × at most from a size that is tried to that of what is seen there
SURE_DEPTH = 0.6  # learnt depth that a particle reaches where it is seen at its size
EIGHT = np.ones((3, 3), bool)
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class OfOtherSize:
    """A particle that is seen at another `size` (px) than was looked for: in a `window` of the plane its pixels `own`, (y, x), and there
    what the model says, probabilities (K, y, x) and auxiliary maps (A, y, x)."""

    size: float
    window: Window
    own: Mask
    probability: Floats
    maps: Floats


@dataclass(eq=False)
class UnderStrokes:
    """A model and a plane ("YX") that it was shown for particles of a `size` (px); what is seen under a stroke is looked for once."""

    model: Segmenter
    plane: Micrograph
    size: float
    config: PredictConfig = field(default_factory=PredictConfig)  # polarity and device
    _known: dict[tuple[int, int, bytes], OfOtherSize | None] = field(default_factory=dict)
    _depths: dict[tuple[int, int, bytes], float] = field(default_factory=dict)

    @cached_property
    def _image(self) -> Floats:
        return self.model.normalisation.apply(self.plane.plane(), self.plane.valid, self.plane.name)

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self.model, self.config.for_size(self.size), self.plane.calibration.nanometres)

    @classmethod
    def of(cls, model: Segmenter, said: Prediction, config: PredictConfig) -> UnderStrokes | None:
        """Of what a model said of a plane for particles of one size; None where it looks for those of any, or at scales that are told."""
        return cls(model, said.micrograph, said.size, config) if said.size and not config.scales else None

    def found(self, said: Prediction, strokes: npt.NDArray[np.uint8]) -> list[OfOtherSize]:
        """The particles of another size under `strokes` (Y, X) that lie on nothing, or on something wide, of what the model `said`."""
        seen = (self.seen_under(window, stroke) for window, stroke in self.asked(said, strokes))
        return [each for each in seen if each is not None]

    def asked(self, said: Prediction, strokes: npt.NDArray[np.uint8], most: int | None = MOST_LOOKED) -> list[tuple[Window, Mask]]:
        """The strokes on particles that lie on nothing, or on something wide, of what the model `said`: windows, and the pixels there.

        `most` of them at most, None: all.
        """
        regions, _ = ndimage.label(strokes >= FIRST_CLASS, EIGHT)
        pieces, _ = ndimage.label(said.classes >= FIRST_CLASS)
        area = np.bincount(pieces.ravel())
        area[0] = 0
        wide = area >= math.pi / 4 * (WIDER_BY * self.size) ** 2
        asked: list[tuple[Window, Mask]] = []
        for number, window in enumerate(ndimage.find_objects(regions), start=1):
            stroke = regions[window] == number
            under = pieces[window][stroke]
            if np.mean(under > 0) < LIES_ON or wide[under].any():
                asked.append(((window[0], window[1]), stroke))
        return asked[:most]

    def seen_under(self, window: Window, stroke: Mask) -> OfOtherSize | None:
        """The particle under a stroke, which is drawn in a `window` of the plane; None where none is seen, or one that was looked for."""
        place = _place(window, stroke)
        if place not in self._known:
            size = self.size_under(window, stroke)
            self._known[place] = self._outlined(window, stroke, size) if size else None
        return self._known[place]

    def size_under(self, window: Window, stroke: Mask) -> float:
        """The size (px) of the particle under a stroke, 0 where none is seen, or one of those that were looked for."""
        if self.depth_at_its_size(window, stroke) >= SURE_DEPTH:
            return 0.0
        least, most = max(SMALLEST_SIZE, max(stroke.shape) / LONGEST_STROKE), LARGEST_SIZE * min(self._image.shape)
        steps = range(1, math.ceil(math.log(most / SMALLEST_SIZE, SIZE_STEP)) + 1)
        sizes = (self.size * SIZE_STEP**step for step in (*steps, *(-step for step in steps)))
        tried = [size for size in sizes if least <= size <= most]
        seen = [self._seen(window, stroke, size) for size in tried]
        like = [each for each, size in zip(seen, tried, strict=True) if 1 / ITS_SIZE <= each[1] / size <= ITS_SIZE]
        depth, size = max(like, default=(0.0, 0.0))
        return size if depth >= SURE_DEPTH and max(size / self.size, self.size / max(size, 1e-6)) >= LEAST_APART else 0.0

    def depth_at_its_size(self, window: Window, stroke: Mask) -> float:
        """How deep (0 to 1) the particle under a stroke is at the size that was looked for; 0 where none of about that size is seen."""
        place = _place(window, stroke)
        if place not in self._depths:
            depth, width = self._seen(window, stroke, self.size)
            self._depths[place] = depth if 1 / ITS_SIZE <= width / self.size <= ITS_SIZE else 0.0
        return self._depths[place]

    def _seen(self, window: Window, stroke: Mask, size: float) -> tuple[float, float]:
        """How deep (0 to 1) the particle under a stroke is where particles of a `size` (px) are looked for, and how large it is (px)."""
        scale = band_scales(self._runner.working_size / size)[0]
        (y, x), drawn = self._around(window, stroke, size)
        raw = returned(self._runner.tiled(self._runner.shown(self._image[y, x][None, None], scale)))
        channels = self._runner.n_classes
        probability, depth = 1 - probabilities(raw, channels)[0, 0], sigmoid(raw[0, channels - 1])
        under = resize(drawn.astype(np.float32)[None, None], depth.shape)[0, 0]
        under = under >= 0.5 * under.max()
        if probability[under].mean() <= 0.5:
            return 0.0, 0.0
        regions, _ = ndimage.label(probability > 0.5)
        own = np.isin(regions, np.unique(regions[under & (regions > 0)]))
        cores, count = ndimage.label(own & (depth > CORE))
        if not count:
            return 0.0, 0.0
        areas = np.bincount(cores.ravel())[1:]
        # Of one alone its whole area tells; of touching ones their cores, which are half as wide.
        diameter = math.sqrt(4 / math.pi * own.sum()) if count == 1 else 2 * math.sqrt(4 / math.pi * float(np.median(areas)))
        return float(depth[own].max()), diameter / scale

    def _outlined(self, window: Window, stroke: Mask, size: float) -> OfOtherSize | None:
        """The particle of this size (px) under a stroke, as a search for it draws it."""
        around, drawn = self._around(window, stroke, size)
        told = replace(self.config.for_size(size), exact_size=True)
        runner, part = Runner(self.model, told, network=self._runner.network), self._image[around]
        returned(runner.settle(part, None))
        raw, channels = returned(runner.plane(part)), runner.n_classes
        probability, maps = probabilities(raw, channels)[0], sigmoid(raw[0, channels - 1 :])
        particles = probability[0] < 0.5
        cores, _ = ndimage.label(particles & (maps[0] > CORE))
        area = np.bincount(cores.ravel())  # a core is half as wide as its particle; smaller ones are none of this size
        cores[area[cores] < math.pi / 4 * (size / 2 / ITS_SIZE) ** 2] = 0
        nearest = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
        near = cores[tuple(nearest)]  # of touching ones each pixel is that of the nearest core
        here = near[drawn & particles]
        if not here.any():
            return None
        regions, _ = ndimage.label(particles & (near == np.bincount(here[here > 0]).argmax()))
        own = np.isin(regions, np.unique(regions[drawn & (regions > 0)]))
        return OfOtherSize(size, around, own, probability, maps)

    def _around(self, window: Window, stroke: Mask, size: float) -> tuple[Window, Mask]:
        """The part of the plane round a stroke that is looked at for a size (px), and the stroke on it."""
        reach = math.ceil(SHOWN_AROUND * size)
        y, x = (slice(max(0, at.start - reach), min(at.stop + reach, n)) for at, n in zip(window, self._image.shape, strict=True))
        drawn = np.zeros((y.stop - y.start, x.stop - x.start), bool)
        top, left = window[0].start - y.start, window[1].start - x.start
        drawn[top : top + stroke.shape[0], left : left + stroke.shape[1]] = stroke
        return (y, x), drawn


def _place(window: Window, stroke: Mask) -> tuple[int, int, bytes]:
    return window[0].start, window[1].start, np.packbits(stroke).tobytes() + bytes(str(stroke.shape), "ascii")


def with_other_sizes(said: Prediction, found: Sequence[OfOtherSize], *, depth: bool = True) -> tuple[Prediction, Mask]:
    """What was said of a plane, with what is seen of particles of other sizes, and where (Y, X) these are; `depth` has it follow."""
    probability, there = said.probability.copy(), np.zeros(said.classes.shape, bool)
    maps = {name: learnt.copy() for name, learnt in said.auxiliary.items()} if depth else {}
    for each in found:
        probability[:, *each.window][:, each.own] = each.probability[:, each.own]
        for learnt, seen in zip(maps.values(), each.maps, strict=False):
            learnt[each.window][each.own] = seen[each.own]
        there[each.window] |= each.own
    classes = (probability.argmax(axis=0) + BACKGROUND).astype(np.uint8)
    return replace(said, probability=probability, classes=np.where(there, classes, said.classes), auxiliary=maps or said.auxiliary), there
