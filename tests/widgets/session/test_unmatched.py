"""What was drawn by hand and does not match a later search is kept, and asked about, also at the next start and from another picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtWidgets import QPushButton

from napari_temseg.widgets.images.question_bar import QuestionBar


def press(bar: Any, text: str) -> None:
    next(each for each in bar.findChildren(QPushButton) if each.text() == text).click()


def drawn(labels: Any, y: int, x: int) -> int:
    """Pixels of the particle at a place."""
    return int((labels == labels[y, x]).sum()) if labels[y, x] else 0


def test_a_particle_drawn_by_hand_survives_another_split_and_a_restart_with_its_question(
    make_napari_viewer: Any, open_bench: Any, wait_jobs: Any, wait_chores: Any, qtbot: Any, picture: Any
) -> None:
    viewer = make_napari_viewer(strict_qt=True)
    for name in ("grid", "other"):
        viewer.add_image(picture.micrograph.data if name == "grid" else picture.micrograph.data[::-1], name=name)
    bench = open_bench(viewer)
    session, corrector = bench.session, bench.panel(3).corrector
    item, other = session.items
    viewer.layers.selection.active = item.layer
    bench.panel(1).one.click()
    wait_jobs(session)
    table = item.measurement.table.sort_values("area_px2")
    y, x = (int(value) for value in table[["centroid_y_px", "centroid_x_px"]].iloc[-1])
    number = int(item.particles.labels[y, x])
    session.select([number])
    corrector.delete()
    corrector.add(np.array([[y - 4, x - 4], [y - 4, x + 4], [y + 4, x + 4], [y + 4, x - 4]]))
    mine, before = drawn(item.particles.labels, y, x), len(item.particles)
    assert 0 < mine < 100
    viewer.layers.selection.active = other.layer
    bench.panel(1).one.click()
    wait_jobs(session)
    bench.panel(1).split.fields["min_diameter"].value = 5.0
    bench.panel(1).everywhere.click()
    wait_jobs(session)
    assert drawn(item.particles.labels, y, x) == mine  # nothing is lost before somebody says so
    bar = bench.findChild(QuestionBar)
    assert "grid" in bar.text.text()
    press(bar, "Show it")
    assert session.current is item
    assert "1 particle that you corrected does not match what was found now, and is kept as you left it" in bar.text.text()
    assert item.corrections == 2
    wait_chores(session)
    session.close()
    viewer.close()

    viewer = make_napari_viewer(strict_qt=True)
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, item = bench.session, bench.session.current
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden())
    bench.restore_bar.restore.click()
    qtbot.waitUntil(lambda: item.particles is not None)
    wait_jobs(session)
    assert drawn(item.particles.labels, y, x) == mine
    bar = bench.findChild(QuestionBar)
    assert "1 particle that you corrected does not match what was found now, and is kept as you left it" in bar.text.text()
    press(bar, "Take the new")
    assert drawn(item.particles.labels, y, x) > 2 * mine
    assert item.corrections == 0
    assert bench.panel(3).corrector.undo() is None
    assert drawn(item.particles.labels, y, x) == mine
    bench.panel(1).one.click()  # a search knows what was done at an earlier start
    wait_jobs(session)
    assert drawn(item.particles.labels, y, x) == mine
    assert len(item.particles) == before
    session.close()
    viewer.close()
