"""The half-contrast edge of a picture: found beyond an outline that is too small, and taken where it is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import napari_temseg as temseg
from napari_temseg.engine.types.config import HALF_CONTRAST, OUTLINE

DIAMETER = 30.0


def discs(off=0.0, *, contrast=40.0, touching=False, noise=3.0, pixel_size=2.0):
    """Particles of blurred dark discs whose outline lies `off` px outside the true edge."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:160, :240]
    places = [(45, 50), (47, 50 + DIAMETER if touching else 150), (115, 100), (112, 190)]
    distance = np.stack([np.hypot(y - cy, x - cx) for cy, cx in places])
    edge = DIAMETER / 2
    image = 120 - contrast * ndimage.gaussian_filter((distance.min(0) <= edge).astype(float), 1.0) + rng.normal(0, noise, y.shape)
    classes = np.where(distance.min(0) <= edge + off, 2, 1)
    picture = temseg.Micrograph(image, calibration=temseg.Calibration((pixel_size, pixel_size)))
    return temseg.split(temseg.Prediction.of_classes(classes, picture))


def measured(particles, edge):
    return temseg.measure(replace(particles, settings={**particles.settings, "edge": edge}))


@pytest.mark.parametrize("off", [-1.5, 0.0, 1.0])
def test_the_half_contrast_edge_is_found_wherever_the_outline_lies(off):
    particles = discs(off)
    outlined, half = measured(particles, OUTLINE), measured(particles, HALF_CONTRAST)
    assert np.allclose(outlined.table["edge_shift_nm"], -2 * off, atol=0.5)
    assert half.table["ecd_nm"].mean() == pytest.approx(2 * DIAMETER, rel=0.015)
    assert half.table["feret_min_nm"].mean() == pytest.approx(2 * DIAMETER, rel=0.02)
    table = half.table
    assert np.allclose(table["area_nm2"], np.pi / 4 * table["ecd_nm"] ** 2)
    assert np.allclose(table["aspect_ratio"], table["feret_min_nm"] / table["feret_max_nm"])
    assert half.edge != outlined.edge


def test_either_convention_tells_what_the_other_would_give():
    particles = discs(1.0)
    outlined, half = (temseg.size_distribution(measured(particles, edge)).summary() for edge in (OUTLINE, HALF_CONTRAST))
    assert outlined["other_edge"] == pytest.approx(half["d50"] / outlined["d50"] - 1, abs=0.003)
    assert half["other_edge"] == pytest.approx(outlined["d50"] / half["d50"] - 1, abs=0.003)
    assert outlined["budget"]["edge"] == pytest.approx(abs(outlined["other_edge"]) / 12**0.5)


def test_the_picture_tells_no_edge_where_it_has_no_contrast():
    particles = discs(contrast=0.0)
    half = measured(particles, HALF_CONTRAST)
    assert half.table["edge_shift_nm"].isna().all()
    assert np.allclose(half.table["ecd_nm"], measured(particles, OUTLINE).table["ecd_nm"])
    assert temseg.size_distribution(half).summary()["other_edge"] is None


def test_a_flat_picture_with_a_speck_on_an_outline_is_measured_without_a_warning():
    particles = discs(contrast=0.0, noise=0.0)
    particles.micrograph.data[45, 64] = 200  # a px within the outline, where neither level is taken
    assert measured(particles, HALF_CONTRAST).table["edge_shift_nm"].isna().all()


def test_labels_without_a_picture_have_no_half_contrast_edge():
    table = temseg.measure(discs().labels).table
    assert table["edge_shift_px"].isna().all()


def test_what_borders_another_particle_is_no_edge_of_the_picture():
    particles = discs(touching=True)
    table = measured(particles, OUTLINE).table.set_index("particle")
    cut = table[table["cut"]]
    assert len(cut) == 2
    assert cut["cut_share"].between(0.02, 0.4).all()
    assert (table.loc[~table["cut"], "cut_share"] == 0).all()
    assert np.allclose(cut["edge_shift_nm"], 0, atol=0.6)
