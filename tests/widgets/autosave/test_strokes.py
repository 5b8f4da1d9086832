"""Strokes on disk, written and brought back through the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_temseg.widgets.autosave.store import read_about
from napari_temseg.widgets.session.data_folder import data_folder


@pytest.fixture
def painted(viewer: Any, open_bench: Any, wait_chores: Any, stack: Any) -> tuple[Any, Any]:
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
    panel.annotator.autosaver.flush()
    wait_chores(session)
    assert len(files()) == 1
    return bench, layer


def files() -> list[Path]:
    return sorted((data_folder() / "annotations").glob("[!.]*.npz"))


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


def test_another_window_brings_them_back_and_both_go_on(
    painted: Any, make_napari_viewer: Any, open_bench: Any, stack: Any, qtbot: Any
) -> None:
    first, layer = painted
    drawn = layer.data.copy()
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
    item.annotation.data[...] = 0
    item.annotation.paint((2, 20, 20), 2)  # the rest was erased here, not there
    session.close()
    first.session.close()
    kept = [np.unique(np.load(path)["labels"]).tolist() for path in files()]
    assert sorted(kept) == [[0, 1, 3], [0, 2]]


def begun_anew(painted: tuple[Any, Any], viewer: Any, qtbot: Any) -> tuple[Any, Any, Any]:
    """The bench, its picture and what offers the strokes of before, over a new annotation that has a stroke."""
    bench, layer = painted
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    bench.panel(2).labelling.new.click()
    bench.session.current.annotation.paint((1, 10, 10), 2)
    return bench, bench.session.current, bench.restore_bar


def test_a_fresh_start_does_not_overwrite_what_is_kept(painted: Any, viewer: Any, qtbot: Any) -> None:
    _, item, bar = begun_anew(painted, viewer, qtbot)
    assert bar.isHidden(), "there are strokes, which nothing shall take the place of"
    viewer.layers.remove(item.annotation)
    qtbot.waitUntil(lambda: len(files()) == 2 and not bar.isHidden(), timeout=10_000)
    bar.discard.click()
    qtbot.waitUntil(lambda: len(files()) == 1 and not bar.isHidden(), timeout=10_000)
    bar.discard.click()
    qtbot.waitUntil(lambda: files() == [] and bar.isHidden(), timeout=10_000)


def test_what_was_discarded_is_not_offered_by_an_answer_that_comes_late(painted: Any, viewer: Any, qtbot: Any, wait_chores: Any) -> None:
    bench, item, bar = begun_anew(painted, viewer, qtbot)
    autosaver, clicks = bench.panel(2).annotator.autosaver, []

    def discard_at_once() -> None:
        if not (clicks or bar.isHidden()):
            clicks.append(True)
            bar.discard.click()

    viewer.layers.remove(item.annotation)  # what there is, is looked for
    bar.discard.click()  # and looked for again
    autosaver.earlier_changed.connect(discard_at_once)  # between the two answers
    wait_chores(bench.session)
    qtbot.waitUntil(lambda: files() == [], timeout=10_000)
    wait_chores(bench.session)
    assert clicks
    assert bar.isHidden(), "what is offered is deleted already"


def test_renaming_undo_and_closing_are_written(painted: Any, wait_chores: Any) -> None:
    bench, layer = painted
    bench.session.set_class(3, "cube")
    layer.undo()
    bench.panel(2).annotator.autosaver.flush()
    wait_chores(bench.session)
    (file,) = files()
    assert read_about(file)["classes"]["3"] == "cube"
    assert np.unique(np.load(file)["labels"]).tolist() == [0, 3]
    layer.paint((2, 100, 100), 2)
    bench.session.close()
    assert files() == [file]
    assert 2 in np.load(file)["labels"]


def test_a_broken_file_is_a_sentence(painted: Any, viewer: Any, qtbot: Any) -> None:
    bench, layer = painted
    said: list[str] = []
    bench.session.said.connect(said.append)
    files()[0].write_bytes(b"PK\x03\x04 cut short")
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: any("cannot be read" in sentence for sentence in said), timeout=10_000)
    assert bench.restore_bar.isHidden()
    assert len(files()) == 1
