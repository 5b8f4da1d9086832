"""napari's layer controls, out of the way: what they leave goes to the picture and to the list of layers."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QDockWidget

from napari_temseg.widgets.canvas.layers import role
from napari_temseg.widgets.canvas.main_window import window_of, window_part
from napari_temseg.widgets.canvas.roles import Role

PAINTING_MODES = ("paint", "erase", "fill", "polygon")
OWN_BRUSHES = (Role.ANNOTATION, Role.PARTICLES)  # whose size and eraser are in the dock
NARROW = 200  # px, of the column of docks without the controls


class FoldingControls(QObject):
    """Shows the controls of one viewer while a brush is in hand on a layer of somebody's own, until somebody shows or hides them otherwise.

    Not for a brush on particles or annotations: its size and eraser are in the dock, and a picture that moves as one begins to trace or to
    paint is traced wrong.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self.viewer = viewer
        docks = window_part(viewer)
        self._controls: Any = getattr(docks, "dockLayerControls", None)
        self._list: Any = getattr(docks, "dockLayerList", None)
        self._shown = True  # as we left them, or napari did
        self._wide = 0
        self._below: list[tuple[QDockWidget, int]] = []  # docks, and how high they were before the controls came
        self._layer: Any = None
        viewer.layers.selection.events.active.connect(self._other_layer)
        self._other_layer()

    def let_go(self) -> None:
        """Leave them as napari has them."""
        self.viewer.layers.selection.events.active.disconnect(self._other_layer)
        self._follow(None)
        if not self._shown and window_part(self.viewer) is not None and self._left_alone():  # on Ctrl+Q the window is gone by now
            self._show(True)
        self._controls = None

    def _other_layer(self, event: Any = None) -> None:
        self._follow(self.viewer.layers.selection.active)
        self._fold()

    def _follow(self, layer: Any) -> None:
        for each, wire in ((self._layer, "disconnect"), (layer, "connect")):
            if each is not None and hasattr(each.events, "mode"):
                getattr(each.events.mode, wire)(self._fold)
        self._layer = layer

    def _fold(self, event: Any = None) -> None:
        if self._controls is None:
            return
        if not self._left_alone():
            self._controls = None  # somebody knows better, for as long as the dock is open
            return
        wanted = self._painted()
        if wanted != self._shown:
            self._show(wanted)

    def _painted(self) -> bool:
        return str(getattr(self._layer, "mode", "")) in PAINTING_MODES and role(self._layer) not in OWN_BRUSHES

    def _left_alone(self) -> bool:
        return self._controls is not None and self._controls.isHidden() != self._shown

    def _show(self, on: bool) -> None:
        window = window_of(self.viewer)
        if not on:
            self._wide = self._list.width()
        else:
            self._below = [(dock, dock.height()) for dock in window.findChildren(QDockWidget) if _lies_below(window, dock)]
        self._controls.setVisible(on)
        self._shown = on
        width = max(self._wide, NARROW) if on else NARROW
        window.resizeDocks([self._list], [width], Qt.Orientation.Horizontal)
        if not on:  # what the controls took from docks below them goes back
            there = window.findChildren(QDockWidget)
            for dock, height in self._below:
                if dock in there and _lies_below(window, dock) and dock.height() < height:
                    window.resizeDocks([dock], [height], Qt.Orientation.Vertical)
            self._below = []


def _lies_below(window: Any, dock: QDockWidget) -> bool:
    return dock.isVisible() and not dock.isFloating() and window.dockWidgetArea(dock) == Qt.DockWidgetArea.BottomDockWidgetArea
