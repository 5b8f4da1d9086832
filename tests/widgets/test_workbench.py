"""The dock as a whole: narrow, every control with a name and a tooltip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollBar,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from scipy import ndimage

from napari_temseg.widgets.kit.greyed import waits_for
from napari_temseg.widgets.kit.scrolling import BAR_WIDTH
from napari_temseg.widgets.particles.distribution_dock import open_distribution
from napari_temseg.widgets.session.questions import Answer, Questions
from napari_temseg.widgets.workbench import JobBar

NARROWEST = 268  # px that a dock of 300 leaves to a page beside its scroll bar

KINDS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QTableView)


def unfold(bench: Any) -> None:
    for form in (bench.panel(1).split, bench.panel(1).predict, bench.panel(2).form):
        form.fold.expand(animate=False)


def test_every_page_fits_into_a_dock_of_300_px(viewer: Any, grid: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    bench = open_bench(viewer)
    unfold(bench)
    for index in range(4):
        bench.go(index)
        idle()
        assert bench.panel(index).minimumSizeHint().width() <= NARROWEST, type(bench.panel(index)).__name__
    assert bench.minimumSizeHint().width() <= 300


def test_the_steps_have_the_height_of_the_dock_whatever_was_opened_before(
    viewer: Any, open_bench: Any, on_small_screen: Any, idle: Any
) -> None:
    for name in "abc":
        other = QWidget()
        QVBoxLayout(other).addWidget(QLabel(name))
        viewer.window.remove_dock_widget(viewer.window.add_dock_widget(other, name=name, area="right"))
    bench = open_bench(viewer)
    on_small_screen(bench)
    idle()
    others = sum(part.height() for part in bench.children() if isinstance(part, QWidget) and part.isVisible() and part is not bench.panels)
    assert bench.panels.height() > bench.height() - others - 60


def test_a_step_at_the_edge_of_its_room_comes_to_rest_and_is_as_wide_as_ever(
    viewer: Any, grid: Any, open_bench: Any, on_small_screen: Any, idle: Any
) -> None:
    """A bar that came and went with its content ended in a crash, when another image was chosen while a question was open."""
    viewer.add_image(np.zeros((64, 64), np.float32), name="other")
    bench = open_bench(viewer)
    on_small_screen(bench)
    session, window = bench.session, viewer.window._qt_window
    words = "a question of many words, which is as long as questions are, and a_name_that_has_no_blanks_2024-05-03.dm4 " * 2
    for step in range(4):
        bench.go(step)
        idle()
        area, widths = bench.panels.widget(step), set()
        missing = area.widget().heightForWidth(area.viewport().width()) - area.viewport().height()
        edge = max(window.height() + max(missing, 560 - window.height()), 400)
        for more in (-1, 0, 1):
            window.resize(1280, edge + more)
            for item in session.items:
                session.part(Questions).ask(item, "test", words, [Answer("Yes", "yes", print)])
                session.set_current(item)
                idle()  # an endless layout would not come to an end
                widths.add(area.widget().width())
                session.part(Questions).drop(item, "test")
                idle()
                widths.add(area.widget().width())
        assert widths == {area.width() - BAR_WIDTH}


def test_the_first_image_moves_no_button(viewer: Any, open_bench: Any, idle: Any) -> None:
    bench = open_bench(viewer)
    viewer.window.show()
    idle()
    places = []
    for _ in range(2):
        opening = bench.panel(0).open
        places.append(opening.mapTo(bench, opening.rect().topLeft()))
        viewer.add_image(np.zeros((64, 64), np.float32), name="first")
        viewer.theme = "light"  # what was disabled before gets its style anew
        idle()
    assert places[0] == places[1]
    assert places[0].x() == bench.steps.button(0).mapTo(bench, bench.steps.button(0).rect().topLeft()).x()


def test_a_step_and_another_image_begin_at_the_top(viewer: Any, grid: Any, open_bench: Any, idle: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.float32), name="other")
    bench = open_bench(viewer)
    bench.go(3)
    idle()
    bar = bench.panels.widget(3).verticalScrollBar()
    bar.setRange(0, 100)
    bar.setValue(60)
    viewer.layers.selection.active = grid
    assert bar.value() == 0
    bar.setValue(60)
    bench.go(1)
    bench.go(3)
    assert bar.value() == 0


def test_what_was_said_of_one_image_is_not_said_of_another(viewer: Any, grid: Any, open_bench: Any, idle: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.float32), name="other")
    bench = open_bench(viewer)
    sentence = bench.findChild(JobBar).sentence
    bench.session.say("Left out: 1 scale bar (1 box).")
    bench.session.current_changed.emit()
    assert sentence.text(), "the same image is in hand"
    step = bench.session.step
    bench.steps.button(step).click()
    assert sentence.text(), "somebody stays"
    bench.steps.button((step + 1) % 4).click()
    assert not sentence.text(), "what was said in one step does not matter in another"
    bench.session.say("Something of this step.")
    viewer.layers.selection.active = grid
    assert not sentence.text()


def test_every_control_says_what_it_is_and_does(
    viewer: Any, grid: Any, open_bench: Any, picture: Any, qtbot: Any, idle: Any, adopt: Any
) -> None:
    bench = open_bench(viewer)
    unfold(bench)
    session, seen, greyed = bench.session, 0, 0
    roots: list[QWidget] = [bench, open_distribution(session)]

    def searched() -> None:
        adopt(session, session.current, picture.instances)
        bench.panel(2).labelling.new.click()

    for do in (idle, searched, viewer.layers.clear):
        do()
        for index in range(4):
            bench.go(index)
            idle()
            for control in _controls(roots):
                seen += 1
                where = f"{type(control).__name__} “{_words(control)}” of {type(control.parent()).__name__}"
                assert control.toolTip(), f"{where} has no tooltip"
                assert _words(control), f"{where} has no name"
                if not control.isEnabled():
                    greyed += 1
                    assert waits_for(control), f"{where} does not say what it is greyed for: {control.toolTip()}"
    assert seen > 180
    assert greyed > 60


def _controls(roots: list[QWidget]) -> list[Any]:
    """Those that can be seen; parts that Qt makes of a control are named by it."""
    found = [child for root in roots for kind in KINDS for child in root.findChildren(kind) if child.isVisibleTo(root)]
    return [
        each
        for each in found
        if not isinstance(each, QScrollBar) and not each.objectName().startswith("qt_") and not isinstance(each.parent(), QLineEdit)
    ]


def _words(control: Any) -> str:
    return str(control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else ""))


def click(qtbot: Any, button: Any) -> None:
    """The left mouse button on a button of a dock that is on the screen."""
    assert button.isEnabled(), f"“{button.text()}” cannot be clicked"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def paint(layer: Any, truth: np.ndarray) -> None:
    """A dot in every other particle, a grid of dots on the background."""
    layer.brush_size = 5
    objects, count = ndimage.label(truth == 2)
    for y, x in ndimage.center_of_mass(truth == 2, objects, range(1, count + 1, 2)):
        if truth[round(y), round(x)] == 2:
            layer.paint((round(y), round(x)), 2)
    away = ndimage.distance_transform_edt(truth == 1)
    for y, x in np.ndindex(8, 8):
        if away[16 + 32 * y, 16 + 32 * x] > 5:
            layer.paint((16 + 32 * y, 16 + 32 * x), 1)


def test_from_a_file_to_a_table(
    make_napari_viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Find, stroke, train, finish, cancel, split, correct, measure, export, undo."""
    from napari_temseg.files.formats.tiff import write_tiff
    from napari_temseg.widgets.images.opening import Opener

    write_tiff(tmp_path / "grid.tif", picture.micrograph.data, picture.micrograph.calibration, "YX")
    viewer = make_napari_viewer(show=True)
    bench = open_bench(viewer)
    session = bench.session
    session.part(Opener).open([tmp_path / "grid.tif"])
    wait_jobs(session)
    qtbot.waitUntil(lambda: session.current is not None)
    item = session.current
    assert item.calibration.pixel_size == pytest.approx((0.5, 0.5))

    click(qtbot, bench.steps.button(1))
    find = bench.panel(1)
    click(qtbot, find.one)
    wait_jobs(session)
    found = len(item.particles)
    assert found > 3
    find.split.fields["strength"].value = 0.9
    wait_jobs(session)
    assert item.particles.settings["strength"] == pytest.approx(0.9)
    find.split.fields["strength"].value = 0.5
    wait_jobs(session)
    assert len(item.particles) == found

    click(qtbot, bench.steps.button(2))
    improve = bench.panel(2)
    click(qtbot, improve.labelling.new)
    paint(item.annotation, picture.classes)
    strokes = item.annotation.data.copy()
    qtbot.waitUntil(lambda: not improve.annotator.counting and improve.train.isEnabled(), timeout=20_000)
    for name, value in {"max_seconds": 3600, "crop": 64, "evaluate_every": 2}.items():
        improve.form.fields[name].value = value
    improve.train.click()
    qtbot.waitUntil(lambda: len(improve.trainer.points) >= 2, timeout=120_000)
    session.jobs.cancel()
    wait_jobs(session)
    assert session.model == "particles"
    improve.train.click()
    qtbot.waitUntil(lambda: len(improve.trainer.points) >= 2, timeout=120_000)
    session.jobs.finish()
    wait_jobs(session)
    wait_jobs(session)
    assert improve.trainer.ended
    np.testing.assert_array_equal(item.annotation.data, strokes)

    click(qtbot, bench.steps.button(3))
    panel = bench.panel(3)
    qtbot.waitUntil(panel.result.export.isEnabled, timeout=20_000)
    before, table = item.particles.labels.copy(), item.measurement.table
    free = table[~table["frame"] & ~table["cut"]]
    session.select([int(free["particle"].iloc[0])])
    qtbot.waitUntil(panel.delete.isEnabled)
    panel.delete.click()
    assert len(item.measurement) == len(table) - 1
    session.select([int(item.measurement.table["particle"].iloc[0])])
    panel.corrector.exclude("out of focus")
    target = tmp_path / "particles.csv"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(target), ""))
    panel.result.export.click()
    qtbot.waitUntil(target.exists, timeout=20_000)
    written = pd.read_csv(target)
    assert len(written) == len(table) - 1
    assert list(written["excluded"].dropna()) == ["out of focus"]
    np.testing.assert_allclose(written["ecd_nm"], item.measurement.table["ecd_nm"], rtol=1e-6)
    panel.undo.click()
    panel.undo.click()
    np.testing.assert_array_equal(item.particles_layer.data, before)
    assert len(item.measurement) == len(table)
    session.close()
