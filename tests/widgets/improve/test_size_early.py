"""Strokes on particles that are not looked for are asked about while they are painted."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from two_sizes import two_sizes

from napari_temseg.widgets.improve.search_again import STROKED_SIZE
from napari_temseg.widgets.improve.size_early import FIRST_ASKED, SizeEarly
from napari_temseg.widgets.session.questions import Questions


def test_three_strokes_on_particles_that_are_not_looked_for_ask_which_size_is_meant_and_once(
    viewer: Any, open_bench: Any, wait_jobs: Any, wait_chores: Any, qtbot: Any
) -> None:
    drawn = two_sizes(320, large=4, small=40)
    viewer.add_image(drawn.image, name="powder")
    bench = open_bench(viewer)
    bench.go(1)
    bench.panel(1).dial.say_sizes([12.0])
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    session, item = bench.session, bench.session.current
    bench.go(2)
    bench.panel(2).live.box.setChecked(False)
    bench.panel(2).labelling.new.click()
    early, questions = session.part(SizeEarly), session.part(Questions)

    def stroke(labels: np.ndarray, which: int) -> None:
        y, x = (round(each) for each in ndimage.center_of_mass(labels == np.unique(labels)[1:][which]))
        for by in range(-2, 3):
            item.annotation.paint((y, x + by), 2)
        qtbot.waitUntil(early._soon.isActive)
        early._soon.stop()
        early._count()  # the pause is over
        wait_chores(session)
        wait_jobs(session)

    for which in range(FIRST_ASKED):
        assert item not in early._looked
        stroke(drawn.large, which)
    qtbot.waitUntil(lambda: questions.on(item, STROKED_SIZE) is not None, timeout=60_000)
    asked = questions.on(item, STROKED_SIZE)
    assert "which are not looked for" in asked.text
    asked.answers[-1].action()  # leave it
    questions.drop(item, STROKED_SIZE)
    stroke(drawn.large, FIRST_ASKED)
    for which in range(FIRST_ASKED, 2 * FIRST_ASKED):
        stroke(drawn.small, which)
    assert early._looked[item] == FIRST_ASKED  # and not at twice as many
    assert questions.on(item, STROKED_SIZE) is None
