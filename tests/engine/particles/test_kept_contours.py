"""What was measured on contours comes back without the prediction, for particles that are the same by today's definitions alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_temseg import Calibration, Measurement, Micrograph, Particles, Prediction, SplitConfig, measure, split
from napari_temseg.engine.measure.descriptors import versions
from napari_temseg.engine.particles.kept_contours import FROM_CONTOURS, contour_columns, with_contour_columns
from napari_temseg.engine.particles.label_changes import Patch
from napari_temseg.engine.particles.remeasure import corrected, remeasure


@pytest.fixture
def found() -> Particles:
    """Three blurred discs, two of them near one another."""
    y, x = np.mgrid[:90, :120]
    discs = sum((np.hypot(y - cy, x - cx) <= r).astype(float) for cy, cx, r in ((30, 30, 12), (60, 90, 15), (25, 61, 14)))
    foreground = ndimage.gaussian_filter(np.minimum(discs, 1.0), 1.0)
    probability = np.stack([1 - foreground, foreground]).astype(np.float16)
    image = Micrograph(np.zeros(foreground.shape, np.uint8), calibration=Calibration((0.5, 0.5), "typed"))
    said = Prediction(probability, (1, 2), {1: "background", 2: "particle"}, (foreground >= 0.5).astype(np.uint8) + 1, image)
    return split(said, SplitConfig(strength=0.0, certainty=0.0))


def put_back(found: Particles, before: Measurement, **changed: object) -> Measurement:
    """Measured on masks, then with what was kept."""
    on_mask = measure(replace(found, prediction=None))
    return with_contour_columns(on_mask, contour_columns(before), before.calibration.scale, versions() | changed)


def test_every_number_comes_back(found: Particles) -> None:
    before = measure(found)
    assert (before.table["estimator"] == "contour").all()
    back = put_back(found, before).table.drop(columns="probability_mean")
    pd.testing.assert_frame_equal(back, before.table.drop(columns="probability_mean"), check_dtype=False)


def test_lengths_follow_a_calibration_that_was_changed_meanwhile(found: Particles) -> None:
    before = measure(found)
    moved = replace(found, micrograph=found.micrograph.with_calibration(Calibration((2.0, 2.0), "typed")))
    back = put_back(moved, before).table
    np.testing.assert_allclose(back["feret_max_nm"], 4 * before.table["feret_max_nm"])
    np.testing.assert_allclose(back["area_nm2"], 16 * before.table["area_nm2"])
    stretched = replace(found, micrograph=found.micrograph.with_calibration(Calibration((2.0, 1.0), "typed")))
    assert (put_back(stretched, before).table["estimator"] == "mask").all()


def test_another_definition_or_another_outline_is_measured_anew(found: Particles) -> None:
    before = measure(found)
    assert (put_back(found, before, feret_min=1).table["estimator"] == "mask").all()
    label = int(found.labels[30, 30])
    found.labels[30:, :60][found.labels[30:, :60] == label] = 0
    back = put_back(found, before).table.set_index("particle")
    assert back.loc[label, "estimator"] == "mask"
    assert (back.drop(index=label)["estimator"] == "contour").all()


def test_an_edit_without_the_prediction_leaves_the_neighbours_contours(found: Particles) -> None:
    before = measure(found)
    bare = replace(found, prediction=None)
    first, third = int(found.labels[30, 30]), int(found.labels[25, 61])
    here = found.labels[:, :46].copy()
    patch = Patch(0, slice(0, 90), slice(0, 46), here, np.where(here == first, 0, here))
    after = remeasure(before, corrected(bare, patch), patch).table.set_index("particle")
    names = ["estimator", *(before.column(name) for name in FROM_CONTOURS)]
    pd.testing.assert_frame_equal(after.loc[[third], names], before.table.set_index("particle").loc[[third], names])
