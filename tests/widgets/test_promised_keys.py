"""Every key that a sentence or a tooltip of ours promises does what it says, in every step and wherever the keyboard is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_the_window import mouse
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.widgets.canvas.main_window import canvas_of, layer_list
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.distribution_dock import DistributionOpener
from napari_temseg.widgets.particles.tools.pointer import Pointer, Tool
from napari_temseg.widgets.session.history import LIVE_STEP
from napari_temseg.widgets.session.results.state import ResultState, commit

ROOT = Path(__file__).resolve().parents[2] / "src" / "napari_temseg" / "widgets"
PLACES = ("picture", "button", "layer list", "picture box", "choice", "table")
NONE, SHIFT, CONTROL = (getattr(Qt.KeyboardModifier, f"{name}Modifier") for name in ("No", "Shift", "Control"))
TOOLS = {"K": Tool.SPLIT, "A": Tool.ADD, "D": Tool.LASSO, "R": Tool.BOX}
TRIED = {*TOOLS, *"JWQHNUGEP", "F8", "F9", "Delete", "Esc", "Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y", "Shift+U", "Shift+K", "Shift+N"}
# In a list, over a table, or with the mouse: tested with these.
ELSEWHERE = {"F2", "Ctrl+C", "Ctrl+click", "Ctrl", "Shift", "Enter", "Escape"}


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three squares, and a window that has the keyboard."""
    from napari.settings import get_settings

    monkeypatch.setattr(get_settings().application, "hold_button_delay", 60.0)  # else a busy machine holds E until the brush is back
    labels = np.zeros((100, 120), np.int32)
    labels[10:30, 10:30], labels[50:70, 50:70], labels[50:70, 70:90] = 1, 2, 3
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    adopt(made.session, made.session.current, labels)
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return made


def place(bench: Any, where: str) -> Any:
    """What has the keyboard in the step that is shown."""
    viewer = bench.session.viewer
    if where == "picture":
        return canvas_of(viewer)
    if where == "layer list":
        return layer_list(viewer)
    if where == "table":
        return bench.session.part(DistributionOpener).open().table
    if where == "picture box":
        return bench.findChild(QComboBox)
    panel = bench.panel(bench.panels.currentIndex())
    if where == "button":
        return {0: "measure", 1: "one", 2: "compare", 3: "lasso"}[bench.panels.currentIndex()], panel
    choices = [box for box in panel.findChildren(QComboBox) if box.isVisible() and box.isEnabled()]
    return choices[0] if choices else None


@pytest.fixture
def type_key(bench: Any, qtbot: Any, press: Any, idle: Any) -> Any:
    """Press a key with the keyboard at a place; False where the step has no such place."""

    def typed(where: str, key: str, modifier: Any = NONE) -> bool:
        found = place(bench, where)
        if isinstance(found, tuple):
            found = getattr(found[1], found[0])
        if found is None:
            return False
        found.setFocus()
        press(found, getattr(Qt.Key, f"Key_{key}"), modifier)
        return True

    return typed


def promised() -> set[str]:
    """The keys in brackets or by name in what the window says."""
    with_others, letters = r"(?:Ctrl|Shift)\+\w+(?:\+Z)?", r"(?<=\()[A-Z](?=\)[.;:])|(?<=or )U\b"
    names = rf"{with_others}|{letters}|(?<=[ (\"])F\d(?=[).,; \"])|\bEsc(?:ape)?\b|Delete(?= key)"
    texts = re.sub(r"  # .*", "", "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")))
    return set(re.findall(names, texts))


def test_no_key_is_promised_that_is_not_tried_here() -> None:
    assert {"Ctrl+Z", "U", "F8", "Esc", "Delete", "A", "N"} <= promised() <= TRIED | ELSEWHERE


def test_undo_and_redo_from_every_step(bench: Any, type_key: Any) -> None:
    session, item = bench.session, bench.session.current
    for step, where in product(range(4), PLACES):
        bench.go(step)
        keys = [("U", NONE)] if where != "layer list" else [("U", NONE), ("Z", CONTROL)]
        for key, modifier in keys:
            session.select([1])
            session.part(Corrector).delete()
            if not type_key(where, key, modifier):
                session.part(Corrector).undo()
            assert len(item.particles) == 3, (step, where, key)
    for where, (key, modifier) in product(("button", "picture"), (("U", SHIFT), ("Z", CONTROL | SHIFT), ("Y", CONTROL))):
        type_key(where, key, modifier)
        assert len(item.particles) == 2, (where, key)
        assert session.viewer.dims.ndisplay == 2
        session.part(Corrector).undo()


