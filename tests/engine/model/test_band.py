from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_temseg as temseg
from napari_temseg.engine.model.band import INPUTS, WORKING_SIZE, band_inputs
from napari_temseg.engine.model.band_network import OUTPUTS, BandNetwork, flatten_planes, start_from
from napari_temseg.engine.model.flattening import flatten
from napari_temseg.engine.types.errors import TemsegError

EXACT = temseg.PredictConfig(device="cpu", precision="float32", typical_size=WORKING_SIZE, exact_size=True)


@pytest.fixture(scope="module")
def network() -> BandNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BandNetwork().eval()


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, 410)).astype(np.float32)


def test_it_is_small_and_answers_for_every_pixel(network: BandNetwork) -> None:
    assert sum(p.numel() for p in network.parameters()) * 2 < 9e6
    with torch.no_grad():
        assert network(torch.zeros(2, INPUTS, 64, 96)).shape == (2, len(OUTPUTS), 64, 96)


def test_started_from_earlier_weights_it_sees_what_they_see(several_scales: temseg.Segmenter) -> None:
    with torch.random.fork_rng(devices=[]):
        started = BandNetwork().eval()
    assert start_from(started, several_scales.tensors()) > 300
    plane = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 64, 64)).astype(np.float32))
    others = torch.randn(1, INPUTS - 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine = started.encoder(torch.cat([plane, others], 1))
        theirs = several_scales.network.encoder(plane)  # type: ignore[operator]
    for level in (1, 2, 3, 4):
        torch.testing.assert_close(mine[level], theirs[level])


def test_given_one_plane_it_flattens_it_itself(network: BandNetwork, noise: np.ndarray) -> None:
    plane = noise[:96, :128]
    with torch.no_grad():
        alone = network(torch.from_numpy(plane)[None, None])
        torch.testing.assert_close(alone, network(torch.from_numpy(band_inputs(plane))), atol=1e-4, rtol=1e-4)


def test_inputs_invert_dark_particles_and_leave_the_unknown_empty() -> None:
    plane = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    bright, dark, unknown = (band_inputs(plane, polarity) for polarity in (1, -1, 0))
    np.testing.assert_array_equal(dark[:, 0], -bright[:, 0])
    np.testing.assert_allclose(dark[:, 1], -bright[:, 1], atol=1e-4, rtol=0)
    assert (bright[:, 2] == 1).all()
    assert (dark[:, 2] == 1).all()
    assert (unknown[:, 2] == 0).all()


def test_tiles_change_next_to_nothing(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    whole = temseg.predict(banded, noise, EXACT).probability.astype(np.float32)
    tiled = temseg.predict(banded, noise, replace(EXACT, tile=256)).probability.astype(np.float32)
    assert whole.std() > 0.02
    assert np.median(np.abs(whole - tiled)) < 0.2 * whole.std()  # random weights see far more of what is round a pixel than trained ones


def test_the_size_that_is_told_sets_the_scale(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    told = temseg.predict(banded, noise, replace(EXACT, typical_size=2 * WORKING_SIZE))
    assert told.working_scale == (0.5, 0.8)
    assert told.size == 2 * WORKING_SIZE
    assert told.probability.shape == (2, *noise.shape)
    assert not told.candidates
    # Nothing is gained by a closer look at a picture that is enlarged anyway.
    assert temseg.predict(banded, noise[:64, :64], replace(EXACT, typical_size=WORKING_SIZE / 2)).working_scale == (2.0,)


def test_told_dark_particles_it_sees_the_picture_inverted(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    told = ((noise, "dark"), (-noise, "bright"))
    dark, bright = (temseg.predict(banded, picture, replace(EXACT, polarity=word)) for picture, word in told)
    np.testing.assert_allclose(dark.probability.astype(float), bright.probability.astype(float), atol=2e-2)
    unknown = temseg.predict(banded, noise, EXACT)
    assert np.abs(unknown.probability.astype(float) - dark.probability.astype(float)).max() > 1e-3


def test_what_lies_outside_the_band_is_left_out(banded: temseg.Segmenter) -> None:
    """Discs of 4, 20 and 160 px, told 20: a third to three times that."""
    y, x = np.mgrid[:320, :400]
    discs = [np.hypot(y - row, x - column) < size / 2 for row, column, size in ((30, 30, 4), (30, 120, 20), (30, 200, 50), (200, 250, 240))]
    classes = np.where(np.any(discs, axis=0), 2, 1).astype(np.uint8)
    certain = temseg.Prediction.of_classes(classes, temseg.Micrograph(classes))
    told = temseg.Prediction(certain.probability, certain.class_ids, certain.class_names, classes, certain.micrograph, size=20.0)
    kept = temseg.split(told, temseg.SplitConfig(min_diameter=0.0)).labels
    assert [bool(kept[disc].any()) for disc in discs] == [False, True, True, False]
    assert temseg.split(certain, temseg.SplitConfig(min_diameter=0.0)).labels.max() == len(discs)


def test_what_lies_at_the_ends_of_the_band_is_counted() -> None:
    """Told 20 px: 6.7 to 60 px count. Four squares of 7, twenty of 20, two of 56."""
    classes = np.ones((640, 640), np.uint8)
    for sizes, row in (((7,) * 4, 10), ((20,) * 10, 60), ((20,) * 10, 120), ((52,) * 2, 200)):
        for index, side in enumerate(sizes):
            classes[row : row + side, 10 + 62 * index : 10 + 62 * index + side] = 2
    found = temseg.Prediction.of_classes(classes, temseg.Micrograph(classes))
    assert temseg.split(found, temseg.SplitConfig(min_diameter=0.0)).band_ends is None
    ends = temseg.split(replace(found, size=20.0), temseg.SplitConfig(min_diameter=0.0)).band_ends
    assert ends is not None
    assert (ends.near_smallest, ends.near_largest, ends.count) == (4, 2, 26)
    assert ends.touched == (True, False)
    assert (ends.smallest, ends.largest) == pytest.approx((20 / 3, 60))


def test_no_other_encoder_has_a_working_size() -> None:
    from napari_temseg.engine.model.network_spec import NetworkSpec

    with pytest.raises(TemsegError, match="working size"):
        temseg.Segmenter.new(NetworkSpec("resnet18", working_size=22.0), {1: "background", 2: "particle"})


def test_a_length_needs_a_pixel_size(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    told = temseg.PredictConfig(typical_nm=11.0, exact_size=True)
    with pytest.raises(TemsegError, match="pixel size"):
        temseg.predict(banded, noise, told)
    calibrated = temseg.Micrograph(noise, calibration=temseg.Calibration((0.5, 0.5)))
    assert temseg.predict(banded, calibrated, told).size == WORKING_SIZE


def test_where_nobody_tells_a_size_it_is_searched_for(banded: temseg.Segmenter, noise: np.ndarray) -> None:
    found = temseg.predict(banded, noise, temseg.PredictConfig())
    assert found.size > 0
    assert found.working_scale[0] == pytest.approx(WORKING_SIZE / found.size)


@pytest.mark.parametrize("size", [5.0, 22.0, 60.0])
def test_a_network_flattens_on_its_device_as_a_picture_is_flattened(noise: np.ndarray, size: float) -> None:
    seen = np.ones(noise.shape, bool)
    seen[:30] = False
    there, known = (torch.from_numpy(each.astype(np.float32))[None, None] for each in (noise * seen, seen))
    on_device = flatten_planes(there, size, known)
    np.testing.assert_allclose(on_device[0, 0].numpy(), flatten(noise, size, seen), atol=2e-4)
