from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import napari_temseg as temseg
from napari_temseg.engine.model.band import INPUTS, OUTPUTS, WORKING_SIZE, BandNetwork, band_inputs, start_from
from napari_temseg.engine.model.band_prediction import BandRunner, even_parts
from napari_temseg.engine.model.device import Device
from napari_temseg.engine.model.tiles import STRIDE
from napari_temseg.engine.types.errors import TemsegError


@pytest.fixture(scope="module")
def network() -> BandNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BandNetwork().eval()


def test_it_is_small_and_answers_for_every_pixel(network: BandNetwork) -> None:
    assert sum(p.numel() for p in network.parameters()) * 2 < 9e6
    with torch.no_grad():
        assert network(torch.zeros(2, INPUTS, 64, 96)).shape == (2, len(OUTPUTS), 64, 96)


def test_started_from_the_shipped_weights_it_sees_what_they_see(particles: temseg.Segmenter) -> None:
    with torch.random.fork_rng(devices=[]):
        started = BandNetwork().eval()
    assert start_from(started, particles.tensors()) > 300
    plane = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 64, 64)).astype(np.float32))
    others = torch.randn(1, INPUTS - 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine = started.encoder(torch.cat([plane, others], 1))
        theirs = particles.network.encoder(plane)  # type: ignore[operator]
    for level in (1, 2, 3, 4):
        torch.testing.assert_close(mine[level], theirs[level])


def test_inputs_invert_dark_particles_and_leave_the_unknown_empty() -> None:
    plane = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    bright, dark, unknown = (band_inputs(plane, True, polarity) for polarity in (1, -1, 0))
    torch.testing.assert_close(dark[:, 0], -bright[:, 0])
    torch.testing.assert_close(dark[:, 1], -bright[:, 1], atol=1e-4, rtol=0)
    assert bright[:, 2].eq(1).all()
    assert dark[:, 2].eq(1).all()
    assert unknown[:, 2].eq(0).all()
    assert not band_inputs(plane, False)[:, 1].any()


def test_tiles_are_even_and_change_next_to_nothing(network: BandNetwork) -> None:
    exact = Device("cpu", torch.float32, "test")
    plane = np.random.default_rng(0).normal(size=(300, 410)).astype(np.float32)
    whole = BandRunner(network, exact, tile=1024).answer(plane, WORKING_SIZE)
    tiled = BandRunner(network, exact, tile=256).answer(plane, WORKING_SIZE)
    assert whole.raw.shape == tiled.raw.shape == (5, 300, 410)
    assert np.median(np.abs(whole.raw - tiled.raw)) < 0.05 * whole.raw.std()


def test_a_size_sets_the_scale(network: BandNetwork) -> None:
    plane = np.random.default_rng(0).normal(size=(64, 80)).astype(np.float32)
    answer = BandRunner(network).answer(plane, 2 * WORKING_SIZE)
    assert answer.zoom == 0.5
    assert answer.raw.shape == (5, 32, 40)
    assert answer.at((64, 80)).shape == (5, 64, 80)
    with pytest.raises(TemsegError, match="positive"):
        BandRunner(network).answer(plane, 0)


@pytest.mark.parametrize(("steps", "longest"), [(1, 640), (20, 640), (21, 640), (40, 640), (41, 640), (64, 256)])
def test_parts_cover_a_length_evenly(steps: int, longest: int) -> None:
    parts = even_parts(steps * STRIDE, longest)
    lengths = [last - first for first, last in parts]
    assert parts[0][0] == 0
    assert parts[-1][1] == steps * STRIDE
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert max(lengths) <= longest
    assert max(lengths) - min(lengths) <= STRIDE
