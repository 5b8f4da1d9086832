"""Crops and targets of the network of one band: they point where they say, and a training goes on where it stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
from band_crops import MARGIN, _flattened, _meant, _Rectangle, _targets, chosen, crop
from band_samples import described, inner_distance, of_boxes, sample
from crop_feed import crops_of, cut_out, joined
from device_crops import REACH, Marks, compressed, finished, flattened, on_device, targets
from device_crops import inner_distance as inner_distances
from napari_temseg.engine.model.band import WORKING_SIZE
from optimisation import Optimisation
from train_band import loss_of


def discs() -> tuple[np.ndarray, np.ndarray]:
    """Two bright discs of 20 px that touch, one of 200 px and one of 4 px."""
    y, x = np.mgrid[:300, :400]
    labels = np.zeros(y.shape, np.int32)
    for number, (cy, cx, d) in enumerate([(60, 60, 20), (60, 80, 20), (180, 280, 200), (30, 150, 4)], 1):
        labels[np.hypot(y - cy, x - cx) <= d / 2] = number
    return (60 + 120 * (labels > 0) + np.random.default_rng(0).normal(0, 5, y.shape)).astype(np.uint8), labels


def test_widths_depths_and_middles_are_measured() -> None:
    _, labels = discs()
    width, depth, centre = described(labels)
    assert width[[2, 3]] == pytest.approx([20, 200], rel=0.05)
    assert depth[[2, 3]] == pytest.approx([10, 100], abs=1.5)
    np.testing.assert_allclose(centre[3], [180, 280], atol=0.1)
    seam = inner_distance(labels)
    assert seam[60, 69] == pytest.approx(0.5)
    assert seam[60, 60] > 8


def test_only_the_band_is_meant() -> None:
    entry = sample(*discs(), signs=1)
    inside, unsure = _meant(entry, 20, 0)
    assert inside.tolist() == [False, True, True, False, False]
    assert not unsure.any()
    inside, unsure = _meant(entry, 20 / 2.9, 0)
    assert unsure[1:3].all()
    assert not _meant(entry, 20, -1)[0].any()


@pytest.mark.parametrize("seed", range(6))
def test_offsets_point_to_the_middle_however_a_crop_is_turned(seed: int) -> None:
    image, labels = discs()
    entry, rng = sample(image, np.where(labels == 1, 1, 0).astype(np.int32), signs=1, sizes=(20.0,)), np.random.default_rng(seed)
    made = next(made for _ in range(50) if (made := crop(entry, 96, 0.0, rng)).target[0].any())
    y, x = np.nonzero(made.target[0])
    ends = np.stack([y + made.target[3][y, x] * WORKING_SIZE, x + made.target[4][y, x] * WORKING_SIZE])
    assert ends.std(axis=1).max() < 0.01
    whole = y.min() > 0 and x.min() > 0 and y.max() < 95 and x.max() < 95
    if whole:
        np.testing.assert_allclose(ends.mean(axis=1), [y.mean(), x.mean()], atol=0.6)
        assert made.image[0][made.target[0] > 0].std() < 2
    assert made.image.shape == (3, 96, 96)
    assert made.seen.shape == made.inner.shape == (96, 96)


def test_boxes_teach_their_middle_and_nothing_round_it() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    entry = of_boxes(image, np.array([[0.5, 0.5, 0.14, 0.14], [0.2, 0.2, 0.0, 0.1]]))
    assert entry.sizes[0] == pytest.approx(20)
    assert entry.labels[100, 100] == 1
    assert entry.ignore[100, 111]
    assert not entry.ignore[100, 130]
    assert entry.labels.max() == 1


def test_what_is_not_seen_costs_nothing() -> None:
    raw, target = torch.randn(2, 5, 32, 32, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 5, 32, 32)
    target[:, 0, 8:16, 8:16] = 1
    seen = torch.ones(2, 32, 32)
    seen[:, :, 16:] = 0
    other = raw.clone()
    other[:, :, :, 16:] += 5
    assert loss_of(raw, target, seen, seen)[0] == pytest.approx(float(loss_of(other, target, seen, seen)[0]))


def test_going_on_from_a_checkpoint_is_as_never_stopping(tmp_path: Path) -> None:
    def begun() -> Optimisation:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Optimisation.begun(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4)), 1e-2)

    def take(state: Optimisation, until: int) -> None:
        while state.step < until:
            state.set_rate(1e-2, state.step / 8)
            images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(state.step))
            state.descend(state.network(images).square().mean(dim=(0, 2, 3))[0])
            state.step += 1

    whole, first, again = begun(), begun(), begun()
    take(whole, 6)
    take(first, 3)
    first.save(tmp_path / "checkpoint.pt")
    again.load(tmp_path / "checkpoint.pt")
    assert again.step == 3
    take(again, 6)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
        assert torch.equal(whole.averaged[name], again.averaged[name])
    assert not torch.equal(whole.averaged["0.weight"], whole.network.state_dict()["0.weight"])


def cuts(side: int = 96, seed: int = 0) -> dict[str, np.ndarray]:
    """Two parts of crops of the discs, as the processes hand them over."""
    entry = sample(*discs(), signs=1, sizes=(20.0,))
    rng = np.random.default_rng(seed)
    return joined([cut_out({"all": [[entry]]}, {"all": 1}, side, 0.5, rng) for _ in range(2)])


def test_many_crops_at_once_have_the_targets_of_one() -> None:
    entry = sample(*discs(), signs=1, sizes=(20.0,))
    part = cut_out({"all": [[entry]]}, {"all": 1}, 96, 0.0, np.random.default_rng(4))
    found, teaches = targets(on_device(joined([part]), torch.device("cpu")))
    rng = np.random.default_rng(4)
    rng.choice(["all"], crops_of(96), p=[1.0])
    for index in range(4):
        rng.integers(1), rng.integers(1)
        one = chosen(entry, 96, rng, MARGIN)
        target, _ = _targets(entry, one.labels, one.inside, one.where)
        target[2] *= target[0]
        target[1] = np.where(inner_distance(np.where(one.inside[one.labels], one.labels, 0)) < REACH, target[1], found[index, 1])
        np.testing.assert_allclose(found[index], target, atol=2e-3)
    assert bool(teaches.all())


def test_distances_of_many_are_exact() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (2, 9, 11)).repeat(6, 1).repeat(5, 2).astype(np.int64)
    found = inner_distances(torch.from_numpy(labels)).numpy()
    for plane, distance in zip(labels, found, strict=True):
        np.testing.assert_allclose(distance, inner_distance(plane.astype(np.int32)), atol=1e-5)


def test_flattening_many_mirrors_beyond_the_picture() -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 96, 96)).astype(np.float32))
    where = _Rectangle((0, 0), (48, 60), (48, 60), (33, 30))
    found = flattened(image, torch.tensor([[33, 30, 48, 60]]))[0].numpy()
    np.testing.assert_allclose(found, _flattened(image[0].numpy(), where), atol=1e-3)


def test_finished_crops_keep_particle_image_and_offsets_together() -> None:
    rng = np.random.default_rng(1)
    given = on_device(cuts(), torch.device("cpu"))
    planes, target, seen, inner = finished(given, Marks(96 + 2 * MARGIN, 5, torch.device("cpu"), rng), rng)
    n = len(given.image)
    assert planes.shape == (n, 3, 96, 96)
    assert target.shape == (n, 5, 96, 96)
    assert seen.shape == inner.shape == (n, 96, 96)
    assert bool(torch.isfinite(planes).all())
    within = (planes[:, 0] * target[:, 0]).sum() / target[:, 0].sum()
    without = (planes[:, 0] * (1 - target[:, 0])).sum() / (1 - target[:, 0]).sum()
    told = planes[:, 2].mean((1, 2)) > 0
    assert bool(told.any())
    assert float(within - without) > 0.3  # bright discs, of which some are shown inverted
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    for one in target:
        labels, count = ndimage.label(one[0].numpy())
        for number in range(1, count + 1):
            here = torch.from_numpy(labels == number)
            ends = torch.stack([(y + one[3] * WORKING_SIZE)[here], (x + one[4] * WORKING_SIZE)[here]])
            assert len(torch.unique(ends.round(), dim=1).T) <= 8  # the middles of the two discs that touch, rounded either way


def test_jpeg_changes_grey_levels_a_little() -> None:
    image = torch.from_numpy(ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(3, 50, 61)), (0, 3, 3)).astype(np.float32))
    image = image / image.std()
    out = compressed(image)
    assert out.shape == image.shape
    assert 0.002 < float((out - image).abs().mean()) < 0.1
