"""The curves of a training in a real viewer: their axes are those of shares."""

from __future__ import annotations

from typing import Any

import pytest

NAMES = [f"{part}_{figure}" for part in ("train", "validation") for figure in ("loss", "accuracy", "iou")]


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.02, 0.01], [0.99, 1.0, 1.0], [0.3, 0.9], [0.5]])
def test_nothing_is_written_below_0_or_above_1(bench: Any, idle: Any, values: list[float]) -> None:
    panel = bench.panel(2)
    panel.trainer.points = [{"step": float(step), **dict.fromkeys(NAMES, value)} for step, value in enumerate(values)]
    panel.trainer.advanced.emit()
    idle()
    for plot in panel.curves.plots:
        low, high = plot.viewRange()[1]
        written = [float(tick) for _, ticks in plot.getAxis("left").tickValues(low, high, 76) for tick in ticks]
        assert written
        assert min(written) >= 0
        assert low > -0.05
        if plot.figure != "loss":
            assert max(written) <= 1
            assert high < 1.05
        assert low <= min(values)
        assert max(values) <= high


def test_the_caption_says_where_one_region_is_all_that_validation_is_judged_by(bench: Any, idle: Any) -> None:
    panel = bench.panel(2)
    panel.trainer.points = [{"step": float(step), **dict.fromkeys(NAMES, 0.5)} for step in (0, 10)]
    regions = {"validation_regions": 4, "pixels_1": 50, "validation_regions_1": 2, "pixels_2": 50}
    for there, said in ((2, False), (1, True)):
        panel.trainer.facts = {**regions, "validation_regions_2": there}
        panel.trainer.advanced.emit()
        idle()
        assert ("1&nbsp;region:&nbsp;tells&nbsp;nothing" in panel.curves.legend.text()) == said
        assert (panel.curves.plots[0].lines["validation"].opacity() < 1) == said
        assert "validation" in panel.curves.legend.text()
    panel.curves.show_points(panel.trainer.points, of="of another kind, 2 and 12 more")
    assert "<b>of&nbsp;of an…2 more</b>" in panel.curves.legend.text()
