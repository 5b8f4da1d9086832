"""A model over a micrograph: one working scale for all planes, stacks plane by plane."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_temseg.engine.model.network import class_logits
from napari_temseg.engine.model.runner import Known, Runner
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import BACKGROUND, PlanePrediction, Prediction
from napari_temseg.engine.types.wording import at_plane


def iter_predict(
    model: Segmenter,
    micrograph: Micrograph,
    config: PredictConfig,
    order: Sequence[int] | None = None,
    network: nn.Module | None = None,
) -> Job[Prediction]:
    """The job that predicts; yields `Progress` between tiles, and after each plane with a `PlanePrediction` as its `preview`.

    Planes are predicted in `order` (default: 0 … n − 1), a permutation of their indices, else `TemsegError`. There is no finishing
    early: half a prediction is none. `network` is the model's, made ready for these settings (see `runner`).
    """
    n = micrograph.n_planes
    places = list(range(n)) if order is None else [int(index) for index in order]
    if sorted(places) != list(range(n)):
        raise TemsegError(f"{micrograph.name}: the order of the planes must name each of 0 to {n - 1} once.")

    def steps(control: Control) -> Generator[Progress, None, Prediction]:
        runner, middle = Runner(model, config, micrograph.calibration.nanometres, network), n // 2
        unlike = [""] * n

        def normalised(index: int) -> npt.NDArray[np.float32]:
            return model.normalisation.apply(micrograph.plane(index), micrograph.valid, micrograph.name)

        def looking(share: float) -> Progress:
            return Progress("predict", 0.0, f"{micrograph.name}: seeing how large its particles are", control.elapsed)

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
