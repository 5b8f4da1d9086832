"""The outline of one particle from a click: the closed path round it that lies on the strongest edge.

The picture, and where there is one the model's probability, is unrolled round the click into a strip of angle × radius. The path through
the strip with the best edges, whose radius changes little from angle to angle and which closes, is found by dynamic programming. A size
that is expected, of the neighbours or of a drag, favours radii near it. A click may mean a particle that is much larger than its
neighbours: wider strips are looked at too, and one is taken whose path parts inside from outside more clearly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError

ANGLES = 72
STEPS = 64  # radii of the strip
OUTERMOST = 2.2  # radii looked at, as a multiple of the one expected
WIDENING = (1, 2, 4, 8)  # × the radius that is usual: strips that are looked at after a click, each twice as wide
LARGEST_CLICKED = OUTERMOST * WIDENING[-1]  # × the usual radius: nothing larger is found by a click
FARTHEST, LAST_ROUND = 1000, 8  # px round a click that are looked at, as an answer comes at once, and beyond the last radius
# A path of a wider strip is taken if it parts so many times as clearly for each doubling, and lies so much further out: in a dark field
# the grains of a support part clearly too. Of 143 clicks on particles that were missed on catalysts for tuning 84 % give one of about their
# size (54 % at 1.15), with a third of the true size the IoU is 0.75 on EMPS (0.76) and 0.82 on TiO2 (0.82).
CLEARER, FURTHER = 1.6, 1.15
LEANING = 0.9  # × the end of its strip: a path that comes so near to it is looked for once more, in a strip of its own size
SPARSELY = 3  # px between those that tell how much the grey of a picture varies
INSIDE, OUTSIDE = np.linspace(0.7, 0.9, 5), np.linspace(1.1, 1.3, 5)  # × the reach of a path: what it parts
TURN = 2  # steps that the radius may change from one angle to the next
WALL = 20.0  # how much it counts against a radius that another particle lies within
WIDER = 1.3  # × the distance to the nearest other particle: what is clicked in its middle is hardly wider
FIRM, LOOSE = 3.0, 0.6  # how much a size counts that was drawn, and one that is only usual here
OF_PICTURE, OF_MODEL = 1.0, 1.5  # weight of the edges of the picture, and of the model's probability
SMOOTH, SMOOTHER = 1.5, 6.0  # angles (standard deviation) over which a clear edge is smoothed, and where there is none
AT_THE_END = 0.95  # × the largest reach looked at: a path that comes so near may belong to something larger
# A path parts clearly from so much on, and so much more over its radius in px, as noise parts small rings. On 14 EMPS pictures for tuning
# 5 % of 65 particles are not clear, and 33 % of 78 clicks on background, by the picture alone.
UNCLEAR, BY_CHANCE = 0.35, 1.5
Floats = npt.NDArray[np.float64]


class Outlined(NamedTuple):
    """An outline: its path (n, 2) in px, whether it ends at the largest size looked at, whether it parts inside from outside clearly."""

    path: Floats
    largest: bool
    clear: bool


def looked_at(radius: float, *, drawn: bool) -> int:
    """How many px on every side of a place an outline of about `radius` px is looked for, `drawn` or clicked."""
    clicked = min(LARGEST_CLICKED * radius, max(FARTHEST, OUTERMOST * radius))
    return int(OUTERMOST * radius if drawn else clicked) + LAST_ROUND


def outlined_at(
    image: npt.NDArray[Any],
    place: tuple[float, float],
    radius: float,
    probability: npt.NDArray[Any] | None = None,
    *,
    drawn: bool = False,
    taken: npt.NDArray[np.bool_] | None = None,
) -> Outlined:
    """The outline of what lies round `place` (y, x), about `radius` px large; `drawn` when somebody drew that size.

    What is not drawn may be up to `LARGEST_CLICKED` times as large, as far as the picture given reaches. `image` and `probability` (of any
    particle) are (Y, X), and so is `taken`, pixels of other particles, which are not gone round.
    `TemsegError` for a place outside the picture.
    """
    if not (0 <= place[0] < image.shape[0] and 0 <= place[1] < image.shape[1]):
        raise TemsegError("That place lies outside the picture; click inside it.")
    known = _Known(image, probability, taken, float(np.nanstd(image[::SPARSELY, ::SPARSELY])) or 1.0)
    if drawn:
        path, reach = _in_strip(known, place, radius, FIRM)
        return Outlined(path, False, _is_clear(_parted(known, place, reach), reach))
    most = min(image.shape) / 2
    largest = OUTERMOST * min(WIDENING[-1] * radius, most)
    if taken is not None:
        most = min(most, max(WIDER * _away(taken, place), 1.0))
        radius = min(radius, most)
    best, reach = _in_strip(known, place, radius, LOOSE)
    width = radius
    parted = _parted(known, place, reach)
    for wide in WIDENING[1:]:
        if wide / 2 * radius >= most:
            break
        wider = min(wide * radius, most)
        outline, further = _in_strip(known, place, wider, LOOSE)
        parts = _parted(known, place, further)
        if further.mean() > FURTHER * reach.mean() and parts > CLEARER ** math.log2(wider / width) * parted:
            best, reach, parted, width = outline, further, parts, wider
    if reach.max() > LEANING * OUTERMOST * width and reach.mean() > width:
        best, reach = _in_strip(known, place, float(reach.mean()), LOOSE)
        parted = _parted(known, place, reach)
    return Outlined(best, bool(reach.max() > AT_THE_END * largest), _is_clear(parted, reach))


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known round a place, all (Y, X): the picture, the model's probability, pixels of other particles; `spread` of its grey."""

    image: npt.NDArray[Any]
    probability: npt.NDArray[Any] | None
    taken: npt.NDArray[np.bool_] | None
    spread: float


