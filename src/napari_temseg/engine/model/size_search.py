"""The size that is meant, where nobody told it: sizes a factor apart are tried, and what is found near each speaks for it.

The evidence of a size is what lies near it: how many particles, how sure, how much of the picture. Two sizes far apart that both have
evidence are particles on something that looks like particles too, and which are meant only a person can say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.outputs import sigmoid
from napari_temseg.engine.model.scales import CORE, SEEN
from napari_temseg.engine.model.tiles import scaled
from napari_temseg.engine.types.results import CENTRED_BY, LEAST_OFFERED, SizeCandidate

SIZE_STEP = 1.6  # between the sizes that are tried
SMALLEST_SIZE = 5.0  # px
LARGEST_SIZE = 0.95  # of the shorter side of the picture: one particle may fill it
SEARCH_PIXELS = 500_000  # px at the working scale that one size may cost
QUICK_PIXELS = 200_000  # the same for a first look at a small picture, after which the sizes that may decide are looked at closely …
QUICK_UP_TO = 600_000  # … px of a small one: of larger ones such windows are too little to tell (a catalyst of 1024² got another size)
NEAR_SIZE = 1.5  # widths within this factor of a size speak for it
FAR_SIZE = 3.0  # sizes further apart than this are different things
RIVAL_SHARE = 0.45  # of the best evidence: a size far from it that has as much is a rival
# the same of smaller ones, so many × as those of the best size, and particles: of 23 superalloys with two sizes 12 have as much (9 with
# `RIVAL_SHARE`), of EMPS, TiO2 powders and catalysts of tune and train parts none more
MANY_SHARE, MANY_MORE, MANY_SMALLER = 0.3, 1.5, 20
SMALLER_SHARE = 0.06  # of the best evidence: with as much, smaller particles of about the same number are there too: a wide distribution …
SMALLER_MANY = 0.75, 30  # … × the number of those of the best size, and particles …
SMALLER_BY = 2.4, 4.5  # … × smaller: nearer ones are found anyway …
SMALLER_FROM = 20.0  # … px: in anything smaller the texture of a surface looks like particles. Of EMPS, TiO2 and catalysts none has as much
SECOND_SHARE = 0.25  # the same where somebody says that there are two sizes: of one size, 55 of 57 pictures of tune parts have less
LEAST_EVIDENCE = 0.003  # below it nothing speaks for any size: two thirds of the least on train and tune; of bare supports few have more
OFF_BY = 3.0  # × by which the evidence of a quick look in fewer px may be off …
ROUNDED_BY = 1.25  # … and that of one in which only rounding differs
CENTRED_OF = 1.9  # × a size within which what is found tells where it moves: further away another population may lie
CENTRED = 1.12  # × by which it is worth it
LEAST_FOUND = 4  # particles that tell it
ROUND_CORE = 1.08  # × from the largest circle on pixels inside a round core to the circle of the same area
_PLACES = (0.2, 0.8)  # of what is left: where windows lie along an axis
Window = tuple[slice, slice]
Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]  # raw output (1, C, y, x) of a window and its valid pixels


@dataclass(frozen=True)
class Evidence:
    """What speaks for a `size` (px): near it lie `count` particles of the picture, `found` their median width (px).

    `sure` is the mean of the greatest depth of each, `purity` their share of all that is found, `cover` the share of the picture,
    `explained` their share of the foreground.
    """

    size: float
    count: float = 0.0
    found: float = 0.0
    sure: float = 0.0
    purity: float = 0.0
    cover: float = 0.0
    explained: float = 0.0

    @property
    def weight(self) -> float:
        """One number: certain particles, few others, their number damped, more of them where they cover more, and most of what is found."""
        # The exponents were chosen on train and tune parts: the size taken first is wrong in 8 of 158 pictures.
        sure, number = max(self.sure - 0.5, 0.0), math.log1p(self.count)
        return float(sure * self.purity**2 * number**0.6 * self.cover**0.4 * self.explained**0.5)


def sizes(shape: tuple[int, ...]) -> list[float]:
    """Sizes (px) to try in a picture (Y, X), coarse first."""
    largest = max(SMALLEST_SIZE, LARGEST_SIZE * min(shape))
    return [largest / SIZE_STEP**index for index in range(math.floor(math.log(largest / SMALLEST_SIZE, SIZE_STEP)) + 1)]


def first_look(shape: tuple[int, ...]) -> int:
    """Px at the working scale that a first look at a size may cost in a picture (Y, X)."""
    return QUICK_PIXELS if math.prod(shape) <= QUICK_UP_TO else SEARCH_PIXELS


def windows(shape: tuple[int, ...], scale: float, pixels: int = SEARCH_PIXELS) -> list[Window]:
    """The whole picture (Y, X), or four parts of it that together cost `pixels` at `scale`."""
    if math.prod(shape) * scale**2 <= pixels:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    side = [min(n, int(math.sqrt(pixels / 4) / scale)) for n in shape]
    first = [[int((n - part) * place) for place in _PLACES] for n, part in zip(shape, side, strict=True)]
    return [(slice(y, y + side[0]), slice(x, x + side[1])) for y in first[0] for x in first[1]]


@dataclass(frozen=True, eq=False)
class _Cores:
    """Where the learnt depth of a raw output is great: cores are apart even where particles touch, and half as wide.

    `round` is the diameter of the circle of its area, `across` that of the largest circle inside it (px of the picture, of the particle of
    each): what speaks for a size is the one or the other, or no size would be that of rods. `area` (px of the output) and `deepest` of the
    core; `foreground` px of the output.
    """

    round: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64]
    area: npt.NDArray[np.intp]
    deepest: npt.NDArray[np.float64]
    foreground: int

    @classmethod
    def of(cls, raw: npt.NDArray[np.float32], scale: float, valid: npt.NDArray[np.bool_] | None) -> _Cores:
        depth, probability = (sigmoid(raw[0, channel]) for channel in (1, 0))
        core = (depth > CORE) & (probability > 0.5)
        if valid is not None:
            core &= scaled(valid.astype(np.float32)[None, None], scale)[0, 0] > 0.5
        if not core.any():
            none = np.zeros(0)
            return cls(none, none, np.zeros(0, np.intp), none, int((probability > 0.5).sum()))
        labels, n = ndimage.label(core)
        area = np.bincount(labels.ravel(), minlength=n + 1)[1:]
        deepest, inside = np.zeros(n + 1), np.zeros(n + 1)
        np.maximum.at(deepest, labels[core], depth[core])
        np.maximum.at(inside, labels[core], ndimage.distance_transform_edt(core)[core])
        circles = 4 * np.sqrt(area / math.pi) / scale, 4 * ROUND_CORE * (inside[1:] - 0.5) / scale
        return cls(*circles, area, deepest[1:], int((probability > 0.5).sum()))

    def near(self, size: float, factor: float) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Which are within a factor of a size, and the width by which they are."""
        first, second = ((width >= size / factor) & (width <= size * factor) for width in (self.round, self.across))
        return first | second, np.where(first, self.round, self.across)


