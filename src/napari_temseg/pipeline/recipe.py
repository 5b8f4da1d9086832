"""Recipes: every setting of a run in one JSON file, so that replaying it gives the same table."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.atomic import write_text
from napari_temseg.files.laboratory import CalibrationRow, plain_rows, rows_of
from napari_temseg.files.manifest import ManifestRow, row_of
from napari_temseg.files.manifest import plain_rows as plain_manifest
from napari_temseg.version import __version__

RECIPE_FORMAT = 1
_KEYS = {
    "recipe",
    "temseg",
    "model",
    "calibration",
    "calibrations",
    "axes",
    "series",
    "mask_overlays",
    "imagej",
    "count_twice",
    "table",
    "manifest",
    "recovery",
    "density",
    "molar_mass",
    "predict",
    "split",
    "inputs",
}


@dataclass(frozen=True)
class Recipe:
    """What a run does.

    `calibration` overrides the files' own; `calibrations` are the rows of the laboratory's table, None those that the user has; `series`
    names one of several pictures in each; `mask_overlays` leaves out what is burnt in (None: where a bar is certain); `imagej` writes for
    ImageJ too; `count_twice` counts a field that two pictures show twice; `table` is one of `TABLES`; `manifest` tells of single pictures;
    `recovery` looks for particles of known size put into each picture (None: where that is cheap); `density` (g/cm³) and `molar_mass`
    (g/mol) are those of the particles, None where nobody said;
    `inputs` maps absolute paths to SHA-256 of the content ("" unchecked).
    """

    model: str = "particles"
    model_hash: str = ""
    calibration: Calibration | None = None
    calibrations: tuple[CalibrationRow, ...] | None = None
    axes: str = ""
    series: str = ""
    mask_overlays: bool | None = None
    imagej: bool = False
    count_twice: bool = False
    table: str = "csv"
    manifest: tuple[ManifestRow, ...] = ()
    recovery: bool | None = None
    density: float | None = None
    molar_mass: float | None = None
    predict: PredictConfig = field(default_factory=PredictConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    inputs: dict[Path, str] = field(default_factory=dict)

    def to_dict(self, folder: Path) -> dict[str, Any]:
        """Plain values for JSON; paths relative to `folder`, where the recipe is to lie."""
        model = self.model if not self.model or not Path(self.model).exists() else _relative(Path(self.model), folder)
        return {
            "recipe": RECIPE_FORMAT,
            "temseg": __version__,
            "model": {"name": model, "hash": self.model_hash},
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "calibrations": None if self.calibrations is None else plain_rows(self.calibrations),
            "axes": self.axes,
            "series": self.series,
            "mask_overlays": self.mask_overlays,
            "imagej": self.imagej,
            "count_twice": self.count_twice,
            "table": self.table,
            "manifest": [{**row, "file": _relative(row["file"], folder)} for row in plain_manifest(self.manifest)],
            "recovery": self.recovery,
            "density": self.density,
            "molar_mass": self.molar_mass,
            "predict": self.predict.to_dict(),
            "split": self.split.to_dict(),
            "inputs": [{"path": _relative(path, folder), "sha256": digest} for path, digest in self.inputs.items()],
        }

    def write(self, path: Path, folder: Path | None = None) -> None:
        """Write it as JSON, to lie in `folder` in the end when that is not the one of `path`."""
        text = json.dumps(self.to_dict(folder or path.parent), indent=2, ensure_ascii=False)
        # Bytes of a path that are no UTF-8 are escaped as JSON does, or the path could not be found again.
        write_text(path, re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", text) + "\n")


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()


def read_recipe(path: str | Path) -> Recipe:
    """Read `recipe.json`; `TemsegError` says what is wrong with one that cannot be replayed."""
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror}); name the recipe.json of an earlier run.") from error
    except ValueError as error:
        raise TemsegError(f"{path}: is not JSON ({error}); name the recipe.json of an earlier run.") from error
    if not isinstance(values, dict) or not isinstance(values.get("recipe"), int):
        raise TemsegError(f"{path}: is not a recipe (no format number “recipe”); name the recipe.json of an earlier run.")
    if values["recipe"] > RECIPE_FORMAT:
        raise TemsegError(f"{path}: is of a newer format ({values['recipe']}, this version reads {RECIPE_FORMAT}); update napari-temseg.")
    unknown = sorted(set(values) - _KEYS)
    if unknown:
        raise TemsegError(f"{path}: has an unknown entry “{unknown[0]}”; a recipe holds {', '.join(sorted(_KEYS))}.")
    try:
        return _parsed(values, path.parent)
    except TemsegError as error:
        raise TemsegError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TemsegError(f"{path}: an entry is missing or of the wrong type ({error}); name an unchanged recipe.json.") from error


def _parsed(values: dict[str, Any], folder: Path) -> Recipe:
    named, calibration = values["model"], values.get("calibration")
    if calibration is not None:
        size = calibration.get("pixel_size")
        calibration = Calibration(**{**calibration, "pixel_size": None if size is None else (float(size[0]), float(size[1]))})
    model, local = _text(named["name"]), folder / _text(named["name"])
    return Recipe(
        model=str(local) if model and local.is_file() else model,
        model_hash=_text(named["hash"]),
        calibration=calibration,
        calibrations=None if values.get("calibrations") is None else rows_of(values["calibrations"]),
        axes=_text(values.get("axes", "")),
        series=_text(values.get("series", "")),
        mask_overlays=None if (marks := values.get("mask_overlays", False)) is None else bool(marks),
        imagej=bool(values.get("imagej", False)),
        count_twice=bool(values.get("count_twice", False)),
        table=_text(values.get("table", "csv")),
        manifest=tuple(row_of(row, folder) for row in values.get("manifest", ())),
        recovery=None if (tried := values.get("recovery", False)) is None else bool(tried),
        density=_number(values.get("density")),
        molar_mass=_number(values.get("molar_mass")),
        predict=PredictConfig.from_dict(values.get("predict", {})),
        split=SplitConfig.from_dict(values.get("split", {})),
        inputs={folder / _text(entry["path"]): _text(entry["sha256"]) for entry in values.get("inputs", [])},
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be text")
    return value
