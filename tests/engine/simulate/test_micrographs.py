from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg.engine.simulate.imaging import expected_signal, round_length
from napari_temseg.engine.simulate.micrographs import Simulation, randomised, simulate
from napari_temseg.engine.simulate.shapes import SHAPES
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.errors import TemsegError

CLEAN = {"support": 0.0, "unevenness": 0.0, "dose": 1e6, "blur": 0.0, "defocus": 0.0}


def bordering(labels: np.ndarray) -> set[int]:
    """Labels with one of their eight neighbours in another particle, by brute force."""
    found: set[int] = set()
    padded = np.pad(labels, 1)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            other = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
            found |= set(labels[(labels > 0) & (other > 0) & (labels != other)].tolist())
    return found


def whole(simulation: Simulation) -> pd.DataFrame:
    table = simulation.table
    return table[~table.touches_frame & ~table.overlapped]


def test_same_seed_same_picture() -> None:
    config = SimulateConfig(shapes=SHAPES, overlapping=0.2, data_bar=True, scale_bar=True, panel_letter=True, height=200, width=180, seed=7)
    one, other = simulate(config), simulate(config)
    np.testing.assert_array_equal(one.micrograph.data, other.micrograph.data)
    np.testing.assert_array_equal(one.instances, other.instances)
    pd.testing.assert_frame_equal(one.table, other.table)
    changed = simulate(SimulateConfig.from_dict({**config.to_dict(), "seed": 8}))
    assert not np.array_equal(one.micrograph.data, changed.micrograph.data)


def test_a_sphere_owns_exactly_the_pixels_whose_centre_it_holds() -> None:
    result = simulate(SimulateConfig(height=220, width=260, count=25, diameter=18, spread=1.4))
    y, x = np.mgrid[:220, :260]
    for particle, row in result.table.iterrows():
        np.testing.assert_array_equal(result.instances == particle, np.hypot(y - row.y, x - row.x) <= row.ecd_px / 2)
    np.testing.assert_allclose(result.table.area_px2, math.pi / 4 * result.table.ecd_px**2)
    np.testing.assert_allclose(result.table.feret_max_px, result.table.ecd_px)
    np.testing.assert_allclose(result.table.ecd_nm, 0.5 * result.table.ecd_px)


@pytest.mark.parametrize("shape", SHAPES)
def test_mask_areas_agree_with_the_analytic_areas(shape: str) -> None:
    result = simulate(SimulateConfig(height=400, width=400, count=50, diameter=26, shapes=(shape,)))
    rows = whole(result)
    areas = np.bincount(result.instances.ravel(), minlength=len(result.table) + 1)[rows.index]
    assert len(rows) > 10
    assert set(rows["shape"]) == {shape}
    assert np.all(np.abs(areas - rows.area_px2) <= 0.25 * math.pi * rows.feret_max_px)
    assert areas.sum() == pytest.approx(rows.area_px2.sum(), rel=0.01)


def test_table_rows_are_the_instances_and_the_classes() -> None:
    result = simulate(SimulateConfig(height=150, width=170, shapes=SHAPES, overlapping=0.3, diameter=14))
    ids = np.unique(result.instances)
    np.testing.assert_array_equal(ids[ids > 0], result.table.index)
    assert result.table.index.name == "particle"
    assert result.instances.dtype == np.int32
    np.testing.assert_array_equal(result.classes, np.where(result.instances > 0, 2, 1))
    assert result.micrograph.calibration.pixel_size == (0.5, 0.5)
    assert result.micrograph.calibration.origin == result.micrograph.sample == "simulated"
    assert result.micrograph.valid is None


@pytest.mark.parametrize(("mode", "sign"), [("bright field", -1), ("HAADF", 1)])
def test_particles_are_dark_in_bright_field_and_bright_in_haadf(mode: str, sign: int) -> None:
    result = simulate(SimulateConfig(mode=mode, height=256, width=256, diameter=30, count=12))
    data = result.micrograph.data.astype(float)
    inside, outside = (data[result.instances > 0], data[result.instances == 0])
    assert sign * (np.median(inside) - np.median(outside)) > 15


def test_haadf_signal_follows_the_projected_thickness() -> None:
    config = SimulateConfig(mode="HAADF", height=400, width=400, count=30, diameter=30, spread=1.4, touching=0, **CLEAN)
    result = simulate(config)
    data = result.micrograph.data.astype(float)
    rows = result.table[(result.table.ecd_px < 55) & result.table.y.between(1, 398) & result.table.x.between(1, 398)]
    middle = data[rows.y.round().astype(int), rows.x.round().astype(int)] - np.median(data[result.instances == 0])
    kept = middle < 255 - np.median(data[result.instances == 0])
    assert kept.sum() > 10
    assert np.corrcoef(middle[kept], rows.ecd_px[kept])[0, 1] > 0.95


