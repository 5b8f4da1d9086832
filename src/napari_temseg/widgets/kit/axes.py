"""Axes of a histogram: of sizes, plain or logarithmic, and of counts; and the box that says which of both the sizes have."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox


class LogBox(QCheckBox):
    """Ticked by itself where sizes spread far, until somebody says otherwise: that is remembered of each plot. `chosen`: somebody did."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__("log")
        self._plot: Hashable = None
        self._said: dict[Hashable, bool] = {}
        self.setToolTip(
            "Logarithmic axis, with bins that are equally wide on it; ticked by itself where sizes spread over more than a decade."
        )
        self.toggled.connect(self._remember)

    def follow(self, plot: Hashable, *, wide: bool) -> None:
        """Another plot is seen, or another of its kind, whose sizes are `wide` apart or not."""
        self._plot = plot
        blocked = self.blockSignals(True)
        self.setChecked(self._said.get(plot, wide))
        self.blockSignals(blocked)

    def _remember(self, on: bool) -> None:
        self._said[self._plot] = on
        self.chosen.emit()


class SizeAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that shows plain numbers where the plot is logarithmic."""

    logarithmic = False

    def tickValues(self, minVal: float, maxVal: float, size: float) -> Any:  # noqa: N802  pyqtgraph's names
        """Round numbers: 1, 2, 5, 10 … and those between while there is room."""
        if not self.logarithmic:
            return super().tickValues(minVal, maxVal, size)
        steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9) if maxVal - minVal < 0.8 else (1, 2, 5) if maxVal - minVal < 3 else (1,)
        decades = range(int(np.floor(minVal)), int(np.ceil(maxVal)) + 1)
        places = [decade + float(np.log10(step)) for decade in decades for step in steps]
        return [(1.0, [place for place in places if minVal <= place <= maxVal])]

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:  # noqa: N802
        """The numbers themselves, not their logarithms."""
        return [f"{10**value:.6g}" for value in values] if self.logarithmic else super().tickStrings(values, scale, spacing)


class CountAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of whole numbers where it counts."""

    whole = False

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> Any:  # noqa: N802  pyqtgraph's names
        """No ticks between whole numbers."""
        found = super().tickSpacing(minVal, maxVal, size)
        return [each for each in found if float(each[0]).is_integer()] or [(1.0, 0.0)] if self.whole else found
