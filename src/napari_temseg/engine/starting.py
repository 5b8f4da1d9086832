"""What a training starts from: the model, and what it says of the planes before anything is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_temseg.engine.annotations import Annotations, default_name
from napari_temseg.engine.config import PredictConfig, TrainConfig
from napari_temseg.engine.micrograph import Micrograph
from napari_temseg.engine.network import NetworkSpec, extend_head
from napari_temseg.engine.prediction import iter_predict
from napari_temseg.engine.segmenter import AsItIs, Segmenter
from napari_temseg.engine.trainingset import Plane


def starting_model(annotations: Annotations, base: Segmenter | None, config: TrainConfig) -> Segmenter:
    """A copy of `base` with room for every class that is labelled, or a new model as `config` says."""
    wanted = max(annotations.class_names)
    if base is None:
        spec = NetworkSpec(config.encoder, n_classes=wanted, auxiliary=("distance",))
        return Segmenter.new(spec, annotations.class_names, config.encoder_weights, config.seed)
    model = base.copy()
    spec = model.spec
    if wanted > spec.n_classes:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            spec = extend_head(model.network, spec, wanted)
    names = {n: name for n, name in annotations.class_names.items() if n not in model.classes or name != default_name(n)}
    return replace(model, spec=spec, classes={**model.classes, **names})


def with_start(plane: Plane, base: Segmenter, config: TrainConfig) -> Plane:
    """Add what the starting model says of the plane: K class probabilities, then its auxiliary maps."""
    # The image is normalised already; an identity normalisation lets the predictor run on it as it is.
    reader = replace(base, normalisation=AsItIs())
    said = iter_predict(reader, Micrograph(plane.smooth[0]), PredictConfig(device=config.device, precision=config.precision)).drain()
    maps = [said.probability, *(said.auxiliary[name][None] for name in base.spec.auxiliary)]
    return Plane(np.concatenate([plane.smooth, *maps]).astype(np.float32), plane.exact)
