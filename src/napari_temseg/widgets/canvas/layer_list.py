"""napari's list of layers, without those that only serve: a picture, its particles and what people draw on it are enough to choose from."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QTimer

from napari_temseg.widgets.canvas.layers import role
from napari_temseg.widgets.canvas.main_window import window_of, window_part
from napari_temseg.widgets.canvas.roles import Role

_SERVING = frozenset(Role) - {Role.PARTICLES, Role.ANNOTATION, Role.LEFT_OUT, Role.TRUTH}


_PAUSE = 500  # ms


class TidyList(QTimer):
    """Keeps rows of serving layers out of the list of one viewer until `let_go`; a viewer without such a list is left as it is.

    The list is drawn at most twice a second while somebody paints: with each of napari's thumbnails the whole window is drawn once more,
    which with software OpenGL took half of what painting costs.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self.viewer = viewer
        self.setSingleShot(True)
        self.setInterval(0)  # the list follows the layers by itself first
        self.timeout.connect(self._tidy)
        events = viewer.layers.events
        self._emitters = [events.inserted, events.removed, events.reordered]
        for emitter in self._emitters:
            emitter.connect(self._changed)
        events.connect(self._hold)
        self._model: Any = None
        if (rows := window_part(viewer, "layers")) is not None:
            self._model = rows.model()
            self._model.rowsInserted.connect(self._inserted)  # before it is drawn: else the rows below would move down and up again
        self._drawing = QTimer(self)
        self._drawing.setSingleShot(True)
        self._drawing.setInterval(_PAUSE)
        self._drawing.timeout.connect(self._draw)
        self.start()

    def let_go(self) -> None:
        """Show all rows, and follow the list no more."""
        self.stop()
        for emitter in self._emitters:
            emitter.disconnect(self._changed)
        self.viewer.layers.events.disconnect(self._hold)
        self._drawing.stop()
        self._draw()
        if self._model is not None and window_part(self.viewer, "layers") is not None:  # on Ctrl+Q the window is gone by now
            self._model.rowsInserted.disconnect(self._inserted)
        self._hide(lambda layer: False)

    def _changed(self, event: Any = None) -> None:
        self.start()

    def _inserted(self, parent: Any, first: int, last: int) -> None:
        self._hide(serves, range(first, last + 1))

    def _hold(self, event: Any) -> None:
        rows = window_part(self.viewer, "layers")
        if rows is not None and event.type == "paint" and not self._drawing.isActive():
            rows.setUpdatesEnabled(False)
            self._drawing.start()

    def _draw(self) -> None:
        rows = window_part(self.viewer, "layers")
        if rows is not None:
            rows.setUpdatesEnabled(True)

    def _tidy(self) -> None:
        self._hide(serves)

    def _hide(self, unwanted: Any, only: range | None = None) -> None:
        from napari._qt.containers._base_item_model import ItemRole

        rows: Any = window_part(self.viewer, "layers")
        model: Any = None if rows is None else rows.model()
        for number in range(0 if model is None else model.rowCount()) if only is None else only:
            layer = model.data(model.index(number, 0), ItemRole)
            rows.setRowHidden(number, layer is not None and unwanted(layer))


def serves(layer: Layer) -> bool:
    """Whether a layer was made by us to be looked at through the dock, not to be worked on."""
    return role(layer) in _SERVING
