"""The manifest of a run: a CSV file that tells of each picture its sample, grid, pixel size, size and polarity."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from napari_temseg.engine.types.config import BOTH, PredictConfig, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.units import to_nanometres, typed_sizes

COLUMNS = ("file", "sample", "grid", "pixel_size", "uncertainty", "factor", "standard", "date", "size", "polarity")
_OTHERWISE = {"preparation": "grid", "grid_or_preparation": "grid", "picture": "file", "image": "file", "typical_size": "size"}
_PASSED_OVER = ("note", "notes", "comment", "comments", "")


@dataclass(frozen=True)
class ManifestRow:
    """One picture, as it was typed; "" where nothing was.

    `pixel_size` such as "0.21 nm", `uncertainty` its standard uncertainty ("2 %" or "0.01 nm"), `factor` what it is to be multiplied by as
    the `standard` measured on `date` says ("1.02 ± 0.003"), `size` of the particles ("12 nm" or px; two
    sizes, "12 nm, 300 nm", or "both"), `grid` the grid or preparation; a row is checked when it is made (`TemsegError`).
    """

    file: Path
    sample: str = ""
    grid: str = ""
    pixel_size: str = ""
    uncertainty: str = ""
    size: str = ""
    polarity: str = ""
    factor: str = ""
    standard: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        self.predict(PredictConfig())
        self.calibration(Calibration((1.0, 1.0)))

    def calibration(self, own: Calibration) -> Calibration:
        """The pixel size of the picture, whose file says `own`."""
        found = replace(Calibration.typed(self.pixel_size), origin="manifest") if self.pixel_size else own
        found = found.by_standard(self.factor, self.standard, self.date)
        if not self.uncertainty:
            return found
        match = re.fullmatch(r"\s*±?\s*([0-9]+(?:[.,][0-9]+)?)\s*(%|[^\d\s]+)\s*", self.uncertainty)
        if not match:
            raise TemsegError(f'“{self.uncertainty}” is no uncertainty of a pixel size: write "2 %" or "0.01 nm".')
        value = float(match[1].replace(",", "."))
        if match[2] == "%":
            return replace(found, reading_uncertainty=value / 100)
        if found.pixel_size is None:
            return found
        return replace(found, reading_uncertainty=to_nanometres(value, match[2]) / found.pixel_size[1])

    def predict(self, config: PredictConfig) -> PredictConfig:
        """The settings of finding with what is said of this picture."""
        if self.size:
            both = self.size.lower() == BOTH
            config = replace(config, **size_fields(() if both else typed_sizes(self.size), both=both))
        return replace(config, polarity=self.polarity) if self.polarity else config

    def applied(self, image: Micrograph) -> Micrograph:
        """The picture with sample, grid and pixel size."""
        return replace(image, sample=self.sample, grid=self.grid, calibration=self.calibration(image.calibration))


def read_manifest(path: str | Path) -> tuple[ManifestRow, ...]:
    """Read a manifest, UTF-8, columns between commas or semicolons; files are named from where it lies.

    `TemsegError` names the line and what is wrong with it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemsegError(f"{path}: cannot be read as a manifest ({error}); name a CSV file in UTF-8.") from error
    if "\0" in text:
        raise TemsegError(f"{path}: holds zeros where text should be, as a file that was not written to its end; copy or export it again.")
    first = text.partition("\n")[0]
    rows = list(csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ","))
    names = [_column(name) for name in rows[0]] if rows else []
    unknown = [name for name in names if name not in COLUMNS and name not in _PASSED_OVER]
    if unknown or "file" not in names:
        told = f"has an unknown column “{unknown[0]}”" if unknown else "has no column “file”"
        raise TemsegError(f"{path}: {told}; a manifest has {', '.join(COLUMNS)} (and notes).")
    found: dict[Path, ManifestRow] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            raise TemsegError(
                f"{path}, line {number}: has {len(cells)} cells where the head has {len(names)}, so some may stand in the wrong column; "
                "write a cell for each column, an empty one where nothing is said, and put a cell that holds commas into quotes."
            )
        values = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name in COLUMNS}
        if not values.get("file"):
            raise TemsegError(f"{path}, line {number}: names no file; write its name in the column “file”.")
        try:
            row = row_of(values, path.parent)
        except TemsegError as error:
            raise TemsegError(f"{path}, line {number}: {error}") from error
        if row.file.resolve() in found:
            raise TemsegError(f"{path}, line {number}: {row.file} is there twice; keep one line for each picture.")
        found[row.file.resolve()] = row
    if not found:
        raise TemsegError(f"{path}: the manifest names no picture; write a line for each.")
    return tuple(found.values())


def row_of(values: Mapping[str, Any], folder: Path) -> ManifestRow:
    """A row from its columns; the file lies in `folder` unless its name says otherwise."""
    return ManifestRow(folder / str(values["file"]), **{name: str(value) for name, value in values.items() if name != "file"})


def plain_rows(rows: Sequence[ManifestRow]) -> list[dict[str, Any]]:
    """The rows as plain values, the file as a path still to be written."""
    return [asdict(row) for row in rows]


def _column(name: str) -> str:
    plain = re.sub(r"[\s\-]+", "_", name.strip().lower())
    return _OTHERWISE.get(plain, plain)
