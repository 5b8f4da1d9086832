"""A newer result is what there is to see until a stroke; and undo brings back what there was to see before."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys


def both(item: Any) -> tuple[bool, bool]:
    """Whether live outlines are on the screen, and whether those of particles are."""
    return tuple(role in item.made and item.made[role].visible for role in ("live", "particles"))


def paint(item: Any, y: int, x: int, number: int) -> None:
    item.annotation.brush_size = 5
    item.annotation.paint((y, x), number)


def test_undo_of_a_result_brings_back_what_was_seen_before_it(bench: Any, settle: Any) -> None:
    session, item, live = bench.session, bench.session.current, bench.panel(2).live
    undo = session.part(UndoKeys)
    bench.panel(1).one.click()
    settle(bench)
    found = item.particles
    bench.panel(2).labelling.new.click()
    paint(item, 60, 60, 1)
    settle(bench)
    drawing = item.made["live"].data.copy()
    assert both(item) == (True, False)
    live.use.click()
    settle(bench)
    assert both(item) == (False, True)
    assert not live.use.isEnabled()
    undo.undo()  # the press
    settle(bench)
    assert item.particles is found
    assert both(item) == (True, False)
    assert live.use.isEnabled()
    assert "follows strokes" in live.note.text()
    np.testing.assert_array_equal(item.made["live"].data, drawing)
    undo.redo()
    settle(bench)
    assert both(item) == (False, True)
    assert "newest result" in live.note.text()
    paint(item, 90, 90, 1)
    settle(bench)
    assert both(item) == (True, False)
    undo.undo()  # the stroke: the result is what there was to see
    settle(bench)
    assert both(item) == (False, True)
    assert not live.use.isEnabled()
    undo.redo()
    settle(bench)
    assert both(item) == (True, False)
    bench.panel(1).one.click()  # a search is a result too
    settle(bench)
    assert both(item) == (False, True)
    undo.undo()
    settle(bench)
    assert both(item) == (True, False)


def test_a_first_result_is_undone_too(bench: Any, settle: Any) -> None:
    session, item, live = bench.session, bench.session.current, bench.panel(2).live
    bench.panel(2).labelling.new.click()
    paint(item, 60, 60, 1)
    settle(bench)
    said: list[str] = []
    session.said.connect(said.append)
    live.use.click()
    settle(bench)
    assert "takes it back" in said[-1]
    session.part(UndoKeys).undo()
    settle(bench)
    assert (item.particles, item.prediction, item.measurement) == (None, None, None)
    assert both(item) == (True, False)
    assert item.annotation.data.any()
    session.part(UndoKeys).redo()
    settle(bench)
    assert item.particles is not None
    assert both(item) == (False, True)


def test_nothing_is_looked_at_for_a_newer_model_until_the_next_stroke(bench: Any, settle: Any, several_scales: Any) -> None:
    session, item, live = bench.session, bench.session.current, bench.panel(2).live
    bench.panel(2).labelling.new.click()
    paint(item, 60, 60, 1)
    settle(bench)
    before = live.model.answer
    assert before is not None
    looks: list[Any] = []
    look = session.jobs.look
    session.jobs.look = lambda *how, **ways: (looks.append(how), look(*how, **ways))[1]
    session.add_model("taught", several_scales, [item])  # as a training does, and then searches
    bench.panel(1).one.click()
    settle(bench)
    asked = [make for make, *_ in looks if getattr(make, "func", None).__module__.startswith("napari_temseg.widgets.improve")]
    assert asked == []
    assert live.model.answer is before
    assert "from your next stroke on" in live.note.text()
    paint(item, 90, 90, 1)
    settle(bench)
    assert live.model.aim.model is several_scales
    assert both(item) == (True, False)
