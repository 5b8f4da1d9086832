"""What the model that ships finds where nobody tells it a size, and which files of earlier versions stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import napari_temseg as temseg
from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.files.models import shipped


@pytest.mark.parametrize(("diameter", "side", "count"), [(10, 256, 100), (24, 320, 20), (90, 384, 8), (230, 512, 2)])
def test_particles_of_any_size_are_found_and_outlined(particles: temseg.Segmenter, diameter: int, side: int, count: int) -> None:
    settings = {"height": side, "width": side, "count": count, "diameter": diameter, "spread": 1.05, "touching": 0.0, "contrast": 0.6}
    drawn = temseg.simulate(SimulateConfig(**settings, seed=2))
    found = temseg.predict(particles, drawn.micrograph)
    assert found.size == pytest.approx(diameter, rel=0.5)
    parts = temseg.split(found)
    true = int(drawn.instances.max())
    assert 0.7 * true <= len(parts) <= 1.25 * true  # neighbours that are a pixel or two apart may be welded
    assert temseg.evaluate(parts, drawn.instances).iou > 0.8


def test_next_to_nothing_is_found_where_there_is_nothing(particles: temseg.Segmenter) -> None:
    for seed in range(3):
        drawn = temseg.simulate(SimulateConfig(height=256, width=320, count=0, support=0.1, dose=50, seed=seed))
        found = temseg.predict(particles, drawn.micrograph)
        assert len(temseg.split(found)) <= 5 or all(found.unlike)  # grain of a support may be taken for a few specks, more not in silence
    flat = temseg.predict(particles, np.zeros((96, 96), np.uint8))
    assert len(temseg.split(flat)) == 0
    assert flat.size == WORKING_SIZE


def test_told_a_size_it_finds_the_particles_and_not_what_carries_them(particles: temseg.Segmenter) -> None:
    """Bright dots of 10 px on a bright grain of 160 px: told 10 px the dots are found, told 160 px the grain."""
    y, x = np.mgrid[:256, :256]
    grain = np.hypot(y - 128, x - 128) < 80
    rng = np.random.default_rng(0)
    image, centres = 0.4 * grain + rng.normal(0, 0.03, grain.shape), [(100, 100), (100, 150), (150, 100), (150, 150), (125, 125), (80, 125)]
    for row, column in centres:
        image += 0.4 * (np.hypot(y - row, x - column) < 5)
    dots = temseg.split(temseg.predict(particles, image.astype(np.float32), temseg.PredictConfig(typical_size=10.0))).labels
    assert len(np.unique(dots)) - 1 == len(centres)
    assert all(dots[centre] for centre in centres)
    whole = temseg.split(temseg.predict(particles, image.astype(np.float32), temseg.PredictConfig(typical_size=160.0))).labels
    assert len(np.unique(whole)) - 1 == 1
    assert temseg.evaluate(whole, grain.astype(np.int32)).iou > 0.85


def test_the_earlier_model_opens_and_answers_as_it_did(several_scales: temseg.Segmenter, request: pytest.FixtureRequest) -> None:
    path = request.config.rootpath / "tests" / "models" / "several_scales.temseg"
    with safe_open(path, framework="np") as file:
        assert json.loads(file.metadata()["temseg"])["format"] == 1
    assert several_scales.content_hash().startswith("bde1ba0f")
    assert not several_scales.spec.working_size
    settings = {"height": 320, "width": 320, "count": 20, "diameter": 40, "spread": 1.05, "touching": 0.0, "contrast": 0.6}
    drawn = temseg.simulate(SimulateConfig(**settings, seed=2))
    found = temseg.predict(several_scales, drawn.micrograph)
    assert found.size == 0
    assert len(temseg.split(found)) == 17
    assert (found.classes == 2).mean() == pytest.approx(0.19756, abs=2e-4)
    assert found.working_scale == pytest.approx((2**0.5, 1.0, 0.7))


def test_the_package_stays_small() -> None:
    assert sum(path.stat().st_size for path in shipped().values()) < 9e6


def test_a_drag_across_a_small_or_a_large_particle_gives_the_same_distribution(particles: temseg.Segmenter) -> None:
    settings = {"height": 384, "width": 384, "count": 40, "diameter": 24, "spread": 1.35, "touching": 0.1, "contrast": 0.6}
    drawn = temseg.simulate(SimulateConfig(**settings, seed=4))
    found = {told: temseg.predict(particles, drawn.micrograph, temseg.PredictConfig(typical_size=told)) for told in (15.0, 24.0, 38.0)}
    middle = {told: temseg.size_distribution(temseg.measure(temseg.split(each))).quantile(0.5) for told, each in found.items()}
    assert middle[15.0] == pytest.approx(middle[24.0], rel=0.03)
    assert middle[38.0] == pytest.approx(middle[24.0], rel=0.03)
    exact = temseg.predict(particles, drawn.micrograph, temseg.PredictConfig(typical_size=15.0, exact_size=True))
    assert exact.size == pytest.approx(15.0)


@pytest.mark.parametrize(("contrast", "size"), [(40, None), (-40, 271.0)])
def test_a_particle_that_fills_most_of_a_small_picture_is_found(particles: temseg.Segmenter, contrast: int, size: float | None) -> None:
    y, x = np.mgrid[:400, :400] - 200.0
    turned = np.deg2rad(17)
    square = np.maximum(np.abs(y * np.cos(turned) - x * np.sin(turned)), np.abs(y * np.sin(turned) + x * np.cos(turned))) < 120
    picture = np.clip(110 + contrast * square + np.random.default_rng(5).normal(0, 9, square.shape), 0, 255).astype(np.uint8)
    found = temseg.split(temseg.predict(particles, picture, temseg.PredictConfig(typical_size=size))).labels > 0
    assert (found & square).sum() / (found | square).sum() > 0.9


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.67])
def test_the_size_of_a_lone_particle_may_be_said_wrongly(particles: temseg.Segmenter, ratio: float) -> None:
    drawn = temseg.simulate(SimulateConfig(height=320, width=320, count=1, diameter=90, spread=1.0, touching=0.0, contrast=0.6, seed=5))
    found = temseg.predict(particles, drawn.micrograph, temseg.PredictConfig(typical_size=90 * ratio))
    area = np.bincount(temseg.split(found).labels.ravel())[1:]
    assert len(area) == 1
    assert 2 * np.sqrt(area[0] / np.pi) == pytest.approx(90, rel=0.06)


@pytest.mark.parametrize(
    ("name", "wide"),
    [("powder_sem/images/Sc2Tile_003-001-000_0-000.png", True), ("supported_catalysts/images/PtW5.jpg", False)],
)
def test_of_a_powder_wider_than_a_search_smaller_ones_are_seen(particles: temseg.Segmenter, data: Path, name: str, wide: bool) -> None:
    path = data / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    image = temseg.read(path)
    found = temseg.predict(particles, image if wide else np.ascontiguousarray(image.data[:768, :768]))  # of the other a part says as much
    assert (found.smaller is not None) == wide
    assert temseg.split(found).band_ends.touched[0] == wide
