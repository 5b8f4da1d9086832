"""Which model is in use: its file is looked for beside the picture, and undoing a search brings its model back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
