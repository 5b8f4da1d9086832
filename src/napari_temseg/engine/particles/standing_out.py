"""How far particles stand out of what is round them, beside those of their picture of which the model is most certain.

The texture of a support looks like particles to a network that sees little more than one of them at a time; what tells them apart is the
rest of the picture. In dark field contrast grows with thickness, thickness with width: contrast over width is much the same for all
particles of a kind. In bright field and in scanning pictures contrast itself is. Grains of what carries the particles fall short of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.micrograph import Micrograph

SEEN_AT = 11.0  # px: width of a particle of the size that is meant on the coarser pixels where its grey level is looked for
NOISE = 0.7  # px of smoothing where pixels stay as they are
BLURRED = 1.5  # px beside a particle that its blurred edge takes up
RING, LEAST_RING = 0.35, 3.0  # × the width of a particle, and px: how far what is round it reaches
SEEN_ROUND = 0.5  # share of the ring round a particle that is background: where less is, less is told by it
MOST_CERTAIN, LEAST_CERTAIN = 0.1, 5  # share and number of the particles that say how far those that are meant stand out
LEAST_RATIO = 0.25  # × what these do: there is no less, so that what the model is quite certain of stays
LEAST_TELLING, AGREEING = 5, 0.95  # particles that tell the polarity of all, and share of them that must be of one
NO_CONTRAST = 1e-6  # of the greatest grey level: rounding
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Seen:
    """The grey levels of a plane as particles stand out of them, the same whichever particles they are.

    `grey`, and the pixels `allowed` to tell, both (y, x), are every `step`-th of the plane; contrast up to `rounding` is none.
    """

    grey: npt.NDArray[np.float32]
    allowed: npt.NDArray[np.bool_]
    step: int
    rounding: float

    @classmethod
    def of(cls, micrograph: Micrograph, size: float) -> Seen:
        """Of a plane (Y, X), where the particles that are meant have the `size` (px)."""
        image, step = micrograph.plane(0), max(1, int(size / SEEN_AT))
        allowed = np.isfinite(image) if micrograph.valid is None else micrograph.valid & np.isfinite(image)
        grey = np.where(allowed, image, 0).astype(np.float32)
        rounding = NO_CONTRAST * float(np.abs(grey).max(initial=0))
        if step > 1:
            grey, allowed = ndimage.uniform_filter(grey, step)[_every(step)], allowed[_every(step)]
            allowed = ndimage.binary_erosion(allowed, border_value=1)
        else:
            grey = ndimage.gaussian_filter(grey, NOISE)
        return cls(grey, allowed, step, rounding)

    def shown(self, labels: Labels) -> Labels:
        """Labels (Y, X) of the plane on the same pixels."""
        return labels[_every(self.step)] if self.step > 1 else labels


def _every(step: int) -> tuple[slice, slice]:
    return (slice(step // 2, None, step),) * 2


def standing_out(seen: Seen, labels: Labels, area: npt.NDArray[Any], mean_probability: Floats, class_of: npt.NDArray[Any]) -> Floats:
    """How far labels 0…n of a plane (Y, X) stand out, 1 as far as the most certain ones of their class; NaN where too few can be compared.

    The larger of two ratios: of contrast, the difference of the median grey levels of a particle and the ring round it, either sign; and
    of contrast over equivalent circular diameter. `area` (px) and `mean_probability` are those of each label.
    """
    out = np.full(len(class_of), np.nan)
    if len(class_of) <= LEAST_CERTAIN:
        return out
    width = 2 * np.sqrt(area / np.pi)
    contrast, share = _contrast(seen, seen.shown(labels), width / seen.step)
    contrast = np.abs(contrast)
    for number in np.unique(class_of[1:]):
        told = np.flatnonzero(np.isfinite(contrast) & (class_of == number))
        if len(told) < LEAST_CERTAIN:
            continue
        certain = told[np.argsort(-mean_probability[told], kind="stable")[: max(LEAST_CERTAIN, int(MOST_CERTAIN * len(told)))]]
        references = [float(np.median(each[certain])) for each in (contrast, contrast / np.maximum(width, 1))]
        if references[0] > seen.rounding:
            ratio = np.maximum(contrast[told] / references[0], contrast[told] / np.maximum(width[told], 1) / references[1])
            out[told] = np.maximum(ratio, LEAST_RATIO) ** np.minimum(share[told] / SEEN_ROUND, 1)
    return out


def polarity_seen(micrograph: Micrograph, labels: Labels) -> str:
    """Whether the particles (Y, X) of a plane are "bright" or "dark" beside what is round them, as nearly all are; else "auto".

    Told of those round which half at least is background; of few, or where they differ, nothing can be told.
    """
    telling = contrasts(micrograph, labels)
    telling = telling[np.isfinite(telling)]
    if len(telling) < LEAST_TELLING:
        return "auto"
    bright = float(np.mean(telling > 0))
    return "bright" if bright >= AGREEING else "dark" if bright <= 1 - AGREEING else "auto"


def contrasts(micrograph: Micrograph, labels: Labels) -> Floats:
    """Contrast of each label 0…n (Y, X) of a plane, positive of a bright one; NaN where none is seen or the ring round it tells too little.

    That is the difference of the median grey levels of it and of the ring; half of this at least must be background.
    """
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    if not areas.any():
        return np.full(len(areas), np.nan)
    width = 2 * np.sqrt(areas / np.pi)
    seen = Seen.of(micrograph, float(np.median(width[areas > 0])))
    contrast, share = _contrast(seen, seen.shown(labels), width / seen.step)
    told = (share >= SEEN_ROUND) & (np.abs(contrast) > seen.rounding)  # nothing is greater than NaN
    return np.where(told, contrast, np.nan)


def _contrast(seen: Seen, labels: Labels, width: Floats) -> tuple[Floats, Floats]:
    """Contrast of each label of this `width` (px) and the share of the ring round it that is seen.

    Contrast is positive of a bright one, NaN where nothing of it or of its ring is seen.
    """
    reach = np.maximum(LEAST_RING, RING * width)
    distance, place = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    nearest = labels[tuple(place)]
    ring = (distance > BLURRED) & (distance <= reach[nearest]) & seen.allowed
    inside = (labels > 0) & seen.allowed
    share = np.bincount(nearest[ring], minlength=len(width)) / (np.pi * ((width / 2 + reach) ** 2 - (width / 2 + BLURRED) ** 2))
    medians = [_medians(seen.grey[part], number[part], len(width)) for part, number in ((inside, labels), (ring, nearest))]
    return medians[0] - medians[1], share


def _medians(values: npt.NDArray[np.float32], groups: Labels, count: int) -> Floats:
    """Median of the values of each group 0…count − 1, NaN of an empty one."""
    order = np.lexsort((values, groups))
    number = np.bincount(groups, minlength=count)
    first = np.cumsum(number) - number
    out = np.full(count, np.nan)
    some = np.flatnonzero(number)
    ordered = values[order]
    out[some] = (ordered[first[some] + (number[some] - 1) // 2] + ordered[first[some] + number[some] // 2]) / 2
    return out
