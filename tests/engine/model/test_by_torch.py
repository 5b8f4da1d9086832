"""Tiles in batches, ahead of what is waited for: as a GPU takes them, tried on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_temseg as temseg
from napari_temseg.engine.model.backends.by_torch import ByTorch, batches
from napari_temseg.engine.model.device import FLOAT16, FLOAT32, Device
from napari_temseg.engine.model.prediction import iter_predict

CPU = Device("cpu", FLOAT32, "as asked")
EXACT = temseg.PredictConfig(device="cpu", precision="float32", backend="torch", typical_size=22.0, tile=128)


def tiles(*shapes: tuple[int, int], channels: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(1, channels, *shape)).astype(np.float32) for shape in shapes]


def test_tiles_that_are_alike_go_together_as_far_as_they_may() -> None:
    given = tiles((64, 64), (64, 64), (64, 64), (64, 96), (64, 64))
    assert [batch.shape for batch in batches(given, 2 * 64 * 64)] == [(2, 3, 64, 64), (1, 3, 64, 64), (1, 3, 64, 96), (1, 3, 64, 64)]
    assert [len(batch) for batch in batches(given, 0)] == [1] * 5
    np.testing.assert_array_equal(np.concatenate(list(batches(given[:3], 10**9))), np.concatenate(given[:3]))


@pytest.mark.parametrize(("pixels", "ahead"), [(0, 2), (3 * 64 * 64, 0), (10**9, 1)])
def test_each_tile_gets_the_answer_that_it_gets_alone(banded: temseg.Segmenter, pixels: int, ahead: int) -> None:
    given = tiles(*[(64, 64)] * 5, (64, 96))
    alone = [next(ByTorch(banded, CPU).outputs([tile])) for tile in given]
    together = list(ByTorch(banded, CPU, pixels, ahead).outputs(given))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


def test_what_comes_next_is_begun_before_the_first_is_waited_for(banded: temseg.Segmenter) -> None:
    taken = []

    def counted() -> Iterator[np.ndarray]:
        for tile in tiles(*[(64, 64)] * 6):
            taken.append(tile)
            yield tile

    next(ByTorch(banded, CPU, 2 * 64 * 64, ahead=1).outputs(counted()))
    assert len(taken) == 5  # two batches of two, and the tile that began the third


def found(model: temseg.Segmenter, image: np.ndarray, backend: ByTorch, config: temseg.PredictConfig = EXACT) -> temseg.Prediction:
    return iter_predict(model, temseg.Micrograph(image), config, network=backend).drain()


def test_a_picture_in_batches_is_the_same_picture(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    one, other = (found(banded, noise, ByTorch(banded, CPU, *how)) for how in ((0, 0), (10**9, 2)))
    np.testing.assert_allclose(other.probability.astype(float), one.probability.astype(float), atol=2e-3)


def test_where_memory_does_not_suffice_batches_shrink_first(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    shapes = []

    class Short(ByTorch):
        def run(self, batch: torch.Tensor) -> torch.Tensor:
            shapes.append(tuple(batch.shape))
            if len(batch) > 1:
                raise torch.OutOfMemoryError("out of memory")  # memory cannot be made to run out
            return super().run(batch)

    found(banded, noise, Short(banded, CPU, 2 * 256**2, 2))
    assert max(len(shape) and shape[0] for shape in shapes) > 1
    assert shapes[-1][0] == 1
    assert shapes[-1][-1] <= EXACT.tile
    assert max(shape[-1] for shape in shapes if shape[0] == 1) == max(shape[-1] for shape in shapes)  # tiles stay as large


def test_half_precision_finds_the_same(particles: temseg.Segmenter) -> None:
    drawn = temseg.simulate(temseg.SimulateConfig(height=224, width=224, count=16, seed=3))
    image, told = drawn.micrograph.plane(0), replace(EXACT, typical_size=24.0, tile=1024)
    backends = [ByTorch(particles, Device("cpu", precision, "as asked")) for precision in (FLOAT32, FLOAT16)]
    sizes = [temseg.measure(temseg.split(found(particles, image, backend, told))).table["ecd_px"] for backend in backends]
    assert len(sizes[0]) == len(sizes[1]) > 5
    assert sizes[1].median() == pytest.approx(sizes[0].median(), rel=2e-3)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(330, 300)).astype(np.float32)
