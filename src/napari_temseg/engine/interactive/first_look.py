"""A part of a plane looked at first, as finely as a second allows, so that strokes are answered while the whole of it is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.interactive.linear_head import Ground, answer, iter_ground
from napari_temseg.engine.model.band import MOST_ENLARGED
from napari_temseg.engine.model.runner import LEAST_SCALE, band_scales
from napari_temseg.engine.model.scales import working_scales
from napari_temseg.engine.model.segmenter import AsItIs, Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, Prediction

_SEARCHED = (1.0, 1.6)  # what looking for the size costs at the least
FIRST_PIXELS = 400_000  # px that the network is shown: about half a second of one processor
Window = tuple[slice, slice]


def worth_it(model: Segmenter, plane: Micrograph, config: PredictConfig, scales: Sequence[float]) -> bool:
    """Whether a look at a whole plane takes much longer than a first one; `scales` () stands for those that will be taken."""
    if not scales and model.spec.working_size:
        told = config.typical_in(plane.calibration.nanometres)
        scales = band_scales(model.spec.working_size / told) if told else _SEARCHED
    return math.prod(plane.frame) * sum(scale**2 for scale in scales or model.scales) > 2 * FIRST_PIXELS


def first_scale(model: Segmenter, plane: Micrograph, config: PredictConfig, window: Window, scales: Sequence[float] = ()) -> float:
    """The scale for a first look at a window: that of a search before it, or by the size that is told, as far as `FIRST_PIXELS` go."""
    told = config.typical_in(plane.calibration.nanometres)
    if scales:
        wanted = max(scales)
    elif model.spec.working_size:
        wanted = model.spec.working_size / told if told else 1.0
    else:
        wanted = max(working_scales(model.scales, told, math.prod(plane.frame)))
    area = math.prod(span.stop - span.start for span in window)
    return max(LEAST_SCALE, min(wanted, math.sqrt(FIRST_PIXELS / area)))


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What is known of a window of a plane, in blocks of `step` × `step` px."""

    ground: Ground
    step: int

    def classes(
        self, strokes: npt.NDArray[np.uint8], shown: Callable[[Prediction, npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Class numbers (Y, X) of the window after `strokes` (Y, X), which are as for `answer`; `shown` makes them of an answer and its
        strokes, both in blocks.
        """
        coarse = _blocks(strokes, self.step, np.maximum)
        said = answer(self.ground, coarse, depth=False)
        found = said.all_classes() if shown is None else shown(said, coarse)
        height, width = strokes.shape
        return found.repeat(self.step, axis=0).repeat(self.step, axis=1)[:height, :width]


def iter_first_look(
    model: Segmenter,
    plane: Micrograph,
    image: npt.NDArray[np.float32],
    config: PredictConfig,
    window: Window,
    scales: Sequence[float] = (),
    known: Prediction | None = None,
) -> Job[FirstLook]:
    """The job that looks at a window of a plane (axes "YX"); `image` holds its pixels, normalised, `scales` are of an earlier search.

    `known` is what the model said of the plane in that: what is shown first says the same where nothing is stroked.
    """

    def steps(control: Control) -> Generator[Progress, None, FirstLook]:
        scale, part = first_scale(model, plane, config, window, scales), image[window]
        step = max(1, math.ceil(math.sqrt(part.size / FIRST_PIXELS)))  # no screen shows more
        valid = None
        if plane.valid is not None:
            valid = _blocks(plane.valid[window], step, np.logical_and)
        coarse = Micrograph(_blocks(part, step, np.add) / step**2, calibration=plane.calibration, valid=valid)
        once = replace(config, scales=(min(scale * step, MOST_ENLARGED),))
        said = None if known is None else _coarse(known.within(window), coarse, step)
        job = iter_ground(replace(model, normalisation=AsItIs()), coarse, once, said)
        yield from job
        return FirstLook(job.result, step)

    return Job(steps)


def _coarse(known: Prediction, coarse: Micrograph, step: int) -> Prediction:
    """A prediction in blocks of `step` × `step` px."""
    probability = np.stack([_blocks(each.astype(np.float32), step, np.add) for each in known.probability]) / step**2
    return replace(
        known,
        micrograph=coarse,
        probability=probability.astype(np.float16),
        classes=(probability.argmax(axis=0) + BACKGROUND).astype(np.uint8),
        auxiliary={
            name: (_blocks(each.astype(np.float32), step, np.add) / step**2).astype(np.float16) for name, each in known.auxiliary.items()
        },
        parted=None,
        vouched=None,
        other=None if known.other is None else _coarse(known.other, coarse, step),
    )


def _blocks(plane: npt.NDArray[Any], step: int, join: np.ufunc) -> npt.NDArray[Any]:
    """A plane (Y, X) with its blocks joined to a pixel each; those at the lower and right edge are filled up with their last pixels."""
    if step == 1:
        return plane
    whole = np.pad(plane, [(0, -n % step) for n in plane.shape], mode="edge")
    joined = join.reduce(whole.reshape(whole.shape[0] // step, step, -1, step), axis=3)
    return np.asarray(join.reduce(joined, axis=1))
