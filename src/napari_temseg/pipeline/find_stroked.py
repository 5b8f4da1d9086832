"""A search of a picture that somebody stroked: for the size that was found before, and for that of stroked particles which it left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BAND, Particles, Prediction
from napari_temseg.engine.types.wording import LOADING
from napari_temseg.pipeline.find import Found, iter_find, of_one


@dataclass(frozen=True, eq=False)
class Stroked:
    """Strokes on a picture (uint8, of its shape: 1 background, 2 … particles), and what the search before them said and found.

    `needed`: it is searched whatever they tell; else only where they tell of a size that was not looked for.
    """

    strokes: npt.NDArray[np.uint8]
    said: Prediction | None
    found: Particles | None
    needed: bool = True


def iter_find_stroked(
    model: Any,
    images: Sequence[Micrograph],
    predict: Sequence[PredictConfig],
    split: Sequence[SplitConfig],
    first: Sequence[int] | None = None,
    parted: Sequence[npt.NDArray[np.bool_] | None] = (),
    bars: Sequence[bool] = (),
    *,
    stroked: Stroked,
) -> Job[list[Found]]:
    """As `iter_find`, of one picture that is `stroked`; nothing is found where no search is needed."""

    def steps(control: Control) -> Any:
        yield Progress("find", 0.0, LOADING, control.elapsed)
        config, cut = of_one(predict, 0) or PredictConfig(), of_one(split, 0) or SplitConfig()
        said, sizes = stroked.said, ()
        if said is not None and said.size and _suits(said, config):
            sizes = yield from _sizes(model[0] if isinstance(model, list) else model, said, stroked, control)
            config = replace(config.for_size(sizes[0]), exact_size=True)
        if len(sizes) > 1:
            config = replace(config, other_size=sizes[1])
            cut = replace(cut, as_one=sizes[1] <= BAND**2 * sizes[0])  # nothing between them is left out: it is one powder
        elif not stroked.needed:
            return []
        job = iter_find(model, images, [config], [cut], first, parted, bars)
        yield from job
        return job.result

    return Job(steps)


def _suits(said: Prediction, config: PredictConfig) -> bool:
    """Whether a search was one for a single size that is still meant."""
    if said.other is not None or config.scales or config.other_size or config.other_nm or config.both:
        return False
    pixel = said.micrograph.calibration.nanometres
    told = None if config.typical_nm and not pixel else config.typical_in(pixel)
    return told is None or said.suits(told)


def _sizes(model: Any, said: Prediction, stroked: Stroked, control: Control) -> Any:
    """The size (px) that was looked for, and that of what is stroked beside, ascending."""
    from napari_temseg.api import load
    from napari_temseg.engine.interactive.stroked import iter_stroked_size

    if stroked.found is None:
        return (said.size,)
    frame = said.micrograph.frame
    pages = stroked.strokes.reshape((-1, *frame))
    plane = int(np.argmax([np.count_nonzero(page) for page in pages]))
    labels = stroked.found.labels.reshape((-1, *frame))[plane]
    job = iter_stroked_size(load(model) if isinstance(model, str) else model, said.at(plane), pages[plane], labels)
    for step in job:
        yield replace(step, elapsed=control.elapsed)
    return tuple(sorted((said.size, job.result))) if job.result else (said.size,)
