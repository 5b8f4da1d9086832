"""What particles lie on: the projected thickness of supports, drawn at random. Lengths in px, every field float32 (Y, X).

Aggregates of silica spheres, plates of alumina or zeolite (edge-on too), carbon black, porous grains, carbon films with edges, holes
and folds, lacey bars. Thickness has about 1 where the support is as thick as it usually is, 0 in the vacuum; `grain` is the
length of its largest parts, which the caller holds well above the particles'.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]


def power_noise(shape: tuple[int, int], shortest: float, longest: float, slope: float, rng: np.random.Generator) -> Floats:
    """Noise of zero mean and unit deviation whose amplitude falls as (wavelength)^slope between two wavelengths (px), none beyond."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    frequency = np.hypot(fy, fx).astype(np.float32)
    band = (frequency < 1 / shortest) * np.maximum(frequency, 1 / longest) ** np.float32(-slope)
    band *= 1 - np.exp(-((frequency * np.float32(longest)) ** 2))
    white = np.fft.rfft2(rng.standard_normal(shape, np.float32)).astype(np.complex64)
    field = np.fft.irfft2(white * band, shape).astype(np.float32)
    return (field / max(float(field.std()), 1e-6)).astype(np.float32, copy=False)


def _window(shape: tuple[int, int], centre: tuple[float, float], reach: float) -> tuple[tuple[slice, slice], Floats, Floats]:
    """The pixels within `reach` of a centre, cut to the frame, and their y (h, 1) and x (1, w) from the centre."""
    rows, columns = (slice(max(0, int(c - reach)), max(0, min(n, int(c + reach) + 2))) for c, n in zip(centre, shape, strict=True))
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(centre[0]))[:, None]
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(centre[1]))[None]
    return (rows, columns), y, x


