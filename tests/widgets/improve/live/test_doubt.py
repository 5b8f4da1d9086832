"""What *Use this result* makes of a doubted result is doubted still, but for what somebody stroked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import napari_temseg as temseg
from napari_temseg.engine.measure.measurement import with_flags
from napari_temseg.engine.measure.pooling import unsure_share
from napari_temseg.engine.types.confidence import STROKED
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig, SplitConfig
from napari_temseg.widgets.improve.live.answers import Task, iter_use

SIZE = PredictConfig(typical_size=14.0, exact_size=True, precision="float32")
NAMES = {1: "background", 2: "particle"}


@pytest.fixture(scope="module")
def faint() -> Any:
    """A search of faint particles, of which the model doubts a third."""
    drawn = temseg.simulate(SimulateConfig(height=200, width=232, count=40, diameter=14, contrast=0.2, dose=30, seed=3))
    return temseg.predict("particles", drawn.micrograph, SIZE)


def used(found: temseg.Prediction, strokes: np.ndarray, doubted: float | None, split: SplitConfig | None = None) -> temseg.Measurement:
    """The result that *Use this result* makes after strokes on a search that `doubted` such a share; None: there was none."""
    task = Task(
        found.micrograph, "particles", SIZE, split or SplitConfig(), strokes, NAMES, {}, 0, None if doubted is None else found, doubted
    )
    return iter_use(task).drain().measurement


def is_doubted(measurement: temseg.Measurement) -> bool:
    """Whether its sizes are not usable as the model doubts many particles."""
    return any("the model doubts" in why for why in temseg.size_distribution([measurement]).usability.why)


@pytest.mark.parametrize("searched", [True, False])
def test_a_doubted_result_is_doubted_after_use_but_for_what_was_stroked(faint: temseg.Prediction, searched: bool) -> None:
    before = temseg.measure(temseg.split(faint))
    assert is_doubted(before)
    share = unsure_share([before.table])
    unsure = before.table.sort_values("confidence")
    strokes = np.zeros(faint.classes.shape, np.uint8)
    y, x = (int(unsure.iloc[-1][f"centroid_{axis}_px"]) for axis in "yx")
    strokes[y - 1 : y + 2, x - 1 : x + 2] = 2  # on the one that the model is surest of: the doubted ones go, and what was missed is missed
    after = used(faint, strokes, share if searched else None)
    assert after.doubted == pytest.approx(share)
    assert len(after.table) < len(before.table)
    assert after.table["confidence"].notna().all()
    assert is_doubted(after)
    seen = with_flags(after, reviewed=after.table["particle"].tolist())
    assert not is_doubted(seen)
    for y, x in unsure[["centroid_y_px", "centroid_x_px"]].to_numpy(int).tolist():
        strokes[y - 1 : y + 2, x - 1 : x + 2] = 2
    sure = used(faint, strokes, share if searched else None)
    assert (sure.table["confidence"] == STROKED).sum() >= len(before.table) - 2
    assert not is_doubted(sure)


def test_what_a_higher_certainty_leaves_out_counts_where_nothing_was_searched(faint: temseg.Prediction) -> None:
    high = SplitConfig(certainty=0.9)
    before = temseg.measure(temseg.split(faint, high))
    strokes = np.zeros(faint.classes.shape, np.uint8)
    strokes[:2, :2] = 1
    after = used(faint, strokes, None, high)
    assert after.doubted == pytest.approx(unsure_share([before.table], faint=[before.faint]))
    assert is_doubted(after)


def test_what_is_unlike_the_training_is_so_where_live_looked_first(faint: temseg.Prediction) -> None:
    waves = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(200, 232)), 4)
    picture = temseg.Micrograph((255 * (waves - waves.min()) / np.ptp(waves)).astype(np.uint8))
    found = temseg.predict("particles", picture, SIZE)
    assert found.unlike == ("unknown shapes",)
    assert used(found, np.zeros(picture.data.shape, np.uint8), None).unlike == {0: "unknown shapes"}
