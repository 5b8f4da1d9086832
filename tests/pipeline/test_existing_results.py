"""Reports from results at hand."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.measurement import measure, with_flags
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BY_LABELS, PARTICLE_CLASSES, Particles, Prediction
from napari_temseg.pipeline.existing_results import LABELS_ALONE, Result, file_stems, iter_report


def result(name: str, corrections: int = 0) -> Result:
    labels = np.zeros((60, 90), np.int32)
    labels[10:30, 10:30], labels[30:50, 50:75] = 1, 2
    bare = measure(labels).table.set_index("particle")
    table = bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)
    picture = temseg.Micrograph(np.where(labels > 0, 20, 200).astype(np.uint8), "YX", source=temseg.Source(name))
    particles = Particles(labels, table, picture)
    return Result(particles, with_flags(measure(particles), {2: "damaged"}), corrections)


def test_what_was_done_by_hand_is_said(tmp_path: Path) -> None:
    report = iter_report([result("a", 3), result("b")], tmp_path).drain()
    assert report == tmp_path / "report.html"
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["corrections_by_hand"] == {"a": 3}
    assert summary["distributions"]["px"]["n_left_out"]["excluded: damaged"] == 2
    assert "a: 3 corrections by hand." in report.read_text(encoding="utf-8")
    assert not (tmp_path / "recipe.json").exists()


def found(name: str, model_hash: str = "a" * 64, uncertain: int = 0, **settings: Any) -> Result:
    """As `result`, by a model with settings."""
    made = result(name)
    prediction = Prediction.blank(made.particles.micrograph, PARTICLE_CLASSES, model_hash=model_hash)
    prediction.classes[...], prediction.probability[...] = 1, 0.5
    values = SplitConfig(**settings).to_dict()
    return replace(made, particles=replace(made.particles, prediction=prediction, settings=values, uncertain=uncertain))


class Known:
    """A model of which only the hash matters."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def content_hash(self) -> str:
        return self.digest


def written(folder: Path, results: list[Result], **options: Any) -> tuple[str, dict[str, Any]]:
    page = iter_report(results, folder, **options).drain().read_text(encoding="utf-8")
    return page, json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def cell(page: str, label: str) -> str:
    """The text beside a label."""
    row = re.search(f'<th scope="row">{re.escape(label)}</th><td>(.*?)</td>', page)
    return html.unescape(row[1]) if row else ""


def test_equal_models_and_settings_are_stated_once(tmp_path: Path) -> None:
    page, summary = written(tmp_path, [found("a", strength=0.3), found("b", strength=0.3)], model="mine")
    assert cell(page, "Model") == f"mine, hash {'a' * 16}"
    assert "strength 0.3" in cell(page, "Settings of split")
    assert cell(page, "Settings of predict") == "scales 1"
    assert "Setting of" not in page
    assert summary["model"] == {"name": "mine", "hash": "a" * 64}
    assert summary["settings"]["split"]["strength"] == 0.3


def test_differing_models_and_settings_are_stated_for_each_image(tmp_path: Path) -> None:
    results = [found("a"), found("b"), found("c", "b" * 64, strength=0.9, certainty=0.2), result("drawn")]
    models: Any = {"mine": Known("a" * 64), "yours": Known("b" * 64)}
    page, summary = written(tmp_path, results[:3], model="yours", models=models)
    assert cell(page, "Model") == f"a, b: mine, hash {'a' * 16}; c: yours, hash {'b' * 16}"
    assert cell(page, "Setting of split: strength") == "a, b: 0.5; c: 0.9"
    assert cell(page, "Setting of split: certainty") == "a, b: automatic; c: 0.2"
    assert "smoothing 1," in cell(page, "Settings of split")
    assert "strength" not in cell(page, "Settings of split")
    assert summary["model"] is None
    assert "strength" not in summary["settings"]["split"]
    assert [image["settings"]["split"]["strength"] for image in summary["images"]] == [0.5, 0.5, 0.9]
    page, _ = written(tmp_path, [results[0], results[3]], models=models)
    assert cell(page, "Model") == f"a: mine, hash {'a' * 16}; drawn: none (drawn, read or labelled otherwise)"
    assert cell(page, "Setting of split: strength") == "a: 0.5; drawn: none"


