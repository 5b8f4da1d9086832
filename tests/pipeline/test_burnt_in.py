"""What is left out of pictures: certain bars by default, a data bar in every picture of its camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import napari_temseg as temseg
from napari_temseg.engine.burntin.boxes import outermost, with_text
from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.pipeline import burnt_in
from napari_temseg.pipeline.burnt_in import MarkedArea, areas_left_out, marked_area, with_bar_text, without_areas
from napari_temseg.pipeline.known_pictures import KnownPicture, KnownPictures

CAMERA = ((100, 200), "SEM 1", "SEM", "")
OTHER = ((100, 200), "SEM 2", "SEM", "")


def test_a_data_bar_is_left_out_of_every_picture_of_its_camera_and_of_no_other() -> None:
    with_bar = MarkedArea(CAMERA, ((88, 0, 100, 200), (90, 150, 98, 190)), (0, 12), certain=True)
    without, elsewhere = MarkedArea(CAMERA), MarkedArea(OTHER)
    first, second, third, other = areas_left_out([with_bar, with_bar, without, elsewhere], everything=False)
    assert (88, 0, 100, 200) in first
    assert second == first
    assert third == ((88, 0, 100, 200),)
    assert other == ()


def test_one_data_bar_among_many_pictures_is_its_own() -> None:
    with_bar = MarkedArea(CAMERA, ((88, 0, 100, 200),), (0, 12), certain=True)
    found = areas_left_out([with_bar, MarkedArea(CAMERA), MarkedArea(CAMERA)], everything=False)
    assert found[0]
    assert found[1] == found[2] == ()


def test_what_is_not_certain_is_left_out_only_when_asked_for() -> None:
    doubtful = MarkedArea(CAMERA, ((5, 5, 9, 9),))
    assert areas_left_out([doubtful], everything=False) == [()]
    assert areas_left_out([doubtful], everything=True) == [((5, 5, 9, 9),)]


def test_a_simulated_data_bar_is_certain_and_a_plain_picture_loses_nothing() -> None:
    settings = {"height": 400, "width": 400, "count": 30, "seed": 3}
    barred = temseg.simulate(temseg.SimulateConfig(**settings, data_bar=True, scale_bar=True))
    area = marked_area(replace(barred.micrograph, acquisition=Acquisition("SEM 1")))
    assert area.certain
    assert area.camera[1] == "SEM 1"
    (boxes,) = areas_left_out([area], everything=False)
    valid = without_areas(barred.micrograph, boxes).valid
    assert valid is not None
    assert (~valid)[barred.overlays].mean() > 0.9
    assert (~valid).mean() < barred.overlays.mean() + 0.1
    plain = temseg.simulate(temseg.SimulateConfig(**settings)).micrograph
    assert areas_left_out([marked_area(plain)], everything=False) == [()]
    assert without_areas(plain, ()) is plain
    assert np.asarray(plain.data).any()


def test_bars_are_remembered_by_the_pixels_of_their_picture() -> None:
    """The same bytes as another picture, of another shape or lying otherwise, are looked at anew."""
    settings = temseg.SimulateConfig(height=400, width=400, count=30, seed=3, data_bar=True, scale_bar=True)
    image = temseg.simulate(settings).micrograph
    turned = replace(image, data=np.ascontiguousarray(image.plane(0).T))
    first = marked_area(image)
    assert first.certain
    assert marked_area(image) == first
    assert marked_area(turned).boxes != first.boxes
    assert marked_area(replace(image, data=image.plane(0).reshape(200, 800))).boxes != first.boxes
    assert marked_area(replace(turned, data=turned.plane(0).T)) == first  # a view whose rows do not lie one after another


def test_a_large_plane_is_looked_at_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data bar at its end, and all that is burnt in, are those of the plane as it is, to a coarse pixel."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(120, 8, (900, 1200)).clip(0, 255).astype(np.uint8)
    pixels[840:] = 0
    pixels[860:872, 60:360] = 255
    image = temseg.Micrograph(pixels, "YX")
    fine = marked_area(image)
    monkeypatch.setattr(burnt_in, "LARGEST_LOOK", pixels.size // 4)
    coarse = marked_area(image)
    assert fine.certain
    assert coarse.certain
    assert coarse.camera == fine.camera
    assert fine.bands[1] <= coarse.bands[1] <= fine.bands[1] + 4
    valid = [without_areas(image, areas_left_out([area], everything=True)[0]).valid for area in (fine, coarse)]
    assert valid[0] is not None
    assert valid[1] is not None
    assert np.mean(valid[0] != valid[1]) < 0.01


def test_the_text_beside_a_bar_is_left_out_where_it_lies_over_particles() -> None:
    """Its letters touch what looks like a particle, so that they are not found one by one; what is read is a text."""
    canvas = Image.new("L", (400, 300), 90)
    pen = ImageDraw.Draw(canvas)
    pen.ellipse((255, 190, 350, 250), fill=200)
    pen.ellipse((60, 60, 120, 120), fill=200)
    pen.rectangle((230, 260, 349, 267), fill=255)
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 24)
    pen.text((290, 252), "200 nm", fill=255, font=font, anchor="ms")
    drawn = pen.textbbox((290, 252), "200 nm", font=font, anchor="ms")
    pixels = (np.asarray(canvas, float) + np.random.default_rng(0).normal(0, 4, (300, 400))).clip(0, 255).astype(np.uint8)
    image = temseg.Micrograph(pixels, "YX")
    (boxes,) = areas_left_out([marked_area(image)], everything=False)
    valid = without_areas(image, with_bar_text(image, boxes)).valid
    assert valid is not None
    left, top, right, bottom = (round(side) for side in drawn)
    assert not valid[top:bottom, left:right].any()
    assert valid[:180].all()
    assert valid[:, :200].all()


def test_a_data_bar_does_not_grow_by_the_text_in_it() -> None:
    bar, label = (80, 0, 100, 80), (60, 5, 72, 40)
    assert with_text([bar], (78, 10, 95, 40)) == (bar,)
    assert set(with_text([bar], label)) == {bar, label}
    assert set(with_text([bar, (62, 6, 70, 12)], label)) == {bar, label}, "a letter that was found by itself lies in it"
    assert outermost([bar, bar]) == (bar,)


FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def figure_panel(text: str, paper: str, corner: str, bright: bool) -> tuple[temseg.Micrograph, tuple[int, int, int, int]]:
    """A noisy picture with letters in a corner, on the picture itself, a box or a disc; and where they are (top, left, bottom, right)."""
    canvas = Image.new("L", (400, 300), 110)
    pen = ImageDraw.Draw(canvas)
    for x in range(80, 400, 60):
        pen.ellipse((x, 150, x + 40, 190), fill=200 if bright else 40)
    pixels = (np.asarray(canvas, float) + np.random.default_rng(1).normal(0, 5, (300, 400))).clip(0, 255).astype(np.uint8)
    canvas = Image.fromarray(pixels)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.truetype(str(FONTS / "DejaVuSans-Bold.ttf"), 22)
    middle = (35 if "left" in corner else 365, 30 if "top" in corner else 270)
    on, ink = (0, 255) if bright else (255, 0)
    around = (middle[0] - 22, middle[1] - 22, middle[0] + 22, middle[1] + 22)
    if paper == "box":
        pen.rectangle(around, fill=on)
    elif paper == "disc":
        pen.ellipse(around, fill=on)
    drawn = pen.textbbox(middle, text, font=font, anchor="mm")
    pen.text(middle, text, fill=ink, font=font, anchor="mm")
    left, top, right, bottom = drawn if paper == "picture" else around
    return temseg.Micrograph(np.asarray(canvas), "YX"), (round(top), round(left), round(bottom), round(right))


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("corner", ["top left", "bottom right"])
@pytest.mark.parametrize(("text", "paper"), [("a", "picture"), ("b)", "picture"), ("(c)", "box"), ("d", "box"), ("a", "disc")])
def test_letters_in_a_corner_are_left_out_without_a_bar(text: str, paper: str, corner: str, bright: bool) -> None:
    image, (top, left, bottom, right) = figure_panel(text, paper, corner, bright)
    area = marked_area(image)
    assert not area.certain
    (boxes,) = areas_left_out([area], everything=False)
    valid = without_areas(image, boxes).valid
    assert valid is not None
    gone = ~valid
    share = gone[top:bottom, left:right].mean()
    assert share > (0.75 if paper == "disc" else 0.95)
    assert gone.sum() < 2.5 * (bottom - top) * (right - left)
    assert not gone[145:195].any(), "particles stay"


def test_letters_of_a_picture_are_remembered_from_one_start_of_a_run_to_the_next(tmp_path: Path) -> None:
    image, _ = figure_panel("b)", "box", "top left", bright=True)
    path = tmp_path / "panel.png"
    Image.fromarray(image.plane(0)).save(path)
    read = temseg.read(path)
    known = KnownPicture.of(read, marked=True)
    assert known.area is not None
    assert known.area.letters
    (tmp_path / "known").mkdir()
    learnt = KnownPictures(tmp_path / "known")
    learnt.keep("panel", path, "settings", known)
    again = learnt.find("panel", path, "settings")
    assert again is not None
    assert again.area == known.area


@pytest.mark.parametrize("seed", range(4))
def test_particles_in_the_corners_are_no_letters(seed: int) -> None:
    """Rods and faceted ones, bright and dark, dense enough that gaps and clusters have any shape."""
    for mode in ("HAADF", "bright field"):
        settings = {"height": 300, "width": 300, "count": 90, "shapes": (("rod",), ("faceted",))[seed % 2], "diameter": 18, "seed": seed}
        image = temseg.simulate(temseg.SimulateConfig(mode=mode, **settings)).micrograph
        assert areas_left_out([marked_area(image)], everything=False) == [()]
