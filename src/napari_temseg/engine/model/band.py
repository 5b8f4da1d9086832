"""What a network for one band of sizes is shown: every picture at the scale at which the particles that are meant are 22 px wide.

Three input planes: the picture normalised as everywhere; the same flattened at the size, or zeros where that is unknown; and one
number everywhere, 1 where the particles are known to be brighter than what is round them (the picture is inverted when they are
known to be darker), 0 where that is unknown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.model.flattening import flatten

WORKING_SIZE = 22.0  # px: the size that is told, in the eyes of the network
MOST_ENLARGED = 8.0  # × by which a picture is enlarged at most
INPUTS = 3


def band_inputs(plane: npt.NDArray[np.float32], polarity: int = 0, size: float = WORKING_SIZE) -> npt.NDArray[np.float32]:
    """Input (1, 3, Y, X) of a normalised plane (Y, X) that is at its working scale; `polarity` 1 bright, −1 dark, 0 unknown."""
    image = -plane if polarity < 0 else plane
    told = np.full_like(image, float(polarity != 0))
    return np.stack([image, flatten(image, size), told]).astype(np.float32, copy=False)[None]
