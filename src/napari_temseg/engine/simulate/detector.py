"""What scan, detector and saving add to a signal: distortion, noise, lines, grey levels, JPEG. Deterministic in the generator."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Floats = npt.NDArray[np.float32]


def scan_distorted(signal: Floats, amplitude: float, rng: np.random.Generator) -> Floats:
    """Every line shifted along itself by a slow and a fast random walk of at most about `amplitude` px."""
    rows = signal.shape[0]
    slow = ndimage.gaussian_filter1d(rng.standard_normal(rows), 12) * 3 * amplitude
    shift = slow + 0.3 * amplitude * rng.standard_normal(rows)
    place = np.arange(signal.shape[1])[None] + shift[:, None]
    low = np.clip(np.floor(place).astype(np.intp), 0, signal.shape[1] - 2)
    share = np.clip(place - low, 0, 1).astype(np.float32)
    row = np.arange(rows)[:, None]
    moved: Floats = signal[row, low] * (1 - share) + signal[row, low + 1] * share
    return moved


def counted(signal: Floats, dose: float, rng: np.random.Generator) -> Floats:
    """Electrons counted (Poisson) where a signal of 1 means `dose` electrons; back in units of the signal."""
    mean = np.maximum(signal, 0) * np.float32(dose)
    if dose < 50:
        return (rng.poisson(mean) / np.float32(dose)).astype(np.float32)
    noisy = (mean + np.sqrt(mean) * rng.standard_normal(mean.shape, np.float32)) / np.float32(dose)
    return noisy.astype(np.float32)


def with_lines(signal: Floats, amplitude: float, rng: np.random.Generator) -> Floats:
    """Lines that jump (noise of the current, charging): each row offset, a few by much more, of rms `amplitude`."""
    offsets: Floats = np.float32(amplitude) * rng.standard_normal((signal.shape[0],), np.float32)
    jumps = np.flatnonzero(rng.random(signal.shape[0]) < 0.02)
    offsets[jumps] += np.float32(3 * amplitude) * rng.standard_normal((jumps.size,), np.float32)
    lined: Floats = signal + offsets[:, None]
    return lined


def grey_levels(signal: Floats, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Stretched between two percentiles (so that some of it is clipped), gamma, 8 bit."""
    sample = signal.ravel()[:: max(1, signal.size // 20_000)]
    low, high = np.percentile(sample, [rng.uniform(0, 2), 100 - math.exp(rng.uniform(math.log(0.02), math.log(3)))])
    room = max(float(high - low), 1e-6)
    low, high = low - rng.uniform(0, 0.15) * room, high + rng.uniform(0, 0.15) * room
    share = np.clip((signal - np.float32(low)) / np.float32(high - low), 0, 1)
    grey: npt.NDArray[np.uint8] = (255 * share ** np.float32(math.exp(rng.uniform(-0.4, 0.4)))).astype(np.uint8)
    return grey


def jpeg(grey: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Saved as JPEG and read back."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.uint8)


def recorded(signal: Floats, dose: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A signal (1 = the usual brightness) as a picture: noise of `dose` electrons a pixel, at times lines, a correlated detector, JPEG."""
    noisy = counted(signal, dose, rng)
    if rng.random() < 0.25:
        noisy = with_lines(noisy, float(noisy.std()) * rng.uniform(0.01, 0.08), rng)
    if rng.random() < 0.3:  # the detector's point spread: noise of neighbours goes together
        noisy = ndimage.gaussian_filter(noisy, rng.uniform(0.3, 0.9), truncate=3)
    grey = grey_levels(noisy, rng)
    return jpeg(grey, int(rng.integers(40, 95))) if rng.random() < 0.4 else grey
