"""A higher certainty leaves out what the model doubts, not that it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.measurement import with_flags
from napari_temseg.engine.measure.pooling import unsure_share
from napari_temseg.engine.model.backends.choice import ready
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig, SplitConfig
from napari_temseg.pipeline.find import iter_resplit
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture
from napari_temseg.pipeline.picture.plane_by_plane import iter_measured

SIZE = PredictConfig(typical_size=14.0, exact_size=True, precision="float32")
HIGH = (0.7, 0.9, 0.97)


@pytest.fixture(scope="module")
def drawn() -> Any:
    """Faint particles, of which the model doubts a third."""
    return temseg.simulate(SimulateConfig(height=200, width=232, count=40, diameter=14, contrast=0.2, dose=30, seed=3)).micrograph


@pytest.fixture(scope="module")
def said(drawn: Any) -> temseg.Prediction:
    return temseg.predict("particles", drawn, SIZE)


def is_doubted(measured: temseg.Measurement) -> bool:
    return any("the model doubts" in why for why in temseg.size_distribution([measured]).usability.why)


def test_what_the_model_doubts_is_told_at_every_certainty(said: temseg.Prediction) -> None:
    usual = temseg.measure(temseg.split(said))
    share = unsure_share([usual.table], faint=[usual.faint])
    assert usual.faint == 0
    assert is_doubted(usual)
    assert temseg.measure(temseg.split(said, SplitConfig(certainty=0.0))).faint == 0
    for certainty in HIGH:
        particles = temseg.split(said, SplitConfig(certainty=certainty))
        measured = temseg.measure(particles)
        assert len(measured) < len(usual)
        assert 0 < measured.faint <= particles.uncertain
        assert unsure_share([measured.table], faint=[measured.faint]) >= share  # what is left out for good is surer than that
        assert is_doubted(measured)
        told = unsure_share([measured.table], faint=[measured.faint])
        assert unsure_share([measured.table], [told], [measured.faint]) == pytest.approx(told)  # after strokes they count once
        seen = with_flags(measured, reviewed=measured.table["particle"].tolist())
        assert is_doubted(seen) == (len(seen) == 0)  # somebody has looked at those that are left


def test_so_it_is_in_the_window_and_in_a_run(drawn: Any, said: temseg.Prediction, particles: temseg.Segmenter) -> None:
    config = SplitConfig(certainty=HIGH[1])
    expected = temseg.measure(temseg.split(said, config)).faint
    assert iter_resplit(said, config).drain().measurement.faint == expected
    stack = temseg.Micrograph(np.stack([drawn.data, drawn.data]), "NYX")
    run: MeasuredPicture = iter_measured(particles, stack, SIZE, config, ready(particles, SIZE), False).drain()
    assert run.measured.faint == 2 * expected
