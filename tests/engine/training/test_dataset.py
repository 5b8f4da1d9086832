"""Labelled planes made ready."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg import Annotations, Micrograph
from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.training.dataset import complete_objects, labelled_planes


def test_planes_hold_normalised_image_labels_depth_and_what_is_known(discs):
    image, instances = discs()
    (plane,) = labelled_planes(Annotations.collect(image, instances, "instances").items[0], Normalisation())
    assert plane.image.dtype == plane.distance.dtype == np.float32
    assert (plane.labels.dtype, plane.known.dtype) == (np.uint8, bool)
    assert plane.image.mean() == pytest.approx(0, abs=0.01)
    assert (plane.labels == np.where(instances > 0, 2, 1)).all()
    assert ((plane.distance > 0) == (instances > 0)).all()
    assert plane.known.all()


def test_only_labelled_planes_of_a_stack_are_taken_and_only_valid_pixels():
    valid = np.ones((40, 40), bool)
    valid[30:] = False
    stack = Micrograph(np.random.default_rng(0).random((3, 40, 40)), "TYX", valid=valid)
    labels = np.zeros((3, 40, 40), np.uint8)
    labels[2, 5:10], labels[2, 20:35] = 1, 2
    (plane,) = labelled_planes(Annotations.collect(stack, labels).items[0], Normalisation())
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
    (plane,) = labelled_planes(Annotations.collect(np.eye(30, 60), labels).items[0], Normalisation())
    assert not plane.known[5:9, 5:25].any()
    assert plane.known[12:22, 33:52].all()


def test_two_classes_side_by_side_are_two_objects():
    labels = np.ones((10, 20), np.uint8)
    labels[3:7, 4:10], labels[3:7, 10:16] = 2, 3
    whole = complete_objects(labels)
    assert sorted(np.unique(whole).tolist()) == [0, 1, 2]