def _cluster(shape: tuple[int, int], count: int, step: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Centres (count, 2) of an aggregate: each about `step` from an earlier one, chosen at random."""
    centres = [rng.uniform(0, 1, 2) * shape]
    for _ in range(count - 1):
        turn, near = rng.uniform(0, 2 * math.pi), centres[int(rng.integers(len(centres)))]
        place = near + step * rng.uniform(0.6, 1.1) * np.array([math.sin(turn), math.cos(turn)])
        # What would grow far out of sight starts anew within it.
        out = (place < -step) | (place > np.array(shape) + step)
        centres.append(np.where(out, rng.uniform(0, 1, 2) * shape, place))
    return np.array(centres)


def spheres(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """An aggregate of spheres, their chords added."""
    total = np.zeros(shape, np.float32)
    count = int(np.clip(rng.uniform(0.5, 2.0) * shape[0] * shape[1] / grain**2, 2, 40))
    for centre in _cluster(shape, count, grain, rng).tolist():
        radius = grain / 2 * rng.uniform(0.7, 1.2)
        where, y, x = _window(shape, (centre[0], centre[1]), radius)
        total[where] += np.sqrt(np.maximum(1 - (y * y + x * x) / np.float32(radius**2), 0))
    return total


def plates(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """Super-elliptic plates, flat on or tilted until edge-on, when they are bright bars with straight sides."""
    total = np.zeros(shape, np.float32)
    count = int(np.clip(rng.uniform(0.8, 3.0) * shape[0] * shape[1] / grain**2, 3, 30))
    for centre in _cluster(shape, count, 0.8 * grain, rng).tolist():
        tilt = math.cos(rng.uniform(0, 0.5 * math.pi)) if rng.random() < 0.6 else 1.0
        long, short = grain * rng.uniform(0.5, 1.0), grain * rng.uniform(0.4, 0.9) * max(tilt, rng.uniform(0.06, 0.2))
        turn, power = rng.uniform(0, math.pi), rng.uniform(2.0, 8.0)
        where, y, x = _window(shape, (centre[0], centre[1]), 1.5 * long)
        u = np.abs((np.cos(turn) * x + np.sin(turn) * y) / np.float32(long))
        v = np.abs((np.cos(turn) * y - np.sin(turn) * x) / np.float32(short))
        inside = 1 - (u**power + v**power) ** np.float32(1 / power)
        soft = np.clip(inside * np.float32(min(long, short) / rng.uniform(1.0, 4.0)), 0, 1)
        # The same plate seen through its width is thicker in proportion.
        total[where] += np.float32(rng.uniform(0.2, 0.6) * min(1 / max(short / long, 0.1), 4.0)) * soft
    return total


def carbon_black(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """Chains of small balls with rough outlines and a turbostratic texture."""
    balls = spheres(shape, max(0.5 * grain, 12.0), rng)
    y, x = (np.arange(n, dtype=np.float32) for n in shape)
    push = [power_noise(shape, 6, grain, 1.0, rng) * np.float32(0.05 * grain) for _ in range(2)]
    bent = ndimage.map_coordinates(balls, [y[:, None] + push[0], x[None] + push[1]], order=1, mode="nearest").astype(np.float32)
    rough: Floats = bent * np.maximum(1 + np.float32(0.15) * power_noise(shape, 3, 12, 0.5, rng), 0)
    return rough


def porous(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """A grain of rough thickness, with a straight or round edge somewhere, and pores that thin it."""
    thick = np.maximum(
        1 + np.float32(rng.uniform(0.15, 0.5)) * power_noise(shape, 0.15 * grain, 4 * grain, rng.uniform(1.0, 1.8), rng), 0.05
    )
    pores = power_noise(shape, 0.1 * grain, 0.5 * grain, 0.5, rng) > rng.uniform(0.9, 2.0)
    thick *= 1 - np.float32(rng.uniform(0.2, 0.8)) * ndimage.gaussian_filter(pores.astype(np.float32), 0.04 * grain)
    grain_: Floats = (thick * _edge(shape, grain, rng)).astype(np.float32)
    return grain_


def film(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """A carbon film: level, with an edge, holes with thick rims, or folds."""
    total = np.ones(shape, np.float32) * _edge(shape, grain, rng)
    for _ in range(int(rng.integers(0, 4))):
        radius, centre = grain * rng.uniform(0.3, 1.5), rng.uniform(-0.2, 1.2, 2) * shape
        where, y, x = _window(shape, (centre[0], centre[1]), 1.4 * radius)
        distance = np.hypot(y, x) - np.float32(radius)
        total[where] *= np.clip(distance / 2 + 0.5, 0, 1)
        total[where] += np.float32(rng.uniform(0, 1.5)) * np.exp(-((distance / np.float32(0.08 * radius + 1)) ** 2))
    for _ in range(int(rng.integers(0, 3))):
        turn, offset, width = rng.uniform(0, math.pi), rng.uniform(-0.4, 0.4) * shape[0], rng.uniform(0.05, 0.4) * grain
        y, x = np.ogrid[: shape[0], : shape[1]]
        across = np.cos(turn) * (x - shape[1] / 2) + np.sin(turn) * (y - shape[0] / 2) - offset
        along = np.cos(turn) * y - np.sin(turn) * x
        total += np.float32(rng.uniform(0.3, 2.0)) * (np.abs(across + 4 * np.sin(along / grain)) < width)
    return ndimage.gaussian_filter(total, rng.uniform(0.5, 2.0)).astype(np.float32)


def lacey(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """Bars of a lacey film: the ridges between cells, thick and round."""
    count = int(np.clip(shape[0] * shape[1] / (1.5 * grain) ** 2, 3, 60))
    seeds = rng.uniform(-0.1, 1.1, (count, 2)) * shape
    y, x = np.mgrid[: shape[0] : 2, : shape[1] : 2]
    distances = np.hypot(y[..., None] - seeds[:, 0], x[..., None] - seeds[:, 1])
    near = np.partition(distances, 1, axis=-1)
    between = np.repeat(np.repeat((near[..., 1] - near[..., 0]).astype(np.float32), 2, 0), 2, 1)[: shape[0], : shape[1]]
    width = np.float32(grain * rng.uniform(0.1, 0.4))
    bars = np.sqrt(np.maximum(1 - (ndimage.gaussian_filter(between, 2.0) / width) ** 2, 0))
    lace: Floats = (bars * (1 + np.float32(0.1) * power_noise(shape, 4, grain, 1.0, rng))).astype(np.float32)
    return lace


def _edge(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """1 on the support, 0 beyond a rough edge across the picture; a third of the time the support fills it."""
    if rng.random() < 0.35:
        return np.ones(shape, np.float32)
    turn, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-0.1, 0.5)
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in shape)
    rough = np.float32(rng.uniform(0.02, 0.12)) * power_noise(shape, 8, 4 * grain, 1.2, rng)
    inside = np.float32(offset) - np.cos(turn) * x[None] - np.sin(turn) * y[:, None] + rough
    wedge = rng.uniform(0.005, 0.3)  # from a cut to a wedge that thins slowly
    there: Floats = np.clip(inside / wedge, 0, 1).astype(np.float32)
    return there


SUPPORTS: dict[str, Callable[[tuple[int, int], float, np.random.Generator], Floats]] = {
    "silica spheres": spheres,
    "plates": plates,
    "carbon black": carbon_black,
    "porous grain": porous,
    "film": film,
    "lacey": lacey,
}


def support(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    """One or two supports of random kind over one another, rough, sometimes out of focus; thickness (Y, X), about 1 where thick."""
    names = list(SUPPORTS)
    chances = np.array([0.28, 0.2, 0.14, 0.2, 0.1, 0.08])
    total = np.zeros(shape, np.float32)
    for _ in range(1 if rng.random() < 0.7 else 2):
        one = SUPPORTS[names[int(rng.choice(len(names), p=chances))]](shape, grain, rng)
        rough = rng.uniform(0, 0.25) * rng.random()
        one = one * np.maximum(1 + np.float32(rough) * power_noise(shape, rng.uniform(2, 6), grain, rng.uniform(0.3, 1.4), rng), 0)
        if rng.random() < 0.35:
            one = ndimage.gaussian_filter(one, math.exp(rng.uniform(math.log(1.0), math.log(0.12 * grain + 1.1))))
        total += np.float32(rng.uniform(0.5, 1.0)) * one.astype(np.float32)
    return total
