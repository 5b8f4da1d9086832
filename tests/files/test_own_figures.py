"""Figures that this program drew are told from micrographs."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from matplotlib.figure import Figure

import napari_temseg as temseg
from napari_temseg.files.own_figures import PNG_METADATA, is_own_figure
from napari_temseg.pipeline.inputs import gather


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A micrograph, a figure of ours, one of somebody else, and what is left of a figure that was cut off."""
    iio.imwrite(tmp_path / "grid.png", np.zeros((8, 8), np.uint8))
    figure = Figure(figsize=(1, 1))
    figure.savefig(tmp_path / "grid_view.png", metadata=PNG_METADATA)
    figure.savefig(tmp_path / "theirs.png", metadata={"Software": "another program"})
    (tmp_path / "cut.png").write_bytes((tmp_path / "grid_view.png").read_bytes()[:20])
    return tmp_path


def test_only_ours_is_told(folder: Path) -> None:
    assert [path.name for path in sorted(folder.iterdir()) if is_own_figure(path)] == ["grid_view.png"]
    assert not is_own_figure(folder / "gone.png")


def test_a_folder_passes_over_them_and_says_so(folder: Path) -> None:
    found = gather([folder])
    assert [path.name for path in found.paths] == ["cut.png", "grid.png", "theirs.png"]
    assert "1 own figure" in found.note()


def test_one_that_is_named_is_refused(folder: Path) -> None:
    found = gather([folder / "grid.png", folder / "grid_view.png"])
    assert [path.name for path in found.paths] == ["grid.png"]
    assert "name the micrograph itself" in found.failures[str(folder / "grid_view.png")]
    with pytest.raises(temseg.TemsegError, match="micrograph"):
        temseg.run([folder / "grid_view.png"], folder / "results")
