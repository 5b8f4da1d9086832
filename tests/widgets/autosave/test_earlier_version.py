"""What version 0.1.0 kept of a picture is offered, and comes back, in this one.

The files in `kept_by_0_1_0` were written by that version's own code for the picture below; its window kept just such.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest

from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.widgets.autosave import training_store
from napari_temseg.widgets.autosave.store import Picture

HERE = Path(__file__).parent / "kept_by_0_1_0"
CALIBRATION = Calibration((0.5, 0.5), "typed", 0.01, 1.02, 0.003, "gold on carbon", "2026-11-02")


@pytest.fixture
def labels() -> Any:
    """Two discs, int32."""
    y, x = np.mgrid[:48, :64]
    made = np.zeros((48, 64), np.int32)
    made[(y - 14) ** 2 + (x - 16) ** 2 < 64] = 1
    made[(y - 30) ** 2 + (x - 40) ** 2 < 100] = 2
    return made


@pytest.fixture
def pixels(labels: Any) -> Any:
    """The picture, uint8: its pixels are what it is known by."""
    y, x = np.mgrid[:48, :64]
    return ((y * 5 + x * 3) % 97 + 120 * (labels > 0)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _earlier(_own_folders: None) -> None:
    shutil.copytree(HERE, platformdirs.user_data_path("napari-temseg", appauthor=False), dirs_exist_ok=True)


def test_work_and_strokes_of_an_earlier_version_come_back(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, pixels: Any, labels: Any
) -> None:
    viewer.add_image(pixels, name="grid")
    bench = open_bench(viewer)
    bar = bench.panel(0).restore_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    wanted = "is kept: 2 particles, 3 corrections, reviewed, 1 region, pixel size 0.51 nm, sample batch 7, strokes."
    assert bar.text.text().endswith(wanted)
    bar.restore.click()
    item = bench.session.current
    qtbot.waitUntil(lambda: item.annotation is not None and item.measurement is not None, timeout=10_000)
    wait_jobs(bench.session)
    assert (item.calibration, item.sample, item.reviewed, item.corrections) == (CALIBRATION, "batch 7", True, 3)
    np.testing.assert_array_equal(item.particles_layer.data, labels)
    assert item.measurement.table["excluded"].tolist() == ["", "out of focus"]
    assert item.measurement.table["reviewed"].tolist() == [True, False]
    assert item.particles.origin.model == "particles"
    assert len(item.left_out.data) == 1
    assert np.unique(item.annotation.data, return_counts=True)[1].tolist() == [48 * 64 - 28, 16, 12]


def test_sizes_that_are_defined_otherwise_today_come_back_with_a_word(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, pixels: Any
) -> None:
    viewer.add_image(pixels, name="grid")
    bench = open_bench(viewer)
    said: list[str] = []
    bench.session.said.connect(said.append)
    bar = bench.panel(0).restore_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    bar.restore.click()
    qtbot.waitUntil(lambda: any("restored" in sentence for sentence in said), timeout=10_000)
    wait_jobs(bench.session)
    told = next(sentence for sentence in said if "restored" in sentence)
    changed = "largest Feret diameter (1 → 2), smallest Feret diameter (1 → 2), mean Feret diameter (1 → 2), aspect ratio (1 → 2), "
    changed += "rect length (1 → 2), rect width (1 → 2), rect ratio (1 → 2), perimeter (1 → 3), circularity (1 → 3), form factor (1 → 3), "
    changed += "convexity (1 → 2), compactness (1 → 2), roundness (1 → 2), extent (1 → 2)."
    assert told.endswith(f"Measured anew, as the definition has changed (version then → now): {changed}")


def test_a_training_that_an_earlier_version_left_is_offered(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, pixels: Any) -> None:
    viewer.add_image(pixels, name="grid")
    bar = open_bench(viewer).panel(2).stopped
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    assert bar.text.text() == "Training on grid stopped 20 Nov 14:03, at 12 s of 10 min, step 40."
    (found,), owners = training_store.look_up({"grid": Picture(pixels)})
    assert list(owners.values()) == ["grid"]
    (annotation,) = found.annotations([Micrograph(pixels, "YX", CALIBRATION)]).items
    assert np.unique(annotation.labels).tolist() == [0, 1, 2]
