"""`--backend`: what ran the network is in recipe, summary and report; what cannot is told with the remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.cli import main
from napari_temseg.engine.model import exported
from napari_temseg.engine.model.backends import choice
from napari_temseg.engine.model.backends.choice import usable, why_not
from napari_temseg.engine.model.backends.runtimes import RUNTIMES


@pytest.fixture(autouse=True)
def _what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests are run by torch alone."""
    monkeypatch.setattr(choice, "usable", usable)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr(exported, "user_cache_path", lambda *_, **__: folder)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    drawn = temseg.simulate(temseg.SimulateConfig(height=256, width=256, count=20, seed=3))
    plane = drawn.micrograph.plane(0)
    iio.imwrite(tmp_path / "a.png", (255 * (plane - plane.min()) / np.ptp(plane)).astype(np.uint8))
    return tmp_path / "a.png"


def test_a_run_says_what_computed_it(picture: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    asked = ["--backend", "auto", "--precision", "float32", "--device", "cpu", "--typical-size", "24"]
    assert main(["run", str(picture), "-o", str(output), *asked]) == 0
    backend = json.loads((output / "recipe.json").read_text())["predict"]["backend"]  # made up its mind
    assert backend in ("torch", *RUNTIMES)
    (image,) = json.loads((output / "summary.json").read_text())["images"]
    assert image["computed_with"].startswith(f"{backend} ")
    assert image["computed_with"].endswith(", cpu, float32")
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Computed with" in page
    assert image["computed_with"] in page


def test_info_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "torch" in told["backend"]
    for name in RUNTIMES:
        said = told[f"backend {name}"]
        assert why_not(name) in said if why_not(name) else said.endswith("usable")
    assert told["backend auto"]


@pytest.mark.parametrize("backend", list(RUNTIMES))
def test_one_that_is_not_installed_ends_the_run_in_a_sentence(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    if not why_not(backend):
        pytest.skip(f"{backend} is installed here, so its absence cannot be tried")
    assert main(["run", str(picture), "-o", str(tmp_path / "out"), "--backend", backend]) != 0
    assert f'pip install "napari-temseg[{backend}]"' in capsys.readouterr().err


RUN_AND_TELL = """
import sys
from napari_temseg.cli import main
from napari_temseg.engine.model import exported
exported.user_cache_path = lambda *_, **__: __import__("pathlib").Path(sys.argv[1])
assert main(sys.argv[2:]) == 0
print("modules:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def modules_of(cache: Path, *arguments: str) -> set[str]:
    """What a command of its own process has loaded at its end."""
    done = subprocess.run([sys.executable, "-c", RUN_AND_TELL, str(cache), *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_a_prepared_network_is_run_without_torch(picture: Path, tmp_path: Path) -> None:
    backend = next((name for name in RUNTIMES if not why_not(name)), "")
    if not backend:
        pytest.skip("no backend but torch is installed")
    exported.exported(temseg.load("particles"))
    cache = exported.cache_folder().parent
    loaded = modules_of(cache, "run", str(picture), "-o", str(tmp_path / "out"), "--backend", backend)
    assert {backend, "numpy"} <= loaded
    assert not loaded & {"torch", "torchvision", "timm", "segmentation_models_pytorch", "napari", "qtpy"}
    assert "torch" not in modules_of(cache, "info")


def test_a_run_that_goes_on_keeps_the_backend_of_its_results(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = temseg.PredictConfig(typical_size=24, backend="torch")
    temseg.run(picture, tmp_path / "out", predict=told)
    monkeypatch.setattr(choice, "measured", lambda *_: {"torch": 2.0, "openvino": 1.0})  # another is faster by now
    again = temseg.run(picture, tmp_path / "out", predict=temseg.PredictConfig(typical_size=24, backend="auto"))
    assert "1 of 1 were done before." in again.notes
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["predict"]["backend"] == "torch"
