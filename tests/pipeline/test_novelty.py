"""That a picture is unlike what its model knows reaches everybody who sees its particles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.engine.model.novelty import NAMES, TEXTURE, Familiarity
from napari_temseg.engine.types.results import Origin
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.models import save
from napari_temseg.pipeline.existing_results import Result, iter_report

pytestmark = pytest.mark.usefixtures("log_elsewhere")
WEIGHT = tuple(float(name == "unsure anywhere") for name in NAMES)
WARY = Familiarity((0.0,) * len(NAMES), (1.0,) * len(NAMES), WEIGHT, -1.0)


@pytest.fixture(scope="module")
def wary(particles: temseg.Segmenter) -> temseg.Segmenter:
    """The shipped model, to which everything is unlike."""
    return replace(particles, familiar=WARY)


@pytest.fixture
def folder(tmp_path: Path, wary: temseg.Segmenter) -> Path:
    """A micrograph, an empty one, and the wary model."""
    scene = temseg.simulate(temseg.SimulateConfig(height=128, width=128, count=6, diameter=26, seed=2)).micrograph
    write_tiff(tmp_path / "grid.tif", scene.plane(), scene.calibration)
    write_tiff(tmp_path / "nothing.tif", np.full((128, 128), 90, np.uint8), scene.calibration)
    save(wary, tmp_path / "wary.temseg")
    return tmp_path


def test_a_run_tells_it_in_summary_report_and_on_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(folder / name) for name in ("grid.tif", "nothing.tif")]
    assert main(["run", *pictures, "-m", str(folder / "wary.temseg"), "-o", str(folder / "out")]) == 0
    told = f"grid is unlike the micrographs its model was trained on ({TEXTURE}): check its particles"
    assert told in capsys.readouterr().out
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert [image["unlike_training"] for image in summary["images"]] == [TEXTURE, ""]  # where nothing is found there is no alarm
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert told in report
    assert report.count(f"unlike the model&#39;s training ({TEXTURE})") == 1


def test_predict_complains(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(folder / "grid.tif"), "-m", str(folder / "wary.temseg"), "-o", str(folder / "out"), "--json"]) == 0
    captured = capsys.readouterr()
    assert "grid.tif is unlike the micrographs its model was trained on" in captured.err
    json.loads(captured.out)


def test_the_report_of_the_window_tells_it_of_particles_whose_prediction_is_gone(wary: temseg.Segmenter, tmp_path: Path) -> None:
    scene = temseg.simulate(temseg.SimulateConfig(height=128, width=128, count=6, diameter=26, seed=2)).micrograph
    particles = temseg.split(temseg.predict(wary, scene))
    origin = Origin("", "mine", (1.0,), particles.prediction.unlike)  # type: ignore[union-attr]
    kept = replace(particles, prediction=None, origin=origin)
    iter_report([Result(kept, temseg.measure(kept))], tmp_path, "mine").drain()
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["images"][0]["unlike_training"] == TEXTURE
    assert any("paint a few strokes in Improve" in sentence for sentence in summary["cautions"])
