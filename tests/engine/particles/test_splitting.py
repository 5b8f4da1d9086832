from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage

from napari_temseg.engine.particles.splitting import iter_split, split
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import Cancelled, TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles, Prediction

EMPS = Path(os.environ.get("TEMSEG_DATA", Path(__file__).parents[4] / "shared" / "data")) / "emps"
NAMES = {1: "background", 2: "particle", 3: "rod"}
EVERYTHING = SplitConfig(min_diameter=0.0, certainty=0.0, fill_holes=False)
few = settings(max_examples=25, deadline=None)
Disc = tuple[float, float, float]


def predicted(classes: np.ndarray, distance: np.ndarray | None = None, valid: np.ndarray | None = None, sure: float = 1.0) -> Prediction:
    """A prediction (…, Y, X) that gives each pixel its class (1 background, 2, 3) with probability `sure`, the rest to background."""
    numbers = (1, 2, 3) if (classes == 3).any() else (1, 2)
    channels = np.stack([np.where(classes == number, sure, 0.0) for number in numbers], axis=-3)
    channels[..., 0, :, :] += 1 - channels.sum(axis=-3)
    axes = "YX" if classes.ndim == 2 else "NYX"
    auxiliary = {} if distance is None else {"distance": distance.astype(np.float16)}
    return Prediction(
        channels.astype(np.float16), numbers, NAMES, classes.astype(np.uint8), Micrograph(classes, axes, valid=valid), auxiliary
    )


