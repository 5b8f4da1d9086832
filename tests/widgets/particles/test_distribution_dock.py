"""The dock below in a real viewer: table, histogram and picture select together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QStyle, QStyleOptionComboBox

from napari_temseg.engine.measure.measurement import measure
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import Particles
from napari_temseg.files.own_figures import is_own_figure
from napari_temseg.pipeline.find import measured
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.particles.colouring import Colouring
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.distribution_dock import NONE_COUNTS, TITLE, DistributionOpener, open_distribution
from napari_temseg.widgets.particles.histogram import is_wide
from napari_temseg.widgets.particles.sentences import cautions, sized
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import ResultState, commit


def add(viewer: Any, session: Any, name: str, radii: list[int], *, calibrated: bool = True, pixel: tuple[float, float] = (0.5, 0.5)) -> Any:
    """A picture with discs of these radii, as a search would leave it."""
    labels = np.zeros((100, 60 * len(radii)), np.int32)
    for number, radius in enumerate(radii, 1):
        yy, xx = np.ogrid[: labels.shape[0], : labels.shape[1]]
        labels[(yy - 50) ** 2 + (xx - 60 * number + 30) ** 2 <= radius**2] = number
    place = {"scale": pixel, "units": ("nm", "nm")} if calibrated else {}
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name=name, **place)
    item = next(item for item in session.items if item.name == name)
    bare = measure(labels).table.set_index("particle")
    table = bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)
    found = Particles(labels, table, item.micrograph())
    commit(session, item, ResultState(None, found, named(measured(found), item)), "finding particles")
    return item


@pytest.fixture
def below(viewer: Any, open_bench: Any, qtbot: Any) -> Any:
    """The dock below, opened by the particles of the first picture."""
    viewer.add_image(np.zeros((10, 10)), name="empty")
    bench = open_bench(viewer)
    session = bench.session
    assert TITLE not in viewer.window.dock_widgets
    session.set_current(add(viewer, session, "grid", [10, 12, 14, 16, 18, 20]))
    qtbot.waitUntil(lambda: TITLE in viewer.window.dock_widgets)
    dock = open_distribution(session)
    qtbot.waitUntil(lambda: len(dock.pool.distribution.values) == 6)
    return dock


def test_a_powder_is_shown_in_micrometres_whatever_programs_read(below: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    session, pool = below.session, below.pool
    item = add(viewer, session, "powder", [10, 12, 14, 16, 18, 20] * 4, pixel=(1500.0, 1500.0))
    session.set_current(item)
    qtbot.waitUntil(lambda: len(pool.distribution.values) == 24 and not pool.busy)
    model = below.table.particles
    heads = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(len(model.columns))]
    assert [head for head in heads if head.endswith("m")] == ["ecd µm", "feret max µm", "feret min µm"]
    assert pool.distribution.unit == "µm"
    assert 40 < pool.distribution.summary["d50"] < 48
    assert " µm (" in sized(pool.distribution)
    assert "(µm)" in below.histogram.getAxis("bottom").labelText
    below.filter.setText("ecd_µm > 50 and area < 2600")
    below.apply_filter()
    assert len(model.rows) == 4
    below.filter.clear()
    below.histogram.ranged.emit((50.0, 56.0))
    assert len(session.selected) == 4, "the range is in the unit of the axis"
    colouring = session.part(Colouring)
    colouring.set_by("ecd")
    assert (colouring.legend.unit, round(colouring.legend.low)) == ("µm", 30)
    assert "ecd_nm" in item.measurement.table
    session.set_current(next(each for each in session.items if each.name == "grid"))
    qtbot.waitUntil(lambda: pool.distribution.unit == "nm")


def test_several_samples_are_told_each_by_itself_and_one_against_another(below: Any, viewer: Any, qtbot: Any) -> None:
    session, pool = below.session, below.pool
    for name, sample, radii in (("b1", "B", [15] * 12 + [16] * 12), ("a1", "A", [10] * 12 + [11] * 12)):
        session.set_sample(add(viewer, session, name, radii), sample)
    pool.set_scope("all images")
    qtbot.waitUntil(lambda: not pool.busy and len(pool.distribution.samples) == 3)
    first, second, compared = pool.distribution.samples
    assert first.startswith("B: D50 15.")
    assert second.startswith("A: D50 10.")
    assert compared.startswith("D50 of A over B: 0.6")
    assert "needs 3 pictures" in compared
    assert sized(pool.distribution) == "\n".join(pool.distribution.samples)
    assert any("2 samples are pooled (A, B)" in sentence for sentence in cautions(pool.distribution))
    assert "several samples" in below.legend.text()
    assert "D50 1" not in below.legend.text()  # of both together there is none


def test_an_image_that_is_left_out_is_not_pooled_while_it_is_in_hand(below: Any, viewer: Any, qtbot: Any) -> None:
    session, pool = below.session, below.pool
    grid, other = session.current, add(viewer, session, "b1", [15, 16])
    session.set_ignored([grid], True)
    pool.set_scope("all images")
    for hand in (grid, other):
        session.set_current(hand)
        assert pool.items == [other]
    session.set_current(grid)
    pool.set_scope("this image")
    assert pool.items == [grid]


def test_where_all_were_deleted_there_is_no_particle(below: Any, viewer: Any, qtbot: Any) -> None:
    session, pool = below.session, below.pool
    session.reveal()
    session.select(range(1, 7))
    session.part(Corrector).exclude("out of focus")
    qtbot.waitUntil(lambda: not pool.busy and below.note.text() == NONE_COUNTS)
    session.part(Corrector).delete()
    qtbot.waitUntil(lambda: not pool.busy and below.note.text() == "There is no particle.")


def test_an_empty_sample_keeps_its_line_and_the_others_their_colours(below: Any, viewer: Any, qtbot: Any, wait_jobs: Any) -> None:
    session, pool = below.session, below.pool
    for name, radii in (("b1", [15, 16]), ("a1", [10] * 12 + [11] * 12)):
        session.set_sample(add(viewer, session, name, radii), name.upper())
    pool.set_scope("all images")
    below.samples.setChecked(True)
    qtbot.waitUntil(lambda: not pool.busy and "A1 (24)" in below.legend.text())
    colours = [line.partition("▬")[0] for line in below.legend.text().split("<br>")]
    session.set_current(next(item for item in session.items if item.name == "b1"))
    session.reveal()
    session.select([1, 2])
    session.part(Corrector).delete()
    qtbot.waitUntil(lambda: not pool.busy and "B1 (0)" in below.legend.text())
    assert [line.partition("▬")[0] for line in below.legend.text().split("<br>")] == colours


def test_samples_of_far_sizes_are_laid_over_one_another_on_a_logarithmic_axis(below: Any) -> None:
    assert is_wide([3.0, 4.0, 31.0])
    assert not is_wide([3.0, 29.0])
    assert not is_wide([])
    assert not is_wide([0.0, 5.0])
    below.samples.setChecked(True)
    assert not below.log.isChecked()  # 10 to 20


def test_sizes_over_more_than_a_decade_have_the_axis_of_the_report(below: Any, viewer: Any, qtbot: Any) -> None:
    session = below.session
    first = session.current

    def shown(item: Any, n: int) -> None:
        session.set_current(item)
        qtbot.waitUntil(lambda: len(below.pool.distribution.values) == n)

    wide = add(viewer, session, "wide", [2] * 12 + [28] * 12)
    shown(wide, 24)
    assert below.log.isChecked()
    assert below.histogram.logarithmic
    shown(first, 6)
    assert not below.log.isChecked()
    assert not below.histogram.logarithmic
    shown(wide, 24)
    below.log.click()  # somebody wants it plain, of this picture
    assert not below.histogram.logarithmic
    shown(first, 6)
    shown(wide, 24)
    assert not below.log.isChecked()
    assert not below.histogram.logarithmic


def test_the_same_content_twice_is_counted_once(below: Any, viewer: Any, qtbot: Any) -> None:
    session, pool = below.session, below.pool
    for name in ("one", "again"):
        item = add(viewer, session, name, [10] * 24)
        item.measurement = replace(item.measurement, content_hash="c" * 64)
    pool.set_scope("all images")
    qtbot.waitUntil(lambda: not pool.busy and pool.distribution.twice == ("again",))
    assert pool.distribution.summary["n"] == 24 + 6  # those of `below` too
    assert any(sentence.startswith("again: the same picture as one that counts") for sentence in cautions(pool.distribution))
    pool.set_scope("this image")
    qtbot.waitUntil(lambda: not pool.busy and not pool.distribution.twice)


def test_no_figures_of_another_picture_stand_beside_the_table(below: Any, viewer: Any, qtbot: Any, monkeypatch: Any) -> None:
    session, pool = below.session, below.pool
    other = add(viewer, session, "other", [9, 11, 13, 15])
    later, held = session.jobs.later, []
    monkeypatch.setattr(session.jobs, "later", lambda *work: held.append(work))
    session.set_current(other)
    qtbot.waitUntil(lambda: len(below.table.particles.table) == 4)
    assert not below.histogram.isVisibleTo(below)
    assert below.note.text() == "Working out the figures …"
    monkeypatch.undo()
    for work in held:
        later(*work)
    qtbot.waitUntil(lambda: len(pool.distribution.values) == 4)
    assert below.histogram.isVisibleTo(below)


def test_row_selects_and_centres_its_particle(below: Any, viewer: Any, qtbot: Any) -> None:
    session = below.session
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 0, 0), viewer.canvas.size[0] / 30
    below.table.selectRow(3)
    assert session.selected == {4}
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (25, 105), atol=1)
    qtbot.waitUntil(lambda: "marks" in session.current.made)
    marked = session.current.made["marks"].data > 0
    assert marked[50, 210]
    assert not marked[50, 90]
    assert below.histogram.selected.sum() == 1


def test_a_picture_that_is_seen_whole_stays_where_a_row_is_selected(below: Any, viewer: Any) -> None:
    layer, camera = below.session.current.layer, viewer.scene.camera
    layers.fit(viewer, layer)
    before = camera.center
    below.table.selectRow(0)
    np.testing.assert_allclose(camera.center, before, atol=1)
    camera.zoom *= 2  # its left half is as wide as the canvas
    below.table.selectRow(1)
    below.table.selectRow(0)
    low, high = layer.extent.world[:, -1]
    assert camera.center[-1] == pytest.approx(low + 0.95 * viewer.canvas.size[-1] / camera.zoom / 2)
    assert camera.center[-1] < (low + high) / 2


def test_particle_selects_its_row(below: Any, qtbot: Any) -> None:
    below.session.select([2, 5])
    assert below.table.selected_rows().tolist() == [1, 4]
    below.table.sortByColumn(2, below.table.horizontalHeader().sortIndicatorOrder().DescendingOrder)
    assert below.table.selected_rows().tolist() == [4, 1]
    assert below.session.selected == {2, 5}


def test_particles_selected_far_apart_are_seen_together_in_the_table(below: Any, viewer: Any, qtbot: Any) -> None:
    session, table = below.session, below.table
    session.set_current(add(viewer, session, "many", [10 + number % 5 for number in range(60)]))
    qtbot.waitUntil(lambda: table.particles.rowCount() == 60)
    session.select([7, 33, 58])
    assert table.particles.rows[:4].tolist() == [6, 32, 57, 0]
    assert table.selected_rows().tolist() == [6, 32, 57]
    assert table.visualRect(table.particles.index(2, 0)).bottom() < table.viewport().height()
    assert below.count.text() == "3 selected"
    table.selectRow(3)  # by hand: the rows stay under the mouse
    assert session.selected == {1}
    assert table.particles.rows[:4].tolist() == [6, 32, 57, 0]
    session.select([33])
    assert table.particles.rows[:2].tolist() == [0, 1]
    assert below.count.text() == "60 rows"
    table.sortByColumn(0, table.horizontalHeader().sortIndicatorOrder().DescendingOrder)
    session.select([7, 33, 58])
    assert table.particles.rows[:4].tolist() == [57, 32, 6, 59]
    session.select([])
    assert table.particles.rows[0] == 59
    bar, grid = table.verticalScrollBar(), next(item for item in session.items if item.name == "grid")
    bar.setValue(bar.maximum())
    for other, n in ((grid, 6), (session.current, 60)):
        session.set_current(other)
        qtbot.waitUntil(lambda n=n: table.particles.rowCount() == n)
    assert bar.maximum() > 0
    assert bar.value() == 0, "another image is seen from its first row on"


def test_an_interval_hides_no_bar_and_is_told(below: Any, viewer: Any, qtbot: Any) -> None:
    session, plot = below.session, below.histogram
    session.set_current(add(viewer, session, "few", [10 + number % 5 for number in range(19)]))
    qtbot.waitUntil(lambda: len(below.pool.distribution.values) == 19)
    assert plot._intervals == []
    assert "n = 19 (without those at the edge or excluded) is too few: a D50 needs 20" in below.legend.text()
    session.set_current(add(viewer, session, "many", [10 + number % 5 for number in range(60)]))
    qtbot.waitUntil(lambda: len(below.pool.distribution.values) == 60)
    distribution = below.pool.distribution
    low, high = distribution.of_column["d50_interval"]
    (seen,) = plot._intervals
    assert seen == (low, high)
    assert "├┆┤" in below.legend.text()
    assert "95 %" in below.legend.text()
    bars = max(item.opts["height"].max() for item in plot.getPlotItem().items if hasattr(item, "opts") and "x0" in item.opts)
    lines = [item for item in plot.getPlotItem().listDataItems() if hasattr(item, "xData")]
    assert any(set(item.xData) == {low, high} for item in lines) or plot._seen(*plot._drawn[0][2][[0, -1]]) != (low, high)
    assert lines
    assert all(item.yData.min() > bars for item in lines)
    assert plot.getViewBox().viewRange()[1][1] > max(item.yData.max() for item in lines)
    plot._intervals = [(-1e3, 1e3)]
    assert plot._seen(10.0, 20.0) == pytest.approx((6.5, 23.5))  # a wide one does not squeeze the bars


def test_range_on_the_histogram_selects(below: Any, qtbot: Any) -> None:
    below.histogram.ranged.emit((11.0, 15.0))  # nm: radii 12 and 14 px
    assert below.session.selected == {2, 3}
    assert below.table.selected_rows().tolist() == [1, 2]
    below.histogram.ranged.emit(None)
    assert not below.session.selected


def test_mouse_drags_a_range(below: Any, viewer: Any, qtbot: Any) -> None:
    from qtpy.QtCore import QPointF, Qt

    class Drag:
        """What pyqtgraph hands over while the button is held and when it is let go."""

        def __init__(self, first: float, last: float) -> None:
            box = below.histogram.getViewBox()
            self.ends = [box.mapFromView(QPointF(x, 1)) for x in (first, last)]

        def button(self) -> Any:
            return Qt.MouseButton.LeftButton

        def accept(self) -> None:
            pass

        def buttonDownPos(self) -> Any:  # noqa: N802
            return self.ends[0]

        def pos(self) -> Any:
            return self.ends[1]

        def isFinish(self) -> bool:  # noqa: N802
            return True

    below.histogram.getViewBox().mouseDragEvent(Drag(15.0, 11.0))
    assert below.session.selected == {2, 3}


def test_filter_shows_fewer_rows_and_says_what_it_does_not_understand(below: Any, viewer: Any, qtbot: Any) -> None:
    below.filter.setText("ecd > 15")
    qtbot.waitUntil(lambda: below.table.particles.rowCount() == 3)
    assert below.count.text() == "3 of 6"
    before = below.filter.sizeHint()
    below.filter.setText("ecd > ")
    qtbot.waitUntil(lambda: "ends where" in below.filter.toolTip())
    assert "border" in below.filter.styleSheet()
    assert below.filter.sizeHint() == before, "the table stays where it is"
    viewer.theme = "light"
    assert "#8A4B00" in below.filter.styleSheet(), "napari's yellow cannot be read there"
    assert below.table.particles.rowCount() == 3
    below.filter.clear()
    qtbot.waitUntil(lambda: below.table.particles.rowCount() == 6)
    assert not below.filter.styleSheet()


def test_all_images_together(below: Any, viewer: Any, qtbot: Any) -> None:
    session = below.session
    first = session.current
    other = add(viewer, session, "grid 2", [11, 13])
    below.scope.setCurrentIndex(2)
    below.scope.activated.emit(2)
    assert below.table.particles.rowCount() == 8
    qtbot.waitUntil(lambda: len(below.pool.distribution.values) == 8)
    session.set_current(first)
    below.table.selectRow(7)
    assert session.current is other
    assert session.selected == {2}
    other.ignored = True
    session.set_current(first)
    session.reveal()
    session.item_changed.emit(other, Change.IGNORED)
    qtbot.waitUntil(lambda: below.table.particles.rowCount() == 6)


def test_px_and_nm_are_not_pooled(below: Any, viewer: Any, qtbot: Any) -> None:
    add(viewer, below.session, "bare", [11, 13], calibrated=False)
    below.scope.activated.emit(2)
    qtbot.waitUntil(lambda: bool(below.pool.distribution.obstacle))
    assert "cannot be pooled" in below.note.text()
    assert below.histogram.isHidden()
    assert not below.note.isHidden()


def test_columns_and_weights(below: Any, qtbot: Any) -> None:
    below.column.setCurrentIndex(below.column.findData("circularity"))
    below.column.activated.emit(below.column.currentIndex())
    qtbot.waitUntil(lambda: below.pool.distribution.column == "circularity")
    assert below.pool.distribution.of_column == {}
    below.column.setCurrentIndex(below.column.findData("feret_max"))
    below.column.activated.emit(below.column.currentIndex())
    qtbot.waitUntil(lambda: below.pool.distribution.column == "feret_max_nm")
    assert below.pool.distribution.of_column["column"] == "feret_max"
    np.testing.assert_allclose(below.pool.distribution.weights.sum(), 6)
    below.weighting.setCurrentIndex(1)
    below.weighting.activated.emit(1)
    below.log.click()
    assert below.histogram.by_volume
    assert below.histogram.logarithmic


def test_follows_calibration_theme_and_names(below: Any, viewer: Any, qtbot: Any) -> None:
    session = below.session
    session.set_calibration([session.current], Calibration((2.0, 2.0), "typed"))
    qtbot.waitUntil(lambda: 60 < below.pool.distribution.summary.get("d50", 0) < 120)
    viewer.theme = "light"
    assert below.histogram.colours["background"] != "#262930"
    assert below.legend.text() == below.histogram.legend(), "its signs are in the colours of the plot"
    session.current.layer.name = "renamed"
    qtbot.waitUntil(lambda: below.table.particles.table["image"].iloc[0] == "renamed")
    below.table.selectRow(0)
    assert session.selected == {1}


def test_bars_depend_on_the_data_alone_and_no_axis_begins_below_zero(below: Any, qtbot: Any) -> None:
    plot, session = below.histogram, below.session
    edges = plot._drawn[0][2].copy()
    session.select([1, 2])
    below.bins.setValue(9)
    assert len(plot._drawn[0][2]) == 10
    below.bins.setValue(0)
    np.testing.assert_array_equal(plot._drawn[0][2], edges)
    assert plot.getViewBox().viewRange()[0][0] >= 0
    assert "D50" in below.legend.text()
    below.samples.click()
    assert session.current.name in below.legend.text()
    below.samples.click()
    np.testing.assert_array_equal(plot._drawn[0][2], edges)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_and_view_are_saved_for_print(
    below: Any, viewer: Any, qtbot: Any, tmp_path: Path, wait_chores: Any, monkeypatch: Any, ending: str
) -> None:
    from PIL import Image

    session, view = below.session, tmp_path / f"view.{ending}"
    plots = [tmp_path / f"plot{number}.{ending}" for number in range(2)]
    for number, path in enumerate(plots):
        below.samples.setChecked(number == 1)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path, **__: (str(path), ""))
        below.save.click()
    session.select([2])
    export.export_view(session, session.current, str(view))
    wait_chores(session)
    for path in (*plots, view):
        if ending == "png":
            with Image.open(path) as made:
                assert round(made.info["dpi"][0]) == 300
            assert is_own_figure(path), "no run takes it for a micrograph"
        elif ending == "pdf":
            assert path.read_bytes().startswith(b"%PDF")
        else:
            assert "<path" in path.read_text(encoding="utf-8")


def test_closed_by_hand_it_stays_closed_until_asked_for(below: Any, viewer: Any, qtbot: Any, idle: Any) -> None:
    session = below.session
    viewer.window.remove_dock_widget(below)
    idle()
    session.item_changed.emit(session.current, Change.PARTICLES)
    idle()
    assert TITLE not in viewer.window.dock_widgets
    again = open_distribution(session)
    assert again.table.particles.rowCount() == 6
    assert TITLE in viewer.window.dock_widgets


def test_image_may_go(below: Any, viewer: Any, qtbot: Any) -> None:
    session = below.session
    session.select([1])
    viewer.layers.remove(session.current.layer)
    qtbot.waitUntil(lambda: below.table.particles.rowCount() == 0)
    assert not below.note.isHidden()


def test_choices_of_the_plot_can_be_read_on_a_small_screen(viewer: Any, open_bench: Any, wait_jobs: Any, idle: Any, picture: Any) -> None:
    viewer.window.resize(980, 800)  # what the steps leave of 1280
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    idle()
    below = bench.session.part(DistributionOpener).widget
    for box in (below.column, below.weighting):
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        field = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box)
        assert box.fontMetrics().horizontalAdvance(box.currentText()) <= field.width() - 4
