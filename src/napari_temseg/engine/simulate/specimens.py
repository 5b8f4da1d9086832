"""Particles on, beside and beneath supports, in HAADF and bright field, and overlapping in projection: scenes with exact truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.simulate.detector import recorded, scan_distorted
from napari_temseg.engine.simulate.scene import Body, Floats, Scene, SceneCanvas, drop_invisible, lognormal, outline_of
from napari_temseg.engine.simulate.supports import power_noise, support

VISIBLE = 1.8  # contrast over noise and texture from which a person sees a particle
_ROUND = ("sphere", "ellipsoid")


@dataclass(frozen=True)
class SpecimenRecipe:
    """What a scene of particles is like. `size` px; `contrast` of a particle in units of the support's; `dose` electrons a pixel."""

    size: float
    spread: float
    count: int
    kinds: tuple[str, ...]
    haadf: bool
    supported: bool
    grain: float
    contrast: float
    scatter: float  # of the support (bright field: optical thickness; HAADF: over the vacuum's level)
    clumped: float
    overlap: float  # largest share hidden that is allowed
    crystalline: float  # share with fringes, Bragg contrast, twins
    shells: float
    voids: float  # share of bodies that take away instead of adding
    others: float  # share of bodies four to nine times as large, or much smaller
    blur: float
    dose: float

    @classmethod
    def drawn(cls, size: float, shape: tuple[int, int], rng: np.random.Generator) -> SpecimenRecipe:
        """A random recipe for particles of a typical width in a picture (Y, X)."""
        supported = rng.random() < 0.75
        contrast = math.exp(rng.uniform(math.log(0.1), math.log(10))) if supported else 1.0
        crowd = rng.uniform(0.01, 0.12) if supported else rng.uniform(0.03, 0.5)
        return cls(
            size=size,
            spread=1 + min(float(rng.exponential(0.3)), 1.0),
            count=int(np.clip(crowd * shape[0] * shape[1] / (0.785 * size**2), 2, 160)),
            kinds=tuple(rng.permutation(["sphere", "ellipsoid", "faceted", "rod"])[: int(rng.choice([1, 1, 2, 3]))].tolist())
            if rng.random() < 0.5
            else _ROUND,
            haadf=bool(rng.random() < 0.65),
            supported=supported,
            grain=size * math.exp(rng.uniform(math.log(4), math.log(14))),
            contrast=contrast,
            scatter=math.exp(rng.uniform(math.log(0.3), math.log(3))),
            clumped=float(rng.random() < 0.4) * rng.uniform(0.2, 0.9),
            overlap=rng.uniform(0.1, 0.35) if supported or rng.random() < 0.4 else rng.uniform(0.4, 0.7),
            crystalline=float(rng.choice([0.0, 0.2, 0.7])),
            shells=float(rng.random() < 0.12) * rng.uniform(0.3, 1.0),
            voids=float(rng.random() < 0.12) * rng.uniform(0.1, 0.6),
            others=float(rng.random() < 0.3) * rng.uniform(0.02, 0.15),
            blur=rng.uniform(0.0, 0.09) * size + 0.3,
            dose=math.exp(rng.uniform(math.log(5), math.log(800))),
        )


def specimen(size: float, shape: tuple[int, int], rng: np.random.Generator, recipe: SpecimenRecipe | None = None) -> Scene:
    """Draw a scene of particles of typical width `size` (px) in a picture of `shape` (Y, X)."""
    how = recipe or SpecimenRecipe.drawn(size, shape, rng)
    thick = support(shape, how.grain, rng) if how.supported else np.zeros(shape, np.float32)
    canvas = SceneCanvas(np.zeros(shape, np.int32))
    signs = _placed(canvas, thick, how, rng)
    particles = np.zeros(shape, np.float32)
    for body in canvas.bodies:
        particles[body.window] += body.added
    bare, full = _signals(thick, particles, how, rng)
    visible = _contrasts(canvas, bare, full, how) >= VISIBLE
    if rng.random() < 0.2:
        full = scan_distorted(full, rng.uniform(0.1, 0.5), rng)
    labels, ignore = drop_invisible(canvas, np.append(True, visible))
    brighter = np.append(0, signs * (1 if how.haadf else -1)).astype(np.int8)
    kind = f"{'HAADF' if how.haadf else 'bright field'}, {'supported' if how.supported else 'alone'}"
    return Scene(recorded(full, how.dose, rng), labels, ignore, brighter, size, kind)