def _in_strip(known: _Known, place: tuple[float, float], radius: float, firm: float) -> tuple[Floats, Floats]:
    """The outline (ANGLES, 2) in the strip round a radius that is expected, as `firm` as that is, and its reach (ANGLES,), in px."""
    radii = np.linspace(0.12, 1.0, STEPS) * max(OUTERMOST * radius, 4.0)
    y, x = _rays(place, np.tile(radii, (ANGLES, 1)))
    gain = OF_PICTURE * _edges(known.image, y, x, radii)
    if known.probability is not None:
        gain = gain + OF_MODEL * np.maximum(-_slope(_strip(known.probability, y, x), radii), 0) * radii[-1] / 4
    size = -firm * np.log(radii / max(radius, 1.0)) ** 2
    if known.taken is not None:
        size = size - WALL * np.maximum.accumulate(_strip(known.taken, y, x) > 0.5, axis=1)
    best = _closed_path(gain + size)
    reach = _smooth(radii[best], gain[np.arange(ANGLES), best])
    outline = np.stack(_rays(place, reach[:, None]), axis=2)[:, 0]
    return np.clip(outline, 0, np.asarray(known.image.shape, float) - 1), reach


def _rays(place: tuple[float, float], reach: Floats) -> tuple[Floats, Floats]:
    """y and x (ANGLES, n) at `reach` (ANGLES, n) px from a place."""
    turns = 2 * np.pi * np.arange(ANGLES)[:, None] / ANGLES
    return place[0] + reach * np.sin(turns), place[1] + reach * np.cos(turns)


def _parted(known: _Known, place: tuple[float, float], reach: Floats) -> float:
    """How clearly a path parts inside from outside: in grey, in standard deviations of the picture, and in the model's probability."""

    def step(values: npt.NDArray[Any]) -> float:
        inside, outside = (_strip(values, *_rays(place, reach[:, None] * each)).mean() for each in (INSIDE, OUTSIDE))
        return float(inside - outside)

    said = 0.0 if known.probability is None else max(step(known.probability), 0.0)
    return abs(step(known.image)) / known.spread + said


