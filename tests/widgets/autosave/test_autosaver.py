"""What is done in one viewer is there again in the next: work, models, and what happens when that goes wrong."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from in_the_window import find
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from scipy import ndimage
from two_sizes import two_sizes

import napari_temseg as temseg
from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS
from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import SizeCandidate
from napari_temseg.widgets.autosave import particles, store
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.jobs.preload import load_compiler
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.pooling import Pool
from napari_temseg.widgets.session import own_models
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.data_folder import data_folder
from napari_temseg.widgets.session.results.doubtful import Doubtful

SMALL = {"max_seconds": 3600, "max_steps": 6, "evaluate_every": 1, "crop": 64, "batch": 1}
CORNERS = [[100.0, 4.0], [100.0, 60.0], [124.0, 60.0], [124.0, 4.0]]


@pytest.fixture
def grid(picture: Any) -> Any:
    return picture.micrograph.data[:192, :192]


@pytest.fixture
def start(make_napari_viewer: Any, open_bench: Any) -> Any:
    """Open a picture in a viewer of its own, with the dock: `bench = start(pixels, "name")`."""
    opened: list[Any] = []

    def started(data: Any, name: str = "grid", **how: Any) -> Any:
        viewer = make_napari_viewer()
        viewer.add_image(data.copy(), name=name, **how)
        opened.append(open_bench(viewer))
        return opened[-1]

    yield started
    for bench in opened:
        bench.session.close()


def files(folder: str = "work") -> list[Path]:
    """Particles lie in the first, what is known of a picture in `facts`."""
    return sorted((data_folder() / folder).glob("[!.]*.npz"))


def offered(bench: Any, qtbot: Any, panel: int = 0) -> Any:
    bar = bench.restore_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    return bar


def restored(bench: Any, qtbot: Any, wait_jobs: Any) -> Any:
    offered(bench, qtbot).restore.click()
    wait_jobs(bench.session)
    return bench.session.current


def work_on(bench: Any, wait_jobs: Any, qtbot: Any, idle: Any) -> Any:
    """Calibrate, name the sample, leave out a region, find, delete one, exclude one, review the rest."""
    session, panel = bench.session, bench.panel(3)
    item = session.current
    session.set_calibration([item], Calibration((0.5, 0.5), "typed", 0.01, 1.02, 0.003, "gold on carbon", "2026-11-02"))
    session.set_sample(item, "batch 7")
    bench.panel(0).region.click()
    item.left_out.add_polygons([np.array(CORNERS)])
    idle()
    find(bench, wait_jobs)
    ids = item.measurement.table["particle"].astype(int).tolist()
    session.select([ids[0]])
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    session.select([ids[1]])
    panel.corrector.exclude("out of focus")
    session.select([])
    panel.corrector.review_all(item, True)
    return item


def test_everything_comes_back_in_the_next_viewer(start: Any, grid: Any, wait_jobs: Any, qtbot: Any, tmp_path: Path, idle: Any) -> None:
    bench = start(grid)
    item = work_on(bench, wait_jobs, qtbot, idle)
    bench.panel(2).labelling.new.click()
    item.annotation.paint((40, 40), 2)
    table, labels, calibration = item.measurement.table, item.particles.labels.copy(), item.calibration
    digest = item.particles.prediction.model_hash
    bench.session.close()

    bench = start(grid, "another name")
    session, bar = bench.session, offered(bench, qtbot)
    sentence = bar.text.text()
    assert sentence.startswith("Work of ")
    assert f"{len(table)} particles, 2 corrections, reviewed, 1 region, pixel size 0.51 nm, sample batch 7, strokes." in sentence
    assert bar.all.isHidden()
    item = restored(bench, qtbot, wait_jobs)
    qtbot.waitUntil(lambda: item.annotation is not None, timeout=10_000)
    assert bar.isHidden()
    assert item.calibration == calibration
    assert (item.sample, item.measurement.sample, item.reviewed, item.status) == ("batch 7", "batch 7", True, "reviewed")
    np.testing.assert_array_equal(item.particles_layer.data, labels)
    pd.testing.assert_frame_equal(item.measurement.table.assign(image="grid"), table.assign(image="grid"), check_dtype=False)
    assert item.history.by_hand == 2
    assert len(item.left_out.data) == 1
    assert item.annotation.data[40, 40] == 2
    assert item.annotation.mode == "pan_zoom"
    np.testing.assert_allclose(item.left_out.scale, item.layer.scale)
    assert item.particles.origin.model_hash == digest
    assert item.particles.origin.model == "particles"
    assert item.measurement.edge.startswith("mask of pixel centres")

    from napari_temseg.widgets.session.export import write_report

    write_report(session, [item], [item.measurement], str(tmp_path / "report"))
    wait_jobs(session)
    summary = json.loads((tmp_path / "report" / "summary.json").read_text(encoding="utf-8"))
    assert summary["images"][0]["model"] == {"name": "particles", "hash": digest}
    assert summary["images"][0]["corrections"] == 2
    assert summary["settings"]["split"]["strength"] == item.particles.settings["strength"]

    panel = bench.panel(3)
    session.select([int(table["particle"].iloc[3])])
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert item.history.by_hand == 3
    assert len(item.measurement) == len(table) - 1
    qtbot.waitUntil(panel.undo.isEnabled)
    panel.undo.click()
    assert len(item.measurement) == len(table)
    qtbot.waitUntil(lambda: not panel.undo.isEnabled())
    session.close()
    assert len(files()) == 1


def test_what_looks_like_two_comes_back_without_what_a_person_has_passed(start: Any, grid: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = start(grid)
    session, doubtful = bench.session, bench.session.part(Doubtful)
    item = find(bench, wait_jobs)
    qtbot.waitUntil(lambda: doubtful.of(item) is not None, timeout=20_000)
    first, second, third, *_ = item.measurement.table["particle"].astype(int).tolist()
    doubtful._known[item] = Doubts(
        {first: 0.7, second: 1.0}, {(second, third): 0.4}, {second: 8.0}
    )  # whatever the network thinks of this picture
    session.part(Corrector).mark_reviewed(item, [first])
    session.close()

    bench = start(grid)
    item = restored(bench, qtbot, wait_jobs)
    doubtful, panel = bench.session.part(Doubtful), bench.panel(1)
    assert doubtful.of(item) == Doubts({second: 1.0}, {(second, third): 0.4}, {second: 8.0})
    assert "1 of" in panel.doubt.text()
    assert "looks like two" in panel.doubt.text()
    bench.panel(3).next.click()
    assert bench.session.selected == {second}
    bench.session.part(Corrector).delete()
    assert doubtful.of(item) == Doubts()
    bench.session.part(Corrector).undo()
    assert doubtful.of(item) == Doubts({second: 1.0}, {(second, third): 0.4}, {second: 8.0})


def test_undo_brings_back_what_the_model_said_in_restored_work_too(start: Any, wait_jobs: Any, qtbot: Any) -> None:
    picture = temseg.simulate(temseg.SimulateConfig(height=224, width=224, count=40, diameter=16, touching=0.3, seed=5))
    bench = start(picture.micrograph.data)
    bench.panel(1).dial.say_sizes([16.0])
    item = find(bench, wait_jobs)
    before, corrector = item.measurement.table, bench.session.part(Corrector)
    bench.session.select(before["particle"].iloc[:2])
    corrector.delete()
    corrector.undo()
    pd.testing.assert_frame_equal(item.measurement.table.drop(columns="aggregate"), before.drop(columns="aggregate"))
    bench.session.close()
    bench = start(picture.micrograph.data)
    session = bench.session
    item, corrector = restored(bench, qtbot, wait_jobs), session.part(Corrector)
    before = item.measurement.table
    own = item.particles.table
    touching = own.index[own["aggregate"].duplicated(keep=False)]
    gone = [int(before.loc[before["estimator"] == BETWEEN_PIXELS, "particle"].iloc[0]), int(touching[0])]
    session.select(gone)
    corrector.delete()
    after = item.measurement.table
    said = ["particle", "probability_mean", "confidence", "unsure"]
    pd.testing.assert_frame_equal(after[said], before.loc[~before["particle"].isin(gone), said].reset_index(drop=True))
    corrector.undo()
    pd.testing.assert_frame_equal(item.measurement.table.drop(columns="aggregate"), before.drop(columns="aggregate"))
    corrector.redo()
    pd.testing.assert_frame_equal(item.measurement.table.drop(columns="aggregate"), after.drop(columns="aggregate"))
    corrector.undo()
    measured = before[before["estimator"] == BETWEEN_PIXELS].iloc[-1]  # what is added beside it covers a part of its outline
    y, x, reach = measured["centroid_y_px"], measured["centroid_x_px"], measured["bbox_right_px"] - measured["centroid_x_px"]
    corrector.add(np.array([[y - 9, x + reach], [y - 9, x + reach + 14], [y + 9, x + reach + 14], [y + 9, x + reach]]))
    met = item.measurement.table.set_index("particle")["estimator"]
    assert met[measured["particle"]] != BETWEEN_PIXELS
    corrector.undo()
    pd.testing.assert_frame_equal(item.measurement.table.drop(columns="aggregate"), before.drop(columns="aggregate"))


def test_that_a_powder_is_wider_than_its_search_and_what_was_doubted_and_stroked_comes_back(
    start: Any, grid: Any, wait_jobs: Any, qtbot: Any
) -> None:
    bench = start(grid)
    item = find(bench, wait_jobs)
    drawn = item.particles.labels == item.particles.table.index[0]
    prediction = replace(item.prediction, smaller=SizeCandidate(9.0, 40), doubted=0.3, vouched=drawn)  # as of strokes on a search
    item.prediction, item.particles = prediction, replace(item.particles, prediction=prediction, faint=7)
    item.measurement = temseg.measure(item.particles)
    sure = item.measurement.table["confidence"].tolist()
    assert sure.count(1.0) == 1
    bench.session.item_changed.emit(item, Change.PARTICLES)
    assert item.particles.wider
    bench.session.close()
    item = restored(start(grid), qtbot, wait_jobs)
    assert item.particles.wider
    assert item.measurement.wider
    assert (item.measurement.doubted, item.measurement.faint) == (0.3, 7)
    assert item.measurement.table["confidence"].tolist() == pytest.approx(sure)


def test_what_was_said_for_the_search_comes_back(start: Any, grid: Any, qtbot: Any, wait_jobs: Any) -> None:
    bench = start(grid, scale=(0.5, 0.5), units=("nm", "nm"))
    panel, said = bench.panel(1), PredictConfig(typical_nm=12.0, other_nm=70.0, polarity="dark", scales=(1.0, 0.5))
    panel.finder.edit(said, bench.session.current)
    bench.session.close()

    bench = start(grid, "renamed", scale=(0.5, 0.5), units=("nm", "nm"))
    panel, item = bench.panel(1), bench.session.current
    assert "typical size 12 nm and 70 nm" in offered(bench, qtbot).text.text()
    restored(bench, qtbot, wait_jobs)
    assert item.search == said
    assert panel.finder.predict.polarity == "dark"
    assert panel.dial.field.text() == "12 nm, 70 nm"
    panel.finder.use_for_all()
    assert panel.finder.predict == replace(said, **{name: getattr(panel.finder.predict, name) for name in ("typical_nm", "other_nm")})
    bench.session.close()
    (file,) = files("facts")
    assert not store.read_about(file)["search"], "it is of all pictures now"


def test_untouched_images_are_not_kept(start: Any, grid: Any, qtbot: Any) -> None:
    start(grid).session.close()
    assert files() == files("facts") == []


def test_work_is_written_soon_and_goes_on_in_the_same_file(start: Any, grid: Any, wait_jobs: Any, wait_chores: Any, qtbot: Any) -> None:
    bench = start(grid)
    find(bench, wait_jobs)
    session = bench.session
    for _ in range(2):  # what looks like two, and other splits, are kept with the particles, and come after them
        wait_chores(session)
        qtbot.waitUntil(lambda: len(files()) == 1 and not session.part(Autosaver)._unwritten)
    assert session.current.measurement.other_splits is not None
    stamp = files()[0].stat().st_mtime_ns
    session.close()
    assert files()[0].stat().st_mtime_ns == stamp, "what has not changed is not written again"
    bench = start(grid)
    restored(bench, qtbot, wait_jobs)
    bench.session.set_sample(bench.session.current, "A")
    bench.session.close()
    assert len(files()) == 1
    assert store.read_about(files("facts")[0])["known"]["sample"] == "A"


def test_what_was_done_meanwhile_stays(start: Any, grid: Any, wait_jobs: Any, qtbot: Any, idle: Any) -> None:
    bench = start(grid)
    item = work_on(bench, wait_jobs, qtbot, idle)
    before = item.particles.labels.copy()
    bench.session.close()
    bench = start(grid)
    session, item, said = bench.session, bench.session.current, []
    offered(bench, qtbot)
    session.said.connect(said.append)
    session.set_calibration([item], Calibration((0.3, 0.3), "typed"))
    session.set_sample(item, "mine")
    find(bench, wait_jobs)
    found = item.particles.labels.copy()
    assert restored(bench, qtbot, wait_jobs) is item
    assert item.calibration.pixel_size == (0.3, 0.3)
    assert item.sample == "mine"
    assert "stays 0.3 nm" in said[-1]
    np.testing.assert_array_equal(item.particles.labels, before)
    assert item.history.by_hand == 2
    assert item.prediction is not None, "the same model found both: splitting goes on"
    qtbot.waitUntil(bench.panel(3).undo.isEnabled)
    bench.panel(3).undo.click()
    np.testing.assert_array_equal(item.particles.labels, found)
    assert item.history.by_hand == 0
    session.close()
    assert len(files()) == 2


def test_a_typed_pixel_size_wins_over_that_of_the_file_and_says_so(start: Any, grid: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = start(grid)
    bench.session.set_calibration([bench.session.current], Calibration((0.21, 0.21), "typed"))
    bench.session.close()
    bench = start(grid, scale=(0.2, 0.2), units=("nm", "nm"))
    said: list[str] = []
    bench.session.said.connect(said.append)
    bar = offered(bench, qtbot)
    assert bar.text.text().endswith("is kept: pixel size 0.21 nm (the image says 0.2 nm).")
    item = restored(bench, qtbot, wait_jobs)
    assert item.calibration.pixel_size == (0.21, 0.21)
    assert "0.21 nm (typed) took the place of 0.2 nm (layer)" in said[-1]


def test_removed_particles_are_offered_and_stay_in_their_file(start: Any, grid: Any, wait_jobs: Any, qtbot: Any, idle: Any) -> None:
    bench = start(grid)
    item = work_on(bench, wait_jobs, qtbot, idle)
    n = len(item.particles)
    bench.session.viewer.layers.remove(item.particles_layer)
    assert item.particles is None
    restored(bench, qtbot, wait_jobs)
    assert len(item.particles) == n
    bench.session.viewer.layers.remove(item.particles_layer)
    find(bench, wait_jobs)
    bench.session.close()
    counts = sorted(store.read_about(path)["particles"]["corrections"] for path in files())
    assert counts == [0, 2]


def test_closing_that_removes_all_layers_first_loses_nothing(start: Any, grid: Any, wait_jobs: Any, qtbot: Any, idle: Any) -> None:
    bench = start(grid)
    item = work_on(bench, wait_jobs, qtbot, idle)
    n = len(item.particles)
    bench.session.viewer.close()
    bench = start(grid)
    assert f"{n} particles, 2 corrections, reviewed, 1 region" in offered(bench, qtbot).text.text()
    assert len(files()) == 1


@pytest.mark.parametrize("harm", ["cut short", "labels"])
def test_a_mangled_file_is_a_sentence_and_the_other_parts_come_back(
    start: Any, grid: Any, wait_jobs: Any, qtbot: Any, wait_chores: Any, harm: str
) -> None:
    bench = start(grid)
    bench.session.set_sample(bench.session.current, "batch 7")
    find(bench, wait_jobs)
    bench.session.close()
    (path,) = files()
    if harm == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    else:  # the header can be read, the pixels cannot
        with np.load(path) as file:
            parts = dict(file)
        np.savez(path, **{**parts, "labels": parts["labels"][:10]})
    before = path.read_bytes()
    bench = start(grid)
    said: list[str] = []
    bench.session.said.connect(said.append)
    notification_manager.records.clear()
    bar = offered(bench, qtbot)
    if harm == "labels":
        item = restored(bench, qtbot, wait_jobs)
        assert "cannot be read" in notification_manager.records[-1].message
        assert bar.text.text().split("is kept: ")[1].endswith("particles."), "they are offered still, and the rest is back"
        assert item.sample == "batch 7"
    else:
        wait_chores(bench.session)
        assert len([sentence for sentence in said if f"{path.name} cannot be read" in sentence]) == 1
        assert bar.text.text().endswith("is kept: sample batch 7.")
        bar.discard.click()
        assert bar.isHidden()
        qtbot.waitUntil(lambda: files("facts") == [], timeout=10_000)
    assert bench.session.current.particles is None
    find(bench, wait_jobs)
    bench.session.close()
    assert path.read_bytes() == before
    assert len(files()) == 2


def test_painting_that_closing_overtook_is_there(start: Any, grid: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = start(grid)
    item = find(bench, wait_jobs)
    layer, n = item.particles_layer, len(item.particles)
    y, x = next((y, x) for y, x in np.ndindex(180, 180) if not layer.data[y : y + 12, x : x + 12].any())
    layer.brush_size = 7
    layer.paint((y + 6, x + 6), int(layer.data.max()) + 1)
    bench.session.close()
    bench = start(grid)
    item = restored(bench, qtbot, wait_jobs)
    assert len(item.particles) == n + 1
    assert item.particles.labels[y + 6, x + 6]


def test_a_stack_and_all_images_come_back(start: Any, stack: Any, grid: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = start(stack, "series")
    bench.session.viewer.add_image(grid.copy(), name="single")
    session = bench.session
    session.set_axes(session.items[0], "NYX")
    bench.panel(1).all.click()
    wait_jobs(session)
    tables = [item.measurement.table for item in session.items]
    session.close()
    bench = start(stack, "series")
    bench.session.viewer.add_image(grid.copy(), name="single")
    session = bench.session
    qtbot.waitUntil(lambda: len(bench.restore_bar.autosaver.items_with_earlier_work()) == 2, timeout=10_000)
    said: list[str] = []
    session.said.connect(said.append)
    assert bench.restore_bar.all.text() == "All 2"
    bench.restore_bar.all.click()
    qtbot.waitUntil(lambda: all(item.particles is not None for item in session.items), timeout=60_000)
    wait_jobs(session)
    assert session.items[0].axes == "NYX"
    for item, table in zip(session.items, tables, strict=True):
        pd.testing.assert_frame_equal(item.measurement.table, table, check_dtype=False)
    assert any((table["estimator"] == "contour").any() for table in tables)
    assert not any("come from the mask now" in sentence for sentence in said)


def test_the_image_in_hand_is_shown_after_all_came_back(start: Any, stack: Any, wait_jobs: Any, qtbot: Any) -> None:
    def begun() -> Any:
        bench = start(stack[0], "one")
        for number, name in ((1, "two"), (2, "three")):
            bench.session.viewer.add_image(stack[number].copy(), name=name)
        return bench

    bench = begun()
    for size, item in zip((1.0, 0.1, 40.0), bench.session.items, strict=True):
        bench.session.set_current(item)
        bench.session.set_calibration([item], Calibration((size, size), "typed"))
        bench.panel(2).labelling.new.click()
        item.annotation.paint((40, 40), 2)
    bench.panel(1).all.click()
    wait_jobs(bench.session)
    bench.session.close()

    bench = begun()
    session, panel = bench.session, bench.panel(0)
    qtbot.waitUntil(lambda: len(bench.restore_bar.autosaver.items_with_earlier_work()) == 3, timeout=10_000)
    hand = session.items[1]
    panel.table.selectRow(1)
    bench.restore_bar.all.click()
    qtbot.waitUntil(lambda: all(item.particles is not None and item.annotation is not None for item in session.items), timeout=60_000)
    wait_jobs(session)
    assert session.current is hand
    assert panel.table.currentIndex().row() == 1
    shown(session, hand)

    layers.set_visible(hand.layer, False)
    layers.set_visible(session.items[0].layer, True)
    layers.fit(session.viewer, session.items[2].layer)
    row = panel.table.visualRect(panel.table.images.index(1, 0))
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    shown(session, hand)


def shown(session: Any, hand: Any) -> None:
    """The picture in hand with its outlines is all that is seen, and as large as fits."""
    for item in session.items:
        assert item.layer.visible is (item is hand)
        assert item.particles_layer.visible is (item is hand)
        assert not (item.annotation.visible and item is not hand)
    assert layers.in_view(session.viewer, hand.layer, 0.2)


def test_the_model_that_made_what_came_back_is_in_use(start: Any, grid: Any, wait_jobs: Any, qtbot: Any) -> None:
    from napari_temseg.files.models import save

    path = own_models.folder() / "particles+1.temseg"
    path.parent.mkdir(parents=True)
    save(temseg.load("particles"), path)
    bench = start(grid)
    bench.session.use_model("particles+1")
    find(bench, wait_jobs)
    bench.session.settings.set("model", "particles")
    bench.session.close()

    bench = start(grid)
    assert bench.session.model == "particles"
    restored(bench, qtbot, wait_jobs)
    assert bench.session.model == "particles+1"
    assert bench.panel(1).model.currentText() == "particles+1"


def test_what_is_large_waits_for_the_end(
    start: Any, grid: Any, wait_jobs: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, wait_chores: Any
) -> None:
    monkeypatch.setattr(particles, "LARGE_LABELS", 1000)
    bench = start(grid)
    find(bench, wait_jobs)
    bench.restore_bar.autosaver.flush()
    wait_chores(bench.session)
    assert files() == []
    bench.session.close()
    assert len(files()) == 1


def test_the_folder_stays_within_its_room_and_the_oldest_go(
    start: Any, grid: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = data_folder() / "facts"
    folder.mkdir(parents=True)
    long_ago = time.time() - 2 * store.DAY
    for name, age in {"a-1.npz": 9, "b-1.npz": 8, "c-1.npz": 7, ".half-1.npz": 0}.items():
        (folder / name).write_bytes(bytes(3000))
        os.utime(folder / name, (long_ago - age, long_ago - age))
    monkeypatch.setattr(store, "ROOM", 8000)
    caplog.set_level("INFO", "napari_temseg")
    bench = start(grid)
    bench.session.set_sample(bench.session.current, "batch 7")
    bench.restore_bar.autosaver.flush()
    qtbot.waitUntil(lambda: not (folder / ".half-1.npz").exists(), timeout=10_000)
    names = [path.name for path in files("facts")]
    assert "a-1.npz" not in names
    assert "c-1.npz" in names
    assert sum(path.stat().st_size for path in files("facts")) <= 8000
    assert any("a-1.npz deleted: what is kept takes more than" in record.getMessage() for record in caplog.records)


def test_what_cannot_be_written_is_told_once_and_written_later(start: Any, grid: Any, qtbot: Any, wait_chores: Any) -> None:
    data_folder().mkdir(parents=True, exist_ok=True)
    obstacles = [data_folder() / name for name in ("facts", "annotations")]
    for obstacle in obstacles:
        obstacle.write_text("in the way")
    bench = start(grid)
    bench.panel(2).labelling.new.click()
    notification_manager.records.clear()
    for row, sample in enumerate("ab"):
        bench.session.set_sample(bench.session.current, sample)
        bench.session.current.annotation.paint((40, 40 + 20 * row), 2)
        bench.restore_bar.autosaver.flush()
        wait_chores(bench.session)
    told = [record.message for record in notification_manager.records if "cannot be autosaved" in record.message]
    assert len(told) == 2
    assert any("grid: strokes" in sentence for sentence in told)
    for obstacle in obstacles:
        obstacle.unlink()
    bench.restore_bar.autosaver.flush()  # nothing was done since
    wait_chores(bench.session)
    assert store.read_about(files("facts")[0])["known"]["sample"] == "b"
    assert np.count_nonzero(store.read_arrays(files("annotations")[0])["labels"][0, 40, 60]) == 1


def test_a_trained_model_is_there_at_the_next_start(start: Any, grid: Any, picture: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = start(grid)
    panel, session = bench.panel(2), bench.session
    truth = np.where(picture.instances[:192, :192] > 0, 2, 1)
    panel.labelling.new.click()
    layer = session.current.annotation
    layer.brush_size = 7
    objects, count = ndimage.label(truth == 2)
    for y, x in ndimage.center_of_mass(truth == 2, objects, range(1, count + 1)):
        layer.paint((round(y), round(x)), 2)
    for y, x in np.ndindex(6, 6):
        if truth[16 + 32 * y, 16 + 32 * x] == 1:
            layer.paint((16 + 32 * y, 16 + 32 * x), 1)
    qtbot.waitUntil(lambda: not panel.annotator.counting and panel.train.isEnabled(), timeout=20_000)
    # Nothing is held out: these strokes tell the model nothing new, and judged by them it would stay as it was.
    for name, value in {**SMALL, "validation": 0.0}.items():
        panel.form.fields[name].value = value
    panel.train.click()
    wait_jobs(session)
    wait_jobs(session)
    name = session.model
    assert name != "particles"
    digest = session.models[name].content_hash()
    path = own_models.folder() / f"{name}.temseg"
    qtbot.waitUntil(path.exists, timeout=20_000)
    panel.model.name.setText("my rods")
    panel.model.name.editingFinished.emit()
    qtbot.waitUntil(lambda: not path.exists(), timeout=20_000)
    session.close()

    bench = start(grid)
    session, box = bench.session, bench.panel(1).model
    index = box.findData("my rods")
    assert box.itemText(index) == "my rods"
    assert str(own_models.folder()) in box.itemData(index, 3)
    assert bench.panel(2).start.findData("my rods") >= 0
    assert session.models == {}
    session.use_model("my rods")
    item = find(bench, wait_jobs)
    assert item.prediction.model_hash == digest
    bench.panel(2).model.name.setText("rods+1")
    bench.panel(2).model.name.editingFinished.emit()
    qtbot.waitUntil((own_models.folder() / "rods+1.temseg").exists, timeout=10_000)
    assert session.segmenter().endswith("rods+1.temseg")


def test_numbered_models_beyond_the_newest_go(start: Any, grid: Any, qtbot: Any) -> None:
    load_compiler()  # jobs do so before they load a model
    own_models.folder().mkdir(parents=True)
    now = time.time()
    for number in range(1, 12):
        old = own_models.folder() / f"particles+{number}.temseg"
        old.write_bytes(b"an old one")
        os.utime(old, (now, now - 60 + number))
    (own_models.folder() / "mine.temseg").write_bytes(b"named by its user")
    bench = start(grid)
    session = bench.session
    assert len(session.own) == 12
    own = session.part(own_models.OwnModels)
    name = session.add_model("particles+12", temseg.load("particles"))
    own.save(name, session.models[name])
    qtbot.waitUntil(lambda: len(session.own) == 10, timeout=20_000)
    assert "particles+1" not in session.own
    assert {"mine", "particles+11"} <= set(session.own)
    assert bench.panel(1).model.findData("particles+1") < 0


def test_a_model_of_ones_own_is_removed_after_asking(start: Any, grid: Any, qtbot: Any) -> None:
    load_compiler()  # jobs do so before they load a model
    folder = own_models.folder()
    folder.mkdir(parents=True)
    for name in ("old rods", "other"):
        (folder / f"{name}.temseg").write_bytes(b"of an earlier start")
    bench = start(grid)
    session, models, started = bench.session, bench.panel(1).models, bench.panel(2).start
    assert not models.remove.isEnabled(), "the shipped one stays"
    session.use_model("old rods")
    started.chosen = "old rods"
    models.remove.click()
    assert "old rods" in models.warning.text()
    models.keep.click()
    assert models.question.isHidden()
    assert (folder / "old rods.temseg").exists()
    models.remove.click()
    models.delete.click()
    qtbot.waitUntil(lambda: not (folder / "old rods.temseg").exists(), timeout=10_000)
    assert models.question.isHidden()
    assert session.model == "particles"
    assert models.box.findData("old rods") < 0
    assert started.base == "particles"
    assert (folder / "other.temseg").exists()
    name = session.add_model("particles+1", temseg.load("particles"))
    models.own.save(name, session.models[name])
    qtbot.waitUntil((folder / "particles+1.temseg").exists, timeout=20_000)
    models.remove.click()
    models.delete.click()
    qtbot.waitUntil(lambda: not (folder / "particles+1.temseg").exists(), timeout=10_000)
    assert session.models == {}


def test_two_populations_come_back_digit_for_digit(start: Any, wait_jobs: Any, qtbot: Any) -> None:
    picture = two_sizes(side=320, small=30, large=6)
    bench = start(picture.image)
    session, item = bench.session, bench.session.current
    bench.panel(1).dial.say_sizes([13.0, 92.0])
    find_both(bench, wait_jobs)
    small = item.particles.table.index[item.particles.table["population"] == "small"]
    session.select([int(small[0])])
    bench.panel(3).corrector.delete()
    table, labels = item.measurement.table, item.particles.labels.copy()
    assert table["population"].value_counts()["small"] > 20
    session.close()
    back = start(picture.image)
    item = restored(back, qtbot, wait_jobs)
    np.testing.assert_array_equal(item.particles.labels, labels)
    pd.testing.assert_frame_equal(item.measurement.table, table, check_dtype=False)


def test_the_interval_with_segmentation_comes_back(start: Any, wait_jobs: Any, qtbot: Any) -> None:
    picture = temseg.simulate(temseg.SimulateConfig(height=224, width=224, count=40, diameter=16, touching=0.3, seed=5))
    bench = start(picture.micrograph.data)
    pool = bench.session.part(Pool)
    bench.panel(1).dial.say_sizes([16.0])
    find_both(bench, wait_jobs)
    item = bench.session.current
    bench.session.select([int(item.particles.table.index[0])])
    bench.panel(3).corrector.delete()
    qtbot.waitUntil(lambda: not pool.busy and bool(pool.distribution.summary) and not pool.distribution.waiting)
    told = pool.distribution.summary["intervals"]["these particles"]["d50"]
    bench.session.close()
    back = start(picture.micrograph.data)
    again = back.session.part(Pool)
    restored(back, qtbot, wait_jobs)
    qtbot.waitUntil(lambda: not again.busy and bool(again.distribution.summary))
    assert not again.distribution.waiting
    assert again.distribution.summary["intervals"]["these particles"]["d50"] == pytest.approx(told, rel=1e-6)


def find_both(bench: Any, wait_jobs: Any) -> None:
    bench.go(1)
    bench.panel(1).one.click()
    wait_jobs(bench.session)
