"""Descriptors against shapes whose values are known on paper, against scikit-image, and against what must never change."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import label as label_components
from skimage.measure import perimeter_crofton, regionprops_table
from skimage.morphology import convex_hull_image

from napari_temseg import Calibration, Measurement, Micrograph, Particles, Prediction, Source, TemsegError, measure
from napari_temseg.engine.measure.calibrated import recalibrated
from napari_temseg.engine.measure.measurement import definitions, with_flags

RNG = np.random.default_rng(0)


def painted(member, *, reach: float, scale=(1.0, 1.0), offset=(0.0, 0.0)) -> np.ndarray:
    """One label where member(y, x), in the unit of `scale` about the middle, holds at the pixel's centre."""
    ny, nx = int(reach / scale[0]) + 3, int(reach / scale[1]) + 3
    y, x = np.mgrid[-ny : ny + 1, -nx : nx + 1]
    return member(y * scale[0] - offset[0], x * scale[1] - offset[1]).astype(np.int32)


def disc(d, **where):
    return painted(lambda y, x: y**2 + x**2 < (d / 2) ** 2, reach=d / 2 + 1, **where)


def turned(length, width, angle, *, ellipse=False, **where):
    c, s = np.cos(angle), np.sin(angle)

    def member(y, x):
        u, v = (x * c - y * s) / (length / 2), (x * s + y * c) / (width / 2)  # y runs down, angles anticlockwise as seen
        return u**2 + v**2 < 1 if ellipse else (abs(u) < 1) & (abs(v) < 1)

    return painted(member, reach=np.hypot(length, width) / 2 + 1, **where)


def sweep(paint, n=30) -> pd.DataFrame:
    """Descriptors of the same shape at many sub-pixel places."""
    return pd.concat([measure(paint(offset=tuple(RNG.uniform(-0.5, 0.5, 2)))).table for _ in range(n)])