@pytest.mark.parametrize(("mode", "contrast", "ratio"), [("bright field", 0.3, 0.7), ("bright field", 0.8, 0.2), ("HAADF", 0.5, 2.0)])
def test_contrast_is_that_of_the_thickness_of_a_median_particle(mode: str, contrast: float, ratio: float) -> None:
    config = SimulateConfig(mode=mode, contrast=contrast, **CLEAN)
    thickness = np.ones((40, 40), np.float32)
    thickness[:20] = 0
    signal = expected_signal(thickness, config, np.random.default_rng(0))
    np.testing.assert_allclose(signal[:20], 1, rtol=1e-5)
    np.testing.assert_allclose(signal[20:], ratio, rtol=1e-4)


@pytest.mark.parametrize("defocus", [0.0, 1.0])
def test_defocus_makes_fringes_round_the_edges(defocus: float) -> None:
    config = SimulateConfig(height=300, width=300, count=6, diameter=60, touching=0, **{**CLEAN, "defocus": defocus})
    result = simulate(config)
    y, x = np.mgrid[:300, :300]
    distance = np.min([np.hypot(y - r.y, x - r.x) - r.ecd_px / 2 for r in result.table.itertuples()], 0)
    data = result.micrograph.data.astype(float)
    fringe = abs(np.median(data[(distance > 1) & (distance < 3)]) - np.median(data[distance > 12]))
    assert (fringe > 5) == (defocus > 0)


@pytest.mark.parametrize("shape", ["sphere", "faceted", "rod"])
def test_particles_placed_apart_do_not_touch(shape: str) -> None:
    result = simulate(SimulateConfig(height=256, width=256, count=60, diameter=18, touching=0, shapes=(shape,)))
    assert not result.table.touching.any()
    assert not result.table.overlapped.any()
    assert bordering(result.instances) == set()


def test_the_share_that_touches_is_honoured() -> None:
    shares = [simulate(SimulateConfig(count=60, diameter=24, touching=share, seed=3)).table.touching.mean() for share in (0.0, 0.3, 0.9)]
    assert shares[0] == 0
    assert 0.3 <= shares[1] <= 0.6  # those placed in contact, and those they were placed at
    assert shares[2] >= 0.9


def test_touching_particles_do_not_overlap_but_overlapping_ones_do() -> None:
    touching = simulate(SimulateConfig(count=60, diameter=24, touching=0.9, shapes=SHAPES))
    assert not touching.table.overlapped.any()
    over = simulate(SimulateConfig(count=60, diameter=24, touching=0.0, overlapping=0.5, shapes=SHAPES))
    assert 0.1 < over.table.overlapped.mean() < 0.6
    visible = np.bincount(over.instances.ravel(), minlength=len(over.table) + 1)[1:]
    hidden = over.table.overlapped & ~over.table.touches_frame
    assert np.all(visible[hidden] >= 0.35 * over.table.area_px2[hidden])


def test_diameters_follow_the_lognormal_asked_for() -> None:
    config = SimulateConfig(height=1500, width=1500, count=1500, diameter=16, spread=1.3, touching=0, **CLEAN)
    ecd = simulate(config).table.ecd_px
    assert len(ecd) == 1500
    assert np.median(ecd) == pytest.approx(16, rel=0.03)
    assert np.exp(np.log(ecd).std()) == pytest.approx(1.3, abs=0.03)
    assert np.ptp(simulate(SimulateConfig(spread=1.0)).table.ecd_px) < 1e-9


def test_less_dose_is_noisier() -> None:
    def relative_noise(dose: float) -> float:
        result = simulate(SimulateConfig(height=128, width=128, count=1, diameter=60, contrast=0.9, **{**CLEAN, "dose": dose}))
        data = result.micrograph.data.astype(float)
        return float(data[result.instances == 0].std())

    noises = [relative_noise(dose) for dose in (5, 50, 5000)]
    assert noises[0] > noises[1] > noises[2] * 2


def test_support_and_unevenness_show_on_an_empty_picture() -> None:
    empty = {**CLEAN, "height": 128, "width": 128, "count": 0}
    grain = simulate(SimulateConfig(**{**empty, "support": 0.1})).micrograph.data.astype(float)
    slow = simulate(SimulateConfig(**{**empty, "unevenness": 0.3})).micrograph.data.astype(float)

    def roughness(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image)).mean() / image.std())

    assert roughness(grain) > 5 * roughness(slow)


def test_frame_flag() -> None:
    result = simulate(SimulateConfig(height=160, width=200, count=40, diameter=24, seed=2, data_bar=True))
    bottom = int(np.argmax(result.overlays.all(1)))
    table, r = result.table, result.table.ecd_px / 2
    inside = (table.y - r > 0) & (table.x - r > 0) & (table.y + r < bottom - 1) & (table.x + r < 199)
    cut = (table.y - r < -0.5) | (table.x - r < -0.5) | (table.y + r > bottom - 0.5) | (table.x + r > 199.5)
    assert inside.any()
    assert cut.any()
    assert not table.touches_frame[inside].any()
    assert table.touches_frame[cut].all()


