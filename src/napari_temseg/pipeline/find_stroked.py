"""A picture that somebody stroked: searched again at the size that was found before, and how large what it left out there is."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Particles, Prediction
from napari_temseg.pipeline.find import iter_find


def at_its_size(config: PredictConfig, said: Prediction | None) -> PredictConfig:
    """Settings by which a picture is searched again for particles of the size that a search found; as they are where they mean another."""
    if said is None or not said.size or not _suits(said, config):
        return config
    return replace(config.for_size(said.size), exact_size=True)


def iter_find_at(
    said: Prediction | None, model: Any, images: Sequence[Micrograph], predict: Sequence[PredictConfig], *others: Any
) -> Job[Any]:
    """As `iter_find`, for particles of the size that the search before, which `said` it, found: nobody asked for another."""
    return iter_find(model, images, [at_its_size(config, said) for config in predict], *others)


def _suits(said: Prediction, config: PredictConfig) -> bool:
    """Whether a search was one for a single size that is still meant."""
    if said.other is not None or config.scales or config.other_size or config.other_nm or config.both:
        return False
    pixel = said.micrograph.calibration.nanometres
    told = None if config.typical_nm and not pixel else config.typical_in(pixel)
    return told is None or said.suits(told)


def iter_size_left_out(model: Any, said: Prediction, strokes: npt.NDArray[np.uint8], found: Particles) -> Job[float]:
    """The job that tells how large (px) particles are that were stroked (uint8, of the picture's shape: 1 background, 2 … particles) and
    that a search did not look for; 0 where there are none. `model` is a `Segmenter`, a shipped name or a file."""

    def steps(control: Control) -> Generator[Progress, None, float]:
        from napari_temseg.api import load
        from napari_temseg.engine.interactive.stroked import iter_stroked_size

        frame = said.micrograph.frame
        pages = strokes.reshape((-1, *frame))
        plane = int(np.argmax([np.count_nonzero(page) for page in pages]))
        labels = found.labels.reshape((-1, *frame))[plane]
        job = iter_stroked_size(load(model) if isinstance(model, str) else model, said.at(plane), pages[plane], labels)
        for step in job:
            yield replace(step, elapsed=control.elapsed)
        return job.result or 0.0

    return Job(steps)
