"""Lines of text as they stand beside scale bars, drawn in fonts over grounds of many kinds: what the reader of bars is trained on."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from napari_temseg.engine.burntin.label_network import DIGIT_ROWS, LETTERS, ROWS

COLUMNS = 144  # of a line
_DIGITS_TOP = (ROWS - DIGIT_ROWS) // 2
_OF_MATPLOTLIB = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
)
_NUMBERS = [
    "1",
    "2",
    "3",
    "4",
    "5",
    "10",
    "20",
    "25",
    "30",
    "40",
    "50",
    "60",
    "100",
    "200",
    "250",
    "300",
    "400",
    "500",
    "1000",
    "0.1",
    "0.2",
    "0.25",
    "0.5",
    "1.0",
    "2.0",
    "3.0",
    "5.0",
    "10.0",
    "50.0",
    "100.0",
    "500.0",
    "1.5",
    "2.5",
]
_UNITS = ("nm", "nm", "nm", "µm", "µm", "μm", "um", "mm")
_WORDS = [
    "SE",
    "SEI",
    "HV",
    "WD",
    "mag",
    "det",
    "HFW",
    "EHT",
    "mode",
    "BSE",
    "TLD",
    "Mag",
    "kV",
    "kx",
    "KX",
    "pA",
    "spot",
    "curr",
    "tilt",
    "Direct",
    "Print",
    "ETD",
    "Acc.V",
    "Date",
    "TEM",
    "STEM",
    "HAADF",
    "min",
    "s",
    "x",
]
_OTHER_LETTERS = "ABCDEFGHKLMNPRTUVWXYZabcdefghknmpstuvwxyz"
_OTHER_SIGNS = "/-+(%:="


class Line(NamedTuple):
    """A drawn line, uint8 (ROWS, COLUMNS), and what its letters are, as numbers of `LETTERS`; none where no text stands at its height."""

    pixels: npt.NDArray[np.uint8]
    letters: list[int]


def font_files(folders: list[str]) -> list[str]:
    """Fonts of matplotlib and of further folders that have digits and µ; hairlines and ornaments are left out."""
    found = [str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf") for name in _OF_MATPLOTLIB]
    for folder in folders:
        found += [str(path) for path in sorted(Path(folder).rglob("*")) if path.suffix in (".ttf", ".otf")]
    return [path for path in found if not any(word in path for word in ("Hairline", "Thin", "chorus", "Chorus"))]


@cache
def _digit_share(path: str) -> float:
    """Height of a digit of a font, over its size."""
    _, top, _, bottom = ImageFont.truetype(path, 1000).getbbox("0", anchor="ls")
    return (bottom - top) / 1000


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def targets(text: str) -> list[int]:
    """What the network is to say of a text: comma as point, both µ and u as µ, any other letter as one."""
    same = text.replace("μ", "µ").replace("u", "µ").replace(",", ".").replace(" ", "")
    return [1 + (LETTERS.index(letter) if letter in LETTERS else LETTERS.index("*")) for letter in same]


def _value(rng: np.random.Generator) -> str:
    if rng.random() < 0.75:
        number = _NUMBERS[rng.integers(len(_NUMBERS))]
    else:
        number = f"{rng.integers(1, 1000)}" if rng.random() < 0.6 else f"{rng.uniform(0, 100):.{rng.integers(1, 3)}f}"
    if rng.random() < 0.05:
        number = number.replace(".", ",")
    gap = ("", " ", " ", "  ")[rng.integers(4)]
    return number + gap + _UNITS[rng.integers(len(_UNITS))]


def _word(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.35:
        return _WORDS[rng.integers(len(_WORDS))]
    if kind < 0.5:
        return (
            f"{rng.integers(1, 400)}{('.0', '.5', ',000', '')[rng.integers(4)]}{('kV', 'x', 'kx', ' KX', 'pA', '°', 'K')[rng.integers(7)]}"
        )
    if kind < 0.6:
        return (
            ("X", "x", "x ", "WD ", "WD=", "")[rng.integers(6)]
            + f"{rng.integers(1, 90)}.{rng.integers(0, 10)}"
            + ("", " mm", "mm")[rng.integers(3)]
        )
    letters = _OTHER_LETTERS if rng.random() < 0.9 else _OTHER_SIGNS
    return "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(1, 7)))


def _text(rng: np.random.Generator) -> list[str]:
    """Words of a line, from left to right."""
    if rng.random() < 0.15:
        return [_word(rng) for _ in range(rng.integers(1, 4))]
    before, after = (_word(rng) if rng.random() < 0.2 else "" for _ in range(2))
    return [word for word in (before, _value(rng), after) if word]


def _ground(shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """What the text stands on: paper, cloudy noise, grain, round and straight things."""
    tall, wide = shape
    ground = np.full(shape, rng.choice([0.0, 255.0, rng.uniform(0, 255)]), np.float32)
    if rng.random() < 0.3:
        return ground
    for _ in range(rng.integers(1, 4)):
        grain = float(np.exp(rng.uniform(0, np.log(max(tall, 4)))))
        small = (max(2, int(tall / grain)), max(2, int(wide / grain)))
        cloud = Image.fromarray(rng.normal(0, rng.uniform(2, 45), small).astype(np.float32)).resize((wide, tall), Image.Resampling.BICUBIC)
        ground += np.asarray(cloud)
    if rng.random() < 0.4:
        picture = Image.fromarray(ground)
        draw = ImageDraw.Draw(picture)
        for _ in range(rng.integers(1, 7)):
            r = rng.uniform(0.05, 1.5) * tall
            x, y = rng.uniform(0, wide), rng.uniform(-0.3, 1.3) * tall
            level, rim = rng.uniform(0, 255, 2)
            flat = rng.uniform(0.4, 1.6)
            draw.ellipse(
                (x - r, y - r * flat, x + r, y + r * flat),
                fill=level,
                outline=rim if rng.random() < 0.5 else level,
                width=int(rng.integers(1, 4)),
            )
        ground = np.asarray(picture, np.float32).copy()
    if rng.random() < 0.6:
        ground += rng.normal(0, rng.uniform(1, 30), shape).astype(np.float32)
    return np.clip(ground, 0, 255)


class _Style(NamedTuple):
    font: str
    micro: str  # the font of µ, which programs take from elsewhere
    height: float  # of a digit, px of the picture
    fine: float  # how much finer the text is drawn than the picture
    wide: float
    heavier: int
    aliased: bool


def _style(fonts: list[str], height: float, rng: np.random.Generator) -> _Style:
    font = fonts[rng.integers(len(fonts))]
    if rng.random() < 0.12:  # the screen fonts of cameras' programs: each letter as wide, no grey at the edges, set apart
        fixed = [path for path in fonts if any(word in path for word in ("Mono", "Cousine", "cursor"))]
        font = fixed[rng.integers(len(fixed))]
        return _Style(font, font, height, 1.0, rng.uniform(0.9, 1.3), 0, True)
    micro = fonts[rng.integers(len(fonts))] if rng.random() < 0.25 else font
    fine = 1.0 if rng.random() < 0.5 else rng.uniform(1.2, 4)
    heavier = int(rng.integers(1, 3)) if rng.random() < 0.1 and height * fine > 12 else 0
    wide = rng.uniform(0.85, 1.2) if rng.random() < 0.4 else 1.0
    return _Style(font, micro, height, fine, wide, heavier, fine == 1.0 and rng.random() < 0.25)


def _drawn(words: list[str], style: _Style, rng: np.random.Generator) -> Image.Image:
    """A mask of words, its line of writing two digits' heights below its top."""
    h = style.height * style.fine
    canvas = Image.new("L", (int(h * (1.3 * sum(map(len, words)) + 4 * len(words) + 4)), int(h * 3.2)))
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "1" if style.aliased else "L"
    x, spread = 0.0, rng.uniform(0, 0.12) * h if rng.random() < 0.2 else 0.0
    for number, word in enumerate(words):
        x += rng.uniform(1.2, 3.5) * h if number else 0
        runs = [word] if style.micro == style.font and not spread else list(word)
        for run in runs:
            path = style.micro if run in "µμ" else style.font
            font = _font(path, max(4, round(h / _digit_share(path))))
            draw.text((x, 2 * h), run, fill=255, font=font, anchor="ls", stroke_width=style.heavier)
            x += font.getlength(run) + spread
    canvas = canvas.crop((0, 0, max(2, int(x + 0.3 * h)), canvas.height))
    size = (max(2, round(canvas.width / style.fine * style.wide)), max(2, round(canvas.height / style.fine)))
    return canvas if size == canvas.size else canvas.resize(size, Image.Resampling(int(rng.choice([2, 3, 4]))))


