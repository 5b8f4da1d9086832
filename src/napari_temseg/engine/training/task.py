"""What a training is asked for, and what it is made of before its first step: both stay as they are while it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.scales import working_scales
from napari_temseg.engine.model.segmenter import Normalisation, Segmenter
from napari_temseg.engine.training.dataset import Dataset, HeldPlane, LabelledPlane
from napari_temseg.engine.training.validation import STROKE_MOST, ValidationSplit, hold_out, windows, zoom_at
from napari_temseg.engine.types.annotations import Annotations, ClassCount
from napari_temseg.engine.types.config import PredictConfig, TrainConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import BACKGROUND, CENTRED_BY, FIRST_CLASS, Prediction

STROKE_PIXELS = 1 << 18  # px of windows with strokes that are held out
WEIGHED_PIXELS = 1 << 19  # px of windows on which strokes are weighed against the rest of their pictures
AGREED = 0.99  # IoU on strokes: from it on they have little to teach
MISTAKEN = 0.8  # IoU on strokes: below it they say that the starting model is wrong, above it mostly that it is right
BUDGET_SETTINGS = ("max_seconds", "max_steps", "epochs", "patience", "device")  # that may be others when a training goes on

BeyondBand = Callable[[Segmenter, Prediction, npt.NDArray[np.uint8]], Generator[float, None, npt.NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Labels, the model to start from (None: a new U-Net as `config` says), settings, and whether to search for better ones first.

    `searched` is what searches found earlier: that of the starting model need not be worked out again. `scales` are those at which
    pictures were searched of which no more is known: they are looked at so again, whenever their labels are learnt. `afterwards` are px
    that the model will be shown when all is done, within the time that is allowed. `beyond` tells where strokes lie on particles beyond the
    sizes that are looked for, which teach nothing (see `interactive.stroked`).
    """

    annotations: Annotations
    base: Segmenter | None
    config: TrainConfig
    tune: bool = False
    searched: tuple[Prediction, ...] = ()
    scales: tuple[tuple[Micrograph, tuple[float, ...]], ...] = ()
    afterwards: float = 0.0
    beyond: BeyondBand | None = None

    def said_of(self, picture: Micrograph) -> Prediction | None:
        """What the starting model was found to say of a picture, at the size that is told here if one is; None where nobody asked it."""
        if self.base is None:
            return None
        return next((each for each in self.searched if _shows(each.micrograph, picture) and self._would_say(each)), None)

    def scales_of(self, picture: Micrograph) -> tuple[float, ...]:
        """At which a picture was searched, if a size that is told here is one that the search may have moved; else ()."""
        found = next((scales for each, scales in self.scales if _shows(each, picture)), ())
        size = self.base.spec.working_size if self.base is not None else 0.0
        if not found or not size:
            return ()
        told = self.predicting.typical_in(picture.calibration.nanometres)
        return found if told is None or 1 / CENTRED_BY <= size / found[0] / told <= CENTRED_BY else ()

    def _would_say(self, said: Prediction) -> bool:
        """Whether the starting model, asked as this training asks, says just that."""
        if self.base is None or said.model_hash != self.base.content_hash() or said.candidates:
            return False
        told = self.predicting.typical_in(said.micrograph.calibration.nanometres)
        if told is None:
            return said.other is None  # of two sizes, the one that is told: the smaller
        if self.base.spec.working_size:
            return said.suits(told)
        height, width = said.micrograph.frame
        return said.working_scale == working_scales(self.base.scales, told, height * width)

    @property
    def start_classes(self) -> int:
        """Classes of the model it starts from, 0 for a new network."""
        return self.base.spec.n_classes if self.base else 0

    @property
    def normalisation(self) -> Normalisation:
        """That of the model it starts from."""
        return self.base.normalisation if self.base else Normalisation()

    @property
    def predicting(self) -> PredictConfig:
        """How its networks predict: where it trains, as exactly, told the same size."""
        config = self.config
        return PredictConfig(
            typical_size=config.typical_size, typical_nm=config.typical_nm, device=config.device, precision=config.precision
        )

    def identity(self) -> dict[str, Any]:
        """What makes a training the same: labelled pixels and their images (SHA-256), starting model, settings except the budget.

        Micrographs without labels may be others when it goes on, as those that are open in the window are.
        """
        images, labels = hashlib.sha256(), hashlib.sha256(repr(sorted(self.annotations.class_names.items())).encode())
        for item in self.annotations.items:
            image = item.micrograph
            images.update(f"{tuple(image.data.shape)}{image.data.dtype}{image.calibration.nanometres}".encode())
            for index, numbers, instances in item.planes():
                images.update(np.ascontiguousarray(image.plane(index)).view(np.uint8).data)
                images.update(b"" if image.valid is None else image.valid.tobytes())
                labels.update(str(index).encode())
                labels.update(numbers.tobytes())
                labels.update(b"" if instances is None else instances.tobytes())
        settings = {name: value for name, value in recorded(self.config).items() if name not in BUDGET_SETTINGS}
        start = self.base.content_hash() if self.base else "none"
        return {"images": images.hexdigest(), "labels": labels.hexdigest(), "starting model": start, "tune": self.tune, **settings}


