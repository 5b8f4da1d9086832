"""A part of a micrograph with its particles as a figure for print: outlines as lines, and a scale bar."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage
from skimage.measure import find_contours

from napari_temseg.engine.burntin.free_corner import least_hidden, sharp_edges
from napari_temseg.engine.types.units import length_words

_COLUMN = 3.35  # inches: a column of a journal
_FOUND, _EXCLUDED = "#F0E442", "#909090"
_BAR = 0.2  # of the width, about what the scale bar takes
_EDGES, _PARTICLES = 0.1, 0.01  # what hiding letters and particles weighs beside hiding what is left out


def view_figure(
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.integer[Any]] | None,
    limits: tuple[float, float],
    pixel: tuple[float, float] | None,
    excluded: Collection[int] = (),
    left_out: npt.NDArray[np.bool_] | None = None,
) -> Figure:
    """Grey values (Y, X) between two limits, outlines of `labels` (Y, X), grey where `excluded`; `pixel` is its size (y, x) in nm.

    The scale bar keeps off what is `left_out` (Y, X), where a bar and letters of the microscope's own may be, off letters and particles.
    """
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
        taken = np.zeros((height, width), bool) if left_out is None else left_out
        found = None if labels is None else labels > 0
        _scale_bar(axes, taken, ((_EDGES, sharp_edges(image)), (_PARTICLES, found)), pixel[1], figure.get_figheight())
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


def _scale_bar(
    axes: Any, taken: npt.NDArray[np.bool_], content: Sequence[tuple[float, npt.NDArray[Any] | None]], nm: float, inches: float
) -> None:
    """A bar in the corner of a picture `inches` high that hides least of what is `taken` (Y, X) and of its other `content`; the lower
    right one, where that is free."""
    height, width = taken.shape
    length = nice_length(_BAR * width * nm)
    text = length_words(length)
    y, x = height / inches / 72, width / _COLUMN / 72  # px a point: the letters have a size in points
    wide, tall, gap = length / nm + 6 * x, 15 * y, 2 * min(y, x)
    counted = np.flatnonzero(~taken.all(axis=1))  # above and below a data bar
    first, last = (counted[0], counted[-1] + 1) if len(counted) else (0, height)
    corners = [(top, left) for top in (last - gap - tall, first + gap) for left in (width - gap - wide, gap)]
    shares = [(top / height, left / width, (top + tall) / height, (left + wide) / width) for top, left in corners]
    top, left = corners[least_hidden(shares, (1.0, taken), *content)]
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), wide, tall, color="black", alpha=0.7, lw=0))
    axes.add_patch(Rectangle((left - 0.5 + 3 * x, top - 0.5 + 11 * y), length / nm, 2 * y, color="white", lw=0))
    axes.text(left - 0.5 + wide / 2, top - 0.5 + 9.5 * y, text, color="white", ha="center", va="baseline", fontsize=7)
