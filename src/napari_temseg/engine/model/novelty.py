"""Whether a picture is like those that a model was trained on: a few numbers of the picture and of what the model says about it.

A logistic regression on them is part of a model; `pretraining/familiar.py` fits it, to tell micrographs of particles from diffraction
patterns, tissue, text and the like. Each number can only speak against a picture, never for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.model.outputs import probabilities, sigmoid
from napari_temseg.engine.model.tiles import resize

Floats = npt.NDArray[np.float64]
Maps = npt.NDArray[np.float32]
FAR = 6.0  # standard deviations at which a statistic counts no further
TELLS = 0.3  # share of what speaks against a picture from which a group of statistics is named
NEAR = 7  # px: what lies within half of it of the foreground is near it
LARGEST = 4096  # px: of a larger plane the middle is looked at, for the sake of memory
THUMBNAIL_SIDE = 128  # px: longer side of the copy whose symmetry is looked at
# Spots, rings and bands of diffraction are the same turned by half, not the haze round the middle alone: so is a lump of support, or a
# field lit in its middle. What is left of the small copy without its Gaussian mean of so many px correlates with itself turned by half by
# 0.31 at the least of 60 drawn ring patterns, 0.32 of Kikuchi bands, 0.28 of spots (19 in 20: 0.46); of 16 supported catalysts by 0.28 at
# the most.
FINE_PIXELS, FINE_SYMMETRY = 3.0, 0.3
TEXTURE, UNKNOWN_SHAPES, SYMMETRY = "unknown texture", "unknown shapes", "symmetric like a diffraction pattern"
SYMMETRIC_ONLY = "symmetric about its middle"
# Correlations with its rings, or with how far its pixels lie from the middle, of which one or the other a pattern of diffraction has: 165
# of 180 drawn ones, all with rings; no picture of EMPS train and tune that is held to be unlike, where a large particle in the middle is
# both.
OF_RINGS, OF_DISTANCE = 0.7, 0.6
# Name, group, and whether more (1) or less (-1) of it is suspicious.
NOVELTY_STATISTICS: tuple[tuple[str, str, int], ...] = (
    ("unsure near foreground", TEXTURE, 1),
    ("unsure anywhere", TEXTURE, 1),
    ("probability in foreground", TEXTURE, -1),
    ("foreground", UNKNOWN_SHAPES, 1),
    ("outline", UNKNOWN_SHAPES, 1),
    ("depth", UNKNOWN_SHAPES, -1),
    ("cores", UNKNOWN_SHAPES, -1),
    ("depth at outlines", UNKNOWN_SHAPES, 1),
    ("greatest depth", UNKNOWN_SHAPES, -1),
    ("turned by half", SYMMETRY, 1),
    ("same at one distance", SYMMETRY, 1),
    ("falls with distance", SYMMETRY, 1),
    ("middle", SYMMETRY, 1),
)
NAMES = tuple(name for name, _, _ in NOVELTY_STATISTICS)
_SIGN = np.array([sign for _, _, sign in NOVELTY_STATISTICS], float)


@dataclass(frozen=True)
class Familiarity:
    """`centre` and `spread` of every statistic over pictures like those of the training, its `weight`, and the `limit` of their sum."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weight: tuple[float, ...]
    limit: float
    names: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        rows = (self.centre, self.spread, self.weight)
        if any(len(row) != len(self.names) for row in rows) or not np.isfinite([v for row in rows for v in row] + [self.limit]).all():
            raise ValueError("what it keeps of familiar pictures is not sound")
        if min(self.spread, default=1.0) <= 0:
            raise ValueError("what it keeps of familiar pictures is out of range")

    @property
    def usable(self) -> bool:
        """Whether its statistics are those that this version computes."""
        return self.names == NAMES

    def score(self, statistics: Floats) -> float:
        """How unlike a picture is: above 0 it is."""
        return float(self._against(statistics).sum() - self.limit)

    def reason(self, statistics: Floats) -> str:
        """In what a picture is unlike: the groups of statistics that say so, the loudest first; "" for one that is alike."""
        if self.score(statistics) <= 0:
            return ""
        groups: Counter[str] = Counter()
        parts = self._against(statistics)
        for (_, group, _), part in zip(NOVELTY_STATISTICS, parts.tolist(), strict=True):
            groups[group] += part
        if SYMMETRY in groups and not _like_diffraction(statistics):
            groups[SYMMETRIC_ONLY] = groups.pop(SYMMETRY)
        return ", ".join(group for group, part in groups.most_common() if part >= TELLS * parts.sum())

    def _against(self, statistics: Floats) -> Floats:
        away = suspicion(statistics, np.array(self.centre), np.array(self.spread))
        return np.asarray(away * np.array(self.weight), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {"centre": self.centre, "spread": self.spread, "weight": self.weight}
        return {"names": list(self.names), **{name: list(row) for name, row in rows.items()}, "limit": self.limit}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Familiarity:
        """Back from `to_dict`; KeyError, TypeError or ValueError where it is none."""
        centre, spread, weight = (_numbers(values[name]) for name in ("centre", "spread", "weight"))
        return cls(centre, spread, weight, float(values["limit"]), tuple(map(str, values["names"])))


def _like_diffraction(statistics: Floats) -> bool:
    """Whether what is symmetric about the middle looks like diffraction: in rings, or falling with the distance."""
    rings, falls = (math.tanh(float(statistics[NAMES.index(name)])) for name in ("same at one distance", "falls with distance"))
    return rings >= OF_RINGS or falls >= OF_DISTANCE


def suspicion(statistics: Floats, centre: Floats, spread: Floats) -> Floats:
    """Standard deviations (…, S) by which statistics are on the suspicious side of their centres, 0 to `FAR`."""
    return np.asarray(np.clip(_SIGN * (statistics - centre) / spread, 0.0, FAR), np.float64)


def statistics_of(
    image: npt.NDArray[np.float32], raw: Maps, n_classes: int, scale: float, valid: npt.NDArray[np.bool_] | None = None
) -> Floats | None:
    """The statistics of a normalised plane and the raw output (1, C, Y, X) for it, with a depth; None where nothing is found.

    They are taken at the working `scale`, if that is below 1: particles are then about as large in every picture.
    """
    rows, columns = (slice(max(0, (n - LARGEST) // 2), (n + LARGEST) // 2) for n in image.shape)
    image, raw, valid = image[rows, columns], raw[..., rows, columns], None if valid is None else valid[rows, columns]
    seen = np.ones((1, 1, *image.shape), np.float32) if valid is None else valid.astype(np.float32)[None, None]
    maps = np.concatenate([probabilities(raw, n_classes), sigmoid(raw[:, n_classes - 1 : n_classes]), seen], axis=1)
    if scale < 1:
        maps = resize(maps, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))
    found = _of_prediction(maps[0, :n_classes], maps[0, -2], maps[0, -1] > 0.5)
    if found is None:
        return None
    return np.array([*found, *_of_symmetry(image if valid is None else np.where(valid, image, np.float32(0)))])


def _of_prediction(classes: Maps, depth: Maps, seen: npt.NDArray[np.bool_]) -> list[float] | None:
    """Statistics of what the model says: probabilities of the classes (K, Y, X), background first, and the learnt depth (Y, X)."""
    inside = (1 - classes[0] > 0.5) & seen
    count = int(inside.sum())
    if not count:
        return None
    entropy = -(classes * np.log(classes + np.float32(1e-6))).sum(axis=0) / math.log(len(classes))
    near = ndimage.maximum_filter(inside, NEAR, mode="constant") & seen
    edge = ndimage.maximum_filter(~inside, 3, mode="constant") & inside
    within = depth[inside]
    shares = [
        entropy[near].mean(dtype=float),
        entropy[seen].mean(dtype=float),
        classes[1:].sum(axis=0)[inside].mean(dtype=float),
        count / seen.sum(),
        edge.sum() / count,
        within.mean(dtype=float),
        (within > 0.5).mean(),
        depth[edge].mean(dtype=float) if edge.any() else 0.0,
        np.quantile(within[:: max(1, count // 1_000_000)], 0.95),
    ]
    return [math.sqrt(max(0.0, float(share))) for share in shares]


def _of_symmetry(image: npt.NDArray[np.float32]) -> list[float]:
    """Statistics of a small copy: what diffraction has, a middle round which it is symmetric, and from which brightness falls.

    All are 0 where its fine structure has no such symmetry: then there is no middle from which anything could fall.
    """
    factor = min(1.0, THUMBNAIL_SIDE / max(image.shape))
    size = max(8, round(image.shape[0] * factor)), max(8, round(image.shape[1] * factor))
    bright = resize(image[None, None], size)[0, 0].astype(float)
    bright = (bright - bright.mean()) / (bright.std() or 1.0)
    clipped = np.clip(bright, -3, 3)
    if _fine_symmetry(clipped) < FINE_SYMMETRY:
        return [0.0] * sum(group == SYMMETRY for _, group, _ in NOVELTY_STATISTICS)
    turned, (y, x) = _half_turn(clipped - clipped.mean())
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(rows - y, columns - x)
    ring = np.rint(distance).astype(int).ravel()
    profile = np.bincount(ring, clipped.ravel()) / np.maximum(np.bincount(ring), 1)
    explained = profile[ring].var() / max(float(clipped.var()), 1e-9)
    falls = -float(np.mean(_standard(np.log(distance + 3)) * _standard(clipped)))
    middle = abs(float(bright[distance < THUMBNAIL_SIDE / 16].mean())) if bool((distance < THUMBNAIL_SIDE / 16).any()) else 0.0
    return [_spread_out(turned), _spread_out(explained), _spread_out(falls), math.log1p(middle)]


def _fine_symmetry(values: Floats) -> float:
    """By how much what is fine in a picture is the same turned by half, 1 quite."""
    fine = _standard(values - ndimage.gaussian_filter(values, FINE_PIXELS))
    clipped = np.clip(fine, -3, 3)
    return _half_turn(clipped - clipped.mean())[0]


def _half_turn(values: Floats) -> tuple[float, tuple[float, float]]:
    """The best correlation of a picture with itself turned by 180°, over all centres that leave two fifths of it; and that centre."""
    shape = [2 * n for n in values.shape]
    once, squares, ones = (np.fft.rfft2(each, shape) for each in (values, values**2, np.ones_like(values)))
    product, power, overlap = (np.fft.irfft2(each, shape) for each in (once * once, squares * ones, ones * ones))
    correlation = product / np.maximum(power, max(1e-3 * float(power.max()), 1e-9))
    correlation[overlap < 0.4 * values.size] = -1
    y, x = np.unravel_index(int(correlation.argmax()), correlation.shape)
    return float(correlation[y, x]), (float(y) / 2, float(x) / 2)


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() or 1.0), np.float64)


def _spread_out(correlation: float) -> float:
    """Fisher's transform of a correlation, 0 for one below 0: the difference between 0.9 and 0.99 counts."""
    return math.atanh(min(max(correlation, 0.0), 0.999))


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(map(float, values))
