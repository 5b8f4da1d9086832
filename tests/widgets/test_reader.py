"""Micrographs that napari opens through our reader: calibrated layers, whatever else the file holds."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

import napari_temseg as temseg
from napari_temseg.files.tables import write_labels_tiff
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.images.opening import Opener
from napari_temseg.widgets.images.series_dialog import SeriesDialog
from napari_temseg.widgets.reader import napari_get_reader
from napari_temseg.widgets.session.viewer_session import session_of

GREY = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)


@pytest.fixture
def emd(tmp_path: Path) -> Path:
    """A Velox file with two detectors, 0.2 nm a pixel."""
    path = tmp_path / "grid.emd"
    with h5py.File(path, "w") as file:
        for key, detector in (("0", "BF"), ("1", "HAADF")):
            group = file.create_group(f"Data/Image/{key}")
            group["Data"] = GREY[..., None]
            result = {"Detector": detector, "PixelSize": {"width": "2e-10", "height": "2e-10"}, "PixelUnitX": "m", "PixelUnitY": "m"}
            group["Metadata"] = np.frombuffer(json.dumps({"BinaryResult": result}).encode(), np.uint8)[:, None]
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the reader tells people."""
    sentences: list[str] = []
    monkeypatch.setattr("napari_temseg.widgets.reader.show_info", sentences.append)
    monkeypatch.setattr("napari_temseg.widgets.reader.show_warning", sentences.append)
    return sentences


def test_the_manifest_offers_it_for_microscope_files() -> None:
    manifest = PluginManifest.from_file(str(files("napari_temseg") / "napari.yaml"))
    (reader,) = manifest.contributions.readers
    offered = set(reader.filename_patterns)
    assert {"*.dm3", "*.dm4", "*.emd", "*.ser", "*.emi", "*.mrc", "*.tif"} <= offered


def test_a_file_becomes_a_calibrated_layer_that_tells_of_other_detectors(viewer: Any, emd: Path, told: list[str]) -> None:
    (layer,) = viewer.open(str(emd), plugin="napari-temseg")
    assert layer.name == "grid"
    assert tuple(layer.scale) == pytest.approx((0.2, 0.2))
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
    np.testing.assert_array_equal(layer.data, GREY)
    assert micrograph_layer.known_micrograph(layer).source.series == "HAADF"
    (sentence,) = told
    assert "“HAADF” was read" in sentence
    assert "“BF”" in sentence
    assert "TEM particles" in sentence
    item = session_of(viewer).item_of(layer)
    assert item.calibration.origin == "Velox metadata"


def test_napari_itself_chooses_it(viewer: Any, emd: Path, told: list[str]) -> None:
    (layer,) = viewer.open(str(emd), plugin=None)
    assert tuple(layer.scale) == pytest.approx((0.2, 0.2))


def test_the_meaning_of_a_stack_is_still_asked(viewer: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([GREY, GREY]), imagej=True, resolution=(2, 2), metadata={"unit": "nm", "axes": "ZYX"})
    (layer,) = viewer.open(str(tmp_path / "stack.tif"), plugin="napari-temseg")
    assert tuple(layer.scale) == pytest.approx((1, 0.5, 0.5))
    assert session_of(viewer).item_of(layer).axes == ""


def test_results_become_labels_that_lie_on_their_micrograph(viewer: Any, tmp_path: Path) -> None:
    write_labels_tiff(tmp_path / "a_particles.tif", GREY, temseg.Calibration((0.5, 0.5)))
    (layer,) = viewer.open(str(tmp_path / "a_particles.tif"), plugin="napari-temseg")
    assert isinstance(layer, Labels)
    assert tuple(layer.scale) == pytest.approx((0.5, 0.5))
    np.testing.assert_array_equal(layer.data, GREY)


def test_unknown_files_are_left_to_other_readers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    assert napari_get_reader(str(tmp_path / "a.tif")) is not None
    assert napari_get_reader(str(tmp_path / "a.txt")) is None
    assert napari_get_reader([]) is None


def test_what_cannot_be_read_is_named(tmp_path: Path, told: list[str]) -> None:
    tifffile.imwrite(tmp_path / "good.tif", GREY)
    (tmp_path / "bad.tif").write_text("not a TIFF")
    paths = [str(tmp_path / "bad.tif"), str(tmp_path / "good.tif")]
    (layer,) = napari_get_reader(paths)(paths)
    assert layer[1]["name"] == "good"
    assert "bad.tif: is damaged" in told[0]
    with pytest.raises(temseg.TemsegError, match=r"bad\.tif: is damaged"):
        napari_get_reader(paths[0])(paths[0])


def offered(viewer: Any) -> list[SeriesDialog]:
    """The dialog that offers other pictures, while it is open."""
    return [dialog for dialog in viewer.window._qt_window.findChildren(SeriesDialog) if dialog.isVisible()]


def test_the_window_asks_which_of_several_pictures(viewer: Any, emd: Path, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench = open_bench(viewer)
    opener = bench.session.part(Opener)
    opener.open([emd])
    qtbot.waitUntil(lambda: bool(offered(viewer)))
    (dialog,) = offered(viewer)
    assert [layer.name for layer in viewer.layers] == ["grid"]
    assert bench.session.items[0].calibration.origin == "Velox metadata"
    assert list(dialog.boxes) == ["BF"]
    assert not dialog.open_ticked.isEnabled()
    dialog.boxes["BF"].click()
    dialog.open_ticked.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    assert viewer.layers[1].name == "grid BF"
    assert micrograph_layer.known_micrograph(viewer.layers[1]).source.series == "BF"
    assert not offered(viewer)
    opener.open([emd], series=["BF"])
    wait_jobs(bench.session)
    assert len(viewer.layers) == 2


def test_a_series_that_is_named_is_opened_alone_and_one_that_is_not_there_is_told(
    viewer: Any, emd: Path, open_bench: Any, wait_jobs: Any, qtbot: Any
) -> None:
    bench = open_bench(viewer)
    opener = bench.session.part(Opener)
    opener.open([emd], series=["BF"])
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    wait_jobs(bench.session)
    assert viewer.layers[0].name == "grid BF"
    assert not offered(viewer)
    opener.open([emd], series=["DF4"])
    qtbot.waitUntil(lambda: any("no series “DF4”" in record.message for record in notification_manager.records))
