"""Shared fixtures: one thread, a shipped and a small untrained model, and a picture whose particles are known."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from leftovers import PROCESS, RANDOM, nothing_left

import napari_temseg as temseg
from napari_temseg.engine.model.backends import choice
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.training import rehearsal

os.environ["NAPARI_CONFIG"] = ""  # the settings of whoever runs the tests are not read, and not written
SHUFFLE = os.environ.get("TEMSEG_SHUFFLE", "")
WINDOW = Path(__file__).parent / "widgets"
SMALL_DECODER = (32, 16, 16, 8, 8)

# How long an example takes says nothing on a busy machine. Which are drawn: others at each run, the same ones where CI is set.
profile = settings.get_current_profile_name()
settings.register_profile(profile, settings.get_profile(profile), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_report_header() -> str:
    return f"shuffled by TEMSEG_SHUFFLE={SHUFFLE}" if SHUFFLE else "in the order of the files; TEMSEG_SHUFFLE=7 shuffles them"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle files, and tests in files, where asked to. Tests of one group run in one process where a screen is shared (tests/run)."""
    if SHUFFLE:
        draw = random.Random(SHUFFLE)
        places = {path: draw.random() for path in sorted({item.path for item in items})}
        items.sort(key=lambda item: (places[item.path], draw.random()))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("window" if WINDOW in item.path.parents else str(item.path)))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _small_rehearsal() -> Iterator[None]:
    """Training from the shipped model simulates small pictures to hold on to: large ones took nine tenths of the time of most trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "SIDE", 96)
        yield


@pytest.fixture(autouse=True)
def _a_clean_process(_one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test leaves the process as it found it. Libraries draw from the generators that are everybody's: those are put back."""
    with nothing_left(*PROCESS, allowed=RANDOM):
        yield
        monkeypatch.undo()  # a fixture of napari's holds it longer than this one lasts


@pytest.fixture(autouse=True)
def _no_own_calibrations(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """The table of whoever runs the tests corrects nothing here, and none is written."""
    folder = tmp_path_factory.getbasetemp() / f"config{abs(hash(request.node.nodeid))}"
    monkeypatch.setattr("napari_temseg.files.laboratory.user_config_path", lambda *_, **__: folder)


@pytest.fixture(scope="session", autouse=True)
def _only_torch() -> Iterator[None]:
    """Networks are run by torch, whatever is installed: to export each and to measure what is fastest takes ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "usable", lambda model: [])
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real micrographs; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("TEMSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no example data: set TEMSEG_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def particles() -> temseg.Segmenter:
    """The model that ships. Nobody may change it."""
    return temseg.load("particles")


@pytest.fixture(scope="session")
def several_scales() -> temseg.Segmenter:
    """The model that earlier versions shipped, in their file: it looks at a picture at several scales. Nobody may change it."""
    return temseg.load(Path(__file__).parent / "models" / "several_scales.temseg")


@pytest.fixture(scope="session")
def tiny() -> temseg.Segmenter:
    """An untrained U-Net with a narrow decoder. Nobody may change it."""
    spec = NetworkSpec(decoder_channels=SMALL_DECODER, auxiliary=("distance",))
    return temseg.Segmenter.new(spec, {1: "background", 2: "particle"}, seed=1)


@pytest.fixture(scope="session")
def banded() -> temseg.Segmenter:
    """An untrained model for one band of sizes. Nobody may change it."""
    spec = NetworkSpec(decoder_channels=SMALL_DECODER, auxiliary=("distance",), working_size=22.0)
    model = temseg.Segmenter.new(spec, {1: "background", 2: "particle"}, seed=1)
    # Batch norm that has seen something: else all layers together say next to the same of every pixel.
    for module in model.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.network.train()(torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(1)))
    model.network.eval()
    return model


@pytest.fixture(scope="session")
def discs() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Makes (image float32, instances int32) of dark discs on a grid over a noisy bright ground."""

    def make(height: int = 128, width: int = 128, pitch: int = 32, radius: float = 9.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.mgrid[:height, :width]
        inside = np.hypot(y % pitch - pitch / 2 + 0.5, x % pitch - pitch / 2 + 0.5) < radius
        instances = np.where(inside, y // pitch * (width // pitch + 1) + x // pitch + 1, 0).astype(np.int32)
        noise = np.random.default_rng(seed).normal(0, 0.1, (height, width))
        return (1 - 0.6 * inside + noise).astype(np.float32), instances

    return make


@pytest.fixture
def known_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sizes are drawn once."""
    from known_drawings import remember

    remember(monkeypatch)


@pytest.fixture
def log_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of a command lies in the test's own folder."""
    monkeypatch.setattr("napari_temseg.cli.console.log_path", lambda: tmp_path / "log" / "temseg.log")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model in a file."""
    import napari_temseg.files.models

    path = tmp_path_factory.mktemp("model") / "tiny.temseg"
    spec = NetworkSpec("mobilenet_v2", (16, 16, 8, 8, 8), 2, ("distance",))
    napari_temseg.files.models.save(temseg.Segmenter.new(spec, {1: "background", 2: "particle"}, seed=3), path)
    return path
