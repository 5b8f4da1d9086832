"""The columns that a particle's pixels alone give: sizes, shape, moments, bounding box; keys are names without units."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS, MASK, SMALL_DIAMETER
from napari_temseg.engine.measure.shape.contour import Crossings, contour_lengths
from napari_temseg.engine.measure.shape.geometry import Foreground, convex_hulls, crofton_perimeter, hull_lengths
from napari_temseg.engine.measure.shape.inscribed import inscribed_diameters, mask_crossings


def sizes(pixels: Foreground, scale: tuple[float, float]) -> dict[str, npt.NDArray[Any]]:
    """Area, diameters, perimeter and the ratios of them, lengths in the unit of `scale` (y, x); and "diameter_px"."""
    count = pixels.total()
    hulls = convex_hulls(pixels)
    lengths = hull_lengths(hulls, scale)
    hull_perimeter = lengths.pop("hull_perimeter")
    perimeter = crofton_perimeter(pixels, scale)
    measured = {"area": count * (scale[0] * scale[1]), **lengths, "perimeter": perimeter}
    return {
        **measured,
        **ratios(measured, np.sqrt(scale[0] * scale[1])),
        "solidity": count / hulls.pixels,
        "convexity": np.minimum(hull_perimeter / perimeter, 1.0),
    }


def between_pixels(
    columns: dict[str, npt.NDArray[Any]], pixels: Foreground, background: npt.NDArray[Any] | None, level: float, scale: tuple[float, float]
) -> dict[str, npt.NDArray[Any]]:
    """The columns of `sizes` with lengths from the contour of the probability where a particle has one, the "estimator" of each, and
    "inscribed_diameter" inside the same outline.

    `background` and `level` are as in `contour_lengths`; without a map everything comes from the mask.
    """
    everything = np.ones(len(pixels), bool)
    if background is None or not len(pixels):
        return (
            columns | {"estimator": np.full(len(pixels), MASK)} | _inscribed(columns, pixels, [mask_crossings(pixels, everything)], scale)
        )
    suits, lengths, contour = contour_lengths(pixels, background, level, scale)
    outlines = [contour, mask_crossings(pixels, ~suits)]
    measured = {name: columns[name].copy() for name in ("area", *lengths) if name in columns}
    for name in measured.keys() & lengths.keys():
        measured[name][suits] = lengths[name]
    convexity = columns["convexity"].copy()
    convexity[suits] = np.minimum(lengths["hull_perimeter"] / lengths["perimeter"], 1.0)
    estimator = np.where(suits, BETWEEN_PIXELS, MASK)
    columns = columns | measured | ratios(measured, np.sqrt(scale[0] * scale[1])) | {"convexity": convexity, "estimator": estimator}
    return columns | _inscribed(columns, pixels, outlines, scale)


def _inscribed(
    columns: dict[str, npt.NDArray[Any]], pixels: Foreground, outlines: list[Crossings], scale: tuple[float, float]
) -> dict[str, npt.NDArray[Any]]:
    outline = Crossings(*(np.concatenate([getattr(each, name) for each in outlines]) for name in ("code", "y", "x", "cells")))
    # Of a line a pixel or two wide the points of the outline lie further apart than its sides.
    return {"inscribed_diameter": np.minimum(inscribed_diameters(pixels, outline, scale), columns["feret_min"])}


def ratios(measured: dict[str, npt.NDArray[Any]], side: float) -> dict[str, npt.NDArray[Any]]:
    """What follows from area, perimeter, Ferets and rectangle, of pixels whose square root of area is `side`."""
    area, perimeter, feret_max, feret_min = (measured[name] for name in ("area", "perimeter", "feret_max", "feret_min"))
    ecd = np.sqrt(4 * area / np.pi)
    form_factor = 4 * np.pi * area / perimeter**2
    return {
        "ecd": ecd,
        "rect_ratio": measured["rect_width"] / measured["rect_length"],
        "aspect_ratio": feret_min / feret_max,
        "circularity": np.sqrt(form_factor),
        "form_factor": form_factor,
        "compactness": ecd / feret_max,
        "roundness": (ecd / feret_max) ** 2,
        "extent": area / (feret_max * feret_min),
        "diameter_px": ecd / side,
        "small": ecd / side < SMALL_DIAMETER,
    }


def moments(pixels: Foreground, scale: tuple[float, float]) -> dict[str, npt.NDArray[Any]]:
    """Centroid, and the ellipse of equal second moments: its axes are 4 times the root of the moments' eigenvalues."""
    count, (begins, length, code) = pixels.total(), pixels.runs
    row, middle_of = pixels.y[begins], pixels.x[begins] + (length - 1) / 2
    y, x = pixels.over_runs(length * row) / count, pixels.over_runs(length * middle_of) / count
    dy, dx = (row - y[code]) * scale[0], (middle_of - x[code]) * scale[1]
    own = (length**2 - 1) / 12 * scale[1] ** 2  # of a run about its middle
    yy, xx, xy = (pixels.over_runs(length * each) / count for each in (dy * dy, dx * dx + own, dy * dx))
    middle, spread = (yy + xx) / 2, np.hypot((xx - yy) / 2, xy)
    return {
        "centroid_y_px": y,
        "centroid_x_px": x,
        "ellipse_major": 4 * np.sqrt(middle + spread),
        "ellipse_minor": 4 * np.sqrt(np.maximum(middle - spread, 0)),
        # Rows count downward, so the mixed moment changes its sign for an angle that is seen anticlockwise.
        "orientation": np.degrees(np.arctan2(-2 * xy, xx - yy) / 2) % 180 % 180,
    }


def boxes(pixels: Foreground) -> dict[str, npt.NDArray[Any]]:
    """First row and column and those after the last, found on the pixels at the label's own edge."""
    limits: dict[str, npt.NDArray[Any]] = {}
    for key, position, step, extreme in (
        ("bbox_top_px", pixels.y, (-1, 0), np.minimum),
        ("bbox_left_px", pixels.x, (0, -1), np.minimum),
        ("bbox_bottom_px", pixels.y + 1, (1, 0), np.maximum),
        ("bbox_right_px", pixels.x + 1, (0, 1), np.maximum),
    ):
        edge = pixels.leaves(*step)
        limits[key] = np.full(len(pixels), np.iinfo(np.intp).max if extreme is np.minimum else 0)
        extreme.at(limits[key], pixels.code[edge], position[edge])
    return limits
