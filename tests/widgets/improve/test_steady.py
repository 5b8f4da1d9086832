"""Nothing that is about to be pressed in step 3 moves, and the picture stays where it is, at 1280 × 800."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QWidget

from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Answer, Questions

PRESSED = (QAbstractButton, QAbstractSpinBox, QComboBox)


@pytest.fixture
def small_bench(viewer: Any, open_bench: Any, picture: Any, on_small_screen: Any, idle: Any) -> Any:
    """The dock over two pictures, on a small screen, at *Find*."""
    for name, part in (("other", picture.micrograph.data[64:, 64:]), ("grid", picture.micrograph.data[:192, :192])):
        viewer.add_image(np.ascontiguousarray(part), name=name)
    made = open_bench(viewer)
    made.session.set_current(made.session.items[1])
    made.go(1)
    on_small_screen(made)
    viewer.reset_view()
    idle()
    return made


def canvas_of(viewer: Any) -> tuple[Any, ...]:
    """Where the picture is on the screen."""
    canvas = viewer.window._qt_viewer.canvas.native
    return canvas.mapToGlobal(canvas.rect().topLeft()), canvas.size(), viewer.scene.camera.center, viewer.scene.camera.zoom


def places(root: QWidget, *parts: QWidget) -> dict[str, tuple[int, int, int, int]]:
    """Where what is pressed stands in the dock."""
    shown = [each for part in parts for kind in PRESSED for each in (part, *part.findChildren(kind)) if isinstance(each, kind)]
    corners = [(each, each.mapTo(root, each.rect().topLeft())) for each in shown if each.isVisible()]
    return {f"{number}": (at.x(), at.y(), each.width(), each.height()) for number, (each, at) in enumerate(corners)}


def label(bench: Any, truth: np.ndarray, which: int) -> None:
    """Fill the annotation of a picture, as strokes would."""
    session = bench.session
    session.set_current(session.items[which])
    bench.panel(2).labelling.new.click()
    item = session.current
    item.annotation.data[...] = np.where(truth > 0, 2, 1)
    session.item_changed.emit(item, Change.ANNOTATION)


def test_the_picture_stays_where_it_is_when_one_begins_to_paint(small_bench: Any, viewer: Any, idle: Any) -> None:
    bench, before = small_bench, canvas_of(viewer)
    panel = bench.panel(2)
    bench.go(2)
    idle()
    assert canvas_of(viewer) == before
    assert not panel.classes.brush.size_slider.isEnabled()
    panel.labelling.new.click()
    idle()
    assert canvas_of(viewer) == before
    layer = bench.session.current.annotation
    panel.classes.brush.size_slider.setValue(17)  # size and eraser are in the dock
    assert layer.brush_size == 17
    layer.brush_size = 9
    assert panel.classes.brush.told.text() == "9 px"
    panel.classes.eraser.click()
    assert layer.mode == "erase"
    bench.go(3)
    idle()
    assert canvas_of(viewer) == before


def test_nothing_that_is_pressed_next_moves(small_bench: Any, picture: Any, qtbot: Any, idle: Any, wait_jobs: Any) -> None:
    bench = small_bench
    panel, session, bar = bench.panel(2), bench.session, bench.panels.widget(2).verticalScrollBar()
    bench.go(2)
    idle()
    above = (panel.labelling, panel.live, panel.train, panel.back, panel.start, panel.form.fields["max_seconds"].native)
    first = places(bench, *above)
    for which, truth in ((0, picture.instances[64:, 64:]), (1, picture.instances[:192, :192])):
        label(bench, truth, which)
        qtbot.waitUntil(lambda: panel.train.isEnabled() and not panel.annotator.counting)  # what holds nothing is not in the set
        idle()
        assert places(bench, *above) == first, "a picture joined the training set"
    for name, value in {"max_seconds": 3600, "max_steps": 4, "evaluate_every": 2, "crop": 64, "batch": 1}.items():
        panel.form.fields[name].value = value
    everything = (*above, panel.set)
    before = places(bench, *everything)
    panel.train.click()
    idle()
    assert places(bench, *everything) == before, "the training began"
    qtbot.waitUntil(lambda: len(panel.trainer.points) >= 2)
    idle()
    assert places(bench, *everything) == before, "the first points came"
    wait_jobs(session)
    wait_jobs(session)
    item, told = session.current, "a question of a few words and a few more, so that it takes two lines of the dock"
    session.part(Questions).ask(item, "test", told, [Answer("Yes", "yes", print), Answer("No", "no", print)])
    idle()
    assert places(bench, *above) == first, "the training ended"
    assert bar.value() == 0
    assert panel.verdict.isVisible()
    foot = panel.verdict.mapTo(panel.parentWidget(), panel.verdict.rect().bottomLeft()).y()
    assert foot < panel.parentWidget().height(), "what came of it is read, whatever is asked"
    session.part(Questions).drop(item, "test")


def test_the_curve_is_seen_without_scrolling_and_the_others_on_request(small_bench: Any, picture: Any, qtbot: Any, idle: Any) -> None:
    bench = small_bench
    panel, plots, session = bench.panel(2), bench.panel(2).curves.plots, bench.session
    bench.go(2)
    for which, truth in ((0, picture.instances[64:, 64:]), (1, picture.instances[:192, :192])):
        label(bench, truth, which)
    qtbot.waitUntil(lambda: len(panel.set.boxes) == 2)
    told = "a question of a few words and a few more, so that it takes two lines of the dock"
    session.part(Questions).ask(session.current, "test", told, [Answer("Yes", "yes", print), Answer("No", "no", print)])
    names = [f"{part}_{figure}" for part in ("train", "validation") for figure in ("loss", "accuracy", "iou")]
    panel.trainer.points = [{"step": float(step)} | dict.fromkeys(names, 0.5) for step in range(5)]
    panel.trainer.advanced.emit()
    idle()
    viewport = panel.parentWidget()
    assert plots[0].figure == "iou"
    assert plots[0].mapTo(viewport, plots[0].rect().bottomLeft()).y() < viewport.height()
    assert [plot.visibleRegion().isEmpty() for plot in plots] == [False, True, True]
    panel.curves.fold.toggleButton().click()
    idle()
    bench.panels.widget(2).ensureWidgetVisible(plots[-1])
    idle()
    assert not any(plot.visibleRegion().isEmpty() for plot in plots[1:])
    assert bench.session.settings.get("curves") is True
