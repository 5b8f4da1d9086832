"""Pictures that a particle model was never meant for, drawn at random: diffraction patterns, noise, empty fields, text, tissue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_temseg.engine.simulate.micrographs import randomised, simulate

Array = npt.NDArray[np.float32]
SIDE = 384


def _grid(rng: np.random.Generator, wander: float = 0.0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coordinates (y, x) in px from a centre that lies up to `wander` px beside the middle."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2.0
    return y - rng.uniform(-wander, wander), x - rng.uniform(-wander, wander)


def _counted(signal: npt.NDArray[np.floating], rng: np.random.Generator, full: float = 4000.0) -> Array:
    """Electron counts, saturated at `full`."""
    return np.clip(rng.poisson(np.clip(signal, 0, 1e6)), 0, full).astype(np.float32)


def _central(rng: np.random.Generator, radius: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The direct beam, its halo, and now and then the beam stop before it."""
    beam = rng.uniform(500, 5000) * np.exp(-radius / rng.uniform(5, 25)) + rng.uniform(20, 400) * np.exp(-radius / rng.uniform(50, 160))
    return np.where(radius < rng.uniform(15, 45), 5.0, beam) if rng.random() < 0.3 else beam


def rings(rng: np.random.Generator) -> Array:
    """Diffraction of a powder: rings, smooth or of spots."""
    y, x = _grid(rng, 60)
    radius = np.hypot(y, x)
    image = _central(rng, radius)
    for at in rng.uniform(30, 240, int(rng.integers(3, 9))):
        line = rng.uniform(10, 300) * np.exp(-(((radius - at) / rng.uniform(1.2, 5)) ** 2))
        spotty = ndimage.gaussian_filter((rng.random(radius.shape) < 0.02) * 1.0, 1.2) * 40 if rng.random() < 0.5 else 1.0
        image = image + line * spotty
    return _shown(_counted(image, rng), rng)


def spots(rng: np.random.Generator) -> Array:
    """Diffraction of a crystal: a lattice of spots, or of discs where the beam converges."""
    y, x = _grid(rng, 40)
    radius = np.hypot(y, x)
    image = _central(rng, radius) * rng.uniform(0.02, 1)
    turn, length = rng.uniform(0, np.pi), rng.uniform(18, 70)
    first = length * np.array([np.cos(turn), np.sin(turn)])
    angle = turn + rng.uniform(0.9, 2.2)
    second = length * rng.uniform(0.6, 1.5) * np.array([np.cos(angle), np.sin(angle)])
    width, disc, fall = rng.uniform(1.5, 5), rng.random() < 0.35, rng.uniform(60, 200)
    for h in range(-14, 15):
        for k in range(-14, 15):
            at = h * first + k * second
            if np.abs(at).max() > SIDE / 2 + 20:
                continue
            away = np.hypot(y - at[0], x - at[1])
            strength = rng.gamma(0.8) * 800 * np.exp(-((np.hypot(*at) / fall) ** 2))
            image = image + strength * ((away < 3 * width) if disc else np.exp(-((away / width) ** 2)))
    return _shown(_counted(image, rng), rng)


def kikuchi(rng: np.random.Generator) -> Array:
    """Kikuchi bands across a diffuse background."""
    y, x = _grid(rng, 80)
    image = 300 * np.exp(-np.hypot(y, x) / rng.uniform(120, 400))
    for _ in range(int(rng.integers(4, 12))):
        turn = rng.uniform(0, np.pi)
        across = (np.cos(turn) * y + np.sin(turn) * x - rng.uniform(-160, 160)) / rng.uniform(5, 40)
        band = 1 / (1 + np.exp(8 * (np.abs(across) - 1))) + 0.6 * np.exp(-(((np.abs(across) - 1) / 0.12) ** 2))
        image = image * (1 + rng.uniform(-0.25, 0.5) * band)
    return _shown(_counted(image * rng.uniform(0.2, 3), rng), rng)


def _shown(image: Array, rng: np.random.Generator) -> Array:
    """As people save a pattern: linear, by its logarithm or square root, or inverted."""
    shown = (image, np.log1p(image), np.sqrt(image))[int(rng.integers(3))]
    return -shown if rng.random() < 0.2 else shown


def noise(rng: np.random.Generator) -> Array:
    """Noise, white or with a spectrum that falls by some power."""
    power = float(rng.choice([0.0, rng.uniform(0.3, 3)]))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]) + 1 / SIDE
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) / frequency**power
    return np.fft.irfft2(spectrum, (SIDE, SIDE)).astype(np.float32)


