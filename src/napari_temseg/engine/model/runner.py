"""A network over a whole plane: its working scales, found or told; tiles blended with overlap; memory bounded by one plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model import size_search
from napari_temseg.engine.model.backends.backend import Backend
from napari_temseg.engine.model.backends.choice import ready
from napari_temseg.engine.model.band import MOST_ENLARGED, band_inputs
from napari_temseg.engine.model.device import out_of_memory, release
from napari_temseg.engine.model.looks import Looks
from napari_temseg.engine.model.novelty import statistics_of
from napari_temseg.engine.model.outputs import foreground
from napari_temseg.engine.model.scales import CROWD, MANY, MORE, PART, SMALL_PARTICLES, busiest, typical_diameter, working_scales
from napari_temseg.engine.model.segmenter import MOST_MAGNIFICATION, Segmenter
from napari_temseg.engine.model.tiles import (
    LEAST_SIZE,
    LOOKED_ROUND,
    MOST_SHOWN,
    PART_SIDE,
    STRIDE,
    padded,
    parts,
    ramp,
    resize,
    scaled,
    surrounded,
    tiles,
)
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import mapped
from napari_temseg.engine.types.results import BAND, CENTRED_BY, Prediction, SizeCandidate

Floats = npt.NDArray[np.float32]
Known = dict[float, Floats]  # raw output (1, C, Y, X) by scale
LOOKS = 3  # at most, to find the working scale: the smallest particles are seen only when they are shown larger
BAND_OVERLAP = 128  # px: twice the largest particle that a network of one band answers for
CLOSER, WORTH_A_LOOK = 1.6, 1.2  # × by which the second look of a network of one band is closer, and by which it is at the least
CENTRED_IN = 2  # steps in which a size moves to that of what is found at it
# px that a network of one band is shown at the least: what it knows of particles goes beyond a small picture. On 67 pictures of EMPS train
# and tune with particles over 170 px the IoU is 0.93 told, 0.90 untold (0.88, 0.86 without), on the others what it was.
LEAST_VIEW = 224
LEAST_SCALE = 0.05  # × to which a picture is reduced at most
SIGNS = {"auto": 0, "both": 0, "bright": 1, "dark": -1}


def made_ready(model: Segmenter, config: PredictConfig) -> Backend:
    """The network of a model as it predicts by these settings: to make it ready takes as long as to predict a small picture."""
    return ready(model, config)


class Runner:
    """A network made ready once for many planes; halves its tile when memory does not suffice.

    `network` is what `made_ready` gave for the same model and settings, where many pictures share it.
    """

    def __init__(self, model: Segmenter, config: PredictConfig, pixel_size: float = 0.0, network: Backend | None = None) -> None:
        self.typical = next(iter(config.sizes_in(pixel_size)), None)
        told = bool(config.scales or (self.typical and model.finds_scale))  # fixed scales go by the pixel size, whatever is told
        suited = model if told else model.suited(pixel_size)
        self.pixel_ratio = 1.0 if suited is model else pixel_size / model.pixel_size
        self.familiar = model.familiar if model.familiar and model.familiar.usable and not config.scales else None
        self.strange_size = not 1 / MOST_MAGNIFICATION <= self.pixel_ratio <= MOST_MAGNIFICATION
        self.network = made_ready(model, config) if network is None else network
        self.device = self.network.device
        self.n_classes, self.looks = model.spec.n_classes, Looks.of(model)
        self.scales = tuple(config.scales) if config.scales else suited.scales
        self.adaptive = model.finds_scale and not config.scales
        self.working_size = model.spec.working_size
        self.exact_size = config.exact_size
        self.sign = SIGNS[config.polarity]
        self.candidates: tuple[SizeCandidate, ...] = ()
        self.smaller: SizeCandidate | None = None
        self.both, self.alone = config.both, False
        if not all(LEAST_SCALE <= scale <= MOST_ENLARGED for scale in self.scales):
            raise TemsegError(f"Working scales {self.scales} are out of range: use numbers from {LEAST_SCALE:g} to {MOST_ENLARGED:g}.")
        self.tile = max(STRIDE, config.tile // STRIDE * STRIDE)
        overlap = min(config.overlap, BAND_OVERLAP) if self.working_size else config.overlap
        self.overlap = min(overlap, self.tile // 2) // STRIDE * STRIDE  # more than half would only repeat work

    def blank(self, model: Segmenter, micrograph: Micrograph) -> Prediction:
        """What `model` will say of `micrograph` at the scales that were settled on, nothing yet."""
        facts = {
            "model_hash": model.content_hash(),
            "working_scale": self.scales,
            "depth_taught": model.depth_taught,
            "pixel_ratio": self.pixel_ratio,
            "size": (model.taught_size or self.working_size) / self.scales[0] if self.working_size else 0.0,
            "candidates": () if self.both else self.candidates,
            "smaller": self.smaller,
            "alone": self.alone,
            "confidence": model.confidence,
            "computed_with": self.network.described(),
        }
        return Prediction.blank(micrograph, model.classes, model.spec.auxiliary, **facts)

    @property
    def tells(self) -> bool:
        """Whether it can say that a picture is unlike the model's training."""
        return self.familiar is not None or self.strange_size

    def unlike(self, image: Floats, raw: Floats, valid: npt.NDArray[np.bool_] | None) -> str:
        """In what a normalised plane, of which the model says `raw`, is unlike its training; "" where it is not, or nothing is found."""
        if self.strange_size:
            return "pixel size"
        if self.familiar is None:
            return ""
        # In the middle of its scales, by ratio.
        found = statistics_of(image, raw, self.n_classes, math.exp(float(np.mean(np.log(self.scales)))), valid)
        return "" if found is None else self.familiar.reason(found)

    def pieces(self, raw: Floats) -> int:
        """Into how many pieces what the model says (1, C, Y, X) falls, specks beside the size that is looked for left out."""
        sizes = np.bincount(ndimage.label(foreground(raw, self.n_classes)[0])[0].ravel())[1:]
        width = self.working_size / self.scales[0] / BAND if self.working_size else 1.0
        return int((sizes >= math.pi / 4 * width**2).sum())

    def settle(self, image: Floats, valid: npt.NDArray[np.bool_] | None) -> Generator[float, None, Known]:
        """Choose the working scales by the typical size, told or seen in a normalised plane; returns what is known of the plane already."""
        known: Known = {}
        own, self.adaptive = self.scales, False
        if self.working_size:
            if self.typical is None:
                size = yield from self._search(image, valid)
            elif self.exact_size:
                size = self.typical
            else:
                size, known = yield from self._centred(image, valid, self.typical)
            self.scales = band_scales(self.working_size / size)
            return known
        if self.typical is not None:
            self.scales = working_scales(own, self.typical, image.size)
            return known
        whole = image[None, None]
        for _ in range(LOOKS):
            for scale in self.scales:
                if scale not in known:
                    known[scale] = yield from self._at_scale(whole, scale)
                    yield 0.0
            seen = np.mean([known[scale] for scale in self.scales], axis=0)
            diameter, count = typical_diameter(seen, self.n_classes, valid)
            many = count >= MANY
            if not many and self.scales == own and (diameter is None or diameter < SMALL_PARTICLES):
                diameter, many = yield from self._closer(whole, seen, diameter, valid)
            better = working_scales(own, diameter, image.size, many=many)
            if max(better) <= max(self.scales):  # only upwards does a closer look see more
                self.scales = better if self.scales == own else self.scales
                break
            self.scales = better
        return known

    def _search(self, image: Floats, valid: npt.NDArray[np.bool_] | None) -> Generator[float, None, float]:
        """The size (px) with most evidence in a normalised plane; those that it could be taken for are kept as `candidates`."""
        found = []
        # Coarse looks come first and cost little: what is done is told by pixels.
        cost = np.cumsum([0.0, *self._first_looks(image.shape)])
        for index, size in enumerate(size_search.sizes(image.shape)):
            evidence = yield from mapped(self._evidence(image, valid, size), partial(_instead, float(cost[index] / cost[-1]) / 2))
            found.append(evidence)
        share = size_search.SECOND_SHARE if self.both else size_search.RIVAL_SHARE
        off_by = [self._off_by(image.shape, each.size) for each in found]
        least = min(share, size_search.MANY_SHARE)
        while doubtful := [index for index in size_search.deciding(found, least, off_by) if off_by[index] > 1]:
            for done, index in enumerate(doubtful):
                part = partial(_instead, 0.5 + done / len(doubtful) / 2)
                found[index] = yield from mapped(self._evidence(image, valid, found[index].size, closely=True), part)
                off_by[index] = 1.0
        size, self.candidates = size_search.chosen(found, self.working_size, share)
        self.smaller = None if self.candidates else size_search.smaller_too(found)
        self.alone = self.both and not self.candidates
        return self.candidates[0].size if self.both and self.candidates else size

    def _first_looks(self, shape: tuple[int, ...]) -> list[float]:
        """Px that the network is shown by a first look at each size in a picture (Y, X)."""
        most = size_search.first_look(shape)
        scales = (band_scales(self.working_size / size)[0] for size in size_search.sizes(shape))
        return [min(math.prod(shape) * scale**2, most) for scale in scales]

    def searched(self, shape: tuple[int, ...]) -> float:
        """About as many px as the network is shown while a network of one band looks for the size in a picture (Y, X)."""
        return 2 * sum(self._first_looks(shape))  # those that may decide are looked at again

    def shown_of(self, shape: tuple[int, ...]) -> float:
        """Px that it is shown of a plane (Y, X) at the working scales, those of the smallest size while that is looked for."""
        looking = self.adaptive and self.working_size
        scales = band_scales(self.working_size / size_search.SMALLEST_SIZE) if looking else self.scales
        return math.prod(shape) * sum(scale**2 for scale in scales)

    def _off_by(self, shape: tuple[int, ...], size: float) -> float:
        """× by which the evidence of a first look at `size` (px) may be off that of a close one; 1 where they are the same."""
        scale = band_scales(self.working_size / size)[0]
        if size_search.windows(shape, scale, size_search.first_look(shape)) != size_search.windows(shape, scale):
            return size_search.OFF_BY
        return 1.0 if self.network.exact() is self.network else size_search.ROUNDED_BY

    def _look(
        self, image: Floats, valid: npt.NDArray[np.bool_] | None, size: float, *, closely: bool
    ) -> Generator[float, None, tuple[float, list[size_search.Part]]]:
        """The scale at which things of `size` (px) are shown, and what the windows of a normalised plane look like there.

        `closely`: in float32, and in windows that are larger.
        """
        scale, parts = band_scales(self.working_size / size)[0], []
        for window in size_search.windows(
            image.shape, scale, size_search.SEARCH_PIXELS if closely else size_search.first_look(image.shape)
        ):
            raw = yield from self.tiled(self.shown(image[window][None, None], scale), exact=closely)
            parts.append((raw, None if valid is None else valid[window]))
            yield 0.0
        return scale, parts

    def _evidence(
        self, image: Floats, valid: npt.NDArray[np.bool_] | None, size: float, *, closely: bool = False
    ) -> Generator[float, None, size_search.Evidence]:
        """What speaks for `size` (px) in a normalised plane."""
        scale, parts = yield from self._look(image, valid, size, closely=closely)
        return size_search.evidence(size, scale, parts, image.size)

    def _centred(self, image: Floats, valid: npt.NDArray[np.bool_] | None, size: float) -> Generator[float, None, tuple[float, Known]]:
        """`size` (px), moved in two steps at most to the typical one of what is found at it in a normalised plane; the last look."""
        told, known = size, Known()
        for step in range(CENTRED_IN):
            scale, parts = yield from self._look(image, valid, size, closely=True)
            known = {scale: parts[0][0]} if len(parts) == 1 else {}  # one window is the whole picture
            better = size_search.centred(size, scale, parts)
            if better is None and not step:
                better = yield from self._beside(image, valid, size_search.evidence(size, scale, parts, image.size))
            better = min(max(better or size, told / CENTRED_BY), told * CENTRED_BY)
            if max(better / size, size / better) < size_search.CENTRED:
                break
            size = better
        return size, known

    def _beside(
        self, image: Floats, valid: npt.NDArray[np.bool_] | None, told: size_search.Evidence
    ) -> Generator[float, None, float | None]:
        """The size beside a told one, at which little is found, where there is more: people are off by so much."""
        found = [told]
        for size in (told.size / size_search.SIZE_STEP, told.size * size_search.SIZE_STEP):
            evidence = yield from self._evidence(image, valid, size, closely=True)
            found.append(evidence)
        best = max(found, key=lambda each: each.weight)
        return best.size if best.weight >= max(2 * told.weight, size_search.LEAST_EVIDENCE) else None

    def _closer(
        self, whole: Floats, seen: Floats, diameter: float | None, valid: npt.NDArray[np.bool_] | None
    ) -> Generator[float, None, tuple[float | None, bool]]:
        """Whether a part of the plane, shown twice as large, holds many more small particles; with their diameter, else the given one."""
        window = busiest(seen, self.n_classes, PART)
        allowed = None if valid is None else valid[window[-2:]]
        before = typical_diameter(seen[window], self.n_classes, allowed)[1]
        larger = []
        for scale in self.scales:
            larger.append((yield from self._at_scale(whole[window], min(2 * scale, 8.0))))
            yield 0.0
        found, after = typical_diameter(np.mean(larger, axis=0), self.n_classes, allowed)
        if found is not None and found < SMALL_PARTICLES and after >= max(CROWD, MORE * before):
            return found, True
        return diameter, False

    def plane(self, image: Floats, known: Known | None = None) -> Generator[float, None, Floats]:
        """Raw output (1, C, Y, X) float32 of a normalised plane, its scales joined; yields the share done between tiles.

        `known` holds outputs by scale that were computed before; those that are used are taken out of it. A plane that would be too large
        where it is enlarged is looked at part by part.
        """
        largest = max(self.scales)
        if known or largest <= 1 or image.size * largest**2 <= MOST_SHOWN:
            return (yield from self._at_once(image, known))
        halo = math.ceil(LOOKED_ROUND * max(self.working_size, LEAST_SIZE) / self.scales[0])
        cut = list(parts(image.shape, max(1, int(PART_SIDE / largest)), halo))
        out: Floats | None = None
        for done, part in enumerate(cut):
            raw = yield from mapped(self._at_once(image[part.window], None), partial(_one_of, done, len(cut)))
            out = np.empty((1, raw.shape[1], *image.shape), np.float32) if out is None else out
            out[..., *part.core] = raw[..., *part.inner]
            yield (done + 1) / len(cut)
        if out is None:
            raise TemsegError("The image has no pixels.")
        return out

    def _at_once(self, image: Floats, known: Known | None) -> Generator[float, None, Floats]:
        whole, frame, raws = image[None, None], (image.shape[0], image.shape[1]), []
        cost = [scale**2 for scale in self.scales]
        for index, scale in enumerate(self.scales):
            overall = partial(_overall, cost, index)
            if index:
                yield overall(0.0)
            raw = None if known is None else known.pop(scale, None)
            if raw is None:
                raw = yield from mapped(self.tiled(self.shown(whole, scale)), overall)
            raws.append(raw if self.working_size else resize(raw, frame))
        if not raws:  # no scales cannot happen: a model has one at least
            raise TemsegError("The model has no working scale; load it again.")
        return self.looks.joined(raws, frame)

    def _at_scale(self, whole: Floats, scale: float) -> Generator[float, None, Floats]:
        raw = yield from self.tiled(self.shown(whole, scale))
        return resize(raw, (whole.shape[-2], whole.shape[-1]))

    def shown(self, whole: Floats, scale: float) -> Floats:
        """What the network is shown of a normalised plane (1, 1, Y, X) at `scale`: (1, 1, y, x), or (1, 3, y, x) of one that has a size."""
        image = scaled(whole, scale)
        return band_inputs(image[0, 0], polarity=self.sign, size=self.working_size) if self.working_size else image

    def tiled(self, image: Floats, *, exact: bool = False) -> Generator[float, None, Floats]:
        """Raw output of a whole image (1, ·, Y, X) as it is `shown`, tiles blended; yields the share done between tiles."""
        image, where = surrounded(image, LEAST_VIEW if self.working_size else 0)
        whole, network = padded(image), self.network.exact() if exact else self.network
        while True:
            try:
                blended = yield from self._blend(whole, network)
                return blended[..., *where]
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                smaller = not network.take_less()
                if smaller and self.tile <= 256:
                    raise TemsegError(
                        f"Memory on {self.device.kind} does not suffice even for tiles of {self.tile} px; choose device cpu."
                    ) from error
            # Here the error no longer holds on to what did not fit.
            if smaller:
                self.tile = max(256, self.tile // 2 // STRIDE * STRIDE)
                self.overlap = min(self.overlap, self.tile // 2 // STRIDE * STRIDE)
            release()

    def _blend(self, whole: Floats, network: Backend) -> Generator[float, None, Floats]:
        (rows, height), (columns, width) = (tiles(n, self.tile, self.overlap) for n in whole.shape[-2:])
        if len(rows) == len(columns) == 1:
            return next(network.outputs([whole]))
        places = [(..., slice(y, y + height), slice(x, x + width)) for y in rows for x in columns]
        share = ramp(height, self.overlap)[:, None] * ramp(width, self.overlap)[None]
        total = weight = None
        counted = np.empty_like(share)  # asking for memory anew for each tile takes longer than the sums
        for done, (here, raw) in enumerate(zip(places, network.outputs(whole[here] for here in places), strict=True)):
            if done:
                yield done / len(places)
            if total is None or weight is None:
                total = np.zeros((1, raw.shape[1], *whole.shape[-2:]), np.float32)
                weight = np.zeros(whole.shape[-2:], np.float32)
            for channel, said in zip(total[0], raw[0], strict=True):
                channel[here] += np.multiply(said, share, out=counted)
            weight[here[1:]] += share
        if total is None or weight is None:
            raise TemsegError("The image has no pixels.")
        total /= weight
        return total


def band_scales(scale: float) -> tuple[float, ...]:
    """Working scales where particles of the size that is meant are as large as the network wants them at `scale`.

    A second, closer look draws their edges; it is worth nothing where the picture holds no finer detail.
    """
    first = min(max(scale, LEAST_SCALE), MOST_ENLARGED)
    closer = min(CLOSER * first, 1.0)
    return (first, closer) if closer >= WORTH_A_LOOK * first else (first,)


def _one_of(done: int, count: int, share: float) -> float:
    """Share done of `count` parts when `share` of the one after `done` is."""
    return (done + share) / count


def _instead(share: float, _: float) -> float:
    """Share done of a search, whatever one of its steps says of itself."""
    return share


def _overall(cost: list[float], index: int, share: float) -> float:
    """Share done of all scales when `share` of scale `index` is."""
    return (sum(cost[:index]) + share * cost[index]) / sum(cost)


def fused(run: Callable[[Floats], Floats], image: Floats, scales: tuple[float, ...], looks: Looks) -> Floats:
    """Raw output (1, C, Y, X) of a small normalised image (1, 1, Y, X) in one piece, its scales joined; `run` is the network."""
    found = []
    for scale in scales:
        shown, where = surrounded(scaled(image, scale), LEAST_VIEW if looks.size else 0)
        found.append(run(padded(shown))[..., *where])
    return looks.joined(found, (image.shape[-2], image.shape[-1]))
