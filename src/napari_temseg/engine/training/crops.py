"""Crops that a training learns from: they lie where labels are, and now and then where the model is held to the starting one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from napari_temseg.engine.training.augment import resample, sampling_grid, vary_intensity
from napari_temseg.engine.training.dataset import HeldPlane, LabelledPlane
from napari_temseg.engine.types.config import TrainConfig

HELD_EVERY = 4  # crops, of which one is drawn where nothing is labelled, if there are such planes


@dataclass(frozen=True)
class AnswerCrops:
    """What the starting model says of crops: `probability` (B, K, S, S), `maps` (B, A, S, S); all 0 where it was not asked."""

    probability: torch.Tensor
    maps: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """Crops on the CPU: images (B, 1, S, S), labels (B, S, S), distance and known (B, 1, S, S), and `start` if it was asked at all."""

    images: torch.Tensor
    labels: torch.Tensor
    distance: torch.Tensor
    known: torch.Tensor
    start: AnswerCrops | None


class Crops:
    """Draws batches: a class, then a labelled pixel of that class anywhere in the set, then a random crop round it.

    Size, seed and augmentation are those of `config`. Each crop is seen at one of `scales`, those the model will be used at: what is
    learnt at one scale alone spoils the others. With `own_scales` each labelled plane is seen at those that suit it. Every
    `HELD_EVERY`th crop comes from anywhere in a plane that is held, if there are any, at one of the scales that suit it.
    """

    def __init__(
        self,
        planes: Sequence[LabelledPlane | HeldPlane],
        config: TrainConfig,
        scales: tuple[float, ...] = (1.0,),
        *,
        own_scales: bool = False,
    ) -> None:
        self.config, self.scales, self.turn = config, scales, 0
        self.rng = np.random.default_rng(config.seed)
        self.levels = [((own_scales or isinstance(plane, HeldPlane)) and plane.scales) or scales for plane in planes]
        packed = [_packed(plane) for plane in planes]
        self.smooth = [[_at_scale(smooth, scale) for scale in levels] for (smooth, _), levels in zip(packed, self.levels, strict=True)]
        self.exact = [torch.from_numpy(exact) for _, exact in packed]
        self.shapes = [plane.image.shape for plane in planes]
        answers = [plane.start for plane in planes if plane.start is not None]
        self.answer = (len(answers[0].probability), len(answers[0].maps)) if answers else ()
        self.held = [index for index, plane in enumerate(planes) if isinstance(plane, HeldPlane)]
        labels = [plane.labels if isinstance(plane, LabelledPlane) else np.zeros(plane.image.shape, np.uint8) for plane in planes]
        numbers = sorted({int(n) for each in labels for n in np.unique(each) if n > 0})
        self.places = [[np.flatnonzero(each == number) for each in labels] for number in numbers]

    def draw(self, count: int) -> Batch:
        """A batch of `count` crops."""
        pairs = [self._one(index) for index in range(count)]
        self.turn += count
        image, distance, *answer = torch.split(torch.stack([smooth for smooth, _ in pairs]), [1, 1, *self.answer], dim=1)
        labels, known = torch.split(torch.stack([exact for _, exact in pairs]), 1, dim=1)
        images = vary_intensity(image, self.config, self.rng)
        return Batch(images, labels[:, 0].long(), distance, known, AnswerCrops(*answer) if answer else None)

    def _one(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        plane, place = self._place(self.turn + index)
        size = self.config.crop
        y, x = divmod(place, self.shapes[plane][1])
        spread = size / 4
        centre = (y + float(self.rng.uniform(-spread, spread)), x + float(self.rng.uniform(-spread, spread)))
        level = int(self.rng.integers(len(self.levels[plane])))
        shape = (self.shapes[plane][0], self.shapes[plane][1])
        grid = sampling_grid(shape, centre, size, self.config, self.rng, self.levels[plane][level])
        smooth, exact = resample(grid, self.smooth[plane][level], self.exact[plane])
        # Of a plane that is labelled whole the starting model was not asked, nor is it heard there.
        return F.pad(smooth, (0, 0, 0, 0, 0, 2 + sum(self.answer) - len(smooth))), exact

    def _place(self, turn: int) -> tuple[int, int]:
        """A plane, and a pixel of it by its flat index."""
        if self.held and turn % HELD_EVERY == 0:
            plane = int(self.rng.choice(self.held))
            return plane, int(self.rng.integers(math.prod(self.shapes[plane])))
        # Not by the turn itself, which would meet the same classes at every round where some turns are for planes without labels.
        turn -= turn // HELD_EVERY + 1 if self.held else 0
        places = self.places[turn % len(self.places)]
        # Planes count by how much of the class they hold, softened so that one dense mask does not drown ten strokes.
        weight = np.sqrt([len(p) for p in places])
        plane = int(self.rng.choice(len(places), p=weight / weight.sum()))
        return plane, int(self.rng.choice(places[plane]))


def _packed(plane: LabelledPlane | HeldPlane) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What is looked up smoothly, image, distance and answer (2 + K + A, Y, X), and what is not, labels and known (2, Y, X)."""
    nothing = np.zeros(plane.image.shape, np.float32)
    labels, known, distance = (nothing,) * 3 if isinstance(plane, HeldPlane) else (plane.labels, plane.known, plane.distance)
    answer = () if plane.start is None else (plane.start.probability, plane.start.maps)
    smooth = np.concatenate([plane.image[None], distance[None], *answer])
    return smooth.astype(np.float32, copy=False), np.stack([labels, known]).astype(np.float32, copy=False)


def _at_scale(maps: npt.NDArray[np.float32], scale: float) -> torch.Tensor:
    """The maps as the predictor sees them at this scale: reduced with antialiasing, which sampling a crop alone would not do."""
    whole = torch.from_numpy(maps)
    if scale >= 1:
        return whole
    size = [max(1, round(n * scale)) for n in maps.shape[-2:]]
    return F.interpolate(whole[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]
