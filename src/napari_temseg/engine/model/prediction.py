"""A model over a micrograph: working scale, tiles blended with overlap, stacks plane by plane; memory bounded by one plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from napari_temseg.engine.model.device import Device, choose_device, out_of_memory, release
from napari_temseg.engine.model.network import class_logits, for_inference
from napari_temseg.engine.model.novelty import statistics_of
from napari_temseg.engine.model.scales import CROWD, MANY, MORE, PART, SMALL_PARTICLES, busiest, typical_diameter, working_scales
from napari_temseg.engine.model.segmenter import MOST_MAGNIFICATION, Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import BACKGROUND, PlanePrediction, Prediction
from napari_temseg.engine.types.wording import at_plane

Known = dict[float, torch.Tensor]  # raw output (1, C, Y, X) by scale
LOOKS = 3  # at most, to find the working scale: the smallest particles are seen only when they are shown larger
STRIDE = 32  # of every encoder used here; tiles start at its multiples, so that a tile samples the same grid as the whole


def iter_predict(model: Segmenter, micrograph: Micrograph, config: PredictConfig, order: Sequence[int] | None = None) -> Job[Prediction]:
    """The job that predicts; yields `Progress` between tiles, and after each plane with a `PlanePrediction` as its `preview`.

    Planes are predicted in `order` (default: 0 … n − 1), a permutation of their indices, else `TemsegError`. There is no finishing
    early: half a prediction is none.
    """
    n = micrograph.n_planes
    places = list(range(n)) if order is None else [int(index) for index in order]
    if sorted(places) != list(range(n)):
        raise TemsegError(f"{micrograph.name}: the order of the planes must name each of 0 to {n - 1} once.")

    def steps(control: Control) -> Generator[Progress, None, Prediction]:
        runner, middle = Runner(model, config, micrograph.calibration.nanometres), n // 2
        unlike = [""] * n

        def normalised(index: int) -> npt.NDArray[np.float32]:
            return model.normalisation.apply(micrograph.plane(index), micrograph.valid, micrograph.name)

        def looking(share: float) -> Progress:
            return Progress("predict", 0.0, f"{micrograph.name}: looking for the working scale", control.elapsed)

        # One scale for all planes, told by the middle one: the same whatever plane is shown, and the same size all through a movie.
        known: Known = (yield from mapped(runner.settle(normalised(middle), micrograph.valid), looking)) if runner.adaptive else {}
        whole = runner.blank(model, micrograph)

        def predicted(index: int, done: int) -> Generator[Progress, None, None]:
            def progress(share: float, preview: PlanePrediction | None = None) -> Progress:
                message = f"{micrograph.name}: " + ", ".join(filter(None, (at_plane(index, n), runner.device.plain())))
                return Progress("predict", (done + share) / n, message, control.elapsed, preview=preview)

            image = normalised(index)
            raw = yield from mapped(runner.plane(image, known if index == middle else None), progress)
            plane = whole.at(index)
            fill(plane, raw)
            if runner.tells:
                unlike[index] = runner.unlike(image, raw, micrograph.valid)
                plane = replace(plane, unlike=(unlike[index],))
            yield progress(1.0, PlanePrediction(index, plane))

        for done, index in enumerate(places):
            yield from predicted(index, done)
        return replace(whole, unlike=tuple(unlike)) if runner.tells else whole

    return Job(steps)


def fill(plane: Prediction, raw: torch.Tensor) -> None:
    """Write the raw output (1, C, Y, X) of the network into the arrays of a plane."""
    channels = len(plane.class_ids)
    plane.probability[...] = torch.softmax(class_logits(raw, channels), dim=1)[0].numpy()
    plane.classes[...] = plane.probability.argmax(axis=0) + BACKGROUND
    for offset, depth in enumerate(plane.auxiliary.values()):
        depth[...] = torch.sigmoid(raw[0, channels - 1 + offset]).numpy()


class Runner:
    """A network made ready once for many planes; halves its tile when memory does not suffice."""

    def __init__(self, model: Segmenter, config: PredictConfig, pixel_size: float = 0.0) -> None:
        told = bool(config.scales or config.typical_size)
        suited = model if told else model.suited(pixel_size)
        self.pixel_ratio = 1.0 if suited is model else pixel_size / model.pixel_size
        self.familiar = model.familiar if model.familiar and model.familiar.usable and not config.scales else None
        self.strange_size = not 1 / MOST_MAGNIFICATION <= self.pixel_ratio <= MOST_MAGNIFICATION
        self.device: Device = choose_device(config.device, config.precision)
        self.network: nn.Module = for_inference(model.network, self.device.torch, self.device.dtype)
        self.n_classes = model.spec.n_classes
        self.scales = tuple(config.scales) if config.scales else suited.scales
        self.adaptive = model.finds_scale and not config.scales
        self.typical = config.typical_size
        if not all(0.05 <= scale <= 8 for scale in self.scales):
            raise TemsegError(f"Working scales {self.scales} are out of range: use numbers from 0.05 to 8.")
        self.tile = max(STRIDE, config.tile // STRIDE * STRIDE)
        self.overlap = min(config.overlap, self.tile // 2) // STRIDE * STRIDE  # more than half would only repeat work

    def blank(self, model: Segmenter, micrograph: Micrograph) -> Prediction:
        """What `model` will say of `micrograph` at the scales that were settled on, nothing yet."""
        facts = {
            "model_hash": model.content_hash(),
            "working_scale": self.scales,
            "depth_taught": model.depth_taught,
            "pixel_ratio": self.pixel_ratio,
        }
        return Prediction.blank(micrograph, model.classes, model.spec.auxiliary, **facts)

    @property
    def tells(self) -> bool:
        """Whether it can say that a picture is unlike the model's training."""
        return self.familiar is not None or self.strange_size

    def unlike(self, image: npt.NDArray[np.float32], raw: torch.Tensor, valid: npt.NDArray[np.bool_] | None) -> str:
        """In what a normalised plane, of which the model says `raw`, is unlike its training; "" where it is not, or nothing is found."""
        if self.strange_size:
            return "pixel size"
        if self.familiar is None:
            return ""
        # In the middle of its scales, by ratio.
        found = statistics_of(image, raw, self.n_classes, math.exp(float(np.mean(np.log(self.scales)))), valid)
        return "" if found is None else self.familiar.reason(found)

    def settle(self, image: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None) -> Generator[float, None, Known]:
        """Choose the working scales by the typical size, told or seen in a normalised plane; returns what is known of the plane already."""
        known: Known = {}
        own, self.adaptive = self.scales, False
        if self.typical is not None:
            self.scales = working_scales(own, self.typical, image.size)
            return known
        whole = torch.from_numpy(image)[None, None]
        for _ in range(LOOKS):
            for scale in self.scales:
                if scale not in known:
                    known[scale] = yield from self._at_scale(whole, scale)
                    yield 0.0
            seen = torch.stack([known[scale] for scale in self.scales]).mean(dim=0)
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

    def _closer(
        self, whole: torch.Tensor, seen: torch.Tensor, diameter: float | None, valid: npt.NDArray[np.bool_] | None
    ) -> Generator[float, None, tuple[float | None, bool]]:
        """Whether a part of the plane, shown twice as large, holds many more small particles; with their diameter, else the given one."""
        window = busiest(seen, self.n_classes, PART)
        allowed = None if valid is None else valid[window[-2:]]
        before = typical_diameter(seen[window], self.n_classes, allowed)[1]
        larger = []
        for scale in self.scales:
            larger.append((yield from self._at_scale(whole[window], min(2 * scale, 8.0))))
            yield 0.0
        found, after = typical_diameter(torch.stack(larger).mean(dim=0), self.n_classes, allowed)
        if found is not None and found < SMALL_PARTICLES and after >= max(CROWD, MORE * before):
            return found, True
        return diameter, False

    def plane(self, image: npt.NDArray[np.float32], known: Known | None = None) -> Generator[float, None, torch.Tensor]:
        """Raw output (1, C, Y, X) float32 of a normalised plane, averaged over the scales; yields the share done between tiles.

        `known` holds outputs by scale that were computed before; those that are used are taken out of it.
        """
        whole = torch.from_numpy(image)[None, None]
        total: torch.Tensor | None = None
        cost = [scale**2 for scale in self.scales]
        for index, scale in enumerate(self.scales):
            overall = partial(_overall, cost, index)
            if index:
                yield overall(0.0)
            raw = None if known is None else known.pop(scale, None)
            if raw is None:
                raw = yield from mapped(self._at_scale(whole, scale), overall)
            total = raw if total is None else total.add_(raw)
        if total is None:  # no scales cannot happen: a model has one at least
            raise TemsegError("The model has no working scale; load it again.")
        return total / len(self.scales)

    def _at_scale(self, whole: torch.Tensor, scale: float) -> Generator[float, None, torch.Tensor]:
        size = whole.shape[-2:]
        scaled = resize(whole, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        raw = yield from self.tiled(scaled)
        return resize(raw, (size[0], size[1]))

    def tiled(self, image: torch.Tensor) -> Generator[float, None, torch.Tensor]:
        """What `run` gives for a whole normalised image (1, 1, Y, X), tiles blended; yields the share done between tiles."""
        height, width = image.shape[-2:]
        padded = _pad(image)
        while True:
            try:
                blended = yield from self._blend(padded)
                return blended[..., :height, :width]
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if self.tile <= 256:
                    raise TemsegError(
                        f"Memory on {self.device.kind} does not suffice even for tiles of {self.tile} px; choose device cpu."
                    ) from error
            # Here the error no longer holds on to what did not fit.
            self.tile = max(256, self.tile // 2 // STRIDE * STRIDE)
            self.overlap = min(self.overlap, self.tile // 2 // STRIDE * STRIDE)
            release()

    def _blend(self, padded: torch.Tensor) -> Generator[float, None, torch.Tensor]:
        rows, columns = (starts(n, self.tile, self.overlap) for n in padded.shape[-2:])
        if len(rows) == len(columns) == 1:
            return self.run(padded)
        total = weight = None
        for done, (y, x) in enumerate((y, x) for y in rows for x in columns):
            if done:
                yield done / (len(rows) * len(columns))
            here = (..., slice(y, y + self.tile), slice(x, x + self.tile))
            raw = self.run(padded[here])
            ramp = _ramp(raw.shape[-2], self.overlap)[:, None] * _ramp(raw.shape[-1], self.overlap)[None]
            if total is None or weight is None:
                total = torch.zeros(1, raw.shape[1], *padded.shape[-2:])
                weight = torch.zeros(padded.shape[-2:])
            total[here] += raw * ramp
            weight[here[1:]] += ramp
        if total is None or weight is None:
            raise TemsegError("The image has no pixels.")
        return total / weight

    @torch.no_grad()
    def run(self, tile: torch.Tensor) -> torch.Tensor:
        """Raw output (1, C, Y, X) float32 on the CPU of one normalised tile (1, 1, Y, X), sides multiples of the stride."""
        ready = tile.to(self.device.torch, self.device.dtype, memory_format=torch.channels_last)
        raw: torch.Tensor = self.network(ready).float().cpu()
        return raw


def _overall(cost: list[float], index: int, share: float) -> float:
    """Share done of all scales when `share` of scale `index` is."""
    return (sum(cost[:index]) + share * cost[index]) / sum(cost)


def fused(run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, scales: tuple[float, ...]) -> torch.Tensor:
    """Raw output (1, C, Y, X) of a small normalised image (1, 1, Y, X) in one piece, averaged over the scales; `run` is the network."""
    size = (image.shape[-2], image.shape[-1])
    found = []
    for scale in scales:
        scaled = resize(image, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        found.append(resize(run(_pad(scaled))[..., : scaled.shape[-2], : scaled.shape[-1]], size))
    return torch.stack(found).mean(dim=0)


def resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(B, C, Y, X) float32 to another size, linear and antialiased; untouched when the size is right."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)


def _pad(image: torch.Tensor) -> torch.Tensor:
    """Mirror the lower and right edge to the next multiple of the stride; mirrors as often as a tiny image needs."""
    pad = [(-n) % STRIDE for n in image.shape[-2:]]
    if not any(pad):
        return image
    return torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (0, pad[0]), (0, pad[1])), mode="symmetric"))


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles start along one axis of a length that is a multiple of the stride; they cover it and overlap by at least `overlap`."""
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]


def _ramp(length: int, overlap: int) -> torch.Tensor:
    """Blending weight along a tile: rises over the overlap, almost 0 at the outermost quarter, where zero padding bends the result."""
    distance = torch.minimum(torch.arange(length), torch.arange(length).flip(0)).float() + 0.5
    if overlap == 0:
        return torch.ones(length)
    return ((distance - overlap / 4) / (overlap / 2)).clamp(1e-4, 1.0)
