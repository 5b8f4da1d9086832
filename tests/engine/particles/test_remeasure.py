"""After any correction, the tables are those that measuring everything anew would give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label as label_components

from napari_temseg import Calibration, Micrograph, Particles, Prediction, SplitConfig, TemsegError, measure, split
from napari_temseg.engine.measure.measurement import with_flags
from napari_temseg.engine.particles.edits import Patch, cut, delete, difference, merge, new_id, redraw, tidy
from napari_temseg.engine.particles.remeasure import corrected, remeasure, retable


def blobs(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    return noise / noise.std()


def found(seed: int, *, planes: int = 2, shape: tuple[int, int] = (56, 64), strength: float = 0.8) -> Particles:
    """What splitting makes of noise of two classes in a calibrated stack with a left-out corner and some pixels that are not finite."""
    rng = np.random.default_rng(seed)
    height = np.stack([blobs(rng, shape) for _ in range(planes)])
    foreground = 1 / (1 + np.exp(-3 * (height - 0.3)))
    rods = np.stack([blobs(rng, shape) for _ in range(planes)]) > 0.5
    probability = np.stack([1 - foreground, foreground * ~rods, foreground * rods], axis=1).astype(np.float16)
    valid = np.ones(shape, bool)
    valid[40:, 50:] = False
    data = rng.normal(100, 10, (planes, *shape)).astype(np.float32)
    data[:, 5:9, 20:30] = np.nan
    image = Micrograph(data, "NYX", Calibration((0.4, 0.5), "tag"), valid=valid)
    names = {1: "background", 2: "particle", 3: "rod"}
    prediction = Prediction(probability, (1, 2, 3), names, (probability.argmax(axis=1) + 1).astype(np.uint8), image)
    return split(prediction, SplitConfig(strength=strength, min_diameter=2, certainty=0.0))


def brushed(labels: np.ndarray, plane: int, number: int, rng: np.random.Generator) -> Patch | None:
    """What the viewer would do: paint discs of one number, then tidy up."""
    before = labels[plane].copy()
    painted = labels.copy()
    y, x = np.indices(before.shape)
    for _ in range(3):
        cy, cx = rng.uniform(0, before.shape[0]), rng.uniform(0, before.shape[1])
        painted[plane][np.hypot(y - cy, x - cx) < rng.uniform(1, 7)] = number
    repair = tidy(painted, plane, np.unique(painted[plane])[1:])
    if repair:
        repair.apply(painted)
    return difference(before, painted[plane], plane)


def touching(page: np.ndarray, number: int) -> np.ndarray:
    around = ndimage.binary_dilation(page == number, np.ones((3, 3)), 2)
    return np.setdiff1d(page[around], [0, number])


def any_correction(labels: np.ndarray, rng: np.random.Generator) -> Patch | None:
    plane = int(rng.integers(len(labels)))
    page = labels[plane]
    ids = np.setdiff1d(page, 0)
    number = int(rng.choice(ids)) if len(ids) else new_id(labels)
    corners = rng.uniform(0, 1, (4, 2)) * 20 + rng.uniform(-5, 45, 2)
    kind = rng.integers(6) if len(ids) else 3
    try:
        if kind == 0:
            return merge(labels, plane, [number, *rng.permutation(touching(page, number))[:2]])
        if kind == 1:
            middle, angle = np.argwhere(page == number).mean(axis=0), rng.uniform(0, np.pi)
            reach = 80 * np.array([np.sin(angle), np.cos(angle)])
            return cut(labels, plane, [middle - reach, middle + reach], [number] if rng.random() < 0.5 else None)
        if kind == 2:
            return delete(labels, plane, rng.permutation(ids)[: rng.integers(1, 4)])
        if kind == 3:
            return redraw(labels, plane, new_id(labels), corners)
        if kind == 4:
            return redraw(labels, plane, number, corners)
        return brushed(labels, plane, int(rng.choice([0, number, new_id(labels)])), rng)
    except TemsegError:
        return None


def expected_flags(labels: np.ndarray, valid: np.ndarray) -> pd.DataFrame:
    """Contacts, groups and frame found the slow way, plane by plane."""
    beside = ndimage.binary_dilation(np.pad(~valid, 1, constant_values=True))[1:-1, 1:-1]
    rows = []
    for plane, page in enumerate(labels):
        group = label_components(page > 0, connectivity=2)
        for number in np.setdiff1d(page, 0):  # a label in several pieces joins what they touch
            parts = np.unique(group[page == number])
            group[np.isin(group, parts)] = parts[0]
        for number in np.setdiff1d(page, 0):
            mask = page == number
            around = page[ndimage.binary_dilation(mask, np.ones((3, 3)))]
            cut_off = len(np.setdiff1d(around, [0, number])) > 0
            rows.append((number, plane, f"{plane}.{group[mask][0]}", beside[mask].any(), cut_off))
    return pd.DataFrame(rows, columns=["particle", "plane", "group", "frame", "cut"]).set_index("particle").sort_index()


def assert_in_step(particles: Particles) -> None:
    table, expected = particles.table.sort_index(), expected_flags(particles.labels, particles.micrograph.valid)
    assert table.index.tolist() == expected.index.tolist()
    for name in ("plane", "frame", "cut"):
        assert table[name].tolist() == expected[name].tolist(), name
    pairs = pd.DataFrame({"one": table["aggregate"].to_numpy(), "other": expected.group.to_numpy()}).drop_duplicates()
    assert pairs.one.is_unique
    assert pairs.other.is_unique


@given(seed=st.integers(0, 100_000))
@settings(max_examples=12, deadline=None)
def test_measuring_what_changed_equals_measuring_everything(seed):
    rng = np.random.default_rng(seed)
    particles = found(seed)
    measurement = measure(particles)
    for _ in range(4):
        patch = any_correction(particles.labels, rng)
        if patch is None:
            continue
        before = particles.table
        assert particles.pixels_by_label[0] > 0, "which were counted before"
        particles = corrected(particles, patch)
        assert_in_step(particles)
        counted = np.bincount(particles.labels.ravel(), minlength=len(particles.pixels_by_label))
        np.testing.assert_array_equal(particles.pixels_by_label, counted)
        assert particles.table.dtypes.to_dict() == before.dtypes.to_dict()
        measurement = remeasure(measurement, particles, patch)
        pd.testing.assert_frame_equal(measurement.table, measure(particles).table, check_exact=True)


@given(seed=st.integers(0, 100_000))
@settings(max_examples=15, deadline=None)
def test_taking_a_correction_back_restores_the_tables(seed):
    particles = found(seed, planes=1)
    measurement = measure(particles)
    patch = any_correction(particles.labels.reshape(1, *particles.labels.shape[-2:]), np.random.default_rng(seed))
    if patch is None:
        return
    after = corrected(particles, patch)
    class_of = particles.table["class_id"].to_dict()
    back = corrected(after, patch.inverse(), class_of)
    columns = ["class", "class_id", "plane", "frame", "cut"]
    pd.testing.assert_frame_equal(back.table[columns], particles.table[columns], check_index_type=False)
    again = remeasure(remeasure(measurement, after_labels(after, patch), patch), back_labels(back, patch), patch.inverse())
    names = [name for name in measurement.table.columns if name != "aggregate"]
    pd.testing.assert_frame_equal(again.table[names], measurement.table[names], check_exact=True)


def after_labels(particles: Particles, patch: Patch) -> Particles:
    """The labels are shared by all versions: put them where this version had them."""
    patch.apply(particles.labels)
    return particles


def back_labels(particles: Particles, patch: Patch) -> Particles:
    patch.revert(particles.labels)
    return particles


def scene() -> Particles:
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 5:15], labels[10:20, 15:25], labels[10:20, 25:35] = 1, 2, 3  # a row of three
    labels[30:38, 5:12], labels[30:38, 12:20], labels[2:6, 50:55] = 4, 5, 6  # a pair, and one alone
    table = pd.DataFrame(
        {
            "class": pd.Series(["particle", "rod", "rod", "particle", "particle", "particle"], dtype=object),
            "class_id": [2, 3, 3, 2, 2, 2],
            "plane": 0,
            "aggregate": [1, 1, 1, 2, 2, 3],
            "frame": False,
            "cut": [True] * 5 + [False],
        }
    ).set_index(pd.RangeIndex(1, 7, name="particle"))
    return Particles(labels, table, Micrograph(np.zeros(labels.shape)))


def test_groups_fall_apart_join_and_otherwise_keep_their_ids():
    parts = corrected(scene(), delete(scene().labels, 0, [2]))
    assert parts.table["aggregate"].to_dict() == {1: 1, 3: 4, 4: 2, 5: 2, 6: 3}
    assert parts.table.cut.to_dict() == {1: False, 3: False, 4: True, 5: True, 6: False}
    bridge = redraw(parts.labels, 0, 9, [[18, 6], [18, 10], [31, 10], [31, 6]])
    joined = corrected(parts, bridge)
    assert joined.table["aggregate"].to_dict() == {1: 1, 3: 4, 4: 1, 5: 1, 6: 3, 9: 1}
    assert joined.table.cut.to_dict() == {1: True, 3: False, 4: True, 5: True, 6: False, 9: True}


@pytest.mark.parametrize("side", [np.s_[:14], np.s_[:, :14], np.s_[23:], np.s_[:, 23:]])
def test_particles_beside_what_is_left_out_are_flagged_wherever_that_lies(side):
    valid = np.ones((40, 40), bool)
    valid[side] = False
    labels = np.zeros((40, 40), np.int32)
    table = scene().table.iloc[:0]
    particles = Particles(labels, table, Micrograph(np.zeros(labels.shape), valid=valid))
    beside, apart = ([[14, 14], [14, 22], [22, 22], [22, 14]], [[16, 16], [16, 20], [20, 20], [20, 16]])
    for outline, flag in ((beside, True), (apart, False)):
        after = corrected(particles, redraw(labels, 0, 1, outline))
        assert after.table.frame.tolist() == [flag]
        assert measure(after).table.frame.tolist() == [flag]
        assert measure(Particles(labels, after.table.assign(frame=False), particles.micrograph)).table.frame.tolist() == [flag]
        labels[:] = 0


def test_new_labels_inherit_their_class_unless_told_otherwise():
    pieces = corrected(scene(), cut(scene().labels, 0, [[15.2, 0], [15.2, 40]]))
    assert pieces.table["class"].to_dict() == {1: "particle", 2: "rod", 3: "rod", 4: "particle", 5: "particle", 6: "particle"} | {
        7: "particle",
        8: "rod",
        9: "rod",
    }
    outline = redraw(scene().labels, 0, 7, [[25, 30], [25, 39], [34, 39], [34, 30]])
    assert corrected(scene(), outline).table.loc[7].to_dict() == {
        "class": "particle",
        "class_id": 2,
        "plane": 0,
        "aggregate": 4,
        "frame": False,
        "cut": False,
    }
    assert corrected(scene(), outline, {7: 3}).table.loc[7, "class"] == "rod"
    assert corrected(scene(), outline, {7: 8}).table.loc[7, "class"] == "class 8"


def test_the_labels_are_changed_in_place_and_shared():
    particles = scene()
    patch = delete(particles.labels, 0, [6])
    after = corrected(particles, patch)
    assert after.labels is particles.labels
    assert 6 not in after.labels
    assert 6 in particles.table.index
    assert 6 not in after.table.index
    assert retable(particles.table, after.labels, patch).equals(after.table)


def test_the_last_particle_may_go_and_a_first_one_come():
    labels = np.zeros((20, 20), np.int32)
    labels[5:9, 5:9] = 3
    table = scene().table.loc[[3]]
    particles = Particles(labels, table, Micrograph(np.zeros(labels.shape), valid=np.ones(labels.shape, bool)))
    patch = delete(labels, 0, [3])
    measurement = measure(particles)
    empty = corrected(particles, patch)
    none = remeasure(measurement, empty, patch)
    assert len(none) == len(empty) == 0
    pd.testing.assert_frame_equal(none.table, measure(empty).table, check_exact=True)
    outline = redraw(labels, 0, 1, [[0, 2], [0, 9], [9, 9], [9, 2]])
    first = corrected(empty, outline)
    assert first.table.loc[1, ["aggregate", "frame", "cut"]].tolist() == [1, True, False]
    pd.testing.assert_frame_equal(remeasure(none, first, outline).table, measure(first).table, check_exact=True)


def test_only_particles_that_stayed_keep_what_a_person_said_of_them():
    particles = scene()
    measurement = with_flags(measure(particles), {1: "overlapping", 5: "not a particle", 6: "debris"}, reviewed=[1, 2, 4, 6])
    patch = merge(particles.labels, 0, [1, 2])
    table = remeasure(measurement, corrected(particles, patch), patch).table.set_index("particle")
    assert table.excluded.to_dict() == {1: "", 3: "", 4: "", 5: "not a particle", 6: "debris"}
    assert table.reviewed.to_dict() == {1: False, 3: False, 4: True, 5: False, 6: True}


def test_a_pixel_size_typed_when_measuring_stays():
    particles = scene()
    measurement = measure(particles, pixel_size=(2.0, 1.0))
    patch = cut(particles.labels, 0, [[15.2, 0], [15.2, 12], [20, 12], [25, 12]])
    after = corrected(particles, patch)
    expected = measure(after, pixel_size=(2.0, 1.0)).table
    pd.testing.assert_frame_equal(remeasure(measurement, after, patch).table, expected, check_exact=True)


def test_particles_whose_table_was_left_behind_are_named():
    particles = scene()
    measurement = measure(particles)
    patch = redraw(particles.labels, 0, 7, [[25, 30], [25, 39], [34, 39], [34, 30]])
    patch.apply(particles.labels)
    with pytest.raises(TemsegError, match="label 7 has no row"):
        remeasure(measurement, particles, patch)
