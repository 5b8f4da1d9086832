"""A run over files and folders, with a model whose findings are known."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import read_labels
from napari_temseg.pipeline.recipe import read_recipe

NM = temseg.Calibration((0.5, 0.5), "typed")
WHOLE = temseg.SplitConfig(strength=0.0)


def _picture(*discs: tuple[int, int, int], shape: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Bright discs (y, x, radius) on a dark ground that is not quite even."""
    pixels = np.random.default_rng(0).integers(10, 20, shape).astype(np.uint8)
    for y, x, radius in discs:
        pixels[disk((y, x), radius, shape=shape)] = 200
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two micrographs in nm, of three and of two discs."""
    source = tmp_path / "pictures"
    write_tiff(source / "a.tif", _picture((30, 30, 12), (60, 90, 10), (25, 100, 8)), NM)
    write_tiff(source / "b.tif", _picture((50, 40, 14), (40, 100, 9)), NM)
    return source


def test_it_writes_what_it_promises(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    result = temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE)
    expected = {f"{stem}_{kind}.tif" for stem in "ab" for kind in ("classes", "particles")}
    expected |= {"particles.csv", "summary.json", "report.html", "recipe.json"}
    assert {path.name for path in (tmp_path / "out").glob("[!.]*")} == expected | {"figures"}
    figures = {path for path in result.files if path.parent.name == "figures"}
    assert {path.name for path in result.files if path not in figures} == expected
    assert {path.name for path in figures} == {f"{title}_nm.{end}" for title in ("distribution", "quantiles") for end in ("svg", "pdf")}
    assert all(path.read_bytes()[:5] == (b"%PDF-" if path.suffix == ".pdf" else b"<?xml") for path in figures)
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert table.groupby("image").size().to_dict() == {"a": 3, "b": 2}
    assert sorted(table.loc[table.image == "a", "ecd_nm"]) == pytest.approx([8, 10, 12], rel=0.03)  # radius in px is diameter in nm here
    labels = read_labels(tmp_path / "out" / "a_particles.tif")
    assert sorted(table.loc[table.image == "a", "particle"]) == sorted(np.unique(labels[labels > 0]))
    assert set(np.unique(read_labels(tmp_path / "out" / "a_classes.tif"))) == {1, 2}
    with tifffile.TiffFile(tmp_path / "out" / "a_particles.tif") as tif:
        assert tif.imagej_metadata["unit"] == "nm"


def test_summary_holds_the_numbers_of_the_table(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    result = temseg.run([folder], tmp_path / "out", model=bright, split=WHOLE)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary == json.loads(json.dumps(result.summary))
    assert summary["distributions"]["nm"]["n"] == 5
    assert [(image["image"], image["particles"]) for image in summary["images"]] == [("a", 3), ("b", 2)]
    assert summary["images"][0]["calibration"]["origin"] == "ImageJ tag"
    assert summary["model"]["hash"] == bright.content_hash()
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert set(table.columns) == set(summary["columns"])


def test_replaying_the_recipe_gives_the_same_table(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    temseg.run(folder, tmp_path / "one", model=bright, split=WHOLE, calibration=temseg.Calibration.typed("2 nm"))
    recipe = read_recipe(tmp_path / "one" / "recipe.json")
    settings = {"calibration": recipe.calibration, "axes": recipe.axes, "predict": recipe.predict, "split": recipe.split}
    temseg.run(list(recipe.inputs), tmp_path / "two", model=bright, expected=recipe, **settings)
    assert (tmp_path / "one" / "particles.csv").read_bytes() == (tmp_path / "two" / "particles.csv").read_bytes()
    other = temseg.Segmenter(type(bright.network)(), bright.spec, {1: "background", 2: "particle"}, scales=(0.5,))
    with pytest.raises(temseg.TemsegError, match="not the model the recipe was made with"):
        temseg.run(list(recipe.inputs), tmp_path / "three", model=other, expected=recipe)
    write_tiff(folder / "a.tif", _picture((30, 30, 12)), NM)
    result = temseg.run(list(recipe.inputs), tmp_path / "four", model=bright, expected=recipe, **settings)
    assert "has changed since the recipe was made" in next(iter(result.failures.values()))


def test_a_density_adds_surface_per_mass_and_dispersion(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    result = temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE, density=21.45, molar_mass=195.08)
    told = result.summary["distributions"]["nm"]
    assert told["specific_surface"] == pytest.approx(6000 / 21.45 / told["d32"])
    assert told["dispersion"] == pytest.approx(1.13 / told["d32"], rel=0.02)  # of platinum
    assert told["dispersion_interval"][0] < told["dispersion"] < told["dispersion_interval"][1]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "m²/g" in page
    assert "/µm²" in page
    recipe = read_recipe(tmp_path / "out" / "recipe.json")
    assert (recipe.density, recipe.molar_mass) == (21.45, 195.08)


def test_a_bad_file_does_not_stop_the_others(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    (folder / "aa.tif").write_bytes(b"II*\0rubbish")
    result = temseg.run([folder, tmp_path / "gone.png"], tmp_path / "out", model=bright, split=WHOLE)
    assert [item.name for item in result.items] == ["a", "b"]
    assert sorted(Path(path).name for path in result.failures) == ["aa.tif", "gone.png"]
    assert not result.stopped
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "aa.tif" in report
    assert "2 inputs could not be used" in report


def test_nothing_usable_is_one_sentence(tmp_path: Path, bright: temseg.Segmenter) -> None:
    with pytest.raises(temseg.TemsegError, match="no such file"):
        temseg.run(tmp_path / "gone.png", tmp_path / "out", model=bright)
    with pytest.raises(temseg.TemsegError, match=r"None of the 2 inputs.*no such file"):
        temseg.run([tmp_path / "gone.png", tmp_path / "lost.png"], tmp_path / "out", model=bright)
    assert not (tmp_path / "out").exists()


def test_px_and_nm_are_never_pooled(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    iio.imwrite(folder / "c.png", _picture((48, 64, 20)))
    result = temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE)
    assert {unit: s["n"] for unit, s in result.summary["distributions"].items()} == {"nm": 5, "px": 1}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<h1>Particle sizes<span>(.*?)</span>", page) == ["5 particles found in 2 images", "1 particle found in 1 image"]
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert (table["ecd_nm"].notna() == (table["image"] != "c")).all()
    assert (table["ecd_px"].notna() == (table["image"] == "c")).all()
    assert any("no pixel size is known" in sentence for sentence in result.summary["cautions"])
    assert any(sentence.startswith("No audit.html is written") for sentence in result.notes)
    few = [sentence for sentence in result.summary["cautions"] if "Only " in sentence]
    assert [sentence[:24] for sentence in few] == ["Of the images in nm: Onl", "Of the images in px: Onl"]


def test_same_stems_do_not_overwrite_each_other(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    iio.imwrite(folder / "a.png", _picture((48, 64, 20)))
    temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE)
    assert (tmp_path / "out" / "a_tif_particles.tif").exists()
    assert (tmp_path / "out" / "a_png_particles.tif").exists()
    assert set(pd.read_csv(tmp_path / "out" / "particles.csv")["image"]) == {"a_tif", "a_png", "b"}


def test_running_into_its_own_folder_again(folder: Path, bright: temseg.Segmenter) -> None:
    first = temseg.run(folder, folder, model=bright, split=WHOLE)
    again = temseg.run(folder, folder, model=bright, split=WHOLE)
    assert [item.name for item in again.items] == [item.name for item in first.items] == ["a", "b"]


def test_stack(tmp_path: Path, bright: temseg.Segmenter) -> None:
    stack = np.stack([_picture((30, 30, 12)), _picture((60, 90, 10), (25, 100, 8))])
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")  # which does not say what its pages are
    with pytest.raises(temseg.TemsegError, match="--axes"):
        temseg.run(tmp_path / "s.tif", tmp_path / "out", model=bright)
    result = temseg.run(tmp_path / "s.tif", tmp_path / "out", model=bright, axes="fields", split=WHOLE)
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert table["plane"].tolist() == [0, 1, 1]
    assert table["particle"].is_unique
    assert result.summary["images"][0]["axes"] == "NYX"
    assert read_labels(tmp_path / "out" / "s_particles.tif").shape == stack.shape


def test_no_particles_at_all(tmp_path: Path, bright: temseg.Segmenter) -> None:
    iio.imwrite(tmp_path / "empty.png", np.full((64, 64), 7, np.uint8))
    result = temseg.run(tmp_path / "empty.png", tmp_path / "out", model=bright, split=temseg.SplitConfig(min_diameter=5))
    assert result.summary["images"][0]["particles"] == 0
    assert pd.read_csv(tmp_path / "out" / "particles.csv").empty
    assert "no particle was found" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_finishing_keeps_what_is_done(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    job = temseg.iter_run(folder, tmp_path / "out", model=bright, split=WHOLE)
    for progress in job:
        assert 0 <= progress.fraction <= 1
        if "a: done" in progress.message:
            job.finish()
    assert job.result.stopped
    assert [item.name for item in job.result.items] == ["a"]
    assert set(pd.read_csv(tmp_path / "out" / "particles.csv")["image"]) == {"a"}


def test_cancelling_writes_no_table(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    job = temseg.iter_run(folder, tmp_path / "out", model=bright, split=WHOLE)
    for progress in job:
        if "a: done" in progress.message:
            job.cancel()
    with pytest.raises(temseg.Cancelled):
        _ = job.result
    assert not (tmp_path / "out" / "particles.csv").exists()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_needs_nothing_else(folder: Path, tmp_path: Path, bright: temseg.Segmenter) -> None:
    (folder / "a.tif").rename(folder / "<b>&.tif")
    temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE)
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(text)
    assert links.open == []  # every tag is closed
    outside = [target for target in links.targets if not target.startswith("#")]  # others are parts of the histogram
    assert len(outside) == 4  # two pictures, what is typical in them and what is worst
    assert all(target.startswith("data:image/") for target in outside)
    assert not re.search(r"url\((?!#)|@import|<script|<link|http:", text)
    assert "prefers-color-scheme" in text
    assert "&lt;b&gt;&amp;" in text
    assert "0.5 nm/px · ImageJ tag" in text
    assert bright.content_hash()[:16] in text


def test_a_field_that_two_files_show_is_counted_once_unless_told(tmp_path):
    picture = temseg.simulate(temseg.SimulateConfig(height=200, width=220, count=12, seed=3)).micrograph.plane()
    tifffile.imwrite(tmp_path / "a.tif", picture)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    tifffile.imwrite(tmp_path / "c.tif", (picture.astype(np.uint16) * 200))
    files = [tmp_path / f"{name}.tif" for name in "abc"]
    once = temseg.run(files, tmp_path / "out")
    alone = temseg.run(files[:1], tmp_path / "alone")
    assert [item.counted for item in once.items] == [True, False, False]
    assert once.summary["distributions"]["px"]["n"] == alone.summary["distributions"]["px"]["n"]
    assert once.summary["images"][1]["same_field_as"] == {"image": "a", "known_by": "the same content"}
    assert once.summary["images"][2]["same_field_as"] == {"image": "a", "known_by": "the same acquisition"}
    assert "b: the same field as a (the same content), not counted; --count-twice counts it." in once.summary["cautions"]
    assert "same field as a" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "out" / "particles.csv", keep_default_na=False)
    assert set(table.loc[table["image"] == "b", "excluded"]) == {"same field as a"}
    twice = temseg.run(files, tmp_path / "out", count_twice=True)
    assert twice.summary["distributions"]["px"]["n"] == 3 * alone.summary["distributions"]["px"]["n"]
    assert "3 of 3 were done before." in twice.notes
