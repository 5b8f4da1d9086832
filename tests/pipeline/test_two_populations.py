"""A drawn picture with particles of two sizes, from the file to the report: either has its own D50, and nothing is pooled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
from known_answers import remember
from two_sizes import TwoSizes, two_sizes, wide_powder

import napari_temseg as temseg
from napari_temseg.engine.particles.recovery import iter_recovery
from napari_temseg.pipeline.run import run

pytestmark = pytest.mark.usefixtures("known_drawings")


@pytest.fixture(scope="module", autouse=True)
def _known_answers() -> Iterator[None]:
    """The same pictures are searched by call, run and command."""
    with pytest.MonkeyPatch.context() as patch:
        remember(patch)
        yield


@pytest.fixture(scope="module")
def picture() -> TwoSizes:
    return two_sizes()


@pytest.fixture(scope="module")
def folder(picture: TwoSizes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures: one of two sizes, one of one."""
    path = tmp_path_factory.mktemp("pictures")
    for name, image in (("both", picture.image), ("one", two_sizes(small=0, large=30, sizes=(12.0, 50.0)).image)):
        iio.imwrite(path / f"{name}.tif", (100 * image).clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def results(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Named, as what other tests leave out is not yet when this is made.
    return run(folder, tmp_path_factory.mktemp("results"), predict=temseg.PredictConfig(both=True, backend="torch"))


def test_both_sizes_are_found_and_measured_apart(picture: TwoSizes, particles: temseg.Segmenter) -> None:
    prediction = temseg.predict(particles, picture.image, temseg.PredictConfig(both=True))
    assert prediction.other is not None
    assert not prediction.candidates
    found = temseg.split(prediction)
    measurement = temseg.measure(found, other_splits=True)
    for population, count in (("small", picture.small.max()), ("large", picture.large.max())):
        own = measurement.table[measurement.table["population"] == population]
        assert len(own) == pytest.approx(count, abs=1)
        sizes = temseg.size_distribution([measurement], population=population)
        assert sizes.quantile(0.5) == pytest.approx(picture.d50(population), rel=0.07)
        assert sizes.segmentation is not None
        assert sizes.segmentation.splits["as found"]["d50"] == pytest.approx(sizes.quantile(0.5), rel=0.05)
    on_large, n = np.where(picture.large > 0, picture.small, 0), picture.small.max() + 1
    area, beneath = (np.bincount(labels.ravel(), minlength=n) for labels in (picture.small, on_large))
    assert (measurement.table["carrier"] > 0).sum() == pytest.approx((beneath[1:] > area[1:] / 2).sum(), abs=2)
    # Splitting strength and threshold go on to work on both.
    less = temseg.split(prediction, temseg.SplitConfig(threshold=0.8))
    areas = [np.bincount(each.labels.ravel())[1:].mean() for each in (less, found)]
    assert areas[0] < areas[1]
    assert set(less.table["population"]) == {"small", "large"}


def test_a_powder_wider_than_a_search_is_one_distribution(particles: temseg.Segmenter, tmp_path: Path) -> None:
    powder = wide_powder()
    told, split = temseg.PredictConfig(typical_size=16.0, other_size=110.0, exact_size=True), temseg.SplitConfig(as_one=True)
    prediction = temseg.predict(particles, powder.image, told)
    measurement = temseg.measure(temseg.split(prediction, split), other_splits=True)
    assert not {"population", "carrier"} & set(measurement.table)
    sizes = temseg.size_distribution([measurement])
    true = np.sqrt(4 / np.pi * np.bincount(powder.large.ravel())[1:])
    assert len(measurement) == pytest.approx(len(true), abs=3)
    assert sizes.quantile(0.5) == pytest.approx(np.median(true), rel=0.1)  # those that the edges cut count in the weights
    assert sizes.segmentation is not None
    assert sizes.segmentation.splits["as found"]["d50"] == pytest.approx(sizes.quantile(0.5), rel=0.02)
    narrow = temseg.measure(temseg.split(temseg.predict(particles, powder.image, replace(told, typical_size=110.0, other_size=None))))
    assert temseg.size_distribution([narrow]).quantile(0.5) > 1.3 * np.median(true)
    iio.imwrite(tmp_path / "powder.tif", (100 * powder.image).clip(0, 255).astype(np.uint8))
    result = run(tmp_path / "powder.tif", tmp_path / "results", predict=replace(told, backend="torch"), split=split)
    assert set(result.summary["distributions"]) == {"px"}
    assert result.summary["images"][0]["other_size_looked_for_px"] == pytest.approx(110.0)
    page = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert "taken for one distribution" in page
    assert "16 px and 110 px as one distribution" in page
    limits = [row.diameter for row in iter_recovery(particles, temseg.split(prediction, split), told).drain()]
    assert limits == sorted(limits)
    assert limits[0] < 16 < 42 < limits[-1]  # half-way between both, by ratio


def test_each_population_has_a_detection_limit_of_its_own(picture: TwoSizes, particles: temseg.Segmenter) -> None:
    told = temseg.PredictConfig(typical_size=12.0, other_size=90.0, exact_size=True)
    found = temseg.split(temseg.predict(particles, two_sizes(large=5).image, told))
    measurement = replace(temseg.measure(found), recovered=iter_recovery(particles, found, told).drain())
    limits = {name: temseg.size_distribution([measurement], population=name).detection for name in ("small", "large")}
    for name, smallest, largest in (("small", 4.0, 12.0), ("large", 32.0, 90.0)):
        rows = limits[name]["sizes"]
        assert smallest <= rows[0]["diameter"] <= rows[-1]["diameter"] < 1.1 * largest
        assert rows[-1]["found"] >= 0.9 * rows[-1]["planted"]
        assert smallest <= limits[name]["limit"] < largest
    assert "population" not in limits["small"]["sizes"][0]


def test_sizes_that_are_told_are_looked_for_in_either_order(picture: TwoSizes, particles: temseg.Segmenter) -> None:
    told = temseg.PredictConfig(typical_size=90.0, other_size=12.0, exact_size=True)
    prediction = temseg.predict(particles, picture.image, told)
    assert prediction.other is not None
    assert (prediction.size, prediction.other.size) == (pytest.approx(12.0), pytest.approx(90.0))


def test_a_run_of_both_writes_a_d50_for_each_population(results: Any, picture: TwoSizes) -> None:
    table = pd.read_csv(results.output / "particles.csv")
    assert set(table.loc[table["image"] == "both", "population"]) == {"small", "large"}
    assert table.loc[table["image"] == "one", "population"].isna().all()
    summary = json.loads((results.output / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["distributions"]) == {"px", "px small", "px large"}
    small, large = summary["populations"]["px"]
    assert (small["population"], large["population"]) == ("small", "large")
    assert small["d50"] == pytest.approx(picture.d50("small"), rel=0.07)
    assert large["d50"] == pytest.approx(picture.d50("large"), rel=0.07)
    for what in ("number", "area", "volume"):
        assert small["shares"][what] + large["shares"][what] == pytest.approx(1.0)
    assert small["shares"]["number"] > 0.7
    assert small["shares"]["volume"] < 0.1
    assert summary["images"][0]["per_population"]["large"]["particles"] == pytest.approx(picture.large.max(), abs=1)
    assert {"population", "carrier"} <= set(summary["columns"])


def test_where_one_size_is_seen_one_sentence_says_so(results: Any) -> None:
    said = [each for each in results.summary["cautions"] if "both sizes were asked for" in each]
    assert len(said) == 1
    assert said[0].startswith("one: ")


def test_the_report_shows_two_sheets_and_says_why_nothing_is_pooled(results: Any) -> None:
    page = (results.output / "report.html").read_text(encoding="utf-8")
    assert "of the small particles" in page
    assert "of the large particles" in page
    assert "none of both together is given" in page
    figures = {path.name for path in (results.output / "figures").iterdir()}
    assert {"distribution_px_small.svg", "distribution_px_large.svg"} <= figures


def test_a_run_that_goes_on_and_a_recipe_that_is_replayed_give_the_same(results: Any, folder: Path, tmp_path: Path) -> None:
    from napari_temseg.pipeline.recipe import read_recipe

    before = (results.output / "particles.csv").read_bytes()
    again = run(folder, results.output, predict=temseg.PredictConfig(both=True, backend="torch"))
    assert "2 of 2 were done before." in again.notes
    assert (results.output / "particles.csv").read_bytes() == before
    recipe = read_recipe(results.output / "recipe.json")
    assert recipe.predict.both


def test_a_sample_is_looked_at_for_the_sizes_of_its_first_picture(picture: TwoSizes, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        iio.imwrite(tmp_path / f"{name}.tif", (100 * two_sizes(side=320, large=5, small=40, seed=seed).image).astype(np.uint8))
    (tmp_path / "m.csv").write_text("file,sample,size\na.tif,S,both\nb.tif,S,\n", encoding="utf-8")
    (tmp_path / "two.csv").write_text('file,size\na.tif,"12 px, 90 px"\n', encoding="utf-8")
    done = run(tmp_path, tmp_path / "out", manifest=tmp_path / "m.csv")
    first, second = done.items
    assert first.other_size
    assert (second.size, second.other_size) == (pytest.approx(first.size), pytest.approx(first.other_size))
    samples = done.summary["samples"]
    assert [(each["sample"], each["population"]) for each in samples] == [("S", "small"), ("S", "large")]
    told = run(tmp_path / "a.tif", tmp_path / "out2", manifest=tmp_path / "two.csv")
    assert told.items[0].other_size == pytest.approx(90, rel=0.7)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (temseg.PredictConfig(typical_size=12.0, other_size=15.0), "no two populations"),
        (temseg.PredictConfig(other_size=15.0), "give both sizes"),
        (temseg.PredictConfig(typical_size=12.0, both=True), "give both sizes"),
        (temseg.PredictConfig(typical_size=12.0, other_nm=150.0), "without a pixel size"),
    ],
)
def test_sizes_that_cannot_be_meant_are_refused(config: temseg.PredictConfig, sentence: str, particles: temseg.Segmenter) -> None:
    with pytest.raises(temseg.TemsegError, match=sentence):
        temseg.predict(particles, np.ones((64, 64), np.float32), config)


def test_a_model_for_all_sizes_looks_for_no_two(tiny: temseg.Segmenter) -> None:
    with pytest.raises(temseg.TemsegError, match="looks for all sizes at once"):
        temseg.predict(tiny, np.ones((64, 64), np.float32), temseg.PredictConfig(both=True))


def test_results_that_are_at_hand_are_reported_and_predicted_by_population(
    particles: temseg.Segmenter, picture: TwoSizes, folder: Path, tmp_path: Path, log_elsewhere: None
) -> None:
    from napari_temseg.cli.main import main
    from napari_temseg.pipeline.existing_results import Result, iter_report

    found = temseg.split(temseg.predict(particles, picture.image, temseg.PredictConfig(both=True)))
    assert " small, 1" in repr(found)
    iter_report([Result(found, temseg.measure(found))], tmp_path, "particles").drain()
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert list(summary["distributions"]) == ["px small", "px large"]
    assert main(["predict", str(folder / "both.tif"), "-o", str(tmp_path / "maps"), "--typical-size", "both", "--probability"]) == 0
    assert {path.name for path in (tmp_path / "maps").glob("*_probability.tif")} == {
        "both_small_probability.tif",
        "both_large_probability.tif",
    }
