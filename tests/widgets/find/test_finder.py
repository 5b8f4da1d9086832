"""The window says of an image that it is unlike those its model was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_temseg.engine.model.novelty import NAMES, Familiarity
from napari_temseg.widgets.session.change import Change

WARY = Familiarity((0.0,) * len(NAMES), (1.0,) * len(NAMES), (1.0,) * len(NAMES), -1.0)


def test_an_unlike_image_is_told_in_list_and_under_find(bench: Any, particles: Any, wait_jobs: Any, monkeypatch: Any) -> None:
    session = bench.session
    monkeypatch.setattr(session, "segmenter", lambda: replace(particles, familiar=WARY))
    said: list[str] = []
    session.said.connect(said.append)
    find = bench.panel(1)
    find.one.click()
    wait_jobs(session)
    item = session.current
    told = "grid is unlike the micrographs its model was trained on"
    assert told in item.unlike
    assert told in find.note.text()
    assert any(told in sentence for sentence in said)
    row = bench.panel(0).table.images._rows[0]
    assert "unlike its training" in row.lines[0][1]
    assert told in row.story
    item.reviewed = True  # somebody looked at it
    session.item_changed.emit(item, Change.PARTICLES)
    assert "unlike its training" not in bench.panel(0).table.images._rows[0].lines[0][1]
