"""The figures of a report as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.pipeline.report.page import figure_files


def sizes(n: int, seed: int) -> temseg.SizeDistribution:
    """Of `n` squares of several sizes."""
    labels = np.zeros((400, 400), np.int32)
    for number, side in enumerate(np.random.default_rng(seed).integers(4, 30, n)):
        y, x = 5 + 39 * (number // 10), 5 + 39 * (number % 10)
        labels[y : y + side, x : x + side] = number + 1
    return temseg.size_distribution([temseg.measure(labels, pixel_size=0.5, unit="nm")])


@pytest.fixture
def known_drawings() -> None:
    """Here everything is drawn whenever it is asked for."""


def written(folder: Path, of: temseg.SizeDistribution) -> dict[str, bytes]:
    files = figure_files({"nm": of})
    for name, write in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in files}


def test_equal_sizes_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    one, again, other = (
        written(tmp_path / "one", sizes(60, 1)),
        written(tmp_path / "again", sizes(60, 1)),
        written(tmp_path / "o", sizes(60, 2)),
    )
    assert len(one) == 4
    assert one == again
    assert all(one[name] != other[name] for name in one)
    assert one["figures/distribution_nm.svg"] == sizes(60, 1).to_svg()
