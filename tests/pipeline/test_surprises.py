"""A batch survives a surprise: names that are no text, errors nobody foresaw, folders in folders."""

from __future__ import annotations

import html
import json
import logging
import os
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.files.atomic import printable, replacing, short
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.pipeline.inputs import LABELS, gather, output_names, unique_names
from napari_temseg.pipeline.recipe import read_recipe

WHOLE = temseg.SplitConfig(strength=0.0)
PIXELS = np.zeros((64, 64), np.uint8)
PIXELS[20:40, 20:40] = 200


class Fragile(torch.nn.Module):
    """Finds what is brighter than the mean, but divides by nothing where a picture is wider than high."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(30.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.shape[-1] > image.shape[-2]:
            raise ZeroDivisionError("a mistake of ours")
        return image * self.gain


def test_an_error_nobody_foresaw_leaves_out_one_picture(tmp_path: Path, bright: temseg.Segmenter, caplog: pytest.LogCaptureFixture) -> None:
    for name, shape in (("a", (64, 64)), ("b", (64, 256)), ("c", (64, 64))):
        write_tiff(tmp_path / "in" / f"{name}.tif", np.resize(PIXELS, shape), temseg.Calibration())
    fragile = temseg.Segmenter(Fragile(), bright.spec, {1: "background", 2: "particle"})
    with caplog.at_level(logging.ERROR, "napari_temseg"):
        result = temseg.run(tmp_path / "in", tmp_path / "out", model=fragile, split=WHOLE)
    assert set(pd.read_csv(tmp_path / "out" / "particles.csv")["image"]) == {"a", "c"}
    (sentence,) = result.failures.values()
    assert "b.tif: failed (ZeroDivisionError: a mistake of ours)" in sentence
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["complete"], summary["missing"], list(summary["failures"].values())) == (False, [], [sentence])
    assert not result.stopped
    assert "Traceback" in caplog.text
    assert sentence in html.unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
@pytest.mark.usefixtures("log_elsewhere")
def test_names_that_are_no_text(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = tmp_path / os.fsdecode(b"Pr\xf6ben"), tmp_path / os.fsdecode(b"\xfcber")
    folder.mkdir()
    for stem in (b"m\xe4rz", b"m\xf6rz", "märz".encode()):
        iio.imwrite(folder / os.fsdecode(stem + b".png"), PIXELS, extension=".png")
    (folder / os.fsdecode(b"sch\xf6n.png")).write_bytes(b"no picture")
    own = tmp_path / os.fsdecode(b"m\xf6.temseg")
    temseg.load(model).save(own)
    assert temseg.load(own).content_hash() == temseg.load(model).content_hash()
    assert main(["run", str(folder), "-o", str(output), "-m", str(own)]) == 1
    out, err = capsys.readouterr()
    assert "m%E4rz:" in out
    assert "sch%F6n.png" in err
    assert sorted(pd.read_csv(output / "particles.csv")["image"].unique()) in (["m%E4rz", "m%F6rz", "märz"], [])
    summary = json.loads((output / "summary.json").read_bytes())
    assert sorted(image["file"] for image in summary["images"]) == ["m%E4rz.png", "m%F6rz.png", "märz.png"]
    assert any("sch%F6n.png" in sentence for sentence in summary["failures"].values())
    assert "sch%F6n.png" in (output / "report.html").read_text(encoding="utf-8")
    inputs = read_recipe(output / "recipe.json").inputs
    assert {path.resolve() for path in inputs} == {path for path in folder.iterdir() if b"sch" not in os.fsencode(path.name)}
    assert main(["run", "--recipe", str(output / "recipe.json"), "-o", str(output), "--json"]) == 0
    assert "3 of 3 were done before" in capsys.readouterr().err


def test_long_names(tmp_path: Path, bright: temseg.Segmenter) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for stem in ("x" * 248 + "1", "x" * 248 + "2", "µ" * 120):
        iio.imwrite(folder / f"{stem}.png", PIXELS)
    result = temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE)
    assert not result.failures
    names = [item.name for item in result.items]
    assert len(set(names)) == 3
    assert set(pd.read_csv(tmp_path / "out" / "particles.csv")["image"]) == set(names)
    assert temseg.run(folder, tmp_path / "out", model=bright, split=WHOLE).notes == ("3 of 3 were done before.",)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=300), unique=True, max_size=5))
def test_names_of_results_fit_and_differ(stems: list[str]) -> None:
    names = unique_names([Path("x") / f"{stem}.tif" for stem in stems])
    assert len({name.casefold() for name in names}) == len(stems)
    assert all(len(os.fsencode(f"{name}_probability.tif")) <= 240 for name in names)


def test_what_is_cut_and_what_is_written_otherwise(tmp_path: Path) -> None:
    assert short("abc", 3) == "abc"
    assert len(short("a" * 300, 100)) == 100
    assert short("a" * 300, 100) != short("a" * 301, 100)
    assert printable("m\udce4rz \ud800") == "m%E4rz \ufffd"
    name = "y" * 251 + ".csv"
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Pictures at three depths, with files beside them that are none."""
    top = tmp_path / "tree"
    for place in (top, top / "one", top / "one" / "two", top / ".hidden", top / "three"):
        place.mkdir(parents=True)
        (place / "notes.txt").write_text("x")
        if place.name != "three":
            iio.imwrite(place / "a.png", PIXELS)
    (top / "one" / "table.xlsx").write_text("x")
    return top


