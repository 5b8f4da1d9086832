"""Ellipses and rectangles at random places as maps of what they cover, and what measuring makes of such a map."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_temseg import Micrograph, Prediction, SplitConfig, measure, split

FINE = 8  # sub-pixels of a side


def coverage(length: float, width: float, angle: float, place: tuple[float, float], *, round_: bool = True) -> np.ndarray:
    """Share of each pixel that an ellipse or a rectangle covers."""
    n = int(1.5 * length) + 16
    grid = (np.arange(n * FINE) + 0.5) / FINE - 0.5 - (n - 1) / 2
    y, x = grid[:, None] - place[0], grid[None] - place[1]
    u, v = (x * np.cos(angle) + y * np.sin(angle)) / (length / 2), (y * np.cos(angle) - x * np.sin(angle)) / (width / 2)
    inside = u**2 + v**2 <= 1 if round_ else (abs(u) <= 1) & (abs(v) <= 1)
    return inside.reshape(n, FINE, n, FINE).mean(axis=(1, 3))


def measured(foreground: np.ndarray) -> pd.DataFrame:
    """The table of what splitting makes of a map."""
    probability = np.stack([1 - foreground, foreground]).astype(np.float16)
    image = Micrograph(np.zeros(foreground.shape, np.uint8))
    found = Prediction(probability, (1, 2), {1: "background", 2: "particle"}, (foreground >= 0.5).astype(np.uint8) + 1, image)
    return measure(split(found, SplitConfig(strength=0.0, certainty=0.0))).table


def places(n: int = 8) -> list[tuple[float, tuple[float, float]]]:
    rng = np.random.default_rng(5)
    return [(rng.uniform(0, np.pi), (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))) for _ in range(n)]
