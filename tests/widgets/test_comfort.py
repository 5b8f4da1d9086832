"""What a user notices who looks closely: narrow docks, names and tooltips, folders of dialogs, what undo and Home bring back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QScrollBar,
    QTableView,
    QWidget,
)

import napari_temseg as temseg
from napari_temseg.engine.measure.measurement import measure
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import Particles
from napari_temseg.widgets.canvas.micrograph_layer import notes_of
from napari_temseg.widgets.find.model_choice import FROM_FILE
from napari_temseg.widgets.images.current_image import CurrentImage
from napari_temseg.widgets.kit.style import hint
from napari_temseg.widgets.particles.distribution_dock import open_distribution
from napari_temseg.widgets.session.history import FOUND_STEP
from napari_temseg.widgets.session.results.state import ResultState, commit

NARROWEST = 268  # px that a dock of 300 leaves to a page beside its scroll bar
KINDS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QTableView)


@pytest.fixture
def grid(viewer: Any, picture: Any, tmp_path: Path) -> Any:
    """A picture that came from a file."""
    path = tmp_path / "pictures" / "a_grid_with_a_name_that_nobody_would_type_twice.png"
    path.parent.mkdir()
    layer = viewer.add_image(picture.micrograph.data, name=path.stem)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


def unfold(bench: Any) -> None:
    for form in (bench.panel(1).split, bench.panel(1).predict, bench.panel(2).form):
        form.fold.expand(animate=False)


def adopt(session: Any, item: Any, labels: Any) -> None:
    """Particles that no model found."""
    particles = Particles(labels.astype(np.int32), _table(labels), item.micrograph())
    commit(session, item, ResultState(None, particles, measure(particles)), FOUND_STEP)


def _table(labels: Any) -> Any:
    bare = measure(labels.astype(np.int32)).table.set_index("particle")
    return bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)


def test_every_page_fits_into_a_dock_of_300_px(viewer: Any, grid: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    bench = open_bench(viewer)
    unfold(bench)
    for index in range(4):
        bench.go(index)
        idle()
        assert bench.panel(index).minimumSizeHint().width() <= NARROWEST, type(bench.panel(index)).__name__
    assert bench.minimumSizeHint().width() <= 300


def test_every_control_says_what_it_is_and_does(viewer: Any, grid: Any, open_bench: Any, picture: Any, qtbot: Any, idle: Any) -> None:
    bench = open_bench(viewer)
    unfold(bench)
    adopt(bench.session, bench.session.current, picture.instances)
    bench.panel(2).labelling.new.click()
    roots: list[QWidget] = [bench, open_distribution(bench.session)]
    seen = 0
    for index in range(4):
        bench.go(index)
        idle()
        for control in _controls(roots):
            seen += 1
            where = f"{type(control).__name__} “{_words(control)}” of {type(control.parent()).__name__}"
            assert control.toolTip(), f"{where} has no tooltip"
            assert _words(control), f"{where} has no name"
    assert seen > 60


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


def test_a_layer_in_reciprocal_units_is_a_diffraction_pattern(viewer: Any, open_bench: Any) -> None:
    layer = viewer.add_image(np.zeros((20, 20)), scale=(0.1, 0.1), units=("1/nm", "1/nm"))
    item = open_bench(viewer).session.item_of(layer)
    assert item.calibration.pixel_size is None
    assert any("diffraction pattern" in note for note in notes_of(layer))


def test_a_narrow_dock_tells_the_pixel_size_and_a_wide_one_its_origin(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((20, 20)), name="a_rather_long_name_of_a_micrograph_2026-11-20_0017")
    bench = open_bench(viewer)
    session, hand = bench.session, bench.findChild(CurrentImage)
    session.set_calibration(session.items, Calibration((0.67612, 0.67612), "scale bar"))
    size = hand.calibration
    for width, text in ((110, "0.6761 nm/px"), (400, "0.6761 nm/px · scale bar")):
        size.resize(width, 26)
        hand.refresh()  # a hidden window is told of its size later
        assert size.text() == text
        assert "0.6761 nm/px · scale bar" in size.toolTip()


def zoomed_to(viewer: Any, extent: float) -> bool:
    """Whether so many nanometres fill the canvas."""
    return 0.8 * min(viewer.canvas.size) <= viewer.scene.camera.zoom * extent <= max(viewer.canvas.size)


def two_sizes(viewer: Any) -> None:
    viewer.add_image(np.zeros((50, 50)), name="in nm", scale=(0.01, 0.01), units=("nm", "nm"))
    viewer.add_image(np.zeros((2000, 2000)), name="large", scale=(1, 1), units=("nm", "nm"), visible=False)


def test_home_shows_what_is_visible(viewer: Any, open_bench: Any, press: Any) -> None:
    two_sizes(viewer)
    open_bench(viewer)
    button = viewer.window._qt_viewer.viewerButtons.resetViewButton
    button.click()
    assert zoomed_to(viewer, 0.5)
    viewer.layers["large"].visible = True
    button.click()
    assert zoomed_to(viewer, 2000)
    viewer.layers["large"].visible = False
    canvas = viewer.window._qt_viewer.canvas.native
    press(canvas, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert zoomed_to(viewer, 0.5)


def test_what_scripts_ask_of_the_view_stays_napari_s(viewer: Any, make_napari_viewer: Any, open_bench: Any) -> None:
    for each in (viewer, make_napari_viewer()):
        two_sizes(each)
        session = open_bench(each).session
        each.reset_view()
        assert zoomed_to(each, 2000), "all layers, as napari documents"
        each.reset_view(layers=[each.layers["in nm"]], margin=0.05)
        assert zoomed_to(each, 0.5)
        near = each.scene.camera.zoom
        each.reset_view(layers=[each.layers["in nm"]], margin=0.5)
        assert each.scene.camera.zoom < 0.6 * near
        assert len(each.keymap) > 0
    session.close()
    assert not each.keymap
    each.window._qt_viewer.viewerButtons.resetViewButton.click()
    assert zoomed_to(each, 2000)
    viewer.window._qt_viewer.viewerButtons.resetViewButton.click()
    assert zoomed_to(viewer, 0.5), "the other viewer goes on"


def test_a_region_across_particles(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    labels = np.zeros((120, 120), int)
    labels[20:40, 20:40], labels[60:70, 20:30], labels[60:80, 80:100] = 1, 2, 3
    viewer.add_image(np.zeros((120, 120)), name="grid")
    bench = open_bench(viewer)
    session = bench.session
    item = session.current
    adopt(session, item, labels)
    bench.go(2)
    bench.panel(2).labelling.new.click()
    item.annotation.data[62:66, 22:26] = 2
    said: list[str] = []
    session.said.connect(said.append)
    bench.go(0)
    bench.panel(0).region.click()
    # Of 1 most is left, of 2 a row of ten pixels; 3 is far away.
    for top, bottom in ((35, 50), (61, 90)):
        item.left_out.add_rectangles(np.array([[top, 10], [top, 50], [bottom, 50], [bottom, 10]]))
    qtbot.waitUntil(lambda: 2 not in item.particles.table.index, timeout=10_000)
    wait_jobs(session)
    assert item.measurement.table.set_index("particle")["frame"].to_dict() == {1: True, 3: False}
    assert not (item.particles.labels == 2).any()
    assert any("16 labelled px of grid lie in a left-out region" in each for each in said)


def test_words_for_people(viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    adopt(bench.session, bench.session.current, picture.instances)
    below = open_distribution(bench.session)
    qtbot.waitUntil(lambda: len(below.histogram.distribution.values) > 0, timeout=10_000)
    assert below.column.currentText() == "equivalent circular diameter"
    assert below.histogram.getAxis("bottom").labelText == "equivalent circular diameter (px)"
    model = below.table.particles
    flags = {model.text(row, "flags") for row in range(len(model.rows))}
    assert any("at the edge" in text for text in flags)
    assert not any("frame" in text or "cut" in text for text in flags)


def test_a_long_name_may_be_broken_and_a_path_is_left_as_it_is(qtbot: Any) -> None:
    from qtpy.QtWidgets import QLabel

    label = hint("Session_2024-05-03_grid_07_square_12.dm4: merging 2 particles.")
    qtbot.addWidget(label)
    assert "\u200b" in QLabel.text(label)
    assert "\u200b" not in label.text()
    label.setText("Written: /home/somebody/a_very_long_folder_name_indeed/report.html.")
    assert QLabel.text(label) == label.text()
