"""Of live outlines and those of particles one kind is on the screen, whatever is clicked; and nothing is claimed that is not there."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.particles.corrector import Corrector


def both(item: Any) -> tuple[bool, bool]:
    """Whether live outlines are on the screen, and whether those of particles are."""
    return tuple(role in item.made and item.made[role].visible for role in ("live", "particles"))


def test_particles_stay_hidden_under_live_whatever_is_clicked(bench: Any, viewer: Any, picture: Any, settle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    viewer.add_image(np.asarray(picture.micrograph.data)[::-1].copy(), name="other", scale=(0.5, 0.5), units=("nm", "nm"))
    session.set_current(item)
    session.reveal()
    bench.panel(1).one.click()
    settle(bench)
    assert both(item) == (False, True)
    bench.go(2)
    panel.labelling.new.click()
    settle(bench)
    item.annotation.paint((60, 60), 1)
    settle(bench)
    assert both(item) == (True, False)
    for made in (*panel.classes.buttons.values(), panel.classes.eraser):
        made.click()
        settle(bench)
        assert both(item) == (True, False), made.text()
    bench.go(3)
    settle(bench)
    assert both(item) == (False, True)
    bench.go(2)
    settle(bench)
    assert both(item) == (True, False)
    other = next(each for each in session.items if each is not item)
    session.set_current(other)
    session.reveal()
    settle(bench)
    assert both(item) == (False, False)
    session.set_current(item)
    session.reveal()
    settle(bench)
    assert both(item) == (True, False)
    panel.live.box.click()
    settle(bench)
    assert both(item) == (False, True)
    panel.live.box.click()
    settle(bench)
    assert both(item) == (True, False)
    bench.panel(1).splitter.resplit(item)
    settle(bench)
    assert both(item) in ((True, False), (False, True))


def test_live_outlines_of_one_picture_do_not_lie_on_another_while_a_job_runs(
    bench: Any, viewer: Any, picture: Any, settle: Any, qtbot: Any
) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    viewer.add_image(np.asarray(picture.micrograph.data)[::-1].copy(), name="other", scale=(0.5, 0.5), units=("nm", "nm"))
    session.set_current(item)
    session.reveal()
    bench.go(2)
    panel.labelling.new.click()
    settle(bench)
    item.annotation.paint((60, 60), 1)
    settle(bench)
    assert both(item)[0]
    go_on = threading.Event()

    def steps(control: Control) -> Generator[Progress, None, None]:
        while not go_on.is_set() and not control.cancelling:
            go_on.wait(0.05)
            yield Progress("work", 0.0, "working", control.elapsed)

    session.jobs.start("something long", lambda: Job(steps), lambda _: None)
    try:
        assert both(item)[0]  # it is still true
        session.set_current(next(each for each in session.items if each is not item))
        session.reveal()
        qtbot.waitUntil(lambda: not both(item)[0])
        assert session.jobs.running
    finally:
        go_on.set()
    settle(bench)


@pytest.mark.parametrize("strokes", [False, True])
def test_an_annotation_made_while_find_runs(bench: Any, viewer: Any, picture: Any, settle: Any, qtbot: Any, strokes: bool) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    viewer.add_image(np.asarray(picture.micrograph.data)[::-1].copy(), name="other", scale=(0.5, 0.5), units=("nm", "nm"))
    session.set_current(item)
    session.reveal()
    bench.go(2)
    bench.panel(1).one.click()
    assert session.jobs.running
    panel.labelling.new.click()
    if strokes:
        item.annotation.paint((60, 60), 1)
    seen = []
    session.item_changed.connect(lambda *_: seen.append(both(item)))
    settle(bench)
    assert both(item) == (False, True)
    item.annotation.paint((90, 90), 1)
    panel.classes.buttons[1].click()
    settle(bench)
    assert both(item) == (True, False)
    panel.classes.buttons[1].click()
    assert (True, True) not in seen


def test_rings_of_the_selection_are_not_seen_while_strokes_are_painted(bench: Any, settle: Any, qtbot: Any) -> None:
    session, item = bench.session, bench.session.current
    bench.panel(1).one.click()
    settle(bench)
    bench.go(3)
    chosen = frozenset(item.measurement.table["particle"][:2].tolist())
    session.select(chosen)
    qtbot.waitUntil(lambda: "marks" in item.made and item.made["marks"].visible)
    bench.go(2)
    qtbot.waitUntil(lambda: not item.made["marks"].visible)
    bench.panel(2).labelling.new.click()
    settle(bench)
    assert not item.made["marks"].visible
    assert session.selected == chosen
    bench.go(3)
    qtbot.waitUntil(lambda: item.made["marks"].visible)
    assert session.selected == chosen


def test_marks_of_what_was_excluded_do_not_lie_over_live(bench: Any, settle: Any, qtbot: Any) -> None:
    session, item = bench.session, bench.session.current
    bench.panel(1).one.click()
    settle(bench)
    bench.go(3)
    session.select({int(item.measurement.table["particle"].iloc[0])})
    session.part(Corrector).exclude("artefact")
    session.select(())
    qtbot.waitUntil(lambda: "marks" in item.made and item.made["marks"].visible)
    bench.go(2)
    bench.panel(2).labelling.new.click()
    settle(bench)
    assert item.made["marks"].visible, "the result is what there is to see"
    item.annotation.paint((60, 60), 1)
    settle(bench)
    assert both(item) == (True, False)
    assert not item.made["marks"].visible
    item.annotation.undo()
    settle(bench)
    assert both(item) == (False, True)
    assert item.made["marks"].visible
    item.annotation.redo()
    settle(bench)
    bench.panel(2).live.use.click()  # what was excluded is carried over
    settle(bench)
    assert item.made["marks"].visible == bool((item.measurement.table["excluded"] != "").any())


def test_what_live_claims_is_on_the_screen(bench: Any, viewer: Any, picture: Any, settle: Any, qtbot: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    live, claims = panel.live, []
    viewer.add_image(np.asarray(picture.micrograph.data)[::-1].copy(), name="other", scale=(0.5, 0.5), units=("nm", "nm"))
    session.set_current(item)
    session.reveal()

    def note() -> None:
        claims.append((live.use.isEnabled(), "outlines" in live.model.status, both(session.current)[0]))

    live.model.changed.connect(note)
    panel.labelling.new.click()
    assert not live.use.isEnabled(), "nothing is answered yet"
    settle(bench)
    assert live.use.isEnabled(), "the model's own answer is seen"
    assert "until you stroke" in live.note.text()
    item.annotation.paint((60, 60), 1)
    settle(bench)
    assert "follows strokes" in live.note.text()
    assert live.use.isEnabled()
    other = next(each for each in session.items if each is not item)
    for picture_in_hand in (other, item):
        session.set_current(picture_in_hand)
        session.reveal()
        settle(bench)
        assert live.use.isEnabled() == ("follows strokes" in live.note.text()) == both(picture_in_hand)[0] == (picture_in_hand is item)
    while item.annotation.data.any():
        item.annotation.undo()
    settle(bench)
    assert "until you stroke" in live.note.text()
    live.box.click()
    settle(bench)
    assert not live.use.isEnabled()
    live.box.click()
    settle(bench)
    assert live.use.isEnabled()
    assert all(outlined for enabled, said, outlined in claims if enabled)


def test_the_highlighted_class_is_the_one_in_hand(bench: Any, viewer: Any, picture: Any, settle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    viewer.add_image(np.asarray(picture.micrograph.data)[::-1].copy(), name="other", scale=(0.5, 0.5), units=("nm", "nm"))
    session.set_current(item)
    session.reveal()
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()

    def lit() -> list[str]:
        return [made.text() for made in (*panel.classes.buttons.values(), panel.classes.eraser) if made.isChecked()]

    def agree() -> bool:
        layer = session.current.annotation
        paints = layer is not None and viewer.layers.selection.active is layer and layer.mode in ("paint", "erase")
        held = [] if not paints else ["Erase"] if layer.mode == "erase" else [session.classes[layer.selected_label]]
        return lit() == held

    panel.classes.buttons[1].click()
    assert lit() == ["background"]
    other = next(each for each in session.items if each is not item)
    for each in (other, item):
        session.set_current(each)
        session.reveal()
        settle(bench)
        assert lit() == ([] if each is other else ["background"]), "the brush stays in hand, with its class"
        assert agree()
    bench.go(3)
    bench.go(2)
    assert lit() == []
    assert agree()
    panel.classes.eraser.click()
    assert lit() == ["Erase"]
    item.annotation.mode = "pan_zoom"  # as by napari's own button
    assert lit() == []
    item.annotation.mode = "paint"
    assert agree()
    assert lit()
    viewer.layers.selection.active = item.layer
    assert lit() == []
