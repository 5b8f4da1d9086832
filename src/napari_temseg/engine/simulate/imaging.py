"""What a microscope adds to particles: contrast, support, fringes, noise, and what is burnt into its pictures."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from napari_temseg.engine.types.config import SimulateConfig

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_NORMAL_LIMIT = 50.0  # electrons a pixel from which the normal law stands for Poisson's: ten times faster, the same mean and variance


def expected_signal(thickness: Floats, config: SimulateConfig, rng: np.random.Generator) -> Floats:
    """Mean signal of each pixel, 1 for the bare support, from the projected thickness in median diameters.

    Bright field: Beer–Lambert mass-thickness contrast, exp(−μt). HAADF: background plus a signal in proportion to t.
    """
    background = _illumination(thickness.shape, config.unevenness, rng)
    if config.support > 0:
        background *= np.maximum(1 + config.support * _grain(thickness.shape, rng), 0.05)
    if config.mode == "HAADF":
        contrast = min(config.contrast, 0.95)
        signal = background * (1 + contrast / (1 - contrast) * thickness)
    else:
        signal = background * np.exp(math.log1p(-min(config.contrast, 0.98)) * thickness)
        if config.defocus > 0:
            signal += config.defocus * config.contrast * background * _fringes(thickness, rng)
    if config.blur > 0:
        signal = gaussian_filter(signal, config.blur, truncate=3)
    return np.maximum(signal, 0).astype(np.float32, copy=False)


def _illumination(shape: tuple[int, ...], amplitude: float, rng: np.random.Generator) -> Floats:
    """Slow changes of brightness round 1, as a few long waves."""
    y, x = (np.outer(np.linspace(0, 1, side), rng.uniform(0, 6, 3)) + rng.uniform(0, 2 * math.pi, 3) for side in shape)
    field = ((rng.normal(size=3) * np.cos(y)) @ np.cos(x).T).astype(np.float32)
    field -= field.mean()
    field *= np.float32(amplitude / max(float(field.max()), -float(field.min()), 1e-6))
    lit: Floats = np.maximum(field + np.float32(1), np.float32(0.05))
    return lit


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Band-limited noise of unit standard deviation, like amorphous carbon near focus."""
    size = rng.uniform(0.6, 2.5)
    fine = gaussian_filter(rng.standard_normal(shape, np.float32), size, truncate=3)
    band = fine - gaussian_filter(fine, 1.5 * size, truncate=3)
    return (band / max(float(band.std()), 1e-6)).astype(np.float32, copy=False)


def _fringes(thickness: Floats, rng: np.random.Generator) -> Floats:
    """Fresnel-like fringes: minus a difference of Gaussians of the projected potential, so bright outside an edge and dark inside.

    A quarter of the pictures are overfocused, which turns the sign.
    """
    width = rng.uniform(0.8, 2.0)
    sign = 1.0 if rng.random() < 0.25 else -1.0
    near = gaussian_filter(thickness, width, truncate=3)
    return np.float32(sign) * (near - gaussian_filter(near, 1.5 * width, truncate=3))


