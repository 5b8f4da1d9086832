"""The *train*, *tune* and *score* parts of EMPS as arrays (Yildirim & Cole 2021, 10.1021/acs.jcim.0c01455; MIT)."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Entry:
    """One micrograph: image uint8 (Y, X), instances int32 (Y, X), and its row of the index."""

    name: str
    paper: str
    image: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]
    row: dict[str, str]


def data_folder() -> Path:
    """`TEMSEG_DATA`, or ../shared/data beside the checkout."""
    return Path(os.environ.get("TEMSEG_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def entries(part: str, folder: Path | None = None, limit: int | None = None, first: int = 0, every: int = 1) -> list[Entry]:
    """The micrographs of one part, or every so many of them, in the order of the index."""
    root = (folder or data_folder()) / "emps"
    with (root / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part][:limit][first::every]
    return [
        Entry(
            row["name"],
            row["paper"],
            iio.imread(root / "images" / row["name"]),
            iio.imread(root / "instances" / row["name"]).astype(np.int32),
            row,
        )
        for row in rows
    ]
