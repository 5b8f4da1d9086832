"""What somebody sees who calls the API from a console or a notebook: one line of each thing, small pictures, help with every setting."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, ClassVar

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg import Calibration, Micrograph, Prediction, Source
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.types.setting import bounds

NAME = 'a<b>&"c"'


def road(name: str = NAME, planes: int = 1) -> dict[str, Any]:
    """Each thing that travels, of a simulated picture with this name."""
    simulation = temseg.simulate(temseg.SimulateConfig(height=120, width=160, count=6, diameter=24, touching=0.0))
    data, classes, truth = simulation.micrograph.data, simulation.classes, simulation.instances
    if planes > 1:
        data, classes = np.stack([data] * planes), np.stack([classes] * planes)
        truth = np.stack([np.where(truth > 0, truth + 100 * index, 0) for index in range(planes)])
    source = Source(f"/somewhere/{name}.tif")
    image = Micrograph(data, "YX" if planes == 1 else "NYX", Calibration((0.5, 0.5), "typed"), source=source)
    prediction = Prediction.of_classes(classes, image)
    particles = temseg.split(prediction)
    measurement = temseg.measure(particles)
    return {
        "Segmenter": temseg.Segmenter.new(NetworkSpec(), {1: "background", 2: "particle"}),
        "Micrograph": image,
        "Prediction": prediction,
        "Particles": particles,
        "Measurement": measurement,
        "SizeDistribution": temseg.size_distribution([measurement]),
        "Score": temseg.evaluate(particles, truth),
        "Annotations": temseg.Annotations.collect([image], [classes]),
        "Simulation": simulation,
    }


@pytest.mark.parametrize("planes", [1, 3])
def test_each_thing_tells_in_one_line_what_it_is(planes: int) -> None:
    things = road(planes=planes)
    for name, thing in things.items():
        line = repr(thing)
        assert line.startswith(f"<{name}")
        assert "\n" not in line
        assert len(line) < 200
    for name in ("Micrograph", "Prediction", "Particles"):
        assert "120 × 160 px" in repr(things[name])
        assert ("3 planes (fields of one sample)" in repr(things[name])) == (planes == 3)
    n = len(things["Particles"])
    assert f"{n} particles" in repr(things["Particles"])
    assert f"{n} particles" in repr(things["Measurement"])
    assert "lengths in nm" in repr(things["Measurement"])
    assert re.search(r"D50 [\d.]+ nm", repr(things["SizeDistribution"]))
    assert f"{n} found, " in repr(things["Score"])
    assert "million weights" in repr(things["Segmenter"])


def test_what_is_empty_has_its_line_and_its_picture_too() -> None:
    image = Micrograph(np.full((40, 50), np.nan), valid=np.zeros((40, 50), bool))
    particles = temseg.split(Prediction.of_classes(np.ones((40, 50), np.uint8), image))
    measurement = temseg.measure(particles)
    sizes = temseg.size_distribution([measurement])
    assert "0 particles" in repr(particles)
    assert "D50" not in repr(sizes)
    for thing in (image, particles, measurement, sizes):
        assert thing._repr_html_()
    assert "100.0% left out" in repr(image)


class _Tags(HTMLParser):
    sources: ClassVar[tuple[str, ...]] = ("data:image/png;base64,", "data:image/svg+xml;base64,")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.images: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.images += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", ["Micrograph", "Prediction", "Particles", "Measurement", "SizeDistribution"])
def test_a_notebook_shows_a_small_picture_or_table_with_names_as_they_are(name: str) -> None:
    thing = road()[name]
    page = thing._repr_html_()
    read = _Tags(page)
    assert "b" not in read.tags
    assert len(page) < 300_000
    if name == "Measurement":
        assert "table" in read.tags
        assert read.text.count(NAME) > 1
    else:
        assert len(read.images) == 1
        assert read.images[0].startswith(_Tags.sources)
        assert name == "SizeDistribution" or NAME in read.text


def test_a_large_table_and_a_large_picture_are_shown_in_part() -> None:
    measurement = road()["Measurement"]
    long = replace(measurement, table=measurement.table.iloc[np.zeros(5000, int)])
    assert long._repr_html_().count("<tr") < 20
    noise = np.random.default_rng(0).integers(0, 255, (3000, 2000)).astype(np.uint8)
    assert len(Micrograph(noise)._repr_html_()) < 1_000_000


CONFIGS = [temseg.SimulateConfig, temseg.PredictConfig, temseg.SplitConfig, temseg.TrainConfig, temseg.DraftConfig]


@pytest.mark.parametrize("config", CONFIGS)
def test_help_lists_every_setting_as_it_is_declared(config: Any) -> None:
    page = " ".join(pydoc.render_doc(config, renderer=pydoc.plaintext).replace("|", " ").split())
    for entry in dataclasses.fields(config):
        meta = entry.metadata
        kind = " ".join(str(entry.type).replace("|", " ").split())
        assert f"{entry.name}: {kind} = {entry.default!r} {meta['title']}: {meta['help'].rstrip('.')}." in page
        if meta["choices"]:
            assert f"one of {', '.join(meta['choices'])}" in page
        assert bounds(entry) in page
        assert f"in {meta['unit']}" in page or not meta["unit"]


def test_help_of_run_shows_its_parameters() -> None:
    job, whole = inspect.signature(temseg.iter_run), inspect.signature(temseg.run)
    assert list(whole.parameters.values()) == list(job.parameters.values())
    assert {"inputs", "output", "model", "calibration", "axes", "series", "mask_overlays", "predict", "split"} <= set(whole.parameters)
    assert "settings" not in whole.parameters
    assert "mask_overlays: 'bool | None' = None" in pydoc.render_doc(temseg.run, renderer=pydoc.plaintext)
    assert whole.return_annotation == "RunResult"
    with pytest.raises(TypeError, match="no_such"):
        temseg.run("a.tif", "out", no_such=1)  # type: ignore[call-arg]
