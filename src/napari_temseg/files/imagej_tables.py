"""ImageJ's measurement tables (Results.csv): ours as ImageJ would write them, and theirs for their areas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import replacing

_AREA = ("area_nm2", "area_px2", "Area")  # of our tables and of ImageJ's


def write_results(path: str | Path, table: pd.DataFrame, scale: tuple[float, float], unit: str) -> None:
    """Write a table of `measure` with ImageJ's names, in the order of its rows; lengths in `unit` ("nm" or "px"), `scale` (y, x) a pixel.

    Centroids count from the outer corner of the first pixel, as ImageJ's do.
    """
    y, x = scale
    n = f"_{unit}"
    columns: dict[str, Any] = {
        " ": np.arange(1, len(table) + 1),
        "Label": table["particle"],
        "Area": table[f"area{n}2"],
        "X": (table["centroid_x_px"] + 0.5) * x,
        "Y": (table["centroid_y_px"] + 0.5) * y,
        "Perim.": table[f"perimeter{n}"],
        "BX": table["bbox_left_px"] * x,
        "BY": table["bbox_top_px"] * y,
        "Width": (table["bbox_right_px"] - table["bbox_left_px"]) * x,
        "Height": (table["bbox_bottom_px"] - table["bbox_top_px"]) * y,
        "Major": table[f"ellipse_major{n}"],
        "Minor": table[f"ellipse_minor{n}"],
        "Angle": table["orientation"],
        "Circ.": np.minimum(1.0, table["form_factor"]),
        "Feret": table[f"feret_max{n}"],
        "MinFeret": table[f"feret_min{n}"],
        "AR": table[f"ellipse_major{n}"] / table[f"ellipse_minor{n}"],
        "Round": table[f"ellipse_minor{n}"] / table[f"ellipse_major{n}"],
        "Solidity": table["solidity"],
    }
    if table["plane"].nunique() > 1:
        columns["Slice"] = table["plane"] + 1
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", float_format="%.6g")


def read_diameters(path: str | Path) -> tuple[npt.NDArray[np.float64], str]:
    """Equivalent circular diameters √(4A/π) of a measurement table, and their unit: "nm" or "px" of ours, "" of ImageJ's, which has none.

    `TemsegError` for what is no table, and for one without areas.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")
    except OSError as error:
        raise TemsegError(f"{path}: cannot be read ({error.strerror or error}); check the name.") from error
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise TemsegError(f"{path}: is no measurement table; save ImageJ's Results, or our particles.csv, as CSV.") from error
    name = next((each for each in _AREA if each in table), "")
    if not name:
        raise TemsegError(f"{path}: has no column of areas ({', '.join(_AREA)}); tick Area in ImageJ's Set Measurements and measure again.")
    areas = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
    areas = areas[np.isfinite(areas) & (areas > 0)]
    return np.sqrt(4 * areas / np.pi), name.removeprefix("area_").removesuffix("2") if name != "Area" else ""
