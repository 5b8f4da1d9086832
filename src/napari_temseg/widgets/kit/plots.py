"""A plot in the colours of napari's theme; subclasses draw, nothing else."""

from __future__ import annotations

from typing import Any, Protocol

import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from napari_temseg.widgets.kit.style import theme_colours


class Themed(Protocol):
    """What a plot asks of a session."""

    viewer: Any
    theme_changed: Any


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """Axes, grid and text follow the theme; the mouse zooms and pans, a double click shows everything again.

    Subclasses implement `redraw`, called after a change of theme too. `colours` holds the theme's colours by name.
    """

    def __init__(self, themed: Themed, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = themed.viewer
        self.colours: dict[str, str] = {}
        self.setMenuEnabled(False)
        self.hideButtons()
        item = self.getPlotItem()
        item.setContentsMargins(2, 4, 8, 2)
        for menu in filter(None, (item.ctrlMenu, item.getViewBox().menu)):
            menu.setParent(self, menu.windowFlags())  # pyqtgraph gives them none, so that they would outlive the window
        themed.theme_changed.connect(self.retheme)
        self.retheme()

    def retheme(self) -> None:
        """Take over the theme of the viewer."""
        self.colours = theme_colours(self.viewer)
        self.setBackground(self.colours["background"])
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(self.colours["secondary"])
            axis.setTextPen(self.colours["text"])
        self.redraw()

    def redraw(self) -> None:
        """Draw the content anew in the colours of today."""

    def label(self, side: str, text: str) -> None:
        """Name an axis ("left", "bottom"), with its unit."""
        self.setLabel(side, text, color=self.colours["text"])
        self.getAxis(side).resizeEvent()  # it has another length: pyqtgraph puts it in the middle only when the plot changes its size

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Show everything again."""
        self.getPlotItem().enableAutoRange()
        event.accept()