def blobs(seed: int, shape=(60, 70)) -> np.ndarray:
    """Irregular particles, some with holes, some at the frame, numbered with gaps."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    for axis in (0, 1):
        noise = sum(np.roll(noise, k, axis) for k in range(-3, 4))
    return label_components(noise > noise.std()).astype(np.int32) * 5


@pytest.mark.parametrize(
    ("d", "ecd", "largest", "least", "perimeter"), [(10, 1, 7, 5, 2), (20, 0.4, 4, 3, 1.5), (40, 0.2, 2, 2, 1), (80, 0.1, 1, 1, 0.5)]
)
def test_discs_at_sub_pixel_places(d, ecd, largest, least, perimeter):
    mean = sweep(lambda **w: disc(d, **w)).mean(numeric_only=True)
    assert mean.ecd_px == pytest.approx(d, rel=ecd / 100)
    assert mean.feret_max_px == pytest.approx(d, rel=largest / 100)
    assert mean.feret_min_px == pytest.approx(d, rel=least / 100)
    assert mean.perimeter_px == pytest.approx(np.pi * d, rel=perimeter / 100)
    assert mean.ellipse_major_px == pytest.approx(d, rel=3 * ecd / 100)
    assert mean.form_factor == pytest.approx(1, abs=0.02)
    assert mean.solidity == 1


def test_a_large_disc_has_the_values_of_a_circle():
    row = measure(disc(400)).table.iloc[0]
    for name in ("aspect_ratio", "circularity", "form_factor", "solidity", "compactness", "roundness"):
        assert row[name] == pytest.approx(1, abs=0.01), name
    assert row.extent == pytest.approx(np.pi / 4, abs=0.005)
    assert row.feret_mean_px == pytest.approx(400, rel=0.002)


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 130, 179])
def test_an_ellipse_and_which_way_it_lies(degrees):
    row = measure(turned(80, 40, np.radians(degrees), ellipse=True, offset=(0.3, 0.2))).table.iloc[0]
    assert row.ellipse_major_px == pytest.approx(80, rel=0.01)
    assert row.ellipse_minor_px == pytest.approx(40, rel=0.01)
    assert row.feret_max_px == pytest.approx(80, rel=0.02)
    assert row.feret_min_px == pytest.approx(40, rel=0.03)
    assert row.aspect_ratio == pytest.approx(0.5, rel=0.03)
    assert 0 <= row.orientation < 180
    assert abs((row.orientation - degrees + 90) % 180 - 90) < 1


def test_a_square_at_any_angle():
    table = pd.concat([sweep(lambda angle=angle, **w: turned(60, 60, angle, **w), 6) for angle in np.linspace(0, np.pi / 2, 7)])
    mean = table.mean(numeric_only=True)
    assert mean.feret_max_px == pytest.approx(60 * np.sqrt(2), rel=0.02)
    assert mean.feret_min_px == pytest.approx(60, rel=0.01)
    assert mean.feret_mean_px == pytest.approx(4 * 60 / np.pi, rel=0.02)
    assert mean.compactness == pytest.approx(0.798, rel=0.02)
    assert mean.roundness == pytest.approx(0.637, rel=0.035)
    assert mean.form_factor == pytest.approx(0.785, rel=0.06)  # Crofton in 4 directions: exact at some angles, 12 % off at others
    assert mean.circularity == pytest.approx(0.886, rel=0.03)
    assert (table.solidity == 1).all()


def test_an_upright_rectangle_is_exact_across_and_cuts_its_corners():
    row = measure(np.pad(np.ones((20, 100), np.int32), 2)).table.iloc[0]
    assert row.area_px2 == 2000
    assert row.feret_min_px == pytest.approx(20, rel=0.002)
    assert row.feret_max_px == pytest.approx(np.hypot(20, 100), rel=0.01)
    assert row.solidity == 1
    assert row.orientation == pytest.approx(0)
    assert (row.bbox_top_px, row.bbox_left_px, row.bbox_bottom_px, row.bbox_right_px) == (2, 2, 22, 102)
    assert (row.centroid_y_px, row.centroid_x_px) == (11.5, 51.5)


def test_a_five_to_one_rectangle_at_any_angle():
    table = pd.concat([sweep(lambda angle=angle, **w: turned(100, 20, angle, **w), 4) for angle in np.linspace(0, np.pi, 13)])
    mean = table.mean(numeric_only=True)
    assert mean.form_factor == pytest.approx(0.436, rel=0.05)
    assert mean.feret_min_px == pytest.approx(20, rel=0.015)
    assert mean.feret_max_px == pytest.approx(np.hypot(100, 20), rel=0.01)


def test_an_l_of_three_squares():
    labels = np.pad(np.ones((80, 80), np.int32), 1)
    labels[1:41, 41:81] = 0
    row = measure(labels).table.iloc[0]
    assert row.solidity == pytest.approx(0.857, rel=0.01)


def test_a_ring_keeps_its_hull_and_gains_an_inner_edge():
    labels = disc(60) - np.pad(disc(20), 20)
    row = measure(labels).table.iloc[0]
    assert row.area_px2 == pytest.approx(np.pi * (900 - 100), rel=0.01)
    assert row.perimeter_px == pytest.approx(np.pi * 80, rel=0.02)
    assert row.solidity == pytest.approx(8 / 9, rel=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_the_smallest_particles_have_finite_sizes(shape):
    row = measure(np.pad(np.ones(shape, np.int32), 3)).table.iloc[0]
    assert 0 < row.feret_min_px <= row.feret_mean_px <= row.feret_max_px
    assert max(shape) <= row.feret_max_px <= np.hypot(*shape)
    assert row.solidity == 1
    assert row.small


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_image(seed):
    labels = blobs(seed)
    table = measure(labels).table
    names = ("area", "centroid", "bbox", "axis_major_length", "axis_minor_length", "orientation", "image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = regionprops_table(labels, properties=("label", *names))
    assert np.array_equal(table.particle, peer["label"])
    ours = (
        "area_px2",
        "centroid_y_px",
        "centroid_x_px",
        "bbox_top_px",
        "bbox_left_px",
        "bbox_bottom_px",
        "bbox_right_px",
        "ellipse_major_px",
    )
    theirs = ("area", "centroid-0", "centroid-1", "bbox-0", "bbox-1", "bbox-2", "bbox-3", "axis_major_length")
    for mine, other in zip(ours, theirs, strict=True):
        assert np.allclose(table[mine], peer[other]), mine
    assert np.allclose(table.ellipse_minor_px, peer["axis_minor_length"], atol=1e-6)
    small = (table.ecd_px <= 8).to_numpy()  # larger ones go by more directions than four
    assert small.any()
    four = np.array([perimeter_crofton(np.pad(image, 1), directions=4) for image in peer["image"]])
    assert np.allclose(table.perimeter_px[small], four[small])
    round_ones = table.ellipse_minor_px >= 0.99 * table.ellipse_major_px
    apart = (table.orientation - np.degrees(peer["orientation"]) - 90 + 90) % 180 - 90
    assert (abs(apart)[~round_ones] < 1e-6).all()


@pytest.mark.parametrize("seed", range(3))
def test_ferets_and_solidity_agree_with_a_slow_way(seed):
    labels = blobs(seed)
    for row in measure(labels).table.itertuples():
        points = np.argwhere(labels == row.particle)
        if np.linalg.matrix_rank(points - points[0]) < 2:
            continue
        hull = ConvexHull(points)
        inside = convex_hull_image(labels == row.particle, offset_coordinates=False).sum()
        assert row.solidity == pytest.approx(row.area_px2 / inside)
        margin = max(np.roots([np.pi, hull.area, hull.volume - inside]))  # area of the parallel body; "area" is the length in 2-D
        projected = points[hull.vertices] @ hull.equations[:, :2].T
        assert row.feret_max_px == pytest.approx(pdist(points[hull.vertices]).max() + 2 * margin)
        assert row.feret_min_px == pytest.approx(np.ptp(projected, axis=0).min() + 2 * margin)
        assert row.feret_mean_px == pytest.approx(hull.area / np.pi + 2 * margin)


@given(seed=st.integers(0, 10_000), dy=st.integers(0, 40), dx=st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_moving_particles_changes_nothing_but_their_place(seed, dy, dx):
    labels = blobs(seed, (30, 40))
    here, there = measure(labels).table, measure(np.pad(labels, ((dy, 3), (dx, 2)))).table
    place = [name for name in here.columns if name.startswith(("centroid", "bbox"))]
    at_frame = ["frame", "visible_share", "ecd_whole_px", "neighbour_censored"]
    same = [name for name in here.columns if name not in [*place, *at_frame, "orientation"]]
    pd.testing.assert_frame_equal(here[same], there[same])
    assert np.allclose(there.centroid_y_px - here.centroid_y_px, dy)
    assert np.allclose(there.bbox_right_px - here.bbox_right_px, dx)


@given(seed=st.integers(0, 10_000), quarters=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_quarter_turns_change_nothing_but_the_angle(seed, quarters):
    labels = blobs(seed, (30, 40))
    here, there = measure(labels).table, measure(np.rot90(labels, quarters)).table
    for name in (
        "area_px2",
        "feret_max_px",
        "feret_min_px",
        "feret_mean_px",
        "perimeter_px",
        "solidity",
        "ellipse_major_px",
        "frame",
        "aggregate",
    ):
        assert np.allclose(here[name], there[name]), name
    lying = here.ellipse_major_px > 1.05 * here.ellipse_minor_px
    turn = (there.orientation - here.orientation - 90 * quarters + 90) % 180 - 90
    assert (abs(turn[lying]) < 1e-6).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_bounds_that_hold_for_every_particle(seed):
    table = measure(blobs(seed, (40, 40))).table
    tiny = 1e-9
    assert (table.feret_min_px <= table.feret_mean_px + tiny).all()
    assert (table.feret_mean_px <= table.feret_max_px + tiny).all()
    assert (table.ecd_px <= table.feret_max_px + tiny).all()  # isodiametric inequality
    assert table.solidity.between(0, 1).all()
    assert table.compactness.between(0, 1 + tiny).all()
    assert table.roundness.between(0, 1 + tiny).all()
    assert table.orientation.between(0, 180, inclusive="left").all()
    assert (table.area_px2 <= (table.bbox_bottom_px - table.bbox_top_px) * (table.bbox_right_px - table.bbox_left_px)).all()


@given(seed=st.integers(0, 10_000), size=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_lengths_follow_the_pixel_size(seed, size):
    labels = blobs(seed, (30, 30))
    bare, nm = measure(labels), measure(labels, pixel_size=size)
    for name, (_, unit, _) in definitions("nm").items():
        power = {"nm": 1, "nm²": 2}.get(unit)
        if power:
            assert np.allclose(nm.table[name], bare.table[bare.column(name.rsplit("_nm", 1)[0])] * size**power, equal_nan=True), name
    for name in ("aspect_ratio", "form_factor", "solidity", "extent"):
        assert np.allclose(nm.table[name], bare.table[name]), name


@pytest.mark.parametrize("scale", [(1.0, 2.0), (2.0, 1.0), (0.5, 0.8)])
def test_pixels_that_are_not_square_give_the_same_particle(scale):
    along = turned(90, 45, 0.6, ellipse=True)
    square = measure(along, pixel_size=1.0).table.iloc[0]
    oblong = measure(turned(90, 45, 0.6, ellipse=True, scale=scale), pixel_size=scale).table.iloc[0]
    for name in ("area_nm2", "ecd_nm", "feret_max_nm", "feret_min_nm", "feret_mean_nm", "ellipse_major_nm", "ellipse_minor_nm"):
        assert oblong[name] == pytest.approx(square[name], rel=0.025), name
    assert oblong.orientation == pytest.approx(square.orientation, abs=1)
    assert oblong.form_factor == pytest.approx(square.form_factor, rel=0.08)
    round_one = measure(disc(80, scale=scale, offset=(0.3, 0.2)), pixel_size=scale).table.iloc[0]
    assert round_one.perimeter_nm == pytest.approx(np.pi * 80, rel=0.015)
    assert round_one.feret_min_nm == pytest.approx(80, rel=0.02)
    assert round_one.feret_max_nm == pytest.approx(80, rel=0.025)


def test_units_of_the_pixel_size():
    in_angstrom = measure(disc(30), pixel_size=2.0, unit="Å")
    assert in_angstrom.length_unit == "nm"
    assert in_angstrom.table.ecd_nm[0] == pytest.approx(6.0, rel=0.01)
    assert in_angstrom.calibration.origin == "typed"


def test_every_column_is_defined_in_order():
    for measurement in (measure(disc(20)), measure(disc(20), pixel_size=2.0)):
        assert list(measurement.table.columns) == list(definitions(measurement.length_unit))
    assert definitions("nm")["ecd_nm"] == ("equivalent circular diameter √(4A/π)", "nm", 1)
    assert definitions("px")["area_px2"][1] == "px²"


def test_column_finds_the_name_with_its_unit():
    nm = measure(disc(20), pixel_size=2.0)
    assert nm.column("ecd") == "ecd_nm"
    assert nm.column("area") == "area_nm2"
    assert nm.column("solidity") == "solidity"
    assert nm.column("frame") == "frame"
    with pytest.raises(TemsegError, match="no column “diameter”"):
        nm.column("diameter")


def test_no_particles_give_an_empty_table_with_all_columns():
    for labels in (np.zeros((20, 30), np.int32), np.zeros((3, 20, 30), np.uint16)):
        empty = measure(labels, pixel_size=0.5)
        assert len(empty) == 0
        assert list(empty.table.columns) == list(definitions("nm"))
        assert empty.frame == (20, 30)
        assert empty.valid_area == 600


def test_tables_have_the_same_types_with_and_without_particles():
    none, some = measure(np.zeros((20, 30), np.int32)).table, measure(disc(20)).table
    assert none.dtypes.to_dict() == some.dtypes.to_dict()


def test_particles_count_and_are_unseen_until_someone_says_otherwise():
    measurement = measure(blobs(0))
    table = measurement.table
    assert (table.excluded == "").all()
    assert not table.reviewed.any()
    one, other, third = table.particle[[4, 2, 7]]
    flagged = with_flags(measurement, {one: "overlapping", other: "debris"}, reviewed=[third, one])
    assert flagged.table.set_index("particle").excluded[lambda reason: reason != ""].to_dict() == {one: "overlapping", other: "debris"}
    assert set(flagged.table.particle[flagged.table.reviewed]) == {one, third}
    assert (table.excluded == "").all()  # the first is as it was
    assert not table.reviewed.any()
    back = with_flags(flagged, {one: ""}, unreviewed=[third])
    assert back.table.particle[back.table.excluded != ""].tolist() == [other]
    assert back.table.particle[back.table.reviewed].tolist() == [one]
    assert back.table.dtypes.to_dict() == table.dtypes.to_dict()
    pd.testing.assert_frame_equal(with_flags(back, {other: ""}, unreviewed=[one]).table, table)
    pd.testing.assert_frame_equal(with_flags(measurement).table, table)


@pytest.mark.parametrize("flags", [{"excluded": {99: "debris"}}, {"reviewed": [1, 99]}, {"unreviewed": [99]}])
def test_flags_of_particles_that_are_not_there_are_refused(flags):
    with pytest.raises(TemsegError, match="labels: there is no particle 99"):
        with_flags(measure(disc(20)), **flags)


def test_particles_that_touch_share_an_aggregate():
    labels = np.zeros((30, 40), np.uint8)
    labels[5:10, 5:10], labels[10:15, 10:15], labels[15:20, 9:10] = 7, 3, 9  # a corner, then another corner
    labels[25:28, 30:35] = 4
    table = measure(labels).table.set_index("particle")
    assert table["aggregate"].to_dict() == {3: 3, 4: 4, 7: 3, 9: 3}
    assert table.cut.to_dict() == {3: True, 4: False, 7: True, 9: True}


def test_the_frame_flag_and_small_particles():
    labels = np.zeros((60, 60), np.int32)
    labels[0:5, 10:15], labels[20:25, 55:60], labels[30:55, 5:30] = 1, 2, 3
    table = measure(labels).table
    assert table.frame.tolist() == [True, True, False]
    assert table.small.tolist() == [True, True, False]


def micrograph(data: np.ndarray, **more) -> Micrograph:
    return Micrograph(data, source=Source("somewhere/grid_07.tif", content_hash="abc"), **more)


def particles(labels: np.ndarray, image: Micrograph, **more) -> Particles:
    ids = np.unique(labels[labels > 0])
    table = pd.DataFrame(
        {"class": "rod", "class_id": 2, "plane": 0, "aggregate": ids * 10, "frame": False, "cut": ids % 2 == 0},
        index=pd.Index(ids, name="particle"),
    )
    return Particles(labels, table, image, **more)


def test_particles_bring_their_micrograph_and_table():
    labels = np.zeros((40, 50), np.int32)
    labels[2:12, 2:12], labels[20:30, 20:40] = 4, 11
    data = np.where(labels == 4, 100, 200).astype(np.uint8)
    data[2:12:2] += 10
    valid = np.ones((40, 50), bool)
    valid[:, 40:] = False
    image = micrograph(data, calibration=Calibration((0.5, 0.5), "tag"), valid=valid, sample="batch A")
    result = measure(particles(labels, image))
    assert isinstance(result, Measurement)
    assert (result.image, result.sample, result.axes, result.edge) == ("grid_07", "batch A", "YX", "label mask")
    assert (result.valid_area, result.n_planes, result.content_hash) == (1600, 1, "abc")
    table = result.table
    assert table.image.tolist() == ["grid_07"] * 2
    assert table["class"].tolist() == ["rod", "rod"]
    assert table["aggregate"].tolist() == [40, 110]
    assert table.cut.tolist() == [True, False]
    assert table.frame.tolist() == [False, True]  # beside what is left out
    assert table.area_nm2.tolist() == [25, 50]
    assert table.intensity_mean.tolist() == [105, 200]
    assert table.intensity_sd.tolist() == [5, 0]
    assert table.probability_mean.isna().all()
    replaced = measure(particles(labels, image), pixel_size=(1.0, 2.0))
    assert replaced.table.area_nm2.tolist() == [200, 400]
    assert replaced.calibration.origin == "typed"


def test_probability_is_that_of_the_foreground():
    labels = np.zeros((12, 12), np.int32)
    labels[2:8, 2:8] = 1
    image = micrograph(np.zeros((12, 12), np.float32))
    foreground = np.where(labels, 0.75, 0.25)
    prediction = Prediction(
        np.stack([1 - foreground, foreground]).astype(np.float16),
        (1, 2),
        {1: "background", 2: "particle"},
        (labels + 1).astype(np.uint8),
        image,
    )
    result = measure(particles(labels, image, prediction=prediction))
    assert result.table.probability_mean[0] == pytest.approx(0.75)
    assert result.edge == "mask of pixel centres at probability 0.5"


def test_a_stack_over_time_takes_each_plane_for_itself():
    labels = np.zeros((3, 16, 16), np.int32)
    labels[0, 3:9, 3:9], labels[2, 5:8, 5:8] = 1, 2
    data = np.zeros((3, 16, 16), np.uint16) + np.array([10, 20, 30], np.uint16)[:, None, None]
    image = micrograph(data, axes="TYX")
    foreground = np.zeros((3, 16, 16)) + np.array([0.5, 0, 1])[:, None, None]
    prediction = Prediction(
        np.stack([1 - foreground, foreground], axis=1).astype(np.float16),
        (1, 2),
        {1: "background", 2: "particle"},
        labels.astype(np.uint8),
        image,
    )
    result = measure(particles(labels, image, prediction=prediction, settings={"threshold": 0.4}))
    assert (result.axes, result.n_planes, result.frame) == ("TYX", 3, (16, 16))
    assert result.table.plane.tolist() == [0, 2]
    assert result.table.intensity_mean.tolist() == [10, 30]
    assert result.table.probability_mean.tolist() == [0.5, 1]
    assert result.edge.endswith("at probability 0.4")


def test_pixels_that_are_not_finite_have_no_say_in_the_intensity():
    labels = np.zeros((20, 20), np.int32)
    labels[2:6, 2:6], labels[10:14, 10:14] = 1, 2
    data = np.full((20, 20), 3.0)
    data[2:4, 2:6], data[10:14, 10:14] = np.nan, np.nan
    table = measure(particles(labels, micrograph(data))).table
    assert table.intensity_mean[0] == 3
    assert table.intensity_sd[0] == 0
    assert np.isnan(table.intensity_mean[1])


def test_a_stack_is_measured_plane_by_plane():
    planes = np.stack([blobs(1), blobs(2)])
    planes[1][planes[1] > 0] += 1000
    together = measure(planes).table
    apart = [measure(plane).table for plane in planes]
    assert together.plane.tolist() == [0] * len(apart[0]) + [1] * len(apart[1])
    assert np.allclose(together.feret_min_px, pd.concat(apart).feret_min_px)
    assert measure(planes).axes == "NYX"


def test_numbers_that_start_anew_in_each_plane_are_measured_on_request():
    planes = np.stack([blobs(1), blobs(2)])
    together = measure(planes, labels_per_plane=True).table
    apart = pd.concat([measure(plane).table for plane in planes])
    assert np.allclose(together.ecd_px, apart.ecd_px)
    assert together.particle.is_unique
    assert together.plane.nunique() == 2


def test_very_large_labels_cost_nothing():
    labels = np.zeros((20, 20), np.int64)
    labels[3:9, 3:9] = 2**40
    assert measure(labels).table.particle.tolist() == [2**40]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((5, 5), bool), "label it first"),
        (np.ones((5, 5), np.float32), "whole numbers, not float32"),
        (np.full((5, 5), -3), "negative number -3"),
        (np.ones(5, int), r"\(Y, X\)"),
        (np.ones((2, 2, 5, 5), int), r"\(Y, X\)"),
        (np.ones((0, 5), int), "not empty"),
        (np.ones((2, 5, 5), int), "label 1 goes on from plane 0 to plane 1, as for particles in 3-D .*--labels-per-plane"),
        (
            np.stack([np.eye(5, dtype=int), np.eye(5, dtype=int)[::-1] * (1 - np.eye(5, dtype=int))]),
            "on more than one plane; .*--labels-per-plane",
        ),
    ],
)
def test_what_is_no_label_image_is_refused(labels, message):
    with pytest.raises(TemsegError, match=message):
        measure(labels)


@pytest.mark.parametrize("size", [0, -1.0, (1.0, 0.0), float("nan"), (1.0, 2.0, 3.0)])
def test_what_is_no_pixel_size_is_refused(size):
    with pytest.raises(TemsegError, match="pixel size"):
        measure(disc(10), pixel_size=size)


def test_a_unit_that_is_no_length_is_refused():
    with pytest.raises(TemsegError, match="not a unit of length"):
        measure(disc(10), pixel_size=1.0, unit="1/nm")


def test_a_label_without_a_row_is_named():
    labels = np.zeros((12, 12), np.int32)
    labels[2:5, 2:5] = 1
    stale = particles(labels, micrograph(np.zeros((12, 12))))
    labels[7:9, 7:9] = 6
    with pytest.raises(TemsegError, match="grid_07: label 6 has no row"):
        measure(stale)


@pytest.mark.parametrize("known", [Calibration((0.25, 0.25), "typed", factor=1.02), Calibration()])
@pytest.mark.parametrize("before", [Calibration((3.0, 3.0), "tag"), Calibration()])
def test_another_pixel_size_scales_to_what_measuring_anew_gives(known, before):
    labels = np.zeros((60, 60), np.int32)
    labels[5:20, 5:25], labels[30:52, 31:40], labels[30:40, 45:60] = 1, 2, 3
    pixel_size = {} if before.pixel_size is None else {"pixel_size": before.pixel_size}
    scaled = recalibrated(with_flags(measure(labels, **pixel_size), {2: "cut"}), known)
    fresh = with_flags(measure(labels, **({} if known.pixel_size is None else {"pixel_size": known.scale})), {2: "cut"})
    pd.testing.assert_frame_equal(scaled.table, fresh.table)
    assert scaled.calibration == known
    assert recalibrated(scaled, Calibration((1.0, 2.0), "typed")) is None


def test_rectangles_of_least_area_and_convexity():
    row = measure(turned(60, 20, 30)).table.iloc[0]
    assert (row.rect_length_px, row.rect_width_px) == pytest.approx((60, 20), rel=0.03)
    assert row.rect_ratio == pytest.approx(1 / 3, rel=0.04)
    square = measure(np.pad(np.ones((30, 30), int), 5)).table.iloc[0]
    assert square.rect_ratio == pytest.approx(1)
    assert row.convexity == pytest.approx(1, abs=0.03)
    corner = np.pad(np.ones((60, 60), int), 5)
    corner[5:35, 35:65] = 0
    assert measure(corner).table.convexity[0] == pytest.approx(0.927, abs=0.02)


def test_the_perimeter_of_squares_and_rods_hangs_little_on_their_angle():
    for length, width in ((24, 24), (60, 15)):
        tables = [measure(turned(length, width, angle)).table for angle in range(0, 91, 5)]
        # Beside that of the area, which a grid of pixels changes as well.
        found = [table.perimeter_px[0] / np.sqrt(table.area_px2[0]) for table in tables]
        assert np.std(found) / np.mean(found) < 0.012
        assert np.mean(found) == pytest.approx(2 * (length + width) / np.sqrt(length * width), rel=0.03)


def test_shapes_are_told_by_the_rules_that_are_written_down():
    labels = np.zeros((120, 300), np.int32)
    labels[10:50, 10:50], labels[10:20, 80:140], labels[70:74, 10:14] = 1, 2, 3
    y, x = np.mgrid[:120, :300]
    labels[np.hypot(y - 80, x - 100) <= 20] = 4
    labels[60:100, 200:205], labels[60:65, 200:240] = 5, 5
    table = measure(labels).table.set_index("particle")
    assert table.morphology.to_dict() == {1: "facet", 2: "rod", 3: "unclear", 4: "sphere", 5: "irregular"}


def test_a_label_in_two_pieces_is_measured_by_its_largest():
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 5:15], labels[20:24, 30:34], labels[15, 15] = 7, 7, 7  # the corner still hangs together
    labels[30:35, 5:10] = 9
    table = measure(labels).table.set_index("particle")
    assert table.pieces.to_dict() == {7: 2, 9: 1}
    assert table.area_px2.to_dict() == {7: 101, 9: 25}
    assert table.bbox_right_px[7] == 16


def test_the_nearest_neighbour_and_those_that_touch():
    labels = np.zeros((100, 200), np.int32)
    labels[45:55, 60:70], labels[45:55, 70:80], labels[45:55, 110:120], labels[2:6, 180:184] = 1, 2, 3, 4
    table = measure(labels, pixel_size=2.0).table.set_index("particle")
    assert table.neighbour_distance_nm[:3].tolist() == pytest.approx([20, 20, 80])
    assert table.neighbour_censored.to_dict() == {1: False, 2: False, 3: False, 4: True}
    assert table.constituents.to_dict() == {1: 2, 2: 2, 3: 1, 4: 1}
