"""The nearest mistake of somebody who calls the API gets the sentence that says what comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg import Particles, Prediction, TemsegError
from napari_temseg.engine.model.network_spec import NetworkSpec


class Road:
    """Each thing that travels, made once."""

    def __init__(self) -> None:
        self.simulation = temseg.simulate(temseg.SimulateConfig(height=96, width=96, count=4, diameter=20))
        self.image = self.simulation.micrograph
        self.array = np.asarray(self.image.data)
        self.truth = self.simulation.instances
        self.model = temseg.Segmenter.new(NetworkSpec(), {1: "background", 2: "particle"})
        self.prediction = Prediction.of_classes(self.simulation.classes, self.image)
        self.particles: Particles = temseg.split(self.prediction)
        self.measurement = temseg.measure(self.particles)
        self.table = self.measurement.table
        self.sizes = temseg.size_distribution([self.measurement])
        self.annotations = temseg.Annotations.collect(self.image, self.simulation.classes)


@pytest.fixture(scope="module")
def road() -> Road:
    return Road()


def said(call: Any) -> str:
    """The one sentence that a call is refused with."""
    with pytest.raises(TemsegError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] == "."
    return sentence


def test_measuring_what_is_not_split(road: Road) -> None:
    measure: Any = temseg.measure
    assert "split it first, as in measure(split(prediction))" in said(lambda: measure(road.prediction))
    assert "predict and split it first" in said(lambda: measure(road.image))
    assert "predict and split an image" in said(lambda: measure(road.model))
    assert ".instances" in said(lambda: measure(road.simulation))
    assert "measured already" in said(lambda: measure(road.measurement))
    assert "distribution already" in said(lambda: measure(road.sizes))
    assert "a table, not labels" in said(lambda: measure(road.table))
    assert "a path, not labels" in said(lambda: measure("labels.tif"))
    assert "[measure(each) for each" in said(lambda: measure([road.particles]))
    assert "[measure(split(each)) for each" in said(lambda: measure([road.prediction]))
    assert "no labels" in said(lambda: measure(None))


def test_scoring_what_is_not_split(road: Road) -> None:
    evaluate: Any = temseg.evaluate
    assert "split it first, as in evaluate(split(prediction), truth)" in said(lambda: evaluate(road.prediction, road.truth))
    assert "split it first" in said(lambda: evaluate(road.particles, road.prediction))
    assert "give its .instances" in said(lambda: evaluate(road.particles, road.simulation))
    assert "evaluate takes the particles" in said(lambda: evaluate(road.measurement, road.truth))
    assert "read the label image first" in said(lambda: evaluate(road.particles, Path("truth.tif")))


def test_pooling_what_is_not_measured(road: Road) -> None:
    pool: Any = temseg.size_distribution
    for given in (road.particles, [road.particles], (road.measurement, road.particles)):
        assert "measure them first" in said(lambda given=given: pool(given))
    for given in (road.prediction, [road.prediction]):
        assert "split it and measure it first" in said(lambda given=given: pool(given))
    assert "predict, split and measure it first" in said(lambda: pool(road.image))
    assert "give the Measurement that it belongs to" in said(lambda: pool(road.table))
    assert "give the Measurement" in said(lambda: pool([road.table]))
    assert "measure the label image first" in said(lambda: pool(road.truth))
    assert "Bare sizes" in said(lambda: pool([12.0, 13.5]))
    assert "already" in said(lambda: pool(road.sizes))
    assert "path" in said(lambda: pool("particles.csv"))
    assert "not a NoneType" in said(lambda: pool(None))
    assert len(pool(each for each in [road.measurement])) == len(pool(road.measurement)) == len(road.sizes)


def test_splitting_what_is_not_predicted(road: Road) -> None:
    split: Any = temseg.split
    for given in (road.image, road.array, road.simulation, road.model, "image.tif"):
        assert "predict first" in said(lambda given=given: split(given))
    assert "split already" in said(lambda: split(road.particles))
    assert "measured already" in said(lambda: split(road.measurement))
    assert "[split(each) for each" in said(lambda: split([road.prediction]))
    assert "not a NoneType" in said(lambda: split(None))


def test_predicting_the_other_way_round(road: Road) -> None:
    predict: Any = temseg.predict
    for model in (road.image, road.array, road.simulation):
        assert "model comes first" in said(lambda model=model: predict(model, road.model))
    assert "model comes first" in said(lambda: predict(road.model, road.model))
    assert "read it first" in said(lambda: predict(road.model, "image.tif"))
    assert ".micrograph" in said(lambda: predict(road.model, road.simulation))
    assert "predicted already" in said(lambda: predict(road.model, road.prediction))
    assert "their .micrograph" in said(lambda: predict(road.model, road.particles))
    assert "One image at a time" in said(lambda: predict(road.model, [road.image, road.image]))
    assert "load one first" in said(lambda: predict(None, road.image))
    assert "not a Prediction" in said(lambda: predict(road.prediction, road.image))


def test_training_on_what_are_no_labels(road: Road) -> None:
    train: Any = temseg.train
    labels = road.simulation.classes
    assert "2 images and 1 label arrays do not pair up" in said(lambda: train([road.image, road.image], [labels]))
    assert "1 images and 2 label arrays do not pair up" in said(lambda: train(road.image, [labels, labels]))
    assert "do not pair up" in said(lambda: train(road.image))
    assert 'their .labels, with meaning="instances"' in said(lambda: train(road.image, road.particles))
    assert ".classes" in said(lambda: train([road.image], [road.prediction]))
    assert ".instances" in said(lambda: train(road.image, road.simulation))
    assert ".micrograph" in said(lambda: train(road.simulation, labels))
    assert "first the images, then the labels" in said(lambda: train(labels, road.image))
    assert "base=model" in said(lambda: train(road.image, road.model))
    assert "base=model" in said(lambda: train(road.image, labels, base=road.image))
    assert "train(labels=annotations)" in said(lambda: train(road.annotations))
    assert "not a Prediction" in said(lambda: train(road.image, labels, base=road.prediction))


def test_settings_of_another_kind(road: Road) -> None:
    predict, split, train, draft, simulate, run = temseg.predict, temseg.split, temseg.train, temseg.draft, temseg.simulate, temseg.run
    other: Any = temseg.SplitConfig()
    for call in (
        lambda: predict(road.model, road.image, other),
        lambda: train(road.image, road.simulation.classes, config=other),
        lambda: draft(road.image, road.simulation.classes, other),
        lambda: simulate(other),
        lambda: run("a.tif", "out", predict=other),
    ):
        assert "not as a SplitConfig" in said(call)
    given: Any = {"strength": 0.5}
    assert "SplitConfig(**settings)" in said(lambda: split(road.prediction, given))
    given = temseg.SplitConfig
    assert "write SplitConfig()" in said(lambda: split(road.prediction, given))


def test_reading_loading_and_running_what_is_in_memory(road: Road, tmp_path: Path) -> None:
    read, load, run = (getattr(temseg, name) for name in ("read", "load", "run"))
    assert "read already" in said(lambda: read(road.image))
    assert "not a path" in said(lambda: read(road.array))
    assert "One file at a time" in said(lambda: read(["a.tif", "b.tif"]))
    assert load(road.model) is road.model
    assert "an image, not a model" in said(lambda: load(road.image))
    for given in (road.image, [road.image], road.array, road.simulation):
        assert "run reads files and folders" in said(lambda given=given: run(given, tmp_path / "out"))
    assert "model=model" in said(lambda: run(road.model, "a.tif"))
    assert "an image, not a model" in said(lambda: run("a.tif", tmp_path / "out", model=road.image))
    assert ".micrograph" in said(lambda: temseg.draft(road.simulation, road.simulation.classes))