def detected(signal: Floats, config: SimulateConfig, rng: np.random.Generator) -> Bytes:
    """Electrons counted at `dose` a background pixel (Poisson), stretched to grey levels with some headroom at both ends."""
    mean = signal * np.float32(config.dose)
    if config.dose < _NORMAL_LIMIT:
        counts = rng.poisson(mean).astype(np.float32)
    else:
        counts = np.maximum(np.rint(mean + np.sqrt(mean) * rng.standard_normal(mean.shape, np.float32)), 0)
    low, high = np.percentile(counts.ravel()[:: max(1, counts.size // 50_000)], (0.2, 99.8))
    room = max(float(high - low), 1.0)
    low -= rng.uniform(0.02, 0.15) * room
    high += rng.uniform(0.02, 0.15) * room
    grey: Bytes = np.clip((counts - np.float32(low)) * np.float32(255 / (high - low)), 0, 255).astype(np.uint8)
    return grey


def bar_rows(config: SimulateConfig) -> int:
    """Rows at the bottom of the picture that the data bar takes."""
    return max(12, round(0.07 * config.height)) if config.data_bar else 0


class _Burner:
    """Draws ink on a picture and remembers where."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._ink = Image.new("L", (shape[1], shape[0]))
        self._cover = Image.new("L", (shape[1], shape[0]))
        self._pens = ImageDraw.Draw(self._ink), ImageDraw.Draw(self._cover)

    def box(self, top: float, left: float, bottom: float, right: float, level: int) -> None:
        for pen, fill in zip(self._pens, (level, 255), strict=True):
            pen.rectangle((round(left), round(top), max(round(right), round(left)), max(round(bottom), round(top))), fill=fill)

    def text(self, top: float, left: float, text: str, size: int, level: int) -> None:
        height, width = text_size(text, size)
        area = (round(left), round(top), round(left) + width, round(top) + height)
        if not self._cover.crop(area).getbbox():  # on the bare picture the ink is even and only the cover has soft edges
            self._pens[0].rectangle((area[0] - 2, area[1] - 2, area[2] + 2, area[3] + 2), fill=level)
        for pen, fill in zip(self._pens, (level, 255), strict=True):
            pen.text(area[:2], text, fill=fill, font=_font(size), anchor="lt")

    def burn(self, data: Bytes) -> npt.NDArray[np.bool_]:
        """Blend the ink into `data` in place; True where there is any."""
        cover = np.asarray(self._cover, np.float32) / 255
        data[:] = np.rint(data * (1 - cover) + np.asarray(self._ink, np.float32) * cover)
        return cover > 0


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Height and width of a line of text in px."""
    left, top, right, bottom = _font(size).getbbox(text, anchor="lt")
    return math.ceil(bottom - top), math.ceil(right - left)


def round_length(pixel_size: float, width: int) -> tuple[float, str]:
    """The longest 1, 2 or 5 × 10ⁿ nm under a third of the picture: its length in px and how it is written."""
    longest = pixel_size * width / 3
    power = 10.0 ** math.floor(math.log10(longest))
    value = next(step * power for step in (5, 2, 1) if step * power <= longest * (1 + 1e-9))
    factor, unit = next((pair for pair in ((1e6, "mm"), (1e3, "um")) if value >= pair[0]), (1.0, "nm"))
    return value / pixel_size, f"{value / factor:.6g} {unit}"


def burn_overlays(data: Bytes, config: SimulateConfig, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Burn the data bar, the scale bar and the panel letter that `config` asks for into `data`; True (Y, X) where they lie."""
    if not (config.data_bar or config.scale_bar or config.panel_letter):
        return np.zeros(data.shape, bool)
    burner = _Burner(data.shape)
    height, width = data.shape
    bottom = height - bar_rows(config)
    size = int(np.clip(min(height, width) * rng.uniform(0.035, 0.08), 9, 64))
    if config.data_bar:
        _data_bar(burner, bottom, height, width, config, rng)
    corners = rng.permutation(4)  # bottom-right, bottom-left, top-right, top-left
    if config.scale_bar:
        _scale_bar(burner, int(corners[0]), bottom, width, size, config, rng)
    if config.panel_letter:
        letter = str(rng.choice(list("abcdefgh")))
        label = str(rng.choice([letter, letter.upper(), f"({letter})", f"{letter})"]))
        _in_corner(burner, int(corners[1]), bottom, width, label, round(1.4 * size), rng)
    return burner.burn(data)


def _data_bar(burner: _Burner, top: int, height: int, width: int, config: SimulateConfig, rng: np.random.Generator) -> None:
    dark = rng.random() < 0.75
    burner.box(top, 0, height - 1, width - 1, 0 if dark else 255)
    length, text = round_length(config.pixel_size, width)
    size = max(8, round(0.5 * (height - top)))
    ink, middle = (255, 0)[not dark], top + (height - top - size) / 2
    burner.text(middle, 0.02 * width, f"{rng.choice([80, 120, 200, 300])} kV   {text}", size, ink)
    burner.box(height - 4, width * 0.97 - length, height - 3, width * 0.97 - 1, ink)


def _scale_bar(burner: _Burner, corner: int, bottom: int, width: int, size: int, config: SimulateConfig, rng: np.random.Generator) -> None:
    length, text = round_length(config.pixel_size, width)
    text_height, text_width = text_size(text, size)
    thick, gap = max(2, size // 4), max(2, size // 3)
    tall, wide = text_height + gap + thick, max(length, text_width)
    top, left = _corner(corner, bottom, width, tall, wide, gap + 3)
    ink = 255 if rng.random() < 0.6 else 0
    if rng.random() < 0.4:
        burner.box(top - gap, left - gap, top + tall + gap - 1, left + wide + gap - 1, 255 - ink)
    start = round(left + (wide - length) / 2)
    burner.box(top + tall - thick, start, top + tall - 1, start + round(length) - 1, ink)
    burner.text(top, left + (wide - text_width) / 2, text, size, ink)


def _in_corner(burner: _Burner, corner: int, bottom: int, width: int, text: str, size: int, rng: np.random.Generator) -> None:
    text_height, text_width = text_size(text, size)
    gap = max(2, size // 4)
    top, left = _corner(corner, bottom, width, text_height, text_width, gap)
    ink = 255 if rng.random() < 0.5 else 0
    if rng.random() < 0.5:
        burner.box(top - gap, left - gap, top + text_height + gap - 1, left + text_width + gap - 1, 255 - ink)
    burner.text(top, left, text, size, ink)


def _corner(corner: int, bottom: int, width: int, tall: float, wide: float, margin: int) -> tuple[float, float]:
    return (margin if corner > 1 else bottom - margin - tall), (margin if corner % 2 else width - margin - wide)
