"""Which model is in use: its file is looked for beside the picture, and undoing a search brings its model back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import (
    QFileDialog,
)

import napari_temseg as temseg
from napari_temseg.widgets.find.model_choice import FROM_FILE


def test_models_are_looked_for_beside_the_picture(viewer: Any, grid: Any, open_bench: Any, monkeypatch: Any) -> None:
    bench = open_bench(viewer)
    beside = Path(grid.source.path).parent
    asked: list[str] = []

    def answer(parent: Any, title: str, folder: str, kinds: str) -> tuple[str, str]:
        asked.append(folder)
        return "", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", answer)
    for box in (bench.panel(1).model, bench.panel(2).start):
        box.setCurrentIndex(box.findText(FROM_FILE))
        box.activated.emit(box.currentIndex())
        assert box.currentData() == "particles"
    assert asked == [str(beside)] * 2


def test_undoing_a_search_brings_its_model_back(viewer: Any, grid: Any, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    import torch

    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(1)
    panel.one.click()
    wait_jobs(session)
    other = temseg.load("particles")
    with torch.no_grad():
        next(other.network.parameters()).mul_(1.01)
    session.add_model("mine", other)
    panel.one.click()
    wait_jobs(session)
    assert panel.model.currentData() == "mine"
    bench.panel(3).undo.click()
    assert panel.model.currentData() == "particles"
    qtbot.waitUntil(bench.panel(3).redo.isEnabled)
    bench.panel(3).redo.click()
    assert panel.model.currentData() == "mine"


def test_that_a_model_is_chosen_for_other_images_too_is_said_and_can_be_had_here_alone(viewer: Any, open_bench: Any, tiny: Any) -> None:
    for name in ("steel", "spot"):
        viewer.add_image(np.zeros((48, 48), np.uint8), name=name)
    bench = open_bench(viewer)
    session, row = bench.session, bench.panel(1).models
    steel, spot = session.items
    session.add_model("steel+1", tiny, [steel])
    session.set_current(spot)
    bench.go(1)

    def choose(name: str) -> list[str]:
        row.box.setCurrentIndex(row.box.findText(name))
        row.box.activated.emit(row.box.currentIndex())
        return [session.model_of(item) for item in (steel, spot)]

    assert choose("particles (shipped)") == ["particles", "particles"]
    assert row.everywhere.isVisibleTo(bench.panel(1))
    assert row.everywhere.told.text() == "“particles” is in use for steel too now."
    row.everywhere.undo.click()
    assert [session.model_of(item) for item in (steel, spot)] == ["steel+1", "particles"]
    assert not row.everywhere.isVisibleTo(bench.panel(1))
    session.set_current(steel)
    assert choose("particles (shipped)") == ["particles", "particles"]
    assert not row.everywhere.isVisibleTo(bench.panel(1))  # the other had it already
    session.set_current(spot)
    assert choose("steel+1") == ["steel+1", "steel+1"]
    row.everywhere.here.click()
    assert [session.model_of(item) for item in (steel, spot)] == ["particles", "steel+1"]
    assert row.box.currentText() == "steel+1"
