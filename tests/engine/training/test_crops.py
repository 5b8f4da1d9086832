"""Crops lie where labels are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_temseg import Annotations, TrainConfig
from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.training.crops import Crops
from napari_temseg.engine.training.dataset import HeldPlane, LabelledPlane, StartingAnswer, labelled_planes

SMALL = TrainConfig(crop=64)
NOTHING = replace(SMALL, flips=False, scaling=0, elastic=0, brightness=0, contrast=0, gamma=0, noise=0)


def planes_of(annotations: Annotations) -> list[LabelledPlane]:
    return labelled_planes(annotations.items[0], Normalisation())


def strokes() -> Annotations:
    labels = np.zeros((300, 200), np.uint8)
    labels[40:43, 30:60] = 1
    labels[250:252, 150:170] = 2
    labels[120, 100] = 3
    return Annotations.collect(np.random.default_rng(0).random((300, 200)), labels, "classes")


def test_crops_lie_where_labels_are_and_the_classes_take_turns():
    crops = Crops(planes_of(strokes()), SMALL)
    batches = [crops.draw(3) for _ in range(20)]
    labels = torch.cat([batch.labels for batch in batches])
    assert labels.shape == (60, 64, 64)
    assert labels.dtype == torch.int64
    held = [(labels == number).any(2).any(1).float().mean() for number in (1, 2, 3)]
    assert min(held) > 0.25  # the one pixel of class 3 as often as the stroke of class 1
    assert (labels > 0).any(2).any(1).float().mean() > 0.95


def test_a_batch_is_what_the_plane_holds(discs):
    image, instances = discs(160, 160)
    planes = planes_of(Annotations.collect(image, instances, "instances"))
    batch = Crops(planes, NOTHING).draw(4)
    assert batch.images.shape == batch.distance.shape == batch.known.shape == (4, 1, 64, 64)
    assert batch.start is None  # nobody asked
    assert ((batch.distance[:, 0] > 1e-3) == (batch.labels == 2)).float().mean() > 0.999
    dark = batch.images[:, 0] < 0
    assert (dark == (batch.labels == 2)).float().mean() > 0.95
    assert planes[0].whole


def test_at_half_scale_a_crop_sees_twice_as_much(discs):
    image, instances = discs(256, 256)
    planes = planes_of(Annotations.collect(image, instances, "instances"))
    (batch,) = (Crops(planes, NOTHING, scales=(0.5,)).draw(8),)
    dark = batch.images[:, 0] < 0
    assert (dark == (batch.labels == 2)).float().mean() > 0.93  # image and labels stay together
    edges = (batch.labels[:, :, 1:] != batch.labels[:, :, :-1]).float().mean()
    full = Crops(planes, NOTHING).draw(8).labels
    assert edges > 1.6 * (full[:, :, 1:] != full[:, :, :-1]).float().mean()


def test_the_seed_decides():
    planes = planes_of(strokes())
    one, two, other = (Crops(planes, replace(SMALL, seed=seed)).draw(3) for seed in (5, 5, 6))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)
    assert not torch.equal(one.images, other.images)


def test_every_fourth_crop_lies_where_nothing_is_labelled_and_the_classes_still_take_turns():
    planes = planes_of(strokes())
    sevens = np.full((3, 90, 120), 7, np.float32)
    blank = HeldPlane(image=sevens[0], scales=(1.0, 0.5), start=StartingAnswer(sevens[:2], sevens[2:]))
    crops = Crops([*planes, blank], NOTHING)
    batches = [crops.draw(4) for _ in range(30)]
    said, maps = (torch.cat([getattr(batch.start, part) for batch in batches]) for part in ("probability", "maps"))
    assert (said.shape, maps.shape) == ((120, 2, 64, 64), (120, 1, 64, 64))
    assert torch.equal(said.amax((1, 2, 3)), maps.amax((1, 2, 3)))
    assert said.amax((1, 2, 3)).tolist() == pytest.approx([7 if index % 4 == 0 else 0 for index in range(120)])
    from_blank = torch.cat([batch.images for batch in batches]).mean((1, 2, 3)) > 5
    assert from_blank.tolist() == [index % 4 == 0 for index in range(120)]
    labels = torch.cat([batch.labels for batch in batches])
    assert not (labels[from_blank] > 0).any()
    held = [(labels[~from_blank] == number).any(2).any(1).float().mean() for number in (1, 2, 3)]
    assert min(held) > 0.25


def test_a_picture_smaller_than_the_crop():
    labels = np.zeros((20, 24), np.uint8)
    labels[3, 3:9], labels[12, 3:9] = 1, 2
    batch = Crops(planes_of(Annotations.collect(np.eye(20, 24), labels)), SMALL).draw(4)
    assert batch.images.isfinite().all()
    assert (batch.labels > 0).any()
