"""Pictures brought to another scale and cut into tiles that divide them evenly and overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]

STRIDE = 32  # of every encoder used here; tiles start at its multiples, so that a tile samples the same grid as the whole
MOST_SHOWN = 4800 * 4800  # px, enlarged, of a plane that is looked at as a whole: some GB
PART_SIDE = 3072  # px, enlarged, of a part
LOOKED_ROUND, LEAST_SIZE = 8.0, 16.0  # sizes of what is looked for that are seen round a part, and the least (px, enlarged) that counts
Window = tuple[slice, slice]


def resize(maps: Floats, size: tuple[int, int]) -> Floats:
    """(B, C, Y, X) to another size, linear and antialiased; untouched when the size is right."""
    if maps.shape[-2:] == size:
        return maps
    result = np.empty((*maps.shape[:2], *size), np.float32)
    for here in np.ndindex(*maps.shape[:2]):
        result[here] = _resized(maps[here], size)
    return result


def _resized(plane: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(size[::-1], Image.Resampling.BILINEAR))


def enlarged(plane: Floats, times: int, shape: tuple[int, ...]) -> Floats:
    """A plane (Y, X) a whole number of `times` as large, linear between the middles of its pixels, cut to `shape`."""
    if times == 1:
        return plane
    return _resized(plane, (times * plane.shape[0], times * plane.shape[1]))[: shape[0], : shape[1]]


def scaled(maps: Floats, scale: float) -> Floats:
    """(B, C, Y, X) at `scale` times its size, a pixel at least."""
    return resize(maps, (max(1, round(maps.shape[-2] * scale)), max(1, round(maps.shape[-1] * scale))))


def padded(image: Floats) -> Floats:
    """Mirror the lower and right edge to the next multiple of the stride; mirrors as often as a tiny image needs."""
    return _mirrored(image, (0, 0), [(-n) % STRIDE for n in image.shape[-2:]])


def surrounded(image: Floats, least: int) -> tuple[Floats, tuple[slice, slice]]:
    """Mirror a small image beyond all its edges until it is `least` px long, as often as that needs; and where it lies in the result."""
    lacking = [max(0, least - n) for n in image.shape[-2:]]
    where = tuple(slice(n // 2, n // 2 + length) for n, length in zip(lacking, image.shape[-2:], strict=True))
    return _mirrored(image, [n // 2 for n in lacking], [n - n // 2 for n in lacking]), (where[0], where[1])


def _mirrored(image: Floats, before: Sequence[int], after: Sequence[int]) -> Floats:
    """What numpy's symmetric padding gives of (…, Y, X), which takes several times as long for small pictures."""
    for axis, (first, last) in zip((-2, -1), zip(before, after, strict=True), strict=True):
        if first or last:
            n = image.shape[axis]
            outside = [np.arange(-first, 0) % (2 * n), np.arange(n, n + last) % (2 * n)]
            above, below = (image.take(np.minimum(there, 2 * n - 1 - there), axis) for there in outside)
            image = np.concatenate([above, image, below], axis)  # the picture itself is copied as it is
    return image


def tiles(length: int, longest: int, overlap: int) -> tuple[list[int], int]:
    """Where tiles start along an axis, and how long they are, all multiples of the stride as `length` is.

    As few as can be of at most `longest`, as short as these allow: they cover the axis and overlap by at least `overlap`.
    """
    if length <= longest:
        return [0], length
    count = math.ceil((length - overlap) / (longest - overlap))
    side = math.ceil((length + (count - 1) * overlap) / count / STRIDE) * STRIDE
    last = (length - side) // STRIDE
    return [STRIDE * (index * last // (count - 1)) for index in range(count)], side


def ramp(length: int, overlap: int) -> Floats:
    """Blending weight along a tile: rises over the overlap, almost 0 at the outermost quarter, where zero padding bends the result."""
    if overlap == 0:
        return np.ones(length, np.float32)
    place = np.arange(length, dtype=np.float32)
    distance = np.minimum(place, place[::-1]) + np.float32(0.5)
    return ((distance - overlap / 4) / (overlap / 2)).clip(1e-4, 1.0).astype(np.float32)


class PlanePart(NamedTuple):
    """What is looked at, the `core` of it that counts (both rows and columns of the plane), and the core in px of the window."""

    window: Window
    core: Window
    inner: Window


def parts(frame: tuple[int, ...], side: int, halo: int) -> Iterator[PlanePart]:
    """Cores of at most `side` px that cover a plane (Y, X) once, each with `halo` px round it, row by row."""
    cuts = [np.linspace(0, n, math.ceil(n / side) + 1).astype(int).tolist() for n in frame]
    for top, bottom in zip(cuts[0], cuts[0][1:], strict=False):
        for left, right in zip(cuts[1], cuts[1][1:], strict=False):
            core = slice(top, bottom), slice(left, right)
            y, x = (slice(max(0, each.start - halo), min(n, each.stop + halo)) for each, n in zip(core, frame, strict=True))
            yield PlanePart((y, x), core, (slice(top - y.start, bottom - y.start), slice(left - x.start, right - x.start)))