def test_sub_folders_are_searched_when_asked(tree: Path) -> None:
    flat, deep = gather([tree]), gather([tree], recursive=True)
    assert [path.relative_to(tree).as_posix() for path in flat.paths] == ["a.png"]
    assert dict(flat.skipped) == {"other files": 1, "sub-folders": 2}
    assert flat.note() == "Left out of the folders: 1 other file, 2 sub-folders; --recursive searches sub-folders too."
    assert [path.relative_to(tree).as_posix() for path in deep.paths] == ["a.png", "one/a.png", "one/two/a.png"]
    assert deep.note() == "Left out of the folders: 5 other files."
    (tree / "a.png").unlink()
    assert "holds no micrographs" in next(iter(gather([tree]).failures.values()))
    assert "search its sub-folders with --recursive" in next(iter(gather([tree]).failures.values()))
    assert list(gather([tree / "three"], recursive=True).failures) == [str(tree / "three")]


def test_links_that_lead_round_are_not_followed(tree: Path) -> None:
    (tree / "one" / "round").symlink_to(tree, target_is_directory=True)
    found = gather([tree], recursive=True)
    assert len(found.paths) == 3
    assert found.skipped["linked folders"] == 1


@pytest.mark.usefixtures("log_elsewhere")
def test_what_was_passed_over_is_said(tree: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tree / "out"
    for _ in range(2):  # results within the tree change nothing of it
        assert main(["run", str(tree), "--recursive", "-o", str(output), "-m", str(model), "--json"]) == 0
        out, err = capsys.readouterr()
        assert [image["image"] for image in json.loads(out)["images"]] == ["tree_a", "one_a", "two_a"]
        assert "temseg: Left out of the folders: 5 other files.\n" in err
        assert json.loads((output / "summary.json").read_text(encoding="utf-8"))["skipped"] == {"other files": 5}
    assert "3 of 3 were done before" in err


def test_results_never_take_the_place_of_an_input(tmp_path: Path) -> None:
    names = ["a.tif", "a_particles.tif", "a_2_classes.tif", "b.tif"]
    for name in names:
        iio.imwrite(tmp_path / name, PIXELS)
    paths = [tmp_path / name for name in names]
    chosen = output_names(paths, tmp_path)
    assert len(set(chosen)) == 4
    assert not {f"{name}{end}" for name in chosen for end in LABELS} & set(names)
    assert output_names(paths, tmp_path / "out") == unique_names(paths)
