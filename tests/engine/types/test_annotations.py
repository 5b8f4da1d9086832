"""Labels from anywhere, with a meaning that is said; counted as pixels and as objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_temseg import Annotation, Annotations, Micrograph, TemsegError
from napari_temseg.engine.types.annotations import distance_map

IMAGE = np.zeros((6, 8))


def drawn(**pixels: int) -> np.ndarray:
    array = np.zeros((6, 8), np.uint8)
    for place, value in pixels.items():
        array[int(place[1]), int(place[2])] = value
    return array


def test_classes_are_taken_as_they_are():
    array = drawn(p11=1, p22=2, p33=5)
    for kind in (np.uint8, np.int16, np.uint64):
        item = Annotation.imported(IMAGE, array.astype(kind), "classes")
        assert item.labels.dtype == np.uint8
        assert (item.labels == array).all()
        assert item.instances is None


@pytest.mark.parametrize("mask", [drawn(p22=255), drawn(p22=1), drawn(p22=1).astype(bool), drawn(p22=7, p23=9).astype(np.uint16)])
def test_a_mask_is_background_and_particle(mask):
    item = Annotation.imported(IMAGE, mask, "mask")
    assert (item.labels == np.where(mask > 0, 2, 1)).all()


def test_instances_keep_their_numbers():
    array = drawn(p11=1, p22=2, p23=2).astype(np.int64) * 70_000
    item = Annotation.imported(IMAGE, array, "instances")
    assert (item.labels == np.where(array > 0, 2, 1)).all()
    assert item.instances.dtype == np.int32
    assert (item.instances == array).all()


@pytest.mark.parametrize(
    ("array", "meaning", "words"),
    [
        (drawn(), "strokes", "cannot mean “strokes”; use one of classes, mask, instances"),
        (np.zeros((8, 6), int), "classes", r"shape \(8, 6\) do not fit the image \(6, 8\)"),
        (drawn().astype(float), "mask", "whole numbers, not float64"),
        (drawn().astype(int) - 1, "classes", "negative numbers"),
        (drawn(p22=255), "classes", "meaning “mask”"),
        (drawn(p22=1).astype(bool), "classes", "meaning “mask”"),
        (drawn(p22=200).astype(int) * 2, "classes", "meaning “instances”"),
        (drawn(p22=1).astype(np.int64) << 40, "instances", "number the particles from 1"),
    ],
)
def test_labels_that_cannot_be_are_refused_by_name(array, meaning, words):
    image = Micrograph(IMAGE, sample="grid_07")
    with pytest.raises(TemsegError, match=f"grid_07: .*{words}"):
        Annotation.imported(image, array, meaning)


def test_micrographs_of_different_sizes_and_a_stack():
    stack = Micrograph(np.zeros((3, 4, 5), np.uint16), "NYX")
    strokes = np.zeros((3, 4, 5), np.uint8)
    strokes[1, 0, 0], strokes[1, 2, 2] = 1, 3
    labels = Annotations.collect([IMAGE, stack], [drawn(p00=2), strokes], class_names={3: "rod"})
    assert labels.class_names == {1: "background", 2: "particle", 3: "rod"}
    assert [index for index, _, _ in labels.items[1].planes()] == [1]
    assert {name.name: (name.pixels, name.objects) for name in labels.counts().values()} == {
        "background": (1, 1),
        "particle": (1, 1),
        "rod": (1, 1),
    }


def test_classes_without_a_name_get_one_up_to_the_highest():
    assert Annotations.collect(IMAGE, drawn(p11=4)).class_names == {1: "background", 2: "particle", 3: "class 3", 4: "class 4"}
    assert Annotations.collect(IMAGE, drawn(p11=1), class_names={3: "rod"}).class_names[3] == "rod"


def test_images_and_labels_pair_up():
    with pytest.raises(TemsegError, match="2 images and 1 label arrays"):
        Annotations.collect([IMAGE, IMAGE], [drawn()])
    with pytest.raises(TemsegError, match="0 images"):
        Annotations.collect([], [])


def test_numbers_that_are_no_classes_are_refused():
    image, labels = np.zeros((32, 32)), np.zeros((32, 32), np.uint8)
    labels[:4], labels[8:12] = 100, 200
    with pytest.raises(TemsegError, match=r"hold class 200 but no class 3; .*--labels-mean"):
        Annotations.collect(image, labels)
    labels[:4], labels[8:12] = 1, 4  # a model may know the classes between
    assert Annotations.collect(image, labels).class_names[4] == "class 4"


def test_one_number_a_particle_is_asked_about():
    instances = drawn(p11=1, p13=2, p15=3, p40=4)
    for call in (Annotation.imported, Annotations.collect):
        with pytest.raises(TemsegError, match=r"4 numbers, each in one piece, .* --labels-mean instances, or --labels-mean classes"):
            call(IMAGE, instances)
        call(IMAGE, instances, "instances")
        call(IMAGE, instances, "classes")
    # Who names the classes has said that they are classes, but not of numbers beyond them.
    assert Annotations.collect(IMAGE, instances, class_names={3: "rod", 4: "ball"}).class_names[4] == "ball"
    with pytest.raises(TemsegError, match="4 numbers"):
        Annotations.collect(IMAGE, instances, class_names={2: "gold"})
    two_strokes = drawn(p11=1, p15=1, p31=2, p35=3)
    assert Annotations.collect(IMAGE, two_strokes).counts()[1].objects == 2
    # What one picture leaves open, another of the same set may tell.
    assert len(Annotations.collect([IMAGE, IMAGE], [instances, two_strokes]).items) == 2
    speck = np.zeros((40, 40), np.int32)
    speck[2:12, 2:12], speck[2:12, 20:30], speck[20:30, 2:12], speck[35, 35] = 1, 2, 3, 3
    with pytest.raises(TemsegError, match="3 numbers"):
        Annotations.collect(np.zeros((40, 40)), speck)


def test_objects_are_strokes_or_instances():
    strokes = drawn(p11=2, p22=2, p25=2, p00=1, p50=1)  # the first two meet at a corner: one stroke
    counts = Annotations.collect(IMAGE, strokes).counts()
    assert (counts[1].pixels, counts[1].objects) == (2, 2)
    assert (counts[2].pixels, counts[2].objects) == (3, 2)
    touching = drawn(p11=1, p12=2, p13=3)
    counts = Annotations.collect(IMAGE, touching, "instances").counts()
    assert (counts[2].pixels, counts[2].objects) == (3, 3)
    assert (counts[1].pixels, counts[1].objects) == (45, 1)


def test_nothing_is_labelled_where_nobody_may_look():
    valid = np.ones((6, 8), bool)
    valid[4:] = False
    image = Micrograph(IMAGE, valid=valid)
    labels = Annotations.collect(image, drawn(p11=2, p55=1))
    assert labels.counts()[1].pixels == 0
    with pytest.raises(TemsegError, match="Only one class is labelled: paint “background” too"):
        labels.check()
    assert list(Annotation.imported(image, drawn(p55=2)).planes()) == []


@pytest.mark.parametrize(
    ("array", "words"),
    [(drawn(), "Nothing is labelled"), (drawn(p11=2), "paint “background”"), (drawn(p11=1), "paint “particle” too; .* meaning “mask”")],
)
def test_labels_one_cannot_train_on(array, words):
    with pytest.raises(TemsegError, match=words):
        Annotations.collect(IMAGE, array).check()


def test_two_classes_suffice():
    Annotations.collect(IMAGE, drawn(p11=1, p22=2)).check()


INSTANCES = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14), elements=st.integers(0, 4))


@settings(max_examples=30, deadline=None)
@given(INSTANCES)
def test_the_distance_map_is_nought_outside_and_one_at_each_middle(instances):
    depth = distance_map(instances)
    assert depth.dtype == np.float32
    assert (depth[instances == 0] == 0).all()
    assert (depth[instances > 0] > 0).all()
    for number in np.unique(instances[instances > 0]):
        assert depth[instances == number].max() == 1


@settings(max_examples=30, deadline=None)
@given(INSTANCES, st.integers(1, 10**8))
def test_the_distance_map_does_not_depend_on_the_numbers(instances, factor):
    np.testing.assert_array_equal(distance_map(instances * factor), distance_map(instances))


def test_the_distance_map_of_a_disc_is_its_distance_transform():
    y, x = np.mgrid[:41, :41]
    disc = (np.hypot(y - 20, x - 20) <= 12).astype(np.int32)
    depth = ndimage.distance_transform_edt(disc)
    np.testing.assert_allclose(distance_map(disc), depth / depth.max(), rtol=1e-6)


def test_touching_particles_have_an_edge_between_them_and_the_frame_is_none():
    pair = np.zeros((9, 20), np.int32)
    pair[:, :10], pair[:, 10:] = 1, 2
    depth = distance_map(pair)
    assert (depth[:, 9:11] == depth.min()).all()  # the common edge
    assert (depth[:, [0, 19]] == 1).all()  # the frame
    assert (distance_map(np.ones((5, 5), np.int32)) == 1).all()