def test_a_model_nobody_knows_gets_no_name(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [found("a", "c" * 64)], model="mine", models={})
    assert cell(page, "Model") == f"unnamed, hash {'c' * 16}"


def test_labels_are_no_model(tmp_path: Path) -> None:
    page, summary = written(tmp_path, [found("a", BY_LABELS)], models={})
    assert summary["model"] == {"name": LABELS_ALONE, "hash": ""}
    assert cell(page, "Model") == LABELS_ALONE
    assert "(no model: labels painted by a person, or filled in" in html.unescape(page)


def test_captions_tell_what_was_left_out_and_done_by_hand(tmp_path: Path) -> None:
    made = result("a", 1)
    valid = np.ones((60, 90), bool)
    valid[45:] = False
    particles = replace(made.particles, micrograph=replace(made.particles.micrograph, valid=valid))
    seen = replace(made, particles=particles, measurement=with_flags(measure(particles), {2: "damaged"}, reviewed=[1]))
    page, summary = written(tmp_path, [seen, result("b")])
    gallery = page[page.index('class="gallery"') :]
    caption, other = re.findall("<figcaption>(.*?)</figcaption>", gallery, re.DOTALL)
    assert "25 % of the image left out · 1 correction by hand · 1 excluded (damaged: 1) · 1 of 2 reviewed" in caption
    assert "left out" not in other
    assert [image["left_out_share"] for image in summary["images"]] == [0.25, None]


def test_the_page_names_what_the_window_has(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [found("a", uncertain=6), found("b", uncertain=1)], model="mine")
    assert "recipe.json" not in page
    assert "every number above in summary.json.</footer>" in page
    cautions = re.findall('<section class="caution tight">.*?</section>', page, re.DOTALL)
    assert len(cautions) == 1
    assert "--" not in cautions[0]
    assert "a: 6 regions were dropped because the model is unsure of them, many beside 2 particles kept; Find ▸ Certainty 0" in page


def test_the_page_of_the_window_does_not_say_that_bars_were_looked_for_in_vain(tmp_path: Path) -> None:
    made = found("a")
    valid = np.ones((60, 90), bool)
    valid[48:] = False
    particles = replace(made.particles, micrograph=replace(made.particles.micrograph, valid=valid))
    page, _ = written(tmp_path, [replace(made, particles=particles, measurement=measure(particles)), found("b")], model="mine")
    told = cell(page, "Burnt-in scale bars, letters, data bars")
    assert told == "a: left out, 20 % of the image (found by the program or drawn by hand); b: nothing left out"
    gallery = page[page.index('class="gallery"') :]
    assert gallery.count('class="scale above"') == 1  # the scale bar of a is drawn off what is left out at its bottom
    assert "on the command line: temseg run" in html.unescape(page)


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(TemsegError):
        iter_report([], tmp_path).drain()


def test_names_become_file_names() -> None:
    assert file_stems(["a/b", "a_b", "A:B", "grid 07.tif [1]", "µ", "..."]) == ["a_b", "a_b_2", "A_B_3", "grid 07.tif _1_", "µ", "image"]


def test_a_powder_is_told_in_micrometres_and_kept_in_nanometres(tmp_path: Path) -> None:
    coarse = [replace(result(name), measurement=measure(result(name).particles, pixel_size=1500.0)) for name in ("a", "b")]
    page, summary = written(tmp_path, coarse)
    figures = summary["distributions"]["nm"]
    assert (figures["unit"], figures["d50"]) == ("nm", pytest.approx(35_545, rel=0.1))
    assert summary["columns"]["ecd_nm"]["unit"] == "nm"
    table = (tmp_path / "particles.csv").read_text(encoding="utf-8")
    assert "ecd_nm" in table.splitlines()[0]
    assert "µ" not in table
    assert cell(page, "D50 (by number)") == f"{figures['d50'] / 1000:.2f} µm"
    assert "Every statistic, µm" in page
    assert 'row">ecd_nm<' in page
    assert "every number above in summary.json (both with lengths in nm)" in page
    assert not re.search(r"\d{4,} nm|e\+0\d", re.sub(r"<svg.*?</svg>|base64,[^\"]*", "", page, flags=re.DOTALL))
    assert (tmp_path / "figures" / "distribution_nm.svg").is_file()
