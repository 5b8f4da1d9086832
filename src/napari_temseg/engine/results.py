"""What travels after a micrograph: `Prediction` and `Particles`. Free of torch, so that windows and tables load fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.micrograph import Micrograph

UNLABELLED, BACKGROUND, FIRST_CLASS = 0, 1, 2
PARTICLE_CLASSES = {BACKGROUND: "background", FIRST_CLASS: "particle"}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of a micrograph.

    `probability` float16 (…, K, Y, X): channel k belongs to `class_ids[k]`, background first, sums to one. `auxiliary`:
    name → float16 (…, Y, X) in [0, 1], what the model learnt for splitting ("distance": depth inside a particle, 0 at its edge,
    1 at its middle); `depth_taught` is False when the model was last trained on strokes, which show nothing of depth.
    `classes` uint8 (…, Y, X): the most probable class of each pixel. Leading axes are the micrograph's.
    """

    probability: npt.NDArray[np.float16]
    class_ids: tuple[int, ...]
    class_names: dict[int, str]
    classes: npt.NDArray[np.uint8]
    micrograph: Micrograph
    auxiliary: dict[str, npt.NDArray[np.float16]] = field(default_factory=dict)
    model_hash: str = ""
    working_scale: tuple[float, ...] = (1.0,)
    depth_taught: bool = True

    def planes(self) -> npt.NDArray[np.float16]:
        """`probability` as (P, K, Y, X), one entry a plane, whatever the axes."""
        return self.probability.reshape((-1, *self.probability.shape[-3:]))


@dataclass(frozen=True, eq=False)
class Particles:
    """Separate particles: `labels` int32 (…, Y, X), unique over the whole stack, never across classes.

    `table` has one row a label (index name `particle`) with columns `class` (name), `class_id`, `plane`, `aggregate` (id shared
    by touching particles), `frame` (touches the edge of the picture or an invalid area) and `cut` (bounded by a watershed line).
    `uncertain` counts what was dropped for want of certainty.
    """

    labels: npt.NDArray[np.int32]
    table: pd.DataFrame
    micrograph: Micrograph
    prediction: Prediction | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    uncertain: int = 0

    def __len__(self) -> int:
        return len(self.table)

    def planes(self) -> npt.NDArray[np.int32]:
        """`labels` as (P, Y, X)."""
        return self.labels.reshape((-1, *self.labels.shape[-2:]))
