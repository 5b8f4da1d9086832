"""Labelled planes made ready, and crops that lie where labels are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_temseg import Annotations, Micrograph
from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.training.augment import Augmentation
from napari_temseg.engine.training.dataset import DISTANCE, IMAGE, KNOWN, LABELS, Crops, Plane, complete_objects, planes_of

NOTHING = Augmentation(flips=False, scaling=0, elastic=0, brightness=0, contrast=0, gamma=0, noise=0)


def test_planes_hold_normalised_image_labels_depth_and_what_is_known(discs):
    image, instances = discs()
    (plane,) = planes_of(Annotations.collect(image, instances, "instances"), Normalisation())
    assert plane.smooth.dtype == plane.exact.dtype == np.float32
    assert plane.smooth[IMAGE].mean() == pytest.approx(0, abs=0.01)
    assert (plane.labels == np.where(instances > 0, 2, 1)).all()
    assert ((plane.smooth[DISTANCE] > 0) == (instances > 0)).all()
    assert (plane.exact[KNOWN] == 1).all()


def test_only_labelled_planes_of_a_stack_are_taken_and_only_valid_pixels():
    valid = np.ones((40, 40), bool)
    valid[30:] = False
    stack = Micrograph(np.random.default_rng(0).random((3, 40, 40)), "TYX", valid=valid)
    labels = np.zeros((3, 40, 40), np.uint8)
    labels[2, 5:10], labels[2, 20:35] = 1, 2
    (plane,) = planes_of(Annotations.collect(stack, labels), Normalisation())
    assert (plane.labels[30:] == 0).all()
    assert (plane.labels[20:30] == 2).all()


def test_only_outlines_that_are_drawn_whole_teach_depth():
    labels = np.zeros((30, 60), np.uint8)
    labels[5:9, 5:25] = 2  # a stroke: nothing is said of its surroundings
    labels[10:25, 30:55] = 1
    labels[14:20, 35:42] = 2  # enclosed by background: a whole particle
    labels[14:20, 44:50] = 3
    whole = complete_objects(labels)
    assert (whole[5:9, 5:25] == 0).all()
    assert len(np.unique(whole)) == 3
    assert whole[16, 37] != whole[16, 46]
    assert whole[16, 37] > 0
    assert whole[16, 46] > 0
    (plane,) = planes_of(Annotations.collect(np.eye(30, 60), labels), Normalisation())
    assert (plane.exact[KNOWN][5:9, 5:25] == 0).all()
    assert (plane.exact[KNOWN][12:22, 33:52] == 1).all()


def test_two_classes_side_by_side_are_two_objects():
    labels = np.ones((10, 20), np.uint8)
    labels[3:7, 4:10], labels[3:7, 10:16] = 2, 3
    whole = complete_objects(labels)
    assert sorted(np.unique(whole).tolist()) == [0, 1, 2]


def strokes() -> Annotations:
    labels = np.zeros((300, 200), np.uint8)
    labels[40:43, 30:60] = 1
    labels[250:252, 150:170] = 2
    labels[120, 100] = 3
    return Annotations.collect(np.random.default_rng(0).random((300, 200)), labels)


def test_crops_lie_where_labels_are_and_the_classes_take_turns():
    crops = Crops(planes_of(strokes(), Normalisation()), 64, Augmentation(), seed=0)
    batches = [crops.draw(3) for _ in range(20)]
    labels = torch.cat([batch.labels for batch in batches])
    assert labels.shape == (60, 64, 64)
    assert labels.dtype == torch.int64
    held = [(labels == number).any(2).any(1).float().mean() for number in (1, 2, 3)]
    assert min(held) > 0.25  # the one pixel of class 3 as often as the stroke of class 1
    assert (labels > 0).any(2).any(1).float().mean() > 0.95


def test_a_batch_is_what_the_plane_holds(discs):
    image, instances = discs(160, 160)
    planes = planes_of(Annotations.collect(image, instances, "instances"), Normalisation())
    batch = Crops(planes, 64, NOTHING, seed=0).draw(4)
    assert batch.images.shape == batch.distance.shape == batch.known.shape == (4, 1, 64, 64)
    assert batch.start is None
    assert ((batch.distance[:, 0] > 1e-3) == (batch.labels == 2)).float().mean() > 0.999
    dark = batch.images[:, 0] < 0
    assert (dark == (batch.labels == 2)).float().mean() > 0.95
    assert (planes[0].exact[LABELS] > 0).all()


def test_at_half_scale_a_crop_sees_twice_as_much(discs):
    image, instances = discs(256, 256)
    planes = planes_of(Annotations.collect(image, instances, "instances"), Normalisation())
    (batch,) = (Crops(planes, 64, NOTHING, seed=0, scales=(0.5,)).draw(8),)
    dark = batch.images[:, 0] < 0
    assert (dark == (batch.labels == 2)).float().mean() > 0.93  # image and labels stay together
    edges = (batch.labels[:, :, 1:] != batch.labels[:, :, :-1]).float().mean()
    full = Crops(planes, 64, NOTHING, seed=0).draw(8).labels
    assert edges > 1.6 * (full[:, :, 1:] != full[:, :, :-1]).float().mean()


def test_the_seed_decides():
    planes = planes_of(strokes(), Normalisation())
    one, two, other = (Crops(planes, 64, Augmentation(), seed=seed).draw(3) for seed in (5, 5, 6))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)
    assert not torch.equal(one.images, other.images)


def test_every_fourth_crop_lies_where_nothing_is_labelled_and_the_classes_still_take_turns():
    planes = planes_of(strokes(), Normalisation())
    blank = Plane(np.full((5, 90, 120), 7, np.float32), np.zeros((2, 90, 120), np.float32), (1.0, 0.5))
    crops = Crops([*planes, blank], 64, NOTHING, seed=0)
    batches = [crops.draw(4) for _ in range(30)]
    start = torch.cat([batch.start for batch in batches])
    assert start.shape == (120, 3, 64, 64)
    assert start.amax((1, 2, 3)).tolist() == pytest.approx([7 if index % 4 == 0 else 0 for index in range(120)])
    from_blank = torch.cat([batch.images for batch in batches]).mean((1, 2, 3)) > 5
    assert from_blank.tolist() == [index % 4 == 0 for index in range(120)]
    labels = torch.cat([batch.labels for batch in batches])
    assert not (labels[from_blank] > 0).any()
    held = [(labels[~from_blank] == number).any(2).any(1).float().mean() for number in (1, 2, 3)]
    assert min(held) > 0.25


def test_a_picture_smaller_than_the_crop():
    labels = np.zeros((20, 24), np.uint8)
    labels[3, 3:9], labels[12, 3:9] = 1, 2
    batch = Crops(planes_of(Annotations.collect(np.eye(20, 24), labels), Normalisation()), 64, Augmentation(), seed=0).draw(4)
    assert batch.images.isfinite().all()
    assert (batch.labels > 0).any()
