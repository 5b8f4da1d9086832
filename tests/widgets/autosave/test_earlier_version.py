"""What earlier versions kept of a picture is offered, and comes back, in this one.

The files in `kept_by_0_1_0` were written by that version's own code for the picture `pixels`; its window kept just such. Those in
`kept_with_contours` are of the window that first kept contours and confidence, in three stores of their own, of the picture `softened`.
`kept_in_one_file` is of the window that kept what is known of a picture and its particles in one file, of the stack `series`.
None holds the checkpoint of its training, which is large.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.widgets.autosave import trainings
from napari_temseg.widgets.autosave.store import Picture
from napari_temseg.widgets.session.data_folder import data_folder

HERE = Path(__file__).parent
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


@pytest.fixture
def softened() -> Any:
    """Another picture, uint8: four discs with soft edges."""
    return soft_discs(0)


def soft_discs(shift: int) -> Any:
    """Four discs that lie further to the right by `shift` px."""
    y, x = np.mgrid[:96, :128]
    made = 60.0 + (y * 5 + x * 3) % 17
    for middle_y, middle_x, radius in ((20, 24, 11), (28, 70, 14), (68, 30, 13), (70, 92, 16)):
        made = made + 110 / (1 + np.exp(2 * (np.hypot(y - middle_y, x - middle_x - shift) - radius)))
    return made.astype(np.uint8)


@pytest.fixture(autouse=True)
def _earlier(_own_folders: None) -> None:
    for kept in ("kept_by_0_1_0", "kept_with_contours", "kept_in_one_file"):
        shutil.copytree(HERE / kept, data_folder(), dirs_exist_ok=True)


def test_work_and_strokes_of_an_earlier_version_come_back(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, pixels: Any, labels: Any
) -> None:
    viewer.add_image(pixels, name="grid")
    bench = open_bench(viewer)
    bar = bench.restore_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    wanted = "is kept: 2 particles, 3 corrections, reviewed, 1 region, pixel size 0.51 nm, sample batch 7, strokes."
    assert bar.text.text().endswith(wanted)
    said: list[str] = []
    bench.session.said.connect(said.append)
    bar.restore.click()
    item = bench.session.current
    qtbot.waitUntil(lambda: item.annotation is not None and item.measurement is not None, timeout=10_000)
    wait_jobs(bench.session)
    told = next(sentence for sentence in said if "restored" in sentence)
    changed = "largest Feret diameter (1 → 2), smallest Feret diameter (1 → 2), mean Feret diameter (1 → 2), aspect ratio (1 → 2), "
    changed += "rect length (1 → 2), rect width (1 → 2), rect ratio (1 → 2), perimeter (1 → 3), circularity (1 → 3), form factor (1 → 3), "
    changed += "convexity (1 → 2), compactness (1 → 2), roundness (1 → 2), extent (1 → 2)."
    assert told.endswith(f"Measured anew, as the definition has changed (version then → now): {changed}")
    assert (item.calibration, item.sample, item.reviewed, item.corrections) == (CALIBRATION, "batch 7", True, 3)
    np.testing.assert_array_equal(item.particles_layer.data, labels)
    assert item.measurement.table["excluded"].tolist() == ["", "out of focus"]
    assert item.measurement.table["reviewed"].tolist() == [True, False]
    assert item.particles.origin.model == "particles"
    assert len(item.left_out.data) == 1
    assert np.unique(item.annotation.data, return_counts=True)[1].tolist() == [48 * 64 - 28, 16, 12]


def test_a_training_that_an_earlier_version_left_is_offered(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, pixels: Any) -> None:
    viewer.add_image(pixels, name="grid")
    bench = open_bench(viewer)
    bar = bench.stopped
    bench.go(2)
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    assert bar.text.text() == "Training on grid stopped 20 Nov 14:03, at 12 s of 10 min, step 40."
    (found,), owners = trainings.look_up({"grid": Picture(pixels)})
    assert list(owners.values()) == ["grid"]
    (annotation,) = found.annotations_on([Micrograph(pixels, "YX", CALIBRATION)]).items
    assert np.unique(annotation.labels).tolist() == [0, 1, 2]


def test_work_of_three_stores_comes_back_with_its_numbers(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, softened: Any) -> None:
    viewer.add_image(softened, name="grid")
    bench = open_bench(viewer)
    bench.go(2)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden() and not bench.stopped.isHidden(), timeout=10_000)
    wanted = "is kept: 3 particles, 3 corrections, reviewed, 1 region, pixel size 0.51 nm, sample batch 8, strokes."
    assert bench.restore_bar.text.text().endswith(wanted)
    assert bench.stopped.text.text() == "Training on grid stopped 27 Nov 16:36, at 0 s of 10 min, step 1."
    said: list[str] = []
    bench.session.said.connect(said.append)
    bench.restore_bar.restore.click()
    item = bench.session.current
    qtbot.waitUntil(lambda: item.annotation is not None and item.measurement is not None, timeout=10_000)
    wait_jobs(bench.session)
    table = item.measurement.table
    assert (table["particle"].tolist(), table["estimator"].tolist()) == ([1, 3, 4], ["contour"] * 3)
    assert table["excluded"].tolist() == ["out of focus", "", ""]
    assert table["reviewed"].all()
    np.testing.assert_allclose(table["feret_max_nm"], [11.978418, 14.038948, 17.125080], atol=1e-6)
    np.testing.assert_allclose(table["perimeter_nm"], [37.210939, 43.884422, 53.409152], atol=1e-6)
    np.testing.assert_allclose(table["confidence"], [0.977658, 0.985296, 0.988458], atol=1e-6)
    assert np.unique(item.annotation.data, return_counts=True)[1].tolist() == [9582, 1033, 1673]
    assert item.particles.origin.model == "particles"
    assert not any("come from the mask now" in sentence or "Measured anew" in sentence for sentence in said)


def test_what_lay_in_one_file_comes_back_and_goes_on_in_two(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, make_napari_viewer: Any
) -> None:
    series = np.stack([soft_discs(0), soft_discs(9)])
    (old,) = (path for path in (data_folder() / "work").iterdir() if path.name.startswith(Picture(series).key))
    content = old.read_bytes()
    viewer.add_image(series, name="renamed")
    bench = open_bench(viewer)
    bench.go(2)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden() and not bench.stopped.isHidden(), timeout=10_000)
    wanted = "7 particles, 3 corrections, reviewed, 1 region, pixel size 0.51 nm, sample batch 9, planes as fields of one sample, strokes."
    assert bench.restore_bar.text.text().endswith(wanted)
    assert bench.stopped.text.text().startswith("Training on series stopped 28 Nov 02:02, at ")
    said: list[str] = []
    bench.session.said.connect(said.append)
    bench.restore_bar.restore.click()
    item = bench.session.current
    qtbot.waitUntil(lambda: item.annotation is not None and item.measurement is not None, timeout=10_000)
    wait_jobs(bench.session)
    table = item.measurement.table
    assert (item.axes, item.calibration, item.sample, item.corrections) == ("NYX", CALIBRATION, "batch 9", 3)
    assert (table["particle"].tolist(), table["plane"].tolist()) == ([2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 1, 1, 1, 1])
    assert table["estimator"].tolist() == ["contour", "mask", *["contour"] * 5]
    assert table["excluded"].tolist() == ["out of focus", *[""] * 6]
    lengths = [15.201850, 14.259803, 17.256633, 12.165199, 15.152612, 14.159244, 17.321163]
    np.testing.assert_allclose(table["feret_max_nm"], lengths, atol=1e-6)
    np.testing.assert_allclose(table["confidence"], [0.985610, 0.982581, 0.982559, 0.978255, 0.986747, 0.977456, 0.984548], atol=1e-6)
    assert [len(split.diameter) for split in item.measurement.other_splits] == [6] * 10
    assert len(item.left_out.data) == 1
    assert np.unique(item.annotation.data, return_counts=True)[1].tolist() == [22857, 1033, 437, 249]
    assert bench.session.classes[3] == "rod"
    assert not any("come from the mask now" in sentence or "Measured anew" in sentence for sentence in said)

    bench.session.set_sample(item, "batch 10")
    bench.session.close()
    assert old.read_bytes() == content
    again = make_napari_viewer()
    again.add_image(series, name="series")
    bench = open_bench(again)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    assert bench.restore_bar.text.text().endswith(wanted.replace("batch 9", "batch 10"))
    bench.session.close()