def centred(size: float, scale: float, parts: Sequence[Part]) -> float | None:
    """The typical width (px) of what windows of a picture hold near `size`; None where too little is found.

    Whoever drags across one particle hardly drags across the median one; seen at that of what is found, the answer is nearly the same.
    """
    found = [_Cores.of(raw, scale, valid) for raw, valid in parts]
    looked = [(cores.area >= SEEN, *cores.near(size, CENTRED_OF)) for cores in found]
    width = np.concatenate([width[seen & near] for seen, near, width in looked])
    if len(width) < LEAST_FOUND:
        return None
    return min(max(float(np.median(width)), size / CENTRED_BY), size * CENTRED_BY)


def evidence(size: float, scale: float, parts: Sequence[Part], pixels: int) -> Evidence:
    """Of a size, from raw outputs (1, C, y, x) at `scale` with the valid pixels of their windows; `pixels` are those of the picture."""
    widths, sure, others, seen, foreground = [], [], 0, 0.0, 0.0
    for raw, valid in parts:
        cores = _Cores.of(raw, scale, valid)
        near, width = cores.near(size, NEAR_SIZE)
        widths.append(width[near])
        sure.append(cores.deepest[near])
        others += int((~near & (cores.area >= SEEN)).sum())
        seen += raw[0, 0].size / scale**2
        foreground += cores.foreground / scale**2
    width = np.concatenate(widths)
    if not len(width):
        return Evidence(size)
    cover = float((math.pi / 4 * width**2).sum() / seen)
    explained = min(1.0, cover * seen / foreground)  # there is some foreground: cores are of it
    purity = len(width) / (len(width) + others)
    return Evidence(size, len(width) * pixels / seen, float(np.median(width)), float(np.concatenate(sure).mean()), purity, cover, explained)


