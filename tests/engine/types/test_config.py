"""Every parameter is checked at the door, by a sentence that names it."""

from __future__ import annotations

import dataclasses
import math
from typing import get_type_hints

import numpy as np
import pytest

from napari_temseg import DraftConfig, PredictConfig, SimulateConfig, SplitConfig, TemsegError, TrainConfig

ALL = [SimulateConfig, PredictConfig, SplitConfig, TrainConfig, DraftConfig]
FIELDS = [pytest.param(config, field, id=f"{config.__name__}.{field.name}") for config in ALL for field in dataclasses.fields(config)]


@pytest.mark.parametrize(("config", "field"), FIELDS)
def test_every_field_can_be_shown_and_its_bounds_hold(config, field):
    meta = field.metadata
    assert meta["title"]
    assert meta["help"]
    if meta["choices"]:
        for choice in meta["choices"]:
            assert getattr(config(**{field.name: choice}), field.name) == choice
        with pytest.raises(TemsegError, match="must be one of"):
            config(**{field.name: "nonsense"})
    kind = get_type_hints(config)[field.name]
    for bound, beyond in (("minimum", -1), ("maximum", 1)):
        if meta[bound] is not None:
            limit = int(meta[bound]) if kind is int else meta[bound]
            assert getattr(config(**{field.name: limit}), field.name) == limit
            with pytest.raises(TemsegError, match=field.name):
                config(**{field.name: limit + beyond})
    if kind in (int, float) or "float | None" in str(kind):
        for value in (math.nan, math.inf, -math.inf, "three", True, [1]):
            with pytest.raises(TemsegError, match=field.name):
                config(**{field.name: value})


@pytest.mark.parametrize("config", ALL)
def test_there_and_back(config):
    import json

    assert config.from_dict(json.loads(json.dumps(config().to_dict()))) == config()


def test_tuples_come_back_from_json_as_tuples():
    config = PredictConfig(scales=(1.0, 0.5))
    assert PredictConfig.from_dict({"scales": [1, 0.5]}) == config
    assert isinstance(PredictConfig(scales=[1, 2]).scales, tuple)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scales": 0.5}, "must be a list"),
        ({"scales": ("big",)}, "must be a number"),
        ({"scales": (math.nan,)}, "finite"),
        ({"tile": 512.5}, "whole number"),
        ({"tile": None}, "needs a value"),
        ({"tile": 64}, "at least 128"),
        ({"device": 3}, "must be one of"),
        ({"tiles": 3}, "no setting “tiles”; it has typical_size, typical_nm, polarity, scales, tile"),
    ],
)
def test_mistakes_are_named(values, words):
    with pytest.raises(TemsegError, match=words):
        PredictConfig.from_dict(values)


def test_types_that_are_neither_number_nor_choice():
    with pytest.raises(TemsegError, match="must be text"):
        TrainConfig(encoder=5)
    with pytest.raises(TemsegError, match="must be text"):
        TrainConfig(encoder_weights=5)
    with pytest.raises(TemsegError, match="true or false"):
        TrainConfig(flips=1)
    with pytest.raises(TemsegError, match="must be a list"):
        SimulateConfig(shapes="rod")
    assert TrainConfig(encoder_weights=None, learning_rate=None).learning_rate is None


def test_numbers_of_numpy_become_plain_ones():
    config = TrainConfig(seed=np.int64(3), noise=np.float32(0.5))
    assert type(config.seed) is int
    assert type(config.noise) is float
    assert type(TrainConfig(max_steps=5.0).max_steps) is int
    assert TrainConfig(seed=2**60 + 1).seed == 2**60 + 1


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 1
