"""What a person said of particles, in the numbers, the table and the report of a run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from napari_temseg import Micrograph, Particles, Source, measure
from napari_temseg.engine.measure.measurement import with_flags
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import BandEnds
from napari_temseg.files.tables import write_particles_csv
from napari_temseg.pipeline.recipe import Recipe
from napari_temseg.pipeline.record import Record, read_item, write_record
from napari_temseg.pipeline.report.beside import thumbnail
from napari_temseg.pipeline.report.page import write_report
from napari_temseg.pipeline.run_result import Crop, RunItem
from napari_temseg.pipeline.summary import distributions, summarise, write_summary


def item(path: Path, calibration: Calibration | None = None) -> RunItem:
    """Twelve squares, one of them at the frame, found by nobody in particular."""
    labels = np.zeros((60, 80), np.int32)
    for number in range(12):
        y, x = 15 * (number // 4) + 5, 20 * (number % 4)
        labels[y : y + 6 + number // 4, x + (number > 0) : x + 8] = number + 1
    ids = np.arange(1, 13)
    columns = {"class": "particle", "class_id": 2, "plane": 0, "aggregate": ids, "frame": False, "cut": False}
    image = Micrograph(labels.astype(np.uint8), calibration=calibration or Calibration(), source=Source(str(path)))
    particles = Particles(labels, pd.DataFrame(columns, index=pd.Index(ids, name="particle")), image)
    return RunItem("grid", path, measure(particles), {"particle": 12}, (), partial(thumbnail, image.plane(), labels), 0)


def test_cautions_that_the_first_sheet_has_no_room_for_stand_behind_it(tmp_path: Path) -> None:
    items = [item(tmp_path / "grid.tif")]
    sizes = distributions([items[0].measurement])
    summary = summarise(items, {}, sizes, Recipe("particles", ""), tmp_path)
    told = [f"Caution number {number}." for number in range(30)]
    write_report(tmp_path / "report.html", items, sizes, {**summary, "cautions": told})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    first, behind = page.split("Read these too before you use the numbers")
    assert told[0] in first
    assert told[29] in behind
    assert all((each in first) != (each in behind) for each in told)
    assert "More of them behind this sheet" in first


def test_exclusions_and_reviews_reach_summary_table_and_report(tmp_path: Path) -> None:
    found = item(tmp_path / "grid.tif")
    flagged = with_flags(found.measurement, {3: "overlapping", 7: "overlapping", 8: "debris", 1: "debris"}, reviewed=range(1, 9))
    items = [replace(found, measurement=flagged)]
    sizes = distributions([flagged])
    summary = summarise(items, {}, sizes, Recipe("particles", ""), tmp_path)
    write_summary(tmp_path / "summary.json", summary)
    back = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert back["images"][0]["excluded"] == {"overlapping": 2, "debris": 2}
    assert back["images"][0]["reviewed"] == 8
    touching = int(flagged.table.frame.sum())
    assert touching == 1
    assert back["distributions"]["px"]["n"] == 12 - 3 - touching
    assert back["distributions"]["px"]["n_left_out"] == {"at the edge": touching, "excluded: overlapping": 2, "excluded: debris": 1}
    assert {"excluded", "reviewed"} <= set(back["columns"])
    write_report(tmp_path / "report.html", items, sizes, summary)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"left out, excluded: overlapping</th>\s*<td>2</td>\s*<td>[\d.]+ px \(few\)</td>", page)
    write_particles_csv(tmp_path / "particles.csv", [flagged.table])
    table = pd.read_csv(tmp_path / "particles.csv", keep_default_na=False)
    assert table.excluded.tolist() == flagged.table.excluded.tolist()
    assert table.reviewed.tolist() == flagged.table.reviewed.tolist()


def test_a_pixel_size_that_no_microscope_gives_is_questioned(tmp_path: Path) -> None:
    for size, questioned in ((1e5, True), (0.2, False)):
        calibrated = item(tmp_path / "grid.tif", Calibration((size, size), "typed"))
        cautions = summarise([calibrated], {}, {}, Recipe("particles", ""), tmp_path)["cautions"]
        assert any("is it right?" in text for text in cautions) is questioned


def test_what_touches_the_ends_of_the_band_is_said(tmp_path: Path) -> None:
    found = item(tmp_path / "grid.tif")
    items = [replace(found, ends=BandEnds(6.0, 54.0, 5, 0, 12)), replace(found, name="other", ends=BandEnds(6.0, 54.0, 1, 0, 12))]
    cautions = summarise(items, {}, distributions([found.measurement]), Recipe("particles", ""), tmp_path)["cautions"]
    assert [text for text in cautions if "looked for" in text] == [
        "grid: 5 of 12 particles are below 7.5 px, near the smallest that was looked for (about 6 px): "
        "the distribution may go on beyond it. "
        "Say a smaller or larger --typical-size to see what lies there."
    ]
    wide = replace(found, ends=BandEnds(30.0, 270.0, 0, 0, 160, 104, 38.0), size=90.0)
    cautions = summarise([wide], {}, distributions([found.measurement]), Recipe("particles", ""), tmp_path)["cautions"]
    assert [text for text in cautions if "seem to be there" in text] == [
        "grid: about 104 particles of some 38 px seem to be there too, which this search finds in part at most: the distribution may go on "
        "beyond it. Look for both as one powder with --typical-size “30 px, 90 px” --as-one to see what lies there."
    ]
    record = tmp_path / "grid.npz"
    crops = (Crop(True, 0.1, 60, lambda: b"typical"), Crop(False, 0.9, 60, lambda: b"worst"))
    write_record(record, Record("grid", "", "", {}), replace(items[0], crops=crops))
    back = read_item(record, tmp_path)
    assert back.ends == items[0].ends
    assert [(crop.typical, crop.doubt, crop.width, crop.jpeg()) for crop in back.crops] == [
        (True, 0.1, 60, b"typical"),
        (False, 0.9, 60, b"worst"),
    ]


class _Page(HTMLParser):
    """Text and attributes of a page, and the tags in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", set[str](), list[str]()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [value for _, value in attrs if value]


