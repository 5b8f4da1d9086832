"""That a picture is unlike what its model knows reaches everybody who sees its particles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.engine.measure.measurement import with_flags
from napari_temseg.engine.model.novelty import NAMES, TEXTURE, Familiarity
from napari_temseg.engine.types.results import Origin, SizeCandidate
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
    assert any("grid is unlike the images the model was trained on" in why for why in summary["distributions"]["nm"]["why_not"])
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert told in report
    assert report.count(f"unlike the model&#39;s training ({TEXTURE})") == 1


def test_a_size_of_pictures_unlike_the_training_is_not_usable_until_somebody_has_looked() -> None:
    labels = np.zeros((200, 200), np.int32)
    for index in range(49):
        y, x = 14 + 28 * (index // 7), 14 + 28 * (index % 7)
        labels[y - 5 : y + 5, x - 5 : x + 5] = index + 1
    measured = temseg.measure(labels, pixel_size=0.5)
    strange = replace(measured, image="odd", unlike={0: TEXTURE})
    sizes = temseg.size_distribution(strange)
    assert sizes.usability.headline == "not usable as it is"
    assert f"odd is unlike the images the model was trained on ({TEXTURE})" in sizes.usability.why[0]
    assert "audit 100 of the particles" in sizes.usability.steps[0]
    assert any("has not been compared" in each for each in sizes.named_intervals["these particles"]["lacks"])
    looked_at = with_flags(strange, reviewed=range(1, 50))
    assert temseg.size_distribution(looked_at).usability.usable
    assert temseg.size_distribution([strange, *[measured] * 10]).usability.usable  # too few of them to matter


def test_a_size_of_a_powder_wider_than_its_search_is_not_usable() -> None:
    powder = temseg.simulate(temseg.SimulateConfig(height=400, width=400, count=60, diameter=22, seed=4))
    prediction = temseg.Prediction.of_classes((powder.instances > 0).astype(np.uint8) + 1, powder.micrograph)
    particles = temseg.split(replace(prediction, size=60.0))
    assert temseg.size_distribution(temseg.measure(particles)).usability.usable
    seen = replace(particles, prediction=replace(particles.prediction, smaller=SizeCandidate(20.0, 70)))
    kept = replace(seen, prediction=None, origin=Origin("", "mine", smaller=SizeCandidate(20.0, 70)))
    for wider in (seen, kept):
        measured = temseg.measure(wider)
        sizes = temseg.size_distribution(measured)
        assert sizes.usability.headline == "not usable as it is"
        assert "smaller particles, about as many, seem to be there" in sizes.usability.why[0]
        assert "one wide distribution" in sizes.usability.steps[0]
        looked_at = with_flags(measured, reviewed=measured.table["particle"])
        assert temseg.size_distribution(looked_at).usability.usable


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
