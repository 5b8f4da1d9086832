"""Reports from results at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.results import Particles
from napari_temseg.engine.shape import measure, with_flags
from napari_temseg.pipeline.gathered import Result, file_stems, iter_report


def result(name: str, corrections: int = 0) -> Result:
    labels = np.zeros((60, 90), np.int32)
    labels[10:30, 10:30], labels[30:50, 50:75] = 1, 2
    bare = measure(labels).table.set_index("particle")
    table = bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)
    picture = temseg.Micrograph(np.where(labels > 0, 20, 200).astype(np.uint8), "YX", source=temseg.Source(name))
    particles = Particles(labels, table, picture)
    return Result(particles, with_flags(measure(particles), {2: "damaged"}), corrections)


def test_what_was_done_by_hand_is_said(tmp_path: Path) -> None:
    report = iter_report([result("a", 3), result("b")], tmp_path).drain()
    assert report == tmp_path / "report.html"
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["corrections_by_hand"] == {"a": 3}
    assert summary["distributions"]["px"]["n_left_out"]["excluded: damaged"] == 2
    assert "a: 3 corrections by hand." in report.read_text(encoding="utf-8")
    assert not (tmp_path / "recipe.json").exists()


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(TemsegError):
        iter_report([], tmp_path).drain()


def test_names_become_file_names() -> None:
    assert file_stems(["a/b", "a_b", "A:B", "grid 07.tif [1]", "µ", "..."]) == ["a_b", "a_b_2", "A_B_3", "grid 07.tif _1_", "µ", "image"]
