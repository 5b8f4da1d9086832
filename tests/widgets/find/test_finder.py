"""The window says of an image that it is unlike those its model was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from in_the_window import find, held

import napari_temseg as temseg
from napari_temseg.engine.model.novelty import NAMES, Familiarity
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import FOUND_STEP
from napari_temseg.widgets.session.regions import Regions
from napari_temseg.widgets.workbench import JobBar

WARY = Familiarity((0.0,) * len(NAMES), (1.0,) * len(NAMES), (1.0,) * len(NAMES), -1.0)


def test_an_unlike_image_is_told_in_list_and_under_find(bench: Any, particles: Any, wait_jobs: Any, monkeypatch: Any) -> None:
    session = bench.session
    monkeypatch.setattr(session, "segmenter", lambda *_: replace(particles, familiar=WARY))
    find = bench.panel(1)
    find.dial.say_sizes([28.0])  # else the size is asked for first
    find.one.click()
    wait_jobs(session)
    item = session.current
    told = "grid is unlike the micrographs its model was trained on"
    assert told in item.unlike
    assert "Unlike the micrographs its model was trained on" in find.note.text()
    assert not find.ways.isHidden()
    row = bench.panel(0).table.images._rows[0]
    assert "unlike its training" in row.lines[0][1]
    assert told in row.story
    item.reviewed = True  # somebody looked at it
    session.item_changed.emit(item, Change.PARTICLES)
    assert "unlike its training" not in bench.panel(0).table.images._rows[0].lines[0][1]


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
    with held(session.jobs, moment):
        bench.panel(1).all.click()
        qtbot.waitUntil(lambda: sum(step.preview is not None for step in seen) >= moment)
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


def test_all_images_spares_those_that_were_searched_just_so(viewer: Any, open_bench: Any, wait_jobs: Any, stack: Any) -> None:
    for index, name in enumerate(("first", "second")):
        viewer.add_image(stack[index], name=name)
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(1)
    first, second = session.items
    table = bench.panel(0).table
    table.setCurrentIndex(table.images.index(0, 0))
    panel.dial.say_sizes([28.0])
    find(bench, wait_jobs)
    answer = first.prediction
    panel.all.click()
    wait_jobs(session)
    assert first.prediction is answer
    assert second.particles is not None
    assert "1 image was searched with this model and these settings before, and left as is" in bench.findChild(JobBar).sentence.text()
    others = second.prediction
    panel.all.click()
    assert not session.jobs.running
    assert "All these images were searched" in bench.findChild(JobBar).sentence.text()
    session.part(Corrector).undo()  # of the search: it is not the answer that this picture has any more
    panel.dial.say_sizes([30.0])
    panel.all.click()
    wait_jobs(session)
    assert first.prediction is not answer
    assert second.prediction is others


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


def test_a_picture_closed_during_its_search_leaves_nothing_and_no_success_is_told(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, stack: Any
) -> None:
    viewer.add_image(np.concatenate([stack] * 3), name="series")
    bench = open_bench(viewer)
    session = bench.session
    session.set_axes(session.current, "NYX")
    said: list[str] = []
    session.said.connect(said.append)
    with held(session.jobs, 1):
        bench.panel(1).one.click()
        qtbot.waitUntil(lambda: "particles" in session.current.made)
        viewer.layers.remove("series")
    wait_jobs(session)
    assert len(viewer.layers) == 0
    assert said[-1] == "The search was stopped, as its image was closed."
    assert not any("found" in sentence for sentence in said)


def test_pixels_replaced_during_a_search_are_told_to_be_searched_again(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, stack: Any
) -> None:
    layer = viewer.add_image(stack[0], name="single")
    bench = open_bench(viewer)
    session = bench.session
    said: list[str] = []
    session.said.connect(said.append)
    seen: list[Any] = []
    session.jobs.progressed.connect(seen.extend)
    with held(session.jobs, 1):
        bench.panel(1).one.click()
        qtbot.waitUntil(lambda: any(step.preview is not None for step in seen))
        layer.data = stack[1]
    wait_jobs(session)
    assert session.current.particles is None
    assert "find particles again" in said[-1]


def test_a_picture_without_numbers_is_one_sentence(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    from napari.utils.notifications import notification_manager

    viewer.add_image(np.full((64, 64), np.nan, np.float32), name="empty", contrast_limits=(0, 1))
    bench = open_bench(viewer)
    said: list[str] = []
    bench.session.said.connect(said.append)
    notification_manager.records.clear()
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    told = [str(record.message) for record in notification_manager.records]
    assert len(told) == 1
    assert "empty" in told[0]
    assert not any("Cancelled" in sentence for sentence in said)


def test_a_certain_data_bar_is_left_out_once_and_undoably(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    config = temseg.SimulateConfig(height=256, width=320, count=12, diameter=28, seed=3, data_bar=True)
    simulated = temseg.simulate(config)
    viewer.add_image(simulated.micrograph.data, name="powder")
    bench = open_bench(viewer)
    session, item = bench.session, bench.session.current
    said: list[str] = []
    session.said.connect(said.append)
    bar = simulated.overlays
    find(bench, wait_jobs)
    valid = item.particles.micrograph.valid
    assert not valid[bar].any()
    assert valid.mean() > 0.7
    assert np.array_equal(item.micrograph().valid, valid)
    assert any("powder: data bar, scale bar or letters in a corner left out" in each for each in said)
    assert item.history.names == [FOUND_STEP]  # one step, with the search
    found = len(item.particles)
    item.history.undo()
    wait_jobs(session)
    assert item.particles is None
    assert item.micrograph().valid is None
    item.history.redo()
    wait_jobs(session)
    assert len(item.particles) == found
    assert np.array_equal(item.micrograph().valid, valid)
    item.history.undo()
    find(bench, wait_jobs)
    assert item.particles.micrograph.valid is None  # somebody took it back: not done again


def test_regions_of_ones_own_are_not_added_to(viewer: Any, open_bench: Any, wait_jobs: Any, idle: Any) -> None:
    config = temseg.SimulateConfig(height=256, width=320, count=12, diameter=28, seed=3, data_bar=True)
    viewer.add_image(temseg.simulate(config).micrograph.data, name="powder")
    bench = open_bench(viewer)
    item = bench.session.current
    bench.session.part(Regions).leave_out(item, [(0, 0, 20, 20)])
    idle()
    viewer.layers.remove(item.left_out)
    find(bench, wait_jobs)
    assert item.left_out is None
    assert item.particles.micrograph.valid is None
