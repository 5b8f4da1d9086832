"""Pictures of simulated cases that the shipped particle model gets wrong, for its card: docs/failures.png.

    python docs/failures.py

Green: the truth; red: particles found. Nothing is picked by eye: the cases are described, the seed is 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

import napari_temseg as temseg
from napari_temseg.engine.types.config import SimulateConfig

SIDE, ZOOM, CAPTION = 256, 2, 22
CASES: tuple[tuple[str, dict[str, object]], ...] = (
    ("6 px, half touching, 20 e/px", {"diameter": 6.0, "count": 400, "touching": 0.5, "dose": 20.0, "support": 0.05}),
    ("20 px, half touching, 20 e/px", {"diameter": 20.0, "count": 38, "touching": 0.5, "dose": 20.0, "support": 0.05}),
    ("40 px, a third over others, 200 e/px", {"diameter": 40.0, "count": 24, "overlapping": 0.35, "dose": 200.0}),
    ("40 px, contrast 0.08, 40 e/px", {"diameter": 40.0, "count": 10, "contrast": 0.08, "dose": 40.0}),
    ("rods, half over others", {"diameter": 40.0, "count": 30, "shapes": ("rod",), "overlapping": 0.5, "dose": 200.0}),
    (
        "letter, scale bar, data bar; 8 px, 100 e/px",
        {"diameter": 8.0, "count": 120, "panel_letter": True, "scale_bar": True, "data_bar": True, "dose": 100.0},
    ),
)


def panel(title: str, config: SimulateConfig) -> Image.Image:
    """One case, twice as large, with its caption and its counts."""
    drawn = temseg.simulate(config)
    parts = temseg.split(temseg.predict("particles", drawn.micrograph))
    score = temseg.evaluate(parts, drawn.instances)
    grey = np.kron(drawn.micrograph.plane(), np.ones((ZOOM, ZOOM), np.uint8))
    picture = np.stack([grey] * 3, axis=-1)
    for labels, colour in ((drawn.instances, (60, 220, 90)), (parts.labels, (255, 60, 60))):
        picture[find_boundaries(np.kron(labels, np.ones((ZOOM, ZOOM), np.int32)), mode="inner")] = colour
    whole = Image.new("RGB", (SIDE * ZOOM, SIDE * ZOOM + CAPTION), "white")
    whole.paste(Image.fromarray(picture), (0, CAPTION))
    text = f"{title}: {len(parts)} found of {int(drawn.instances.max())}, AP50 {score.ap50:.2f}"
    ImageDraw.Draw(whole).text((4, 3), text, fill="black", font=ImageFont.load_default(14))
    return whole


def main() -> None:
    """Draw the six panels in two rows."""
    panels = [panel(title, SimulateConfig(height=SIDE, width=SIDE, seed=0, **settings)) for title, settings in CASES]  # type: ignore[arg-type]
    width, height = panels[0].size
    sheet = Image.new("RGB", (3 * width + 16, 2 * height + 8), "white")
    for index, each in enumerate(panels):
        sheet.paste(each, (index % 3 * (width + 8), index // 3 * (height + 8)))
    sheet.quantize(64).save(Path(__file__).with_name("failures.png"), optimize=True)


if __name__ == "__main__":
    main()
