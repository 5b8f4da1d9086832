"""What runs the network: said, chosen by measuring, and the same particles whatever it is."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.model import exported
from napari_temseg.engine.model.backends import choice
from napari_temseg.engine.model.backends.choice import chosen, measure, measured, usable, why_not
from napari_temseg.engine.model.device import cpu_has_bfloat16

OTHERS = ("openvino", "onnxruntime")
EXACT = temseg.PredictConfig(device="cpu", precision="float32", typical_size=24.0)


@pytest.fixture(autouse=True)
def _what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests are run by torch alone."""
    monkeypatch.setattr(choice, "usable", usable)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; exported networks are kept from test to test."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr(exported, "user_cache_path", lambda *_, **__: folder)
    return folder / "networks"


def skipped_without(backend: str) -> str:
    if why_not(backend):
        pytest.skip(f"{backend} {why_not(backend)}")
    return backend


def by(backend: str, precision: str = "float32") -> temseg.PredictConfig:
    return temseg.PredictConfig(**{**EXACT.to_dict(), "backend": backend, "precision": precision})


def test_where_nothing_was_measured_it_is_torch(tiny: temseg.Segmenter, cache: Path) -> None:
    before = set(cache.iterdir()) if cache.exists() else set()
    assert temseg.predict(tiny, np.ones((64, 64), np.float32)).computed_with.startswith("torch ")
    assert (set(cache.iterdir()) if cache.exists() else set()) == before


@pytest.mark.parametrize("backend", OTHERS)
def test_one_that_is_not_installed_is_refused_with_the_remedy(tiny: temseg.Segmenter, backend: str) -> None:
    if not why_not(backend):
        pytest.skip(f"{backend} is installed here, so its absence cannot be tried")
    with pytest.raises(temseg.TemsegError, match=rf'Backend {backend} needs .*pip install "napari-temseg\[{backend}\]"'):
        temseg.predict(tiny, np.ones((64, 64), np.float32), by(backend))


@pytest.mark.parametrize("backend", OTHERS)
def test_a_backend_finds_the_same(particles: temseg.Segmenter, backend: str) -> None:
    skipped_without(backend)
    drawn = temseg.simulate(temseg.SimulateConfig(height=352, width=416, count=30, seed=3))
    one, other = (temseg.predict(particles, drawn.micrograph, by(name)) for name in ("torch", backend))
    assert other.computed_with.startswith(f"{backend} ")
    assert other.computed_with.endswith(", cpu, float32")
    np.testing.assert_allclose(other.probability, one.probability, atol=2e-3)
    sizes = [temseg.measure(temseg.split(each)).table["ecd_nm"] for each in (one, other)]
    assert len(sizes[0]) == len(sizes[1]) > 10
    assert sizes[1].median() == pytest.approx(sizes[0].median(), rel=2e-3)


@pytest.mark.parametrize("backend", OTHERS)
def test_it_runs_on_the_processor_alone(tiny: temseg.Segmenter, backend: str) -> None:
    skipped_without(backend)
    with pytest.raises(temseg.TemsegError, match="processor alone: take device cpu"):
        chosen(tiny, temseg.PredictConfig(device="cuda", backend=backend))


def test_a_network_that_is_damaged_in_the_cache_is_named_and_made_again(tiny: temseg.Segmenter, cache: Path) -> None:
    backend = next((name for name in OTHERS if not why_not(name)), "")
    if not backend:
        pytest.skip("no backend but torch is installed")
    path = exported.exported(tiny)
    path.write_bytes(b"no network")
    with pytest.raises(temseg.TemsegError, match=f"{path.name}: {backend} cannot run it"):
        temseg.predict(tiny, np.ones((64, 64), np.float32), by(backend))
    assert temseg.predict(tiny, np.ones((64, 64), np.float32), by(backend)).computed_with.startswith(backend)


def test_auto_takes_the_fastest_and_remembers(tiny: temseg.Segmenter, cache: Path) -> None:
    assert measured(tiny, by("auto")) == {}
    assert chosen(tiny, by("auto")).backend == "torch"
    seconds = measure(tiny, by("auto"))
    if all(map(why_not, OTHERS)):
        assert seconds == {}
        return
    assert measured(tiny, by("auto")) == seconds
    assert "torch" in seconds
    # What is remembered decides from now on.
    path = next(cache.glob(f"{exported.cached_name(tiny)}.json"))
    (key,) = json.loads(path.read_text())
    for name in seconds:
        path.write_text(json.dumps({key: {each: 1.0 + (each != name) for each in seconds}}))
        assert chosen(tiny, by("auto")).backend == name


def test_what_auto_measured_in_bfloat16_is_remembered_apart(tiny: temseg.Segmenter) -> None:
    if not cpu_has_bfloat16() or all(map(why_not, OTHERS)):
        pytest.skip("this processor has no bfloat16, or there is nothing else than torch")
    seconds = measure(tiny, by("auto", "auto"))
    assert seconds[chosen(tiny, by("auto", "auto")).backend] == min(seconds.values())
    assert measured(tiny, by("auto")) != seconds


@pytest.mark.parametrize("told", [None, 14.0])
def test_rounding_to_bfloat16_decides_nothing(particles: temseg.Segmenter, told: float | None) -> None:
    if not cpu_has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    drawn = temseg.simulate(temseg.SimulateConfig(height=256, width=288, count=30, seed=3))
    configs = [temseg.PredictConfig(device="cpu", precision=precision, typical_size=told) for precision in ("float32", "auto")]
    exact, fast = (temseg.predict(particles, drawn.micrograph, config) for config in configs)
    assert fast.computed_with != exact.computed_with
    assert (fast.size, fast.working_scale, fast.candidates) == (exact.size, exact.working_scale, exact.candidates)
    sizes = [temseg.measure(temseg.split(each)).table["ecd_nm"] for each in (exact, fast)]
    assert len(sizes[0]) == len(sizes[1]) > 10
    assert (sizes[1] / sizes[0]).mean() == pytest.approx(1, abs=2e-3)


def test_openvino_tells_its_makers_nothing() -> None:
    """To import it sends an event, where the library for that is found."""
    if find_spec("openvino") is None:
        pytest.skip("openvino is an extra")
    script = (
        "import sys; from napari_temseg.engine.model.backends import runtimes; runtimes._openvino(); "
        "print('openvino_telemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_a_cache_that_cannot_be_written_leaves_it_with_torch(
    tiny: temseg.Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(exported, "user_cache_path", lambda *_, **__: tmp_path / "file")
    assert measure(tiny, by("auto")) == {}
    assert chosen(tiny, by("auto")).backend == "torch"
