"""The sizes that other settings of the splitting give, kept beside a measurement: what a segmentation interval is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.results import Particles

Floats = npt.NDArray[np.float64]
Core = tuple[slice, slice] | None  # rows and columns of a plane that count, None: all
AS_FOUND = "as found"  # the `step` of the splitting that the table was measured of


@dataclass(frozen=True, eq=False)
class OtherSplit:
    """Whole particles of one splitting, in px of square pixels of the same area.

    `setting` is the field of `SplitConfig` that differs, `value` what it was set to, `step` the same step for every picture ("less",
    "more", …), whatever the settings it started from; `diameter` (n,) equivalent circular diameters, `box` (n, 2) height and width of the
    bounding boxes, of the particles that do not touch the frame. `population` is that of two sizes which they are of.
    """

    step: str
    setting: str
    value: float
    diameter: Floats
    box: Floats
    population: str = ""

    @property
    def key(self) -> str:
        """Names the same step in every picture: "strength less"."""
        return f"{self.setting} {self.step}".strip()


def packed(splits: Sequence[OtherSplit]) -> tuple[list[tuple[str, str, float, str]], dict[str, npt.NDArray[np.float32]]]:
    """As they are kept on disk: what each is, and its sizes as arrays by name."""
    sizes = {f"split{index}": np.column_stack([each.diameter, each.box]).astype(np.float32) for index, each in enumerate(splits)}
    return [(each.step, each.setting, each.value, each.population) for each in splits], sizes


def unpacked(said: Sequence[Sequence[Any]], arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[OtherSplit, ...]:
    """The inverse of `packed`; files of earlier versions tell no population."""
    found = []
    for index, (step, setting, value, *population) in enumerate(said):
        exact = arrays[f"split{index}"].astype(np.float64)
        found.append(OtherSplit(str(step), str(setting), float(value), exact[:, 0], exact[:, 1:], *population))
    return tuple(found)


def whole_sizes(particles: Particles, core: Core = None) -> tuple[Floats, Floats]:
    """Diameters and boxes, in px, of the particles that do not touch the frame; `core` as of `Extents.sizes`, of one plane."""
    whole = particles.table.index[~particles.table["frame"].to_numpy(bool)].to_numpy(np.int64)
    labels = particles.labels.reshape((-1, particles.labels.shape[-1]))  # planes below one another: a label lies in one
    return Extents.of(labels).sizes(whole, core)


@dataclass(frozen=True, eq=False)
class Extents:
    """Area (px) of labels 0…n, and their bounding boxes (n + 1, 4): first row, row after the last, first column, column after the last."""

    area: npt.NDArray[np.int64]
    box: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: npt.NDArray[np.int32]) -> Extents:
        """Of a plane (Y, X)."""
        places = [(0, 0, 0, 0) if each is None else (*_ends(each[0]), *_ends(each[1])) for each in ndimage.find_objects(labels)]
        return cls(np.bincount(labels.ravel()), np.array([(0, 0, 0, 0), *places], np.int64))

    def sizes(self, whole: npt.NDArray[np.int64], core: Core = None) -> tuple[Floats, Floats]:
        """Diameters and boxes (height, width), in px, of the labels `whole`; with a `core`, of those the middle of whose box lies there."""
        if core is not None:
            twice = self.box[whole, ::2] + self.box[whole, 1::2]
            first, after = (2 * np.array([getattr(side, end) for side in core]) for end in ("start", "stop"))
            whole = whole[((twice >= first) & (twice < after)).all(axis=1)]
        box = self.box[whole]
        return np.sqrt(4 * self.area[whole] / np.pi), (box[:, 1::2] - box[:, ::2]).astype(np.float64)


def _ends(side: slice) -> tuple[int, int]:
    return side.start, side.stop