def _over(
    picture: npt.NDArray[np.float32], mask: Image.Image, at: tuple[int, int], level: float, halo: float | None, shift: tuple[int, int]
) -> None:
    """Write a mask into a picture, in place: its halo first."""
    layers = [] if halo is None else [(mask.filter(ImageFilter.MaxFilter(3)), halo, shift)]
    for layer, grey, (dy, dx) in [*layers, (mask, level, (0, 0))]:
        y, x = at[0] + dy, at[1] + dx
        ink = np.asarray(layer, np.float32) / 255
        top, left = max(0, -y), max(0, -x)
        part = picture[max(0, y) : max(0, y + ink.shape[0]), max(0, x) : max(0, x + ink.shape[1])]
        ink = ink[top : top + part.shape[0], left : left + part.shape[1]]
        part *= 1 - ink
        part += ink * grey


def _spoilt(picture: npt.NDArray[np.float32], h: float, rng: np.random.Generator) -> Image.Image:
    """Blur, noise, sharpening and JPEG, as between the microscope and the page."""
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.09 * h + 0.2)))
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.8, 3), int(rng.integers(50, 250)), 0))
    if rng.random() < 0.3:
        noisy = np.asarray(image, np.float32) + rng.normal(0, rng.uniform(1, 18), picture.shape)
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(25, 96)))
        image = Image.open(stream).convert("L")
    return image


