"""What is burnt into published micrographs or stands in their way, drawn over training crops: none of it is a particle.

EMPS has letters, bars and arrows too, but few, and always where its authors put them; here they lie anywhere, over particles as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_LETTERS = np.array(list("ABCDEFGHIKLMNOPQRSTUVWXYZabcdefghiklmnopqrstuvwxyz0123456789"))
_UNITS = np.array(["nm", "um", " nm", " um", "A", " kV", "x", "k"])


def _words(rng: np.random.Generator) -> str:
    kind = int(rng.integers(4))
    if kind == 0:
        letter = str(rng.choice(_LETTERS))
        return str(rng.choice([letter, f"({letter})", f"{letter})", f"{letter}.", f"[{letter}]"]))
    if kind == 1:
        return f"{rng.choice([1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 0.2, 0.5, 1.5]):g}{rng.choice(_UNITS)}"
    if kind == 2:
        return "".join(rng.choice(_LETTERS, int(rng.integers(2, 8))).tolist())
    return f"{rng.integers(1, 999)}.{rng.integers(0, 999)}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def mark(size: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], bool]:
    """One mark on a crop of size × size px: its cover 0…1, its ink −1 (dark) … 1 (bright), and whether it hides what it covers."""
    cover, ink = Image.new("L", (size, size)), Image.new("L", (size, size), 128)
    pens = ImageDraw.Draw(cover), ImageDraw.Draw(ink)
    level = 255 if rng.random() < 0.55 else 0
    kind = rng.choice(["text", "bar", "arrow", "box", "grid", "line"], p=[0.42, 0.26, 0.08, 0.06, 0.12, 0.06])
    if kind == "grid":  # the bar of a support grid, or the edge of a data bar or panel: one even side of the crop
        angle, offset = rng.choice([0, 90, 180, 270, rng.uniform(0, 360)], p=[0.15, 0.15, 0.15, 0.15, 0.4]), rng.uniform(0.1, 0.45)
        y, x = np.mgrid[:size, :size] / size - 0.5
        turn = np.deg2rad(angle)
        side = np.cos(turn) * x + np.sin(turn) * y > offset
        soft = (
            np.asarray(Image.fromarray((side * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 2))), np.float32) / 255
        )
        value = float(rng.choice([-1, -1, 1]) * rng.uniform(0.6, 1.0))
        return soft, np.full((size, size), value, np.float32), True
    if kind == "text":
        words, height = _words(rng), int(np.exp(rng.uniform(np.log(8), np.log(90))))
        left, top, right, bottom = _font(height).getbbox(words, anchor="lt")
        at = tuple(float(rng.uniform(*sorted((-0.2 * extent, size - 0.8 * extent)))) for extent in (right - left, height))
        if rng.random() < 0.3:  # on a plate
            for pen, fill in zip(pens, (255, 255 - level), strict=True):
                pen.rectangle((at[0] - 3, at[1] - 3, at[0] + right + 3, at[1] + bottom + 3), fill=fill)
        elif rng.random() < 0.2:  # outlined
            for pen, fill in zip(pens, (255, 255 - level), strict=True):
                pen.text(at, words, fill=fill, font=_font(height), anchor="lt", stroke_width=max(1, height // 14), stroke_fill=fill)
        for pen, fill in zip(pens, (255, level), strict=True):
            pen.text(at, words, fill=fill, font=_font(height), anchor="lt", stroke_width=int(rng.integers(0, 1 + max(1, height // 18))))
    elif kind == "bar":
        length, thick = rng.uniform(0.08, 0.8) * size, np.exp(rng.uniform(np.log(1.5), np.log(14)))
        left, top = rng.uniform(-0.3 * length, size - 0.7 * length), rng.uniform(0, size)
        if rng.random() < 0.15:
            for pen, fill in zip(pens, (255, 255 - level), strict=True):
                pen.rectangle((left - 6, top - 24, left + length + 6, top + thick + 6), fill=fill)
        for pen, fill in zip(pens, (255, level), strict=True):
            pen.rectangle((left, top, left + length, top + thick), fill=fill)
        if rng.random() < 0.7:
            height = int(np.clip(rng.uniform(1.2, 5) * thick, 9, 40))
            for pen, fill in zip(pens, (255, level), strict=True):
                pen.text((left + length / 2, top - 3), _words(rng), fill=fill, font=_font(height), anchor="mb")
    elif kind == "box":  # a frame drawn round a detail
        corner, extent = rng.uniform(0, 0.7 * size, 2), rng.uniform(0.15, 0.6, 2) * size
        for pen, fill in zip(pens, (255, level), strict=True):
            pen.rectangle((*corner, *(corner + extent)), outline=fill, width=int(rng.integers(1, 5)))
    else:
        ends = rng.uniform(0, size, (2, 2))
        width = int(rng.integers(1, 6))
        for pen, fill in zip(pens, (255, level), strict=True):
            pen.line((*ends[0], *ends[1]), fill=fill, width=width)
            if kind == "arrow":
                away = (ends[1] - ends[0]) / max(1.0, float(np.hypot(*(ends[1] - ends[0]))))
                across, length = np.array([-away[1], away[0]]), rng.uniform(3, 6) * width + 3
                tip = [ends[1], ends[1] - length * away + 0.5 * length * across, ends[1] - length * away - 0.5 * length * across]
                pen.polygon([tuple(point) for point in tip], fill=fill)
    softness = rng.uniform(0, 1.2) if rng.random() < 0.6 else 0.0
    covered = np.asarray(cover.filter(ImageFilter.GaussianBlur(softness)), np.float32) / 255
    return covered, (np.asarray(ink, np.float32) - 127.5) / 127.5, False


def burn_marks(
    image: torch.Tensor, exact: torch.Tensor, distance: torch.Tensor, rng: np.random.Generator, share: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A `share` of crops with one to three marks burnt in; all tensors are float32 (1, size, size).

    Returned: image, foreground, distance map, and 1 where they teach. A grid bar hides what lies beneath it; ink over a particle teaches
    nothing: people draw outlines through a letter.
    """
    seen = torch.ones_like(exact)
    if rng.random() >= share:
        return image, exact, distance, seen
    pixels = image[0].numpy()
    middle, reach = float(np.median(pixels)), float(np.percentile(np.abs(pixels - np.median(pixels)), 99)) + 0.3
    image, exact, distance = image.clone(), exact.clone(), distance.clone()
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        cover, ink, hides = mark(image.shape[-1], rng)
        strength = rng.uniform(0.8, 1.6) * reach
        image[0] = image[0] * torch.from_numpy(1 - cover) + torch.from_numpy(cover * (middle + strength * ink))
        covered = torch.from_numpy(cover > 0.2)[None]
        if hides:
            exact[covered], distance[covered] = 0, 0
        else:
            seen[covered & (exact > 0)] = 0
    return image, exact, distance, seen
