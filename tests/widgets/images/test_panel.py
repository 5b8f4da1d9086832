"""Step 1 in a real viewer: opening, table, pixel sizes, what is left out."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from in_the_window import find, told
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QLineEdit

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.images.calibration_dialog import CalibrationDialog
from napari_temseg.widgets.images.image_table import IMAGE_COLUMN, PLANES_COLUMN, SAMPLE_COLUMN
from napari_temseg.widgets.images.opening import Opener, remember_opened
from napari_temseg.widgets.workbench import JobBar

FILES_DIALOG = "napari_temseg.widgets.images.panel.QFileDialog.getOpenFileNames"
FOLDER_DIALOG = "napari_temseg.widgets.images.panel.QFileDialog.getExistingDirectory"


@pytest.fixture
def folder(tmp_path: Path, picture: Any, stack: Any) -> Path:
    """A calibrated TIFF, a PNG, a stack and a damaged file."""
    made = tmp_path / "grid 3"
    made.mkdir()
    write_tiff(made / "a.tif", picture.micrograph.data, Calibration((0.5, 0.5), "typed"))
    iio.imwrite(made / "b.png", picture.micrograph.data)
    tifffile.imwrite(made / "c.tif", stack, photometric="minisblack")
    (made / "d.tif").write_bytes(b"rubbish")
    return made


def drag(layer: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """As the mouse does it on the canvas, from one place of the world to another."""
    mouse_press_callbacks(layer, read_only_mouse_event("mouse_press", button=1, position=start, pos=np.array([10.0, 10.0])))
    where = {"button": 1, "is_dragging": True, "position": end, "pos": np.array([90.0, 90.0])}
    mouse_move_callbacks(layer, read_only_mouse_event("mouse_move", **where))
    mouse_release_callbacks(layer, read_only_mouse_event("mouse_release", **where))


def names(session: Any) -> list[str]:
    return [item.name for item in session.items]


def dialog_of(viewer: Any) -> CalibrationDialog:
    return viewer.window._qt_window.findChildren(CalibrationDialog)[-1]


def cell(table: Any, row: int, column: int) -> Any:
    return table.images.index(row, column)


def lines(table: Any, row: int, column: int) -> tuple[str, str]:
    index = cell(table, row, column)
    return index.data(Qt.ItemDataRole.DisplayRole), index.data(int(Qt.ItemDataRole.UserRole) + 1)


def test_what_was_open_before_the_dock_is_in_the_table(viewer: Any, open_bench: Any, stack: Any) -> None:
    viewer.add_image(np.zeros((64, 80)), name="first", scale=(0.5, 0.5), units=("nm", "nm"))
    viewer.add_image(stack, name="series")
    table = open_bench(viewer).panel(0).table
    assert lines(table, 0, IMAGE_COLUMN) == ("first", "not searched yet")
    assert lines(table, 0, SAMPLE_COLUMN) == ("", "0.5 nm/px")
    assert lines(table, 1, SAMPLE_COLUMN)[1] == "px only"
    assert lines(table, 1, PLANES_COLUMN) == ("3", "what?")
    assert "3 planes: not said what" in cell(table, 1, IMAGE_COLUMN).data(Qt.ItemDataRole.ToolTipRole)
    viewer.layers["first"].name = "renamed"
    assert lines(table, 0, IMAGE_COLUMN)[0] == "renamed"
    viewer.layers.remove("series")
    assert table.images.rowCount() == 1
    assert table.isColumnHidden(PLANES_COLUMN)


def test_row_and_image_in_hand_follow_each_other(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    for name, size in (("one", 40), ("two", 400), ("three", 60)):
        viewer.add_image(np.zeros((size, size)), name=name)
    bench = open_bench(viewer)
    session, table = bench.session, bench.panel(0).table
    assert table.currentIndex().row() == 2
    zoom = viewer.scene.camera.zoom
    table.setCurrentIndex(cell(table, 1, IMAGE_COLUMN))
    assert session.current is session.items[1]
    assert [layer.visible for layer in viewer.layers] == [False, True, False]
    assert viewer.layers.selection.active.name == "two"
    assert viewer.scene.camera.zoom < zoom  # another place in the world: all of it is shown
    viewer.layers.selection.active = viewer.layers["three"]
    assert table.currentIndex().row() == 2
    viewer.layers.remove("three")
    assert session.items[table.currentIndex().row()] is session.current


def test_ctrl_and_click_selects_several_images(viewer: Any, open_bench: Any, qtbot: Any, idle: Any) -> None:
    for name in ("one", "two", "three"):
        viewer.add_image(np.zeros((40, 40)), name=name)
    bench = open_bench(viewer)
    session, table = bench.session, bench.panel(0).table
    viewer.window._qt_window.show()
    idle()

    def click(row: int, held: Qt.KeyboardModifier) -> None:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, held, table.visualRect(cell(table, row, IMAGE_COLUMN)).center())
        idle()

    click(0, Qt.KeyboardModifier.NoModifier)
    click(2, Qt.KeyboardModifier.ControlModifier)
    assert [item.name for item in table.selected()] == ["one", "three"]
    assert session.current.name == "three"
    click(1, Qt.KeyboardModifier.NoModifier)
    assert [item.name for item in table.selected()] == ["two"]
    click(2, Qt.KeyboardModifier.ShiftModifier)
    assert [item.name for item in table.selected()] == ["two", "three"]
    click(0, Qt.KeyboardModifier.NoModifier)  # no key is held down any more


def test_files_open_and_those_that_cannot_be_are_named_once(
    viewer: Any, open_bench: Any, wait_jobs: Any, folder: Path, monkeypatch: Any, qtbot: Any
) -> None:
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    assert "Waits for an image" in panel.note.text()
    (folder / "note.md").write_text("no picture")
    paths = [str(folder / name) for name in ("a.tif", "b.png", "d.tif", "note.md")]
    monkeypatch.setattr(FILES_DIALOG, lambda *_, **__: (paths, ""))
    panel.open.click()
    qtbot.waitUntil(lambda: bool(told("could not be opened")), timeout=20_000)
    assert names(session) == ["a", "b"]
    (sentence,) = told("could not be opened")
    assert "d.tif" in sentence
    assert "note.md" in sentence
    kept = panel.failures.toolTip()  # all of it, where the notification is gone
    assert kept.startswith("2 files could not be opened:")
    assert "d.tif" in kept
    assert "note.md" in kept
    assert panel.failures.isVisibleTo(panel)
    monkeypatch.setattr(FILES_DIALOG, lambda *_, **__: (paths[-1:], ""))
    panel.open.click()
    qtbot.waitUntil(lambda: panel.failures.toolTip().startswith("1 file could"))
    assert bench.findChild(JobBar).sentence.text() == "Opened no image. 1 could not be opened."
    first = session.items[0]
    assert first.calibration.pixel_size == pytest.approx((0.5, 0.5))
    assert first.calibration.origin == "ImageJ tag"
    assert session.current is first
    assert [layer.visible for layer in viewer.layers] == [True, False]
    np.testing.assert_allclose(first.layer.scale, (0.5, 0.5))
    assert session.settings.get("folder") == str(folder)


def test_a_folder_opens_once_and_its_stack_asks_for_its_planes(
    viewer: Any, open_bench: Any, wait_jobs: Any, folder: Path, monkeypatch: Any, qtbot: Any
) -> None:
    (folder / "d.tif").unlink()
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    monkeypatch.setattr(FOLDER_DIALOG, lambda *_, **__: str(folder))
    panel.folder.click()
    qtbot.waitUntil(lambda: len(session.items) == 3, timeout=20_000)
    wait_jobs(session)
    assert names(session) == ["a", "b", "c"]
    stacked = session.items[2]
    said: list[str] = []
    session.said.connect(said.append)
    assert stacked.asks_axes
    panel.folder.click()
    wait_jobs(session)
    assert len(session.items) == 3
    assert said[-1] == "Opened no image. 3 were open already."
    table = panel.table
    table.setCurrentIndex(cell(table, 2, IMAGE_COLUMN))
    table.edit(cell(table, 2, PLANES_COLUMN))
    (box,) = table.viewport().findChildren(QComboBox)
    box.setCurrentText("depth")
    box.activated.emit(box.currentIndex())
    assert stacked.axes == "ZYX"
    assert lines(table, 2, PLANES_COLUMN) == ("3", "depth")


def test_a_file_that_is_open_comes_in_hand_when_it_is_opened_again_and_its_row_tells_its_folder(
    viewer: Any, open_bench: Any, folder: Path, qtbot: Any
) -> None:
    other = folder.parent / "grid 4"
    other.mkdir()
    iio.imwrite(other / "b.png", np.eye(40, dtype=np.uint8))
    bench = open_bench(viewer)
    session, table = bench.session, bench.panel(0).table
    session.part(Opener).open([folder / "b.png", other / "b.png"])
    qtbot.waitUntil(lambda: names(session) == ["b", "b [1]"] and not session.jobs.running, timeout=20_000)
    for row, path in enumerate((folder / "b.png", other / "b.png")):
        assert str(path) in cell(table, row, IMAGE_COLUMN).data(Qt.ItemDataRole.ToolTipRole)
    qtbot.waitUntil(lambda: session.current is session.items[0])
    session.part(Opener).open([other / "b.png"])
    qtbot.waitUntil(lambda: session.current is session.items[1], timeout=20_000)
    assert [layer.visible for layer in viewer.layers] == [False, True]
    assert len(session.items) == 2


def test_files_dropped_on_the_dock_open(viewer: Any, open_bench: Any, wait_jobs: Any, folder: Path, qtbot: Any) -> None:
    bench = open_bench(viewer)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder / "a.tif")), QUrl.fromLocalFile(str(folder / "b.png"))])
    where = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPointF(5, 5).toPoint(), *where)
    QApplication.sendEvent(bench, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(bench, QDropEvent(QPointF(5, 5), *where))
    qtbot.waitUntil(lambda: names(bench.session) == ["a", "b"], timeout=20_000)
    wait_jobs(bench.session)


def test_opening_does_not_wait_for_a_running_job(
    viewer: Any, open_bench: Any, wait_jobs: Any, folder: Path, qtbot: Any, picture: Any
) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    held = Event()

    def steps(control: Any) -> Any:
        yield Progress("train", 0.0, "", 0.0)
        held.wait(60)
        return True

    session.jobs.start("Training", lambda: Job(steps), lambda _: None)
    try:
        panel.opener.open([folder / "a.tif"])
        qtbot.waitUntil(lambda: names(session) == ["grid", "a"] and session.current is session.items[1])
        assert session.jobs.running
        assert not panel.burnt_in.isEnabled()  # a search of its own
        panel.opener.open([folder / "b.png"])
        panel.table.setCurrentIndex(cell(panel.table, 0, IMAGE_COLUMN))  # another picture is chosen before it is read
        qtbot.waitUntil(lambda: names(session) == ["grid", "a", "b"])
        qtbot.waitUntil(lambda: "Opened 1 image" in bench.findChild(JobBar).sentence.text())
        assert session.current is session.items[0]
        assert [layer.visible for layer in viewer.layers] == [True, False, False]
        assert viewer.layers.selection.active is session.items[0].layer
        panel.opener.open([folder / "b.png"])
        panel.measure.click()
        qtbot.waitUntil(lambda: "open already" in bench.findChild(JobBar).sentence.text())
        assert session.current is session.items[0]
        assert panel.ruler.held
    finally:
        held.set()
    panel.ruler.put_down()
    wait_jobs(session)


def test_delete_in_the_list_closes_pictures_and_spares_particles(
    viewer: Any, open_bench: Any, grid: Any, adopt: Any, qtbot: Any, wait_chores: Any
) -> None:
    viewer.add_image(np.zeros((50, 50)), name="other", scale=(2, 2), units=("nm", "nm"))
    viewer.add_image(np.zeros((50, 50)), name="third")
    bench = open_bench(viewer)
    session, table = bench.session, bench.panel(0).table
    item = session.items[0]
    table.setCurrentIndex(cell(table, 0, IMAGE_COLUMN))
    labels = np.zeros(item.frame, np.int32)
    labels[20:40, 20:40], labels[60:90, 60:90] = 1, 2
    adopt(session, item, labels)
    wait_chores(session)
    session.select({1})
    notification_manager.records.clear()
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert names(session) == ["other", "third"]
    assert len(item.measurement) == 2
    wait_chores(session)
    assert [layer.name for layer in viewer.layers] == ["other", "third"]
    assert not told("Inconsistent units")
    assert "kept" in bench.findChild(JobBar).sentence.text()
    viewer.add_layer(grid)
    again = session.items[-1]
    session.set_current(again)
    qtbot.waitUntil(lambda: bool(session.part(Autosaver).earlier_work(again)))
    (action,) = table.menu([again]).actions()
    assert action.text() == f"Close “{grid.name}”\tDel"
    action.trigger()
    assert names(session) == ["other", "third"]


def test_the_sample_is_edited_in_place_for_all_selected(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    for name in "abc":
        viewer.add_image(np.zeros((40, 40)), name=name)
    bench = open_bench(viewer)
    table, session = bench.panel(0).table, bench.session
    table.setCurrentIndex(cell(table, 0, IMAGE_COLUMN))
    flags = table.selectionModel().SelectionFlag
    table.selectionModel().select(cell(table, 2, IMAGE_COLUMN), flags.Select | flags.Rows)
    table.edit(cell(table, 0, SAMPLE_COLUMN))
    (line,) = table.viewport().findChildren(QLineEdit)
    line.setText("gold 12")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: [item.sample for item in session.items] == ["gold 12", "", "gold 12"])
    assert session.items[0].micrograph().sample == "gold 12"


def test_a_typed_pixel_size_goes_to_all_selected_and_sizes_follow(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any, qtbot: Any
) -> None:
    for name in ("one", "two", "other"):
        viewer.add_image(picture.micrograph.data, name=name)
    bench = open_bench(viewer)
    session, panel, table = bench.session, bench.panel(0), bench.panel(0).table
    table.setCurrentIndex(cell(table, 0, IMAGE_COLUMN))
    find(bench, wait_jobs)
    pixels = session.items[0].measurement.table["ecd_px"].to_numpy()
    flags = table.selectionModel().SelectionFlag
    table.selectionModel().select(cell(table, 1, IMAGE_COLUMN), flags.Select | flags.Rows)
    assert panel.calibrate.text() == "Calibrate 2…"
    panel.calibrate.click()
    dialog = dialog_of(viewer)
    assert not dialog.apply.isEnabled()
    qtbot.keyClicks(dialog.pixel_size, "2,5")
    dialog.pixel_size_unit.setCurrentText("Å")
    dialog.correction.factor.setText("1.02")
    dialog.correction.spread.setText("0.5")
    dialog.correction.day.setText("yesterday")
    assert not dialog.apply.isEnabled()
    dialog.correction.day.setText("2026-03-14")
    assert "0.255 nm/px" in dialog.read.text()
    dialog.apply.click()
    for item in session.items[:2]:
        assert item.calibration.pixel_size == pytest.approx((0.25, 0.25))
        assert (item.calibration.origin, item.calibration.date) == ("typed", "2026-03-14")
        assert item.calibration.uncertainty == pytest.approx(0.005)
        np.testing.assert_allclose(item.layer.scale, (0.255, 0.255))
    assert session.items[2].calibration.pixel_size is None
    np.testing.assert_allclose(session.items[0].measurement.table["ecd_nm"], 0.255 * pixels)
    np.testing.assert_allclose(session.items[0].made["particles"].scale, (0.255, 0.255))
    table.selectAll()
    panel.copy.click()
    assert session.items[2].calibration == session.items[0].calibration
    panel.calibrate.click()
    dialog_of(viewer).remove.click()
    assert all(item.calibration.pixel_size is None for item in session.items)
    assert "ecd_px" in session.items[0].measurement.table


def test_a_line_over_the_scale_bar_tells_the_pixel_size(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((300, 400)), name="grid", scale=(3, 3))
    bench = open_bench(viewer)
    session = bench.session
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    qtbot.keyClicks(dialog.length, "100")
    assert dialog.drawn.isChecked()
    dialog.draw_line.click()
    assert viewer.layers.selection.active.mode == "add_line"
    assert "no line yet" in dialog.read.text()
    drag(dialog.line, (750, 150), (750, 750))  # in the world, where a pixel is 3 wide
    qtbot.waitUntil(lambda: "200.0 px long" in dialog.read.text())
    assert "0.5 nm/px" in dialog.read.text()
    dialog.apply.click()
    known = session.current.calibration
    assert known.origin == "scale bar"
    assert known.pixel_size == pytest.approx((0.5, 0.5), rel=1e-3)
    assert known.reading_uncertainty == pytest.approx(np.sqrt(2) / 200, rel=1e-3)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["grid"]
    assert viewer.layers.selection.active.name == "grid"
    assert session.settings.get("line length") == "100"


def test_the_dialog_survives_the_loss_of_its_line_and_goes_with_its_image(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((100, 100)), name="grid")
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.draw_line.click()
    viewer.layers.remove(dialog.line)
    dialog.length.setText("5")
    assert "no line yet" in dialog.read.text()
    dialog.draw_line.click()
    viewer.layers.remove("grid")
    assert not dialog.isVisible()
    assert [layer.name for layer in viewer.layers if layer.visible] == []
    assert not bench.panel(0).calibrate.isEnabled()


def test_an_image_left_out_is_not_searched_with_the_others(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    for name in ("one", "two"):
        viewer.add_image(picture.micrograph.data[:192, :192], name=name)
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    panel.table.setCurrentIndex(cell(panel.table, 0, IMAGE_COLUMN))
    panel.image.click()
    assert panel.image.text() == "Take image in"
    assert lines(panel.table, 0, IMAGE_COLUMN)[1] == "left out"
    bench.panel(1).all.click()
    wait_jobs(session)
    assert session.items[0].particles is None
    assert session.items[1].particles is not None
    panel.image.click()
    assert not session.items[0].ignored


def test_what_is_said_and_offered_moves_no_button(viewer: Any, open_bench: Any, idle: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    panel, session, item = bench.panel(0), bench.session, bench.session.current
    buttons = [panel.open, panel.calibrate, panel.region, panel.image, panel.burnt_in]

    def heights() -> list[int]:
        idle()
        return [each.mapTo(bench, each.rect().topLeft()).y() for each in buttons]

    before = heights()
    assert not panel.calibration_note.isHidden()
    session.set_calibration([item], Calibration((0.5, 0.5), "typed"))
    session.set_ignored([item], True)
    assert panel.calibration_note.isHidden()
    assert not panel.note.isHidden()
    assert heights() == before
    bench.restore_bar.offer("Work of 27 Nov 16:36 is kept: 3 particles, 3 corrections, reviewed, 1 region, sample batch 8, strokes.")
    assert heights() == before


def test_open_begins_beside_what_napari_opened(viewer: Any, open_bench: Any, grid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *given: (began.append(given[2]), ([], ""))[1])
    path = Path(grid.source.path)
    path.touch()
    panel = open_bench(viewer).panel(0)
    panel.open.click()
    assert began == [str(path.parent)]
    assert panel.recent_menu().actions()[0].text() == path.name


def test_a_picture_whose_pixels_napari_cannot_show_beside_the_others_is_refused_in_a_sentence(
    viewer: Any, open_bench: Any, picture: Any, tiny: Any, qtbot: Any, wait_jobs: Any, tmp_path: Path
) -> None:
    for name, size in (("a", 264_000.0), ("b", 0.008), ("c", 0.5)):
        write_tiff(tmp_path / f"{name}.tif", picture.micrograph.data, Calibration((size, size), "typed"))
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    session.add_model("mine", tiny)  # and chosen, for what is opened later too
    session.part(Opener).open([tmp_path])
    qtbot.waitUntil(lambda: "could not be opened" in panel.failures.toolTip())
    wait_jobs(session)
    assert names(session) == ["a", "c"]
    assert "b: its pixels (0.008 nm/px) are too far in size from those of what is open" in panel.failures.toolTip()
    assert [layer.visible for layer in viewer.layers] == [True, False]
    assert lines(panel.table, 0, SAMPLE_COLUMN)[1] == "264 µm/px"
    told = bench.findChild(JobBar).sentence.text()
    assert told.startswith("Opened 2 images. 1 could not be opened. The model you chose, “mine”, is in use for these 2 too (step 2).")


def test_all_files_of_last_time_open_at_once(viewer: Any, open_bench: Any, folder: Path, qtbot: Any) -> None:
    panel = open_bench(viewer).panel(0)
    for name in ("a.tif", "b.png"):
        remember_opened(panel.session, str(folder / name))
    panel.recent_menu().actions()[-1].trigger()
    qtbot.waitUntil(lambda: set(names(panel.session)) == {"a", "b"} and not panel.session.jobs.running)
