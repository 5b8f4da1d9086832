"""Letters of figures: a line of text is left out whole, and a letter is seen that lies on a bright particle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_temseg.engine.burntin.boxes import boxes_of
from napari_temseg.engine.burntin.scale_bar import band_levels, overlay_mask, panel_mask

Picture = npt.NDArray[np.uint8]


def texture(ground: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Something to look at (400, 600)."""
    return ground + ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 60, (400, 600)), 1.5)


def written(plane: npt.NDArray[np.float64], text: str, place: tuple[int, int], size: int, ink: int) -> tuple[Picture, tuple[int, ...]]:
    """A picture with a text whose left and upper end is at (x, y), and the text's box (top, left, bottom, right)."""
    picture = Image.fromarray(np.clip(plane, 5, 250).astype(np.uint8))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    pen.text(place, text, fill=ink, font=font)
    left, top, right, bottom = pen.textbbox(place, text, font=font)
    return np.asarray(picture), (int(top), int(left), int(bottom), int(right))


def panel_boxes(picture: Picture) -> list[tuple[int, int, int, int]]:
    levels = band_levels(picture)
    assert levels is not None
    return boxes_of(panel_mask(levels))


@pytest.mark.parametrize("left", [380, 10], ids=["right", "left"])
def test_a_line_that_leaves_the_corner_is_left_out_whole(left: int) -> None:
    plane = texture(110)
    plane[:70, left - 8 : left + 220] = 250
    picture, (top, first, bottom, last) = written(plane, "7.0 ± 3.1°", (left, 14), 40, 0)
    for found in (panel_boxes(picture), boxes_of(overlay_mask(picture))):
        (box,) = found
        assert box[0] <= top + 2
        assert box[1] <= first + 3
        assert box[2] >= bottom - 3
        assert box[3] >= last - 3


@pytest.mark.parametrize("ink", [255, 0])
def test_a_letter_is_left_out_that_lies_on_a_particle_of_nearly_its_grey(ink: int) -> None:
    plane = texture(50 if ink else 205)
    yy, xx = np.ogrid[:400, :600]
    ball = (yy - 40) ** 2 + (xx - 50) ** 2 < 70**2
    plane[150:200, 250:350], plane[200:250, 250:350] = 255, 0  # what else is as bright and as dark as ink
    plane[ball] = (0.4 * texture(0, 1) + (155 if ink else 100))[ball]
    picture, (top, first, bottom, last) = written(plane, "c", (20, 2), 70, ink)
    (box,) = panel_boxes(picture)
    assert (top + first + bottom + last) / 4 == pytest.approx(np.mean(box), abs=4)


@pytest.mark.parametrize("seed", range(4))
def test_bright_crescents_of_particles_are_no_letters(seed: int) -> None:
    plane, rng = texture(70, seed), np.random.default_rng(seed)
    yy, xx = np.ogrid[:400, :600]
    for y, x, r in zip(rng.uniform(0, 400, 60), rng.uniform(0, 600, 60), rng.uniform(8, 40, 60), strict=True):
        away = np.hypot(yy - y, xx - x)
        plane[away < r] = 150
        rim = (np.abs(away - 0.9 * r) < 2.5) & (yy < y)
        plane[rim] = 250  # edges of particles are bright in secondary electrons
    assert not panel_boxes(np.clip(ndimage.gaussian_filter(plane, 0.8), 0, 255).astype(np.uint8))


def test_a_figure_of_the_set_for_choosing(data: Path) -> None:
    """A line of ten letters, and a white letter on a grey ball; before, three letters and nothing."""
    import imageio.v3 as iio

    picture = np.asarray(iio.imread(data / "emps" / "images" / "15a3ba1c51.png"))
    found = panel_boxes(picture if picture.ndim == 2 else picture[..., 0])
    assert found == [(0, 3, 69, 60), (0, 492, 47, 736)]
