"""napari's slider of planes, away while all that is seen is a single picture: napari shows it for any stack that is open somewhere."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer

from napari_temseg.widgets.canvas.main_window import window_of, window_part

SEEN_OTHERWISE = frozenset({"visible", "inserted", "removed", "data"})  # events of layers after which other planes may be seen


class PlaneSlider(QTimer):
    """Shows the slider of one viewer while a layer with planes is seen, or none at all is, until `let_go`."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self.viewer = viewer
        self.setSingleShot(True)
        self.setInterval(0)  # of one picture instead of another both visibilities change first: the canvas is laid out once
        self.timeout.connect(self._follow)
        viewer.layers.events.connect(self._changed)
        self._follow()

    def let_go(self) -> None:
        """Leave it as napari has it."""
        self.stop()
        self.viewer.layers.events.disconnect(self._changed)
        self._show(True)

    def _changed(self, event: Any) -> None:
        if event.type in SEEN_OTHERWISE:
            self.start()

    def _follow(self) -> None:
        seen = [layer for layer in self.viewer.layers if layer.visible]
        self._show(not seen or any(layer.ndim > 2 for layer in seen))

    def _show(self, on: bool) -> None:
        slider = window_part(self.viewer, "dims")
        if slider is not None and slider.isHidden() == on:
            slider.setVisible(on)