def deciding(found: Sequence[Evidence], share: float, off_by: Sequence[float]) -> list[int]:
    """Which sizes may decide what `chosen` says: with so much more evidence they would be taken, or be rivals.

    `off_by` tells of each × by how much its evidence may be off.
    """
    most, off = max((each.weight, off) for each, off in zip(found, off_by, strict=True))
    if most < off * LEAST_EVIDENCE:
        return list(range(len(found)))
    at_most = [each.weight * off for each, off in zip(found, off_by, strict=True)]
    best = [each.size for each, weight in zip(found, at_most, strict=True) if weight >= most]

    def may_rival(size: float, weight: float) -> bool:
        return weight >= share * most and any(max(size / other, other / size) >= FAR_SIZE for other in best)

    return [index for index, weight in enumerate(at_most) if weight >= most or may_rival(found[index].size, weight)]


def chosen(found: Sequence[Evidence], otherwise: float, share: float = RIVAL_SHARE) -> tuple[float, tuple[SizeCandidate, ...]]:
    """The size (px) with most evidence, and, where one far from it has `share` of that, both as candidates, the smaller first.

    `otherwise` is the answer where there is next to no evidence. Where nobody asks for two, a size of which there are but one or two
    particles is no candidate; of a best one that is such, it is still asked whether the many others are meant.
    """
    best = max(found, key=lambda each: each.weight)
    if best.weight < LEAST_EVIDENCE:
        return otherwise, ()
    least = LEAST_OFFERED if share >= RIVAL_SHARE else 0

    def is_rival(each: Evidence) -> bool:
        many = each.size < best.size and each.count >= max(MANY_SMALLER, MANY_MORE * best.count)
        asked = min(share, MANY_SHARE) if many else share
        far = max(each.size / best.size, best.size / each.size) >= FAR_SIZE
        return far and each.weight >= asked * best.weight and round(each.count) >= least

    rivals = [each for each in found if is_rival(each)]
    if not rivals:
        return best.found, ()
    both = sorted((best, max(rivals, key=lambda each: each.weight)), key=lambda each: each.found)
    return best.found, tuple(SizeCandidate(each.found, round(each.count)) for each in both)


def smaller_too(found: Sequence[Evidence]) -> SizeCandidate | None:
    """Smaller particles that are about as many as those of the size with most evidence: a distribution wider than one search."""
    best = max(found, key=lambda each: each.weight)
    share, least = SMALLER_MANY
    low, high = SMALLER_BY
    many = [
        each
        for each in found
        if low <= best.size / max(each.size, 1e-6) <= high
        and each.size >= SMALLER_FROM
        and each.weight >= SMALLER_SHARE * best.weight
        and each.count >= max(share * best.count, least)
    ]
    if best.weight < LEAST_EVIDENCE or not many:
        return None
    most = max(many, key=lambda each: each.weight)
    return SizeCandidate(most.found, round(most.count))