def line(fonts: list[str], rng: np.random.Generator) -> Line:
    """One line: most at the height and size that are read, the others (nothing to be read) beside them, too large, too small, or empty."""
    h = float(np.exp(rng.uniform(np.log(5.5), np.log(10 if rng.random() < 0.3 else 36))))
    kind = rng.random()
    shown = DIGIT_ROWS * rng.uniform(0.82, 1.2)
    if kind > 0.95:
        shown = DIGIT_ROWS * (rng.uniform(0.3, 0.6) if rng.random() < 0.5 else rng.uniform(1.7, 3))
    zoom = shown / h
    tall, wide = max(4, round(ROWS / zoom)), max(8, round(COLUMNS / zoom))
    picture = _ground((tall, wide), rng)
    words, style = _text(rng), _style(fonts, h, rng)
    mask = _drawn(words, style, rng)
    while mask.width > wide and len(words) > 1:
        words = words[1:] if rng.random() < 0.5 else words[:-1]
        mask = _drawn(words, style, rng)
    fits = mask.width <= wide and kind < 0.9
    baseline = (_DIGITS_TOP + DIGIT_ROWS + rng.uniform(-2.7, 2.7)) / zoom + (h - DIGIT_ROWS / zoom) / 2
    if 0.9 <= kind <= 0.95:
        baseline += rng.choice([-1, 1]) * rng.uniform(7, 16) / zoom
    at = (round(baseline - 2 * h), int(rng.integers(0, max(1, wide - mask.width + 1))))
    mean = float(picture[max(0, round(baseline - h)) : max(1, round(baseline)), at[1] : at[1] + mask.width].mean())
    level = float(rng.choice([0.0, 255.0])) if rng.random() < 0.75 else rng.uniform(0, 255)
    if abs(level - mean) < rng.uniform(25, 110):
        level = 0.0 if mean > 127 else 255.0
    if rng.random() < 0.12:  # the box of a label
        margin = rng.uniform(0.2, 1.2, 4) * h
        box = [baseline - h - margin[0], baseline + margin[1], at[1] - margin[2], at[1] + mask.width + margin[3]]
        rows, columns = slice(max(0, round(box[0])), max(0, round(box[1]))), slice(max(0, round(box[2])), max(0, round(box[3])))
        picture[rows, columns] = 255 - level
    outlined = rng.random() < (0.6 if style.aliased else 0.12)
    shift = (int(rng.integers(0, 2)), int(rng.integers(0, 2))) if rng.random() < 0.4 else (0, 0)
    _beside(picture, baseline, at[1], mask.width, style, level, rng)
    _over(picture, mask, at, level, 255.0 - level if outlined else None, shift)
    image = _spoilt(picture, h, rng).resize((COLUMNS, ROWS), Image.Resampling(int(rng.choice([2, 3]))))
    return Line(np.asarray(image), targets("".join(words)) if fits else [])


def _beside(
    picture: npt.NDArray[np.float32], baseline: float, left: int, width: int, style: _Style, level: float, rng: np.random.Generator
) -> None:
    """The bar, rules and other lines of text around, in place."""
    h, (tall, wide) = style.height, picture.shape
    if rng.random() < 0.5:  # a bar below or above
        thick = max(1, rng.uniform(0.1, 1) * h)
        top = baseline + rng.uniform(0.12, 0.9) * h if rng.random() < 0.6 else baseline - h - rng.uniform(0.12, 0.7) * h - thick
        x = left + rng.uniform(-2, 2) * h
        picture[max(0, round(top)) : max(0, round(top + thick)), max(0, round(x)) : max(0, round(x + rng.uniform(3, 12) * h))] = level
    elif rng.random() < 0.4:  # a bar that is broken by its text
        thick, middle = max(1, round(0.15 * h * rng.uniform(0.5, 1.5))), round(baseline - h * rng.uniform(0.35, 0.65))
        gap = rng.uniform(0.2, 0.9) * h
        rows = slice(max(0, middle), max(0, middle + thick))
        picture[rows, : max(0, round(left - gap))] = level
        picture[rows, min(wide, round(left + width + gap)) :] = level
    for side in (-1, 1):
        if rng.random() < 0.15:
            other = _drawn([_value(rng) if rng.random() < 0.3 else _word(rng) for _ in range(rng.integers(1, 4))], style, rng)
            y = baseline + side * rng.uniform(1.45, 2.2) * h - 2 * h
            _over(picture, other, (round(y), int(rng.integers(-other.width // 3, max(1, wide)))), level, None, (0, 0))
        if rng.random() < 0.06:
            picture[min(tall - 1, max(0, round(baseline - h / 2 + side * rng.uniform(0.8, 1.5) * h)))] = level
