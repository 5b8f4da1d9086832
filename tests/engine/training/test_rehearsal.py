"""What a model finds on pictures that nobody labelled stays, whatever it learns from others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_temseg import Annotations, Calibration, Micrograph, TemsegError, TrainConfig, predict, train
from napari_temseg.engine.training import rehearsal as module
from napari_temseg.engine.training.dataset import HeldPlane
from napari_temseg.engine.training.rehearsal import MIDDLE, SIMULATED, rehearsal
from napari_temseg.engine.training.task import TrainingTask

FAST = TrainConfig(max_seconds=1e5, max_steps=12, crop=96, batch=4, learning_rate=1e-2, validation=0, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def upside_down(discs):
    """A picture whose labels, all of it, say that the ground is particle."""
    image, instances = discs(128, 128)
    return image, (instances == 0)


@pytest.fixture(scope="module")
def alone(particles, upside_down):
    """The shipped model trained on that picture with nothing to hold on to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SIMULATED", 0)
        return train(*upside_down, base=particles, config=FAST, meaning="mask")


@pytest.fixture(scope="module")
def held_on(particles, upside_down):
    """The same, held on simulated pictures."""
    return train(*upside_down, base=particles, config=FAST, meaning="mask")


def drift(model, start, image) -> float:
    """Mean change of the foreground probability on a picture, by the starting model's way to look at it."""
    return float(np.abs(predict(model, image).probability[1].astype(float) - predict(start, image).probability[1]).mean())


def test_it_is_made_of_the_pictures_that_are_open_and_simulated_ones():
    series = Micrograph(np.random.default_rng(0).random((3, 90, 2000)), "NYX", Calibration((2.0, 2.0), "typed"))
    task = TrainingTask(replace(Annotations(()), unlabelled=(series,), watched=(series,)), None, TrainConfig())
    others = rehearsal(task, simulated=True)
    planes = others.held
    assert (others.labelled, len(others.watched)) == ((), 1)
    assert len(planes) == 1 + SIMULATED
    assert planes[0].image.shape == (90, MIDDLE)
    assert planes[0].pixel_size == 2
    assert all(isinstance(plane, HeldPlane) for plane in planes)
    assert [plane.name for plane in planes] == [series.name] + SIMULATED * [""]
    assert len({plane.image.tobytes() for plane in planes}) == len(planes)
    assert len(rehearsal(task, simulated=False).held) == 1


def test_what_is_found_on_an_open_picture_stays(particles, discs, upside_down, alone, monkeypatch):
    monkeypatch.setattr(module, "SIMULATED", 0)
    other = discs(160, 160, pitch=40, radius=13, seed=4)[0]
    held = train(*upside_down, base=particles, config=FAST, meaning="mask", unlabelled=(other,))
    moved = drift(alone, particles, other)
    assert moved > 0.1  # else there was nothing to hold on to
    assert drift(held, particles, other) < 0.5 * moved


def test_simulated_pictures_are_held_on_to_where_none_is_open(particles, alone, held_on, monkeypatch):
    monkeypatch.setattr(module, "SIMULATED", 2)
    unseen = [plane.image for plane in rehearsal(TrainingTask(Annotations(()), None, TrainConfig(seed=99)), simulated=True).held]
    moved = [np.mean([drift(model, particles, plane) for plane in unseen]) for model in (alone, held_on)]
    assert moved[1] < 0.7 * moved[0]


def test_an_open_picture_on_which_it_finds_something_else_is_named(several_scales, discs, upside_down, monkeypatch):
    monkeypatch.setattr(module, "SIMULATED", 0)
    other = Micrograph(discs(160, 160, pitch=40, radius=13, seed=4)[0], sample="fibres")
    model = train(*upside_down, base=several_scales, config=replace(FAST, hold=1e-6), meaning="mask", unlabelled=[other])
    assert any("finds other things there" in note for note in model.history[-1]["notes"])


def test_what_is_watched_changes_nothing_but_is_named_too(particles, discs, upside_down, alone, monkeypatch):
    monkeypatch.setattr(module, "SIMULATED", 0)
    other = Micrograph(discs(160, 160, pitch=40, radius=13, seed=4)[0])
    image, mask = upside_down
    labels = Annotations.collect(image, mask, "mask")
    watching = train(labels=replace(labels, watched=(other,)), base=particles, config=FAST)
    assert alone.content_hash() == watching.content_hash()
    assert [note for note in watching.history[-1]["notes"] if "finds other things there" in note]
    assert not [note for note in alone.history[-1]["notes"] if "finds other things there" in note]


def test_a_new_network_has_nothing_to_hold_on_to(upside_down):
    image, mask = upside_down
    config = replace(FAST, max_steps=1, encoder_weights="particles")
    model = train(image, mask, base="none", config=config, meaning="mask", unlabelled=[image])
    assert model.history[-1]["steps"] == 1


def test_what_is_no_picture_is_refused(upside_down):
    with pytest.raises(TemsegError):
        train(*upside_down, config=FAST, meaning="mask", unlabelled=[np.zeros(7)])
