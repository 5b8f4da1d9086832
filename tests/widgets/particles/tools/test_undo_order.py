"""Undo and Redo go to and fro on one line of all that was done to a picture: nothing is lost, nothing comes out of turn."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.canvas.main_window import canvas_of
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.session.history import LIVE_STEP
from napari_temseg.widgets.session.results.state import ResultState, commit

SHAPE = (60, 80)
NONE, SHIFT, CONTROL = (getattr(Qt.KeyboardModifier, f"{name}Modifier") for name in ("No", "Shift", "Control"))
WAYS = {  # keys and buttons
    "undo": (("U", NONE), ("Z", CONTROL), "button"),
    "redo": (("U", SHIFT), ("Z", CONTROL | SHIFT), ("Y", CONTROL), "button"),
}


def squares() -> Any:
    """Six squares of three sizes, two that touch."""
    labels = np.zeros(SHAPE, np.int32)
    for number, (y, x, size) in enumerate(((5, 5, 16), (5, 21, 16), (5, 50, 12), (35, 5, 20), (35, 35, 14), (35, 60, 16)), 1):
        labels[y : y + size, x : x + size] = number
    return labels


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    viewer.add_image(np.where(squares() > 0, 20, 200).astype(np.uint8), name="grid")
    made = open_bench(viewer)
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    made.panel(2).live.box.setChecked(False)
    made.session.part(Annotator).annotate(made.session.current)
    adopt(made.session, made.session.current, squares())
    made.go(3)
    qtbot.waitUntil(made.panel(3).split.isEnabled)
    return made


class Line:
    """What should be there: things done, each with what was there before and after it, and of which redraw it is a stroke."""

    def __init__(self, bench: Any, press: Any) -> None:
        self.bench, self.press = bench, press
        self.session, self.item, self.panel = bench.session, bench.session.current, bench.panel(3)
        self.corrector = self.session.part(Corrector)
        self.done: list[tuple[Any, Any, Any]] = []
        self.undone: list[list[tuple[Any, Any, Any]]] = []
        self.last, self.at = self.seen(), self.time()

    def time(self) -> int:
        """When the newest thing was done; something may be done that changes nothing."""
        past = self.item.timeline.newest
        return past.done_at if past is not None else 0

    def seen(self) -> tuple[Any, Any, Any]:
        """Labels, exclusions, strokes."""
        self.session.settle(self.item)
        table = self.item.measurement.table
        assert set(table["particle"]) == set(np.unique(self.item.particles.labels)) - {0}
        excluded = dict(zip(table["particle"], table["excluded"], strict=True))
        return self.item.particles.labels.copy(), excluded, self.item.annotation.data.copy()

    def same(self, one: Any, other: Any) -> bool:
        return np.array_equal(one[0], other[0]) and one[1] == other[1] and np.array_equal(one[2], other[2])

    def did(self, sitting: Any = None) -> None:
        """Remember what was just done, if anything."""
        now = self.seen()
        if self.time() == self.at:
            assert self.same(now, self.last)
            return
        self.done.append((self.last, now, sitting))
        self.last, self.at = now, self.time()
        self.undone.clear()

    def go(self, way: str, how: Any) -> None:
        """Undo or redo, by a key or a button, and see that it is as it was."""
        if way == "undo" and self.done:
            unit = [self.done.pop()]
            sitting = unit[0][2]
            while sitting is not None and sitting is not self.corrector.sitting and self.done and self.done[-1][2] is sitting:
                unit.insert(0, self.done.pop())
            self.undone.append(unit)
            self.last = unit[0][0]
        elif way == "redo" and self.undone:
            self.done += self.undone.pop()
            self.last = self.done[-1][1]
        if how == "button":
            QApplication.processEvents()
            getattr(self.panel, way).click()
        else:
            self.press(canvas_of(self.session.viewer), getattr(Qt.Key, f"Key_{how[0]}"), how[1])
        assert self.same(self.seen(), self.last), (way, how)
        self.at = self.time()
        assert self.session.viewer.dims.ndisplay == 2
        QApplication.processEvents()
        assert self.panel.undo.isEnabled() == bool(self.done)
        assert self.panel.redo.isEnabled() == bool(self.undone)


class Hand:
    """What a person does, at random places."""

    def __init__(self, line: Line, rng: Any) -> None:
        self.line, self.rng, self.session, self.item, self.corrector = line, rng, line.session, line.item, line.corrector
        self.fresh = replace(self.item.particles, labels=self.item.particles.labels.copy()), self.item.measurement

    def some(self, number: int) -> None:
        ids = sorted(self.item.particles.table.index)
        self.session.select(self.rng.permutation(ids)[:number].tolist())

    def place(self) -> tuple[int, int]:
        return int(self.rng.integers(3, SHAPE[0] - 3)), int(self.rng.integers(3, SHAPE[1] - 3))

    def act(self, what: str) -> None:
        """Do it; what the window refuses is not done."""
        sitting = self.corrector.sitting
        with suppress(TemsegError):
            getattr(self, what)()
        self.line.did(sitting if what in ("stroke", "end") else None)

    def split(self) -> None:
        x = self.place()[1]
        self.corrector.cut(np.array([[0.0, x], [SHAPE[0] - 1.0, x + 0.5]]))

    def merge(self) -> None:
        self.session.select([1, 2])
        self.corrector.merge()

    def delete(self) -> None:
        self.some(1)
        self.corrector.delete()

    def exclude(self) -> None:
        self.some(2)
        self.corrector.exclude(str(self.rng.choice(["overlapping", "blurred"])))

    def brush(self) -> None:
        """Take Redraw in hand."""
        if self.corrector.sitting is None:
            self.some(1)
            self.line.panel.redrawing.redraw()

    def stroke(self) -> None:
        """Paint with Redraw."""
        if self.corrector.sitting is not None:
            layer, (y, x) = self.item.particles_layer, self.place()
            layer.brush_size = 5
            with layer.block_history():
                for step in range(3):
                    layer.paint((y, min(x + 2 * step, SHAPE[1] - 1)), self.corrector.sitting[1])

    def end(self) -> None:
        self.session.tools_down.emit()
        self.item.particles_layer.mode = "pan_zoom"

    def annotate(self) -> None:
        self.item.annotation.paint(self.place(), int(self.rng.integers(1, 3)))

    def fill(self) -> None:
        self.session.part(Annotator).fill(self.item, {0: np.ones(SHAPE, np.uint8)}, "filling from strokes")

    def use(self) -> None:
        """Use a result."""
        particles, measurement = self.fresh
        state = ResultState(None, replace(particles, labels=particles.labels.copy()), measurement)
        commit(self.session, self.item, state, LIVE_STEP)


ACTIONS = (
    "split",
    "merge",
    "delete",
    "exclude",
    "brush",
    "stroke",
    "stroke",
    "end",
    "annotate",
    "annotate",
    "fill",
    "use",
    *["undo", "redo"] * 3,
)


def test_undo_and_redo_are_one_line_with_a_place_on_it(bench: Any, adopt: Any, press: Any) -> None:
    session, item = bench.session, bench.session.current
    first = 0 if os.environ.get("CI") else int(np.random.default_rng().integers(2**31))
    for seed in range(first, first + int(os.environ.get("TEMSEG_SEQUENCES", "3"))):
        session.tools_down.emit()
        adopt(session, item, squares())
        item.annotation.data[:] = 0
        item.annotation.refresh()
        brush.forget_history(item.annotation)
        item.history.clear()
        item.fillings.clear()
        line, rng = Line(bench, press), np.random.default_rng(seed)
        hand, steps = Hand(line, rng), []
        while len(steps) < 30:
            steps.append(str(rng.choice([*ACTIONS, "undo", "redo"])))
            try:
                for _ in range(rng.integers(1, 5) if steps[-1] in WAYS else 1):
                    if steps[-1] in WAYS:
                        line.go(steps[-1], WAYS[steps[-1]][rng.integers(len(WAYS[steps[-1]]))])
                    else:
                        hand.act(steps[-1])
            except Exception as error:
                error.add_note(f"in sequence {seed} after {steps}")
                raise


def test_a_redraw_that_was_undone_before_splits_comes_again_after_them(bench: Any, qtbot: Any) -> None:
    session, panel, item = bench.session, bench.panel(3), bench.session.current
    layer, corrector = item.particles_layer, session.part(Corrector)
    for x in (13, 55):
        corrector.cut(np.array([[0.0, x], [25.0, x]]))
    assert len(item.particles) == 8
    session.select([6])
    panel.redrawing.redraw()
    layer.brush_size = 11
    layer.paint((45, 56), 6)  # nobody has taken it in yet
    panel.undo_keys.undo()
    assert layer.mode == "paint"
    for key in ("undo", "undo"):
        QApplication.processEvents()
        getattr(panel, key).click()
    assert np.array_equal(item.particles.labels, squares())
    for expected in (7, 8, 8):
        QApplication.processEvents()
        panel.redo.click()
        assert len(item.particles) == expected
        assert (item.particles.labels[45, 56] == 6) == (item.history.undoable == "painting")
    QApplication.processEvents()
    assert not panel.redo.isEnabled()
    assert len(item.history.names) == 3
    session.tools_down.emit()


def test_what_was_undone_is_forgotten_when_something_of_another_kind_is_done(bench: Any, idle: Any) -> None:
    session, panel, item = bench.session, bench.panel(3), bench.session.current
    session.select([1])
    session.part(Corrector).delete()
    panel.undo_keys.undo()
    idle()
    assert panel.redo.isEnabled()
    item.annotation.paint((5, 5), 1)
    idle()
    assert not panel.redo.isEnabled()
    panel.undo_keys.redo()
    assert len(item.particles) == 6
    panel.undo_keys.undo()
    idle()
    assert panel.redo.toolTip() == "Redo stroke (Ctrl+Shift+Z, Ctrl+Y or Shift+U)."
    session.select([1])
    session.part(Corrector).delete()
    item.annotation.redo()  # napari's own
    assert not item.annotation.data.any()
    session.part(Annotator).fill(item, {0: np.ones(SHAPE, np.uint8)}, "filling from strokes")
    idle()
    assert panel.undo.accessibleName() == "Undo filling from strokes"


def test_strokes_on_a_layer_of_ones_own_come_again_in_their_turn(bench: Any, viewer: Any) -> None:
    session, panel, item = bench.session, bench.panel(3), bench.session.current
    own = viewer.add_labels(np.zeros(SHAPE, np.uint8), name="mine")
    session.select([1])
    session.part(Corrector).delete()
    viewer.layers.selection.active = own
    own.paint((5, 5), 1)
    for _ in range(2):
        panel.undo_keys.undo()
        viewer.layers.selection.active = own
    assert not own.data.any()
    assert len(item.particles) == 6
    panel.undo_keys.redo()
    assert len(item.particles) == 5
    assert not own.data.any()
    viewer.layers.selection.active = own
    panel.undo_keys.redo()
    assert own.data.any()