def test_the_keys_of_step_4_and_of_finding(bench: Any, type_key: Any, monkeypatch: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    item, pointer = session.current, session.part(Pointer)
    searched = list[Any]()
    monkeypatch.setattr(session.part(Finder), "find", searched.extend)
    for step, where in product(range(4), PLACES):
        bench.go(step)
        if not type_key(where, "F8"):
            continue
        assert searched.pop() is item
        assert bench.panels.currentIndex() == max(step, 1)
        if step == 0 or (step < 3 and where != "choice"):  # over the picture these keys hold in every step
            continue
        bench.go(step)
        for key, tool in TOOLS.items():
            type_key(where, key)
            assert pointer.tool is tool, (step, key)
            type_key(where, "Escape")
            assert pointer.tool is Tool.SELECT
        session.select([2, 3])
        type_key(where, "J")
        assert len(item.particles) == 2, step
        type_key(where, "U")
        session.select([1])
        type_key(where, "W")
        assert panel.redraw.isChecked()
        type_key(where, "E")
        assert item.particles_layer.mode == "erase", (step, where, session.viewer.layers.selection.active)
        type_key(where, "P")
        assert item.particles_layer.mode == "paint"
        type_key(where, "Escape")
        type_key(where, "Q")
        assert panel.new.isChecked()
        type_key(where, "Escape")
        assert item.particles_layer.mode == "pan_zoom"
        session.select([1])
        type_key(where, "H")
        assert panel.reasons.isVisible()
        panel.reasons.close()
        session.select([])
        before = session.selected
        type_key(where, "N")
        assert session.selected != before
        (led,) = session.selected
        type_key(where, "N")
        type_key(where, "N", SHIFT)
        assert session.selected == {led}
        assert bench.panels.currentIndex() == 3
        bench.go(step)
        if where != "layer list":  # there it is napari's
            session.select([1])
            type_key(where, "Delete")
            assert len(item.particles) == 2
            type_key(where, "U")


def test_the_keys_of_step_3(bench: Any, type_key: Any, viewer: Any) -> None:
    session, panel = bench.session, bench.panel(2)
    pressed = list[str]()
    panel.live.next.clicked.connect(lambda *_: pressed.append("G"))
    panel.train.clicked.disconnect()
    panel.train.clicked.connect(lambda *_: pressed.append("F9"))
    panel.live.box.setChecked(False)
    bench.go(2)
    layer = session.part(Annotator).annotate(session.current)
    for where in PLACES:
        pressed.clear()
        panel.train.setEnabled(True)
        type_key(where, "F9")
        panel.live.next.setEnabled(True)
        type_key(where, "G")
        assert pressed == ["F9", "G"]
        for key, mode in (("E", "erase"), ("P", "paint")):
            viewer.layers.selection.active = layer
            type_key(where, key)
            assert layer.mode == mode, (where, key)


def stroke(item: Any, viewer: Any, y: float) -> None:
    """A stroke of the brush across the annotation."""
    mouse(viewer, [(y, 5), (y, 40), (y, 60)], layer=item.annotation)


def test_what_was_done_is_taken_back_in_its_order_whatever_it_was(bench: Any, viewer: Any, type_key: Any, idle: Any) -> None:
    session, item = bench.session, bench.session.current
    said = list[str]()
    session.said.connect(said.append)
    annotator = session.part(Annotator)
    bench.go(2)
    bench.panel(2).live.box.setChecked(False)
    layer = annotator.annotate(item)
    stroke(item, viewer, 20)
    one = layer.data.copy()
    commit(session, item, ResultState(None, item.particles, item.measurement), LIVE_STEP)
    stroke(item, viewer, 60)
    two = layer.data.copy()
    annotator.fill(item, {0: np.ones(layer.data.shape, np.uint8)}, "filling from strokes")
    session.select([1])
    session.part(Corrector).delete()
    names = [bench.panel(3).undo_keys.newest(item)]
    for expected in ("filling from strokes", "stroke", LIVE_STEP, "stroke", ""):
        type_key("button", "U")
        names.append(bench.panel(3).undo_keys.newest(item))
        assert names[-1] == expected
        if expected == "stroke" and len(names) == 3:
            assert np.array_equal(layer.data, two)
        if expected == LIVE_STEP:
            assert np.array_equal(layer.data, one)
    assert len(item.particles) == 3
    assert not layer.data.any()
    assert said[-1] == "Undone: stroke. Ctrl+Shift+Z or Shift+U does it again."
    type_key("layer list", "Z", CONTROL)
    assert said[-1] == "grid: there is nothing to undo."
    for _ in range(5):
        type_key("layer list", "U", SHIFT)
    assert len(item.particles) == 2
    assert layer.data.all()
    type_key("picture", "U")
    assert len(item.particles) == 3
    bench.go(3)
    idle()
    assert bench.panel(3).undo.accessibleName() == "Undo filling from strokes"
    bench.panel(3).undo.click()
    assert said[-1].startswith("Undone: filling from strokes of grid (step 3).")
    assert np.array_equal(layer.data, two)


def test_a_pixel_size_is_told_of_where_it_is_newer_than_a_stroke_alone(bench: Any, viewer: Any, type_key: Any) -> None:
    session, item = bench.session, bench.session.current
    said = list[str]()
    session.said.connect(said.append)
    bench.go(2)
    bench.panel(2).live.box.setChecked(False)
    layer = session.part(Annotator).annotate(item)
    session.set_calibration([item], Calibration((2.0, 2.0), "typed"))
    layer.paint((10, 10), 1)
    type_key("picture", "U")
    assert said[-1].startswith("Undone: stroke")
    session.set_calibration([item], Calibration((3.0, 3.0), "typed"))
    session.select([1])
    session.part(Corrector).delete()
    session.set_calibration([item], Calibration((2.0, 2.0), "typed"))
    type_key("picture", "U")
    assert "the pixel size" in said[-1]
    assert said[-1].endswith("Once more takes back deleting 1 particle.")
    type_key("picture", "U")
    assert len(item.particles) == 3


@contextmanager
def job(session: Any) -> Iterator[None]:
    """Something runs, and the buttons that start something are grey."""
    import threading

    from napari_temseg.engine.types.progress import Job, Progress

    go_on = threading.Event()

    def steps(control: Any) -> Any:
        yield Progress("measure", 0.0, "", 0.0)
        go_on.wait()
        return True

    session.jobs.start("Something", lambda: Job(steps), lambda _: None)
    try:
        yield
    finally:
        go_on.set()


def test_a_button_that_turns_grey_gives_the_keyboard_to_the_picture(bench: Any, viewer: Any, wait_jobs: Any, press: Any) -> None:
    session, item = bench.session, bench.session.current
    bench.go(2)
    panel = bench.panel(2)
    panel.live.box.setChecked(False)
    session.part(Annotator).annotate(item)
    session.select([1])
    session.part(Corrector).delete()
    panel.live.use.setEnabled(True)
    panel.live.use.setFocus()
    assert QApplication.focusWidget() is panel.live.use
    with job(session):
        assert not panel.live.use.isEnabled()
        assert not isinstance(QApplication.focusWidget(), QSpinBox | QDoubleSpinBox | QComboBox | QLineEdit)
        press(QApplication.focusWidget(), Qt.Key.Key_U, NONE)
        assert len(item.particles) == 3
    wait_jobs(session)


def test_a_field_keeps_what_is_typed_and_a_function_key_takes_it_over(
    bench: Any, type_key: Any, qtbot: Any, press: Any, monkeypatch: Any
) -> None:
    session, item = bench.session, bench.session.current
    searched = list[Any]()
    monkeypatch.setattr(session.part(Finder), "find", lambda items: searched.append(session.part(Finder).config_of(items[0])))
    session.select([1])
    session.part(Corrector).delete()
    bench.go(1)
    field = next(each for each in bench.panel(1).dial.findChildren(QLineEdit) if each.isVisible())
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "12 px")
    press(field, Qt.Key.Key_Z, CONTROL)
    assert field.text() != "12 px"
    assert len(item.particles) == 2
    field.selectAll()
    qtbot.keyClicks(field, "12 px")
    press(field, Qt.Key.Key_F8, NONE)
    assert searched[-1].typical_size == 12


