"""What the first sheet of a report says of a calibration, a curve and how many particles there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import norm

import napari_temseg as temseg
from napari_temseg.pipeline.report.sheet import sheet


def measured(name: str, n: int, side: int, pixel: float, uncertainty: float) -> temseg.Measurement:
    """Of `n` squares about `side` px wide, in an image whose pixel size was read with an uncertainty (0: not stated)."""
    labels, spread = np.zeros((600, 600), np.int32), norm.ppf((np.arange(n) + 0.5) / n)
    for number in range(n):
        (y, x), width = (20 + 55 * each for each in divmod(number, 10)), round(side + 4 * spread[number])
        labels[y : y + width, x : x + width] = number + 1
    calibration = temseg.Calibration((pixel, pixel), "scale bar" if uncertainty else "tag", reading_uncertainty=uncertainty)
    return replace(temseg.measure(labels, pixel_size=pixel), image=name, calibration=calibration)


def told(pool: list[temseg.Measurement]) -> tuple[dict[str, Any], tuple[str, ...]]:
    sizes = temseg.size_distribution(pool)
    return sheet("nm", sizes, sizes.summary(), 0, [each.calibration for each in pool]), sizes.cautions


def test_the_uncertainty_of_scale_bars_is_told_of_one_and_of_several_images() -> None:
    one, other, silent = (measured(*each) for each in (("a", 50, 20, 0.5, 0.012), ("b", 50, 16, 0.6, 0.017), ("c", 50, 18, 0.55, 0.0)))
    alone, cautions = told([one])
    assert alone["counts"].endswith("calibration ± 1.2 % (standard uncertainty)")
    both, _ = told([one, other])
    assert "calibration ± 1 % (standard uncertainty)" in both["counts"]  # hypot(1.2, 1.7) / 2: read apart
    assert not any("is not stated" in each for each in cautions)
    pooled, cautions = told([one, other, silent])
    words = "± 1.2 to 1.7 % in 2 of 3 images, not stated in the others"
    assert pooled["counts"].endswith(f"calibration {words}")
    assert [bar[1] for bar in pooled["bars"] if bar[0] == "calibration"] == [words]
    assert any(each.startswith("c: the uncertainty of the pixel size is not stated, so that of the other images") for each in cautions)
    nothing, cautions = told([silent])
    assert nothing["counts"].endswith("calibration without a stated uncertainty")
    assert not any("is not stated" in each for each in cautions)
    assert one.calibration.stated() == "0.5 nm/px · scale bar ± 1.2 %"


def test_a_curve_that_is_of_the_lesser_part_of_pooled_particles_is_not_drawn() -> None:
    """Particles of a coarse image begin at its smallest size, above most of those of the fine one."""
    fine, coarse = (
        replace(measured(name, n, 20, pixel, 0.0), smallest=8.0) for name, n, pixel in (("fine", 80, 0.5), ("coarse", 25, 10.0))
    )
    sizes = replace(temseg.size_distribution([fine, coarse]), group=np.zeros(105, int), n_images=1)  # as if nothing told them apart
    assert sizes.lowest == 80
    assert any(fit["adequate"] for fit in sizes.fits.values()), "of the larger ones alone"
    assert sizes.shown_fit.curve is None
    assert (
        sheet("nm", sizes, sizes.summary(), 0)["fit"]
        == "No curve: 75 % of the particles are below the size from which on all images show them."
    )