def _is_clear(parted: float, reach: Floats) -> bool:
    """Whether a path that parts so much lies on an edge."""
    return parted >= UNCLEAR + BY_CHANCE / float(reach.mean())


def _away(taken: npt.NDArray[np.bool_], place: tuple[float, float]) -> float:
    """How far from a place (px) the nearest other particle begins; infinite where there is none."""
    rows, columns = np.nonzero(taken)
    return float(np.hypot(rows - place[0], columns - place[1]).min()) if len(rows) else float("inf")


def _strip(image: npt.NDArray[Any], y: Floats, x: Floats) -> Floats:
    """The picture unrolled; beyond its edge it goes on as it ends."""
    top, left = int(max(y.min() - 2, 0)), int(max(x.min() - 2, 0))
    crop = np.asarray(image[top : int(y.max()) + 3, left : int(x.max()) + 3])
    crop = crop.astype(np.float32) if crop.dtype == np.float16 else crop  # scipy knows no halves
    strip = ndimage.map_coordinates(crop, [y - top, x - left], output=np.float64, order=1, mode="nearest")
    return np.asarray(np.nan_to_num(strip))


def _slope(strip: Floats, radii: Floats) -> Floats:
    """Change along the radius, a px, smoothed a little across the angles."""
    smooth = ndimage.gaussian_filter(strip, (0.8, 1.0), mode=("wrap", "nearest"))
    slope: Floats = np.gradient(smooth, radii, axis=1)
    return slope


def _edges(image: npt.NDArray[Any], y: Floats, x: Floats, radii: Floats) -> Floats:
    """How much of an edge there is, 0 to about 1; of the kind, into dark or into bright, that most of the ring agrees on."""
    slope = _slope(_strip(image, y, x), radii)
    scale = np.percentile(np.abs(slope), 95) or 1.0
    slope = np.clip(slope / scale, -1.5, 1.5)
    outward = max((1.0, -1.0), key=lambda sign: float(np.maximum(sign * slope, 0).max(axis=1).mean()))
    edges: Floats = np.maximum(outward * slope, 0)
    return edges


def _smooth(reach: Floats, gain: Floats) -> Floats:
    """Radii (ANGLES,) that keep to the edge where one is clear, and elsewhere go on as their neighbours do: texture has no outline."""
    seen = np.clip(gain, 0.05, 1)
    clear = _around(seen, SMOOTH)
    elsewhere = _around(seen * reach, SMOOTHER) / _around(seen, SMOOTHER)
    smooth: Floats = clear * _around(reach, SMOOTH) + (1 - clear) * elsewhere
    return smooth


def _around(values: Floats, width: float) -> Floats:
    smooth: Floats = ndimage.gaussian_filter1d(values, width, mode="wrap")
    return smooth


def _closed_path(gain: Floats) -> npt.NDArray[np.intp]:
    """The step (ANGLES,) at each angle of the best path; going round twice and keeping the second half makes it close."""
    twice = np.concatenate([gain, gain])
    score, came = twice[0].copy(), np.zeros(twice.shape, np.intp)
    steps = np.arange(twice.shape[1])
    for angle in range(1, len(twice)):
        from_each = np.stack([_shifted(score, change) - 0.15 * abs(change) for change in range(-TURN, TURN + 1)])
        choice = from_each.argmax(axis=0)
        came[angle] = np.clip(steps + choice - TURN, 0, len(steps) - 1)
        score = from_each[choice, steps] + twice[angle]
    path = np.empty(len(twice), np.intp)
    path[-1] = int(score.argmax())
    for angle in range(len(twice) - 1, 0, -1):
        path[angle - 1] = came[angle][path[angle]]
    middle = len(gain) // 2
    return np.roll(path[middle : middle + len(gain)], middle)


def _shifted(score: Floats, change: int) -> Floats:
    """The score `change` steps further out, for each step."""
    out = np.full_like(score, -np.inf)
    if change >= 0:
        out[: len(score) - change] = score[change:]
    else:
        out[-change:] = score[:change]
    return out