def test_overlays_lie_where_they_are_said_to() -> None:
    plain = {"height": 240, "width": 320, "seed": 5, "dose": 1000.0}
    bare = simulate(SimulateConfig(**plain))
    assert not bare.overlays.any()
    bar = simulate(SimulateConfig(**plain, data_bar=True))
    rows = bar.overlays.any(1)
    assert bar.overlays[rows].all()
    assert 10 < rows.sum() < 40
    assert rows[-1]
    assert not bar.instances[rows].any()
    for extra in ({"scale_bar": True}, {"panel_letter": True}, {"scale_bar": True, "panel_letter": True}):
        result = simulate(SimulateConfig(**plain, **extra))
        changed = result.micrograph.data != bare.micrograph.data
        assert changed.any()
        assert not np.any(changed & ~result.overlays)
        assert 0 < result.overlays.mean() < 0.15
        np.testing.assert_array_equal(result.instances, bare.instances)


@pytest.mark.parametrize("seed", range(6))
def test_the_scale_bar_is_as_long_as_it_says(seed: int) -> None:
    result = simulate(SimulateConfig(height=256, width=256, scale_bar=True, pixel_size=0.37, seed=seed, dose=1e5))
    length, text = round_length(0.37, 256)
    assert text == "20 nm"
    assert length * 0.37 == pytest.approx(20)
    data = result.micrograph.data
    runs = []
    for row, marked in zip(data, result.overlays, strict=True):
        ends = np.flatnonzero(np.diff(np.concatenate([[0], (marked & ((row == 0) | (row == 255))).astype(int) * (1 + (row == 255)), [0]])))
        runs += np.diff(ends).tolist()
    assert round(length) in runs


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e5), st.integers(32, 5000))
def test_scale_bars_are_round_and_fit(pixel_size: float, width: int) -> None:
    length, text = round_length(pixel_size, width)
    value, unit = text.split()
    nanometres = float(value) * {"nm": 1.0, "um": 1e3, "mm": 1e6}[unit]
    assert nanometres == pytest.approx(length * pixel_size)
    assert width / 8.4 < length < width / 2.99
    assert f"{nanometres:e}"[0] in "125"


def test_a_full_picture_gets_no_more_particles_and_prefers_no_size() -> None:
    result = simulate(SimulateConfig(height=300, width=300, count=200_000, diameter=16, spread=1.3, touching=0.5))
    assert 100 < len(result.table) < 500
    assert np.median(result.table.ecd_px) == pytest.approx(16, rel=0.15)
    assert result.table.touching.mean() > 0.4


@pytest.mark.parametrize("shapes", [(), ("sphere", "cube")])
def test_unknown_shapes_are_refused(shapes: tuple[str, ...]) -> None:
    with pytest.raises(TemsegError, match="sphere, ellipsoid, faceted, rod"):
        simulate(SimulateConfig(shapes=shapes))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(32, 150),
    st.integers(32, 150),
    st.sampled_from([4.0, 7.5, 30.0, 600.0]),
    st.sampled_from([1.0, 1.5, 3.0]),
    st.integers(0, 40),
    st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.02, 1.0]),
    st.sampled_from(["bright field", "HAADF"]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_labels_and_table_agree_whatever_is_asked(
    height: int,
    width: int,
    diameter: float,
    spread: float,
    count: int,
    shapes: list[str],
    touching: float,
    overlapping: float,
    extreme: float,
    mode: str,
    marks: bool,
    seed: int,
) -> None:
    result = simulate(
        SimulateConfig(
            mode=mode,
            height=height,
            width=width,
            count=count,
            diameter=diameter,
            spread=spread,
            shapes=tuple(shapes),
            touching=touching,
            overlapping=overlapping,
            contrast=extreme,
            unevenness=extreme,
            dose=1 if extreme < 0.5 else 1e6,
            data_bar=marks,
            scale_bar=marks,
            panel_letter=marks,
            seed=seed,
        )
    )
    for array in (result.micrograph.data, result.instances, result.classes, result.overlays):
        assert array.shape == (height, width)
    assert result.micrograph.data.dtype == np.uint8
    assert len(result.table) <= count
    assert set(np.unique(result.instances)) - {0} == set(result.table.index)
    assert set(result.table.index) == set(range(1, len(result.table) + 1))
    assert result.table.ecd_px.between(4 - 1e-9, 600 + 1e-9).all()
    assert bordering(result.instances) <= set(result.table.index[result.table.touching])
    assert np.isfinite(result.table.select_dtypes("number").to_numpy()).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(128, 128), (96, 200)]))
def test_randomised_configurations_can_be_drawn(seed: int, frame: tuple[int, int]) -> None:
    config = randomised(np.random.default_rng(seed), *frame)
    assert (config.height, config.width) == frame
    assert config == randomised(np.random.default_rng(seed), *frame)
    assert 5 <= config.diameter < min(frame) / 2
    result = simulate(config)
    assert result.micrograph.data.shape == frame
    assert np.ptp(result.micrograph.data) > 100
