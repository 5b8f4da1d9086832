"""Train the network that reads the value beside a scale bar, on digits and units drawn in fonts; no micrograph is needed.

    python pretraining/train_bar_labels.py [FOLDER WITH MORE FONTS...]

Fonts: those of matplotlib (DejaVu, STIX, Computer Modern) and what further folders hold; the shipped weights were trained on these and on
the Liberation fonts (SIL Open Font License). Writes src/napari_temseg/models/bar_labels.npz, some 120 kB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from sklearn.neural_network import MLPClassifier

from napari_temseg.engine.burntin.bar_value import DIGIT_FRAME, DIGITS, UNIT_FRAME, WRITTEN_UNITS, framed

TARGET = Path(__file__).parents[1] / "src" / "napari_temseg" / "models" / "bar_labels.npz"
NAMED = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
)
OTHERS = [*"ABCDEFGHKLMNPRSTUVWXYZabcdefghkmnprstuvwxyz", "/", "-", "+", "(", "%", ":"]
NO_UNIT = [
    "kV",
    "kx",
    "KX",
    "mA",
    "SE",
    "WD",
    "pA",
    "k",
    "x",
    "n",
    "m",
    "mag",
    "mode",
    "HV",
    "det",
    "rn",
    "nA",
    "0",
    "00",
    "0 nm",
    "0 µm",
    "s",
    "min",
    "eV",
]
SPELT = {"nm": ["nm", "n m", "nm"], "µm": ["µm", "um", "μm", "µ m"], "mm": ["mm"]}
EACH = 1800


def fonts() -> list[Path]:
    """Files of fonts."""
    found = [Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf" for name in NAMED]
    for folder in sys.argv[1:]:
        found += [path for path in Path(folder).rglob("*.ttf") if "Mono-" not in path.name or "Italic" not in path.name]
    return found


def drawn(text: str, path: Path, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
    """Ink of a text at a random size, with top and bottom of its digits."""
    size = 120
    font = ImageFont.truetype(str(path), size)
    _, top, _, bottom = font.getbbox("0", anchor="ls")
    canvas = Image.new("L", (120 * (len(text) + 2), 320))
    ImageDraw.Draw(canvas).text((60, 200), text, fill=255, font=font, anchor="ls")
    ink = np.asarray(canvas, np.float32) / 255
    if rng.random() < 0.3:
        ink = (
            ndimage.grey_dilation(ink, int(rng.integers(2, 7)))
            if rng.random() < 0.5
            else ndimage.grey_erosion(ink, int(rng.integers(2, 5)))
        )
    height = float(np.exp(rng.uniform(np.log(6), np.log(40))))
    scale = height / (bottom - top)
    small = ndimage.zoom(ndimage.gaussian_filter(ink, 0.4 / scale), scale * np.array([1, rng.uniform(0.85, 1.2)]), order=1)
    small = ndimage.gaussian_filter(small, rng.uniform(0, 0.06 * height))
    small = np.clip(small * rng.uniform(0.9, 1.4) + rng.normal(0, rng.uniform(0, 0.12), small.shape), 0, 1)
    jitter = rng.uniform(-0.05, 0.05, 2) * height
    return small.astype(np.float32), round((200 + top) * scale + jitter[0]), round((200 + bottom) * scale + jitter[1])


def patch(text: str, path: Path, frame: tuple[int, int], rng: np.random.Generator) -> np.ndarray | None:
    """A text as the network sees it; None where too little of it is to be seen."""
    ink, top, bottom = drawn(text, path, rng)
    seen = np.flatnonzero((ink[max(0, top) : bottom + 2] > 0.5).any(0))
    if len(seen) < 2 or bottom - top < 4:
        return None
    left = max(0, int(seen[0]) + int(rng.integers(-1, 1)))
    right = min(ink.shape[1], int(seen[-1]) + 1 + int(rng.integers(0, 2)))
    return framed(ink, top, bottom, left, right, frame)


def examples(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Patches, and the number of what each shows."""
    names, frame = (DIGITS, DIGIT_FRAME) if kind == "digit" else (WRITTEN_UNITS, UNIT_FRAME)
    patches, targets = [], []
    every = fonts()
    for number, name in enumerate(names):
        texts = [name] if kind == "digit" else SPELT.get(name, [])
        if name == "x":
            texts = OTHERS if kind == "digit" else NO_UNIT
        for _ in range(EACH * (3 if name == "x" else 1)):
            one = patch(texts[rng.integers(len(texts))], every[rng.integers(len(every))], frame, rng)
            if one is not None:
                patches.append(one)
                targets.append(number)
        if name == "x":  # what is no letter at all: spots, lines, pieces
            for _ in range(EACH):
                blob = ndimage.gaussian_filter(rng.normal(size=(30, 40)), rng.uniform(0.7, 5))
                blob = np.clip((blob - np.quantile(blob, rng.uniform(0.3, 0.8))) / (blob.std() + 1e-6) + 0.5, 0, 1).astype(np.float32)
                patches.append(framed(blob, 2, int(rng.integers(12, 27)), 1, int(rng.integers(6, 39)), frame))
                targets.append(number)
    return np.stack(patches), np.array(targets)


def main() -> None:
    """Train both networks and write them."""
    rng, weights = np.random.default_rng(0), {}
    for kind in ("digit", "unit"):
        values, targets = examples(kind, rng)
        held = rng.random(len(targets)) < 0.1
        network = MLPClassifier((64,), alpha=1e-3, max_iter=25, random_state=0).fit(values[~held], targets[~held])
        print(kind, len(targets), "held out", round(network.score(values[held], targets[held]), 4), flush=True)
        for index, array in enumerate([network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1]]):
            weights[f"{kind}{index}"] = array.astype(np.float16)
    np.savez_compressed(TARGET, **weights)
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
