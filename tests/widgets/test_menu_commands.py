"""What napari shows of us without our dock: menus, samples, `temseg gui`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtWidgets import QWidget

from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.widgets.canvas.main_window import wear_chosen_theme, window_of
from napari_temseg.widgets.menu_commands import PlanesDialog
from napari_temseg.widgets.session.viewer_session import session_of
from napari_temseg.widgets.workbench import JobBar

PLUGIN = "napari-temseg"


def run(command: str) -> None:
    """As a click in the menu does."""
    get_app_model().commands.execute_command(f"{PLUGIN}.{command}")


def last() -> str:
    return notification_manager.records[-1].message


def test_nothing_of_the_manifest_is_dropped_in_silence() -> None:
    manifest = PluginManifest.from_file(str(files("napari_temseg") / "napari.yaml"))
    shown = manifest.contributions
    assert manifest.display_name == "TEM particles"
    assert [str(each) for each in manifest.categories] == ["Segmentation", "Annotation", "Measurement"]
    assert {command.id: command.python_name.partition(":")[2] for command in shown.commands} == {
        f"{PLUGIN}.workbench": "Workbench",
        f"{PLUGIN}.find": "find_particles",
        f"{PLUGIN}.measure": "measure_particles",
        f"{PLUGIN}.sample_bright_field": "bright_field",
        f"{PLUGIN}.sample_haadf": "haadf",
        f"{PLUGIN}.sample_fields": "fields",
        f"{PLUGIN}.read": "napari_get_reader",
    }
    assert [(widget.command, widget.display_name) for widget in shown.widgets] == [(f"{PLUGIN}.workbench", "TEM particles")]
    assert {menu: [entry.command for entry in entries] for menu, entries in shown.menus.items()} == {
        "napari/layers/segment": [f"{PLUGIN}.find"],
        "napari/layers/measure": [f"{PLUGIN}.measure"],
    }
    assert [sample.key for sample in shown.sample_data] == ["bright-field", "haadf", "fields"]


def test_the_entries_are_in_napari_s_menus(viewer: Any) -> None:
    app = get_app_model()
    for menu, command in (("napari/layers/segment", "find"), ("napari/layers/measure", "measure"), ("napari/plugins", "workbench")):
        assert f"{PLUGIN}.{command}" in [getattr(entry, "command", None) and entry.command.id for entry in app.menus.get_menu(menu)]


def test_one_click_finds_particles_without_the_dock(viewer: Any, wait_jobs: Any, picture: Any, stack: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    viewer.add_image(stack, name="series")
    run("find")
    session = session_of(viewer)
    (dialog,) = viewer.window._qt_window.findChildren(PlanesDialog)
    assert not session.jobs.running
    assert not dialog.find_particles.isEnabled()
    dialog.choices[0].setCurrentText("fields")
    dialog.find_particles.click()
    wait_jobs(session)
    grid, series = session.items
    assert series.axes == "NYX"
    assert len(grid.particles) > 3
    assert len(series.particles) > 3
    assert "found in 2 images" in last()
    assert not viewer.window.dock_widgets
    run("measure")
    total = len(grid.particles) + len(series.particles)
    assert f"{total} particles measured in 2 images; mean diameter" in last()
    seen = len(notification_manager.records)
    session.say("a word for the dock")
    assert len(notification_manager.records) == seen  # nobody listens on


def test_menus_without_an_image_say_what_is_missing(viewer: Any) -> None:
    run("find")
    assert "No image is open" in last()
    run("measure")
    assert "find particles first" in last()


def test_a_selected_labels_layer_is_measured_as_particles(viewer: Any, wait_jobs: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    viewer.add_labels(picture.instances, name="mine", scale=(0.5, 0.5), units=("nm", "nm"))
    run("measure")
    session = session_of(viewer)
    wait_jobs(session)
    (item,) = session.items
    assert len(item.measurement) == picture.instances.max()
    areas = np.bincount(picture.instances.ravel())[1:] * 0.25
    np.testing.assert_allclose(np.sort(item.measurement.table["area_nm2"]), np.sort(areas))
    assert f"{picture.instances.max()} particles measured in grid" in last()


def test_a_mask_falls_into_its_pieces_and_labels_of_another_size_are_refused(viewer: Any, wait_jobs: Any, stack: Any) -> None:
    viewer.add_image(stack, name="series")
    session = session_of(viewer)
    session.set_axes(session.items[0], "NYX")
    mask = np.zeros(stack.shape, np.uint8)
    mask[0, 10:20, 10:20] = mask[0, 40:60, 40:60] = mask[2, 5:9, 5:9] = 1
    viewer.add_labels(mask, name="mask")
    run("measure")
    wait_jobs(session)
    table = session.items[0].measurement.table
    assert list(table["plane"]) == [0, 0, 2]
    assert sorted(table["area_px2"]) == [16, 100, 400]
    viewer.add_labels(np.ones((7, 9), np.uint8), name="other")
    run("measure")
    assert "other: no open image has its size of 7 × 9 px" in last()


@pytest.mark.parametrize(("key", "shape"), [("bright-field", (640, 768)), ("haadf", (640, 768)), ("fields", (5, 384, 448))])
def test_samples_open_calibrated(viewer: Any, key: str, shape: tuple[int, ...]) -> None:
    (layer,) = viewer.open_sample(PLUGIN, key)
    (item,) = session_of(viewer).items
    assert layer.data.shape == shape
    assert item.calibration.origin == "simulated"
    np.testing.assert_allclose(layer.scale[-2:], item.calibration.scale)
    assert [str(unit) for unit in layer.units[-2:]] == ["nanometer", "nanometer"]
    assert not item.asks_axes
    assert item.sample


def test_the_plugins_menu_opens_and_hides_the_dock(viewer: Any) -> None:
    run("workbench")
    assert [type(widget).__name__ for widget in viewer.window.dock_widgets.values()] == ["Workbench"]
    (widget,) = viewer.window.dock_widgets.values()
    assert isinstance(widget, QWidget)
    assert widget.session is session_of(viewer)


def test_gui_shows_the_picture_before_the_dock_and_says_what_it_does(
    viewer: Any, picture: Any, tmp_path: Path, qtbot: Any, wait_jobs: Any
) -> None:
    from napari_temseg.engine.types.micrograph import Calibration
    from napari_temseg.widgets.launch import open_window

    write_tiff(tmp_path / "grid.tif", picture.micrograph.data, Calibration((0.5, 0.5), "typed"))
    below, seen = window_of(viewer).statusBar(), []
    viewer.layers.events.inserted.connect(lambda: seen.append((len(viewer.window.dock_widgets), below.currentMessage())))
    bench = open_window(viewer, [tmp_path / "grid.tif"], calibration=Calibration.typed("2 nm"))
    assert seen == [(0, "Opening grid.tif …")]
    assert not below.currentMessage()
    qtbot.waitUntil(lambda: len(bench.session.items) == 1, timeout=20_000)
    wait_jobs(bench.session)
    (item,) = bench.session.items
    assert bench.findChild(JobBar).sentence.text().startswith("Opened 1 image.")
    assert item.calibration.pixel_size == (2, 2)
    assert item.layer.metadata[PLUGIN.replace("-", "_")].source.path == str(tmp_path / "grid.tif")


def test_gui_enters_napari_only_with_good_files(monkeypatch: Any, make_napari_viewer: Any, tmp_path: Path, capsys: Any) -> None:
    from napari_temseg.cli.main import main

    made: list[Any] = []
    monkeypatch.setattr("napari.Viewer", lambda: made.append(make_napari_viewer()) or made[-1])
    ran: list[bool] = []
    monkeypatch.setattr("napari.run", lambda: ran.append(True))
    assert main(["gui", str(tmp_path / "gone.tif")]) == 2
    assert not made
    capsys.readouterr()
    for remembered in (None, (900, 700)):  # its own small size has no room for the steps
        monkeypatch.setattr(get_settings().application, "window_size", remembered)
        assert main(["gui"]) == 0
        assert capsys.readouterr().err == "Opening the window …\n"
        assert made[-1].window._qt_window.isMaximized() == (remembered is None)
        assert made[-1].theme == ("dark" if remembered is None else "light"), "what was chosen in the window before"
        assert "TEM particles" in str(list(made[-1].window.dock_widgets))
        made[-1].theme = "light"
        session_of(made[-1]).close()
    assert get_settings().appearance.theme == "dark", "napari's own windows are as they were"
    wear_chosen_theme(made[-1], {"theme": {"worn": "dark", "preferred": "light"}})
    assert made[-1].theme == "light", "what was chosen in napari's preferences since"
    assert ran == [True, True]
