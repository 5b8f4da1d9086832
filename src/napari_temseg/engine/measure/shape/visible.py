"""How much of a particle is seen: its area over that of the ellipse which the part of its outline beside no other particle describes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.shape.geometry import Floats, Foreground
from napari_temseg.engine.measure.shape.inscribed import mask_crossings
from napari_temseg.engine.types.outlines import fit_ellipses, free_points


def visible_columns(
    pixels: Foreground, labels: npt.NDArray[np.integer[Any]], ecd: Floats, bordered: npt.NDArray[np.bool_], at_frame: npt.NDArray[np.bool_]
) -> dict[str, Floats]:
    """The columns "visible_share" and "ecd_whole", the latter in the unit of `ecd` (n,).

    `labels` (Y, X) are all particles of the plane, `bordered` (n,) tells which have another beside them.
    """
    share = np.where(at_frame, np.nan, 1.0)
    which = bordered & ~at_frame
    if which.any():
        outline = mask_crossings(pixels, which)
        free = free_points(labels, pixels.ids[outline.code], outline.y, outline.x)
        count = np.bincount(outline.code, minlength=len(pixels))
        part = np.bincount(outline.code[free], minlength=len(pixels)) / np.maximum(count, 1)
        area = pixels.total()
        ellipses = fit_ellipses(outline.code[free], outline.y[free], outline.x[free], area, part)
        with np.errstate(invalid="ignore"):
            told = np.where(ellipses.told, np.minimum(area / ellipses.area, 1.0), np.where(part >= 1, 1.0, np.nan))
        share[which] = told[which]
    return {"visible_share": share, "ecd_whole": ecd / np.sqrt(share)}
