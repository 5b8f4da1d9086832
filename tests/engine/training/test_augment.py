"""Augmentation moves image and labels together, keeps to its amplitudes, and does nothing when told to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg import TrainConfig
from napari_temseg.engine.training.augment import resample, sampling_grid, vary_intensity

NOTHING = TrainConfig(flips=False, scaling=0, elastic=0, brightness=0, contrast=0, gamma=0, noise=0)
TURNS = TrainConfig(flips=True, scaling=0, elastic=0, brightness=0, contrast=0, gamma=0, noise=0)


def places(height: int, width: int) -> torch.Tensor:
    """(2, Y, X): the pixel's own row and column, so that a crop says where it came from."""
    return torch.stack(torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij"))


@settings(max_examples=30, deadline=None)
@given(st.integers(32, 150), st.integers(32, 150), st.sampled_from([8, 31, 32]), st.floats(0, 1), st.floats(0, 1))
def test_without_augmentation_a_crop_is_an_exact_copy(height, width, size, v, u):
    rng = np.random.default_rng(0)
    picture = torch.from_numpy(rng.normal(size=(1, height, width)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 3, (1, height, width)).astype(np.float32))
    centre = (v * (height - 1), u * (width - 1))
    soft, hard = resample(sampling_grid((height, width), centre, size, NOTHING, rng), picture, labels)
    where, _ = resample(sampling_grid((height, width), centre, size, NOTHING, rng), places(height, width), labels)
    top, left = where[:, 0, 0].round().int().tolist()
    assert abs(np.clip(centre[0], size / 2, height - size / 2) - top - size / 2) <= 0.51
    torch.testing.assert_close(soft, picture[:, top : top + size, left : left + size], rtol=0, atol=1e-3)
    assert torch.equal(hard, labels[:, top : top + size, left : left + size])


def test_flips_and_turns_are_the_eight_of_a_square_and_exact():
    rng = np.random.default_rng(1)
    picture = torch.from_numpy(rng.normal(size=(1, 40, 40)).astype(np.float32))
    window = picture[0, 4:36, 4:36]
    eight = [torch.rot90(side, turn) for side in (window, window.flip(0)) for turn in range(4)]
    met = set()
    for _ in range(100):
        soft, hard = resample(sampling_grid((40, 40), (20.0, 20.0), 32, TURNS, rng), picture, picture)
        torch.testing.assert_close(soft, hard, rtol=0, atol=1e-3)
        met.add(next(index for index, one in enumerate(eight) if torch.allclose(one, hard[0])))
    assert met == set(range(8))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_image_and_labels_stay_together_under_everything(seed):
    how = TrainConfig(scaling=0.5, elastic=4)
    y, x = np.mgrid[:96, :80]
    disc = torch.from_numpy((np.hypot(y - 50, x - 40) < 25).astype(np.float32))[None]
    grid = sampling_grid((96, 80), (50, 40), 64, how, np.random.default_rng(seed))
    soft, hard = resample(grid, disc, disc)
    assert hard.mean() > 0.05
    # They may differ where linear and nearest look-up round differently, which is at the edge of the disc only.
    assert ((soft > 0.5) != (hard > 0.5)).float().mean() < 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 2), st.sampled_from([0.5, 1.0]))
def test_the_scale_keeps_to_its_range(seed, scaling, zoom):
    how = TrainConfig(flips=False, scaling=scaling, elastic=0)
    grid = sampling_grid((1000, 1000), (500, 500), 64, how, np.random.default_rng(seed), zoom)
    where, _ = resample(grid, places(1000, 1000), torch.zeros(1, 1000, 1000))
    step = float((where[0, -1, 0] - where[0, 0, 0]) / 63)
    assert 1 / (1 + scaling) / zoom - 1e-3 <= step <= (1 + scaling) / zoom + 1e-3


def test_elastic_bends_by_about_its_amplitude_and_smoothly():
    how = TrainConfig(flips=False, scaling=0, elastic=6.0)
    moved = []
    for seed in range(20):
        grid = sampling_grid((200, 200), (100, 100), 64, how, np.random.default_rng(seed))
        where, _ = resample(grid, places(200, 200), torch.zeros(1, 200, 200))
        offset = where - places(64, 64) - 68
        moved.append(float(offset.abs().mean()))
        assert (offset[:, 1:] - offset[:, :-1]).abs().max() < 1  # neighbours keep their order
    assert 0.6 < np.mean(moved) < 6


def test_outside_the_picture_nothing_is_labelled_and_the_image_is_mirrored():
    ones = torch.ones(1, 20, 20)
    soft, hard = resample(sampling_grid((20, 20), (10, 10), 64, NOTHING, np.random.default_rng(0)), ones, ones)
    assert (soft == 1).all()
    assert hard.sum() == pytest.approx(400, abs=80)
    assert hard[:, 0].sum() == 0


def test_intensities_stay_when_nothing_is_asked():
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(vary_intensity(images, NOTHING, np.random.default_rng(0)), images)


def test_intensity_amplitudes():
    images = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def varied(**amplitude):
        return vary_intensity(images, replace(NOTHING, **amplitude), np.random.default_rng(0))

    offset = (varied(brightness=0.3) - images).amax((1, 2, 3))
    assert 0.2 < offset.abs().max() <= 0.3001
    assert offset.min() < 0 < offset.max()
    gain = (varied(contrast=0.5) / images).amax((1, 2, 3))
    assert 1 / 1.5 - 1e-3 <= gain.min() < 0.8
    assert 1.2 < gain.max() <= 1.5 + 1e-3
    noise = (varied(noise=0.4) - images).std((1, 2, 3))
    assert 0.3 < noise.max() < 0.5
    bent = varied(gamma=0.5)
    low, high = images.amin((1, 2, 3)), images.amax((1, 2, 3))
    torch.testing.assert_close(bent.amin((1, 2, 3)), low)  # the ends stay
    torch.testing.assert_close(bent.amax((1, 2, 3)), high)
    assert not torch.allclose(bent, images, atol=0.05)


def test_the_seed_decides():
    def crop(seed):
        rng = np.random.default_rng(seed)
        grid = sampling_grid((90, 90), (40, 40), 32, TrainConfig(), rng)
        return vary_intensity(resample(grid, places(90, 90)[:1], places(90, 90)[:1])[0][None], TrainConfig(), rng)

    assert torch.equal(crop(3), crop(3))
    assert not torch.equal(crop(3), crop(4))
