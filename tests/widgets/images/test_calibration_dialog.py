"""Pixel sizes in a real viewer: the dialog, the scale bar that is found, what is burnt in, and px beside nm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import pytest
from in_the_window import told
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import Qt

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.widgets.canvas.layers import scale_bar
from napari_temseg.widgets.images.calibration_dialog import CalibrationDialog
from napari_temseg.widgets.images.calibration_words import ALL, FOLDER, SAME, from_line, meaning, provenance
from napari_temseg.widgets.images.opening import Opener

LEFT, WIDE, THICK = 40, 150, 6  # px: where the bar that the tests burn in begins, and its size


def burnt_in(plane: npt.NDArray[np.uint8], label: str = "50 nm", wide: int = WIDE) -> npt.NDArray[np.uint8]:
    """A data bar below a picture: black, with a white scale bar and its label."""
    height, width = plane.shape
    picture = Image.new("L", (width, height + 40))
    picture.paste(Image.fromarray(plane))
    pen = ImageDraw.Draw(picture)
    pen.rectangle([LEFT, height + 28, LEFT + wide - 1, height + 28 + THICK - 1], fill=255)
    pen.text((LEFT + wide // 2, height + 14), label, fill=255, anchor="mm", font=ImageFont.load_default(18))
    return np.asarray(picture)


@pytest.fixture
def grey(picture: Any) -> npt.NDArray[np.uint8]:
    """The simulated micrograph in 8 bits."""
    data = picture.micrograph.data.astype(float)
    low, high = np.percentile(data, [0.1, 99.9])
    return (np.clip((data - low) / (high - low), 0.05, 0.95) * 255).astype(np.uint8)


def dialog_of(viewer: Any) -> CalibrationDialog:
    """The open dialog."""
    (dialog,) = [each for each in viewer.window._qt_window.findChildren(CalibrationDialog) if not each.over]
    return dialog


def test_uncertainty_and_provenance_are_said_in_words() -> None:
    known = Calibration((0.5, 0.5), "scale bar", 0.005, 1.01, 0.0, "cross grating", "2026-03-14")
    assert meaning(known) == "A 20 nm particle: ± 0.10 nm from calibration."
    assert "not known" in meaning(Calibration((0.5, 0.5), "typed"))
    assert meaning(Calibration((142.7, 142.7), "scale bar", 0.02), 222.0) == "A 32 µm particle: ± 0.64 µm from calibration."
    assert provenance(known) == "0.505 nm/px · scale bar ± 0.5 %; with the factor 1.01 of cross grating, 2026-03-14"


def test_a_correction_keeps_what_the_file_said_and_the_fold_has_its_height(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((64, 64)), name="grid", scale=(0.4, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    assert "not square" in dialog.notes.text()
    height = dialog.height()
    dialog.correction.fold.expand(animate=False)
    qtbot.waitUntil(lambda: dialog.height() > height + 60)
    for edit in (dialog.correction.factor, dialog.correction.day):
        assert edit.height() >= edit.sizeHint().height()
    dialog.correction.factor.setText("1.02")
    dialog.correction.standard.setText("cross grating")
    dialog.apply.click()
    known = bench.session.current.calibration
    assert known.pixel_size == pytest.approx((0.4, 0.5))
    assert (known.origin, known.factor, known.standard) == ("layer", 1.02, "cross grating")


def test_nothing_to_remove_and_the_images_of_a_folder(
    viewer: Any, open_bench: Any, wait_jobs: Any, tmp_path: Path, grey: Any, qtbot: Any
) -> None:
    for name in ("one/a.png", "one/b.png", "two/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        iio.imwrite(tmp_path / name, grey)
    bench = open_bench(viewer)
    bench.session.part(Opener).open([tmp_path / "one", tmp_path / "two"])
    qtbot.waitUntil(lambda: len(bench.session.items) == 3)
    wait_jobs(bench.session)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    assert not dialog.remove.isEnabled()
    qtbot.keyClicks(dialog.pixel_size, "0.5")
    dialog.scope.setCurrentIndex(dialog.scope.findData(FOLDER))
    assert "2 open images of this folder" in dialog.scope.currentText()
    dialog.apply.click()
    assert [item.calibration.unit for item in bench.session.items] == ["nm", "nm", "px"]
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    assert dialog.remove.isEnabled()
    dialog.scope.setCurrentIndex(dialog.scope.findData(ALL))
    dialog.remove.click()
    assert {item.calibration.unit for item in bench.session.items} == {"px"}


def test_the_bar_is_found_dragged_typed_and_left_out(viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any) -> None:
    viewer.add_image(burnt_in(grey), name="grid")
    bench = open_bench(viewer)
    session = bench.session
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.find_bar.click()
    qtbot.waitUntil(lambda: dialog.line is not None, timeout=20_000)
    wait_jobs(session)
    assert f"{WIDE}.0 px long" in dialog.read.text()
    assert viewer.layers.selection.active is dialog.line
    assert dialog.line.mode == "direct"
    ends = dialog.line.data[-1].copy()
    ends[-1, -1] += 2
    dialog.line.data = [ends]
    qtbot.waitUntil(lambda: f"{WIDE + 2}.0 px long" in dialog.read.text())
    ends[-1, -1] -= 2
    dialog.line.data = [ends]
    assert (dialog.length.text(), dialog.length_unit.currentText()) == ("50", "nm")  # read beside the bar: Apply is the yes
    assert "The picture seems to say “50 nm”" in dialog.read.text()
    assert dialog.apply.text() == "Yes, 50 nm: apply"
    dialog.length_unit.setCurrentText("µm")
    assert dialog.apply.text() == "Apply all the same"
    assert "seems to say “50 nm”, which makes 0.3333 nm/px" in dialog.read.text()
    assert dialog.read.property("role") == "warning"
    qtbot.keyClicks(dialog.pixel_size, "333")  # the bar still says what it says where the size is typed
    assert dialog.apply.text() == "Apply all the same"
    dialog.pixel_size.setText("0.33")
    assert dialog.apply.text() == "Apply"
    dialog.drawn.setChecked(True)
    dialog.length_unit.setCurrentText("nm")
    qtbot.keyClicks(dialog.length, "50")
    assert "0.3333 nm/px" in dialog.read.text()
    assert "nm particle" in dialog.words.text()
    dialog.apply.click()
    wait_jobs(session)
    item = session.current
    assert item.calibration.pixel_size == pytest.approx((1 / 3, 1 / 3), rel=5e-3)
    assert item.calibration.reading_uncertainty == pytest.approx(np.sqrt(2) / WIDE, rel=0.01)
    valid = item.micrograph().valid
    assert not valid[grey.shape[0] + 28 : grey.shape[0] + 28 + THICK, LEFT : LEFT + WIDE].any()
    assert valid[: grey.shape[0] - 20].all()
    assert 1 <= len(item.left_out.data) <= 6


def test_a_pixel_size_beyond_electron_microscopes_is_questioned(viewer: Any, open_bench: Any, grey: Any) -> None:
    viewer.add_image(grey, name="grid")
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    for size, questioned in (("1e6", True), ("0.0005", True), ("0.02", False), ("900", False), ("11000", True)):
        dialog.pixel_size.setText(size)
        assert ("is it right?" in dialog.read.text()) is questioned
        assert dialog.apply.text() == ("Apply all the same" if questioned else "Apply")
    dialog.apply.click()
    assert bench.session.items[0].calibration.pixel_size == (11000, 11000)


def test_enter_presses_the_highlighted_button(viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any) -> None:
    viewer.add_image(burnt_in(grey), name="grid")
    bench = open_bench(viewer)
    session = bench.session
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)

    def highlighted() -> list[str]:
        return [each.text() for each in (dialog.find_bar, dialog.draw_line, dialog.apply) if each.property("primary")]

    assert highlighted() == ["Apply"]
    dialog.drawn.setChecked(True)
    assert highlighted() == ["Find the scale bar"]
    qtbot.keyClick(dialog.length, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dialog.line is not None)
    wait_jobs(session)
    dialog.length.selectAll()
    qtbot.keyClicks(dialog.length, "25")
    assert highlighted() == ["Apply all the same"]  # the bar says 50 nm
    dialog.leave_out.setChecked(False)
    qtbot.keyClick(dialog.length, Qt.Key.Key_Return)
    wait_jobs(session)
    assert session.current.calibration.pixel_size == pytest.approx((25 / WIDE, 25 / WIDE), rel=5e-3)


def test_no_bar_is_said(viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any) -> None:
    viewer.add_image(np.full((200, 200), 90, np.uint8), name="grid")
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.find_bar.click()
    qtbot.waitUntil(lambda: "No scale bar was found" in dialog.read.text(), timeout=20_000)
    assert dialog.line is None
    dialog.find_bar.click()
    viewer.layers.remove("grid")
    wait_jobs(bench.session)
    assert dialog.over


def test_one_confirmed_bar_goes_to_the_images_that_show_it(viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any) -> None:
    viewer.add_image(burnt_in(grey), name="first")
    viewer.add_image(burnt_in(grey[::-1]), name="same")
    viewer.add_image(burnt_in(grey, wide=120), name="shorter")
    viewer.add_image(burnt_in(grey, "20 nm"), name="other label")
    viewer.add_image(grey, name="no bar")
    bench = open_bench(viewer)
    session = bench.session
    session.set_current(session.items[0])
    bench.panel(0).table.setCurrentIndex(bench.panel(0).table.images.index(0, 0))
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.find_bar.click()
    qtbot.waitUntil(lambda: dialog.line is not None, timeout=20_000)
    qtbot.keyClicks(dialog.length, "50")
    dialog.scope.setCurrentIndex(dialog.scope.findData(SAME))
    dialog.apply.click()
    wait_jobs(session)
    assert [item.calibration.unit for item in session.items] == ["nm", "nm", "px", "px", "px"]
    assert session.items[1].calibration == session.items[0].calibration
    (sentence,) = told("to be looked at")
    for name in ("shorter", "other label", "no bar"):
        assert name in sentence
    assert "same:" not in sentence
    assert [item.left_out is not None for item in session.items] == [True, True, False, False, False]


def test_bars_and_letters_are_left_out_of_all_selected_and_of_what_was_found(
    viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any
) -> None:
    for name in ("one", "two"):
        viewer.add_image(burnt_in(grey), name=name)
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    bench.panel(1).all.click()
    wait_jobs(session)
    panel.table.selectAll()
    panel.burnt_in.click()
    wait_jobs(session)
    bottom = slice(grey.shape[0] + 28, grey.shape[0] + 28 + THICK), slice(LEFT, LEFT + WIDE)
    for item in session.items:
        assert not item.micrograph().valid[bottom].any()
    qtbot.waitUntil(lambda: all(item.particles.micrograph.valid is not None for item in session.items), timeout=20_000)
    wait_jobs(session)
    n = [len(item.left_out.data) for item in session.items]
    panel.burnt_in.click()
    wait_jobs(session)
    assert [len(item.left_out.data) for item in session.items] == n


def test_px_beside_nm_is_explained_in_the_dock_and_pops_up_nothing(
    viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any, tmp_path: Path, idle: Any
) -> None:
    write_tiff(tmp_path / "a.tif", grey, Calibration((0.5, 0.5), "typed"))
    iio.imwrite(tmp_path / "b.png", grey)
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(0)
    viewer.show()
    said: list[str] = []
    session.said.connect(said.append)
    session.part(Opener).open([tmp_path / "a.tif", tmp_path / "b.png"])
    qtbot.waitUntil(lambda: len(session.items) == 2)
    wait_jobs(session)
    idle()
    assert "calibrate or close" not in panel.calibration_note.text()  # nobody asked for that bar
    scale_bar(viewer).visible = True
    assert "calibrate or close b" in panel.calibration_note.text()
    assert any("scale bar has no unit" in sentence for sentence in said)
    bench.panel(0).regions.draw(session.items[0])
    idle()
    session.set_calibration([session.items[1]], session.items[0].calibration)
    assert "calibrate or close" not in panel.calibration_note.text()
    session.set_calibration([session.items[0]], Calibration())
    idle()
    assert "calibrate or close a" in panel.calibration_note.text()
    assert not told("Inconsistent")


def test_what_is_odd_about_a_file_is_told_in_the_table_and_the_dialog(
    viewer: Any, open_bench: Any, wait_jobs: Any, grey: Any, qtbot: Any, tmp_path: Path
) -> None:
    iio.imwrite(tmp_path / "a.jpg", grey)
    bench = open_bench(viewer)
    session = bench.session
    session.part(Opener).open([tmp_path / "a.jpg"])
    qtbot.waitUntil(lambda: len(session.items) == 1)
    wait_jobs(session)
    assert session.current.micrograph().source.lossy
    assert "JPEG is lossy" in bench.panel(0).table.images._rows[0].story
    bench.panel(0).calibrate.click()
    assert "JPEG is lossy" in dialog_of(viewer).notes.text()
    bench.panel(1).one.click()
    wait_jobs(session)
    assert session.current.measurement.table["lossy"].all()
    assert replace(session.current.micrograph().source, lossy=False) != session.current.micrograph().source


def test_a_unit_behind_the_number_is_taken_and_nonsense_is_told(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((64, 64)), name="grid")
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.drawn.click()
    assert "There is no line yet" in dialog.read.text()
    qtbot.keyClicks(dialog.length, "1 um")
    assert dialog.length_unit.currentText() == "µm"
    for text, unit, size in (
        ("0.5 µm", "µm", 500.0),
        ("200nm", "nm", 200.0),
        ("12 Å", "Å", 1.2),
        ("1e-3 um", "µm", 1.0),
        ("3,5", "µm", 3500.0),
    ):
        dialog.pixel_size.clear()
        qtbot.keyClicks(dialog.pixel_size, text)
        dialog.typed.click()
        assert dialog.pixel_size_unit.currentText() == unit
        assert dialog.calibration().pixel_size == pytest.approx((size, size))
    dialog.pixel_size.setText("4 mm")
    assert "“4 mm” cannot be read" in dialog.read.text()
    assert not dialog.apply.isEnabled()
    area = dialog.screen().availableGeometry()
    qtbot.waitUntil(lambda: area.contains(dialog.frameGeometry()))


def test_an_outlined_bar_widens_the_uncertainty_and_says_which_edge(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    plane = np.full((300, 400), 190, np.uint8) + np.random.default_rng(0).integers(0, 9, (300, 400)).astype(np.uint8)
    plane[260:274, 200:306] = 20
    plane[263:271, 203:303] = 255
    viewer.add_image(plane, name="grid")
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.find_bar.click()
    qtbot.waitUntil(lambda: dialog.line is not None, timeout=20_000)
    wait_jobs(bench.session)
    assert dialog.bar.outline == pytest.approx(3, abs=0.5)
    assert "ends on its inside" in dialog.words.text()
    dialog.length.setText("100 nm")
    assert dialog.calibration().reading_uncertainty > 3 / 103
    assert from_line(100, "nm", 100).reading_uncertainty == pytest.approx(np.sqrt(2) / 100)
    said: list[str] = []
    bench.session.said.connect(said.append)
    dialog.apply.click()
    wait_jobs(bench.session)
    assert "1 scale bar" in said[-1]
    assert "no letters found" in said[-1]


def test_a_pixel_size_that_cannot_be_is_told_beside_the_field(viewer: Any, open_bench: Any) -> None:
    viewer.add_image(np.zeros((64, 64)), name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    for typed, unit, words in (
        ("1e300", "µm", "must be two positive numbers" if np.inf == 1e300 * 1e3 else "No micrograph has a pixel of 1e+303 nm"),
        ("1e9", "µm", "No micrograph has a pixel of 1e+12 nm"),
        ("0", "nm", "cannot be the pixel size"),
        ("-3", "nm", "cannot be the pixel size"),
    ):
        dialog.pixel_size.setText(typed)
        dialog.pixel_size_unit.setCurrentText(unit)
        assert words in dialog.read.text()
        assert not dialog.apply.isEnabled()
    dialog.pixel_size.setText("0.7")
    dialog.pixel_size_unit.setCurrentText("nm")
    dialog.correction.fold.expand(animate=False)
    dialog.correction.factor.setText("1e200")
    assert "No micrograph has a pixel of 0.7 nm times the factor 1e+200" in dialog.read.text()
    dialog.correction.factor.setText("1.01")
    assert dialog.apply.isEnabled()


def test_a_pixel_size_that_the_window_cannot_show_beside_the_others_changes_nothing(viewer: Any, open_bench: Any) -> None:
    for name in ("fine", "coarse"):
        viewer.add_image(np.zeros((64, 64)), name=name, scale=(0.01, 0.01), units=("nm", "nm"))
    bench = open_bench(viewer)
    session = bench.session
    fine = session.items[0]
    session.set_current(session.items[1])
    bench.panel(0).calibrate.click()
    dialog = dialog_of(viewer)
    dialog.pixel_size.setText("900000")
    dialog.apply.click()
    assert "too far in size" in told("coarse")[-1]
    assert not dialog.over
    assert session.current.calibration.pixel_size == (0.01, 0.01)
    with pytest.raises(TemsegError, match="too far in size"):
        session.set_calibration([fine, session.current], Calibration((9e5, 9e5), "typed"))
    assert fine.layer.scale[-1] == 0.01
    dialog.close()
