"""Sample data for File ▸ Open Sample: simulated micrographs, so that their truth is known and their provenance clean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.micrograph import Micrograph, Source
from napari_temseg.widgets.canvas import micrograph_layer

LayerData = tuple[Any, dict[str, Any], str]

BRIGHT_FIELD = SimulateConfig(height=640, width=768, count=70, diameter=44, touching=0.4, pixel_size=0.4, seed=4)
HAADF = SimulateConfig(
    mode="HAADF", height=640, width=768, count=60, diameter=40, touching=0.25, shapes=("rod", "sphere"), pixel_size=0.25, seed=11
)
FIELD = SimulateConfig(height=384, width=448, count=28, diameter=36, touching=0.3, pixel_size=0.5)
FIELDS = 5


def bright_field() -> list[LayerData]:
    """Dark spheres on a bright film."""
    return [_layer(_simulated(BRIGHT_FIELD, "spheres"), "bright field")]


def haadf() -> list[LayerData]:
    """Bright rods and spheres on a dark film."""
    return [_layer(_simulated(HAADF, "rods"), "HAADF")]


def fields() -> list[LayerData]:
    """A stack: several fields of one sample."""
    planes = [_simulated(replace(FIELD, seed=seed), "fields") for seed in range(FIELDS)]
    stack = replace(planes[0], data=np.stack([plane.data for plane in planes]), axes="NYX")
    return [_layer(stack, "fields")]


def _simulated(config: SimulateConfig, sample: str) -> Micrograph:
    from napari_temseg.engine.simulate.micrographs import simulate

    return replace(simulate(config).micrograph, sample=f"simulated {sample}", source=Source(f"simulated {sample}"))


def _layer(image: Micrograph, name: str) -> LayerData:
    return image.data, micrograph_layer.micrograph_attributes(image, name), "image"
