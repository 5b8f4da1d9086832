"""Draws the pictures of the documentation: `python docs/pictures.py`. Simulated micrographs only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

import napari_temseg as temseg

FOLDER = Path(__file__).parent
ORANGE = np.array([230, 159, 0])  # Okabe–Ito


def overview() -> Figure:
    """A micrograph, its particles, their distribution."""
    drawn = temseg.simulate(
        temseg.SimulateConfig(
            height=400, width=400, count=70, diameter=34, spread=1.3, touching=0.5, shapes=("sphere", "ellipsoid"), seed=3
        )
    )
    particles = temseg.split(temseg.predict("particles", drawn.micrograph))
    sizes = temseg.size_distribution([temseg.measure(particles)])
    grey = np.repeat(drawn.micrograph.plane()[..., None], 3, axis=2)
    outlined = grey.copy()
    outlined[find_boundaries(particles.labels, mode="thick")] = ORANGE
    figure = Figure(figsize=(12, 4.1), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    titles = ("micrograph (simulated)", f"{len(particles)} particles found, {len(drawn.table)} drawn")
    for panel, picture, title in zip(axes[:2], (grey, outlined), titles, strict=True):
        panel.imshow(picture)
        panel.set_title(title, fontsize=11)
        panel.set_axis_off()
    sizes.plot(ax=axes[2])
    return figure


if __name__ == "__main__":
    overview().savefig(FOLDER / "overview.png", dpi=100)
