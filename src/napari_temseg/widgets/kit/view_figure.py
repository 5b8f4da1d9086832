"""A part of a micrograph with its particles as a figure for print: outlines as lines, and a scale bar."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage
from skimage.measure import find_contours

_COLUMN = 3.35  # inches: a column of a journal
_FOUND, _EXCLUDED = "#F0E442", "#909090"
_BAR = 0.2  # of the width, about what the scale bar takes


def view_figure(
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.integer[Any]] | None,
    limits: tuple[float, float],
    pixel: tuple[float, float] | None,
    excluded: Collection[int] = (),
) -> Figure:
    """Grey values (Y, X) between two limits, outlines of `labels` (Y, X), grey where `excluded`; `pixel` is its size (y, x) in nm."""
    height, width = image.shape
    tall = 1.0 if pixel is None else pixel[0] / pixel[1]
    figure = Figure(figsize=(_COLUMN, _COLUMN * height * tall / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="auto")
    if labels is not None:
        out = set(excluded)
        lines = _outlines(labels)
        colours = [_EXCLUDED if number in out else _FOUND for number, _ in lines]
        axes.add_collection(LineCollection([points for _, points in lines], colors=colours, linewidths=0.6))
    if pixel is not None:
        _scale_bar(axes, (height, width), pixel[1])
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    return figure


def _outlines(labels: npt.NDArray[np.integer[Any]]) -> list[tuple[int, npt.NDArray[np.float64]]]:
    """Label and outline (n, 2), (x, y) in px, of every piece."""
    found = []
    for index, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            inside = np.pad(labels[box] == index + 1, 1).astype(np.float32)
            origin = np.array([box[1].start - 1, box[0].start - 1], float)
            found += [(index + 1, line[:, ::-1] + origin) for line in find_contours(inside, 0.5)]
    return found


def nice_length(length: float) -> float:
    """The largest of 1, 2 and 5 × 10ⁿ that is not longer."""
    decade = 10.0 ** np.floor(np.log10(length))
    return float(decade * max(step for step in (1, 2, 5) if step * decade <= length * (1 + 1e-9)))


def _scale_bar(axes: Any, frame: tuple[int, int], nm: float) -> None:
    height, width = frame
    length = nice_length(_BAR * width * nm)
    long, thick, edge = length / nm, height / 90, height / 40
    left, top = width - edge - long, height - edge - thick
    text = f"{length:g} nm" if length < 1000 else f"{length / 1000:g} µm"
    tall = 2.75 * edge + thick
    axes.add_patch(Rectangle((left - edge / 2, top - 2.25 * edge), long + edge, tall, color="black", alpha=0.6, lw=0))
    axes.add_patch(Rectangle((left, top), long, thick, color="white", lw=0))
    axes.text(left + long / 2, top - edge / 4, text, color="white", ha="center", va="bottom", fontsize=7)
