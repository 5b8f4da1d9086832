"""Larger particles than a search looked for: the two brightest things of a picture must not be passed over in silence.

Shown the plane for particles four times as large, the model sees what a search for the smaller ones cannot. Supports and heaps of particles
look like particles to it too: what counts stands out of its surroundings as far as a typical particle found, in the same sense, where
hardly any of these lie on it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.shape.geometry import Foreground, convex_hulls
from napari_temseg.engine.model.prediction import iter_predict
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.particles.splitting import split
from napari_temseg.engine.particles.standing_out import LEAST_TELLING, contrasts
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BAND, Particles, SizeCandidate

if TYPE_CHECKING:
    from napari_temseg.engine.model.backends.backend import Backend

LARGER = 4.0  # × the size that was looked for: what is beyond its band lies well in that of this one
COARSE = 35.0  # px of a particle of that size on the coarser pixels on which it is looked for: all that the model sees of it
FILLING = 1.5  # × the shorter side of a picture: what is larger is not looked for
COVERED_MOST = 0.3  # share of a larger one that particles found may cover: else it is a heap of them, or what carries them
COMPACT = 0.9  # least solidity
Labels = npt.NDArray[np.int32]


def iter_larger(model: Segmenter, found: Particles, config: PredictConfig, network: Backend | None = None) -> Job[SizeCandidate | None]:
    """The job that looks for particles beyond the band of a search for one size, in the one plane of what it `found`.

    `network` is that of the model, made ready for these settings, where there is one (see `iter_predict`). How many there are and their
    median diameter (px); None where there are none, or where the search was for several sizes, or asks which.
    """

    def steps(control: Control) -> Generator[Progress, None, SizeCandidate | None]:
        said = found.prediction
        if said is None or not said.size or said.other is not None or said.candidates or config.both or config.scales:
            return None
        size, plane = LARGER * said.size, said.micrograph
        typical = contrasts(plane, found.labels)
        typical = typical[np.isfinite(typical)]
        if size > FILLING * min(plane.frame) or len(typical) < LEAST_TELLING:
            return None
        step = max(1, int(size / COARSE))
        coarse = _coarse(plane, step)
        job = iter_predict(model, coarse, replace(config.for_size(size / step), exact_size=True), network=network)
        for progress in job:
            yield replace(progress, preview=None, elapsed=control.elapsed)
        least = BAND * said.size / step
        if np.count_nonzero(job.result.probability[0] <= 0.5) < 2 * least:  # fewer than the outline of one has: there is none
            return None
        seen = split(job.result, SplitConfig()).labels
        small = found.labels[step // 2 :: step, step // 2 :: step][: seen.shape[0], : seen.shape[1]]
        widths = step * _clear(coarse, seen, small, float(np.median(typical)), least)
        return SizeCandidate(float(np.median(widths)), len(widths)) if len(widths) else None

    return Job(steps)


def _clear(coarse: Micrograph, seen: Labels, small: Labels, typical: float, least: float) -> npt.NDArray[np.float64]:
    """The diameters (px) of what is `seen` (Y, X), from `least` on, that stands out as far as is `typical`."""
    area = np.bincount(seen.ravel())
    if len(area) < 2:
        return np.zeros(0)
    width = 2 * np.sqrt(area / np.pi)
    covered = np.bincount(seen.ravel(), small.ravel() > 0) / np.maximum(area, 1)
    solidity = np.zeros(len(area))
    solidity[1:] = area[1:] / convex_hulls(Foreground.of(seen)).pixels
    clear = contrasts(coarse, seen) / typical >= 1  # never of NaN
    clear &= (width >= least) & (covered <= COVERED_MOST) & (solidity >= COMPACT)
    clear[0] = False
    return np.asarray(width[clear], np.float64)


def _coarse(plane: Micrograph, step: int) -> Micrograph:
    """A plane in means of blocks of step × step px, what is left at its lower and right edges left out."""
    height, width = (n // step for n in plane.frame)

    def blocks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[: height * step, : width * step].reshape(height, step, width, step)

    valid = None if plane.valid is None else np.asarray(blocks(plane.valid).all(axis=(1, 3)))
    return Micrograph(blocks(plane.plane(0)).mean(axis=(1, 3), dtype=np.float32), valid=valid)
