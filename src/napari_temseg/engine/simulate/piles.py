"""Secondary-electron pictures of powders: opaque grains piled several deep, shaded, with bright edges and shadows; exact truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.simulate.detector import recorded, scan_distorted
from napari_temseg.engine.simulate.scene import Body, Floats, Scene, SceneCanvas, drop_invisible, lognormal, outline_of
from napari_temseg.engine.simulate.shapes import Outline
from napari_temseg.engine.simulate.supports import power_noise

_MOST = 420  # bodies: beyond, drawing takes longer than it teaches


@dataclass(frozen=True)
class Powder:
    """What a pile is like. `size` px; `layers` how many times the area is covered; brightness in units of a level surface's."""

    size: float
    spread: float
    layers: float
    kinds: tuple[str, ...]
    light: tuple[float, float]  # how much brighter per width, along y and x
    edge: float  # extra brightness at the edge
    edge_width: float  # in widths
    shadow: float
    depth: float  # brightness left at the bottom of the pile
    variation: float
    roughness: float
    ground: float
    facets: float
    dose: float

    @classmethod
    def drawn(cls, size: float, rng: np.random.Generator) -> Powder:
        """A random pile of grains of a typical width."""
        names = rng.permutation(["sphere", "ellipsoid", "faceted", "rod"])
        slope = rng.uniform(0, 0.5)
        turn = rng.uniform(0, 2 * math.pi)
        return cls(
            size=size,
            spread=1 + min(float(rng.exponential(0.35)), 1.0),
            layers=float(rng.choice([rng.uniform(0.1, 0.6), rng.uniform(0.6, 3.0)], p=[0.3, 0.7])),
            kinds=tuple(names[: int(rng.integers(1, 4))].tolist()),
            light=(slope * math.sin(turn), slope * math.cos(turn)),
            edge=rng.uniform(0, 1.2),
            edge_width=rng.uniform(0.02, 0.12),
            shadow=rng.uniform(0, 0.6),
            depth=rng.uniform(0.15, 0.9),
            variation=rng.uniform(0.02, 0.2),
            roughness=rng.uniform(0, 0.15),
            ground=rng.uniform(0.0, 0.9) if rng.random() < 0.8 else rng.uniform(0.9, 1.5),
            facets=float(rng.random() < 0.5) * rng.uniform(0.1, 0.6),
            dose=math.exp(rng.uniform(math.log(8), math.log(500))),
        )


def pile(size: float, shape: tuple[int, int], rng: np.random.Generator, powder: Powder | None = None) -> Scene:
    """Draw a pile of grains of typical width `size` (px) in a picture of `shape` (Y, X); the last laid lie on top."""
    how = powder or Powder.drawn(size, rng)
    shape_noise = power_noise(shape, 2.5, 3 * size, rng.uniform(0.2, 1.2), rng)
    picture = np.maximum(how.ground * (1 + np.float32(0.15) * shape_noise), 0).astype(np.float32)
    canvas = SceneCanvas(np.zeros(shape, np.int32))
    count = int(np.clip(how.layers * shape[0] * shape[1] / (0.785 * size**2), 2, _MOST))
    heights = np.sort(rng.random(count))
    grounds = [how.ground]
    for height in heights.tolist():
        width = max(lognormal(size, how.spread, rng), 2.0)
        outline = outline_of(width, how.kinds, rng)
        centre = (rng.uniform(-0.3, 0.3 + shape[0] / size) * size, rng.uniform(-0.3, 0.3 + shape[1] / size) * size)
        level = (how.depth + (1 - how.depth) * height) if how.layers > 0.8 else 1.0
        if _laid(picture, canvas, outline, centre, width, level * rng.normal(1, how.variation), how, rng):
            grounds.append(level)
    picture *= 1 + np.float32(how.roughness) * power_noise(shape, 2, size, rng.uniform(0.2, 1.0), rng)
    picture = ndimage.gaussian_filter(np.maximum(picture, 0), rng.uniform(0.2, 0.07 * size + 0.4), truncate=3).astype(np.float32)
    if rng.random() < 0.3:
        picture = scan_distorted(picture, rng.uniform(0.1, 0.5), rng)
    # What lies so deep that its light drowns in the noise cannot be asked for.
    seen = np.array(grounds) > 2.5 / math.sqrt(how.dose * max(0.785 * (size / 6) ** 2, 1.0)) + 0.1
    labels, ignore = drop_invisible(canvas, seen)
    signs = (
        np.ones(len(grounds), np.int8)
        if how.ground < 0.7
        else -np.ones(len(grounds), np.int8)
        if how.ground > 1.3
        else np.zeros(len(grounds), np.int8)
    )
    signs[0] = 0
    return Scene(recorded(picture, how.dose, rng), labels, ignore, signs, size, "pile")


def _laid(
    picture: Floats,
    canvas: SceneCanvas,
    outline: Outline,
    centre: tuple[float, float],
    width: float,
    level: float,
    how: Powder,
    rng: np.random.Generator,
) -> bool:
    """Draw one grain over what lies there; whether any of it is in the frame."""
    window, y, x = canvas.window(outline, centre, 2 + 0.4 * width)
    if 0 in picture[window].shape:
        return False
    depth, _ = outline.profile(y, x)
    mask = depth >= 0
    if not mask.any():
        return False
    inside = np.maximum(depth, 0).astype(np.float32)
    bright = 1 + np.float32(how.edge) * np.exp(-inside / np.float32(how.edge_width * width + 0.5))
    bright = bright + np.float32(how.light[0] / width) * y + np.float32(how.light[1] / width) * x
    if how.facets:
        bright = bright * _facets(y, x, width, how.facets, rng)
    cover = np.clip(depth + 0.5, 0, 1).astype(np.float32)
    here = picture[window]
    reach = np.float32(0.15 * width + 0.5)
    shade = 1 - np.float32(how.shadow) * np.exp(np.minimum(depth, 0).astype(np.float32) / reach)
    picture[window] = here * shade * (1 - cover) + np.float32(max(level, 0.02)) * np.maximum(bright, 0.05) * cover
    canvas.add(Body(window, mask, cover, width))
    return True


def _facets(y: Floats, x: Floats, width: float, amplitude: float, rng: np.random.Generator) -> Floats:
    """Brightness of a few facets that meet in a corner near the middle, (h, w)."""
    middle = rng.uniform(-0.15, 0.15, 2) * width
    corners = np.sort(rng.uniform(-math.pi, math.pi, int(rng.integers(2, 6))))
    angle = np.arctan2(y - np.float32(middle[0]), x - np.float32(middle[1]))
    levels = (1 + amplitude * rng.uniform(-1, 1, corners.size + 1)).astype(np.float32)
    levels[-1] = levels[0]
    faceted: npt.NDArray[np.float32] = levels[np.searchsorted(corners, angle)]
    return faceted
