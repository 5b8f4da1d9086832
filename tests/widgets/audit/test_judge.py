"""Whether a result can be used is said where it is found, not only where it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.particles.standing_out import polarity_seen
from napari_temseg.widgets.particles.pooling import Pool
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.state import ResultState, commit


def squares(side: int) -> np.ndarray:
    labels = np.zeros((200, 200), np.int32)
    for number, (y, x) in enumerate(((y, x) for y in range(5, 170, 30) for x in range(5, 170, 30)), 1):
        labels[y : y + side, x : x + side] = number
    return labels


def test_step_2_says_why_a_result_is_not_usable_and_nothing_where_it_is(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> None:
    labels = squares(20)
    for name in ("grid", "other"):
        viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8) + (name == "other"), name=name)
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(1)
    bench.go(1)
    item, other = session.items
    viewer.layers.selection.active = item.layer
    adopt(session, item, np.where(labels < 13, labels, 0))
    qtbot.waitUntil(lambda: panel.verdict.text() == "Not usable as it is: only 12 particles count; a D50 needs 20 at least.")
    session.part(Pool).set_scope("all images")
    adopt(session, item, labels)
    qtbot.waitUntil(lambda: not panel.verdict.text())
    sizes = np.full(40, 22.0)
    splits = [OtherSplit("as found", "", 0.0, sizes, np.column_stack([sizes, sizes]))]
    for step, value, factor in (("less", 0.4, 2.0), ("more", 0.6, 1.0)):
        splits.append(OtherSplit(step, "strength", value, factor * sizes, np.column_stack([sizes, sizes])))
    state = ResultState.of(item)
    commit(session, item, replace(state, measurement=replace(item.measurement, other_splits=tuple(splits))), "splitting again")
    qtbot.waitUntil(lambda: "hangs on how touching particles are split" in panel.verdict.text())
    viewer.layers.selection.active = other.layer
    assert not panel.verdict.text()  # of that nothing is known
    viewer.layers.selection.active = item.layer
    assert panel.verdict.text()


def test_where_the_model_doubts_many_and_all_are_bright_one_press_says_so(
    viewer: Any, open_bench: Any, qtbot: Any, wait_jobs: Any, picture: Any
) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(1)
    bench.go(1)
    panel.one.click()
    wait_jobs(session)
    item = session.current
    polarity = polarity_seen(item.micrograph(), item.particles.labels)
    assert polarity in {"bright", "dark"}
    assert panel.ways.isHidden()
    state = ResultState.of(item)
    doubted = item.measurement.table.assign(confidence=np.where(np.arange(len(item.particles)) % 5, 0.9, 0.3))
    commit(session, item, replace(state, measurement=replace(item.measurement, table=doubted)), "doubts")
    qtbot.waitUntil(lambda: not panel.ways.isHidden())
    assert panel.ways.polar.text() == f"They are {polarity}: find again"
    size = item.prediction.size
    panel.finder.edit(replace(panel.finder.config_of(item), polarity="both"), item)  # said by hand, nobody offers it
    session.item_changed.emit(item, Change.PREDICTION)
    assert panel.ways.isHidden()
    panel.finder.edit(replace(panel.finder.config_of(item), polarity="auto"), item)
    session.item_changed.emit(item, Change.PREDICTION)
    panel.ways.polar.click()
    wait_jobs(session)
    told = panel.finder.config_of(item)
    assert (told.polarity, told.typical_size) == (polarity, size)
    assert panel.dial.polarity.currentText() == polarity
    qtbot.waitUntil(panel.ways.isHidden)  # it is said, so nobody asks again
