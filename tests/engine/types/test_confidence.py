from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg.engine.types.confidence import Confidence, logit

CURVE = Confidence(-0.5, 1.25)


def test_it_is_the_share_that_the_curve_says() -> None:
    assert CURVE.of(np.array([0.5, 0.8])) == pytest.approx([1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(0.5 - 1.25 * np.log(4)))])
    assert np.isnan(CURVE.of(np.array([np.nan]))).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_who_is_surer_is_no_less_confident(said: list[float]) -> None:
    confidence = CURVE.of(np.sort(said))
    assert (np.diff(confidence) >= 0).all()
    assert ((confidence > 0) & (confidence < 1)).all()
    assert np.isfinite(logit(np.array(said))).all()


@pytest.mark.parametrize("stored", [{"intercept": float("nan"), "slope": 1.0}, {"intercept": 0.0, "slope": -1.0}])
def test_what_is_no_rising_curve_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        Confidence.from_dict(stored)


def test_it_goes_with_the_model_into_the_table_and_leaves_its_hash_alone(tmp_path: Any) -> None:
    shipped = temseg.load("particles")
    judged = replace(shipped, confidence=CURVE)
    judged.save(tmp_path / "judged.temseg")
    back = temseg.load(tmp_path / "judged.temseg")
    assert back.confidence == CURVE
    assert back.content_hash() == replace(shipped, confidence=None).content_hash()
    scene = temseg.simulate(temseg.SimulateConfig(height=128, width=128, diameter=20, seed=3)).micrograph
    table = temseg.measure(temseg.split(temseg.predict(back, scene, temseg.PredictConfig(typical_size=20)))).table
    assert len(table)
    assert table["confidence"].to_numpy() == pytest.approx(CURVE.of(table["probability_mean"].to_numpy()))


def test_a_label_image_has_none() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[5:12, 5:12] = 1
    assert temseg.measure(labels).table["confidence"].isna().all()
