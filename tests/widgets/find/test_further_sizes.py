"""A second size is advised where the search found one, not out of what the model doubts or somebody drew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image

import napari_temseg as temseg
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.widgets.find.further_sizes import further_sizes
from napari_temseg.widgets.session.item import Item


@pytest.fixture
def item() -> Item:
    """Told 20 px: thirty squares of 20 px and ten specks of 7 px at the lower end of what is looked for."""
    classes = np.ones((300, 400), np.uint8)
    for sizes, rows in (((20,) * 10, (10, 50, 90)), ((7,) * 10, (150,))):
        for row in rows:
            for index, side in enumerate(sizes):
                classes[row : row + side, 10 + 38 * index : 10 + 38 * index + side] = 2
    prediction = replace(temseg.Prediction.of_classes(classes, temseg.Micrograph(classes)), size=20.0)
    particles = temseg.split(prediction, temseg.SplitConfig(min_diameter=0.0))
    found = temseg.measure(particles)
    found = replace(found, table=found.table.assign(confidence=0.9))
    return Item(Image(classes), "YX", Calibration(), prediction=prediction, particles=particles, measurement=found)


def test_specks_at_the_lower_end_that_the_model_doubts_are_no_second_size(item: Item) -> None:
    assert further_sizes(item, None) is not None
    assert item.touched
    small = item.measurement.table["area_px2"] < 100
    item.measurement = replace(item.measurement, table=item.measurement.table.assign(confidence=np.where(small, 0.2, 0.9)))
    assert further_sizes(item, None) is None
    assert not item.touched


def test_what_was_drawn_by_hand_is_no_second_size(item: Item) -> None:
    specks = item.measurement.table.loc[item.measurement.table["area_px2"] < 100, "particle"]
    item.found = {0: np.where(np.isin(item.particles.labels, specks), 0, item.particles.labels)}
    assert specks.min() > item.found[0].max()  # they are the last
    assert further_sizes(item, None) is None
