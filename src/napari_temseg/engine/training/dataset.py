"""Annotated planes made ready: normalised image, targets, what the starting model said; and crops where labels are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.training.augment import Augmentation, resample, sampling_grid, vary_intensity
from napari_temseg.engine.types.annotations import Annotations, distance_map
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS

IMAGE, DISTANCE, START = 0, 1, 2  # channels of `smooth`; from START on: the starting model's K class probabilities, then its maps
LABELS, KNOWN = 0, 1  # channels of `exact`
HELD_EVERY = 4  # crops, of which one is drawn where nothing is labelled, if there are such planes
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Plane:
    """One labelled plane: `smooth` (C, Y, X) and `exact` (2, Y, X), float32, channels as above.

    `scales` are those that suit it best, `pixel_size` is in nm, 0 where it is not known. One that is `watched` is not learnt from.
    """

    smooth: npt.NDArray[np.float32]
    exact: npt.NDArray[np.float32]
    scales: tuple[float, ...] = ()
    pixel_size: float = 0.0
    watched: bool = False

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """Labels (Y, X)."""
        labels: npt.NDArray[np.float32] = self.exact[LABELS]
        return labels

    @property
    def labelled(self) -> bool:
        """Whether any pixel is labelled; a plane without labels serves to hold on to what the starting model says of it."""
        return bool((self.labels > 0).any())

    @property
    def bare(self) -> Plane:
        """The plane without what the starting model says."""
        return replace(self, smooth=self.smooth[:START])

    @property
    def whole(self) -> bool:
        """Whether every pixel is labelled, so that there is nothing for a starting model to say."""
        return bool((self.labels > 0).all())

    def cut(self, y: slice, x: slice) -> Plane:
        """A copy of a window, so that nothing outside it can be seen."""
        return Plane(self.smooth[:, y, x].copy(), self.exact[:, y, x].copy(), self.scales, self.pixel_size)


@dataclass(frozen=True)
class Batch:
    """Crops on the CPU: images (B, 1, S, S), labels (B, S, S), distance and known (B, 1, S, S), start (B, K' + A, S, S) or None."""

    images: torch.Tensor
    labels: torch.Tensor
    distance: torch.Tensor
    known: torch.Tensor
    start: torch.Tensor | None


def planes_of(annotations: Annotations, normalisation: Normalisation) -> list[Plane]:
    """Every labelled plane of every micrograph, in order, without the starting model's channels."""
    result = []
    for item in annotations.items:
        for index, labels, instances in item.planes():
            image = normalisation.apply(item.micrograph.plane(index), item.micrograph.valid, item.micrograph.name)
            whole = complete_objects(labels) if instances is None else instances
            known = (labels == BACKGROUND) | ((whole > 0) & (labels > 0))
            smooth = np.stack([image, distance_map(whole)])
            result.append(Plane(smooth, np.stack([labels, known]).astype(np.float32), (), item.micrograph.calibration.nanometres))
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


class Crops:
    """Draws batches: a class, then a labelled pixel of that class anywhere in the set, then a random crop round it.

    Each crop is seen at one of `scales`, those the model will be used at: what is learnt at one scale alone spoils the others. Where
    there are planes without labels, every `HELD_EVERY`th crop comes from anywhere in one of them, at one of the scales that suit it.
    """

    def __init__(self, planes: list[Plane], size: int, how: Augmentation, seed: int, scales: tuple[float, ...] = (1.0,)) -> None:
        self.size, self.how, self.turn = size, how, 0
        self.rng = np.random.default_rng(seed)
        self.scales = scales
        self.levels = [scales if plane.labelled else plane.scales or scales for plane in planes]
        self.smooth = [[_at_scale(plane.smooth, scale) for scale in levels] for plane, levels in zip(planes, self.levels, strict=True)]
        self.exact = [torch.from_numpy(plane.exact) for plane in planes]
        self.channels = max(len(plane.smooth) for plane in planes)
        self.shapes = [plane.labels.shape for plane in planes]
        self.unlabelled = [index for index, plane in enumerate(planes) if not plane.labelled]
        numbers = sorted({int(n) for plane in planes for n in np.unique(plane.labels) if n > 0})
        self.places = [[np.flatnonzero(plane.labels == number) for plane in planes] for number in numbers]

    def draw(self, count: int) -> Batch:
        """A batch of `count` crops."""
        pairs = [self._one(index) for index in range(count)]
        self.turn += count
        smooth, exact = torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])
        start = smooth[:, START:] if smooth.shape[1] > START else None
        images = vary_intensity(smooth[:, IMAGE : IMAGE + 1], self.how, self.rng)
        return Batch(images, exact[:, LABELS].long(), smooth[:, DISTANCE : DISTANCE + 1], exact[:, KNOWN : KNOWN + 1], start)

    def _one(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        plane, place = self._place(self.turn + index)
        y, x = divmod(place, self.shapes[plane][1])
        spread = self.size / 4
        centre = (y + float(self.rng.uniform(-spread, spread)), x + float(self.rng.uniform(-spread, spread)))
        level = int(self.rng.integers(len(self.levels[plane])))
        shape = (self.shapes[plane][0], self.shapes[plane][1])
        grid = sampling_grid(shape, centre, self.size, self.how, self.rng, self.levels[plane][level])
        smooth, exact = resample(grid, self.smooth[plane][level], self.exact[plane])
        # Of a plane that is labelled whole the starting model was not asked, nor is it heard there.
        return F.pad(smooth, (0, 0, 0, 0, 0, self.channels - len(smooth))), exact

    def _place(self, turn: int) -> tuple[int, int]:
        """A plane, and a pixel of it by its flat index."""
        if self.unlabelled and turn % HELD_EVERY == 0:
            plane = int(self.rng.choice(self.unlabelled))
            return plane, int(self.rng.integers(math.prod(self.shapes[plane])))
        # Not by the turn itself, which would meet the same classes at every round where some turns are for planes without labels.
        turn -= turn // HELD_EVERY + 1 if self.unlabelled else 0
        places = self.places[turn % len(self.places)]
        # Planes count by how much of the class they hold, softened so that one dense mask does not drown ten strokes.
        weight = np.sqrt([len(p) for p in places])
        plane = int(self.rng.choice(len(places), p=weight / weight.sum()))
        return plane, int(self.rng.choice(places[plane]))


def _at_scale(maps: npt.NDArray[np.float32], scale: float) -> torch.Tensor:
    """The maps as the predictor sees them at this scale: reduced with antialiasing, which sampling a crop alone would not do."""
    whole = torch.from_numpy(maps)
    if scale >= 1:
        return whole
    size = [max(1, round(n * scale)) for n in maps.shape[-2:]]
    return F.interpolate(whole[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]
