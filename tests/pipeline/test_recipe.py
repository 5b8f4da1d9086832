"""Recipes: written, read back, and refused when they are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import napari_temseg as temseg
from napari_temseg.pipeline.recipe import Recipe, read_recipe


def _recipe(folder: Path) -> Recipe:
    return Recipe(
        model="particles",
        model_hash="ab" * 32,
        calibration=temseg.Calibration((0.5, 0.25), "typed", factor=1.01),
        axes="NYX",
        predict=temseg.PredictConfig(tile=512, scales=(1.0, 0.5)),
        split=temseg.SplitConfig(strength=0.7),
        inputs={folder / "pictures" / "a.tif": "00ff"},
    )


def test_round_trip(tmp_path: Path) -> None:
    _recipe(tmp_path).write(tmp_path / "recipe.json")
    back = read_recipe(tmp_path / "recipe.json")
    assert back == _recipe(tmp_path)


def test_it_can_be_moved_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "old" / "out").mkdir(parents=True)
    (tmp_path / "old" / "mine.temseg").write_bytes(b"model")
    recipe = Recipe(model=str(tmp_path / "old" / "mine.temseg"), inputs={tmp_path / "old" / "a.tif": ""})
    recipe.write(tmp_path / "old" / "out" / "recipe.json")
    assert str(tmp_path) not in (tmp_path / "old" / "out" / "recipe.json").read_text()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = read_recipe(tmp_path / "new" / "out" / "recipe.json")
    assert Path(moved.model).resolve() == tmp_path / "new" / "mine.temseg"
    assert [path.resolve() for path in moved.inputs] == [tmp_path / "new" / "a.tif"]


def _changed(**changes: Any) -> dict[str, Any]:
    return {**_recipe(Path("/x")).to_dict(Path("/x")), **changes}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a recipe"),
        ("{}", "is not a recipe"),
        (_changed(recipe=99), "newer format.*update napari-temseg"),
        (_changed(strength=1), "unknown entry “strength”"),
        (_changed(split={"strenght": 0.5}), "no setting “strenght”; it has strength"),
        (_changed(split={"strength": "much"}), "strength.*must be a number"),
        (_changed(split={"strength": 7}), "strength.*1.0, not 7"),
        (_changed(split=[1]), "no setting “1”"),
        (_changed(model="particles"), "wrong type"),
        (_changed(model={"name": 3, "hash": ""}), "should be text"),
        (_changed(inputs=[{"sha256": "x"}]), "path"),
        (_changed(inputs=3), "wrong type"),
        (_changed(calibration={"pixel_size": [-1, 1]}), "positive"),
        (_changed(calibration={"pixelsize": [1, 1]}), "wrong type"),
    ],
)
def test_what_is_no_recipe(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(temseg.TemsegError, match=words) as caught:
        read_recipe(path)
    assert "r.json" in str(caught.value)


def test_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(temseg.TemsegError, match=r"gone\.json.*cannot be read"):
        read_recipe(tmp_path / "gone.json")


def test_what_suits_a_computer_is_no_other_setting(tmp_path: Path) -> None:
    from napari_temseg.pipeline.record import settings_digest

    plain = settings_digest(Recipe())
    assert settings_digest(Recipe(predict=temseg.PredictConfig(device="cpu", tile=512, overlap=128))) == plain
    assert settings_digest(Recipe(predict=temseg.PredictConfig(precision="float32"))) != plain
