"""Regions that are left out: when they count, and what becomes of what lies in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import find
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtCore import QTimer

from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.regions import Regions


def test_a_region_across_particles(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, adopt: Any) -> None:
    labels = np.zeros((120, 120), int)
    labels[20:40, 20:40], labels[60:70, 20:30], labels[60:80, 80:100] = 1, 2, 3
    viewer.add_image(np.zeros((120, 120)), name="grid")
    bench = open_bench(viewer)
    session = bench.session
    item = session.current
    adopt(session, item, labels)
    bench.go(2)
    bench.panel(2).labelling.new.click()
    item.annotation.data[62:66, 22:26] = 2
    said: list[str] = []
    session.said.connect(said.append)
    bench.go(0)
    bench.panel(0).region.click()
    # Of 1 most is left, of 2 a row of ten pixels; 3 is far away.
    for top, bottom in ((35, 50), (61, 90)):
        item.left_out.add_rectangles(np.array([[top, 10], [top, 50], [bottom, 50], [bottom, 10]]))
    qtbot.waitUntil(lambda: 2 not in item.particles.table.index, timeout=10_000)
    wait_jobs(session)
    assert item.measurement.table.set_index("particle")["frame"].to_dict() == {1: True, 3: False}
    assert not (item.particles.labels == 2).any()
    assert any("16 labelled px of grid lie in a left-out region" in each for each in said)


def region(item: Any, panel: Any, corners: Any) -> None:
    panel.region.click()
    item.left_out.add(np.asarray(corners), shape_type="polygon")


def test_a_region_leaves_what_was_found_and_comes_back_with_its_removal(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any
) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    find(bench, wait_jobs)
    item, all_of_them = session.current, len(session.current.particles)
    region(item, panel, [[0, 0], [0, 256], [128, 256], [128, 0]])
    assert viewer.layers.selection.active is item.left_out
    assert item.left_out.mode == "add_polygon"
    qtbot.waitUntil(lambda: item.particles.micrograph.valid is not None, timeout=10_000)
    wait_jobs(session)
    assert 0 < len(item.particles) < all_of_them
    assert not item.particles.labels[:126].any()
    assert item.measurement.valid_area == pytest.approx(256 * 128, rel=0.02)
    assert panel.note.text().startswith("1 region left out, 50")
    viewer.layers.remove(item.left_out)
    qtbot.waitUntil(lambda: item.particles.micrograph.valid is None, timeout=10_000)
    wait_jobs(session)
    assert len(item.particles) == all_of_them
    assert panel.note.text() == ""


def test_a_region_counts_when_it_is_closed(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((100, 100)), name="grid")
    bench = open_bench(viewer)
    panel, item = bench.panel(0), bench.session.current
    heard: list[Change] = []
    bench.session.item_changed.connect(lambda _, what: heard.append(what))
    panel.region.click()
    layer = item.left_out
    for corner in ((10.0, 10.0), (10.0, 60.0), (60.0, 60.0), (60.0, 10.0)):
        where = {"button": 1, "position": corner, "pos": np.array(corner)}
        mouse_press_callbacks(layer, read_only_mouse_event("mouse_press", **where))
        mouse_release_callbacks(layer, read_only_mouse_event("mouse_release", **where))
        mouse_move_callbacks(layer, read_only_mouse_event("mouse_move", position=(corner[0] + 1, corner[1]), pos=np.array(corner)))
    for _ in range(2):  # it looks again and again whether the region is closed
        (timer,) = [each for each in bench.session.part(Regions).findChildren(QTimer) if each.isActive()]
        with qtbot.waitSignal(timer.timeout):
            pass
    assert heard == []
    layer._finish_drawing()  # what the double click and Enter do
    qtbot.waitUntil(lambda: heard == [Change.LEFT_OUT])
    assert panel.note.text().startswith("1 region left out, 1")


def test_corrections_by_hand_survive_a_region(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any) -> None:
    from napari_temseg.widgets.menu_commands import adopt

    viewer.add_image(picture.micrograph.data, name="grid")
    labels = viewer.add_labels(picture.instances, name="truth")
    bench = open_bench(viewer)
    session = bench.session
    adopt(session, [labels])
    wait_jobs(session)
    item = session.current
    before = item.particles.labels.copy()
    assert len(item.particles) == picture.instances.max()
    region(item, bench.panel(0), [[0, 0], [0, 256], [128, 256], [128, 0]])
    qtbot.waitUntil(lambda: item.particles.micrograph.valid is not None, timeout=10_000)
    valid = item.particles.micrograph.valid
    np.testing.assert_array_equal(item.particles.labels, np.where(valid, before, 0))
    assert set(item.measurement.table["particle"]) == set(np.unique(before[valid])) - {0}
    item.history.undo()
    np.testing.assert_array_equal(item.made["particles"].data, before)


def test_nothing_is_added_or_painted_in_a_region(viewer: Any, open_bench: Any, wait_jobs: Any, adopt: Any) -> None:
    labels = np.zeros((120, 120), int)
    labels[20:40, 20:40] = 1
    viewer.add_image(np.zeros((120, 120)), name="grid")
    bench = open_bench(viewer)
    session, item = bench.session, bench.session.current
    adopt(session, item, labels)
    session.part(Regions).leave_out(item, [(60, 0, 120, 120)])
    wait_jobs(session)
    session.part(Corrector).add(np.array([[50, 50], [50, 80], [90, 80], [90, 50]], float))
    assert item.found_particles().labels[50:60, 50:80].all()
    assert not item.found_particles().labels[60:].any()
    layer, said = item.particles_layer, []
    session.said.connect(said.append)
    layer.brush_size = 15
    layer.paint((57, 30), 1)
    session.settle(item)
    assert item.found_particles().labels[57, 30]
    assert not item.found_particles().labels[60:].any()
    assert "Nothing is painted in regions that are left out." in said[-1]
    layer.undo()
    session.settle(item)
    assert not item.found_particles().labels[50:, 20:40].any()