def draw(discs: list[Disc], shape: tuple[int, int] = (96, 96)) -> tuple[np.ndarray, np.ndarray]:
    """Class map of discs (y, x, radius) and their exact distance map, 1 in the middle of each."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    depth = np.zeros(shape)
    for cy, cx, radius in discs:
        depth = np.maximum(depth, 1 - np.hypot(y - cy, x - cx) / radius)
    return np.where(depth > 0, 2, 1), depth


@st.composite
def separate_discs(draw_from: st.DrawFn) -> list[Disc]:
    discs: list[Disc] = []
    for _ in range(draw_from(st.integers(0, 8))):
        disc = draw_from(st.tuples(st.floats(0, 95), st.floats(0, 95), st.floats(4, 14)))
        if all(np.hypot(disc[0] - y, disc[1] - x) > disc[2] + radius + 2 for y, x, radius in discs):
            discs.append(disc)
    return discs


blobs = st.integers(0, 2**32 - 1).map(
    lambda seed: np.where(ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(80, 72)), 3) > 0.02, 2, 1)
)


@given(separate_discs(), st.booleans())
@few
def test_separate_discs_come_back_each_once(discs, learnt):
    classes, depth = draw(discs)
    parts = split(predicted(classes, depth if learnt else None), EVERYTHING)
    assert len(parts) == ndimage.label(classes == 2, np.ones((3, 3)))[1] == len(discs)
    assert not parts.table["cut"].any()
    assert parts.table["aggregate"].is_unique


@pytest.mark.parametrize("learnt", [True, False])
@given(radius=st.floats(8, 18), ratio=st.floats(0.8, 1.25), angle=st.floats(0, np.pi))
@few
def test_two_touching_discs_split_unless_told_not_to(learnt, radius, ratio, angle):
    radius += 0 if learnt else 6  # the distance transform cannot tell the neck of two small discs from their own roughness
    second = radius * ratio
    gap = (radius + second - 1) / 2
    dy, dx = gap * np.sin(angle), gap * np.cos(angle)
    classes, depth = draw([(48 - dy, 48 - dx, radius), (48 + dy, 48 + dx, second)])
    prediction = predicted(classes, depth if learnt else None)
    parts = split(prediction, SplitConfig(strength=0.5))
    assert len(parts) == 2
    assert parts.table["cut"].all()
    assert parts.table["aggregate"].nunique() == 1
    assert len(split(prediction, SplitConfig(strength=0.0))) == 1


@given(blobs, st.sampled_from([0.0, 4.0, 10.0]), st.booleans())
@few
def test_more_strength_never_gives_fewer_particles(classes, min_diameter, learnt):
    random = np.random.default_rng(0)
    depth = np.clip(ndimage.gaussian_filter(random.normal(0.5, 1, classes.shape), 1), 0, 1)
    prediction = predicted(classes, depth if learnt else None)
    counts = [
        len(split(prediction, SplitConfig(strength=strength, min_diameter=min_diameter, certainty=0.0, fill_holes=False)))
        for strength in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    ]
    assert counts == sorted(counts)
    components, count = ndimage.label(classes == 2, np.ones((3, 3)))
    assert counts[0] == (np.bincount(components.ravel(), minlength=1)[1:] >= np.pi / 4 * min_diameter**2).sum() <= count


@given(blobs, st.floats(0, 1), st.floats(0, 3))
@few
def test_nothing_is_lost_and_every_particle_is_connected(classes, strength, smoothing):
    parts = split(
        predicted(classes), SplitConfig(strength=strength, smoothing=smoothing, min_diameter=0.0, certainty=0.0, fill_holes=False)
    )
    np.testing.assert_array_equal(parts.labels > 0, classes == 2)
    assert sorted(np.unique(parts.labels[parts.labels > 0])) == list(parts.table.index)
    for label in parts.table.index:
        assert ndimage.label(parts.labels == label, np.ones((3, 3)))[1] == 1


def test_a_shallow_dent_is_a_seam_where_particles_are_crowded_and_none_where_they_stand_apart():
    overlap = [(20.0, 20.0, 12.0), (20.0, 30.5, 12.0)]
    places = [(y, x) for y in range(60, 400, 40) for x in range(40, 400, 60)]
    apart = [(float(y), float(x), 9.0) for y, x in places]
    crowded = [*apart, *((y, x + 16, 9.0) for y, x, _ in apart)]
    for discs, pieces in ((apart, 1), (crowded, 2), (crowded[:: len(apart)], 1)):
        prediction = replace(predicted(*draw([*overlap, *discs], (420, 420))), size=20.0)
        labels = split(prediction, EVERYTHING).labels
        assert len(np.unique(labels[20, 14:36])) == pieces
        other = split(replace(prediction, size=0.0), EVERYTHING).labels  # a model for any size is used as it always was
        assert len(np.unique(other[20, 14:36])) == 1


@few
@given(classes=blobs, learnt=st.booleans())
def test_more_strength_never_gives_fewer_particles_where_they_are_crowded(classes, learnt):
    distance = ndimage.gaussian_filter(np.random.default_rng(5).uniform(size=classes.shape), 2) if learnt else None
    prediction = replace(predicted(classes, distance), size=8.0)
    counts = [len(split(prediction, replace(EVERYTHING, strength=strength))) for strength in np.linspace(0, 1, 6)]
    assert counts == sorted(counts)


@given(blobs, st.integers(0, 2**32 - 1), st.floats(0, 1))
@few
def test_labels_never_cross_classes(classes, seed, strength):
    rods = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=classes.shape), 4) > 0
    classes = np.where((classes == 2) & rods, 3, classes)
    parts = split(predicted(classes), SplitConfig(strength=strength, min_diameter=0.0, certainty=0.0))
    for label, particle in parts.table.iterrows():
        there = np.unique(classes[parts.labels == label])
        assert set(there) <= {1, particle["class_id"]}  # background only where a hole was filled
        assert particle["class"] == NAMES[particle["class_id"]]


@given(blobs, st.floats(0.05, 1))
@few
def test_the_count_does_not_depend_on_place_or_orientation(classes, strength):
    config = SplitConfig(strength=strength, min_diameter=0.0, certainty=0.0)
    classes = np.pad(classes, 8, constant_values=1)
    count = len(split(predicted(classes), config))
    assert count == len(split(predicted(classes.T), config))
    assert count == len(split(predicted(np.roll(classes, (5, -7), (0, 1))), config))


def test_ids_are_unique_over_a_stack_and_say_their_plane():
    first, _ = draw([(20, 20, 9), (20, 37, 9), (70, 60, 12)])
    second, _ = draw([(30, 40, 10)])
    parts = split(predicted(np.stack([first, np.ones_like(first), second])), SplitConfig())
    assert parts.labels.dtype == np.int32
    assert parts.labels.shape == (3, 96, 96)
    assert list(parts.table.index) == [1, 2, 3, 4]
    assert parts.table.index.name == "particle"
    assert list(parts.table["plane"]) == [0, 0, 0, 2]
    assert [sorted(np.unique(plane[plane > 0])) for plane in parts.planes()] == [[1, 2, 3], [], [4]]
    assert sorted(parts.table["aggregate"]) == [1, 1, 2, 3]
    assert len(parts) == 4


def test_the_table_is_complete_when_nothing_is_found():
    parts = split(predicted(np.ones((32, 32), int)), SplitConfig())
    assert isinstance(parts, Particles)
    assert list(parts.table.columns) == ["class", "class_id", "plane", "aggregate", "frame", "cut"]
    assert len(parts) == 0
    assert not parts.labels.any()


def test_every_setting_is_kept_for_the_recipe():
    config = SplitConfig(strength=0.7, certainty=0.3)
    assert SplitConfig.from_dict(split(predicted(draw([(40, 40, 9)])[0]), config).settings) == config


@pytest.mark.parametrize("size", [0.0, 20.0])
def test_what_somebody_stroked_as_a_particle_stays_however_unsure_the_model_is(size: float) -> None:
    classes = np.stack([draw([(24, 24, 10), (70, 70, 10), (24, 70, 2)])[0]] * 2)
    faint = replace(predicted(classes, sure=0.55), size=size)
    assert (len(split(faint, SplitConfig(certainty=0.5))), split(faint, SplitConfig(certainty=0.5)).uncertain) != (3, 0)
    strokes = np.zeros(classes.shape, bool)
    strokes[0, 23:26, 20:29] = True
    strokes[0, 23:26, 68:73] = True  # the stroke is all that there is: no particle
    parts = split(replace(faint, vouched=strokes), SplitConfig(certainty=0.5))
    assert len(parts) == 1
    assert parts.labels[0, 24, 24]
    assert (parts.labels[0] > 0).sum() == (draw([(24, 24, 10)])[0] == 2).sum()
    cut = replace(faint, vouched=strokes).at(0).within((slice(10, 40), slice(10, 40)))
    assert len(split(cut, SplitConfig(certainty=0.5))) == 1


def test_what_certainty_drops_is_counted_and_none_is_asked_where_depth_was_never_taught():
    classes, depth = draw([(30, 30, 12), (70, 70, 12)])
    depth[:50] *= 0.2
    prediction = predicted(classes, depth, sure=0.7)
    parts = split(prediction, SplitConfig())
    assert (len(parts), parts.uncertain) == (1, 1)
    assert parts.settings["certainty"] > 0
    untaught = replace(prediction, depth_taught=False)
    parts = split(untaught, SplitConfig())
    assert (len(parts), parts.uncertain, parts.settings["certainty"]) == (2, 0, 0)
    np.testing.assert_array_equal(parts.labels, split(replace(untaught, auxiliary={}), SplitConfig()).labels)


def test_small_components_are_dropped_and_small_fragments_joined():
    classes, depth = draw([(40, 40, 15), (80, 80, 3)])
    depth[40, 53:56] = 1.0  # a summit of its own at the edge of the large disc
    prediction = predicted(classes, depth)
    fine = SplitConfig(strength=1.0, smoothing=0.0, certainty=0.0, min_diameter=0.0)
    assert len(split(prediction, fine)) > 2
    parts = split(prediction, SplitConfig(strength=1.0, smoothing=0.0, certainty=0.0, min_diameter=8.0))
    assert len(parts) == 1
    assert (parts.labels > 0).sum() == (draw([(40, 40, 15)])[0] == 2).sum()


def test_a_component_without_any_landscape_is_still_one_particle():
    classes, _ = draw([(40, 40, 15)])
    parts = split(predicted(classes, np.zeros(classes.shape)), SplitConfig(certainty=0.0))
    assert len(parts) == 1


def test_unsure_particles_are_dropped_on_request():
    classes, depth = draw([(30, 30, 12), (70, 70, 12)])
    depth[:50] *= 0.2
    assert len(split(predicted(classes, depth, sure=0.7), SplitConfig())) == 1
    assert len(split(predicted(classes, depth, sure=0.7), SplitConfig(certainty=0.0))) == 2
    assert len(split(predicted(classes, depth, sure=0.98), SplitConfig(certainty=0.55))) == 2  # sure by its probability
    assert len(split(predicted(classes, depth, sure=0.98), SplitConfig())) == 1  # which alone is not enough where depth was learnt
    assert len(split(predicted(classes, sure=0.6), SplitConfig())) == 0


def test_holes_are_filled_but_never_the_gap_between_particles():
    ring = [(48 + 24 * np.sin(a), 48 + 24 * np.cos(a), 10) for a in np.arange(8) * np.pi / 4]
    classes, depth = draw(ring)
    classes[46:50, 70:74] = 1  # a hole in one of them
    parts = split(predicted(classes, depth), SplitConfig())
    assert len(parts) == 8
    assert (parts.labels[46:50, 70:74] > 0).all()
    assert parts.labels[48, 48] == 0
    assert (split(predicted(classes, depth), SplitConfig(fill_holes=False)).labels[46:50, 70:74] == 0).all()


def test_a_hole_that_was_drawn_as_background_is_left():
    classes, depth = draw([(48, 48, 30)])
    classes[40:56, 40:56] = 1
    found, drawn = predicted(classes, depth), np.zeros(classes.shape, bool)
    assert (split(found, SplitConfig()).labels[40:56, 40:56] > 0).all()
    drawn[44:46, 42:54] = True
    assert (split(replace(found, parted=drawn), SplitConfig()).labels[40:56, 40:56] == 0).all()
    assert (split(replace(found, parted=np.roll(drawn, 40, axis=0)), SplitConfig()).labels[40:56, 40:56] > 0).all()


def test_a_hole_that_holds_another_class_is_left():
    classes, _ = draw([(48, 48, 30)])
    y, x = np.mgrid[:96, :96]
    radius = np.hypot(y - 48, x - 48)
    classes[radius < 16] = 1
    classes[radius < 8] = 3
    parts = split(predicted(classes), SplitConfig(strength=0.0))
    assert len(parts) == 2
    assert (parts.labels[(radius > 9) & (radius < 15)] == 0).all()


def test_frame_and_invalid_area_are_flagged_and_left_out_on_request():
    classes, _ = draw([(2, 50, 9), (50, 50, 9), (80, 20, 9)])
    valid = np.ones(classes.shape, bool)
    valid[84:] = False
    prediction = predicted(classes, valid=valid)
    parts = split(prediction, SplitConfig())
    assert not parts.labels[~valid].any()
    assert sorted(parts.table["frame"]) == [False, True, True]
    inside = split(prediction, SplitConfig(exclude_frame=True))
    assert len(inside) == 1
    assert inside.labels[50, 50] == 1
    assert not inside.table["frame"].any()


def test_threshold_and_learnt_distance_are_honoured():
    classes, depth = draw([(40, 30, 12), (40, 53, 12)])
    prediction = predicted(classes, depth, sure=0.8)
    assert len(split(prediction, SplitConfig(threshold=0.85))) == 0
    flat = predicted(classes, np.where(classes == 2, 1.0, 0.0))
    assert len(split(flat, SplitConfig())) == 1  # the learnt map sees no dent
    assert len(split(flat, SplitConfig(auxiliary=False))) == 2


def test_anything_but_a_prediction_is_refused():
    with pytest.raises(TemsegError, match=r"temseg\.predict"):
        split(np.zeros((4, 4)), SplitConfig())  # type: ignore[arg-type]


@pytest.mark.skipif(not EMPS.is_dir(), reason="needs the emps micrographs (TEMSEG_DATA names their folder)")
def test_true_outlines_of_real_micrographs_are_split_into_their_particles():
    from napari_temseg.engine.particles.evaluation import evaluate, mean_score

    imageio = pytest.importorskip("imageio.v3")
    with (EMPS / "index.csv").open() as file:
        names = [entry["name"] for entry in csv.DictReader(file) if entry["part"] == "tune" and entry["touching"] == "True"][:6]
    scores = []
    for name in names:
        truth = imageio.imread(EMPS / "instances" / name).astype(np.int32)
        scores.append(evaluate(split(predicted(np.where(truth > 0, 2, 1)), SplitConfig()), truth))
    assert mean_score(scores)["ap50"] > 0.75


def test_a_stack_splits_plane_by_plane_and_can_be_cancelled():
    classes = np.stack([draw(discs)[0] for discs in ([(20, 20, 9), (60, 60, 9)], [], [(40, 40, 12)])])
    prediction = predicted(classes)
    job = iter_split(prediction, EVERYTHING)
    seen = list(job)
    assert [progress.fraction for progress in seen] == pytest.approx([1 / 3, 2 / 3, 1])
    assert [progress.metrics for progress in seen] == [
        {"plane": 0, "particles": 2},
        {"plane": 1, "particles": 2},
        {"plane": 2, "particles": 3},
    ]
    assert sorted(np.unique(job.result.labels)) == [0, 1, 2, 3] == [0, *job.result.table.index]
    assert job.result.table["plane"].tolist() == [0, 0, 2]
    for index in range(3):
        alone = split(prediction.at(index), EVERYTHING).labels
        assert ((alone > 0) == (job.result.labels[index] > 0)).all()
    cancelled = iter_split(prediction, EVERYTHING)
    next(cancelled)
    cancelled.cancel()
    assert list(cancelled) == []
    with pytest.raises(Cancelled):
        _ = cancelled.result


@pytest.mark.parametrize("learnt", [True, False])
def test_drawn_background_keeps_apart_what_lies_on_either_side_and_takes_nothing_away(learnt):
    mask = np.zeros((80, 120), bool)
    mask[30:50, 20:100] = True  # a rod that nothing but a stroke divides
    depth = np.minimum(ndimage.distance_transform_edt(mask) / 10, 1)
    prediction = predicted(1 + mask.astype(np.uint8), depth if learnt else None)
    assert len(split(prediction, SplitConfig())) == 1
    stroke = np.zeros(mask.shape, bool)
    stroke[26:54, 57:62] = True
    parts = split(replace(prediction, parted=stroke), SplitConfig())
    assert len(parts) == 2
    assert parts.labels[40, 30] != parts.labels[40, 90]
    np.testing.assert_array_equal(parts.labels > 0, mask)
    gone = np.zeros(mask.shape, bool)
    gone[:, 10:110] = True
    assert len(split(replace(prediction, parted=gone), SplitConfig())) == 0  # covered whole, it is no particle
    nearly = stroke.copy()
    nearly[:33] = False  # the hand did not quite reach the edge
    assert len(split(replace(prediction, parted=nearly), SplitConfig())) == 2
