"""napari-temseg: from an electron micrograph to a publishable particle-size distribution.

Importing it loads neither torch nor Qt nor napari; each name loads what it needs when first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_temseg.version import __version__

# Read when torch is loaded: its threads sleep while they wait for one another. Threads that turn meanwhile keep the processor from those
# that they wait for, where others want it too: with four busy programs on two cores a step of training took five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "napari_temseg.api": (
        "read load train iter_train predict iter_predict draft iter_draft split iter_split measure size_distribution evaluate simulate"
    ),
    "napari_temseg.pipeline.run": "run iter_run",
    "napari_temseg.engine.types.config": "SimulateConfig PredictConfig SplitConfig TrainConfig DraftConfig",
    "napari_temseg.engine.types.micrograph": "Micrograph Calibration Source",
    "napari_temseg.engine.types.annotations": "Annotations Annotation",
    "napari_temseg.engine.types.results": "Prediction PlanePrediction Particles",
    "napari_temseg.engine.measure.measurement": "Measurement",
    "napari_temseg.engine.measure.distribution": "SizeDistribution",
    "napari_temseg.engine.particles.evaluation": "Score",
    "napari_temseg.engine.model.segmenter": "Segmenter",
    "napari_temseg.engine.types.progress": "Progress Job",
    "napari_temseg.engine.types.errors": "TemsegError Cancelled",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [  # written out for type checkers; a test holds it equal to _HOME
    "Annotation",
    "Annotations",
    "Calibration",
    "Cancelled",
    "DraftConfig",
    "Job",
    "Measurement",
    "Micrograph",
    "Particles",
    "PlanePrediction",
    "PredictConfig",
    "Prediction",
    "Progress",
    "Score",
    "Segmenter",
    "SimulateConfig",
    "SizeDistribution",
    "Source",
    "SplitConfig",
    "TemsegError",
    "TrainConfig",
    "__version__",
    "draft",
    "evaluate",
    "iter_draft",
    "iter_predict",
    "iter_run",
    "iter_split",
    "iter_train",
    "load",
    "measure",
    "predict",
    "read",
    "run",
    "simulate",
    "size_distribution",
    "split",
    "train",
]

if TYPE_CHECKING:
    from napari_temseg.api import (
        draft,
        evaluate,
        iter_draft,
        iter_predict,
        iter_split,
        iter_train,
        load,
        measure,
        predict,
        read,
        simulate,
        size_distribution,
        split,
        train,
    )
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.particles.evaluation import Score
    from napari_temseg.engine.types.annotations import Annotation, Annotations
    from napari_temseg.engine.types.config import DraftConfig, PredictConfig, SimulateConfig, SplitConfig, TrainConfig
    from napari_temseg.engine.types.errors import Cancelled, TemsegError
    from napari_temseg.engine.types.micrograph import Calibration, Micrograph, Source
    from napari_temseg.engine.types.progress import Job, Progress
    from napari_temseg.engine.types.results import Particles, PlanePrediction, Prediction
    from napari_temseg.pipeline.run import iter_run, run


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'napari_temseg' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
