"""*Show* names what contradicts a stroke: the result. Where Live is right about it, that says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.widgets.improve.search_again import SearchAgain


def test_a_stroke_that_live_is_right_about_is_told_to_be_taken_with_its_result(bench: Any, settle: Any, qtbot: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    bench.panel(1).one.click()
    settle(bench)
    found = item.particles
    panel.labelling.new.click()
    y, x = (int(value) for value in np.argwhere(found.labels == found.labels.max()).mean(axis=0))
    item.annotation.brush_size = 25
    item.annotation.paint((y, x), 1)  # background, all over a particle
    settle(bench)
    again, told = session.part(SearchAgain), []
    with qtbot.waitSignal(again.ended, timeout=60_000):
        again.begin(item, needed=False)
    panel.trainer.ended = True
    panel.trainer._taught.add(item)
    session.said.connect(told.append)
    panel.contradictions.next()
    assert "background, and lies on a particle of the result. Live shows none here: Use this result takes what Live shows." in told[-1]
    panel.live.box.click()
    qtbot.waitUntil(lambda: "Live" not in told[-1])  # it is said anew of the place that is marked
    settle(bench)
    panel.contradictions.next()
    assert "Live" not in told[-1]
    assert "Stroke more of what is wrong" in told[-1]
