"""Strokes on disk, written and brought back through the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_temseg.widgets.autosave.store import AutosaveFile, Picture, read_about
from napari_temseg.widgets.autosave.strokes import SavedStrokes, Strokes


@pytest.fixture
def painted(viewer: Any, open_bench: Any, qtbot: Any, stack: Any) -> tuple[Any, Any]:
    """A bench with an annotation of two strokes, a class of its own, all of it on disk."""
    viewer.add_image(stack, name="series")
    bench = open_bench(viewer)
    panel, session = bench.panel(2), bench.session
    panel.classes.add.click()
    panel.classes.name.setText("rod")
    panel.classes.name.returnPressed.emit()
    layer = session.current.annotation
    layer.paint((1, 40, 50), 3)
    layer.paint((0, 90, 90), 1)
    qtbot.waitUntil(lambda: len(files()) == 1, timeout=10_000)
    return bench, layer


def files() -> list[Path]:
    return sorted(SavedStrokes.folder().glob("[!.]*.npz"))


def test_an_annotation_that_is_gone_is_offered_and_comes_back(painted: Any, viewer: Any, qtbot: Any) -> None:
    bench, layer = painted
    item = bench.session.current
    drawn = layer.data.copy()
    layer.name = "renamed"
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    assert bench.restore_bar.text.text().endswith("is kept: strokes.")
    bench.restore_bar.restore.click()
    qtbot.waitUntil(lambda: item.annotation is not None, timeout=10_000)
    np.testing.assert_array_equal(item.annotation.data, drawn)
    assert bench.restore_bar.isHidden()
    item.annotation.paint((2, 20, 20), 2)
    qtbot.waitUntil(lambda: 2 in np.load(files()[0])["labels"], timeout=10_000)
    assert len(files()) == 1


def test_a_second_viewer_offers_it_with_its_classes(painted: Any, make_napari_viewer: Any, open_bench: Any, stack: Any, qtbot: Any) -> None:
    drawn = painted[1].data.copy()
    other = make_napari_viewer(strict_qt=True)
    other.add_image(stack.copy(), name="under another name")
    bench = open_bench(other)
    session = bench.session
    session.set_class(3, "cube")  # number 3 means something else here
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    bench.restore_bar.restore.click()
    item = session.current
    qtbot.waitUntil(lambda: item.annotation is not None, timeout=10_000)
    assert session.classes[3] == "cube"
    assert session.classes[4] == "rod"
    np.testing.assert_array_equal(item.annotation.data == 4, drawn == 3)
    np.testing.assert_array_equal(item.annotation.data == 1, drawn == 1)
    session.close()


def test_a_fresh_start_does_not_overwrite_what_is_kept(painted: Any, viewer: Any, qtbot: Any) -> None:
    bench, layer = painted
    panel, item = bench.panel(2), bench.session.current
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    panel.labelling.new.click()
    item.annotation.paint((1, 10, 10), 2)
    qtbot.waitUntil(lambda: len(files()) == 2, timeout=10_000)


def test_discarding_deletes_it(painted: Any, viewer: Any, qtbot: Any) -> None:
    bench, layer = painted
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    bench.restore_bar.discard.click()
    assert bench.restore_bar.isHidden()
    qtbot.waitUntil(lambda: files() == [], timeout=10_000)


def test_another_name_of_a_class_is_written_too(painted: Any, qtbot: Any) -> None:
    bench, _ = painted
    bench.session.set_class(3, "cube")
    qtbot.waitUntil(lambda: read_about(files()[0])["classes"]["3"] == "cube", timeout=10_000)
    assert len(files()) == 1


def test_undo_is_written_too(painted: Any, qtbot: Any) -> None:
    _, layer = painted
    layer.undo()
    qtbot.waitUntil(lambda: list(np.unique(np.load(files()[0])["labels"])) == [0, 3], timeout=10_000)


def test_closing_writes_what_was_painted_last(painted: Any) -> None:
    bench, layer = painted
    layer.paint((2, 100, 100), 2)
    bench.session.close()
    assert 2 in np.load(files()[0])["labels"]


def test_a_broken_file_is_a_sentence(painted: Any, viewer: Any, qtbot: Any) -> None:
    bench, layer = painted
    said: list[str] = []
    bench.session.said.connect(said.append)
    files()[0].write_bytes(b"PK\x03\x04 cut short")
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: any("cannot be read" in sentence for sentence in said), timeout=10_000)
    assert bench.restore_bar.isHidden()
    assert len(files()) == 1


def test_a_folder_that_cannot_be_written_is_told_once(viewer: Any, open_bench: Any, qtbot: Any, picture: Any, wait_chores: Any) -> None:
    from napari.utils.notifications import notification_manager

    SavedStrokes.folder().parent.mkdir(parents=True, exist_ok=True)
    SavedStrokes.folder().write_text("in the way")
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    bench.panel(2).labelling.new.click()
    notification_manager.records.clear()
    for column in (40, 80):
        bench.session.current.annotation.paint((40, column), 2)
        bench.panel(2).annotator.autosaver.flush()
        wait_chores(bench.session)
    told = [record for record in notification_manager.records if "autosaved" in record.message]
    assert len(told) == 1


def test_what_is_on_disk_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_temseg.engine.types.errors import TemsegError

    place = AutosaveFile(Picture(np.zeros((20, 30), np.uint8)), SavedStrokes)
    labels = np.zeros((20, 30), np.uint8)
    assert place.save(Strokes("a", labels, {1: "background"})) == ""
    assert files() == []
    labels[3, 4] = 1
    place.save(Strokes("a", labels, {1: "background"}))
    kept = AutosaveFile(Picture(np.zeros((20, 30), np.uint8)), SavedStrokes).newest()
    assert isinstance(kept, SavedStrokes)
    np.testing.assert_array_equal(kept.labels((20, 30)), labels)
    with pytest.raises(TemsegError, match="another shape"):
        kept.labels((30, 20))
    assert AutosaveFile(Picture(np.ones((20, 30), np.uint8)), SavedStrokes).newest() is None