def _shows(one: Micrograph, other: Micrograph) -> bool:
    """Whether two micrographs are of the same pixels, the same part of them valid."""
    if one.data is not other.data or one.calibration != other.calibration or (one.valid is None) != (other.valid is None):
        return False
    return one.valid is None or other.valid is None or bool(np.array_equal(one.valid, other.valid))


def recorded(config: TrainConfig) -> dict[str, Any]:
    """Settings for a record; encoder weights by their name: where they lay on this machine is nobody's business."""
    return {**config.to_dict(), "encoder_weights": config.encoder_weights and Path(config.encoder_weights).name}


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The planes of one training, split, and what their labels say."""

    task: TrainingTask
    planes: Dataset
    split: ValidationSplit

    @classmethod
    def of(cls, task: TrainingTask, planes: Dataset) -> TrainingData:
        """A part of the labels is held out, as the settings say. Of strokes as much is looked at as every machine can: what decides
        about them is the same whenever they are learnt."""
        data = cls(task, planes, hold_out(list(planes.labelled), task.config.validation, task.config.seed, zoom_at(planes.labelled)))
        if not (data.strokes and data.split.validation):
            return data
        return replace(data, split=data.split.thinned(STROKE_PIXELS, zoom_at(planes.labelled), "are looked at"))

    @property
    def learnt_from(self) -> list[LabelledPlane | HeldPlane]:
        """What crops are cut from."""
        return [*self.split.training, *self.planes.held]

    def weighed(self) -> list[LabelledPlane]:
        """Windows on which strokes are weighed: the same for the same strokes, however fast the machine is."""
        planes = self.planes.labelled
        drawn = {int(n) for plane in planes for n in np.unique(plane.labels) if n > 0}
        return windows(planes, drawn, WEIGHED_PIXELS, zoom_at(planes), whole=True)

    def first_part(self) -> LabelledPlane:
        """A small part of what is labelled, to learn how long a look takes."""
        return windows(self.planes.labelled[:1], set(), 1.0, zoom_at(self.planes.labelled))[0]

    def judged_on(self, pixels: float) -> TrainingData:
        """The same data, about `pixels` of what is held out looked at, as the time allows no more."""
        zoom = zoom_at(self.planes.labelled)
        return replace(self, split=self.split.thinned(pixels * zoom**2, zoom))

    @cached_property
    def counts(self) -> dict[int, ClassCount]:
        """Labelled pixels and objects by class."""
        return self.task.annotations.counts()

    @cached_property
    def strokes(self) -> bool:
        """Whether a starting model knows most of the planes, and labels are no more than corrections."""
        return self.task.base is not None and self.planes.sparse

    @cached_property
    def mistaken(self) -> bool:
        """Whether strokes say that the starting model is wrong."""
        return self.strokes and self.planes.agreement() < MISTAKEN

    @cached_property
    def depth_taught(self) -> bool:
        """Whether the trained model knows how deep particles are: by these labels, or before."""
        shown = any(bool((plane.known & (plane.labels >= FIRST_CLASS)).any()) for plane in self.planes.labelled)
        return shown or (self.task.base is not None and self.task.base.depth_taught)

    @cached_property
    def kept_back(self) -> dict[int, int]:
        """Connected regions of each class that are held out."""
        judged, eight = self.split.validation, np.ones((3, 3))
        return {number: sum(int(ndimage.label(window.labels == number, eight)[1]) for window in judged) for number in self.counts}

    @cached_property
    def telling(self) -> bool:
        """Whether what is held out of each class is more than one region, or a large one: one stroke alone tells nothing."""
        labels = np.concatenate([window.labels.ravel() for window in self.split.validation] or [np.zeros(1, np.uint8)])
        pixels = np.bincount(labels, minlength=max(self.counts) + 1)
        return all(self.kept_back[number] > 1 or pixels[number] >= STROKE_MOST for number, count in self.counts.items() if count.pixels)

    def facts(self) -> dict[str, float]:
        """Of the labels: `background_share` of their pixels, `pixels_N` and `objects_N` of class N, and the connected
        `validation_regions` that are held out, in all and of class N (`validation_regions_N`).

        `mistaken` is 1 where strokes say that the starting model is wrong, `agreed` 1 where it says all that they say, `telling` 1 where
        enough is held out to judge by, else 0.
        """
        pixels = {number: count.pixels for number, count in self.counts.items()}
        regions = self.kept_back
        facts: dict[str, float] = {
            "background_share": pixels[BACKGROUND] / sum(pixels.values()),
            "validation_regions": sum(regions.values()),
            "mistaken": float(self.mistaken),
            "agreed": float(self.strokes and self.planes.agreement() >= AGREED),
            "telling": float(self.telling),
        }
        for number, count in self.counts.items():
            facts |= {f"pixels_{number}": count.pixels, f"objects_{number}": count.objects, f"validation_regions_{number}": regions[number]}
        return facts
