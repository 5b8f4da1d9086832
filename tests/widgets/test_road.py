"""The whole road through the window with the mouse, and what may happen at any moment of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from scipy import ndimage

import napari_temseg as temseg


def click(qtbot: Any, button: Any) -> None:
    """The left mouse button on a button of a dock that is on the screen."""
    assert button.isEnabled(), f"“{button.text()}” cannot be clicked"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def paint(layer: Any, truth: np.ndarray) -> None:
    """A dot in every other particle, a grid of dots on the background."""
    layer.brush_size = 5
    objects, count = ndimage.label(truth == 2)
    for y, x in ndimage.center_of_mass(truth == 2, objects, range(1, count + 1, 2)):
        if truth[round(y), round(x)] == 2:
            layer.paint((round(y), round(x)), 2)
    away = ndimage.distance_transform_edt(truth == 1)
    for y, x in np.ndindex(8, 8):
        if away[16 + 32 * y, 16 + 32 * x] > 5:
            layer.paint((16 + 32 * y, 16 + 32 * x), 1)


def test_from_a_file_to_a_table(
    make_napari_viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Find, stroke, train, finish, cancel, split, correct, measure, export, undo."""
    from napari_temseg.files.formats.tiff import write_tiff
    from napari_temseg.widgets.images.opening import Opener

    write_tiff(tmp_path / "grid.tif", picture.micrograph.data, picture.micrograph.calibration, "YX")
    viewer = make_napari_viewer(show=True)
    bench = open_bench(viewer)
    session = bench.session
    session.part(Opener).open([tmp_path / "grid.tif"])
    wait_jobs(session)
    qtbot.waitUntil(lambda: session.current is not None)
    item = session.current
    assert item.calibration.pixel_size == pytest.approx((0.5, 0.5))

    click(qtbot, bench.steps.button(1))
    find = bench.panel(1)
    click(qtbot, find.one)
    wait_jobs(session)
    found = len(item.particles)
    assert found > 3
    find.split.fields["strength"].value = 0.9
    wait_jobs(session)
    assert item.particles.settings["strength"] == pytest.approx(0.9)
    find.split.fields["strength"].value = 0.5
    wait_jobs(session)
    assert len(item.particles) == found

    click(qtbot, bench.steps.button(2))
    improve = bench.panel(2)
    click(qtbot, improve.labelling.new)
    paint(item.annotation, picture.classes)
    strokes = item.annotation.data.copy()
    qtbot.waitUntil(lambda: not improve.annotator.counting and improve.train.isEnabled(), timeout=20_000)
    for name, value in {"max_seconds": 3600, "crop": 64, "evaluate_every": 2}.items():
        improve.form.fields[name].value = value
    improve.train.click()
    qtbot.waitUntil(lambda: len(improve.trainer.points) >= 2, timeout=120_000)
    session.jobs.cancel()
    wait_jobs(session)
    assert session.model == "particles"
    improve.train.click()
    qtbot.waitUntil(lambda: len(improve.trainer.points) >= 2, timeout=120_000)
    session.jobs.finish()
    wait_jobs(session)
    wait_jobs(session)
    assert improve.trainer.ended
    np.testing.assert_array_equal(item.annotation.data, strokes)

    click(qtbot, bench.steps.button(3))
    panel = bench.panel(3)
    qtbot.waitUntil(panel.export.isEnabled, timeout=20_000)
    before, table = item.particles.labels.copy(), item.measurement.table
    free = table[~table["frame"] & ~table["cut"]]
    session.select([int(free["particle"].iloc[0])])
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert len(item.measurement) == len(table) - 1
    session.select([int(item.measurement.table["particle"].iloc[0])])
    panel.corrector.exclude("out of focus")
    target = tmp_path / "particles.csv"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(target), ""))
    panel.export.click()
    qtbot.waitUntil(target.exists, timeout=20_000)
    written = pd.read_csv(target)
    assert len(written) == len(table) - 1
    assert list(written["excluded"].dropna()) == ["out of focus"]
    np.testing.assert_allclose(written["ecd_nm"], item.measurement.table["ecd_nm"], rtol=1e-6)
    panel.undo.click()
    panel.undo.click()
    np.testing.assert_array_equal(item.particles_layer.data, before)
    assert len(item.measurement) == len(table)
    session.close()


@pytest.mark.parametrize("moment", [0, 1, 3])
def test_layers_may_change_while_a_search_runs(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, stack: Any, moment: int) -> None:
    viewer.add_image(np.concatenate([stack, stack]), name="series")
    viewer.add_image(stack[0], name="single")
    bench = open_bench(viewer)
    session = bench.session
    series, single = session.items
    session.set_axes(series, "NYX")
    seen: list[Any] = []
    session.jobs.progressed.connect(seen.extend)
    bench.panel(1).all.click()
    qtbot.waitUntil(lambda: sum(step.preview is not None for step in seen) >= moment, timeout=120_000)
    series.layer.name = "renamed"
    viewer.layers.reverse()
    viewer.add_image(stack[1], name="late")
    for role in ("particles", "probability"):
        if role in series.made:
            viewer.layers.remove(series.made[role])
    viewer.layers.remove(series.layer)
    wait_jobs(session)
    assert [item.name for item in session.items] == ["single", "late"]
    assert single.particles is not None
    assert single.made["particles"] in viewer.layers


def test_two_viewers_do_not_meet(make_napari_viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, picture: Any, idle: Any) -> None:
    first, second = make_napari_viewer(), make_napari_viewer()
    first.add_image(picture.micrograph.data, name="grid")
    second.add_image(picture.micrograph.data[:192, :192], name="grid")
    one, other = open_bench(first), open_bench(second)
    assert one.session is not other.session
    one.panel(1).one.click()
    other.panel(1).one.click()
    wait_jobs(one.session)
    wait_jobs(other.session)
    assert one.session.current.particles.labels.shape == (256, 256)
    assert other.session.current.particles.labels.shape == (192, 192)
    assert {layer.name for layer in second.layers} == {layer.name for layer in first.layers}
    one.panel(1).one.click()
    first.close()
    idle()
    other.panel(1).one.click()
    wait_jobs(other.session)
    assert other.session.current.particles is not None
    other.session.close()


def test_an_error_of_torch_is_one_sentence(viewer: Any, open_bench: Any, wait_jobs: Any, monkeypatch: Any, picture: Any) -> None:
    """A real failure inside the network: its weights do not fit its layers any more."""
    from napari.utils.notifications import notification_manager

    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    broken = temseg.load("particles")
    broken.network.encoder.features[0][0].weight.data = broken.network.encoder.features[0][0].weight.data[:, :0]
    bench.session.add_model("broken", broken)
    notification_manager.records.clear()
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    said = [str(record.message) for record in notification_manager.records]
    assert len(said) == 1
    assert said[0].startswith("Finding particles: grid failed")
    assert "Traceback" not in said[0]
    bench.session.use_model("particles")
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    assert bench.session.current.particles is not None
