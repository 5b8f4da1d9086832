"""What outlines drawn by hand said of the models that ship: MODEL.segmentation.json beside each, told by the model's hash."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path

from napari_temseg.engine.measure.segmentation import SegmentationCalibration
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import write_text

SEGMENTATION_SUFFIX = ".segmentation.json"


@cache
def _shipped() -> dict[str, SegmentationCalibration]:
    folder = Path(str(files("napari_temseg") / "models"))
    found = [read_segmentation(path) for path in sorted(folder.glob(f"*{SEGMENTATION_SUFFIX}"))]
    return {each.model_hash: each for each in found}


def segmentation_of(model_hash: str) -> SegmentationCalibration | None:
    """What is known of the model with this hash; None for one that has not been compared with outlines: anybody's own."""
    return _shipped().get(model_hash)


def segmentation_for(model_hashes: Collection[str]) -> SegmentationCalibration | None:
    """What is known of the one model with which all was found; else what is known of the one that ships, for the least of the others."""
    known = _shipped()
    own = segmentation_of(next(iter(model_hashes))) if len(model_hashes) == 1 else None
    return own or max(known.values(), key=lambda each: each.factor, default=None)


def read_segmentation(path: Path) -> SegmentationCalibration:
    """Read such a file; `TemsegError` for one that is damaged."""
    try:
        return SegmentationCalibration(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TemsegError(f"{path}: is no calibration of a segmentation ({error}); install napari-temseg again.") from error


def write_segmentation(path: Path, calibration: SegmentationCalibration) -> None:
    """Write it, in an order that does not change."""
    write_text(path, json.dumps(asdict(calibration), indent=1, ensure_ascii=False) + "\n")
