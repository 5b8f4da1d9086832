"""Comparing with a truth in a real viewer: shipped model, draft labels and particles, their mistakes on the image, the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import Qt

from napari_temseg.pipeline.compare import DRAFT, PRESENT
from napari_temseg.widgets.compare.dialog import ComparisonDialog
from napari_temseg.widgets.compare.evaluator import UNTOUCHED
from napari_temseg.widgets.session.change import Change


def opened(viewer: Any) -> Any:
    return viewer.window._qt_window.findChild(ComparisonDialog)


def test_results_are_compared_and_their_mistakes_shown(
    bench: Any, viewer: Any, picture: Any, wait_jobs: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, item = bench.session, bench.session.current
    bench.panel(2).compare.click()
    dialog = opened(viewer)
    assert not dialog.go.isEnabled()
    assert "Waits for a truth" in dialog.note.text()
    truth = picture.instances[:192, :192].astype(np.int32)
    viewer.add_labels(truth, name="by hand")
    assert dialog.truths.choices[item].currentText() == "by hand"
    assert dialog.go.isEnabled()
    assert dialog.go.property("primary")
    bench.panel(1).one.click()
    wait_jobs(session)
    bench.panel(2).labelling.new.click()
    item.annotation.data[...] = np.where(truth > 0, 2, 1)
    item.annotation.data[90:100] = 0  # to be filled by the forest
    session.item_changed.emit(item, Change.ANNOTATION)
    assert [choice.title for choice in dialog.boxes] == [UNTOUCHED, DRAFT, PRESENT]
    dialog.go.click()
    assert session.jobs.can_finish
    wait_jobs(session)
    scores = dialog.scores
    assert [scores.table.item(index, 1).text() for index in range(3)] == [UNTOUCHED, DRAFT, PRESENT]
    comparison = dialog.evaluator.comparison
    assert comparison.lines[0].values == comparison.lines[2].values  # the particles there are those of the shipped model
    assert 0.9 < comparison.lines[1].values["iou"] < 1
    scores.table.selectRow(0)
    layer = item.made["mistakes"]
    np.testing.assert_allclose(layer.translate, (10, 20))
    assert not item.annotation.visible  # its strokes have the colours of mistakes
    np.testing.assert_array_equal(np.asarray(layer.data) == 1, (truth > 0) & (item.particles.labels == 0))
    scores.table.selectRow(1)
    assert item.made["mistakes"] is layer
    scores.mistakes.click()
    assert layer not in viewer.layers
    assert "mistakes" not in item.made
    assert item.annotation.visible
    scores.figure.setCurrentIndex(2)
    scores.figure.activated.emit(2)
    assert scores.bars.figure == "ap50"
    viewer.theme = "light"
    path = tmp_path / "comparison.csv"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
    scores.export.click()
    qtbot.waitUntil(path.exists, timeout=10_000)
    assert list(pd.read_csv(path)["result"])[:3] == [UNTOUCHED, DRAFT, PRESENT]


def test_each_image_finds_its_own_truth(viewer: Any, open_bench: Any, picture: Any) -> None:
    data, truth = picture.micrograph.data[:192, :192], picture.instances[:192, :192].astype(np.int32)
    for name in ("a.tif", "b.tif"):
        viewer.add_image(data, name=name)
    viewer.add_labels(truth, name="b truth")
    bench = open_bench(viewer)
    bench.panel(3).result.compare.click()
    dialog = opened(viewer)
    first, second = bench.session.items
    assert dialog.truths.choices[first].currentText() == "no truth"
    assert dialog.truths.choices[second].currentText() == "b truth"
    choice = dialog.truths.choices[first]
    choice.setCurrentIndex(1)
    choice.activated.emit(1)
    assert set(dialog.evaluator.pairs()) == {first, second}
    for box in dialog.boxes.values():
        if box.isChecked():
            box.click()
    notification_manager.records.clear()
    dialog.go.click()
    assert "Nothing is ticked" in notification_manager.records[-1].message
    viewer.layers.remove("b truth")
    assert not dialog.go.isEnabled()


def test_a_truth_is_chosen_from_a_file(
    bench: Any, viewer: Any, picture: Any, wait_chores: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, item = bench.session, bench.session.current
    truth = picture.instances[:192, :192].astype(np.uint16)
    files = {"right.tif": truth[None], "small.png": truth[:100].astype(np.uint8), "empty.tif": np.zeros_like(truth)}
    for name, labels in files.items():
        (tifffile.imwrite if name.endswith("tif") else imwrite_png)(tmp_path / name, labels)
    bench.panel(2).compare.click()
    dialog = opened(viewer)

    def choose(name: str) -> Any:
        monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getOpenFileName", lambda *_: (str(tmp_path / name) if name else "", ""))
        choice = dialog.truths.choices[item]
        choice.setCurrentIndex(choice.count() - 1)
        choice.activated.emit(choice.count() - 1)
        wait_chores(session)
        return dialog.truths.choices[item].currentText()

    assert choose("") == "no truth"
    assert choose("small.png") == "no truth"
    assert "its size is 100 × 192 px, that of" in dialog.note.text()
    qtbot.waitUntil(lambda: dialog.truths.choices[item].visibleRegion().boundingRect().height() == dialog.truths.choices[item].height())
    assert choose("empty.tif") == "no truth"
    assert "no particle is labelled" in dialog.note.text()
    assert not dialog.go.isEnabled()
    assert choose("right.tif") == "right"
    assert not dialog.note.text()
    assert dialog.go.isEnabled()
    layer = viewer.layers["right"]
    np.testing.assert_array_equal(layer.data, truth)
    np.testing.assert_allclose(layer.translate, item.layer.translate)
    dialog.close()
    bench.panel(2).compare.click()
    assert opened(viewer).truths.choices[item].currentText() == "right"


def imwrite_png(path: Path, labels: Any) -> None:
    Image.fromarray(labels).save(path)


def test_images_and_the_viewer_may_go_meanwhile(bench: Any, viewer: Any, picture: Any, wait_jobs: Any, qtbot: Any) -> None:
    session = bench.session
    viewer.add_labels(picture.instances[:192, :192].astype(np.int32), name="by hand")
    bench.panel(2).compare.click()
    dialog = opened(viewer)
    dialog.go.click()
    viewer.layers.clear()
    wait_jobs(session)
    dialog.scores.table.selectRow(0)
    assert len(viewer.layers) == 0
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: opened(viewer) is None)
    bench.panel(2).compare.click()
    assert opened(viewer).scores.table.rowCount() == 1
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid")
    viewer.add_labels(picture.instances[:192, :192].astype(np.int32), name="by hand")
    opened(viewer).go.click()
    viewer.close()
    qtbot.waitUntil(lambda: session.closed, timeout=10_000)