def test_names_stand_in_the_report_as_they_are_written(tmp_path: Path) -> None:
    name = """<script>alert('1')</script> & "two" """.strip()
    found = item(tmp_path / "grid.tif")
    table = found.measurement.table.assign(image=name)
    measurement = with_flags(replace(found.measurement, image=name, table=table), {3: "dust <i> & dirt"})
    items = [replace(found, name=name, measurement=measurement, per_class={"rod <b>": 12})]
    sizes = distributions([measurement])
    summary = summarise(items, {"x": "x <u>.tif: is “broken” & 'bad'."}, sizes, Recipe("my <model>", "ab"), tmp_path)
    write_report(tmp_path / "report.html", items, sizes, summary)
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    for written in (name, "rod <b>: 12", "dust <i> & dirt: 1", "x <u>.tif: is “broken” & 'bad'.", "my <model>"):
        assert written in page.text
    assert f"{name} with outlines" in page.attributes
    assert page.tags & {"script", "i", "u", "model"} == set()


def test_the_foot_of_a_report_names_the_recipe_where_there_is_one(tmp_path: Path) -> None:
    found = item(tmp_path / "grid.tif")
    sizes = distributions([found.measurement])
    summary = summarise([found], {}, sizes, Recipe(), tmp_path)
    pages = []
    for recipe in (True, False):
        write_report(tmp_path / "report.html", [found], sizes, summary, recipe=recipe)
        pages.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert ["recipe.json" in page for page in pages] == [True, False]


def test_the_first_page_states_no_d50_of_a_few_particles_and_says_how_it_was_measured(tmp_path: Path) -> None:
    found = item(tmp_path / "grid.tif")
    sizes = distributions([found.measurement])
    summary = summarise([found], {}, sizes, Recipe(), tmp_path)
    write_report(tmp_path / "report.html", [found], sizes, summary)
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Not usable as it is · not audited" in page
    assert "No D50: too few particles." in page
    assert "a D50 needs 20 at least" in page
    assert "Not audited by hand." in page
