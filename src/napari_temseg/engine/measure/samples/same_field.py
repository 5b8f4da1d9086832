"""Whether two pictures show the same field: the same content, another format, another detector, another magnification, once more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.acquisition import Acquisition

SKETCH_SIDE = 128  # px of a sketch
_COARSE, _TILE = 32, 32  # px
_LIKELY = 0.5  # correlation of coarse sketches from which their details are compared
_ALIKE, _ALIKE_IN_PLACE = 0.95, 0.8  # correlation of most tiles of one field, of any place and of one stage position
_FOUND, _OFF = 0.75, 12  # correlation at which a picture is found within one of lower magnification, and px off its middle
_FEWEST = 16  # px of a sketch, below which it is looked for nowhere
_MOST_MAGNIFICATION = 8.0
_AT_ONCE, _SOON = 2.0, 3600.0  # s
_IN_PLACE = 0.02  # of the width of a field that a stage position may differ by

Sketch = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Field:
    """What is known of a picture: how it was taken, its file's hash, planes, size of a plane in px, its `sketch`, side of a pixel in nm.

    That is 0 where it is not known. `sketch` gives what `sketch_of` makes, when it is asked for: of all fields they would fill memory.
    """

    acquisition: Acquisition = field(default_factory=Acquisition)
    content_hash: str = ""
    n_planes: int = 1
    frame: tuple[int, int] = (0, 0)
    sketch: Callable[[], Sketch] | None = None
    nanometres: float = 0.0


def sketch_of(plane: npt.NDArray[Any]) -> Sketch:
    """A plane (Y, X) as 128 × 128 px, each pixel the mean of what lies in it, between the 1 and 99 percentile."""
    rows, columns = (np.linspace(0, n, SKETCH_SIDE + 1).astype(int) for n in plane.shape)
    high, wide = (np.maximum(np.diff(edges), 1) for edges in (rows, columns))  # a small picture's pixels stand for several
    strips = (np.nan_to_num(np.array(plane[top : top + n], np.float32), copy=False) for top, n in zip(rows[:-1], high, strict=True))
    down = np.concatenate([np.add.reduceat(strip, [0], axis=0) for strip in strips]) / high[:, None]
    values = np.add.reduceat(down, columns[:-1], axis=1) / wide
    darkest, brightest = np.percentile(values, [1, 99])
    sketch: Sketch = (np.clip((values - darkest) / max(float(brightest - darkest), 1e-12), 0, 1) * 255).astype(np.uint8)
    return sketch


def same_fields(fields: Sequence[Field]) -> dict[int, tuple[int, str]]:
    """For each picture that shows a field once more, the first that shows it, and how that is known, for people."""
    found: dict[int, tuple[int, str]] = {}
    for first, second in sorted(set(_candidates(fields))):
        if second not in found:
            how = _how(fields[first], fields[second])
            if how:
                found[second] = (found[first][0] if first in found else first, how)
    return found


def _candidates(fields: Sequence[Field]) -> Iterator[tuple[int, int]]:
    """Pairs that may be one field: of one content, of like sketches, of one stage position."""
    by_content: dict[str, int] = {}
    for index, one in enumerate(fields):
        if one.content_hash and by_content.setdefault(one.content_hash, index) != index:
            yield by_content[one.content_hash], index
    drawn = [index for index, one in enumerate(fields) if one.sketch is not None]
    coarse = (
        np.stack([_coarse(sketch()) for one in fields if (sketch := one.sketch) is not None]) if drawn else np.zeros((0, 1), np.float32)
    )
    for place, vector in enumerate(coarse):
        for further in np.flatnonzero(coarse[place + 1 :] @ vector > _LIKELY).tolist():
            yield drawn[place], drawn[place + 1 + further]
    placed = sorted((stage, index) for index, one in enumerate(fields) if (stage := one.acquisition.stage) is not None)
    for place, (stage, index) in enumerate(placed):
        for beside, other in placed[place + 1 :]:
            if beside[0] - stage[0] > _IN_PLACE * max(_width(fields[index]), _width(fields[other]), 1e-3):
                break
            yield min(index, other), max(index, other)


def _coarse(sketch: Sketch) -> Floats:
    """The sketch at 32 × 32 px as a vector of unit length without its slow changes."""
    values = _detail(
        sketch.reshape(_COARSE, SKETCH_SIDE // _COARSE, _COARSE, SKETCH_SIDE // _COARSE).mean((1, 3)).astype(np.float32), 4.0
    ).ravel()
    values -= values.mean()
    unit: Floats = values / max(float(np.linalg.norm(values)), 1e-6)
    return unit


def _detail(values: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    detail: Floats = values - gaussian_filter(values, sigma)
    return detail


def _how(one: Field, other: Field) -> str:
    """How it is known that two pictures show one field, "" where they do not, or nobody can tell."""
    if one.content_hash and one.content_hash == other.content_hash:
        return "the same content"
    if one.n_planes != other.n_planes:
        return ""
    apart, in_place = _apart(one, other), _in_place(one, other)
    alike = _alike(one, other)
    if in_place and apart is not None and apart <= _AT_ONCE and one.acquisition.camera != other.acquisition.camera:
        return "the same position at the same time, with another detector"
    # Positions that are known to differ speak against what only looks alike, as lattices do.
    placed = one.acquisition.stage is not None and other.acquisition.stage is not None
    if alike >= (_ALIKE_IN_PLACE if in_place else 2.0 if placed else _ALIKE):
        return "the same acquisition" if apart in (None, 0.0) else "the same field at another time"
    if in_place and (apart is None or apart <= _SOON) and _found_within(one, other):
        return "the same position at another magnification"
    return ""


def _apart(one: Field, other: Field) -> float | None:
    """Seconds between two pictures; None where a time is missing."""
    if not (one.acquisition.time and other.acquisition.time):
        return None
    times = [datetime.fromisoformat(each.acquisition.time) for each in (one, other)]
    return abs((times[0] - times[1]).total_seconds())


def _width(one: Field) -> float:
    """Width of the field in µm, 0 where it is not known."""
    return one.frame[1] * one.nanometres * 1e-3


def _in_place(one: Field, other: Field) -> bool:
    """Whether the stage was at the same position; within the smaller field."""
    first, second = one.acquisition.stage, other.acquisition.stage
    widths = [width for width in (_width(one), _width(other)) if width]
    if first is None or second is None or not widths:
        return False
    return math.dist(first, second) <= _IN_PLACE * min(widths)


def _alike(one: Field, other: Field) -> float:
    """The median correlation of the tiles of two sketches of one shape: bars that all pictures of a microscope share lie in a few."""
    if one.sketch is None or other.sketch is None or not _same_shape(one.frame, other.frame):
        return 0.0
    first, second = (_tiles(_detail(sketch().astype(np.float32), 8.0)) for sketch in (one.sketch, other.sketch))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(np.median((first * second).sum(1) / np.maximum(norms, 1e-3)))


def _same_shape(frame: tuple[int, int], other: tuple[int, int]) -> bool:
    """One height over width, as also copies at another resolution have."""
    return math.isclose(frame[0] * other[1], frame[1] * other[0], rel_tol=0.01)


def _tiles(values: Floats) -> Floats:
    n = SKETCH_SIDE // _TILE
    tiles = values.reshape(n, _TILE, n, _TILE).swapaxes(1, 2).reshape(n * n, -1)
    centred: Floats = tiles - tiles.mean(1, keepdims=True)
    return centred


def _found_within(one: Field, other: Field) -> bool:
    """Whether the picture of smaller pixels is found in the middle of the other; another detector may show it inverted."""
    from skimage.feature import match_template
    from skimage.transform import resize

    fine, wide = sorted((one, other), key=_width)
    if fine.sketch is None or wide.sketch is None or not _width(fine) > 0 or not 1.2 < _width(wide) / _width(fine) < _MOST_MAGNIFICATION:
        return False
    ratio = _width(fine) / _width(wide)
    height = round(SKETCH_SIDE * fine.frame[0] * fine.nanometres / (wide.frame[0] * wide.nanometres))
    shape = (height, round(SKETCH_SIDE * ratio))
    if min(shape) < _FEWEST or max(shape) > SKETCH_SIDE:
        return False
    small = resize(fine.sketch().astype(np.float32), shape, anti_aliasing=True)
    match = match_template(_detail(wide.sketch().astype(np.float32), 8.0), _detail(small, 8.0))
    # The stage is the same, so what is looked for lies in the middle, or near it.
    y, x = (slice(max(0, n // 2 - _OFF), n // 2 + _OFF + 1) for n in match.shape)
    return float(np.abs(match[y, x]).max()) >= _FOUND
