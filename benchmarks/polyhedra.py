"""A second simulator, which shares nothing with the one that training drew from: convex polyhedra in 3-D, imaged by wave or by thickness.

Every particle is an intersection of half-spaces, turned at random; its thickness along the beam is exact at `FINE`² points a pixel. Bright
field: the exit wave of phase and absorption, of particles and of a granular amorphous support, propagated by Fresnel's factor, |ψ|²
counted in electrons. HAADF: thickness and the grain of the support, blurred by the probe, counted. Truth is the projected outline, its area
from the fine points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

Floats = npt.NDArray[np.float64]
FINE = 3  # points along a pixel
BRIGHT_FIELD, HAADF = "bright field", "HAADF"
GSD = 1.25
_COVERED = 0.16  # of the picture, by particles of the median size
_TRIES = 200


@dataclass(frozen=True)
class Scene:
    """What is drawn: median diameter (px), share that touches another, electrons a pixel."""

    mode: str
    diameter: float
    touching: float
    dose: float
    seed: int = 0


class Drawn(NamedTuple):
    """A picture (Y, X) with its truth: labels (Y, X) and, by label - 1, the equivalent circular diameter of the projection (px)."""

    picture: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.int32]
    ecd: Floats


def side_of(diameter: float) -> int:
    """Side of a picture (px) that holds some dozens of particles."""
    return int(np.clip(12 * diameter, 384, 1024)) // 32 * 32


def draw(scene: Scene) -> Drawn:
    """A picture with its truth."""
    rng = np.random.default_rng([scene.seed, int(scene.diameter * 10), int(scene.touching * 100), int(scene.dose), scene.mode == HAADF])
    side = side_of(scene.diameter)
    labels, thickness, ecd = np.zeros((side, side), np.int32), np.zeros((side, side)), []
    centres: list[Floats] = []
    count = max(12, int(_COVERED * side**2 / (np.pi / 4 * scene.diameter**2)))
    for _ in range(count):
        stamp = projected(rng, scene.diameter * float(np.exp(rng.normal(0, np.log(GSD)))))
        at = _place(rng, labels, stamp, centres, touching=bool(centres) and rng.random() < scene.touching)
        if at is None:
            continue
        window = tuple(slice(a, a + n) for a, n in zip(at, stamp.shape, strict=True))
        mask = stamp.coverage >= 0.5
        labels[window][mask] = len(ecd) + 1
        thickness[window] += stamp.thickness
        ecd.append(float(np.sqrt(4 * stamp.coverage.sum() / np.pi)))
        centres.append(np.array(at) + np.array(stamp.shape) / 2)
    image = _bright_field if scene.mode == BRIGHT_FIELD else _haadf
    return Drawn(_counted(image(rng, thickness / scene.diameter), scene.dose, rng), labels, np.array(ecd))


class Stamp(NamedTuple):
    """Coverage (0 to 1) and mean thickness (px) of a particle in each pixel of its box."""

    coverage: Floats
    thickness: Floats

    @property
    def shape(self) -> tuple[int, ...]:
        return self.coverage.shape


def projected(rng: np.random.Generator, diameter: float) -> Stamp:
    """A polyhedron of about this diameter (px), turned at random, along the beam."""
    normals, offsets = _half_spaces(rng)
    normals = Rotation.random(random_state=rng).apply(normals)
    half = int(np.ceil(diameter)) + 2
    grid = (np.arange(2 * half * FINE) + 0.5) / FINE - half
    shift = rng.uniform(-0.5, 0.5, 2)
    y, x = grid[:, None] + shift[0], grid[None, :] + shift[1]
    radius = diameter / 2
    top, bottom = np.full((len(grid), len(grid)), np.inf), np.full((len(grid), len(grid)), -np.inf)
    for (nx, ny, nz), offset in zip(normals, offsets, strict=True):
        rest = offset * radius - nx * x - ny * y
        if abs(nz) < 1e-9:
            top = np.where(rest < 0, -np.inf, top)
        elif nz > 0:
            top = np.minimum(top, rest / nz)
        else:
            bottom = np.maximum(bottom, rest / nz)
    thick = np.maximum(top - bottom, 0.0)
    fine = (2 * half, FINE, 2 * half, FINE)
    return Stamp((thick > 0).reshape(fine).mean((1, 3)), thick.reshape(fine).mean((1, 3)))


def _half_spaces(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Normals (n, 3) and distances (n,) of faces: a box, a cube with cut corners, or an irregular stone."""
    kind = rng.integers(3)
    axes = np.vstack([np.eye(3), -np.eye(3)])
    if kind == 0:
        return axes, np.tile(0.85 * np.exp(rng.normal(0, 0.15, 3)), 2)
    if kind == 1:
        corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) / np.sqrt(3)
        return np.vstack([axes, corners]), np.r_[np.full(6, 0.9), np.full(8, rng.uniform(0.9, 1.1))]
    around = rng.normal(size=(14, 3))
    return np.vstack([axes, around / np.linalg.norm(around, axis=1, keepdims=True)]), np.r_[np.full(6, 1.1), rng.uniform(0.85, 1.1, 14)]


