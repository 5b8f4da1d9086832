"""Two parts of a picture at full resolution for the first sheet: one as most of it is, one where the outlines are doubted most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, binary_erosion

from napari_temseg.engine.burntin.free_corner import least_hidden, sharp_edges
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.thumbnails import as_jpeg, thumbnail
from napari_temseg.pipeline.run_result import Crop

if TYPE_CHECKING:
    import pandas as pd

SIDES = (192, 512)  # px: the least and the most that a crop shows; less than half of the longer side, so that two need not overlap
DIAMETERS = 8  # of a middling particle that it shows, within these
DOUBLED_BELOW = 320  # px: smaller crops are drawn at twice their size, so that an outline hides less
_TALL, _WIDE = 0.15, 0.4  # height and width of where a scale bar is drawn, as shares of a picture
_PLACES = {  # classes of the page; of equals the first
    "": (1 - _TALL, 0.0, 1.0, _WIDE),
    "above": (0.0, 0.0, _TALL, _WIDE),
    "right": (1 - _TALL, 1 - _WIDE, 1.0, 1.0),
    "above right": (0.0, 1 - _WIDE, _TALL, 1.0),
}
_EDGES, _PARTICLES = 0.1, 0.01  # what hiding them weighs beside hiding what is left out, as a data bar
_BESIDE = 3  # px round an outline, where it is the particle that ends
_CENTRES = 200  # particles that are tried as the middle of a crop
_FEWEST_INSIDE = 3  # particles of a crop, where one holds so many


def crops_of(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]], measured: Measurement) -> tuple[Crop, ...]:
    """The typical crop and the worst of a plane (Y, X) with its labels; none without particles.

    What speaks against a particle is the share of its outline beside others plus what the model lacks of certainty.
    """
    table = measured.table[measured.table["plane"] == 0]
    if not len(table):
        return ()
    middling = float(np.median(np.sqrt(4 * table[measured.column("area")] / np.pi / np.prod(measured.calibration.scale))))
    side = int(np.clip(min(DIAMETERS * middling, max(plane.shape) // 2), *SIDES))
    corners = _corners(table, side, plane.shape)
    doubts, sizes, inside = _seen(table, measured, corners, side)
    enough = _least_masked(measured.valid, corners, side, inside >= min(_FEWEST_INSIDE, inside.max()))
    usual = np.abs(doubts - np.average(doubts, weights=inside)) + np.abs(np.log(np.maximum(sizes, 1e-9) / middling))
    usual += np.abs(np.log(np.maximum(inside, 1) / np.median(inside)))
    most = _largest(doubts, enough)
    apart = (np.abs(corners - corners[most]) >= side).any(axis=1)
    least = _largest(-usual, enough & apart if (enough & apart).any() else enough)
    found = []
    for at, typical in ((least, True), (most, False)):
        top, left = corners[at]
        window = np.s_[top : top + side, left : left + side]
        valid = None if measured.valid is None else measured.valid[window]
        place = bar_place(valid, plane[window], labels[window])
        found.append(Crop(typical, float(doubts[at]), min(side, plane.shape[1]), partial(_drawn, plane[window], labels[window]), place))
    return tuple(found)


def bar_place(valid: npt.NDArray[np.bool_] | None, grey: npt.NDArray[Any] | None, labels: npt.NDArray[Any] | None = None) -> str:
    """The corner of a picture where a scale bar hides least of what is left out, of letters and of particles: "" for the bottom left,
    else "above", "right" or both. `labels` are those of `grey`, or True where outlines are drawn; `valid` may have another resolution."""
    out = None if valid is None else ~valid
    edges = None if grey is None else sharp_edges(grey)
    found = None if labels is None else labels > 0
    if edges is not None and found is not None:  # those of particles are no letters
        edges &= ~binary_dilation(found & ~binary_erosion(found), iterations=_BESIDE)
    return list(_PLACES)[least_hidden(list(_PLACES.values()), (1.0, out), (_EDGES, edges), (_PARTICLES, found))]


def _least_masked(
    valid: npt.NDArray[np.bool_] | None, corners: npt.NDArray[np.intp], side: int, among: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which windows (n,) `among` those given show as little as can be of data bars and of what else is left out."""
    if valid is None:
        return among
    masked = np.array([(~valid[top : top + side, left : left + side]).sum() for top, left in corners])
    return np.asarray(among & (masked == masked[among].min()))


def _largest(value: npt.NDArray[Any], among: npt.NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(among)[value[among].argmax()])


def _corners(table: pd.DataFrame, side: int, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """First row and column (n, 2) of windows round some of the particles, inside the picture as far as they can be."""
    centres = table[["centroid_y_px", "centroid_x_px"]].to_numpy(np.float64)
    some = centres[np.linspace(0, len(centres) - 1, min(len(centres), _CENTRES)).astype(np.intp)]
    return np.clip(np.rint(some - side / 2), 0, np.maximum(np.asarray(shape) - side, 0)).astype(np.intp)


def _seen(table: pd.DataFrame, measured: Measurement, corners: npt.NDArray[np.intp], side: int) -> tuple[npt.NDArray[Any], ...]:
    """Mean doubt and median diameter (px) of the particles whose middle lies in each window, and their number."""
    y, x = table["centroid_y_px"].to_numpy(np.float64), table["centroid_x_px"].to_numpy(np.float64)
    doubt = table["cut_share"].fillna(0).to_numpy(np.float64) + 1 - table["probability_mean"].fillna(1).to_numpy(np.float64)
    diameter = table[measured.column("ecd")].to_numpy(np.float64) / np.sqrt(np.prod(measured.calibration.scale))
    seen = [(y >= top) & (y < top + side) & (x >= left) & (x < left + side) for top, left in corners]
    return (
        np.array([doubt[each].mean() if each.any() else 0.0 for each in seen]),
        np.array([np.median(diameter[each]) if each.any() else 0.0 for each in seen]),
        np.array([each.sum() for each in seen]),
    )


def _drawn(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]]) -> bytes:
    """JPEG of a crop with outlines."""
    times = 2 if max(plane.shape) < DOUBLED_BELOW else 1
    large, outlined = (np.repeat(np.repeat(each, times, axis=0), times, axis=1) for each in (plane, labels))
    return as_jpeg(thumbnail(large, outlined, max(large.shape)))
