"""The value beside a bar is read, or not at all; it never becomes a pixel size by itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from napari_temseg import Calibration, Micrograph
from napari_temseg.engine.burntin.bar_value import BarValue, read_bar_value
from napari_temseg.engine.burntin.scale_bar import find_scale_bar
from napari_temseg.pipeline.burnt_in import bar_offer

CLEAR = [  # text, its size, ink and ground
    (text, size, *grey)
    for grey in ((255, 90), (0, 170))
    for text, size in (("200 nm", 24), ("50 nm", 18), ("2 µm", 28), ("500 nm", 30), ("20 nm", 20), ("5 µm", 24))
]
FONT = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def picture(text: str, size: int = 24, ink: int = 255, ground: int = 90) -> np.ndarray:
    canvas = Image.new("L", (400, 300), ground)
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((230, 260, 349, 267), fill=ink)
    if text:
        pen.text((290, 252), text, fill=ink, font=ImageFont.truetype(FONT, size), anchor="ms")
    return (np.asarray(canvas, float) + np.random.default_rng(0).normal(0, 4, (300, 400))).clip(0, 255).astype(np.uint8)


@cache
def read(text: str, *how: int) -> BarValue | None:
    plane = picture(text, *how)
    bar = find_scale_bar(plane)
    assert bar is not None
    return read_bar_value(plane, bar)


@pytest.mark.parametrize("label", CLEAR)
def test_a_clear_label_is_read(label: tuple[str, int, int, int]) -> None:
    value = read(*label)
    assert value is None or value.text == label[0]  # silent sometimes, wrong never


def test_most_clear_labels_are_read() -> None:
    assert sum(read(*label) is not None for label in CLEAR) > len(CLEAR) / 2


@pytest.mark.parametrize("text", ["", "sample", "HV 20", "WD 9", "mag"])
def test_what_is_no_length_is_not_read(text: str) -> None:
    assert read(text) is None


def test_it_is_offered_and_never_taken() -> None:
    image = Micrograph(picture("200 nm"))
    assert "seems to read “200 nm”; if that is right, use it with --pixel-size" in bar_offer(image)
    assert image.calibration.pixel_size is None
    assert bar_offer(Micrograph(picture(""))) == ""


def test_a_typed_pixel_size_is_held_against_what_the_bar_says() -> None:
    plane = picture("200 nm")
    bar = find_scale_bar(plane)
    assert bar is not None
    right = 200 / bar.length

    def told(size: float, origin: str) -> str:
        return bar_offer(Micrograph(plane, calibration=Calibration((size, size), origin)))

    for origin in ("typed", "manifest"):
        assert "seems to read “200 nm”, so one pixel would be" in told(1000 * right, origin)
        assert told(1.05 * right, origin) == ""
    assert told(1000 * right, "DM3 tag") == ""