def _place(
    rng: np.random.Generator, labels: npt.NDArray[np.int32], stamp: Stamp, centres: list[Floats], *, touching: bool
) -> tuple[int, int] | None:
    """First row and column at which the stamp overlaps nothing: in contact with another, or clear of all by a fifth of its size."""
    mask, height = stamp.coverage > 0, np.array(stamp.shape)
    apart = ndimage.binary_dilation(mask, iterations=max(3, int(0.2 * np.sqrt(mask.sum()))))

    def free(at: npt.NDArray[np.intp], ground: npt.NDArray[np.bool_]) -> bool:
        if (at < 0).any() or (at + height > labels.shape).any():
            return False
        return not (labels[at[0] : at[0] + height[0], at[1] : at[1] + height[1]][ground] > 0).any()

    for _ in range(_TRIES):
        if not touching:
            at = rng.integers(0, np.array(labels.shape) - height)
            if free(at, apart):
                return int(at[0]), int(at[1])
            continue
        centre, angle = centres[rng.integers(len(centres))], rng.uniform(0, 2 * np.pi)
        way, last = np.array([np.sin(angle), np.cos(angle)]), None
        for distance in np.arange(2.0 * height[0], 0, -0.5):
            at = np.rint(centre + distance * way - height / 2).astype(np.intp)
            if not free(at, mask):
                break
            last = at
        else:
            last = None
        if last is not None:
            return int(last[0]), int(last[1])
    return None


def _bright_field(rng: np.random.Generator, thickness: Floats) -> Floats:
    """Intensity behind particles and support, a little under focus; the support is a phase of grain."""
    grain = ndimage.gaussian_filter(rng.normal(size=thickness.shape), 1.0)
    wave = np.exp(1j * (1.2 * thickness + 0.12 * grain / grain.std()) - 0.45 * thickness)
    ky, kx = np.fft.fftfreq(thickness.shape[0])[:, None], np.fft.fftfreq(thickness.shape[1])[None, :]
    square = ky**2 + kx**2
    fresnel = np.exp(-1j * np.pi * 6.0 * square - (np.pi * 0.9) ** 2 * square)  # λΔf 6 px², envelope of partial coherence
    return np.asarray(np.abs(np.fft.ifft2(np.fft.fft2(wave) * fresnel)) ** 2)


def _haadf(rng: np.random.Generator, thickness: Floats) -> Floats:
    """Counts in proportion to thickness over a support of grain, blurred by the probe."""
    grain = ndimage.gaussian_filter(rng.normal(size=thickness.shape), 1.2)
    return np.maximum(ndimage.gaussian_filter(thickness, 0.7) + 0.25 + 0.05 * grain / grain.std(), 0.0)


def _counted(intensity: Floats, dose: float, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    return np.asarray(np.minimum(rng.poisson(intensity * dose), 65535), np.uint16)
