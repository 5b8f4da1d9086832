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


@pytest.fixture(params=[None, 0.5])
def item(request: pytest.FixtureRequest) -> Item:
    """Told 20 px: thirty squares of 20 px and ten specks of 7 px at the lower end of what is looked for."""
    calibration = Calibration((request.param, request.param), origin="typed") if request.param else Calibration()
    classes = np.ones((300, 400), np.uint8)
    for sizes, rows in (((20,) * 10, (10, 50, 90)), ((7,) * 10, (150,))):
        for row in rows:
            for index, side in enumerate(sizes):
                classes[row : row + side, 10 + 38 * index : 10 + 38 * index + side] = 2
    prediction = replace(temseg.Prediction.of_classes(classes, temseg.Micrograph(classes, calibration=calibration)), size=20.0)
    particles = temseg.split(prediction, temseg.SplitConfig(min_diameter=0.0))
    found = temseg.measure(particles)
    found = replace(found, table=found.table.assign(confidence=0.9))
    return Item(Image(classes), "YX", calibration, prediction=prediction, particles=particles, measurement=found)


def specks(item: Item) -> np.ndarray:
    side = item.calibration.nanometres or 1.0
    return (item.measurement.table[item.measurement.column("ecd")] < 10 * side).to_numpy()


def test_specks_at_the_lower_end_that_the_model_doubts_are_no_second_size(item: Item) -> None:
    assert further_sizes(item, None) is not None
    assert item.touched
    small = specks(item)
    item.measurement = replace(item.measurement, table=item.measurement.table.assign(confidence=np.where(small, 0.2, 0.9)))
    assert further_sizes(item, None) is None
    assert not item.touched


def test_what_was_drawn_by_hand_is_no_second_size(item: Item) -> None:
    drawn = item.measurement.table.loc[specks(item), "particle"]
    item.found = {0: np.where(np.isin(item.particles.labels, drawn), 0, item.particles.labels)}
    assert drawn.min() > item.found[0].max()  # they are the last
    assert further_sizes(item, None) is None
