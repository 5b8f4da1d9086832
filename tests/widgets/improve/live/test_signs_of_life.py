"""What takes longer than a moment says so at once where it was asked for, and goes on by itself when it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.widgets.improve.live import live_box


@contextmanager
def preview(session: Any) -> Iterator[None]:
    """Something else is looked at meanwhile."""
    go_on = threading.Event()

    def steps(control: Any) -> Any:
        yield Progress("look", 0.0, "", 0.0)
        go_on.wait()
        return True

    session.jobs.look(lambda: Job(steps), lambda _: None)
    try:
        yield
    finally:
        go_on.set()


def test_a_place_is_looked_for_when_what_runs_is_done_and_the_button_says_so(bench: Any, qtbot: Any, idle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    live = panel.live
    qtbot.waitUntil(lambda: not live.model.coming and not session.jobs.looking)
    idle()
    with preview(session):
        live.next.click()
        assert live.next.text() == "Looking …"
        assert live.next_place.place is None
    qtbot.waitUntil(lambda: live.next_place.place is not None)
    assert live.next.text() == "Next place"


def test_live_says_how_long_it_has_been_at_it(bench: Any, idle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live, now = bench.panel(2).live, [100.0]
    monkeypatch.setattr(live_box.time, "monotonic", lambda: now[0])
    live.model._say("Live loads the model …")
    assert live.note.text() == "Live loads the model …"
    assert live._ticking.isActive()
    assert live._ticking.interval() >= 500  # at most two repaints a second that nobody asked for
    now[0] += 12.2
    live._ticking.timeout.emit()
    assert live.note.text() == "Live loads the model … · 12 s"
    live.model._say("Live: outlines follow strokes.")
    assert live.note.text() == "Live: outlines follow strokes."
    assert not live._ticking.isActive()
