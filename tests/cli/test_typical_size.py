from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

import napari_temseg as temseg
from napari_temseg.cli.options import Parser, add_config_options, config_from
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BandEnds, SizeCandidate
from napari_temseg.engine.types.wording import ends_touched, sizes_asked


def parsed(*words: str, base: temseg.PredictConfig | None = None) -> temseg.PredictConfig:
    parser = Parser(prog="temseg run")
    add_config_options(parser, temseg.PredictConfig)
    args: argparse.Namespace = parser.parse_args(list(words))
    return config_from(args, temseg.PredictConfig, base)


@pytest.mark.parametrize(
    ("text", "px", "nm"),
    [("12", 12.0, None), ("12 px", 12.0, None), ("12 nm", None, 12.0), ("0.5µm", None, 500.0), ("30 Å", None, 3.0), ("1e1 nm", None, 10.0)],
)
def test_a_size_is_typed_in_px_or_as_a_length(text: str, px: float | None, nm: float | None) -> None:
    config = parsed("--typical-size", text)
    assert config.typical_size == px
    assert config.typical_nm == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("12nm,300nm", ((None, 12.0), (None, 300.0))),
        ("12, 300 nm", ((None, 12.0), (None, 300.0))),
        ("1,5 nm, 30 nm", ((None, 1.5), (None, 30.0))),
        ("12 and 300", ((12.0, None), (300.0, None))),
        ("20px; 0.5 µm", ((20.0, None), (None, 500.0))),
    ],
)
def test_two_sizes_are_typed_as_people_write_them(text: str, sizes: tuple[tuple[float | None, float | None], ...]) -> None:
    config = parsed("--typical-size", text)
    assert ((config.typical_size, config.typical_nm), (config.other_size, config.other_nm)) == sizes
    assert not config.both


def test_both_sizes_are_asked_for_by_name_and_replace_what_a_recipe_told() -> None:
    assert parsed("--typical-size", "both", base=temseg.PredictConfig(typical_nm=5.0)) == temseg.PredictConfig(both=True)
    assert parsed("--typical-size", "8", base=temseg.PredictConfig(both=True)) == temseg.PredictConfig(typical_size=8.0)


def test_a_comma_that_may_be_either_is_refused() -> None:
    with pytest.raises(TemsegError, match="may be one size or two"):
        parsed("--typical-size", "12,300")


def test_the_size_of_a_recipe_is_replaced_whatever_its_unit() -> None:
    recipe = temseg.PredictConfig(typical_nm=5.0, polarity="dark")
    assert parsed("--typical-size", "8", base=recipe) == temseg.PredictConfig(typical_size=8.0, polarity="dark")
    assert parsed(base=recipe) == recipe


@pytest.mark.parametrize("text", ["x", "0", "-3 nm", "3 parsec", ""])
def test_what_is_no_size_is_one_sentence(text: str) -> None:
    with pytest.raises(TemsegError, match="typical-size"):
        parsed(f"--typical-size={text}")


def test_two_sizes_are_asked_about_in_the_unit_of_the_picture() -> None:
    candidates = (SizeCandidate(12.0, 280), SizeCandidate(300.0, 3))
    sentence = sizes_asked("a.tif", candidates, 0.5, "Say it with --typical-size")
    assert (
        sentence
        == "a.tif: about 280 of about 6 nm and 3 of about 150 nm could be the particles: which are meant? Say it with --typical-size."
    )
    assert "12 px" in sizes_asked("a.tif", candidates, 0.0, "")


def test_a_distribution_that_touches_the_ends_of_what_was_looked_for_is_named() -> None:
    ends = BandEnds(4.0, 36.0, 12, 30, 280)
    said = ends_touched("a.tif", ends, 0.5, "Say a smaller or larger --typical-size")
    assert said == (
        "a.tif: 30 of 280 particles are above 14.4 nm, near the largest that was looked for (about 18 nm): "
        "the distribution may go on beyond it. "
        "Say a smaller or larger --typical-size to see what lies there."
    )
    assert "12 of 100 particles are below 5 px, near the smallest" in ends_touched("a.tif", replace(ends, count=100), 0.0, "")
    assert not ends_touched("a.tif", replace(ends, near_largest=2), 0.5, "")
    seen = replace(ends, near_largest=2, seen=104, seen_size=38.0)
    assert seen.touched == (True, False)
    assert ends_touched("a.tif", seen, 0.5, "Look there") == (
        "a.tif: about 104 particles of some 19 nm seem to be there too, which this search finds in part at most: the distribution may go "
        "on beyond it. Look there to see what lies there."
    )
