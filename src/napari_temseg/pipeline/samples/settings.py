"""What is found of itself for a picture is found once for a sample: with its first picture, and taken for the others."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from napari_temseg.engine.types.config import PredictConfig, size_fields

if TYPE_CHECKING:
    from napari_temseg.engine.types.micrograph import Calibration
    from napari_temseg.pipeline.run_result import RunItem


def is_told(config: PredictConfig) -> bool:
    """Whether somebody said at which scale pictures are to be looked at."""
    return not (config.typical_size is None and config.typical_nm is None and config.scales is None)


def as_first(config: PredictConfig, first: RunItem, here: Calibration) -> PredictConfig:
    """The settings for a picture (of pixels as `here`) of a sample whose first is done: particles of one length look as large to the model.

    Without pixel sizes, particles of one number of px.
    """
    known, own = first.measurement.calibration.nanometres, here.nanometres
    ratio = own / known if known and own else 1.0
    if first.size:
        bounds = next(entry.metadata for entry in fields(PredictConfig) if entry.name == "typical_size")
        sizes = [min(max(size / ratio, bounds["minimum"]), bounds["maximum"]) for size in (first.size, first.other_size) if size]
        return replace(config, **size_fields([(size, None) for size in sizes]), exact_size=True)
    return replace(config, scales=tuple(scale * ratio for scale in first.scales)) if first.scales else config
