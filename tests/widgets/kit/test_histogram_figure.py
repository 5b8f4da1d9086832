"""The saved plot: what the window shows, bar for bar, with nothing cut at its sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from napari_temseg.engine.measure.fits import FittedCurve
from napari_temseg.engine.measure.histogram_bins import bins
from napari_temseg.widgets.canvas.colours import OF_POPULATION, OF_SAMPLES
from napari_temseg.widgets.kit.histogram_figure import SeenPart, draw_seen

LABEL = "equivalent circular diameter (nm)"


def summary(d50: float, n: int = 100) -> dict[str, Any]:
    """As of a column of `n` particles, with an interval of the segmentation and a bias."""
    named = {"these particles": {"d50": [0.8 * d50, 1.2 * d50], "holds": ["counting", "segmentation"]}}
    segmentation = {"bias": -0.016, "calibrated": True, "refused": False}
    return {"n": n, "d50": d50, "dv50": d50, "unit": "nm", "intervals": named, "segmentation": segmentation, "corrected": None}


def inside(figure: Figure) -> bool:
    """Whether nothing of the figure lies beyond its sides."""
    figure.draw_without_rendering()
    (legend,) = figure.legends
    boxes = [legend.get_window_extent(), *(axes.get_tightbbox() for axes in figure.axes)]
    return all(b.x0 >= -1 and b.y0 >= -1 and b.x1 <= figure.bbox.width + 1 and b.y1 <= figure.bbox.height + 1 for b in boxes)


def names(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts())


def test_two_populations_are_drawn_as_the_window_draws_them() -> None:
    rng = np.random.default_rng(3)
    values = np.sort(np.concatenate([rng.lognormal(3, 0.1, 80), rng.lognormal(6, 0.1, 30)]))
    masks = (values < 100, values >= 100)
    parts = [
        SeenPart(title, mask, summary(float(np.median(values[mask]))), OF_POPULATION[title])
        for title, mask in zip(("small", "large"), masks, strict=True)
    ]
    figure = draw_seen(values, np.ones(110), LABEL, 1, populations=parts)
    axes = figure.axes[0]
    assert axes.get_ylabel() == "share of each (%)"
    for part, patch in zip(parts, axes.patches, strict=True):
        np.testing.assert_array_equal(patch.get_data().edges, bins(values[part.mask]))
        assert patch.get_data().values.sum() == pytest.approx(100)
        assert to_hex(patch.get_facecolor()) == part.colour.lower()
    assert names(figure).count("D50 = ") == 2
    assert "small: 80 particles" in names(figure)
    assert inside(figure)


def test_one_distribution_counts_as_in_the_window_and_few_have_no_median() -> None:
    values, weights = np.sort(np.random.default_rng(3).lognormal(5, 0.4, 60)), np.full(60, 1.1)
    figure = draw_seen(values, weights, LABEL, 1, FittedCurve("lognormal", {"median": 150.0, "gsd": 1.5}), summary(150.0, 60))
    axes = figure.axes[0]
    assert axes.get_ylabel() == "count, weighted for the edge"  # bars are no whole numbers
    assert draw_seen(values, np.ones(60), LABEL, 1).axes[0].get_ylabel() == "count"
    assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(66)
    curve = next(line for line in axes.lines if str(line.get_label()).startswith("lognormal"))
    assert max(curve.get_ydata()) < 1.5 * max(patch.get_height() for patch in axes.patches)
    assert "120 to 180 nm)" in names(figure)
    assert "The model finds particles about 1.6 % too large: the interval allows for it." in names(figure)
    assert inside(figure)
    one, few = (draw_seen(values[:n], weights[:n], LABEL, 1, None, summary(150.0, n)) for n in (1, 19))
    for figure, n in ((one, 1), (few, 19)):
        assert f"n = {n} (without those at the edge or excluded) is too few: a D50 needs 20" in names(figure)
        assert "D50 =" not in names(figure)
    assert all(float(tick).is_integer() for tick in one.axes[0].get_yticks())
    assert inside(one)


@pytest.mark.parametrize("length", [3, 38, 150])
def test_no_legend_is_cut_however_long_names_of_samples_are(length: int) -> None:
    values = np.sort(np.random.default_rng(3).lognormal(5, 0.4, 120))
    samples = [(f"{n:02d}" + "W" * length, np.arange(120) % 12 == n) for n in range(12)]
    figure = draw_seen(values, np.ones(120), LABEL, 12, samples=samples)
    assert inside(figure)
    assert figure.axes[0].get_window_extent().height > 0.3 * 3.6 * figure.dpi
    assert to_hex(figure.axes[0].patches[0].get_edgecolor()) == OF_SAMPLES[0].lower()