def nearly_nothing(rng: np.random.Generator) -> Array:
    """A constant, a gradient, a vignette, with little noise or none."""
    y, x = _grid(rng, 100)
    turn, noisy = rng.uniform(0, 2 * np.pi), float(rng.choice([0, 0.5, 3.0, 15.0]))
    shapes = [np.zeros_like(y), np.cos(turn) * y + np.sin(turn) * x, -np.hypot(y, x), np.cos(turn) * y * x / SIDE]
    return np.asarray(shapes[int(rng.integers(4))] * 0.1 + 100 + rng.normal(0, 1, y.shape) * noisy, np.float32)


def empty_support(rng: np.random.Generator) -> Array:
    """A simulated field, its grain and illumination, without a particle."""
    config = randomised(rng, SIDE, SIDE)
    return np.asarray(simulate(replace(config, count=0)).micrograph.plane(), np.float32)


def grid_bars(rng: np.random.Generator) -> Array:
    """Bars of the support grid round empty windows, or holes of a holey film."""
    y, x = _grid(rng, SIDE)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(150, 900)
    u, v = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    u, v = (u / pitch) % 1 - 0.5, (v / pitch) % 1 - 0.5
    share = rng.uniform(0.2, 0.45)
    open_ = np.hypot(u, v) < share if rng.random() < 0.4 else np.maximum(np.abs(u), np.abs(v)) < share
    image = ndimage.gaussian_filter(np.where(open_, 180.0, rng.uniform(5, 90)), rng.uniform(0.5, 5))
    return (image + rng.normal(size=y.shape) * rng.uniform(1, 15)).astype(np.float32)


def page(rng: np.random.Generator) -> Array:
    """A page of printed text, or a table of lines."""
    sheet = Image.new("L", (SIDE, SIDE), 235)
    pen, size = ImageDraw.Draw(sheet), int(rng.integers(9, 40))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIKLM0123456789,.;   "))
    for top in range(int(rng.integers(4, 40)), SIDE, round(size * rng.uniform(1.2, 2))):
        words = " ".join("".join(rng.choice(letters[:-3], int(rng.integers(1, 11))).tolist()) for _ in range(SIDE // (2 * size) + 2))
        pen.text((int(rng.integers(0, 60)), top), words, fill=int(rng.integers(0, 60)), font=ImageFont.load_default(size))
    turned = sheet.rotate(float(rng.choice([0, 0, rng.uniform(-5, 5)])), fillcolor=235)
    image = ndimage.gaussian_filter(np.asarray(turned, np.float32), rng.uniform(0, 1.2)) + rng.normal(size=(SIDE, SIDE)) * rng.uniform(0, 6)
    return np.asarray(255 - image if rng.random() < 0.2 else image, np.float32)


def tissue(rng: np.random.Generator) -> Array:
    """Something like sectioned tissue: cells with bent membranes, filled with grain, vesicles and darker bodies."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    bend = [ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), s) * s * a for s, a in ((rng.uniform(12, 30), rng.uniform(10, 25)),) * 2]
    points = rng.uniform(-40, SIDE + 40, (int(np.exp(rng.uniform(np.log(15), np.log(300)))), 2))
    away, cell = cKDTree(points).query(np.stack([y + bend[0], x + bend[1]], -1), k=2)
    edge = away[..., 1] - away[..., 0]
    image = rng.uniform(130, 190, len(points))[cell[..., 0]]
    image = image - rng.uniform(40, 110) * np.exp(-((edge / rng.uniform(2, 6)) ** 2))
    for scale in (1.0, rng.uniform(1.5, 3), rng.uniform(3, 8)):
        image = image + rng.uniform(4, 22) * ndimage.gaussian_filter(rng.normal(size=image.shape), scale) * scale * 1.5
    for _ in range(int(rng.integers(0, 60))):
        at, radius = rng.uniform(0, SIDE, 2), rng.uniform(3, 30)
        near = np.hypot(y - at[0], (x - at[1]) * rng.uniform(0.5, 1.5)) + ndimage.zoom(bend[0], 1) * 0.3
        image = image - rng.uniform(10, 60) * np.exp(-(((near - radius) / 2.0) ** 2)) - rng.uniform(-10, 25) * (near < radius)
    return image.astype(np.float32)


def fringes(rng: np.random.Generator) -> Array:
    """Stripes, crossed or not: lattice or interference fringes, weaves, checks."""
    y, x = _grid(rng, 100)
    image = np.zeros_like(y)
    for _ in range(int(rng.integers(1, 4))):
        turn, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(60)))
        wave = np.sin(2 * np.pi * (np.cos(turn) * y + np.sin(turn) * x) / period)
        image = image + (np.sign(wave) if rng.random() < 0.3 else wave)
    return (image + rng.normal(size=y.shape) * rng.uniform(0, 1.5)).astype(np.float32)


KINDS: dict[str, Callable[[np.random.Generator], Array]] = {
    f.__name__: f for f in (rings, spots, kikuchi, noise, nearly_nothing, empty_support, grid_bars, page, tissue, fringes)
}
