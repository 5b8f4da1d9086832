from __future__ import annotations

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.interactive import first_look
from napari_temseg.engine.interactive.first_look import first_scale, iter_first_look, worth_it
from napari_temseg.engine.interactive.linear_head import answer, iter_ground
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Micrograph

WHOLE = (slice(0, 1800), slice(0, 1700))


def test_the_scale_of_a_first_look_is_bounded_by_what_it_costs(tiny: temseg.Segmenter, banded: temseg.Segmenter) -> None:
    plane = Micrograph(np.zeros((1800, 1700), np.float32))
    part = (slice(0, 200), slice(0, 200))
    assert first_scale(tiny, plane, PredictConfig(), part, (5.7, 4.0)) == pytest.approx(np.sqrt(first_look.FIRST_PIXELS) / 200)
    assert first_scale(tiny, plane, PredictConfig(), part, (0.5,)) == 0.5
    assert first_scale(banded, plane, PredictConfig(typical_size=44.0), part) == pytest.approx(0.5)
    assert first_scale(tiny, plane, PredictConfig(), WHOLE) < 0.4
    large, small = (temseg.Micrograph(np.zeros(shape, np.uint8)) for shape in ((1800, 1700), (300, 300)))
    assert worth_it(tiny, large, temseg.PredictConfig(), ())
    assert not worth_it(tiny, small, temseg.PredictConfig(), (1.0,))
    assert not worth_it(banded, small, temseg.PredictConfig(typical_size=60.0), ())
    assert worth_it(banded, small, temseg.PredictConfig(typical_size=6.0), ())  # it is shown 3.7 times as large


@pytest.mark.parametrize("window", [WHOLE, (slice(100, 400), slice(7, 250))])
def test_strokes_are_answered_on_a_part_whatever_its_size(tiny: temseg.Segmenter, window: tuple[slice, slice]) -> None:
    image = np.random.default_rng(0).normal(size=(1800, 1700)).astype(np.float32)
    plane = Micrograph(image, valid=np.ones(image.shape, bool))
    look = iter_first_look(tiny, plane, image, PredictConfig(), window).drain()
    strokes = np.zeros(image[window].shape, np.uint8)
    strokes[40:43, 20:120] = 2
    strokes[200:203, 20:120] = 1
    classes = look.classes(strokes)
    assert classes.shape == strokes.shape
    assert (classes[41, 30:110] == 2).all()
    assert (classes[201, 30:110] == 1).all()


def test_what_a_search_said_is_what_strokes_correct_first_and_last(banded: temseg.Segmenter) -> None:
    picture = temseg.simulate(temseg.SimulateConfig(height=700, width=600, count=30, diameter=28, seed=3)).micrograph
    plane = Micrograph(np.asarray(picture.data, np.float32))
    config = PredictConfig(typical_size=28.0, exact_size=True)
    known = temseg.predict(banded, plane, PredictConfig(typical_size=26.0, exact_size=True))  # what the network would say now is another
    image = banded.normalisation.apply(plane.plane(), None, "picture")
    window = (slice(100, 400), slice(7, 250))
    ground = iter_ground(banded, plane, config, known).drain()
    look = iter_first_look(banded, plane, image, config, window, (0.8,), known).drain()
    nothing = np.zeros(plane.frame, np.uint8)
    np.testing.assert_array_equal(answer(ground, nothing).classes, known.classes)
    np.testing.assert_array_equal(look.classes(nothing[window]), known.classes[window])
    strokes = nothing.copy()
    strokes[120:123, 30:60] = 2
    assert (answer(ground, strokes).classes[120:123, 30:60] == 2).all()
    assert (answer(iter_ground(banded, plane, config).drain(), nothing).classes != known.classes).any()