def _placed(canvas: SceneCanvas, thick: Floats, how: SpecimenRecipe, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Put the bodies on the canvas, mostly where the support is; returns their signs (n,): −1 for those that take away."""
    weight = np.cumsum((np.minimum(thick[::4, ::4], 1.5) + 0.02).ravel().astype(np.float64))
    columns = -(-thick.shape[1] // 4)
    signs: list[int] = []
    places: list[tuple[float, float]] = []
    for _ in range(how.count):
        width = lognormal(how.size, how.spread, rng)
        if rng.random() < how.others:
            width = how.size * (rng.uniform(4, 9) if rng.random() < 0.4 else rng.uniform(0.08, 0.25))
        outline = outline_of(max(width, 1.5), how.kinds if width < 3 * how.size else _ROUND, rng)
        for _ in range(6):
            spot = int(np.searchsorted(weight, rng.random() * weight[-1]))
            centre = (4 * (spot // columns) + rng.uniform(0, 4), 4 * (spot % columns) + rng.uniform(0, 4))
            if places and rng.random() < how.clumped:
                near, turn = places[int(rng.integers(len(places)))], rng.uniform(0, 2 * math.pi)
                step = rng.uniform(0.8, 1.4) * how.size
                centre = (near[0] + step * math.sin(turn), near[1] + step * math.cos(turn))
            window, y, x = canvas.window(outline, centre, 1 + 3 * how.blur)
            if 0 in canvas.labels[window].shape:
                continue
            depth, thickness = outline.profile(y, x)
            mask = depth >= 0
            if mask.any() and canvas.covered(window, mask) <= how.overlap:
                sign = -1 if rng.random() < how.voids else 1
                added = _texture((thickness / how.size).astype(np.float32), depth, y, x, width, how, rng)
                canvas.add(Body(window, mask, sign * added, width))
                signs.append(sign)
                places.append(centre)
                break
    return np.array(signs, np.int8)


def _texture(
    added: Floats, depth: npt.NDArray[np.floating], y: Floats, x: Floats, width: float, how: SpecimenRecipe, rng: np.random.Generator
) -> Floats:
    """What a body adds: with lattice fringes, twins or another orientation if crystalline, a core, a focus of its own."""
    strength = rng.normal(1, 0.08)
    if rng.random() < how.crystalline:
        if not how.haadf:
            strength = rng.uniform(0.3, 2.0)
        turn = rng.uniform(0, math.pi)
        across = np.cos(turn) * x + np.sin(turn) * y
        if width > 8 and rng.random() < 0.6:
            added = added * (1 + np.float32(rng.uniform(0.1, 0.5)) * np.sin(2 * math.pi * across / rng.uniform(2.2, 5)))
        if rng.random() < 0.3:
            added = added * np.where(across > rng.uniform(-0.2, 0.2) * width, np.float32(rng.uniform(0.5, 0.9)), np.float32(1))
    if rng.random() < how.shells:
        core = np.clip(depth - rng.uniform(0.12, 0.3) * width, 0, None) / how.size
        added = added * np.float32(rng.uniform(0.3, 0.8)) + np.float32(rng.choice([-0.5, 1.5])) * core.astype(np.float32)
    added = np.maximum(np.float32(strength) * added, 0).astype(np.float32)
    if how.blur > 0.3 and rng.random() < 0.3:
        added = ndimage.gaussian_filter(added, how.blur * rng.uniform(0.2, 1.0), truncate=3)
    return added


def _signals(thick: Floats, particles: Floats, how: SpecimenRecipe, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Signal of the support alone and of everything, 1 where the support (or nothing) has its usual brightness."""
    level = float(np.percentile(thick[thick > 0.02], 60)) if (thick > 0.02).any() else 1.0
    relative = thick / np.float32(max(level, 1e-3))
    lit = 1 + np.float32(rng.uniform(0, 0.25) * rng.random()) * power_noise(thick.shape, 100, 800, 1.0, rng)
    lit = np.maximum(lit, np.float32(0.2))
    out = []
    for map_ in (np.zeros_like(particles), particles):
        if how.haadf:
            signal = (1 / (1 + how.scatter)) * (1 + how.scatter * relative) if how.supported else np.ones_like(relative)
            signal = signal + np.float32(how.contrast * (how.scatter / (1 + how.scatter) if how.supported else 1.0)) * map_
        else:
            optical = np.float32(0.35 * min(how.scatter, 2.0)) * relative if how.supported else np.zeros_like(relative)
            strength = min(how.contrast * 0.35 * min(how.scatter, 2.0), 3.0) if how.supported else how.scatter * 0.6
            signal = np.exp(-(optical + np.float32(strength) * map_))
        out.append(ndimage.gaussian_filter(np.maximum(signal, 0) * lit, how.blur, truncate=3).astype(np.float32))
    return out[0], out[1]


def _contrasts(canvas: SceneCanvas, bare: Floats, full: Floats, how: SpecimenRecipe) -> npt.NDArray[np.float64]:
    """Each body's contrast over the noise and the texture that a person's eye, which smooths over an eighth of its width, leaves; (n,)."""
    smooth = ndimage.gaussian_filter(bare, max(how.size / 8, 0.6))
    texture = smooth - ndimage.gaussian_filter(bare, how.size)
    rough = np.sqrt(np.maximum(ndimage.gaussian_filter(texture * texture, how.size), 0))
    values = []
    for body in canvas.bodies:
        there = body.mask
        change = float(np.abs(full[body.window][there] - bare[body.window][there]).mean())
        eye = 2 * math.sqrt(math.pi) * max(body.width / 8, 0.6)
        noise = math.sqrt(max(float(full[body.window][there].mean()), 1e-6) / how.dose) / max(eye, 1.0)
        values.append(change / math.hypot(noise, 0.7 * float(rough[body.window][there].mean())))
    return np.array(values, float)