def test_a_dock_that_is_opened_once_more_leaves_the_keys_as_they_are(bench: Any, viewer: Any, open_bench: Any, type_key: Any) -> None:
    session = bench.session
    again = open_bench(viewer)
    assert again.session is session
    bench.go(3)
    session.select([1])
    session.part(Corrector).delete()
    type_key("layer list", "U")
    assert len(session.current.particles) == 3


def test_a_number_that_was_taken_over_is_undone_with_the_keyboard_still_in_its_field(bench: Any, qtbot: Any, press: Any) -> None:
    session, item = bench.session, bench.session.current
    bench.go(1)
    field = bench.panel(1).split.fields["min_diameter"].native
    field = field if isinstance(field, QDoubleSpinBox | QSpinBox) else field.findChild(QDoubleSpinBox) or field.findChild(QSpinBox)
    for key, modifier in ((Qt.Key.Key_Z, CONTROL), (Qt.Key.Key_U, NONE)):
        session.select([1])
        session.part(Corrector).delete()
        field.setFocus()
        field.selectAll()
        qtbot.keyClicks(field, "7")
        press(field, Qt.Key.Key_Z, CONTROL)
        assert len(item.particles) == 2, "what is typed is the field's"
        field.selectAll()
        qtbot.keyClicks(field, "6")
        qtbot.keyClick(field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not field.lineEdit().isModified())
        press(field, key, modifier)
        assert len(item.particles) == 3, key
