"""The outline of one particle from a click: the closed path round it that lies on the strongest edge.

The picture, and where there is one the model's probability, is unrolled round the click into a strip of angle × radius. The path through
the strip with the best edges, whose radius changes little from angle to angle and which closes, is found by dynamic programming. A size
that is expected, of the neighbours or of a drag, favours radii near it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.errors import TemsegError

ANGLES = 72
STEPS = 64  # radii of the strip
OUTERMOST = 2.2  # radii looked at, as a multiple of the one expected
TURN = 2  # steps that the radius may change from one angle to the next
WALL = 20.0  # how much it counts against a radius that another particle lies within
WIDER = 1.3  # × the distance to the nearest other particle: what is clicked in its middle is hardly wider
FIRM, LOOSE = 3.0, 0.6  # how much a size counts that was drawn, and one that is only usual here
OF_PICTURE, OF_MODEL = 1.0, 1.5  # weight of the edges of the picture, and of the model's probability
SMOOTH, SMOOTHER = 1.5, 6.0  # angles (standard deviation) over which a clear edge is smoothed, and where there is none
Floats = npt.NDArray[np.float64]


def outline_at(
    image: npt.NDArray[Any],
    place: tuple[float, float],
    radius: float,
    probability: npt.NDArray[Any] | None = None,
    *,
    drawn: bool = False,
    taken: npt.NDArray[np.bool_] | None = None,
) -> Floats:
    """The outline (n, 2) in px of what lies round `place` (y, x), about `radius` px large; `drawn` when somebody drew that size.

    `image` and `probability` (of any particle) are (Y, X), and so is `taken`, pixels of other particles, which are not gone round.
    `TemsegError` for a place outside the picture.
    """
    if not (0 <= place[0] < image.shape[0] and 0 <= place[1] < image.shape[1]):
        raise TemsegError("That place lies outside the picture; click inside it.")
    if taken is not None and not drawn:
        radius = min(radius, max(WIDER * _away(taken, place), 1.0))
    radii = np.linspace(0.12, 1.0, STEPS) * max(OUTERMOST * radius, 4.0)
    turns = 2 * np.pi * np.arange(ANGLES) / ANGLES
    y = place[0] + radii[None] * np.sin(turns)[:, None]
    x = place[1] + radii[None] * np.cos(turns)[:, None]
    gain = OF_PICTURE * _edges(image, y, x, radii)
    if probability is not None:
        gain = gain + OF_MODEL * np.maximum(-_slope(_strip(probability, y, x), radii), 0) * radii[-1] / 4
    size = -(FIRM if drawn else LOOSE) * np.log(radii / max(radius, 1.0)) ** 2
    if taken is not None:
        size = size - WALL * np.maximum.accumulate(_strip(taken, y, x) > 0.5, axis=1)
    best = _closed_path(gain + size)
    reach = _smooth(radii[best], gain[np.arange(ANGLES), best])
    outline = np.stack([place[0] + reach * np.sin(turns), place[1] + reach * np.cos(turns)], axis=1)
    return np.clip(outline, 0, np.asarray(image.shape, float) - 1)


def _away(taken: npt.NDArray[np.bool_], place: tuple[float, float]) -> float:
    """How far from a place (px) the nearest other particle begins; infinite where there is none."""
    others = np.argwhere(taken)
    return float(np.hypot(*(others - np.asarray(place)).T).min()) if len(others) else float("inf")


def _strip(image: npt.NDArray[Any], y: Floats, x: Floats) -> Floats:
    """The picture unrolled; beyond its edge it goes on as it ends."""
    top, left = int(max(y.min() - 2, 0)), int(max(x.min() - 2, 0))
    crop = np.asarray(image[top : int(y.max()) + 3, left : int(x.max()) + 3], np.float64)
    strip: Floats = ndimage.map_coordinates(np.nan_to_num(crop), [y - top, x - left], order=1, mode="nearest")
    return strip


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
