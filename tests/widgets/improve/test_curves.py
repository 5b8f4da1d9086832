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
